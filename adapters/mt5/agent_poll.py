"""The agent's poll thread: looks at the terminal again and again, and does what is commanded.

The package only answers when asked, so everything is seen up to a period late. Commands are done
between two looks: each intent once, ever, from a table on the disk.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from adapters.mt5 import frames
from adapters.mt5.agent_package import Package, changed
from adapters.mt5.agent_terms import ToldTerms, has_terms
from adapters.mt5.agent_ticks import TickReader
from adapters.mt5.constants import position_digest
from adapters.mt5.intents import IntentTable
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    IntentReport,
    PositionReport,
)
from engine.link import Action, PositionChange

OUTGROWN, EXPIRED, MALFORMED, NOT_BEGUN = -1, -2, -3, -4
"""Our own answers: nothing was sent, as the expert advisor has them."""
NO_ANSWER = 10012
CLOSED_ALREADY = 10036
DONE = 10009
HISTORY_S = 1.0
"""Deals are asked for at least so often, and at once when positions changed."""
FLOOR_LOOKS = 3
OVERLAP_MSC = 60_000
FIRST_LOOK_MSC = 86_400_000
"""So far back before the first mark: no server's clock is a day behind UTC."""
MOST_SPECS = 512


@dataclass(slots=True)
class Told:
    """What one look saw, in the order it is to be told."""

    deals: tuple[DealReport, ...] = ()
    positions: list[tuple[PositionChange, PositionReport]] = field(default_factory=list)
    results: list[CommandResult] = field(default_factory=list)
    quotes: list[frames.QuoteRow] = field(default_factory=list)
    heartbeat: Heartbeat | None = None
    report: FullReport | None = None
    is_asked: bool = True
    """The report answers a request or a welcome."""
    gmt_offset_s: int | None = None


Commanded = tuple[frames.Command, bool, float]
"""A command, whether its epoch is outgrown, and when it came (monotonic)."""


class PollThread(threading.Thread):
    """Owns the package. `hear` is called with each look, `hear_failure` at the end, in this one."""

    def __init__(
        self,
        package: Package,
        intents: IntentTable,
        hear: Callable[[Told], None],
        hear_failure: Callable[[], None],
        *,
        period_s: float,
        magic: int,
        gmt_offset_s: int | None,
        silent_s: Callable[[], float],
        floor_silent_s: float = 30.0,
        settle_s: float = 2.0,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """Args:
        gmt_offset_s: None: estimated from fresh ticks.
        silent_s: how long there has been no sign of the engine.
        settle_s: at the broker's server before its lists are believed: a terminal that has just
            connected may show none of its positions.
        """
        super().__init__(name="mt5 poll", daemon=True)
        self.failure: BaseException | None = None
        self.commands: queue.SimpleQueue[Commanded] = queue.SimpleQueue()
        self.wanted: tuple[str, ...] = ()
        self.heartbeat_s = 1.0
        self.wants_report = False
        self._package = package
        self._intents = intents
        self._hear = hear
        self._hear_failure = hear_failure
        self._period_s = period_s
        self._magic = magic
        self._ticks = TickReader(package, intents, gmt_offset_s, wall_s)
        self._silent_s = silent_s
        self._floor_silent_s = floor_silent_s
        self._settle_s = settle_s
        self._connected_s: float | None = None
        self._stopping = threading.Event()
        self._positions: tuple[PositionReport, ...] | None = None
        self._is_marked = intents.deals_msc is not None
        """False: nothing was ever signed for here; deals count from the first look on."""
        since_msc = int(wall_s() * 1000) - FIRST_LOOK_MSC
        if intents.deals_msc is not None:
            since_msc = intents.deals_msc - OVERLAP_MSC
        self._deals_from_msc = since_msc
        self._known_deals: set[int] = set()
        self._terms = ToldTerms()
        self._has_new_terms = False
        self._beat_s = self._history_s = self._floor_s = 0.0
        self._floor_looks = 0

    @property
    def gmt_offset_s(self) -> int | None:
        """Server's wall clock minus UTC; None: no tick has told it yet."""
        return self._ticks.gmt_offset_s

    def stop(self) -> None:
        """Ends it after the look at hand."""
        self._stopping.set()

    def run(self) -> None:
        """See `threading.Thread.run`."""
        try:
            while not self._stopping.wait(self._period_s):
                self._hear(self.look(time.monotonic()))
        except BaseException as error:  # noqa: BLE001  told to the task that waits for this thread
            self.failure = error
            self._hear_failure()

    def look(self, now_s: float) -> Told:
        """One round: commands first, then what changed, then quotes, then what is due.

        Away from the broker, and shortly after, only commands are answered: the engine takes the
        silence for what it is, and no list of such a time is believed.
        """
        told = Told()
        settled = self._is_settled(now_s)
        commanded = self._obey(told, now_s, settled)
        if not settled:
            self._floor_looks = 0
            return told
        positions = self._package.positions()
        moved = False
        if positions is not None:
            if self._positions is not None:
                moved = self._compare(told, positions)
            self._positions = positions
        if commanded or moved or now_s - self._history_s >= HISTORY_S:
            self._tell_deals(told, now_s)
        told.quotes = self._ticks.read(self.wanted)
        if now_s - self._beat_s >= self.heartbeat_s:
            self._beat_s = now_s
            told.heartbeat = self._heartbeat(positions)
            self._watch_terms(now_s)
        told.is_asked = self.wants_report
        if self.wants_report or self._has_new_terms:
            self.wants_report = False
            told.report = self._report(positions)
            if told.report is None:
                self.wants_report |= told.is_asked
            else:
                self._has_new_terms = False
        self._mind_the_floor(now_s)
        told.gmt_offset_s = self.gmt_offset_s
        return told

    # Looking

    def _is_settled(self, now_s: float) -> bool:
        if not self._package.is_connected():
            self._connected_s = None
            return False
        if self._connected_s is None:
            self._connected_s = now_s
        return now_s - self._connected_s >= self._settle_s

    def _compare(self, told: Told, now: tuple[PositionReport, ...]) -> bool:
        assert self._positions is not None, "nothing to compare with"
        opened, moved, closed = changed(self._positions, now)
        told.positions += [(PositionChange.OPENED, one) for one in opened]
        told.positions += [(PositionChange.CHANGED, one) for one in moved]
        told.positions += [(PositionChange.CLOSED, one) for one in closed]
        return bool(opened or moved or closed)

    def _tell_deals(self, told: Told, now_s: float) -> None:
        found = self._package.deals(self._deals_from_msc)
        if found is None:
            return  # asked again at the next look
        self._history_s = now_s
        fresh = tuple(deal for deal in found if deal.ticket not in self._known_deals)
        if self._is_marked:
            told.deals = fresh
        self._is_marked = True
        self._known_deals.update(deal.ticket for deal in fresh)
        newest = max((deal.time_msc for deal in found), default=0)
        self._deals_from_msc = max(self._deals_from_msc, newest - OVERLAP_MSC)

    def _heartbeat(self, positions: tuple[PositionReport, ...] | None) -> Heartbeat | None:
        account = self._package.account()
        if account is None or positions is None:
            return None
        return Heartbeat(
            balance=account.balance,
            credit=account.credit,
            equity=account.equity,
            margin=account.margin,
            digest=position_digest(positions),
        )

    def _report(self, positions: tuple[PositionReport, ...] | None) -> FullReport | None:
        """Everything; not complete where any query failed."""
        account, orders = self._package.account(), self._package.orders()
        if account is None:
            return None  # there is no arithmetic to put into it: at the next look
        watched = self._package.watched()
        names = [one.symbol for one in positions or ()] + [one.symbol for one in orders or ()]
        needed = dict.fromkeys([*names, *self._wanted_here()])
        most = max(MOST_SPECS, len(needed))
        specs = self._package.specs([*dict.fromkeys([*needed, *(watched or ())])][:most])
        report = FullReport(
            account=account,
            positions=positions or (),
            orders=orders or (),
            specs=tuple(one for one in specs or () if has_terms(one)),
            recent_intents=self._intents.recent(),
            floor=self._intents.floor or None,
            complete=None not in (positions, orders, specs, watched),
        )
        if report.complete:
            self._terms.keep(report.specs)
        return report

    def _watch_terms(self, now_s: float) -> None:
        """A symbol's new terms are told by a report: nothing else can."""
        names = [one.symbol for one in self._positions or ()]
        names = list(dict.fromkeys([*names, *self._wanted_here()]))
        if self._terms.are_outdated(self._package, names, now_s):
            self._has_new_terms = True

    def _wanted_here(self) -> list[str]:
        """The wanted symbols that the broker has."""
        return [name for name in self.wanted if name not in self._ticks.unknown]

    # Commands

    def _obey(self, told: Told, now_s: float, settled: bool) -> bool:
        did = False
        while True:
            try:
                command, outgrown, came_s = self.commands.get_nowait()
            except queue.Empty:
                return did
            did = True
            # It may have waited here while a newer link was made.
            outgrown = outgrown or command.epoch < self._intents.epoch_seen
            result = self._do(command, outgrown, (now_s - came_s) * 1000.0, settled)
            if result is not None:
                told.results.append(result)

    def _do(
        self, command: frames.Command, outgrown: bool, age_ms: float, settled: bool
    ) -> CommandResult | None:
        name = command.intent_id
        known = self._intents.find(name)
        if known is not None:
            return _result(known, "from the table")
        if not name:
            return None
        if outgrown:
            return CommandResult(
                intent_id=name, retcode=OUTGROWN, comment="a higher epoch was seen"
            )
        if age_ms > command.ttl_ms > 0:
            return CommandResult(intent_id=name, retcode=EXPIRED, comment="waited too long here")
        if _names_nothing(command):
            return CommandResult(intent_id=name, retcode=MALFORMED, comment="names nothing to do")
        if not settled:
            return CommandResult(intent_id=name, retcode=NOT_BEGUN, comment="not at the broker")
        try:
            self._intents.note(IntentReport(intent_id=name, epoch=command.epoch, retcode=0))
        except OSError:
            return CommandResult(intent_id=name, retcode=NOT_BEGUN, comment="cannot be recorded")
        row = self._done(command)
        self._intents.note(row)
        return _result(row, "")

    def _done(self, command: frames.Command) -> IntentReport:
        """Does it; an answer that is missing is unknown, never refused."""
        blank = IntentReport(intent_id=command.intent_id, epoch=command.epoch, retcode=DONE)
        if command.action in (Action.HALT, Action.RESUME):
            self._intents.note_halt(command.action is Action.HALT)
            return blank
        comment = f"tg:{command.intent_id}"[:31]
        if command.action is Action.CANCEL:
            answer = self._package.cancel(command.order or 0, comment)
            return _answered(blank, answer)
        positions = self._package.positions()
        if positions is None:
            return msgspec.structs.replace(blank, retcode=NOT_BEGUN)
        held = {one.identifier: one for one in positions}
        position = held.get(command.position or 0)
        if position is None:
            return msgspec.structs.replace(blank, retcode=CLOSED_ALREADY)
        if command.action is Action.CLOSE_BY:
            other = held.get(command.position_by or 0)
            if other is None:
                return msgspec.structs.replace(blank, retcode=CLOSED_ALREADY)
            return _answered(blank, self._package.close_by(position, other, comment))
        answer = self._package.close_position(
            position, command.volume, command.deviation, self._magic, comment
        )
        return _answered(blank, answer)

    def _mind_the_floor(self, now_s: float) -> None:
        """The last line: closes everything at the floor while the engine is silent."""
        if now_s - self._floor_s < 1.0:
            return
        self._floor_s = now_s
        floor = self._intents.floor
        if floor <= 0.0 or self._silent_s() < self._floor_silent_s:
            self._floor_looks = 0
            return
        account = self._package.account()
        if account is None:
            return
        self._floor_looks = self._floor_looks + 1 if account.equity <= floor else 0
        if self._floor_looks < FLOOR_LOOKS:
            return
        for order in self._package.orders() or ():
            self._package.cancel(order.ticket, "tg:floor")
        for position in self._package.positions() or ():
            self._package.close_position(position, None, 500, self._magic, "tg:floor")


def _names_nothing(command: frames.Command) -> bool:
    match command.action:
        case Action.CLOSE:
            return not command.position or (command.volume is not None and command.volume <= 0.0)
        case Action.CLOSE_BY:
            return not command.position or not command.position_by
        case Action.CANCEL:
            return not command.order
    return False


def _answered(row: IntentReport, answer: Any) -> IntentReport:
    if answer is None:
        return msgspec.structs.replace(row, retcode=NO_ANSWER)
    return IntentReport(
        intent_id=row.intent_id,
        epoch=row.epoch,
        retcode=answer.retcode,
        deal=answer.deal,
        order=answer.order,
        volume=answer.volume,
        price=answer.price,
    )


def _result(row: IntentReport, comment: str) -> CommandResult:
    return CommandResult(
        intent_id=row.intent_id,
        retcode=row.retcode or NO_ANSWER,
        deal=row.deal,
        order=row.order,
        volume=row.volume,
        price=row.price,
        comment=comment,
    )
