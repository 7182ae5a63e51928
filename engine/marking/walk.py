"""Walks an account tick by tick through a block that could not be settled.

The marks of all ticks of the block are taken at once, vectorised over time, each one summed from
scratch in the order of the exposures: nothing is carried from tick to tick that could drift, and
a hedged account is netted before it is looked at.
"""

from engine.marking.columns import (
    BASE,
    CEILING,
    CONVERTS,
    DEEPEST,
    DEEPEST_HIGH_WATER,
    DEEPEST_MSC,
    EXPOSURES,
    EXPOSURES_FROM,
    HAS_LEVELS,
    HIGH,
    HIGH_WATER,
    LOW,
    ROUNDING,
    TRACKERS,
    TRACKERS_FROM,
    WAKE_AT_MSC,
    Columns,
    nearest_lines,
    refresh,
)
from engine.marking.compiling import compiled
from engine.marking.prices import SMALL, Prices, mid_and_side_error
from engine.marking.settle import is_calm, lines_within
from engine.marking.ticks import Floats, Int64s


@compiled
def mark_at(columns: Columns, prices: Prices, slot: int, t: int) -> float:
    """The mark as of tick `t`."""
    mark = float(columns.reals[slot, BASE])
    first = columns.whole[slot, EXPOSURES_FROM]
    for k in range(first, first + columns.whole[slot, EXPOSURES]):
        s, c = columns.seats[k]
        unit = columns.units[k]
        value = unit[0] * prices.bids[s, t] - unit[1] * prices.asks[s, t] - unit[2]
        if c >= 0:
            value *= prices.rates[c, t]
        mark += value
    return mark


@compiled
def bound_at(columns: Columns, prices: Prices, slot: int, t: int) -> float:
    """How far the exact equity may lie from the mark as of tick `t`."""
    bound = float(columns.reals[slot, ROUNDING])
    if columns.flags[slot] & CONVERTS == 0:
        return bound
    first = columns.whole[slot, EXPOSURES_FROM]
    for k in range(first, first + columns.whole[slot, EXPOSURES]):
        s, c = columns.seats[k]
        if c >= 0:
            unit, opened = columns.units[k], columns.opens[k]
            bid, ask = prices.bids[s, t], prices.asks[s, t]
            gross = 0.0
            if unit[0] > 0.0:
                gross += unit[0] * max(bid - opened[0], opened[1] - bid)
            if unit[1] > 0.0:
                gross += unit[1] * max(ask - opened[2], opened[3] - ask)
            bound += gross * mid_and_side_error(prices, c, t)[1]
    return bound


@compiled
def is_called(columns: Columns, prices: Prices, slot: int, t: int, time_msc: int) -> bool:
    """Whether the wake time or a price level is reached as of tick `t`."""
    if not time_msc < columns.whole[slot, WAKE_AT_MSC]:
        return True
    if columns.flags[slot] & HAS_LEVELS != 0:
        first = columns.whole[slot, EXPOSURES_FROM]
        for k in range(first, first + columns.whole[slot, EXPOSURES]):
            level = columns.levels[k]
            bid = prices.bids[columns.seats[k, 0], t]
            ask = prices.asks[columns.seats[k, 0], t]
            if not (bid > level[0] and bid < level[1] and ask > level[2] and ask < level[3]):
                return True
    return False


@compiled
def remember(columns: Columns, slot: int, walk: int) -> None:
    """Keep the marks as they were before this walk, once, before they change."""
    if columns.walk[slot] == walk:
        return
    columns.walk[slot] = walk
    columns.before[slot] = columns.reals[slot]
    columns.before_msc[slot] = columns.whole[slot, DEEPEST_MSC]
    first = columns.whole[slot, TRACKERS_FROM]
    stop = first + columns.whole[slot, TRACKERS]
    columns.before_trackers[first:stop] = columns.trackers[first:stop]


@compiled
def recall(columns: Columns, slot: int) -> None:
    """Put the marks back to where `remember` found them."""
    columns.reals[slot] = columns.before[slot]
    columns.whole[slot, DEEPEST_MSC] = columns.before_msc[slot]
    first = columns.whole[slot, TRACKERS_FROM]
    stop = first + columns.whole[slot, TRACKERS]
    columns.trackers[first:stop] = columns.before_trackers[first:stop]


@compiled
def raise_trackers(columns: Columns, slot: int, mark: float) -> None:
    """Let every tracker see the mark."""
    first = columns.whole[slot, TRACKERS_FROM]
    for k in range(first, first + columns.whole[slot, TRACKERS]):
        columns.trackers[k] = mark if mark > columns.trackers[k] else columns.trackers[k]
    refresh(columns, slot)


@compiled
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


@compiled
def take_marks(columns: Columns, prices: Prices, slot: int, start: int, marks: Floats) -> None:
    """The marks of the `SMALL` ticks from `start` on, into `marks`."""
    marks[:] = columns.reals[slot, BASE]
    first = columns.whole[slot, EXPOSURES_FROM]
    for k in range(first, first + columns.whole[slot, EXPOSURES]):
        s, c = columns.seats[k]
        long_units, short_units, cost = (
            columns.units[k, 0],
            columns.units[k, 1],
            columns.units[k, 2],
        )
        bids = prices.bids[s, start : start + SMALL]
        asks = prices.asks[s, start : start + SMALL]
        # Leaving out a side of zero units changes no bit: 0 * price is 0, and x - 0 is x.
        if c >= 0:
            rates = prices.rates[c, start : start + SMALL]
            for t in range(SMALL):
                marks[t] += (long_units * bids[t] - short_units * asks[t] - cost) * rates[t]
        elif short_units == 0.0:
            for t in range(SMALL):
                marks[t] += long_units * bids[t] - cost
        elif long_units == 0.0:
            for t in range(SMALL):
                marks[t] += -(short_units * asks[t]) - cost
        else:
            for t in range(SMALL):
                marks[t] += long_units * bids[t] - short_units * asks[t] - cost


@compiled
def least_and_largest(marks: Floats, lows: Floats, highs: Floats) -> tuple[float, float]:
    """The extremes of `SMALL` marks, by halving: that is how LLVM vectorises them."""
    half = SMALL // 2
    for t in range(half):
        a, b = marks[t], marks[t + half]
        lows[t] = a if a < b else b
        highs[t] = a if a > b else b
    while half > 1:
        half //= 2
        for t in range(half):
            a, b = lows[t], lows[t + half]
            lows[t] = a if a < b else b
            a, b = highs[t], highs[t + half]
            highs[t] = a if a > b else b
    return lows[0], highs[0]


@compiled
def walk_block(
    columns: Columns,
    prices: Prices,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    bound: float,
    called: bool,
    walk: int,
    room: Floats,
) -> int:
    """Value the ticks from `start` to `stop`, all of one small block.

    The offset of the first one that wakes the account, not valued, or -1. `bound` is the largest
    error bound of the block; `called` says that a time or level may be reached in it. `room` is
    (3, SMALL), to work in.
    """
    block_start = start - start % SMALL
    marks = room[0]
    take_marks(columns, prices, slot, block_start, marks)
    marks[: start - block_start] = marks[start - block_start]
    marks[stop - block_start :] = marks[stop - block_start - 1]
    worst, best = least_and_largest(marks, room[1], room[2])
    real = columns.reals[slot]
    if not called:
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


@compiled
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
