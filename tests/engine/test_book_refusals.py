"""What a book may not say: refused with the line, the path, what was there and what is allowed."""

import pytest

from engine.book import parse_book
from engine.errors import UserError
from tests.engine.books import BOOK, changed, with_guard


def refusal(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        parse_book(text, "bad.toml")
    return caught.value


GOLDEN = [
    (
        ("comparator =", "comparater ="),
        """\
error: unknown key `comparater` in a guard
  --> bad.toml:24   ruleset[0].guard[0].comparater
   |  comparater = "below"
help: did you mean `comparator`? allowed: below, at_or_below""",
    ),
    (
        ('symbol = "EURUSD"\nside', 'symbol = "EURSD"\nside'),
        """\
error: unknown symbol `EURSD`
  --> bad.toml:37   account[0].position[0].symbol
   |  symbol = "EURSD"
help: did you mean `EURUSD`? allowed: EURUSD, XAUUSD""",
    ),
    (
        ('currency = "USD"\nbalance', 'currency = "GBP"\nbalance'),
        """\
error: nothing in the book turns USD, the profit of EURUSD, into GBP
  --> bad.toml:37   account[0].position[0].symbol
   |  symbol = "EURUSD"
help: add an [[instrument]] of calc_mode forex that joins them: USDGBP or GBPUSD""",
    ),
    (
        ('"Europe/Prague"', '"Prag"'),
        """\
error: there is no zone `Prag`
  --> bad.toml:25   ruleset[0].guard[0].reset.zone
   |  reset = { zone = "Prag", at = "00:00" }
help: did you mean `Europe/Prague`? allowed: IANA names such as Europe/Prague, never an hour \
offset""",
    ),
    (
        ("balance = 10000.0", "balance = 10000.005"),
        """\
error: 10000.005 has more decimals than USD
  --> bad.toml:33   account[0].balance
   |  balance = 10000.005
help: USD has 2 decimals""",
    ),
    (
        ("balance = 10000.0", "balance ="),
        """\
error: not valid TOML: invalid value
  --> bad.toml:33
   |  balance =""",
    ),
    (
        ("[[account]]\nlogin", "[account]\nlogin"),
        """\
error: `account` must be a list, not a table
  --> bad.toml:29   account
   |  [account]
help: write [[account]] for each one of the list""",
    ),
    (
        ('calc_mode = "cfd"', 'calc_mode = "exch_bonds"'),
        """\
error: `calc_mode` cannot be "exch_bonds"
  --> bad.toml:11   instrument[1].calc_mode
   |  calc_mode = "exch_bonds"
help: allowed: forex, forex_no_leverage, cfd, cfd_leverage, cfd_index, stock, futures \
(bonds, options and collateral are not built)""",
    ),
    (
        ("login = 1001\n", ""),
        """\
error: `login` is missing in an account
  --> bad.toml:29   account[0]
   |  [[account]]""",
    ),
]


@pytest.mark.parametrize(("change", "said"), GOLDEN)
def test_a_refusal_says_what_where_and_what_is_allowed(change: tuple[str, str], said: str) -> None:
    assert refusal(changed(change)).render() == said


KEY = ("[[account]]\nlogin = 1001\n", "[[account]]\nlogin = 1001\n{}\n")
POSITION = ("id = 1\n", "id = 1\n{}\n")
GUARD = ('action = "close_and_halt"\n', 'action = "close_and_halt"\n{}\n')
SYMBOL = ("digits = 5\n", "digits = 5\n{}\n")
AMOUNT = ('amount = { percent = 5.0, of = "initial" }', "amount = {}")
SECOND = '[[account.position]]\nid = {}\nsymbol = "EURUSD"\nside = "sell"\n'
SECOND += "volume_lots = 1.0\nopen_price = 1.2\n"


def at(place: tuple[str, str], keys: str) -> str:
    before, after = place
    return changed((before, after.replace("{}", keys)))


CASES = [
    # types: true is no number, a string is none, a fraction is no whole number
    (changed(("login = 1001", "login = true")), "account[0].login", "a whole number, not true"),
    (changed(("login = 1001", 'login = "1"')), "account[0].login", 'a whole number, not "1"'),
    (changed(("digits = 5", "digits = 5.5")), "instrument[0].digits", "whole number, not 5.5"),
    (changed(("digits = 5", "digits = 16")), "instrument[0].digits", "<= 15"),
    (changed(("balance = 10000.0", "balance = false")), "account[0].balance", "not false"),
    (at(POSITION, "comment = 5"), "account[0].position[0].comment", "a string, not 5"),
    (at(POSITION, "opened_at = true"), "account[0].position[0].opened_at", "not true"),
    (at(POSITION, "opened_at = 2014-05-01"), "account[0].position[0].opened_at", "a time such"),
    (at(POSITION, 'opened_at = "then"'), "account[0].position[0].opened_at", '"then"'),
    (at(KEY, "aliases = { A = 1 }"), "account[0].aliases.A", "a string, not 1"),
    # numbers
    (changed(("= 0.017", "= nan")), "account[0].position[0].volume_lots", "not a finite"),
    (changed(("= 0.017", "= inf")), "account[0].position[0].volume_lots", "not a finite"),
    (changed(("= 0.017", "= 0.0")), "account[0].position[0].volume_lots", "must be > 0"),
    (changed(("= 1.38650", "= -1")), "account[0].position[0].open_price", "must be > 0"),
    (at(POSITION, "stop_loss = 0"), "account[0].position[0].stop_loss", "must be > 0"),
    (at(POSITION, "take_profit = 0"), "account[0].position[0].take_profit", "must be > 0"),
    (changed(("id = 1\n", "id = 0\n")), "account[0].position[0].id", "must be >= 1"),
    (at(KEY, "leverage = 0"), "account[0].leverage", "must be >= 1"),
    (at(KEY, "initial = 0.0"), "account[0].initial", "must be > 0"),
    (changed(("balance = 10000.0", "balance = 0")), "account[0].balance", "must be > 0"),
    (changed(("balance = 10000.0", "balance = 1e17")), "account[0].balance", "counted exactly"),
    (changed(("= 100000.0", "= 0")), "instrument[0].contract_size", "must be > 0"),
    (at(SYMBOL, "volume_min = 2000.0"), "instrument[0].volume_min", "more than `volume_max`"),
    (at(POSITION, "swap = 1.234"), "account[0].position[0].swap", "more decimals than USD"),
    # words
    (changed(("1001\nserver", "1001\nsever")), "account[0].sever", "unknown key `sever`"),
    (changed(('side = "buy"', 'side = "long"')), "account[0].position[0].side", '"long"'),
    (changed(('server = "Demo-1"', 'server = ""')), "account[0].server", "must not be empty"),
    (changed(('kind = "equity_limit"\n', "")), "ruleset[0].guard[0]", "`kind` is missing"),
    (changed(("equity_limit", "equity_limits")), "ruleset[0].guard[0].kind", "equity_limits"),
    (changed(('ruleset = "house"', 'ruleset = "hous"')), "account[0].ruleset", "`hous`"),
    (at(KEY, 'margin_mode = "net"'), "account[0].margin_mode", '"net"'),
    # twice
    (changed(('"XAUUSD"', '"EURUSD"')), "instrument[1].symbol", "given twice"),
    (BOOK + SECOND.format(1), "account[0].position[1].id", "given twice"),
    (BOOK + BOOK[BOOK.index("[[account]]") :], "account[1].login", "given twice"),
    (BOOK + '[[ruleset]]\nname = "house"\n', "ruleset[1].name", "given twice"),
    (with_guard('kind = "min_days"\ndays = 4\naction = "alert"').replace("more", "daily_loss"),
     "ruleset[0].guard[1].name", "twice in the ruleset"),
    (changed(('name = "house"', 'name = "house"\npreset = "ftmo_two_step"')),
     "ruleset[0].guard[0].name", "twice in the ruleset"),
    (changed(("login = 1001", 'login = 1001\nmargin_mode = "netting"')) + SECOND.format(2),
     "account[0].position[1].symbol", "holds EURUSD twice"),
    # what goes together
    (changed(('calc_mode = "cfd"', 'calc_mode = "futures"')), "instrument[1]", "`tick_size`"),
    (changed(('calc_mode = "cfd"', 'calc_mode = "futures"\ntick_size = 0.1')), "instrument[1]",
     "`tick_value`"),
    (changed(('reset = { zone = "Europe/Prague", at = "00:00" }\n', "")), "ruleset[0].guard[0]",
     "`balance_at_reset` is taken there"),
    (changed(('reference = "balance_at_reset"\n', "")), "ruleset[0].guard[0]",
     "`reference` is missing"),
    (changed(('at = "00:00"', 'at = "24:00"')), "ruleset[0].guard[0].reset.at", "write HH:MM"),
    (changed(('at = "00:00"', 'at = "0:00"')), "ruleset[0].guard[0].reset.at", "write HH:MM"),
    (changed(('"Europe/Prague"', '"UTC+2"')), "ruleset[0].guard[0].reset.zone", "no zone"),
    (changed(('"Europe/Prague"', '"Europe"')), "ruleset[0].guard[0].reset.zone", "no zone"),
    (changed(('"Europe/Prague"', '"../etc"')), "ruleset[0].guard[0].reset.zone", "no zone"),
    (at(GUARD, "warn_drawdown_percent = 3.0"), "ruleset[0].guard[0].warn_drawdown_percent",
     "both `warn_percent` and"),
    (at(GUARD, "lock_at = { money = 1.0, percent = 2.0 }"), "ruleset[0].guard[0].lock_at",
     "2 given"),
    (at(GUARD, 'lock_at = { percent = 101.0, of = "reference" }'),
     "ruleset[0].guard[0].lock_at.of", '"reference"'),
    (at(AMOUNT, "{ percent = 0.0 }"), "ruleset[0].guard[0].amount.percent", "must be > 0"),
    (at(AMOUNT, "{ percent = 101 }"), "ruleset[0].guard[0].amount.percent", "must be <= 100"),
    (at(AMOUNT, "{ money = -5.0 }"), "ruleset[0].guard[0].amount.money", "must be > 0"),
    (at(AMOUNT, "{ money = 5.001 }"), "ruleset[0].guard[0].amount.money", "more decimals"),
    (at(AMOUNT, "{ }"), "ruleset[0].guard[0].amount", "none given"),
    (at(AMOUNT, '{ money = 5.0, of = "initial" }'), "ruleset[0].guard[0].amount.of",
     "`of` goes with `percent`"),
    (at(AMOUNT, "{ floor = 100.0 }"), "ruleset[0].guard[0].reference", "measured from `initial`"),
    (at(AMOUNT, "{ percent = 0.00001 }"), "account[0].ruleset", "is nothing"),
    (changed(('"balance_at_reset"', '"initial"'), (AMOUNT[0], "amount = { floor = 10000.0 }")),
     "account[0].ruleset", "not below the initial"),
    (at(KEY, 'aliases = { GOLD = "XAU" }'), "account[0].aliases.GOLD", "unknown symbol `XAU`"),
    (at(KEY, 'operation = [{ at = 0, kind = "deposit", money = -1.0 }]'),
     "account[0].operation[0].money", "must be > 0"),
    (at(KEY, 'operation = [{ at = 0, kind = "credit", money = 0.0 }]'),
     "account[0].operation[0].money", "of nothing"),
    (changed(("digits = 3", 'digits = 3\nsessions = { spans = ["always"] }')),
     "instrument[1].sessions.spans[0]", "not a span"),
    (changed(("digits = 3", 'digits = 3\nsessions = { spans = ["mon 08:00 - mon 25:00"] }')),
     "instrument[1].sessions.spans[0]", "25:00"),
    # nothing there
    ("", None, "the book has no instrument"),
    (BOOK[: BOOK.index("[[account]]")], None, "the book has no account"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "words"), CASES)
def test_what_a_book_may_not_say_is_refused_at_its_place(
    text: str, path: str | None, words: str
) -> None:
    error = refusal(text)
    assert error.path == path
    assert words in error.message
    assert error.place is not None
    assert error.place.startswith("bad.toml")


GUARD_CASES = [
    ('kind = "min_days"\ndays = 4\naction = "alert"', "it counts days"),
    ('kind = "consistency"\nmax_percent = 30.0\naction = "alert"', "it counts days"),
    ('kind = "exposure"\nmax_positions = 3\naction = "pause"', "a pause lasts until"),
    ('kind = "exposure"\nmax_positions = 3\naction = "alert"\nlatch = "reset"', "its latch lasts"),
    ('kind = "exposure"\naction = "alert"', "limits nothing"),
    ('kind = "exposure"\nmax_positions = 3\naction = "pause"\nlatch = "never"', "a pause ends"),
    ('kind = "margin_level"\nfloor_percent = 100\nwarn_level_percent = 90\naction = "alert"',
     "comes after the breach"),
    ('kind = "profit_target"\ntarget = { }\naction = "alert"', "a target needs one of"),
    ('kind = "stop_loss_required"\naction = "pause"', "positions one by one"),
    ('kind = "max_holding"\nseconds = 60\naction = "close"\nnotice_s = 5', "`notice_s`"),
    ('kind = "max_holding"\nseconds = 0\naction = "close"', "must be > 0"),
    ('kind = "news_window"\naction = "close"', "`calendar` is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "words"), GUARD_CASES)
def test_a_guard_whose_keys_do_not_go_together_is_refused(keys: str, words: str) -> None:
    error = refusal(with_guard(keys))
    assert words in error.message
    assert error.path is not None
    assert error.path.startswith("ruleset[0].guard[1]")


FEED_CASES = [
    ('kind = "gap"\nwarn_percent = 11.0', "comes after acting"),
    ('kind = "spread"\nsymbols = ["GOLD"]', "unknown symbol `GOLD`"),
    ('kind = "stale"\n[[feed.guard]]\nkind = "stale"', "given twice"),
    ('kind = "wide"', '"wide"'),
]


@pytest.mark.parametrize(("keys", "words"), FEED_CASES)
def test_a_guard_of_the_feed_is_checked_too(keys: str, words: str) -> None:
    assert words in refusal(f"{BOOK}\n[[feed.guard]]\n{keys}\n").message


def test_a_margin_guard_on_an_index_without_its_tick_is_refused() -> None:
    guard = 'kind = "margin_level"\nfloor_percent = 100.0\naction = "alert"'
    text = with_guard(guard).replace('calc_mode = "cfd"', 'calc_mode = "cfd_index"')
    text = text.replace('symbol = "EURUSD"\nside', 'symbol = "XAUUSD"\nside')
    assert "needs its tick_size and tick_value" in refusal(text).message
    parse_book(
        text.replace("digits = 3", "digits = 3\ntick_size = 0.1\ntick_value = 1.0"), "b.toml"
    )


def test_money_is_held_to_the_currency_of_the_account_that_uses_the_ruleset() -> None:
    text = at(AMOUNT, "{ money = 500.5 }").replace('currency = "USD"\nbalance',
                                                   'currency = "JPY"\nbalance')  # fmt: skip
    error = refusal(text)
    assert error.message == "500.5 has more decimals than JPY"
    assert error.path == "ruleset[0].guard[0].amount.money"


def test_two_currencies_without_usd_are_told_of_the_way_through_it() -> None:
    text = changed(
        ('profit_currency = "USD"', 'profit_currency = "CHF"'),
        ('currency = "USD"\nbalance', 'currency = "GBP"\nbalance'),
    )
    error = refusal(text)
    assert error.help is not None
    assert "CHFGBP or GBPCHF, or two pairs that join CHF and GBP with USD" in error.help


def test_a_key_given_twice_is_refused_on_its_line() -> None:
    error = refusal(changed(("balance = 10000.0", "balance = 10000.0\nbalance = 3.0")))
    assert error.message == "not valid TOML: cannot overwrite a value"
    assert error.help is not None


def test_toml_that_is_nested_too_deeply_is_refused() -> None:
    assert "nested too deeply" in refusal("a = " + "[" * 5000 + "]" * 5000).message
