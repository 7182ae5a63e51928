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
