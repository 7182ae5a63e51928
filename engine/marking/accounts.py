"""Writes accounts into the columns and reads their marks back: the Python side of `columns`."""

from collections.abc import Callable

import numpy as np

from engine.domain.watch import Exposure, Leg, Marks, Watch
from engine.marking.columns import (
    CONVERTS,
    DEEPEST,
    DEEPEST_HIGH_WATER,
    DEEPEST_MSC,
    EXPOSURES,
    EXPOSURES_FROM,
    FLAGS,
    HAS_LEVELS,
    IN_USE,
    LINES,
    LINES_FROM,
    NEEDS,
    NOW,
    PLAIN_TERMS,
    QUIET,
    SINCE,
    TERMS,
    TERMS_FROM,
    TRACKERS,
    TRACKERS_FROM,
    WAKE_AT_MSC,
    WALK,
    Columns,
    refresh,
)
from engine.marking.prices import BITS
from engine.marking.rows import check, check_exposures, exposure_row, has_levels, line_row, terms
from engine.marking.runs import Runs, grown

RUNS = (
    (TERMS_FROM, ("seats", "units")),
    (EXPOSURES_FROM, ("exposures",)),
    (LINES_FROM, ("lines",)),
    (TRACKERS_FROM, ("trackers",)),
)
"""Where in `whole` each kind of run starts, and the columns it is a run of."""


def empty_columns(accounts: int) -> Columns:
    """Room for so many accounts with a few terms, exposures, lines and trackers each."""
    few = 4 * accounts
    return Columns(
        reals=np.zeros((accounts, 16)),
        whole=np.zeros((accounts, 16), np.int64),
        seats=np.zeros((few, 2), np.int32),
        units=np.zeros((few, 2)),
        exposures=np.zeros((few, 12)),
        lines=np.zeros((few, 8)),
        trackers=np.zeros((few, 2)),
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
        self._runs = tuple(Runs(len(getattr(self.columns, names[0]))) for _, names in RUNS)
        self._rooms: list[tuple[int, ...]] = []
        self._exposures: list[tuple[Exposure, ...] | None] = []
        """What was last written of each slot: the same again need not be."""

    def take(self) -> int:
        """A slot for a new account, still empty."""
        if self._free:
            return self._free.pop()
        self.slots += 1
        self._rooms.append((0, 0, 0, 0))
        self._exposures.append(None)
        if self.slots > len(self.columns.reals):
            self._grow(("reals", "whole"), 2 * len(self.columns.reals))
        return self.slots - 1

    def leave(self, slot: int) -> None:
        """Forget the account; its slot is the next to be taken."""
        assert self.in_use(slot), f"slot {slot} holds no account"
        self._make_room(slot, (0, 0, 0, 0))
        self.columns.whole[slot] = 0
        self._exposures[slot] = None
        self._free.append(slot)

    def in_use(self, slot: int) -> bool:
        """Whether the slot holds an account."""
        return 0 <= slot < self.slots and bool(self.columns.whole[slot, FLAGS])

    def put(self, slot: int, watch: Watch, walk: int, since: int) -> None:
        """Write the account; `since` is the offset in that walk of the first tick it is valued on.

        Everything is checked before anything is written. Costs some ten microseconds.
        """
        check(watch)
        if watch.exposures is not self._exposures[slot]:
            check_exposures(watch.exposures)
            self._put_exposures(slot, watch.exposures)
        self._put_lines(slot, watch)
        marks, columns, whole = watch.marks, self.columns, self.columns.whole[slot]
        whole[WAKE_AT_MSC] = min(watch.wake_at_msc, 2**62)
        whole[DEEPEST_MSC] = marks.max_drawdown_time_msc
        whole[SINCE], whole[WALK] = since, -walk
        whole[FLAGS] &= ~QUIET
        fixed = watch.base
        for exposure in watch.exposures:
            fixed -= 0.0 if exposure.conversion else exposure.cost
        columns.reals[slot, :2] = fixed, watch.rounding_bound
        columns.reals[slot, DEEPEST : DEEPEST + 2] = (
            marks.max_drawdown,
            marks.max_drawdown_high_water,
        )
        refresh(columns.reals, columns.whole, columns.lines, columns.trackers, slot)

    def _put_exposures(self, slot: int, exposures: tuple[Exposure, ...]) -> None:
        """Write what is held, as terms and as exposures."""
        seats = [self._seat(exposure.symbol) for exposure in exposures]
        rates = [self._conversion(e.conversion) if e.conversion else -1 for e in exposures]
        legs = [self._seat(leg.symbol) for exposure in exposures for leg in exposure.conversion]
        needs = seats + legs
        rows = [
            (at, rate, units, cost)
            for exposure, seat, rate in zip(exposures, seats, rates, strict=True)
            for at, units, cost in terms(exposure, seat)
        ]
        plain = [row for row in rows if row[1] < 0]
        rows = plain + [row for row in rows if row[1] >= 0]
        _, _, *others = self._rooms[slot]
        self._make_room(slot, (Runs.room(len(rows)), Runs.room(len(exposures)), *others))
        columns, whole = self.columns, self.columns.whole[slot]
        whole[TERMS], whole[EXPOSURES], whole[PLAIN_TERMS] = len(rows), len(exposures), len(plain)
        whole[FLAGS] = (
            IN_USE
            | (CONVERTS if len(plain) < len(rows) else 0)
            | (HAS_LEVELS if any(has_levels(exposure) for exposure in exposures) else 0)
        )
        whole[NEEDS] = sum(1 << bit for bit in {row % BITS for row in needs})
        first_term, first_exposure = int(whole[RUNS[0][0]]), int(whole[RUNS[1][0]])
        if rows:
            columns.seats[first_term : first_term + len(rows)] = [row[:2] for row in rows]
            columns.units[first_term : first_term + len(rows)] = [row[2:] for row in rows]
        if exposures:
            columns.exposures[first_exposure : first_exposure + len(exposures)] = [
                exposure_row(exposure, seat, rate)
                for exposure, seat, rate in zip(exposures, seats, rates, strict=True)
            ]
        self._exposures[slot] = exposures

    def _put_lines(self, slot: int, watch: Watch) -> None:
        """Write the lines and the trackers they follow."""
        lines, trackers = watch.lines, watch.marks.trackers
        terms_room, exposures_room, *_ = self._rooms[slot]
        rooms = (terms_room, exposures_room, Runs.room(len(lines)), Runs.room(len(trackers)))
        self._make_room(slot, rooms)
        columns, whole = self.columns, self.columns.whole[slot]
        whole[LINES], whole[TRACKERS] = len(lines), len(trackers)
        first_line, first_tracker = int(whole[RUNS[2][0]]), int(whole[RUNS[3][0]])
        if lines:
            columns.lines[first_line : first_line + len(lines)] = [line_row(line) for line in lines]
        columns.trackers[first_tracker : first_tracker + len(trackers), NOW] = trackers

    def marks(self, slot: int, ticks: int) -> Marks:
        """The account's marks as they stand in the columns."""
        columns = self.columns
        whole, real = columns.whole[slot].tolist(), columns.reals[slot].tolist()
        first, count = whole[TRACKERS_FROM], whole[TRACKERS]
        return Marks(
            trackers=tuple(columns.trackers[first : first + count, NOW].tolist()),
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
        for kind, (start, names) in enumerate(RUNS):
            if held[kind] == rooms[kind]:
                continue
            runs = self._runs[kind]
            if held[kind]:
                runs.leave(int(self.columns.whole[slot, start]), held[kind])
            self.columns.whole[slot, start] = runs.take(rooms[kind]) if rooms[kind] else 0
            self._grow(names, runs.rows)
        self._rooms[slot] = rooms

    def _grow(self, names: tuple[str, ...], rows: int) -> None:
        if len(getattr(self.columns, names[0])) < rows:
            wider = {name: grown(getattr(self.columns, name), rows) for name in names}
            self.columns = self.columns._replace(**wider)
