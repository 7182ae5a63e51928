"""A broker and its terminal, small and wrong on purpose; what they do with a close is judged here.

A netting broker ignores the position a request names and trades the symbol: too much turns it
around. A hedging broker answers 10036 where the position is gone and 10038 where it is smaller.
Anything a request starts ends within 36 s: less than the 45 s a partial close is held.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from engine.domain.reports import (
    AccountReport,
    CommandResult,
    DealReport,
    FullReport,
    IntentReport,
    OrderReport,
    PositionReport,
)

DUST = 1e-7
STRATEGY = 7
"""Magic of what the strategy opened."""

REFUSALS = (
    *(10004, 10004, 10015, 10020, 10021, 10024, 10029, 10018, 10027, 10030, 10030, 10013),
    *(10014, 10019, 10034, 10042),
)
NOTHING_SAID = (None, 10012, 10031, 10011, 10006, 12_345)


class Clock:
    """Virtual milliseconds, and what is to happen."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self._due: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def after(self, wait_ms: float, what: Callable[..., None], *args: Any) -> None:
        self._count += 1
        heapq.heappush(self._due, (self.now + int(wait_ms), self._count, what, args))

    def step(self) -> bool:
        if not self._due:
            return False
        self.now, _, what, args = heapq.heappop(self._due)
        what(*args)
        return True


@dataclass
class Faults:
    """Chances of each trouble in this scenario; 0: not this time."""

    lost_request: float = 0.0
    lost_reply: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    late: float = 0.0
    nothing: float = 0.0
    partial: float = 0.0
    refusal: float = 0.0
    placed: float = 0.0
    failed_report: float = 0.0
    terminal_dies: float = 0.0
    crash: float = 0.0
    cut_at_send: float = 0.0
    disconnects: int = 0
    externals: int = 0
    hopeless: bool = False
    """Trading stays closed, or the link stays down, for good."""


@dataclass
class Lot:
    """A position as the broker holds it."""

    side: int
    lots: float
    symbol: str
    magic: int = STRATEGY


@dataclass
class Findings:
    """What went wrong, and what could not be helped."""

    over_closed: int = 0
    opened: int = 0
    wrongly_settled: int = 0
    silent: int = 0
    stuck: int = 0
    unexpected: int = 0
    """A broken invariant of the machine."""
    races: int = 0
    """Somebody else traded between our look and our execution: no client can prevent that."""
    commands: int = 0
    crashes: int = 0
    alerted: int = 0

    @property
    def bad(self) -> int:
        kinds = (self.over_closed, self.opened, self.wrongly_settled, self.silent, self.stuck)
        return sum(kinds) + self.unexpected


@dataclass
class Request:
    """A command on its way, with what it was decided upon."""

    command: Any
    target_lots: float
    looked_at_ms: int
    expires_ms: int


Reply = Callable[[int, int, float], None]
"""Takes retcode, order and volume."""


@dataclass
class Broker:
    """Positions, orders and what a request does to them."""

    clock: Clock
    random: Random
    faults: Faults
    netting: bool
    findings: Findings
    positions: dict[int, Lot] = field(default_factory=dict)
    resting: dict[int, Lot] = field(default_factory=dict)
    working: dict[int, int] = field(default_factory=dict)
    """order -> position it is to close, where the broker shows it."""
    touched_ms: dict[str, int] = field(default_factory=dict)
    """When somebody else last traded the symbol."""
    pending: int = 0
    closed_until_ms: int = 0
    on_deal: Callable[[DealReport], None] = print
    on_position: Callable[[int, Lot, bool], None] = print
    numbers: int = 100

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def request(self, request: Request, reply: Reply) -> None:
        """What a terminal hands in; the reply may never come."""
        random, faults, number = self.random, self.faults, self.number()
        if self.clock.now < self.closed_until_ms:
            reply(10018, 0, 0.0)
        elif request.command.position_id in self.working.values() and random.random() < 0.5:
            reply(10039, 0, 0.0)
        elif random.random() < faults.refusal:
            code = random.choice(REFUSALS)
            if code == 10018:
                self.closed_until_ms = self.clock.now + random.randrange(3_000, 40_000)
            reply(code, 0, 0.0)
        elif random.random() < faults.nothing:
            self._say_nothing(random.choice(NOTHING_SAID), reply)
        elif random.random() < faults.late:
            self._say_nothing(random.choice((*NOTHING_SAID, 10008)), reply, number)
            self._later(random.randrange(2_000, 36_000), request, number, None)
        elif random.random() < faults.placed:
            reply(10008, number, 0.0)
            self._later(random.randrange(50, 4_000), request, number, None)
        else:
            self._later(random.randrange(20, 150), request, number, reply)

    def _say_nothing(self, code: int | None, reply: Reply, number: int = 0) -> None:
        if code is not None:
            reply(code, number, 0.0)

    def _later(self, wait_ms: int, request: Request, number: int, reply: Reply | None) -> None:
        if self.random.random() < 0.5:
            self.working[number] = request.command.position_id
        self.pending += 1
        self.clock.after(wait_ms, self._execute, request, number, reply)

    def _execute(self, request: Request, number: int, reply: Reply | None) -> None:
        self.pending -= 1
        self.working.pop(number, None)
        code, lots = self._done(request, number)
        if reply is not None:
            reply(code, number, lots)

    def _done(self, request: Request, number: int) -> tuple[int, float]:
        command = request.command
        if command.action == "cancel":
            there = self.resting.pop(command.position_id, None)
            return (10009 if there else 10013), 0.0
        if command.action == "close_by":
            return self._close_by(command, number)
        name = self._found(command)
        lot = self.positions.get(name)
        if lot is None and not self.netting:
            return 10036, 0.0
        held = lot.lots if lot is not None and lot.side == command.side else 0.0
        if not self.netting and command.volume_lots > held + DUST:
            return 10038, 0.0
        lots, code = command.volume_lots, 10009
        if self.random.random() < self.faults.partial and lots > 0.015:
            lots, code = round(self.random.randrange(1, int(lots * 100 + 0.5)) / 100, 2), 10010
        self._judge(request, lots, held)
        known = name if lot is not None else 0
        self._trade(known, command.symbol, 1 - command.side, lots, number, command.side)
        return code, lots

    def _found(self, command: Any) -> int:
        """On a netting account the symbol decides."""
        if self.netting:
            for name, lot in self.positions.items():
                if lot.symbol == command.symbol:
                    return name
        return int(command.position_id)

    def _judge(self, request: Request, lots: float, held: float) -> None:
        excess = lots - max(0.0, held - request.target_lots)
        if excess <= DUST:
            return
        if self.touched_ms.get(request.command.symbol, 0) >= request.looked_at_ms:
            self.findings.races += 1
        elif lots > held + DUST:
            self.findings.opened += 1
        else:
            self.findings.over_closed += 1

    def _close_by(self, command: Any, number: int) -> tuple[int, float]:
        one, other = (self.positions.get(n) for n in (command.position_id, command.position_by))
        if one is None or other is None or one.side == other.side:
            return 10036, 0.0
        lots = min(one.lots, other.lots)
        for name in (command.position_id, command.position_by):
            self._reduce(name, lots, number, entry=3)
        return 10009, lots

    def _trade(
        self, name: int, symbol: str, side: int, lots: float, number: int, against: int
    ) -> None:
        """A deal of this side; whatever exceeds the position opens the other one (netting)."""
        lot = self.positions.get(name)
        if lot is None or lot.side != against:
            name = name or self.number()
            old = lot.lots if lot is not None else 0.0
            self.positions[name] = Lot(side, round(old + lots, 8), symbol, 0)
            self._deal(number, name, symbol, side, 0, lots)
            return
        closed = min(lots, lot.lots)
        self._reduce(name, closed, number, entry=1)
        if lots > closed + DUST:
            self._trade(name, symbol, side, round(lots - closed, 8), number, against)

    def _reduce(self, name: int, lots: float, number: int, entry: int) -> None:
        lot = self.positions[name]
        lot.lots = round(lot.lots - lots, 8)
        pieces = [lots]
        if lots > 0.03 and self.random.random() < 0.3:
            first = round(int(lots * 50) / 100, 2)
            pieces = [first, round(lots - first, 8)]
        if lot.lots <= DUST:
            del self.positions[name]
        for piece in pieces:
            self._deal(number, name, lot.symbol, 1 - lot.side, entry, piece)
        self.on_position(name, lot, lot.lots <= DUST)

    def _deal(
        self, number: int, name: int, symbol: str, side: int, entry: int, lots: float
    ) -> None:
        self.on_deal(
            DealReport(
                ticket=self.number(),
                order=number,
                position_id=name,
                symbol=symbol,
                type=side,
                entry=entry,
                volume=lots,
                price=1.0,
                time_msc=self.clock.now,
            )
        )

    def somebody_trades(self) -> None:
        """An external trader closes, reduces, adds, or opens something of its own."""
        random = self.random
        names = sorted(self.positions)
        if not names or random.random() < 0.1:
            if not self.netting:
                self.positions[self.number()] = Lot(random.randrange(2), 0.1, "EURUSD", 0)
            return
        name = random.choice(names)
        lot = self.positions[name]
        self.touched_ms[lot.symbol] = self.clock.now
        part = round(max(0.01, int(lot.lots * 100 * random.random()) / 100), 2)
        act = random.choice(
            ("close", "reduce", "add", "turn") if self.netting else ("close", "cut")
        )
        if act == "add":
            self._trade(name, lot.symbol, lot.side, part, self.number(), 1 - lot.side)
        else:
            lots = {"close": lot.lots, "turn": round(lot.lots + 0.2, 8)}.get(act, part)
            self._trade(name, lot.symbol, 1 - lot.side, lots, self.number(), lot.side)

    def fill_resting(self, ticket: int) -> None:
        """A pending order's price has come, unless it is cancelled by now."""
        lot = self.resting.pop(ticket, None)
        if lot is not None:
            self.positions[self.number()] = lot


@dataclass
class Terminal:
    """The other end of the link: its table of intents on disk, and the highest epoch."""

    broker: Broker
    faults: Faults
    random: Random
    answer: Callable[[CommandResult], None] = print
    epoch: int = 1
    table: dict[str, IntentReport] = field(default_factory=dict)

    def take(self, request: Request) -> None:
        """Does a command once, ever."""
        command, clock = request.command, self.broker.clock
        if command.epoch < self.epoch or clock.now > request.expires_ms:
            return
        known = self.table.get(command.command_id)
        if known is not None:
            self._answer(known)
            return
        row = IntentReport(intent_id=command.command_id, epoch=command.epoch, retcode=0)
        self.table[command.command_id] = row
        dies = self.random.random() < self.faults.terminal_dies
        if dies and self.random.random() < 0.5:
            return

        def reply(code: int, order: int, lots: float) -> None:
            if not dies:
                row = IntentReport(
                    intent_id=command.command_id,
                    epoch=command.epoch,
                    retcode=code,
                    order=order,
                    volume=lots,
                )
                self.table[command.command_id] = row
                self._answer(row)

        self.broker.request(request, reply)

    def _answer(self, row: IntentReport) -> None:
        self.answer(
            CommandResult(
                intent_id=row.intent_id, retcode=row.retcode, order=row.order, volume=row.volume
            )
        )

    def report(self) -> FullReport:
        """All there is; or, where a query failed, nothing, and it says so."""
        failed = self.random.random() < self.faults.failed_report
        broker = self.broker
        money = AccountReport(balance=0.0, credit=0.0, equity=0.0, margin=0.0)
        if failed:
            return FullReport(account=money, positions=(), complete=False)
        resting = [(ticket, 0) for ticket in broker.resting]
        orders = tuple(
            OrderReport(
                ticket=ticket,
                symbol="EURUSD",
                type=2 if name == 0 else 0,
                volume_current=0.1,
                price_open=1.0,
                position_id=name,
            )
            for ticket, name in (*resting, *broker.working.items())
        )
        return FullReport(
            account=money,
            positions=tuple(record(name, lot) for name, lot in broker.positions.items()),
            orders=orders,
            recent_intents=tuple(self.table.values()),
            complete=True,
        )


def record(name: int, lot: Lot) -> PositionReport:
    """A position as a terminal tells it."""
    return PositionReport(
        identifier=name,
        ticket=name,
        symbol=lot.symbol,
        type=lot.side,
        volume=lot.lots,
        price_open=1.0,
        magic=lot.magic,
    )
