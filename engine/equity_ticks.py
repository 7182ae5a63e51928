"""One account on every tick of a replay, in columns, from the states it went through.

Between two changes an account is a fixed function of the quotes, so a second pass over the ticks
gives its mark, high-water mark and every floor without stepping it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.domain.account import AccountSpec, AccountState
from engine.domain.equity_limits import (
    floor_minor,
    follows_day_high,
    lock_minor,
    reference_minor,
    share_of,
    tracker_index,
    with_balance_highs,
)
from engine.domain.guards import EquityLimit, FixedFloor, Measured, Money, Percent, Reference
from engine.domain.marks import base_of
from engine.domain.valuation import symbols_needed
from engine.domain.watch import Exposure
from engine.domain.watching import Holding, holding_of
from engine.equity_columns import LatestQuotes, equity_column, mark_column, minor_of_marks
from engine.marking.ticks import Floats, Int64s, TickBatch
from engine.replay_loop import Change

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LimitTicks:
    """One equity limit on consecutive ticks, in minor units (whole numbers held as doubles)."""

    guard: str
    floor_minor: Floats
    reference_minor: Floats
    measured_minor: Floats
    """The exact equity, or the balance."""
    breached: Bools
    """Latched: from the tick of the breach on."""


@dataclass(frozen=True, slots=True)
class EquityTicks:
    """An account on consecutive ticks on which it was valued; all arrays have one length."""

    first_index: int
    """Of the first tick here, in the merged stream."""
    digits: int
    """Of the account currency."""
    time_msc: Int64s
    mark: Floats
    """Unrounded equity in major units, conversion at mid."""
    high_water: Floats
    """Of the mark; unrounded, this tick included."""
    equity_minor: Floats
    """The MT5-exact equity that decides."""
    balance_minor: Floats
    limits: tuple[LimitTicks, ...]
    """Every equity limit, in the order of the guards."""

    def __len__(self) -> int:
        return len(self.time_msc)

    def part(self, start: int, stop: int) -> "EquityTicks":
        """The ticks from offset `start` up to `stop`, as views."""
        cut = slice(start, stop)
        return EquityTicks(
            self.first_index + start,
            self.digits,
            self.time_msc[cut],
            self.mark[cut],
            self.high_water[cut],
            self.equity_minor[cut],
            self.balance_minor[cut],
            tuple(
                LimitTicks(
                    limit.guard,
                    limit.floor_minor[cut],
                    limit.reference_minor[cut],
                    limit.measured_minor[cut],
                    limit.breached[cut],
                )
                for limit in self.limits
            ),
        )


class Standing(NamedTuple):
    """Where an `AccountWalk` is between two batches."""

    change: int
    first_valued: int
    trackers: tuple[float, ...]


class AccountWalk:
    """Gives an account's columns for one batch of ticks after another."""

    def __init__(self, spec: AccountSpec, changes: Sequence[Change], latest: LatestQuotes) -> None:
        """`latest` takes each batch before this does."""
        self._spec = spec
        self._changes = changes
        self._latest = latest
        self._limits = [
            (place, guard)
            for place, guard in enumerate(spec.guards)
            if isinstance(guard, EquityLimit)
        ]
        self._state: AccountState | None = None
        self._holding: Holding | None = None
        self._next = 0
        self._first_valued = -1
        self._trackers: list[float] = []

    @property
    def standing(self) -> Standing:
        """To `restore` later."""
        return Standing(self._next, self._first_valued, tuple(self._trackers))

    def restore(self, standing: Standing) -> None:
        """Goes back to where `standing` was taken."""
        self._next, self._first_valued, trackers = standing
        self._trackers = list(trackers)
        changes = self._changes
        self._state = with_balance_highs(changes[self._next - 1].state) if self._next else None

    def take(self, batch: TickBatch) -> EquityTicks | None:
        """The columns of the batch's ticks on which the account was valued; None: on none."""
        size, first = len(batch), batch.first_index
        offset, known_from = 0, size
        out: EquityTicks | None = None
        while offset < size:
            self._go_to(first + offset)
            stop = size
            if self._next < len(self._changes):
                stop = min(size, self._changes[self._next].index - first)
            if self._state is not None and self._state.known:
                if out is None:
                    known_from, out = offset, self._empty(batch)
                self._fill(out, self._state, slice(offset, stop))
            offset = stop
        return None if out is None else out.part(known_from, size)

    def _go_to(self, index: int) -> None:
        """Takes the changes that stand at the tick of this index."""
        while self._next < len(self._changes) and self._changes[self._next].index <= index:
            change = self._changes[self._next]
            self._next += 1
            self._state = state = with_balance_highs(change.state)
            if not state.known:
                continue
            if self._first_valued < 0:
                self._first_valued = change.index
            # A deal of the broker's own carries the marks of the last step, which may be old.
            if state.marks.ticks >= change.index - self._first_valued:
                self._trackers = list(state.marks.trackers)

    def _empty(self, batch: TickBatch) -> EquityTicks:
        def column() -> Floats:
            return np.empty(len(batch))

        balance, equity = column(), column()
        return EquityTicks(
            batch.first_index,
            self._spec.digits,
            batch.time_msc,
            column(),
            column(),
            equity,
            balance,
            tuple(
                LimitTicks(
                    guard.name,
                    column(),
                    column(),
                    equity if guard.measured is Measured.EQUITY else balance,
                    np.empty(len(batch), np.bool_),
                )
                for _, guard in self._limits
            ),
        )

    def _fill(self, out: EquityTicks, state: AccountState, span: slice) -> None:
        mark = mark_column(base_of(state), self._exposures(state, span.start), self._latest, span)
        out.mark[span] = mark
        out.balance_minor[span] = state.balance_minor
        out.equity_minor[span] = equity_column(
            self._spec.market,
            state.balance_minor + state.credit_minor,
            state.positions,
            self._latest,
            span,
        )
        highs = {0: _running_high(mark, self._trackers, 0)}
        out.high_water[span] = highs[0]
        for (place, guard), limit in zip(self._limits, out.limits, strict=True):
            known = state.guards[place]
            limit.breached[span] = known.breached
            if guard.reference is Reference.EQUITY_HIGH_WATER:
                high = highs[0]
            elif follows_day_high(guard):
                tracker = tracker_index(self._spec.guards, place)
                high = highs[tracker] = _running_high(mark, self._trackers, tracker)
            else:
                reference = reference_minor(guard, place, known, state, state.marks)
                limit.reference_minor[span] = reference
                limit.floor_minor[span] = floor_minor(guard, reference, self._spec)
                continue
            references = minor_of_marks(high, self._spec.digits)
            limit.reference_minor[span] = references
            limit.floor_minor[span] = floors_minor(guard, references, self._spec)

    def _exposures(self, state: AccountState, offset: int) -> tuple[Exposure, ...]:
        holding = self._holding
        if holding is None or holding.positions is not state.positions:
            needs = symbols_needed(self._spec.market, state.positions)
            self._holding = holding = holding_of(state, self._latest.quotes(needs, offset))
        return holding.exposures


def _running_high(mark: Floats, trackers: list[float], tracker: int) -> Floats:
    """The tracker on every tick; it goes on from where this leaves it."""
    high = np.maximum.accumulate(mark)
    np.maximum(high, trackers[tracker], out=high)
    trackers[tracker] = float(high[-1])
    return high


def floors_minor(guard: EquityLimit, references: Floats, spec: AccountSpec) -> Floats:
    """`equity_limits.floor_minor` for many references at once."""
    match guard.amount:
        case FixedFloor(floor_minor=fixed):
            floors = np.full(len(references), float(fixed))
        case Money(amount_minor=amount):
            floors = references - amount
        case Percent(percent=share, of_reference=True):
            amounts = np.floor(share * references / 100.0 + 0.5)
            floors = references - np.where(references > 0, amounts, 0.0)
        case Percent(percent=share):
            floors = references - share_of(share, spec.initial_minor)
    lock = lock_minor(guard, spec)
    return floors if lock is None else np.minimum(floors, lock)
