"""The accounts of a feed in columns: who sits where, and what the kernel keeps of them.

An account is a row (its slot). Its terms, exposures, lines and trackers are runs of rows of their
own. A term is a number of units times one row of the prices: an exposure is one term of its net
side and, where it is hedged, one more of its spread.
"""

from typing import NamedTuple

import numpy as np

from engine.marking.compiling import bare
from engine.marking.ticks import Floats, Int32s, Int64s

# Columns of `reals`.
FIXED, ROUNDING, LOW, HIGH, CEILING, HIGH_WATER, DEEPEST, DEEPEST_HIGH_WATER = range(8)
# Columns of `whole`: where each run starts and how long it is, and the rest.
TERMS_FROM, TERMS, EXPOSURES_FROM, EXPOSURES = 0, 1, 2, 3
LINES_FROM, LINES, TRACKERS_FROM, TRACKERS = 4, 5, 6, 7
PLAIN_TERMS, FLAGS, WAKE_AT_MSC, DEEPEST_MSC = 8, 9, 10, 11
# Bits of the flags.
IN_USE, CONVERTS, HAS_LEVELS = 1, 2, 4
# Columns of `seats`.
SPAN, RATE = range(2)
# Columns of `lines`.
WAKES_ABOVE, TRACKER, P, Q, A, B, CAP, SLACK = range(8)


class Columns(NamedTuple):
    """The arrays, for N accounts, M terms, X exposures, K lines and R trackers."""

    reals: Floats
    """(N, 8). `FIXED` is the base less the costs that are not converted. `LOW` is the highest
    lower line with its slack, `HIGH` the lowest upper line less its slack, `CEILING` the lowest
    tracker: a mark between them moves and reaches nothing."""
    whole: Int64s
    """(N, 12)"""
    seats: Int32s
    """(M, 2): the place in `spans` of that extreme of the term's row at which the term is least
    (the other one is beside it, at the place XOR 1); and the conversion. The first `PLAIN_TERMS`
    terms of an account have no conversion, the others have one."""
    units: Floats
    """(M, 2): units, below zero where a rising row costs; and the cost where it is converted."""
    exposed: Int32s
    """(X, 2): symbol and conversion (-1 for none)."""
    sides: Floats
    """(X, 2): long and short units."""
    opens: Floats
    """(X, 4): least and largest open price of the buys, then of the sells."""
    levels: Floats
    """(X, 4): bid at or below, bid at or above, ask at or below, ask at or above."""
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


@bare
def line_height(line: Floats, reference: float) -> float:
    """Where the line lies, given its tracker."""
    bent = line[A] * reference + line[B]
    return float(line[P] * reference + line[Q] * (bent if bent < line[CAP] else line[CAP]))


@bare
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


@bare
def refresh(columns: Columns, slot: int) -> None:
    """Bring what is derived from the trackers up to date."""
    low, high = nearest_lines(columns, slot, -np.inf)
    columns.reals[slot, LOW] = low
    columns.reals[slot, HIGH] = high
    first = columns.whole[slot, TRACKERS_FROM]
    columns.reals[slot, HIGH_WATER] = columns.trackers[first]
    ceiling = np.inf
    for k in range(first, first + columns.whole[slot, TRACKERS]):
        ceiling = min(ceiling, columns.trackers[k])
    columns.reals[slot, CEILING] = ceiling
