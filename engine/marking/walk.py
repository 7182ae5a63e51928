"""Walks an account tick by tick through a block that could not be settled.

The marks of all ticks of the block are taken at once, vectorised over time, each one summed from
scratch in the order of the exposures: nothing is carried from tick to tick that could drift, and
a hedged account is netted before it is looked at.
"""

from engine.marking.columns import (
    CEILING,
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
    LOW,
    PLAIN_TERMS,
    RATE,
    ROUNDING,
    SPAN,
    TERMS,
    TERMS_FROM,
    TRACKERS,
    TRACKERS_FROM,
    WAKE_AT_MSC,
    Columns,
    nearest_lines,
    refresh,
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
def bound_at(columns: Columns, prices: Prices, slot: int, t: int) -> float:
    """How far the exact equity may lie from the mark as of tick `t`."""
    bound = float(columns.reals[slot, ROUNDING])
    if columns.whole[slot, FLAGS] & CONVERTS == 0:
        return bound
    quotes = prices.quotes[t // SMALL]
    first = columns.whole[slot, EXPOSURES_FROM]
    for k in range(first, first + columns.whole[slot, EXPOSURES]):
        s, c = columns.exposed[k, 0], columns.exposed[k, 1]
        if c >= 0:
            long_units, short_units = columns.sides[k, 0], columns.sides[k, 1]
            opened = columns.opens[k]
            bid, ask = quotes[ROWS * s + BID, t % SMALL], quotes[ROWS * s + ASK, t % SMALL]
            gross = 0.0
            if long_units > 0.0:
                gross += long_units * max(bid - opened[0], opened[1] - bid)
            if short_units > 0.0:
                gross += short_units * max(ask - opened[2], opened[3] - ask)
            bound += gross * mid_and_side_error(prices, c, t)[1]
    return bound


@bare
def is_called(columns: Columns, prices: Prices, slot: int, t: int, time_msc: int) -> bool:
    """Whether the wake time or a price level is reached as of tick `t`."""
    if not time_msc < columns.whole[slot, WAKE_AT_MSC]:
        return True
    if columns.whole[slot, FLAGS] & HAS_LEVELS != 0:
        first = columns.whole[slot, EXPOSURES_FROM]
        for k in range(first, first + columns.whole[slot, EXPOSURES]):
            level, row = columns.levels[k], ROWS * columns.exposed[k, 0]
            bid = prices.quotes[t // SMALL, row + BID, t % SMALL]
            ask = prices.quotes[t // SMALL, row + ASK, t % SMALL]
            if not (bid > level[0] and bid < level[1] and ask > level[2] and ask < level[3]):
                return True
    return False


@bare
def remember(columns: Columns, slot: int, walk: int) -> None:
    """Keep the marks as they were before this walk, once, before they change."""
    if columns.walk[slot] == walk:
        return
    columns.walk[slot] = walk
    for k in range(columns.reals.shape[1]):
        columns.before[slot, k] = columns.reals[slot, k]
    columns.before_msc[slot] = columns.whole[slot, DEEPEST_MSC]
    first = columns.whole[slot, TRACKERS_FROM]
    for k in range(first, first + columns.whole[slot, TRACKERS]):
        columns.before_trackers[k] = columns.trackers[k]


@bare
def recall(columns: Columns, slot: int) -> None:
    """Put the marks back to where `remember` found them."""
    for k in range(columns.reals.shape[1]):
        columns.reals[slot, k] = columns.before[slot, k]
    columns.whole[slot, DEEPEST_MSC] = columns.before_msc[slot]
    first = columns.whole[slot, TRACKERS_FROM]
    for k in range(first, first + columns.whole[slot, TRACKERS]):
        columns.trackers[k] = columns.before_trackers[k]


@bare
def raise_trackers(columns: Columns, slot: int, mark: float) -> None:
    """Let every tracker see the mark."""
    first = columns.whole[slot, TRACKERS_FROM]
    for k in range(first, first + columns.whole[slot, TRACKERS]):
        columns.trackers[k] = mark if mark > columns.trackers[k] else columns.trackers[k]
    refresh(columns, slot)


@bare
def value_tick(columns: Columns, slot: int, mark: float, time_msc: int, walk: int) -> None:
    """Take one tick into the marks: the high-water mark first, then the drawdown."""
    real = columns.reals[slot]
    if mark > real[CEILING]:
        remember(columns, slot, walk)
        raise_trackers(columns, slot, mark)
    if real[HIGH_WATER] - mark > real[DEEPEST]:
        remember(columns, slot, walk)
        real[DEEPEST] = real[HIGH_WATER] - mark
        real[DEEPEST_HIGH_WATER] = real[HIGH_WATER]
        columns.whole[slot, DEEPEST_MSC] = time_msc


@inlined
def take_marks(columns: Columns, prices: Prices, slot: int, block: int, marks: Floats) -> None:
    """The marks of all ticks of a small block, into `marks`."""
    seats, units, quotes = columns.seats, columns.units, prices.quotes[block]
    first = columns.whole[slot, TERMS_FROM]
    plain = first + columns.whole[slot, PLAIN_TERMS]
    fixed = columns.reals[slot, FIXED]
    for t in range(SMALL):
        marks[t] = fixed
    k = first
    while k + 2 < plain:  # three at a time: half the loads and stores of the marks
        x, y, z = seats[k, SPAN] // 2, seats[k + 1, SPAN] // 2, seats[k + 2, SPAN] // 2
        u, v, w = units[k, 0], units[k + 1, 0], units[k + 2, 0]
        for t in range(SMALL):
            marks[t] = marks[t] + u * quotes[x, t] + v * quotes[y, t] + w * quotes[z, t]
        k += 3
    while k < plain:
        x, u = seats[k, SPAN] // 2, units[k, 0]
        for t in range(SMALL):
            marks[t] += u * quotes[x, t]
        k += 1
    for k in range(plain, first + columns.whole[slot, TERMS]):
        x, u, cost = seats[k, SPAN] // 2, units[k, 0], units[k, 1]
        rates = prices.rates[block, seats[k, RATE]]
        for t in range(SMALL):
            marks[t] += (u * quotes[x, t] - cost) * rates[t]


@inlined
def least_and_largest(marks: Floats, lows: Floats, highs: Floats) -> tuple[float, float]:
    """The extremes of `SMALL` marks; by halving, for that is what LLVM vectorises."""
    for t in range(SMALL // 2):
        a, b = marks[t], marks[t + SMALL // 2]
        lows[t] = a if a < b else b
        highs[t] = a if a > b else b
    half = SMALL // 4
    while half >= 8:
        for t in range(half):
            a, b = lows[t], lows[t + half]
            lows[t] = a if a < b else b
            a, b = highs[t], highs[t + half]
            highs[t] = a if a > b else b
        half //= 2
    low, high = lows[0], highs[0]
    for t in range(1, 8):
        low = lows[t] if lows[t] < low else low
        high = highs[t] if highs[t] > high else high
    return low, high


@bare
def walk_block(
    columns: Columns,
    prices: Prices,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    walk: int,
    room: Floats,
) -> int:
    """Value the ticks from `start` to `stop`, all of one small block.

    The offset of the first one that wakes the account, not valued, or -1. `room` is (3, SMALL),
    to work in.
    """
    block = start // SMALL
    block_start = block * SMALL
    marks = room[0]
    take_marks(columns, prices, slot, block, marks)
    for t in range(start - block_start):
        marks[t] = marks[start - block_start]
    for t in range(stop - block_start, SMALL):
        marks[t] = marks[stop - block_start - 1]
    worst, best = least_and_largest(marks, room[1], room[2])
    real = columns.reals[slot]
    if not may_be_called(columns, prices, slot, block, times[stop - 1]):
        bound = largest_bound(columns, prices, slot, block)
        if is_calm(columns, slot, worst, best, bound):
            return -1
        low, high = real[LOW], real[HIGH]
        if best > real[CEILING]:
            low, high = lines_within(columns, slot, best)
        if worst - bound > low and best + bound < high:
            _pass_block(columns, times, slot, start, stop, worst, best, walk, marks, block_start)
            return -1
    for t in range(start, stop):
        mark = marks[t - block_start]
        if is_called(columns, prices, slot, t, times[t]):
            return t
        low, high = real[LOW], real[HIGH]
        if mark > real[CEILING]:
            low, high = nearest_lines(columns, slot, mark)
        near = bound_at(columns, prices, slot, t)
        if not (mark - near > low and mark + near < high):
            return t
        value_tick(columns, slot, mark, times[t], walk)
    return -1


@bare
def _pass_block(
    columns: Columns,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    worst: float,
    best: float,
    walk: int,
    marks: Floats,
    block_start: int,
) -> None:
    """Take a block that wakes nobody into the marks; tick by tick only where order matters."""
    real = columns.reals[slot]
    high_water = real[HIGH_WATER]
    if (best if best > high_water else high_water) - worst > real[DEEPEST]:
        # The largest drawdown may be anywhere after a new peak: look at each tick.
        for t in range(start, stop):
            mark = marks[t - block_start]
            if mark > high_water:
                high_water = mark
            if high_water - mark > real[DEEPEST]:
                remember(columns, slot, walk)
                real[DEEPEST] = high_water - mark
                real[DEEPEST_HIGH_WATER] = high_water
                columns.whole[slot, DEEPEST_MSC] = times[t]
    if best > real[CEILING]:
        remember(columns, slot, walk)
        raise_trackers(columns, slot, best)
