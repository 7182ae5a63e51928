"""A live account by itself, stepped input by input, and what its terminal may say of it."""

from typing import Any

from engine.domain.account import AccountState
from engine.domain.asking import blank
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.effects import Publish
from engine.domain.guards import EquityLimit, Latch, Money, Reference, Reset
from engine.domain.inputs import Event
from engine.domain.link_events import (
    DealCame,
    Founded,
    Linked,
    ReportCame,
)
from engine.domain.quotes import Quote
from engine.domain.records import Record
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

    def __init__(self, *guards: EquityLimit) -> None:
        spec = spec_of(1, guards or [trailing(percent=4.0), DAILY])
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


def held(lots: float, updated_msc: int, **more: Any) -> PositionReport:
    fields: dict[str, Any] = {"identifier": 7, "ticket": 7, "symbol": "EURUSD", "type": 0}
    fields |= {"price_open": 1.0930, "time_msc": START_MSC}
    return PositionReport(volume=lots, time_update_msc=updated_msc, **(fields | more))


def deal(profit: float, lots: float, at_msc: int, **more: Any) -> DealCame:
    fields: dict[str, Any] = {"ticket": 90, "order": 80, "position_id": 7, "symbol": "EURUSD"}
    fields |= {"type": 1, "entry": 1, "price": 1.0900}
    made = DealReport(volume=lots, profit=profit, time_msc=at_msc, **(fields | more))
    return DealCame(time_msc=at_msc + 5, deal=made, deal_msc=at_msc, quotes=QUOTES, jitter=0.5)
