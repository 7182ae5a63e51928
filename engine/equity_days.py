"""How near an account came to its floors: the smallest room there was, and each limit's days."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from engine.domain.equity_limits import used_percent
from engine.domain.guards import Reset
from engine.domain.resets import next_reset_msc
from engine.equity_ticks import EquityTicks, LimitTicks

Result = Literal["kept", "warned", "breached"]


@dataclass(frozen=True, slots=True)
class Room:
    """How near an account came to a floor that it did not breach."""

    guard: str
    time_msc: int
    index: int
    room: float
    """Measured less floor, in the account currency."""
    left_percent: float
    """Of the amount between reference and floor: 100 at the reference, 0 at the floor."""


class RoomGatherer:
    """Makes the smallest `Room`: the first tick of it, and the first guard listed."""

    def __init__(self) -> None:
        self._best_minor = np.inf
        self.room: Room | None = None
        """None: no equity limit was ever unbreached on a valued tick."""

    def take(self, ticks: EquityTicks) -> None:
        """Adds ticks that follow those taken before."""
        for limit in ticks.limits:
            rooms = limit.measured_minor - limit.floor_minor
            rooms[limit.breached] = np.inf
            at = int(np.argmin(rooms))
            if rooms[at] < self._best_minor:
                self._best_minor = rooms[at]
                self.room = Room(
                    limit.guard,
                    int(ticks.time_msc[at]),
                    ticks.first_index + at,
                    float(rooms[at]) / 10.0**ticks.digits,
                    100.0
                    - used_percent(
                        int(limit.reference_minor[at]),
                        int(limit.floor_minor[at]),
                        int(limit.measured_minor[at]),
                    ),
                )


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one equity limit, from reset to reset; the first may begin later."""

    guard: str
    start_msc: int
    """Of the first tick on which the account was valued in this day."""
    end_msc: int
    """The reset instant that ends it; the last one lies past the data."""
    reference: float
    floor: float
    """Both as of that tick."""
    low: float
    """Smallest measured value."""
    low_msc: int
    used_percent: float
    """Largest share of the amount used, 0 at least."""
    result: Result
    """`breached` when latched on any tick of the day, from a day before too."""


class DayGatherer:
    """Makes the `Day`s of every equity limit that has a reset."""

    def __init__(self, resets: Mapping[str, Reset]) -> None:
        """`resets`: by the guard's name."""
        self._resets = resets
        self._ends_msc = dict.fromkeys(resets, 0)
        self._days: dict[str, list[Day]] = {guard: [] for guard in resets}

    def take(self, ticks: EquityTicks) -> None:
        """Adds ticks that follow those taken before."""
        for limit in ticks.limits:
            reset = self._resets.get(limit.guard)
            start = 0
            while reset is not None and start < len(ticks):
                now_msc = int(ticks.time_msc[start])
                begins = now_msc >= self._ends_msc[limit.guard]
                if begins:
                    self._ends_msc[limit.guard] = next_reset_msc(reset, now_msc)
                end_msc = self._ends_msc[limit.guard]
                stop = int(np.searchsorted(ticks.time_msc, end_msc))
                day = _day(ticks, limit, start, stop, end_msc)
                days = self._days[limit.guard]
                if begins:
                    days.append(day)
                else:
                    days[-1] = _joined(days[-1], day)
                start = stop

    def days(self, warned_msc: Mapping[str, Sequence[int]]) -> list[Day]:
        """By guard in the order of the guards, and then by time.

        Args:
            warned_msc: when each guard warned, in order.
        """
        found: list[Day] = []
        for guard, days in self._days.items():
            times, done = warned_msc.get(guard, ()), 0
            for day in days:
                until = bisect_left(times, day.end_msc)
                warned = until > done and day.result == "kept"
                found.append(replace(day, result="warned") if warned else day)
                done = until
        return found


def _day(ticks: EquityTicks, limit: LimitTicks, start: int, stop: int, end_msc: int) -> Day:
    scale = 10.0**ticks.digits
    measured = limit.measured_minor[start:stop]
    reference, floor = limit.reference_minor[start:stop], limit.floor_minor[start:stop]
    amount = reference - floor
    used = np.where(measured <= floor, 100.0, 0.0)  # where there is no amount
    np.divide(100.0 * (reference - measured), amount, out=used, where=amount > 0)
    low = int(np.argmin(measured))
    return Day(
        limit.guard,
        int(ticks.time_msc[start]),
        end_msc,
        float(reference[0]) / scale,
        float(floor[0]) / scale,
        float(measured[low]) / scale,
        int(ticks.time_msc[start + low]),
        max(float(np.max(used)), 0.0),
        "breached" if limit.breached[start:stop].any() else "kept",
    )


def _joined(day: Day, later: Day) -> Day:
    lower = later if later.low < day.low else day
    return Day(
        day.guard,
        day.start_msc,
        day.end_msc,
        day.reference,
        day.floor,
        lower.low,
        lower.low_msc,
        max(day.used_percent, later.used_percent),
        "breached" if "breached" in (day.result, later.result) else "kept",
    )
