"""A deal belongs to the day of its own time, whenever it is told, and a day ends once."""

from msgspec.structs import replace

from engine.domain import records
from engine.domain.events import QuoteMarked, TimeReached
from engine.domain.link_events import EDITION
from engine.domain.records import Tick
from tests.live.live_account import (
    MIDNIGHT_MSC,
    QUOTES,
    START_MSC,
    Account,
    deal,
    held,
)


def test_a_deal_of_after_midnight_booked_before_it_was_told_is_of_the_new_day() -> None:
    account = _opened()
    account.take(replace(deal(-100.0, 1.0, MIDNIGHT_MSC + 20), edition=EDITION))
    account.take(TimeReached(MIDNIGHT_MSC, QUOTES, told_msc=MIDNIGHT_MSC + 90))
    (ended,) = account.of(records.DayReset)
    assert (ended.reference, account.state.balance_minor) == (10_000.0, 990_000)


def test_a_deal_of_before_midnight_told_after_it_is_of_the_old_day() -> None:
    account = _opened()
    account.take(TimeReached(MIDNIGHT_MSC, QUOTES, told_msc=MIDNIGHT_MSC + 5))
    late = deal(-100.0, 1.0, MIDNIGHT_MSC - 30)
    account.take(replace(late, time_msc=MIDNIGHT_MSC + 40, edition=EDITION))
    assert _daily_reference(account) == 990_000
    assert len(account.of(records.DayReset)) == 1


def test_a_deal_that_only_says_it_is_old_moves_no_reference() -> None:
    """The terminal's clock is an hour behind, and the loss is of a second after midnight."""
    account = _opened()
    account.take(TimeReached(MIDNIGHT_MSC, QUOTES, told_msc=MIDNIGHT_MSC + 5))
    late = deal(-100.0, 1.0, MIDNIGHT_MSC - 3_599_000)
    account.take(replace(late, time_msc=MIDNIGHT_MSC + 1_010, edition=EDITION))
    assert _daily_reference(account) == 1_000_000


def test_a_midnight_that_is_told_twice_ends_one_day() -> None:
    """An account whose guards wait is told the time of its last event again."""
    account = Account()
    account.link(START_MSC)
    account.report(START_MSC + 10, 10_000.0)
    _tick(account, START_MSC + 100)
    for told_msc in (MIDNIGHT_MSC + 5, MIDNIGHT_MSC + 105):
        account.take(TimeReached(MIDNIGHT_MSC, QUOTES, told_msc=told_msc))
    assert len(account.of(records.DayReset)) == 1


def test_inputs_of_before_these_rules_are_stepped_again_as_they_were() -> None:
    """A journal's digests are of the rules that were: its inputs say nothing of the new ones."""
    account = _opened()
    account.take(deal(-100.0, 1.0, MIDNIGHT_MSC + 20))
    account.take(TimeReached(MIDNIGHT_MSC, QUOTES))
    account.take(TimeReached(MIDNIGHT_MSC, QUOTES))
    assert [one.reference for one in account.of(records.DayReset)] == [9_900.0, 9_900.0]


def _daily_reference(account: Account) -> int | None:
    places = [guard.name for guard in account.state.spec.guards]
    return account.state.guards[places.index("daily")].reference_minor


def _tick(account: Account, at_msc: int) -> None:
    account.take(QuoteMarked(at_msc, Tick(0, "EURUSD", 1.0900, 1.0901), QUOTES))


def _opened() -> Account:
    """Linked, reported and valued, with one position, before midnight."""
    account = Account()
    account.link(START_MSC)
    account.report(START_MSC + 10, 10_000.0, held(1.0, START_MSC))
    _tick(account, START_MSC + 100)
    return account
