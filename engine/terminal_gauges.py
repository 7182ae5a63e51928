"""What the link says of terminals themselves: builds, round trips, heartbeats, gaps, clocks.

Taken where links, reports and heartbeats are handed on, never at a quote; a heartbeat costs a few
microseconds, an account some hundred bytes. Nothing of it is kept over a restart.
"""

from msgspec.structs import replace

from engine.clock import Clock
from engine.domain.ids import AccountKey
from engine.domain.terminal_views import TerminalView
from engine.link import Sent, TerminalFacts

WINDOW_BEATS = 120
"""Heartbeats a clock's difference is taken over: between this many and twice as many."""


class ClockOffset:
    """The largest of (their clock less ours) over the last beats: that with the shortest way."""

    __slots__ = ("_beats", "_before", "_now")

    def __init__(self) -> None:
        self._beats = 0
        self._before: int | None = None
        self._now: int | None = None

    def take(self, difference_ms: int) -> int:
        """What it is, with this one."""
        if self._beats == WINDOW_BEATS:
            self._before, self._now, self._beats = self._now, None, 0
        self._beats += 1
        self._now = difference_ms if self._now is None else max(self._now, difference_ms)
        return self._now if self._before is None else max(self._now, self._before)


class _Gauge:
    """One account's."""

    __slots__ = ("asked_ns", "gaps_before", "link_gaps", "offset", "view")

    def __init__(self, view: TerminalView) -> None:
        self.view = view
        self.offset = ClockOffset()
        self.asked_ns = 0
        """When the newest report that was timed was asked for: an unasked one has no newer."""
        self.gaps_before = 0
        """Of links before."""
        self.link_gaps = 0


class TerminalGauges:
    """See the top."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._gauges: dict[AccountKey, _Gauge] = {}

    def of(self, key: AccountKey) -> TerminalView | None:
        """The terminal of an account; None: none linked since the engine started.

        The same object until something changes.
        """
        gauge = self._gauges.get(key)
        return None if gauge is None else gauge.view

    def linked(self, facts: TerminalFacts) -> None:
        """A terminal proved its key. Another program, or another machine, has another clock."""
        gauge = self._gauges.get(facts.key)
        told = TerminalView(
            build=facts.build,
            company=facts.company,
            gmt_offset_s=facts.gmt_offset_s,
            handshake_ms=facts.handshake_ms,
        )
        if gauge is None:
            self._gauges[facts.key] = _Gauge(told)
            return
        gauge.offset = ClockOffset()
        was = gauge.view
        gauge.gaps_before, gauge.link_gaps = was.gaps, 0
        gauge.view = replace(
            told,
            report_ms=was.report_ms,
            heartbeat_msc=was.heartbeat_msc,
            reconnects=was.reconnects + 1,
            lost_msc=was.lost_msc,
            lost_cause=was.lost_cause,
            gaps=was.gaps,
            gap_msc=was.gap_msc,
        )

    def reported(self, key: AccountKey, sent: Sent) -> None:
        """A full report is here. One that nobody asked for is not timed."""
        gauge = self._gauges.get(key)
        if gauge is None or sent.asked_ns <= gauge.asked_ns:
            return
        gauge.asked_ns = sent.asked_ns
        took_ms = round((sent.received_ns - sent.asked_ns) / 1e6, 3)
        gauge.view = replace(gauge.view, report_ms=took_ms)

    def beat(self, key: AccountKey, sent: Sent) -> None:
        """A heartbeat is here."""
        gauge = self._gauges.get(key)
        if gauge is None:
            return
        waited_ms = (self._clock.monotonic_ns() - sent.received_ns) // 1_000_000
        came_msc = self._clock.wall_msc() - waited_ms
        view = gauge.view
        gaps, gap_msc = view.gaps, view.gap_msc
        if sent.gaps != gauge.link_gaps:
            gauge.link_gaps = sent.gaps
            gaps, gap_msc = gauge.gaps_before + sent.gaps, came_msc
        gauge.view = replace(
            view,
            heartbeat_msc=came_msc,
            clock_offset_ms=gauge.offset.take(sent.gmt_msc - came_msc),
            gmt_offset_s=sent.gmt_offset_s,
            gaps=gaps,
            gap_msc=gap_msc,
        )

    def lost(self, key: AccountKey, cause: str) -> None:
        """The link ended."""
        gauge = self._gauges.get(key)
        if gauge is not None:
            gauge.view = replace(gauge.view, lost_msc=self._clock.wall_msc(), lost_cause=cause)
