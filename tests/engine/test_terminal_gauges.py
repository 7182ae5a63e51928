"""Figures of the terminal itself: each is of what came over the link, and of nothing else."""

import dataclasses

from trio.testing import MockClock

from engine.clock import VirtualClock
from engine.domain.ids import AccountKey
from engine.link import Sent, TerminalFacts
from engine.terminal_gauges import WINDOW_BEATS, ClockOffset, TerminalGauges

KEY = AccountKey("Demo-1", 1)
START_MSC = 1_700_000_000_000
FACTS = TerminalFacts(
    KEY, "s", 1, 4885, "Broker Ltd", "USD", 2, 2, 100, 7200, resumed=False, handshake_ms=12.5
)


class World:
    """Gauges, and a terminal whose clock is so far ahead of ours."""

    def __init__(self, clock: MockClock) -> None:
        self.mock = clock
        self.clock = VirtualClock(START_MSC)
        self.gauges = TerminalGauges(self.clock)

    def sent(self, ahead_ms: int = 0, *, way_ms: int = 0, gaps: int = 0) -> Sent:
        """A frame that is here now and was `way_ms` on its way."""
        gmt_msc = self.clock.wall_msc() - way_ms + ahead_ms
        return Sent(gmt_msc, 7200, self.clock.monotonic_ns(), gaps=gaps)


async def test_nothing_is_known_of_a_terminal_that_never_linked(mock_clock: MockClock) -> None:
    world = World(mock_clock)
    world.gauges.beat(KEY, world.sent())
    world.gauges.lost(KEY, "broken")
    assert world.gauges.of(KEY) is None


async def test_the_clock_of_a_terminal_is_told_by_the_frame_with_the_shortest_way(
    mock_clock: MockClock,
) -> None:
    world = World(mock_clock)
    world.gauges.linked(FACTS)
    for way_ms in (300, 20, 900):
        world.gauges.beat(KEY, world.sent(5000, way_ms=way_ms))
    view = world.gauges.of(KEY)
    assert view is not None
    assert view.clock_offset_ms == 4980
    assert view.heartbeat_msc == START_MSC
    assert (view.build, view.handshake_ms, view.gmt_offset_s) == (4885, 12.5, 7200)


async def test_a_heartbeat_that_waited_here_is_of_when_it_came(mock_clock: MockClock) -> None:
    world = World(mock_clock)
    world.gauges.linked(FACTS)
    sent = world.sent()
    mock_clock.jump(2.0)
    world.gauges.beat(KEY, sent)
    view = world.gauges.of(KEY)
    assert view is not None
    assert (view.heartbeat_msc, view.clock_offset_ms) == (START_MSC, 0)


def test_a_clock_that_was_mended_is_believed_after_two_windows() -> None:
    offset = ClockOffset()
    assert offset.take(60_000) == 60_000
    found = [offset.take(-10) for _ in range(2 * WINDOW_BEATS)]
    assert found[WINDOW_BEATS] == 60_000
    assert found[-1] == -10


async def test_only_reports_that_were_asked_for_are_timed(mock_clock: MockClock) -> None:
    world = World(mock_clock)
    world.gauges.linked(FACTS)
    linked_ns = world.clock.monotonic_ns() + 1
    mock_clock.jump(0.25)
    world.gauges.reported(KEY, world.sent()._replace(asked_ns=linked_ns))
    first = world.gauges.of(KEY)
    assert first is not None
    assert first.report_ms == 250.0
    mock_clock.jump(60.0)
    # One that nobody asked for has the time of the link.
    world.gauges.reported(KEY, world.sent()._replace(asked_ns=linked_ns))
    assert world.gauges.of(KEY) is first


async def test_reconnects_and_gaps_are_counted_over_links_and_say_when(
    mock_clock: MockClock,
) -> None:
    world = World(mock_clock)
    world.gauges.linked(FACTS)
    world.gauges.beat(KEY, world.sent(gaps=2))
    mock_clock.jump(1.0)
    world.gauges.beat(KEY, world.sent(gaps=2))
    world.gauges.lost(KEY, "broken")
    world.gauges.linked(dataclasses.replace(FACTS, build=5000, handshake_ms=None))
    mock_clock.jump(1.0)
    world.gauges.beat(KEY, world.sent(gaps=0))
    view = world.gauges.of(KEY)
    assert view is not None
    assert (view.reconnects, view.gaps, view.gap_msc) == (1, 2, START_MSC)
    assert (view.lost_msc, view.lost_cause) == (START_MSC + 1000, "broken")
    assert (view.build, view.handshake_ms) == (5000, None)
    world.gauges.beat(KEY, world.sent(gaps=1))
    again = world.gauges.of(KEY)
    assert again is not None
    assert (again.gaps, again.gap_msc) == (3, START_MSC + 2000)
