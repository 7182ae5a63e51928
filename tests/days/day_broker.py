"""The broker of one account-day: its books, by the oracle's arithmetic, and what its terminal says.

Both sides are told the same messages. The engine gets them as MT5's own records; the oracle gets
the amounts and the positions. What is booked in one instant is one message.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from engine.domain.close_actions import Command
from engine.domain.reports import (
    AccountReport,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from tests.oracle import OraclePosition
from tests.oracle_money import Quotes, Table, digits_of, minor

DUST = 1e-9
IN, OUT, INOUT, OUT_BY = 0, 1, 2, 3
CLIENT, EXPERT, STOP, TARGET = 0, 3, 4, 5
BALANCE, CREDIT, CHARGE = 2, 3, 4
OURS = "expert"
"""Why a position went that the engine closed."""
REASONS = {"stop_loss": STOP, "take_profit": TARGET}

Told = DealReport | PositionReport


@dataclass(frozen=True)
class Closing:
    """A part of a position that went."""

    position_id: int
    lots: float
    profit_minor: int
    swap_minor: int
    reason: str
    price: float


@dataclass(frozen=True)
class Said:
    """One message, as the oracle takes it."""

    ticks: int
    """How many ticks had come before."""
    time_msc: int
    amount_minor: int = 0
    operation: str = ""
    """`deposit`, `withdrawal` or `credit`, of the amount; it moves references."""
    opened: Table | None = None
    """A position that is new, has grown, or was turned round: as it is from here."""
    closed: tuple[Closing, ...] = ()
    """Before anything of this message is opened."""


@dataclass
class Broker:
    """One account at its broker."""

    table: Table
    book: Table
    quotes: Quotes
    random: Random
    said: list[Said] = field(default_factory=list)
    opened: int = 0
    numbers: int = 100
    moved_msc: dict[int, int] = field(default_factory=dict)
    """When each position last changed."""

    def __post_init__(self) -> None:
        self.digits = digits_of(self.table["currency"])
        self.scale = 10.0**self.digits
        self.balance = minor(self.table["balance"], self.digits)
        self.credit = minor(self.table.get("credit", 0.0), self.digits)
        self.held = {p["id"]: self._position(p) for p in self.table.get("position", [])}

    def _position(self, table: Table) -> OraclePosition:
        return OraclePosition(table, self.book, self.table, self.quotes)

    def number(self) -> int:
        """The next ticket."""
        self.numbers += 1
        return self.numbers

    # What happens; each returns what the terminal says of it, in order.

    def open(self, table: Table, ticks: int, time_msc: int) -> list[Told]:
        """Somebody opens a position, at a commission now and then."""
        self.opened += 1
        number = self.table["login"] * 1000 + self.opened
        table = {"id": number} | table
        cost = self._cost()
        self._hold(number, table, time_msc)
        self.balance += cost
        self.said.append(Said(ticks, time_msc, cost))
        self.said.append(Said(ticks, time_msc, opened=table))
        deal = self._trade(number, table, IN, time_msc, commission=cost / self.scale)
        return [deal, self.record(number)]

    def pay(self, kind: int, amount_minor: int, ticks: int, time_msc: int) -> list[Told]:
        """Money comes or goes: a deposit, a credit, a charge."""
        operation = ""
        if kind == CREDIT:
            self.credit += amount_minor
            operation = "credit"
        else:
            self.balance += amount_minor
            if kind == BALANCE:
                operation = "deposit" if amount_minor >= 0 else "withdrawal"
        self.said.append(Said(ticks, time_msc, amount_minor, operation))
        return [self._deal(time_msc, type=kind, profit=amount_minor / self.scale)]

    def close(
        self, number: int, lots: float, ticks: int, time_msc: int, why: str, order: int = 0
    ) -> list[Told]:
        """A position goes, wholly or in part, at the market with some slippage."""
        slip = self.random.choice((0, 0, 0, -3, 2)) * (1 if self.digits == 0 else 100)
        side = self.quotes.bid if self.held[number].buys else self.quotes.ask
        price = side[self.held[number].place]
        share = self._whole(number, lots)
        deal, closing = self._take(number, lots, share + slip, price, time_msc, why, order, OUT)
        self.said.append(Said(ticks, time_msc, closed=(closing,)))
        told: list[Told] = [deal]
        if number in self.held and self.random.random() < 0.5:
            told.append(self.record(number))
        return told

    def close_by(self, command: Command, ticks: int, time_msc: int, order: int) -> list[Told]:
        """Two opposite positions against each other: the first deal has the whole profit.

        Source: the trade history of MetaTrader 5; the simulated broker books it the same way.
        """
        one, other = command.position_id, command.position_by
        assert other is not None, "a close-by of one"
        lots = min(self.held[n].table["volume_lots"] for n in (one, other))
        price = self.held[other].table["open_price"]
        profit = self._whole(one, lots) + self._whole(other, lots)
        why = OURS
        first, gone = self._take(one, lots, profit, price, time_msc, why, order, OUT_BY)
        own = self.held[other].table["open_price"]
        second, also = self._take(other, lots, 0, own, time_msc, why, order, OUT_BY)
        self.said.append(Said(ticks, time_msc, closed=(gone, also)))
        return [first, second]

    # What it says besides

    def record(self, number: int) -> PositionReport:
        """A position as the terminal tells it."""
        table = self.held[number].table
        return PositionReport(
            identifier=number,
            ticket=number,
            symbol=table["symbol"],
            type=int(table["side"] == "sell"),
            volume=table["volume_lots"],
            price_open=table["open_price"],
            sl=table.get("stop_loss", 0.0),
            tp=table.get("take_profit", 0.0),
            swap=table.get("swap", 0.0),
            time_update_msc=self.moved_msc.get(number, 0),
        )

    def report(self) -> FullReport:
        """Everything there is."""
        return FullReport(
            account=AccountReport(
                balance=self.balance / self.scale,
                credit=self.credit / self.scale,
                equity=self.equity() / self.scale,
                margin=0.0,
            ),
            positions=tuple(self.record(number) for number in self.held),
            complete=True,
        )

    def beat(self) -> Heartbeat:
        """The broker's own arithmetic."""
        return Heartbeat(
            balance=self.balance / self.scale,
            credit=self.credit / self.scale,
            equity=self.equity() / self.scale,
            margin=0.0,
            digest="",
        )

    def equity(self) -> int:
        """Minor units, on the quotes of now."""
        swap = sum(minor(p.table.get("swap", 0.0), self.digits) for p in self.held.values())
        return self.balance + self.credit + swap + sum(p.value()[0] for p in self.held.values())

    def reached(self, rows: Sequence[tuple[int, int, float, float]]) -> tuple[int, int, str] | None:
        """The first tick of these that reaches a stop or target: offset, position, which."""
        levels = [
            (number, p)
            for number, p in self.held.items()
            if p.stop is not None or p.target is not None
        ]
        for offset, (_, place, bid, ask) in enumerate(rows) if levels else ():
            for number, position in levels:
                if position.place == place and (why := position.reached(bid, ask)):
                    return offset, number, why
        return None

    # Inside

    def _cost(self) -> int:
        """A commission, more often none."""
        return self.random.choice((0, 0, -1, -7)) * (1 if self.digits == 0 else 10)

    def _hold(self, number: int, table: Table, time_msc: int) -> None:
        self.held[number] = self._position(table)
        self.moved_msc[number] = time_msc

    def _trade(
        self, number: int, table: Table, entry: int, time_msc: int, **money: float
    ) -> DealReport:
        """The deal of an order of this side, volume and price."""
        return self._deal(
            time_msc,
            position_id=number,
            symbol=table["symbol"],
            type=int(table["side"] == "sell"),
            entry=entry,
            volume=table["volume_lots"],
            price=table["open_price"],
            **money,
        )

    def _whole(self, number: int, lots: float) -> int:
        """The profit of so many lots of it, on the quotes of now."""
        table = self.held[number].table | {"volume_lots": lots}
        return self._position(table).value()[0]

    def _take(
        self,
        number: int,
        lots: float,
        profit: int,
        price: float,
        time_msc: int,
        why: str,
        order: int,
        entry: int,
    ) -> tuple[DealReport, Closing]:
        """Books what goes of a position, and of its swap in proportion."""
        position = self.held[number]
        self.moved_msc[number] = time_msc
        whole = position.table["volume_lots"]
        left = round(whole - lots, 8)
        swap = minor(position.table.get("swap", 0.0), self.digits)
        if left <= DUST:
            del self.held[number]
        else:
            kept = minor(swap * (left / whole), 0)
            swap -= kept
            rest = {"volume_lots": left, "swap": kept / self.scale}
            self.held[number] = self._position(position.table | rest)
        self.balance += profit + swap
        deal = self._deal(
            time_msc,
            order=order,
            position_id=number,
            symbol=position.symbol,
            type=int(position.buys),
            entry=entry,
            volume=lots,
            price=price,
            profit=profit / self.scale,
            swap=swap / self.scale,
            reason=EXPERT if order else REASONS.get(why, CLIENT),
        )
        return deal, Closing(number, lots, profit, swap, why, price)

    def _deal(self, time_msc: int, **fields: Any) -> DealReport:
        plain: dict[str, Any] = {"order": 0, "position_id": 0, "symbol": "", "entry": IN}
        plain |= {"volume": 0.0, "price": 0.0, "time_msc": time_msc, "type": 0}
        return DealReport(ticket=self.number(), **(plain | fields))
