"""What a linked terminal tells, in order: numbers, signatures, parts of reports, digests.

The rules are in `protocol.py`; `EngineSide` gives each frame of a linked terminal to this.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from adapters.mt5 import frames, parse
from adapters.mt5.constants import digest_of, volume_units
from adapters.mt5.numbering import Numbering, PartialReport
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from engine.link import LinkQuote, PositionChange, Sent

REPORT_RETRY_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Reported:
    """A whole full report; `n` is that of its last part."""

    n: int
    sent: Sent
    report: FullReport
    is_asked: bool = True
    """False: it answers no request, also where one is under way."""


@dataclass(frozen=True, slots=True)
class PositionTold:
    """A position opened, changed or closed."""

    n: int
    sent: Sent
    change: PositionChange
    position: PositionReport


@dataclass(frozen=True, slots=True)
class DealTold:
    """A deal; one that was missing may come late."""

    n: int
    sent: Sent
    deal: DealReport


@dataclass(frozen=True, slots=True)
class ResultTold:
    """A command's result; one that was missing may come late."""

    n: int
    sent: Sent
    result: CommandResult


@dataclass(frozen=True, slots=True)
class Beaten:
    """A heartbeat."""

    n: int
    sent: Sent
    heartbeat: Heartbeat


@dataclass(frozen=True, slots=True)
class Quoted:
    """Ticks."""

    n: int
    sent: Sent
    quotes: list[LinkQuote]


@dataclass(frozen=True, slots=True)
class ReportNeeded:
    """What was told cannot be relied on: ask for a report. `gap`, `parts`, `digest`, `missing`."""

    cause: str


Telling = Reported | PositionTold | DealTold | ResultTold | Beaten | Quoted


@dataclass(slots=True)
class Tally:
    """What came over one link."""

    repeated: int = 0
    """Frames whose number had come before."""
    gaps: int = 0
    reports_needed: dict[str, int] = field(default_factory=dict)


class Tellings:
    """One linked terminal's frames. `gmt_offset_s` is the server's clock minus UTC."""

    def __init__(self, gmt_offset_s: int) -> None:
        self.gmt_offset_s = gmt_offset_s
        self.tally = Tally()
        self.numbering = Numbering(1)
        self._parts = PartialReport()
        self._asked_ns: int | None = None
        self._positions: dict[int, tuple[int, int]] | None = None
        self._digest: str | None = None

    def start(self, first: int, now_ns: int) -> None:
        """Numbers go on from `first`; a report is expected unasked."""
        self.numbering.start(first)
        self._asked_ns = now_ns

    def take(self, frame: Any, now_ns: int) -> list[Telling | ReportNeeded]:
        """What the frame tells: at most that a report is needed, then the telling itself.

        Raises:
            BadFrameError: a record cannot be.
        """
        events: list[Telling | ReportNeeded] = []
        order = self.numbering.take(frame.n)
        if order.repeated and not (order.missed and isinstance(frame, _FACTS)):
            self.tally.repeated += 1
            return events
        if not order.repeated:
            self._keep_in_line(frame, order.gap, now_ns, events)
        offset_s = getattr(frame, "gmt_offset_s", None)
        if offset_s is not None:
            self.gmt_offset_s = offset_s
        sent = Sent(frame.gmt_msc, self.gmt_offset_s, now_ns, gaps=self.tally.gaps)
        telling = _TELL[type(frame)](self, frame, sent, events)
        if telling is not None:
            if not isinstance(telling, Beaten | Quoted):
                self.numbering.await_signature(telling.n)
            events.append(telling)
        return events

    def _keep_in_line(
        self, frame: Any, gap: bool, now_ns: int, events: list[Telling | ReportNeeded]
    ) -> None:
        """Asks for a report where frames are missing, unless this one begins a report."""
        report = isinstance(frame, frames.Report)
        if gap:
            self.tally.gaps += 1
            self._parts.clear()
            if not (report and frame.part == 1):
                self._need_report("gap", now_ns, events)
        if self._parts and not report:
            self._parts.clear()
            self._need_report("parts", now_ns, events)

    def _report(
        self, frame: frames.Report, sent: Sent, events: list[Telling | ReportNeeded]
    ) -> Telling | None:
        if not self._parts.add(frame):
            self._need_report("parts", sent.received_ns, events)
            return None
        if not self._parts.is_whole:
            return None
        report = parse.full_report(self._parts.take())
        if report.complete:
            self._asked_ns = None
            self._positions = {
                p.identifier: (p.type, volume_units(p.volume)) for p in report.positions
            }
            self._digest = None
        else:
            self._asked_ns = sent.received_ns
        return Reported(frame.n, sent, report, not frame.unasked)

    def _position(
        self, frame: frames.Position, sent: Sent, _events: list[Telling | ReportNeeded]
    ) -> Telling:
        position = frame.position
        parse.check_position(position, "$.position", frame.change)
        if self._positions is not None:
            if frame.change is PositionChange.CLOSED:
                self._positions.pop(position.identifier, None)
            else:
                units = volume_units(position.volume)
                self._positions[position.identifier] = (position.type, units)
            self._digest = None
        return PositionTold(frame.n, sent, frame.change, position)

    def _deal(
        self, frame: frames.Deal, sent: Sent, _events: list[Telling | ReportNeeded]
    ) -> Telling:
        parse.check_deal(frame.deal)
        return DealTold(frame.n, sent, frame.deal)

    def _result(
        self, frame: frames.Result, sent: Sent, _events: list[Telling | ReportNeeded]
    ) -> Telling:
        return ResultTold(frame.n, sent, parse.command_result(frame))

    def _beat(
        self, frame: frames.Beat, sent: Sent, events: list[Telling | ReportNeeded]
    ) -> Telling:
        if self._positions is None:
            self._need_report("missing", sent.received_ns, events)
        elif frame.digest != self._digest_of_told():
            self._need_report("digest", sent.received_ns, events)
        return Beaten(frame.n, sent, parse.heartbeat(frame))

    def _quotes(
        self, frame: frames.Quotes, sent: Sent, _events: list[Telling | ReportNeeded]
    ) -> Telling:
        return Quoted(frame.n, sent, parse.link_quotes(frame.quotes, self.gmt_offset_s))

    def _digest_of_told(self) -> str:
        if self._digest is None:
            assert self._positions is not None, "no report came"
            held = self._positions.items()
            self._digest = digest_of((name, kind, units) for name, (kind, units) in held)
        return self._digest

    def _need_report(self, cause: str, now_ns: int, events: list[Telling | ReportNeeded]) -> None:
        """Once, and again only after a while without one."""
        if self._asked_ns is None or now_ns - self._asked_ns >= REPORT_RETRY_NS:
            self._asked_ns = now_ns
            needed = self.tally.reports_needed
            needed[cause] = needed.get(cause, 0) + 1
            events.append(ReportNeeded(cause))


_FACTS = (frames.Deal, frames.Result)
_TELL: dict[type[frames.Frame], Callable[..., Telling | None]] = {
    frames.Report: Tellings._report,
    frames.Quotes: Tellings._quotes,
    frames.Position: Tellings._position,
    frames.Deal: Tellings._deal,
    frames.Beat: Tellings._beat,
    frames.Result: Tellings._result,
}


def together(said: Sequence[object]) -> Iterator[object]:
    """The same, quotes that came one behind the other as one.

    To hand quotes on costs a round of all tasks. So the further behind a reader is, the more it
    takes at once; frame by frame, a loop that is busy would fall behind for good.
    """
    quoted: Quoted | None = None
    for event in said:
        if not isinstance(event, Quoted):
            if quoted is not None:
                yield quoted
            quoted = None
            yield event
        elif quoted is None or quoted.sent.gmt_offset_s != event.sent.gmt_offset_s:
            if quoted is not None:
                yield quoted
            quoted = event
        else:
            quoted = Quoted(event.n, event.sent, [*quoted.quotes, *event.quotes])
    if quoted is not None:
        yield quoted
