"""Bounds an account over a whole block of ticks at once, from the extremes of its symbols.

Every operation here is the one of the exact mark with an extreme put in, and IEEE operations
are monotone: the worst is at or below each mark of the block to the last bit, without an epsilon.
Comparisons are written so that what is not provably fine (a NaN) is not settled.
"""

import numpy as np

from engine.marking.columns import (
    BASE,
    CAP,
    CEILING,
    CONVERTS,
    DEEPEST,
    EXPOSURES,
    EXPOSURES_FROM,
    HAS_LEVELS,
    HIGH,
    HIGH_WATER,
    LINES,
    LINES_FROM,
    LOW,
    ROUNDING,
    SLACK,
    TRACKER,
    TRACKERS_FROM,
    WAKE_AT_MSC,
    WAKES_ABOVE,
    A,
    B,
    Columns,
    P,
    Q,
)
from engine.marking.compiling import compiled
from engine.marking.prices import (
    ASK_MAX,
    ASK_MIN,
    BID_MAX,
    BID_MIN,
    RATE_MAX,
    RATE_MIN,
    SIDE_ERROR_MAX,
    Prices,
)
from engine.marking.ticks import Floats


@compiled
def extremes(columns: Columns, prices: Prices, slot: int, block: int) -> tuple[float, float, float]:
    """No mark of the block is below the first or above the second; the third is the largest
    error bound there."""
    worst = columns.reals[slot, BASE]
    best = worst
    bound = columns.reals[slot, ROUNDING]
    first = columns.whole[slot, EXPOSURES_FROM]
    converts = columns.flags[slot] & CONVERTS != 0
    for k in range(first, first + columns.whole[slot, EXPOSURES]):
        unit = columns.units[k]
        span = prices.spans[block, columns.seats[k, 0]]
        low = unit[0] * span[BID_MIN] - unit[1] * span[ASK_MAX] - unit[2]
        high = unit[0] * span[BID_MAX] - unit[1] * span[ASK_MIN] - unit[2]
        if converts and columns.seats[k, 1] >= 0:
            rate = prices.rate_spans[block, columns.seats[k, 1]]
            low *= rate[RATE_MIN] if low >= 0.0 else rate[RATE_MAX]
            high *= rate[RATE_MAX] if high >= 0.0 else rate[RATE_MIN]
            bound += _gross_most(unit, columns.opens[k], span) * rate[SIDE_ERROR_MAX]
        worst += low
        best += high
    return worst, best, bound


@compiled
def _gross_most(unit: Floats, opened: Floats, span: Floats) -> float:
    """The most that `gross_profit` is within the block."""
    gross = 0.0
    if unit[0] > 0.0:
        gross += unit[0] * max(span[BID_MAX] - opened[0], opened[1] - span[BID_MIN])
    if unit[1] > 0.0:
        gross += unit[1] * max(span[ASK_MAX] - opened[2], opened[3] - span[ASK_MIN])
    return gross


@compiled
def may_be_called(columns: Columns, prices: Prices, slot: int, block: int, last_msc: int) -> bool:
    """Whether the wake time or a price level may be reached within the block."""
    if not last_msc < columns.whole[slot, WAKE_AT_MSC]:
        return True
    if columns.flags[slot] & HAS_LEVELS != 0:
        first = columns.whole[slot, EXPOSURES_FROM]
        for k in range(first, first + columns.whole[slot, EXPOSURES]):
            level = columns.levels[k]
            span = prices.spans[block, columns.seats[k, 0]]
            if not (
                span[BID_MIN] > level[0]
                and span[BID_MAX] < level[1]
                and span[ASK_MIN] > level[2]
                and span[ASK_MAX] < level[3]
            ):
                return True
    return False


@compiled
def is_calm(columns: Columns, slot: int, worst: float, best: float, bound: float) -> bool:
    """Whether marks between these move no tracker, deepen no drawdown and reach no line."""
    real = columns.reals[slot]
    return bool(
        worst - bound > real[LOW]
        and best + bound < real[HIGH]
        and best <= real[CEILING]
        and real[HIGH_WATER] - worst <= real[DEEPEST]
    )


@compiled
def lines_within(columns: Columns, slot: int, best: float) -> tuple[float, float]:
    """The highest a lower line and the lowest an upper one gets while trackers rise to `best`.

    Each of the two terms of a line is monotone in its tracker: it is extreme at one end.
    """
    low, high = -np.inf, np.inf
    first = columns.whole[slot, LINES_FROM]
    trackers_from = columns.whole[slot, TRACKERS_FROM]
    for k in range(first, first + columns.whole[slot, LINES]):
        line = columns.lines[k]
        start = 0.0
        if line[TRACKER] >= 0.0:
            start = columns.trackers[trackers_from + np.int64(line[TRACKER])]
        stop = best if line[TRACKER] >= 0.0 and best > start else start
        straight = line[P] * start, line[P] * stop
        bent = (
            line[Q] * min(line[A] * start + line[B], line[CAP]),
            line[Q] * min(line[A] * stop + line[B], line[CAP]),
        )
        if line[WAKES_ABOVE] != 0.0:
            high = min(high, min(straight) + min(bent) - line[SLACK])
        else:
            low = max(low, max(straight) + max(bent) + line[SLACK])
    return low, high
