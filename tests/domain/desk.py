"""An account compared sighting by sighting, for the tests of reconciliation."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from engine.domain.beliefs import Book, Terms
from engine.domain.discrepancies import Discrepancy, Kind, Policies, Policy
from engine.domain.intents import Intent, register, tag_of
from engine.domain.matching import tolerances_of
from engine.domain.positions import Side
from engine.domain.reconcile import Comparison, Sighting, compare
from engine.domain.reports import (
    AccountReport,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
    SpecReport,
)
from tests.domain.accounts import MAJORS

TERMS = Terms(digits=2, tolerances={one.symbol: tolerances_of(one) for one in MAJORS})
SPEC = SpecReport(
    name="EURUSD",
    digits=5,
    trade_contract_size=100_000.0,
    trade_calc_mode=0,
    currency_base="EUR",
    currency_profit="USD",
)


def under(policy: Mapping[Kind, Policy], **more: Any) -> Terms:
    return replace(TERMS, policies=Policies(by_kind=policy, **more))


def meant(name: str = "a", lots: float = 1.0, price: float | None = 1.1, **more: Any) -> Intent:
    fields: dict[str, Any] = {"symbol": "EURUSD", "side": Side.BUY, "tag": tag_of(name)}
    return Intent(intent_id=name, volume_lots=lots, open_price=price, **fields | more)


def held(identifier: int = 1, lots: float = 1.0, price: float = 1.1, **more: Any) -> PositionReport:
    fields: dict[str, Any] = {"symbol": "EURUSD", "type": 0}
    return PositionReport(
        identifier=identifier, ticket=identifier, volume=lots, price_open=price, **fields | more
    )


def closing_deal(
    ticket: int = 500, position: int = 1, lots: float = 1.0, profit: float = 0.0, **more: Any
) -> DealReport:
    fields: dict[str, Any] = {"order": 0, "symbol": "EURUSD", "type": 1, "entry": 1}
    fields |= {"price": 1.1, "reason": 0}
    return DealReport(
        ticket=ticket, position_id=position, volume=lots, profit=profit, **fields | more
    )


class Desk:
    """One account compared sighting by sighting; keeps all that was told."""

    def __init__(self, *intents: Intent, terms: Terms = TERMS) -> None:
        known: tuple[Intent, ...] = ()
        for one in intents:
            known = register(known, one)
        self.book = Book(intents=known)
        self.terms = terms
        self.balance, self.credit = 1000.0, 0.0
        self.n = 0
        self.last = Comparison(book=self.book)

    def see(self, seen: Sighting) -> list[str]:
        """`kind state` of every discrepancy that changed."""
        self.last = compare(self.book, seen, self.terms)
        self.book = self.last.book
        return words(self.last.changed)

    def report(
        self, *positions: PositionReport, equity: float | None = None, **more: Any
    ) -> list[str]:
        """A newer full report."""
        self.n += 1
        names = [name for name in ("orders", "specs", "complete") if name in more]
        fields: dict[str, Any] = {name: more.pop(name) for name in names}
        own = AccountReport(
            balance=self.balance,
            credit=self.credit,
            equity=self.balance if equity is None else equity,
            margin=0.0,
        )
        fields = {"complete": True} | fields
        report = FullReport(account=own, positions=positions, **fields)
        return self.see(Sighting(at_msc=self.n * 1000, n=self.n, report=report, **more))

    def beat(self, equity: float | None = None, **more: Any) -> list[str]:
        """A newer heartbeat."""
        self.n += 1
        own = self.balance if equity is None else equity
        beat = Heartbeat(
            balance=self.balance, credit=self.credit, equity=own, margin=0.0, digest=""
        )
        return self.see(Sighting(at_msc=self.n * 1000, n=self.n, beat=beat, **more))

    def deals(self, *deals: DealReport, **more: Any) -> list[str]:
        """Deals that come by themselves; the balance has them."""
        self.balance += sum(one.profit for one in deals)
        return self.see(Sighting(at_msc=self.n * 1000, deals=deals, **more))

    @property
    def open(self) -> list[str]:
        return words(self.book.rows)

    def row(self, kind: Kind) -> Discrepancy:
        (found,) = [row for row in self.book.rows if row.kind is kind]
        return found


def words(rows: Sequence[Discrepancy]) -> list[str]:
    return [f"{row.kind.value} {row.state.value}" for row in rows]
