"""Bounds an account over a whole block of ticks at once, from the extremes of its symbols.

Every operation here is the one of the exact mark with an extreme put in, and IEEE operations
are monotone: the worst is at or below each mark of the block to the last bit, without an epsilon.
Comparisons are written so that what is not provably fine (a NaN) is not settled.
"""

import numpy as np

from engine.marking.columns import (
    ASK_ABOVE,
    ASK_BELOW,
    BID_ABOVE,
    BID_BELOW,
    CAP,
    CEILING,
    CONVERSION,
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
    LONG_MAX,
    LONG_MIN,
    LONG_UNITS,
    LOW,
    NOW,
    PLAIN_TERMS,
    RATE,
    ROUNDING,
    SHORT_MAX,
    SHORT_MIN,
    SHORT_UNITS,
    SLACK,
    SPAN,
    SYMBOL,
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
from engine.marking.ticks import Floats, Int64s


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
        bound += _conversion_bound(
            columns.whole, columns.exposures, prices.spans, prices.rate_spans, slot, block
        )
    return bound


@bare
def _conversion_bound(
    whole: Int64s, exposures: Floats, spans: Floats, rate_spans: Floats, slot: int, block: int
) -> float:
    bound = 0.0
    first = whole[slot, EXPOSURES_FROM]
    for k in range(first, first + whole[slot, EXPOSURES]):
        c = np.int64(exposures[k, CONVERSION])
        if c >= 0:
            bid = 2 * (ROWS * np.int64(exposures[k, SYMBOL]) + BID)
            ask = 2 * (ROWS * np.int64(exposures[k, SYMBOL]) + ASK)
            gross = 0.0
            if exposures[k, LONG_UNITS] > 0.0:
                above = spans[block, bid + 1] - exposures[k, LONG_MIN]
                below = exposures[k, LONG_MAX] - spans[block, bid]
                gross += exposures[k, LONG_UNITS] * max(above, below)
            if exposures[k, SHORT_UNITS] > 0.0:
                above = spans[block, ask + 1] - exposures[k, SHORT_MIN]
                below = exposures[k, SHORT_MAX] - spans[block, ask]
                gross += exposures[k, SHORT_UNITS] * max(above, below)
            bound += gross * rate_spans[block, c, SIDE_ERROR_MAX]
    return bound


@inlined
def may_be_called(columns: Columns, prices: Prices, slot: int, block: int, last_msc: int) -> bool:
    """Whether the wake time or a price level may be reached within the block."""
    called = not last_msc < columns.whole[slot, WAKE_AT_MSC]
    if columns.whole[slot, FLAGS] & HAS_LEVELS != 0:
        called = called or _may_reach_level(
            columns.whole, columns.exposures, prices.spans, slot, block
        )
    return called


@bare
def _may_reach_level(
    whole: Int64s, exposures: Floats, spans: Floats, slot: int, block: int
) -> bool:
    first = whole[slot, EXPOSURES_FROM]
    for k in range(first, first + whole[slot, EXPOSURES]):
        bid = 2 * (ROWS * np.int64(exposures[k, SYMBOL]) + BID)
        ask = 2 * (ROWS * np.int64(exposures[k, SYMBOL]) + ASK)
        if not (
            spans[block, bid] > exposures[k, BID_BELOW]
            and spans[block, bid + 1] < exposures[k, BID_ABOVE]
            and spans[block, ask] > exposures[k, ASK_BELOW]
            and spans[block, ask + 1] < exposures[k, ASK_ABOVE]
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
def lines_within(
    whole: Int64s, lines: Floats, trackers: Floats, slot: int, best: float
) -> tuple[float, float]:
    """The highest a lower line and the lowest an upper one gets while trackers rise to `best`.

    Each of the two parts of a line is monotone in its tracker: it is extreme at one end.
    """
    low, high = -np.inf, np.inf
    first = whole[slot, LINES_FROM]
    trackers_from = whole[slot, TRACKERS_FROM]
    for k in range(first, first + whole[slot, LINES]):
        start = stop = 0.0
        if lines[k, TRACKER] >= 0.0:
            start = trackers[trackers_from + np.int64(lines[k, TRACKER]), NOW]
            stop = max(start, best)
        straight = lines[k, P] * start, lines[k, P] * stop
        bent = (
            lines[k, Q] * min(lines[k, A] * start + lines[k, B], lines[k, CAP]),
            lines[k, Q] * min(lines[k, A] * stop + lines[k, B], lines[k, CAP]),
        )
        if lines[k, WAKES_ABOVE] != 0.0:
            high = min(high, min(straight) + min(bent) - lines[k, SLACK])
        else:
            low = max(low, max(straight) + max(bent) + lines[k, SLACK])
    return low, high
