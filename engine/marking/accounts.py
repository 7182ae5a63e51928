"""Writes accounts into the columns and reads their marks back: the Python side of `columns`."""

from collections.abc import Callable

import numpy as np

from engine.domain.watch import Leg, Marks, Watch
from engine.marking.columns import (
    CONVERTS,
    DEEPEST,
    DEEPEST_HIGH_WATER,
    DEEPEST_MSC,
    EXPOSURES_FROM,
    FLAGS,
    HAS_LEVELS,
    IN_USE,
    LINES_FROM,
    TERMS_FROM,
    TRACKERS_FROM,
    Columns,
    refresh,
)
from engine.marking.rows import NO_LEVELS, check, levels, line_row, opens, terms
from engine.marking.runs import Runs, grown

RUNS = (
    ("seats", "units"),
    ("exposed", "sides", "opens", "levels"),
    ("lines",),
    ("trackers", "before_trackers"),
)
"""The columns of each kind of run, in the order of the first eight columns of `whole`."""


def empty_columns(accounts: int) -> Columns:
    """Room for so many accounts with a few terms, exposures, lines and trackers each."""
    few = 4 * accounts
    return Columns(
        reals=np.zeros((accounts, 8)),
        whole=np.zeros((accounts, 12), np.int64),
        seats=np.zeros((few, 2), np.int32),
        units=np.zeros((few, 2)),
        exposed=np.zeros((few, 2), np.int32),
        sides=np.zeros((few, 2)),
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
        self._runs = tuple(Runs(len(getattr(self.columns, names[0]))) for names in RUNS)
        self._rooms: list[tuple[int, ...]] = []

    def take(self) -> int:
        """A slot for a new account, still empty."""
        if self._free:
            return self._free.pop()
        self.slots += 1
        self._rooms.append((0, 0, 0, 0))
        if self.slots > len(self.columns.reals):
            names = ("reals", "whole", "before", "before_msc", "since", "walk")
            self._grow(names, 2 * len(self.columns.reals))
        return self.slots - 1

    def leave(self, slot: int) -> None:
        """Forget the account; its slot is the next to be taken."""
        assert self.in_use(slot), f"slot {slot} holds no account"
        self._make_room(slot, (0, 0, 0, 0))
        self.columns.whole[slot] = 0
        self._free.append(slot)

    def in_use(self, slot: int) -> bool:
        """Whether the slot holds an account."""
        return 0 <= slot < self.slots and bool(self.columns.whole[slot, FLAGS])

    def put(self, slot: int, watch: Watch, since: int) -> None:
        """Write the account; `since` is the offset of the first tick it is valued on.

        Everything is checked before anything is written. Costs some ten microseconds.
        """
        check(watch)
        marks, exposures = watch.marks, watch.exposures
        seats = [self._seat(exposure.symbol) for exposure in exposures]
        rates = [self._conversion(e.conversion) if e.conversion else -1 for e in exposures]
        rows = [
            (at, rate, units, cost)
            for exposure, seat, rate in zip(exposures, seats, rates, strict=True)
            for at, units, cost in terms(exposure, seat)
        ]
        plain = [row for row in rows if row[1] < 0]
        rows = plain + [row for row in rows if row[1] >= 0]
        sizes = (len(rows), len(exposures), len(watch.lines), len(marks.trackers))
        self._make_room(slot, tuple(Runs.room(size) for size in sizes))
        fixed = watch.base
        for exposure in exposures:
            fixed -= 0.0 if exposure.conversion else exposure.cost
        flags = IN_USE
        flags |= CONVERTS if len(plain) < len(rows) else 0
        flags |= HAS_LEVELS if any(levels(e) != NO_LEVELS for e in exposures) else 0
        columns = self.columns
        columns.whole[slot, 1:8:2] = sizes
        columns.whole[slot, 8:] = (
            len(plain),
            flags,
            min(watch.wake_at_msc, 2**62),
            marks.max_drawdown_time_msc,
        )
        columns.reals[slot, :2] = fixed, watch.rounding_bound
        columns.reals[slot, DEEPEST:] = marks.max_drawdown, marks.max_drawdown_high_water
        self._write_runs(slot, rows, list(zip(seats, rates, strict=True)), watch)
        columns.since[slot] = since
        columns.walk[slot] = -1
        refresh(columns, slot)

    def _write_runs(
        self,
        slot: int,
        rows: list[tuple[int, int, float, float]],
        exposed: list[tuple[int, int]],
        watch: Watch,
    ) -> None:
        columns, exposures, trackers = self.columns, watch.exposures, watch.marks.trackers
        starts = columns.whole[slot, :8:2].tolist()
        if rows:
            mine = slice(starts[0], starts[0] + len(rows))
            columns.seats[mine] = [row[:2] for row in rows]
            columns.units[mine] = [row[2:] for row in rows]
        if exposures:
            mine = slice(starts[1], starts[1] + len(exposures))
            columns.exposed[mine] = exposed
            columns.sides[mine] = [(e.long_units, e.short_units) for e in exposures]
            columns.opens[mine] = [opens(e) for e in exposures]
            columns.levels[mine] = [levels(e) for e in exposures]
        if watch.lines:
            mine = slice(starts[2], starts[2] + len(watch.lines))
            columns.lines[mine] = [line_row(line) for line in watch.lines]
        columns.trackers[starts[3] : starts[3] + len(trackers)] = trackers

    def marks(self, slot: int, ticks: int) -> Marks:
        """The account's marks as they stand in the columns."""
        columns = self.columns
        whole, real = columns.whole[slot].tolist(), columns.reals[slot].tolist()
        first, count = whole[TRACKERS_FROM], whole[TRACKERS_FROM + 1]
        return Marks(
            trackers=tuple(columns.trackers[first : first + count].tolist()),
            max_drawdown=real[DEEPEST],
            max_drawdown_high_water=real[DEEPEST_HIGH_WATER],
            max_drawdown_time_msc=whole[DEEPEST_MSC],
            ticks=ticks,
        )

    def _make_room(self, slot: int, rooms: tuple[int, ...]) -> None:
        """Runs of these rooms for the slot, those it has where they fit; 0 gives a run back."""
        held = self._rooms[slot]
        if held == rooms:
            return
        for kind, column in enumerate((TERMS_FROM, EXPOSURES_FROM, LINES_FROM, TRACKERS_FROM)):
            if held[kind] == rooms[kind]:
                continue
            runs = self._runs[kind]
            if held[kind]:
                runs.leave(int(self.columns.whole[slot, column]), held[kind])
            self.columns.whole[slot, column] = runs.take(rooms[kind]) if rooms[kind] else 0
            self._grow(RUNS[kind], runs.rows)
        self._rooms[slot] = rooms

    def _grow(self, names: tuple[str, ...], rows: int) -> None:
        if len(getattr(self.columns, names[0])) < rows:
            wider = {name: grown(getattr(self.columns, name), rows) for name in names}
            self.columns = self.columns._replace(**wider)
