"""Writes accounts into the columns and reads their marks back: the Python side of `columns`."""

from collections.abc import Callable
from math import inf
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.domain.watch import Exposure, Leg, Line, Marks, Watch
from engine.marking.columns import (
    CONVERTS,
    DEEPEST,
    DEEPEST_HIGH_WATER,
    DEEPEST_MSC,
    HAS_LEVELS,
    IN_USE,
    Columns,
    refresh,
)

_T = TypeVar("_T", bound=np.generic)

LARGEST = 1e18
"""No amount, price or number of units is larger; sums and products of them stay finite, so that
no mark is ever NaN."""


class Runs:
    """Runs of rows in arrays that grow by doubling; a run left is the next of its size."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._end = 0
        self._left: dict[int, list[int]] = {}

    @staticmethod
    def room(length: int) -> int:
        """Rows set aside for a run of `length`: at most a quarter too many, or two."""
        step = max(2, 1 << max(0, length.bit_length() - 3))
        return max(step, -(-length // step) * step)

    def take(self, room: int) -> int:
        """The first row of a run of that room; `rows` grows when there is none left."""
        left = self._left.get(room)
        if left:
            return left.pop()
        first = self._end
        self._end += room
        while self._end > self.rows:
            self.rows *= 2
        return first

    def leave(self, first: int, room: int) -> None:
        """Give a run back."""
        self._left.setdefault(room, []).append(first)


def _grown(array: NDArray[_T], rows: int) -> NDArray[_T]:
    """The array with that many rows, those it has in front and zeros behind."""
    if len(array) == rows:
        return array
    longer = np.zeros((rows, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


def empty_columns(accounts: int) -> Columns:
    """Room for so many accounts with a few exposures, lines and trackers each."""
    few = 4 * accounts
    return Columns(
        reals=np.zeros((accounts, 8)),
        whole=np.zeros((accounts, 8), np.int64),
        flags=np.zeros(accounts, np.int64),
        seats=np.zeros((few, 2), np.int32),
        units=np.zeros((few, 4)),
        opens=np.zeros((few, 4)),
        levels=np.zeros((few, 4)),
        lines=np.zeros((few, 8)),
        trackers=np.zeros(few),
        before=np.zeros((accounts, 8)),
        before_msc=np.zeros(accounts, np.int64),
        before_trackers=np.zeros(few),
        since=np.zeros(accounts, np.int64),
        walk=np.zeros(accounts, np.int64),
    )


class Accounts:
    """The accounts of one feed, by slot.

    `seat` gives the row of a symbol that has a quote, `conversion` the row of a conversion.
    """

    def __init__(
        self, seat: Callable[[str], int], conversion: Callable[[tuple[Leg, ...]], int]
    ) -> None:
        self.columns = empty_columns(16)
        self.slots = 0
        """Slots from 0 up to here are or have been in use."""
        self._seat = seat
        self._conversion = conversion
        self._free: list[int] = []
        self._exposures = Runs(len(self.columns.units))
        self._lines = Runs(len(self.columns.lines))
        self._trackers = Runs(len(self.columns.trackers))
        self._rooms: list[tuple[int, int, int]] = []

    def take(self) -> int:
        """A slot for a new account, still empty."""
        if self._free:
            return self._free.pop()
        self.slots += 1
        self._rooms.append((0, 0, 0))
        if self.slots > len(self.columns.flags):
            rows = 2 * len(self.columns.flags)
            by_account = ("reals", "whole", "flags", "before", "before_msc", "since", "walk")
            self._grow(by_account, rows)
        return self.slots - 1

    def leave(self, slot: int) -> None:
        """Forget the account; its slot is the next to be taken."""
        assert self.in_use(slot), f"slot {slot} holds no account"
        self._make_room(slot, (0, 0, 0))
        self.columns.flags[slot] = 0
        self._free.append(slot)

    def in_use(self, slot: int) -> bool:
        """Whether the slot holds an account."""
        return 0 <= slot < self.slots and bool(self.columns.flags[slot])

    def put(self, slot: int, watch: Watch, since: int) -> None:
        """Write the account; `since` is the offset of the first tick it is valued on.

        Everything is checked before anything is written.
        """
        _check(watch)
        seats = [
            (self._seat(e.symbol), self._conversion(e.conversion) if e.conversion else -1)
            for e in watch.exposures
        ]
        sizes = (len(watch.exposures), len(watch.lines), len(watch.marks.trackers))
        self._make_room(slot, (Runs.room(sizes[0]), Runs.room(sizes[1]), Runs.room(sizes[2])))
        columns, marks = self.columns, watch.marks
        row = columns.whole[slot]
        row[1:6:2] = sizes
        row[6:] = min(watch.wake_at_msc, 2**62), marks.max_drawdown_time_msc
        first, _, lines_from, _, tracker, _, _, _ = row.tolist()
        exposures, stop = watch.exposures, first + sizes[0]
        flags = IN_USE
        if exposures:
            columns.seats[first:stop] = seats
            columns.units[first:stop, :3] = [
                (e.long_units, e.short_units, e.cost) for e in exposures
            ]
            columns.opens[first:stop] = [
                (e.long_open_min, e.long_open_max, e.short_open_min, e.short_open_max)
                for e in exposures
            ]
            columns.levels[first:stop] = [_levels(e) for e in exposures]
            flags |= CONVERTS if any(e.conversion for e in exposures) else 0
            flags |= HAS_LEVELS if any(_levels(e) != _NO_LEVELS for e in exposures) else 0
        if watch.lines:
            columns.lines[lines_from : lines_from + sizes[1]] = [
                _line(line) for line in watch.lines
            ]
        columns.trackers[tracker : tracker + sizes[2]] = marks.trackers
        columns.flags[slot] = flags
        columns.reals[slot] = (
            watch.base,
            watch.rounding_bound,
            0.0,
            0.0,
            0.0,
            0.0,
            marks.max_drawdown,
            marks.max_drawdown_high_water,
        )
        columns.since[slot] = since
        columns.walk[slot] = -1
        refresh(columns, slot)

    def marks(self, slot: int, ticks: int) -> Marks:
        """The account's marks as they stand in the columns."""
        columns = self.columns
        row = columns.whole[slot].tolist()
        first, count, deepest_msc = row[4], row[5], row[DEEPEST_MSC]
        real = columns.reals[slot].tolist()
        return Marks(
            trackers=tuple(columns.trackers[first : first + count].tolist()),
            max_drawdown=real[DEEPEST],
            max_drawdown_high_water=real[DEEPEST_HIGH_WATER],
            max_drawdown_time_msc=deepest_msc,
            ticks=ticks,
        )

    def _make_room(self, slot: int, rooms: tuple[int, int, int]) -> None:
        """Runs of these rooms for the slot, those it has where they fit; 0 gives a run back."""
        held = self._rooms[slot]
        if held == rooms:
            return
        firsts = self.columns.whole[slot, 0:6:2].tolist()
        runs = (self._exposures, self._lines, self._trackers)
        for kind in range(3):
            if held[kind] != rooms[kind]:
                if held[kind]:
                    runs[kind].leave(firsts[kind], held[kind])
                firsts[kind] = runs[kind].take(rooms[kind]) if rooms[kind] else 0
        self._rooms[slot] = rooms
        self._grow(("seats", "units", "opens", "levels"), self._exposures.rows)
        self._grow(("lines",), self._lines.rows)
        self._grow(("trackers", "before_trackers"), self._trackers.rows)
        self.columns.whole[slot, 0:6:2] = firsts

    def _grow(self, names: tuple[str, ...], rows: int) -> None:
        if len(getattr(self.columns, names[0])) < rows:
            wider = {name: _grown(getattr(self.columns, name), rows) for name in names}
            self.columns = self.columns._replace(**wider)


_NO_LEVELS = (-inf, inf, -inf, inf)


def _levels(exposure: Exposure) -> tuple[float, float, float, float]:
    return (
        exposure.wake_bid_at_or_below,
        exposure.wake_bid_at_or_above,
        exposure.wake_ask_at_or_below,
        exposure.wake_ask_at_or_above,
    )


def _line(line: Line) -> tuple[float, ...]:
    return (
        float(line.wakes_above),
        line.tracker,
        line.p,
        line.q,
        line.a,
        line.b,
        line.cap,
        line.slack,
    )


def _check(watch: Watch) -> None:
    """Refuse (by assertion) what would make a comparison meaningless later on."""
    marks = watch.marks
    reals = [watch.base, watch.rounding_bound, marks.max_drawdown, marks.max_drawdown_high_water]
    reals += marks.trackers
    assert marks.trackers, "the first tracker, the high-water mark, is missing"
    assert watch.rounding_bound >= 0.0, "a bound below zero would wake too late"
    for line in watch.lines:
        reals += (line.p, line.q, line.a, line.b, line.slack)
        assert line.slack >= 0.0, "a slack below zero would wake too late"
        assert line.cap > -LARGEST, f"a line capped at {line.cap}"
        assert -1 <= line.tracker < len(marks.trackers), f"no tracker {line.tracker}"
    for exposure in watch.exposures:
        units = (exposure.long_units, exposure.short_units)
        reals += (*units, exposure.cost)
        assert min(units) >= 0.0, f"{exposure.symbol}: units below zero"
        assert len(exposure.conversion) <= 2, f"{exposure.symbol}: more than two legs"
        assert not any(level != level for level in _levels(exposure)), "a level that is NaN"
        if exposure.conversion:
            sides = (
                (units[0], exposure.long_open_min, exposure.long_open_max),
                (units[1], exposure.short_open_min, exposure.short_open_max),
            )
            for held, least, largest in sides:
                known = -LARGEST < least <= largest < LARGEST
                assert held == 0.0 or known, f"{exposure.symbol}: open prices not given"
    assert all(-LARGEST < real < LARGEST for real in reals), f"not a finite amount in {watch}"
