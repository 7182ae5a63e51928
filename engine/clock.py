"""Time, as the engine reads it: a monotonic clock for ages, the wall clock for what is written.

Sleeping is Trio's own. Both clocks here follow Trio's time, so that tests under a virtual clock
(`trio.testing.MockClock`) see ages and times move together without anybody sleeping.
"""

import time
from typing import Protocol

import trio


class Clock(Protocol):
    """What time it is."""

    def monotonic_ns(self) -> int:
        """For ages and deadlines only: never goes back, starts anywhere."""

    def wall_msc(self) -> int:
        """UTC milliseconds; may jump when somebody sets the clock."""


class SystemClock:
    """The machine's clocks. To be read inside a Trio run."""

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`."""
        return int(trio.current_time() * 1e9)

    def wall_msc(self) -> int:
        """See `Clock.wall_msc`."""
        return time.time_ns() // 1_000_000


class SteadyClock:
    """A wall clock that never goes back, whatever is done to the machine's.

    It runs on the monotonic clock and is compared with the wall clock as it is read. A wall clock
    that is ahead is followed at once (the machine slept, or was set). One that is behind is waited
    for: this one runs at half its pace until they agree again.
    """

    TOLERANCE_MSC = 50
    """Differences below are noise."""

    def __init__(self, clock: Clock) -> None:
        """`clock`: what is steadied."""
        self._clock = clock
        self._wall_msc = clock.wall_msc()
        self._read_ns = clock.monotonic_ns()
        self.jumps = 0
        """How often the machine's clock was found elsewhere."""

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`."""
        return self._clock.monotonic_ns()

    def wall_msc(self) -> int:
        """See `Clock.wall_msc`; never goes back."""
        now_ns = self._clock.monotonic_ns()
        gone_msc = (now_ns - self._read_ns) // 1_000_000
        if gone_msc <= 0:
            return self._wall_msc
        told_msc = self._clock.wall_msc()
        expected_msc = self._wall_msc + gone_msc
        if told_msc > expected_msc + self.TOLERANCE_MSC:
            self.jumps += 1
            expected_msc = told_msc
        elif told_msc < expected_msc - self.TOLERANCE_MSC:
            expected_msc = self._wall_msc + gone_msc // 2
        self._wall_msc = max(self._wall_msc, expected_msc)
        self._read_ns += gone_msc * 1_000_000
        return self._wall_msc


class VirtualClock:
    """A wall clock that starts at a given time and runs on Trio's, `speed` times as fast."""

    def __init__(self, start_msc: int, speed: float = 1.0) -> None:
        """Starts now: make it inside the Trio run that reads it."""
        self._speed = speed
        self.start(start_msc)

    def start(self, start_msc: int) -> None:
        """Starts again, now, at that time."""
        self._start_msc = start_msc
        self._start_s = trio.current_time()

    def monotonic_ns(self) -> int:
        """See `Clock.monotonic_ns`.

        It runs `speed` times as fast too, so that ages are those of the ticks it paces.
        """
        return int((trio.current_time() - self._start_s) * self._speed * 1e9)

    def wall_msc(self) -> int:
        """See `Clock.wall_msc`."""
        return self._start_msc + self.monotonic_ns() // 1_000_000

    async def sleep_until_msc(self, time_msc: int, at_least_s: float = 0.0) -> None:
        """Returns at once when that time is past, else when it is and so many seconds have gone."""
        if self.wall_msc() < time_msc:
            due_s = self._start_s + (time_msc - self._start_msc) / 1000.0 / self._speed
            await trio.sleep_until(max(due_s, trio.current_time() + at_least_s))
