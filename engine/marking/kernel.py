"""The marking kernel: a batch of ticks over all accounts of a feed, in compiled code.

Given the ticks, accounts do not depend on one another, so each is taken through the whole batch
by itself: first the whole batch in one go, then wide blocks, then small ones, and tick by tick
only those small blocks whose extremes leave a doubt. An account stops at the first tick that
wakes it; whoever handles the wake has it run on from the next tick.
"""

from engine.marking.columns import FLAGS, NEEDS, QUIET, WAKE_AT_MSC, Columns
from engine.marking.compiling import bare, inlined
from engine.marking.prices import SMALL, WIDE, Prices
from engine.marking.settle import extremes, is_calm, largest_bound, may_be_called
from engine.marking.ticks import Floats, Int64s
from engine.marking.walk import walk_block


@inlined
def is_settled(columns: Columns, prices: Prices, slot: int, block: int, last_msc: int) -> bool:
    """Whether nothing the account watches for can happen in the block, which ends at that time."""
    worst, best = extremes(columns, prices, slot, block)
    bound = largest_bound(columns, prices, slot, block)
    calm = is_calm(columns, slot, worst, best, bound)
    return calm and not may_be_called(columns, prices, slot, block, last_msc)


@inlined
def _run(
    columns: Columns,
    prices: Prices,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    walk: int,
    settle: bool,
    marks: Floats,
) -> int:
    """Value the ticks from `start` to `stop`.

    The offset of the first one that wakes the account, not valued, or -1. Blocks that reach
    beyond either end are bounded as a whole, which is on the safe side.
    """
    if settle and stop - start > WIDE:
        whole = len(prices.spans) - 1
        if is_settled(columns, prices, slot, whole, times[stop - 1]):
            return -1
    t = start
    while t < stop:
        if settle and t % WIDE == 0 and stop - t > SMALL:
            end = min(t + WIDE, stop)
            block = len(prices.quotes) + t // WIDE
            if is_settled(columns, prices, slot, block, times[end - 1]):
                t = end
                continue
        wide_end = min(t - t % WIDE + WIDE, stop)
        while t < wide_end:
            end = min(t - t % SMALL + SMALL, stop)
            block = t // SMALL
            if not settle or not is_settled(columns, prices, slot, block, times[end - 1]):
                woken = walk_block(columns, prices, times, slot, t, end, walk, marks)
                if woken >= 0:
                    return woken
            t = end
    return -1


@bare
def run(
    columns: Columns,
    prices: Prices,
    times: Int64s,
    slot: int,
    start: int,
    stop: int,
    walk: int,
    settle: bool,
    marks: Floats,
) -> int:
    """Value one account on the ticks from `start` to `stop`; see `_run`."""
    return _run(columns, prices, times, slot, start, stop, walk, settle, marks)


@bare
def run_all(
    columns: Columns,
    prices: Prices,
    times: Int64s,
    moving: int,
    slots: int,
    walk: int,
    settle: bool,
    marks: Floats,
    woken: Int64s,
) -> int:
    """Run every account through the batch; the number of those that wake.

    `moving` has the bits of the symbols that tick: an account that needs none of them and that
    nothing woke on the quotes it had is not looked at. `marks` is room for `SMALL` of them.
    `woken` is (slots, 2) and receives offset and slot of each.
    """
    count = 0
    last_msc = times[len(times) - 1]
    whole = columns.whole
    for slot in range(slots):
        flags = whole[slot, FLAGS]
        still = flags & QUIET != 0 and whole[slot, NEEDS] & moving == 0
        if still and settle and last_msc < whole[slot, WAKE_AT_MSC]:
            continue
        if flags != 0:
            offset = _run(columns, prices, times, slot, 0, len(times), walk, settle, marks)
            whole[slot, FLAGS] = flags | QUIET if offset < 0 else flags & ~QUIET
            if offset >= 0:
                woken[count, 0] = offset
                woken[count, 1] = slot
                count += 1
    return count
