"""Walks an account tick by tick through a block that could not be settled.

The marks of all ticks of the block are taken at once, vectorised over time, each one summed from
scratch in the order of the terms: nothing is carried from tick to tick that could drift, and a
hedged account is netted before it is looked at.
"""

import numpy as np

from engine.domain.watch import DRAWDOWN_TIE
from engine.marking.columns import (
    ASK_ABOVE,
    ASK_BELOW,
    BID_ABOVE,
    BID_BELOW,
    CEILING,
    CONVERSION,
    CONVERTS,
    DEEPEST,
    DEEPEST_HIGH_WATER,
    DEEPEST_MSC,
    EXPOSURES,
    EXPOSURES_FROM,
    FIXED,
    FLAGS,
    HAS_LEVELS,
    HIGH,
    HIGH_WATER,
    LONG_MAX,
    LONG_MIN,
    LONG_UNITS,
    LOW,
    PLAIN_TERMS,
    RATE,
    ROUNDING,
    SHORT_MAX,
    SHORT_MIN,
    SHORT_UNITS,
    SPAN,
    SYMBOL,
    TERMS,
    TERMS_FROM,
    WAKE_AT_MSC,
    Columns,
    nearest_lines,
    raise_trackers,
    remember,
)
from engine.marking.compiling import bare, inlined
from engine.marking.prices import ASK, BID, ROWS, SMALL, Prices, mid_and_side_error
from engine.marking.settle import is_calm, largest_bound, lines_within, may_be_called
from engine.marking.ticks import Floats, Int64s


@bare
def mark_at(columns: Columns, prices: Prices, slot: int, t: int) -> float:
    """The mark as of tick `t`."""
    quotes, rates = prices.quotes[t // SMALL], prices.rates[t // SMALL]
    mark = float(columns.reals[slot, FIXED])
    first = columns.whole[slot, TERMS_FROM]
    plain = columns.whole[slot, PLAIN_TERMS]
    for k in range(first, first + columns.whole[slot, TERMS]):
        value = columns.units[k, 0] * quotes[columns.seats[k, SPAN] // 2, t % SMALL]
        if k >= first + plain:
            value = (value - columns.units[k, 1]) * rates[columns.seats[k, RATE], t % SMALL]
        mark += value
    return mark


@bare
def conversion_bound_at(
    whole: Int64s, exposures: Floats, quotes: Floats, legs: Int64s, slot: int, t: int
) -> float:
    """How far conversion by side may take the exact equity from the mark as of tick `t`."""
    bound = 0.0
    block, column = t // SMALL, t % SMALL
    first = whole[slot, EXPOSURES_FROM]
    for k in range(first, first + whole[slot, EXPOSURES]):
        c = int(exposures[k, CONVERSION])
        if c >= 0:
            row = ROWS * np.int64(exposures[k, SYMBOL])
            bid, ask = quotes[block, row + BID, column], quotes[block, row + ASK, column]
            gross = 0.0
            if exposures[k, LONG_UNITS] > 0.0:
                away = max(bid - exposures[k, LONG_MIN], exposures[k, LONG_MAX] - bid)
                gross += exposures[k, LONG_UNITS] * away
            if exposures[k, SHORT_UNITS] > 0.0:
                away = max(ask - exposures[k, SHORT_MIN], exposures[k, SHORT_MAX] - ask)
                gross += exposures[k, SHORT_UNITS] * away
            bound += gross * mid_and_side_error(quotes, legs, c, block, column)[1]
    return bound


@bare
def reaches_level_at(whole: Int64s, exposures: Floats, quotes: Floats, slot: int, t: int) -> bool:
    """Whether a price level is reached as of tick `t`."""
    first = whole[slot, EXPOSURES_FROM]
    for k in range(first, first + whole[slot, EXPOSURES]):
        row = ROWS * np.int64(exposures[k, SYMBOL])
        bid = quotes[t // SMALL, row + BID, t % SMALL]
        ask = quotes[t // SMALL, row + ASK, t % SMALL]
        if not (
            bid > exposures[k, BID_BELOW]
            and bid < exposures[k, BID_ABOVE]
            and ask > exposures[k, ASK_BELOW]
            and ask < exposures[k, ASK_ABOVE]
        ):
            return True
    return False


@bare
def value_tick(columns: Columns, slot: int, mark: float, time_msc: int, walk: int) -> None:
    """Take one tick into the marks: the high-water mark first, then the drawdown."""
    reals, whole, trackers = columns.reals, columns.whole, columns.trackers
    if mark > reals[slot, CEILING]:
        remember(reals, whole, trackers, slot, walk)
        raise_trackers(reals, whole, columns.lines, trackers, slot, mark)
    tie = abs(reals[slot, HIGH_WATER]) * DRAWDOWN_TIE
    if reals[slot, HIGH_WATER] - mark > reals[slot, DEEPEST] + tie:
        remember(reals, whole, trackers, slot, walk)
        reals[slot, DEEPEST] = reals[slot, HIGH_WATER] - mark
        reals[slot, DEEPEST_HIGH_WATER] = reals[slot, HIGH_WATER]
        whole[slot, DEEPEST_MSC] = time_msc


@inlined
def take_marks(columns: Columns, prices: Prices, slot: int, block: int, marks: Floats) -> None:
    """The marks of all ticks of a small block, into `marks`."""
    seats, units, quotes = columns.seats, columns.units, prices.quotes[block]
    first = columns.whole[slot, TERMS_FROM]
    plain = first + columns.whole[slot, PLAIN_TERMS]
    fixed = columns.reals[slot, FIXED]
    k = first
    if k + 2 < plain:  # several terms at a time: fewer loads and stores of the marks
        x, y, z = seats[k, SPAN] // 2, seats[k + 1, SPAN] // 2, seats[k + 2, SPAN] // 2
        u, v, w = units[k, 0], units[k + 1, 0], units[k + 2, 0]
        for t in range(SMALL):
            marks[t] = fixed + u * quotes[x, t] + v * quotes[y, t] + w * quotes[z, t]
        k += 3
    else:
        for t in range(SMALL):
            marks[t] = fixed
    while k + 1 < plain:
        x, y = seats[k, SPAN] // 2, seats[k + 1, SPAN] // 2
        u, v = units[k, 0], units[k + 1, 0]
        for t in range(SMALL):
            marks[t] = marks[t] + u * quotes[x, t] + v * quotes[y, t]
        k += 2
    if k < plain:
        x, u = seats[k, SPAN] // 2, units[k, 0]
        for t in range(SMALL):
            marks[t] += u * quotes[x, t]
    for k in range(plain, first + columns.whole[slot, TERMS]):
        x, u, cost = seats[k, SPAN] // 2, units[k, 0], units[k, 1]
        rates = prices.rates[block, seats[k, RATE]]
        for t in range(SMALL):
            marks[t] += (u * quotes[x, t] - cost) * rates[t]


@inlined
def least_and_largest(marks: Floats) -> tuple[float, float]:
    """The extremes of `SMALL` marks, in four strands that do not wait for one another."""
    least = most = marks[0]
    least_1 = most_1 = marks[1]
    least_2 = most_2 = marks[2]
    least_3 = most_3 = marks[3]
    for t in range(4, SMALL, 4):
        a, b, c, d = marks[t], marks[t + 1], marks[t + 2], marks[t + 3]
        least = a if a < least else least
        least_1 = b if b < least_1 else least_1
        least_2 = c if c < least_2 else least_2
        least_3 = d if d < least_3 else least_3
        most = a if a > most else most
        most_1 = b if b > most_1 else most_1
        most_2 = c if c > most_2 else most_2
        most_3 = d if d > most_3 else most_3
    return min(least, least_1, least_2, least_3), max(most, most_1, most_2, most_3)


@inlined
def walk_block(
    columns: Columns,
    prices: Prices,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    walk: int,
    marks: Floats,
) -> int:
    """Value the ticks from `start` to `stop`, all of one small block.

    The offset of the first one that wakes the account, not valued, or -1. `marks` is room for
    `SMALL` of them.
    """
    woken = -1
    block = start // SMALL
    block_start = block * SMALL
    take_marks(columns, prices, slot, block, marks)
    for t in range(start - block_start):
        marks[t] = marks[start - block_start]
    for t in range(stop - block_start, SMALL):
        marks[t] = marks[stop - block_start - 1]
    worst, best = least_and_largest(marks)
    called = may_be_called(columns, prices, slot, block, times[stop - 1])
    bound = largest_bound(columns, prices, slot, block)
    if called or not is_calm(columns, slot, worst, best, bound):
        low, high = columns.reals[slot, LOW], columns.reals[slot, HIGH]
        if best > columns.reals[slot, CEILING]:
            low, high = lines_within(columns.whole, columns.lines, columns.trackers, slot, best)
        if not called and worst - bound > low and best + bound < high:
            _pass_block(
                columns.reals,
                columns.whole,
                columns.lines,
                columns.trackers,
                times,
                slot,
                start,
                stop,
                worst,
                best,
                walk,
                marks,
            )
        else:
            woken = _walk_ticks(columns, prices, times, slot, start, stop, walk, marks)
    return woken


@bare
def _pass_block(
    reals: Floats,
    whole: Int64s,
    lines: Floats,
    trackers: Floats,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    worst: float,
    best: float,
    walk: int,
    marks: Floats,
) -> None:
    """Take a block that wakes nobody into the marks; tick by tick only where order matters."""
    remember(reals, whole, trackers, slot, walk)
    high_water = reals[slot, HIGH_WATER]
    if max(best, high_water) - worst > reals[slot, DEEPEST]:
        # The largest drawdown may be anywhere after a new peak: look at each tick.
        for t in range(start, stop):
            mark = marks[t % SMALL]
            if mark > high_water:
                high_water = mark
            if high_water - mark > reals[slot, DEEPEST] + abs(high_water) * DRAWDOWN_TIE:
                reals[slot, DEEPEST] = high_water - mark
                reals[slot, DEEPEST_HIGH_WATER] = high_water
                whole[slot, DEEPEST_MSC] = times[t]
    if best > reals[slot, CEILING]:
        raise_trackers(reals, whole, lines, trackers, slot, best)


@bare
def _walk_ticks(
    columns: Columns,
    prices: Prices,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    walk: int,
    marks: Floats,
) -> int:
    """Value tick by tick up to the first that wakes the account: its offset, or -1."""
    reals, whole, exposures = columns.reals, columns.whole, columns.exposures
    flags = whole[slot, FLAGS]
    for t in range(start, stop):
        mark = marks[t % SMALL]
        if not times[t] < whole[slot, WAKE_AT_MSC]:
            return t
        if flags & HAS_LEVELS != 0 and reaches_level_at(whole, exposures, prices.quotes, slot, t):
            return t
        low, high = reals[slot, LOW], reals[slot, HIGH]
        if mark > reals[slot, CEILING]:
            low, high = nearest_lines(whole, columns.lines, columns.trackers, slot, mark)
        bound = reals[slot, ROUNDING]
        if flags & CONVERTS != 0:
            bound += conversion_bound_at(whole, exposures, prices.quotes, prices.legs, slot, t)
        if not (mark - bound > low and mark + bound < high):
            return t
        value_tick(columns, slot, mark, times[t], walk)
    return -1
