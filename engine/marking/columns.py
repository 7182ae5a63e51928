"""The accounts of a feed in columns: who sits where, and what the kernel keeps of them.

An account is a row (its slot). Its exposures, lines and trackers are runs of rows elsewhere.
"""

from typing import NamedTuple

import numpy as np

from engine.marking.compiling import compiled
from engine.marking.ticks import Floats, Int32s, Int64s

# Columns of `reals`.
BASE, ROUNDING, LOW, HIGH, CEILING, HIGH_WATER, DEEPEST, DEEPEST_HIGH_WATER = range(8)
# Columns of `whole`.
(
    EXPOSURES_FROM,
    EXPOSURES,
    LINES_FROM,
    LINES,
    TRACKERS_FROM,
    TRACKERS,
    WAKE_AT_MSC,
    DEEPEST_MSC,
) = range(8)
# Bits of `flags`.
IN_USE, CONVERTS, HAS_LEVELS = 1, 2, 4
# Columns of `lines`.
WAKES_ABOVE, TRACKER, P, Q, A, B, CAP, SLACK = range(8)


class Columns(NamedTuple):
    """The arrays, for N accounts, M exposures, K lines and R trackers."""

    reals: Floats
    """(N, 8). `LOW` is the highest lower line with its slack, `HIGH` the lowest upper line less
    its slack, `CEILING` the lowest tracker: a mark between them moves and reaches nothing."""
    whole: Int64s
    """(N, 8)"""
    flags: Int64s
    """(N,)"""
    seats: Int32s
    """(M, 2): symbol and conversion (-1 for none)."""
    units: Floats
    """(M, 4): long units, short units, cost."""
    opens: Floats
    """(M, 4): least and largest open price of the buys, then of the sells."""
    levels: Floats
    """(M, 4): bid at or below, bid at or above, ask at or below, ask at or above."""
    lines: Floats
    """(K, 8)"""
    trackers: Floats
    """(R,)"""
    before: Floats
    """(N, 8): `reals` as they were at `since`, of accounts whose `walk` is the present one."""
    before_msc: Int64s
    """(N,): the same of `DEEPEST_MSC`."""
    before_trackers: Floats
    """(R,)"""
    since: Int64s
    """(N,): offset of the first tick of this walk that the account is valued on."""
    walk: Int64s
    """(N,): the number of the walk in which the marks last changed."""


@compiled
def line_height(line: Floats, reference: float) -> float:
    """Where the line lies, given its tracker."""
    bent = line[A] * reference + line[B]
    return float(line[P] * reference + line[Q] * (bent if bent < line[CAP] else line[CAP]))


@compiled
def nearest_lines(columns: Columns, slot: int, mark: float) -> tuple[float, float]:
    """What `LOW` and `HIGH` are once the trackers have seen `mark` (-inf: as they are)."""
    low, high = -np.inf, np.inf
    first = columns.whole[slot, LINES_FROM]
    trackers_from = columns.whole[slot, TRACKERS_FROM]
    for k in range(first, first + columns.whole[slot, LINES]):
        line = columns.lines[k]
        reference = 0.0
        if line[TRACKER] >= 0.0:
            reference = columns.trackers[trackers_from + np.int64(line[TRACKER])]
            reference = mark if mark > reference else reference
        if line[WAKES_ABOVE] != 0.0:
            high = min(high, line_height(line, reference) - line[SLACK])
        else:
            low = max(low, line_height(line, reference) + line[SLACK])
    return low, high


@compiled
def refresh(columns: Columns, slot: int) -> None:
    """Bring what is derived from the trackers up to date."""
    real = columns.reals[slot]
    real[LOW], real[HIGH] = nearest_lines(columns, slot, -np.inf)
    first = columns.whole[slot, TRACKERS_FROM]
    real[HIGH_WATER] = columns.trackers[first]
    ceiling = np.inf
    for k in range(first, first + columns.whole[slot, TRACKERS]):
        ceiling = min(ceiling, columns.trackers[k])
    real[CEILING] = ceiling
