"""The same accounts under another ruleset."""

import pytest

from engine.book import parse_book
from engine.domain.guards import Action
from engine.domain.records import GuardBreach
from engine.errors import UserError
from engine.replay_result import Replay
from engine.what_if import under
from tests.domain.accounts import START_MSC
from tests.engine.replays import gold_ticks, replayed

BOOK = """
[[instrument]]
symbol = "XAUUSD"
calc_mode = "cfd"
digits = 2
contract_size = 100.0
base_currency = "XAU"
profit_currency = "USD"

[[ruleset]]
name = "loose"
[[ruleset.guard]]
name = "max_loss"
kind = "equity_limit"
reference = "initial"
amount = { percent = 50.0, of = "initial" }
action = "close_and_halt"

[[ruleset]]
name = "tight"
[[ruleset.guard]]
name = "max_loss"
kind = "equity_limit"
reference = "initial"
amount = { percent = 1.0, of = "initial" }
action = "alert"

[[account]]
login = 1001
server = "Demo-1"
currency = "USD"
balance = 10000.0
ruleset = "loose"
[[account.position]]
id = 1
symbol = "XAUUSD"
side = "buy"
volume_lots = 1.0
open_price = 1900.0
"""


@pytest.fixture
def loose() -> Replay:
    """Six dollars down, which its own ruleset allows."""
    ticks = gold_ticks((START_MSC, 1900.0), (START_MSC + 1000, 1894.0))
    return replayed(parse_book(BOOK, "house.toml"), ticks, ["1s"])


def breaches(replay: Replay) -> list[tuple[str, float]]:
    """Guard and floor of every breach."""
    return [(r.guard, r.floor) for r in replay.records if isinstance(r, GuardBreach)]


def test_another_ruleset_of_the_book(loose: Replay) -> None:
    tight = loose.what_if("tight")
    assert breaches(loose) == []
    assert breaches(tight) == [("max_loss", 9_900.0)]
    assert tight.book.accounts[0].spec.guards[0].action is Action.ALERT
    assert tight.compare_poll == ("1s",)


def test_a_preset_that_the_book_does_not_name(loose: Replay) -> None:
    assert breaches(loose.what_if(ruleset="ftmo_two_step")) == [("daily_loss", 9_500.0)]


def test_the_replay_itself_stays_as_it_was(loose: Replay) -> None:
    loose.what_if("tight")
    assert breaches(loose) == []
    assert len(loose.book.accounts[0].spec.guards) == 1


def test_what_is_neither_is_refused_with_what_there_is(loose: Replay) -> None:
    with pytest.raises(UserError, match="no ruleset or preset `tigt`") as refused:
        under(loose.book, "tigt")
    assert "tight" in (refused.value.help or "")
    assert "ftmo_two_step" in (refused.value.help or "")
