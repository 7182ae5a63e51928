"""What the simulation of the whole system found, told by a handful of inputs each."""

from engine.domain import records
from engine.domain.events import QuoteMarked, TimeReached
from engine.domain.link_events import (
    PositionCame,
    Recovered,
)
from engine.domain.records import Tick
from tests.live.live_account import MIDNIGHT_MSC, QUOTES, START_MSC, Account, deal, held


def test_a_deal_of_the_same_millisecond_as_its_position_takes_its_volume_off() -> None:
    """A tick filled an order that added to the position, and hit its stop: the loss counts once."""
    account = Account()
    account.link(START_MSC)
    account.report(START_MSC + 10, 10_000.0, held(1.0, START_MSC + 20_000))
    account.take(deal(-300.0, 1.0, START_MSC + 20_000))
    assert account.state.positions == ()
    assert account.state.balance_minor == 970_000
    assert account.of(records.GuardBreach) == []


def test_a_deal_that_comes_after_its_position_takes_nothing_off_again() -> None:
    account = Account()
    account.link(START_MSC)
    account.report(START_MSC + 10, 10_000.0, held(1.0, START_MSC))
    at_msc = START_MSC + 20_000
    account.take(
        PositionCame(
            time_msc=at_msc + 3,
            position=held(0.6, at_msc),
            is_closed=False,
            gmt_offset_s=0,
            quotes=QUOTES,
        )
    )
    assert not account.state.known
    account.take(deal(-120.0, 0.4, at_msc))
    assert [one.volume_lots for one in account.state.positions] == [0.6]
    assert account.state.known


def test_a_midnight_that_was_not_durable_is_made_up_for_after_a_crash() -> None:
    """A deal of just after midnight was kept, midnight itself not yet."""
    account = Account()
    account.link(START_MSC)
    account.report(START_MSC + 10, 10_000.0, held(1.0, START_MSC))
    account.take(deal(-100.0, 1.0, MIDNIGHT_MSC + 20))
    after_msc = MIDNIGHT_MSC + 2_000
    account.take(Recovered(time_msc=after_msc))
    _tick(account, after_msc + 100)
    (ended,) = account.of(records.DayReset)
    assert (ended.reference, ended.estimated) == (10_000.0, True)
    account.take(Recovered(time_msc=after_msc + 5_000))
    _tick(account, after_msc + 5_100)
    assert len(account.of(records.DayReset)) == 1


def test_a_midnight_that_was_durable_is_not_made_up_for() -> None:
    account = Account()
    account.link(START_MSC)
    account.report(START_MSC + 10, 10_000.0)
    _tick(account, START_MSC + 100)
    account.take(TimeReached(MIDNIGHT_MSC, QUOTES))
    account.take(Recovered(time_msc=MIDNIGHT_MSC + 2_000))
    _tick(account, MIDNIGHT_MSC + 2_100)
    assert len(account.of(records.DayReset)) == 1


def _tick(account: Account, at_msc: int) -> None:
    account.take(QuoteMarked(at_msc, Tick(0, "EURUSD", 1.0900, 1.0901), QUOTES))
