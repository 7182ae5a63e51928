"""What the simulation of the whole system found, told by a handful of inputs each."""

from typing import Any

from engine.domain import records
from engine.domain.account import AccountState
from engine.domain.asking import blank
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.effects import Publish
from engine.domain.events import QuoteMarked, TimeReached
from engine.domain.guards import EquityLimit, Latch, Money, Reference, Reset
from engine.domain.inputs import Event
from engine.domain.link_events import (
    DealCame,
    Founded,
    Linked,
    PositionCame,
    Recovered,
    ReportCame,
)
from engine.domain.quotes import Quote
from engine.domain.records import Record, Tick
from engine.domain.reports import AccountReport, DealReport, FullReport, PositionReport
from engine.domain.step import step
from tests.live.live_house import spec_of, trailing

MIDNIGHT_MSC = 1_767_826_800_000
"""8 January 2026 in Berlin."""
START_MSC = MIDNIGHT_MSC - 60_000
QUOTES = {"EURUSD": Quote(1.0900, 1.0901, START_MSC)}
DAILY = EquityLimit(
    name="daily",
    reference=Reference.BALANCE_AT_RESET,
    amount=Money(amount_minor=50_000),
    action=trailing().action,
    latch=Latch.RESET,
    reset=Reset(zone="Europe/Berlin", at_minute=0),
)


class Account:
    """A live account, and what it published."""

    def __init__(self) -> None:
        spec = spec_of(1, [trailing(percent=4.0), DAILY])
        self.state: AccountState = blank(spec.key)
        self.told: list[Record] = []
        self.take(
            Founded(
                time_msc=START_MSC,
                spec=spec,
                terms=Terms(digits=2),
                close_terms=CloseTerms(),
                expects=False,
            )
        )

    def take(self, event: Event) -> None:
        done = step(self.state, event)
        self.state = done.state
        self.told += [one.record for one in done.effects if isinstance(one, Publish)]

    def report(self, at_msc: int, balance: float, *held: PositionReport) -> None:
        account = AccountReport(balance=balance, credit=0.0, equity=balance, margin=0.0)
        report = FullReport(account=account, positions=held, orders=(), specs=(), complete=True)
        self.take(
            ReportCame(
                time_msc=at_msc,
                report=report,
                asked_msc=at_msc,
                gmt_offset_s=0,
                quotes=QUOTES,
                jitter=0.5,
            )
        )

    def link(self, at_msc: int) -> None:
        self.take(
            Linked(
                time_msc=at_msc,
                epoch=1,
                session="s",
                currency="USD",
                is_hedging=True,
                leverage=100,
                jitter=0.5,
            )
        )

    def of(self, kind: type[Record]) -> list[Any]:
        return [one for one in self.told if isinstance(one, kind)]


def held(lots: float, updated_msc: int) -> PositionReport:
    return PositionReport(
        identifier=7,
        ticket=7,
        symbol="EURUSD",
        type=0,
        volume=lots,
        price_open=1.0930,
        time_msc=START_MSC,
        time_update_msc=updated_msc,
    )


def deal(profit: float, lots: float, at_msc: int) -> DealCame:
    made = DealReport(
        ticket=90,
        order=80,
        position_id=7,
        symbol="EURUSD",
        type=1,
        entry=1,
        volume=lots,
        price=1.0900,
        profit=profit,
        time_msc=at_msc,
    )
    return DealCame(time_msc=at_msc + 5, deal=made, deal_msc=at_msc, quotes=QUOTES, jitter=0.5)


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
