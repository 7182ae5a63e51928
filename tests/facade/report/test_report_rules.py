"""Every guard in words."""

from typing import get_args

import pytest

from engine.book import parse_book
from engine.domain.guards import AccountGuard
from engine.domain.market_findings import OnSuspect
from engine.domain.market_guards import AnyMarketGuard, Gap, Spread, Stale, Suspect
from facade.report.rules import grouped, in_words, market_in_words
from tests.facade.report.pages import INSTRUMENTS, account

RULES = {
    'kind = "equity_limit"\nreference = "equity_high_water"\nlock_at = { money = 10100.0 }\n'
    'amount = { percent = 4.0, of = "initial" }\ncomparator = "at_or_below"\n'
    'action = "close_and_halt"\nnotice_s = 10.0': (
        "Equity may not reach or fall below the highest equity so far less 4 % of the initial "
        "balance. The floor stops rising at 10\u202f100.00 USD. Warns at 75 % of the amount used. "
        "A breach closes everything and halts the account after a notice of 10 s; it stays until "
        "a named person releases it."
    ),
    'kind = "equity_limit"\namount = { floor = 100.0 }\naction = "alert"\nlatch = "never"': (
        "Equity may not fall below 100.00 USD. A breach tells, and does nothing else; it stays "
        "for good."
    ),
    'kind = "margin_level"\nfloor_percent = 80.0\naction = "close"': (
        "The margin level may not fall below 80 %. A breach closes; it stays until a named person "
        "releases it."
    ),
    'kind = "exposure"\nmax_positions = 3\nmax_net_notional = 50000.0\naction = "alert"': (
        "No more may be open than 3 positions, 50\u202f000.00 USD net notional. A breach tells, "
        "and does nothing else; it stays until a named person releases it."
    ),
    'kind = "max_holding"\nseconds = 7200.0\naction = "close"': (
        "No position may be open for 2\u00a0h or longer. A breach closes that position alone; it "
        "stays until a named person releases it."
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_guard_reads_as_whole_sentences(rule: str) -> None:
    text = INSTRUMENTS + f'[[ruleset]]\nname = "one"\n[[ruleset.guard]]\nname = "it"\n{rule}\n'
    book = parse_book(text + account(1, ruleset="one"), "house.toml")
    spec = book.accounts[0].spec
    assert in_words(spec.guards[0], spec) == RULES[rule]


def test_no_kind_of_guard_is_without_words() -> None:
    guards: list[AnyMarketGuard] = [
        Gap(name="g"),
        Spread(name="s", symbols=("XAUUSD",)),
        Stale(name="t"),
        *(Suspect(name="u", policy=policy) for policy in OnSuspect),
    ]
    said = {market_in_words(guard) for guard in guards}
    assert len(said) == 6
    assert {Gap, Spread, Stale, Suspect} == set(get_args(AnyMarketGuard))
    assert any(text.startswith("On XAUUSD, when the spread is above 0.5 %") for text in said)
    assert len(get_args(AccountGuard)) == 10  # `in_words` matches them all; mypy holds it to that


def test_accounts_of_the_same_rules_are_named_together() -> None:
    accounts = account(1) + account(2) + account(3, currency="JPY", balance=1_000_000)
    specs = [one.spec for one in parse_book(INSTRUMENTS + accounts, "house.toml").accounts]
    groups = [[spec.key.login for spec in members] for members, _ in grouped(specs)]
    assert groups == [[1, 2, 3]]  # 5 % is the same sentence in any currency
