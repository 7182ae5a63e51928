"""Bounds an account over a whole block of ticks at once, from the extremes of its symbols.

Every operation here is the one of the exact mark with an extreme put in, and IEEE operations
are monotone: the worst is at or below each mark of the block to the last bit, without an epsilon.
Comparisons are written so that what is not provably fine (a NaN) is not settled.
"""

import numpy as np

from engine.marking.columns import (
    CAP,
    CEILING,
    CONVERTS,
    DEEPEST,
    EXPOSURES,
    EXPOSURES_FROM,
    FIXED,
    FLAGS,
    HAS_LEVELS,
    HIGH,
    HIGH_WATER,
    LINES,
    LINES_FROM,
    LOW,
    PLAIN_TERMS,
    RATE,
    ROUNDING,
    SLACK,
    SPAN,
    TERMS,
    TERMS_FROM,
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
from engine.marking.compiling import bare, inlined
from engine.marking.prices import (
    ASK,
    BID,
    RATE_MAX,
    RATE_MIN,
    ROWS,
    SIDE_ERROR_MAX,
    Prices,
)


@inlined
def extremes(columns: Columns, prices: Prices, slot: int, block: int) -> tuple[float, float]:
    """No mark of the block is below the first or above the second."""
    seats, units, spans = columns.seats, columns.units, prices.spans
    worst = columns.reals[slot, FIXED]
    best = worst
    first = columns.whole[slot, TERMS_FROM]
    plain = first + columns.whole[slot, PLAIN_TERMS]
    for k in range(first, plain):
        at = seats[k, SPAN]
        worst += units[k, 0] * spans[block, at]
        best += units[k, 0] * spans[block, at ^ 1]
    for k in range(plain, first + columns.whole[slot, TERMS]):
        at, c = seats[k, SPAN], seats[k, RATE]
        least = units[k, 0] * spans[block, at] - units[k, 1]
        most = units[k, 0] * spans[block, at ^ 1] - units[k, 1]
        worst += least * prices.rate_spans[block, c, RATE_MIN if least >= 0.0 else RATE_MAX]
        best += most * prices.rate_spans[block, c, RATE_MAX if most >= 0.0 else RATE_MIN]
    return worst, best


@inlined
def largest_bound(columns: Columns, prices: Prices, slot: int, block: int) -> float:
    """The largest error bound of any tick of the block."""
    bound = float(columns.reals[slot, ROUNDING])
    if columns.whole[slot, FLAGS] & CONVERTS != 0:
        bound = _converted_bound(columns, prices, slot, block)
    return bound


@bare
def _converted_bound(columns: Columns, prices: Prices, slot: int, block: int) -> float:
    bound = float(columns.reals[slot, ROUNDING])
    first = columns.whole[slot, EXPOSURES_FROM]
    for k in range(first, first + columns.whole[slot, EXPOSURES]):
        s, c = columns.exposed[k, 0], columns.exposed[k, 1]
        if c >= 0:
            long_units, short_units = columns.sides[k, 0], columns.sides[k, 1]
            opened = columns.opens[k]
            bid, ask = 2 * (ROWS * s + BID), 2 * (ROWS * s + ASK)
            span = prices.spans[block]
            gross = 0.0
            if long_units > 0.0:
                gross += long_units * max(span[bid + 1] - opened[0], opened[1] - span[bid])
            if short_units > 0.0:
                gross += short_units * max(span[ask + 1] - opened[2], opened[3] - span[ask])
            bound += gross * prices.rate_spans[block, c, SIDE_ERROR_MAX]
    return bound


@inlined
def may_be_called(columns: Columns, prices: Prices, slot: int, block: int, last_msc: int) -> bool:
    """Whether the wake time or a price level may be reached within the block."""
    called = not last_msc < columns.whole[slot, WAKE_AT_MSC]
    if columns.whole[slot, FLAGS] & HAS_LEVELS != 0:
        called = called or _may_reach_level(columns, prices, slot, block)
    return called


@bare
def _may_reach_level(columns: Columns, prices: Prices, slot: int, block: int) -> bool:
    first = columns.whole[slot, EXPOSURES_FROM]
    for k in range(first, first + columns.whole[slot, EXPOSURES]):
        s = columns.exposed[k, 0]
        bid, ask = 2 * (ROWS * s + BID), 2 * (ROWS * s + ASK)
        level, span = columns.levels[k], prices.spans[block]
        if not (
            span[bid] > level[0]
            and span[bid + 1] < level[1]
            and span[ask] > level[2]
            and span[ask + 1] < level[3]
        ):
            return True
    return False


@inlined
def is_calm(columns: Columns, slot: int, worst: float, best: float, bound: float) -> bool:
    """Whether marks between these move no tracker, deepen no drawdown and reach no line."""
    return bool(
        worst - bound > columns.reals[slot, LOW]
        and best + bound < columns.reals[slot, HIGH]
        and best <= columns.reals[slot, CEILING]
        and columns.reals[slot, HIGH_WATER] - worst <= columns.reals[slot, DEEPEST]
    )


@bare
def lines_within(columns: Columns, slot: int, best: float) -> tuple[float, float]:
    """The highest a lower line and the lowest an upper one gets while trackers rise to `best`.

    Each of the two parts of a line is monotone in its tracker: it is extreme at one end.
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
