"""The quotes of one batch of ticks as a matrix, with their extremes over blocks of ticks.

A row a symbol, a column a tick, carried forward: column `t` holds the quotes as of tick `t`.
Ticks fall into small blocks, these into wide ones, these into the whole batch; of each block the
extremes of every symbol and of every conversion are kept, so that an account can be bounded over
the whole block without a look at its ticks.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.marking.compiling import compiled
from engine.marking.ticks import Floats, Int32s, Int64s

SMALL = 64
"""Ticks in a small block; a power of two, so that a block can be halved down to one tick."""
WIDE = 256
"""Ticks in a wide block: a multiple of `SMALL`."""

NEVER_TICKED = -(2**62)

# Columns of `spans`.
BID_MIN, BID_MAX, ASK_MIN, ASK_MAX, SPREAD_MIN, SPREAD_MAX = range(6)
# Columns of `rate_spans`.
RATE_MIN, RATE_MAX, SIDE_ERROR_MIN, SIDE_ERROR_MAX = range(4)


class Prices(NamedTuple):
    """The arrays, for S symbols, C conversions, T ticks and B blocks of all three sizes."""

    bids: Floats
    """(S, T)"""
    asks: Floats
    """(S, T)"""
    rates: Floats
    """(C, T), at mid."""
    spans: NDArray[np.float64]
    """(B, S, 8): first the small blocks, then the wide ones, last the whole batch."""
    rate_spans: NDArray[np.float64]
    """(B, C, 4)"""
    legs: Int64s
    """(C, 4): symbol and 1 when inverse, of the first and of the second leg; symbol -1: none."""
    last: Floats
    """(S, 2): bid and ask of the last tick, NaN before the first."""
    last_msc: Int64s
    """(S,): time of the last tick, `NEVER_TICKED` before the first."""
    before_msc: Int64s
    """(S,): the same before this batch."""
    still: Int64s
    """(S,): so many leading columns, and all blocks over them, hold the last quote already."""
    rate_still: Int64s
    """(C,): the same for conversions."""
    clock: Int64s
    """(3,): time of the last tick; ticks in the batch; conversions in use."""


def empty_prices(symbols: int, conversions: int, max_ticks: int) -> Prices:
    """Room for that many; `max_ticks` is rounded up to whole wide blocks."""
    wides = -(-max_ticks // WIDE)
    ticks = wides * WIDE
    blocks = ticks // SMALL + wides + 1
    return Prices(
        bids=np.full((symbols, ticks), np.nan),
        asks=np.full((symbols, ticks), np.nan),
        rates=np.full((conversions, ticks), np.nan),
        spans=np.full((blocks, symbols, 8), np.nan),
        rate_spans=np.full((blocks, conversions, 4), np.nan),
        legs=np.full((conversions, 4), -1, np.int64),
        last=np.full((symbols, 2), np.nan),
        last_msc=np.full(symbols, NEVER_TICKED, np.int64),
        before_msc=np.full(symbols, NEVER_TICKED, np.int64),
        still=np.zeros(symbols, np.int64),
        rate_still=np.zeros(conversions, np.int64),
        clock=np.array([NEVER_TICKED, 0, 0], np.int64),
    )


def with_conversions(prices: Prices, conversions: int) -> Prices:
    """The same prices with room for more conversions."""
    wider = empty_prices(0, conversions, prices.bids.shape[1])
    held = len(prices.legs)
    wider.rates[:held] = prices.rates
    wider.rate_spans[:, :held] = prices.rate_spans
    wider.legs[:held] = prices.legs
    wider.rate_still[:held] = prices.rate_still
    return prices._replace(
        rates=wider.rates,
        rate_spans=wider.rate_spans,
        legs=wider.legs,
        rate_still=wider.rate_still,
    )


@compiled
def wide_block(prices: Prices, number: int) -> int:
    """Where the wide block of that number lies among the blocks."""
    return int(prices.bids.shape[1] // SMALL + number)


@compiled
def whole_block(prices: Prices) -> int:
    """Where the block of the whole batch lies among the blocks."""
    return int(prices.spans.shape[0] - 1)


@compiled
def first_refused(
    prices: Prices, time_msc: Int64s, symbol: Int32s, bid: Floats, ask: Floats
) -> int:
    """Offset of the first tick that may not be valued, or -1: a reader drops such ticks."""
    before = prices.clock[0]
    symbols = prices.bids.shape[0]
    for t in range(len(time_msc)):
        fine = bid[t] > 0.0 and ask[t] >= bid[t] and ask[t] < np.inf
        if not (fine and time_msc[t] >= before and 0 <= symbol[t] < symbols):
            return t
        before = time_msc[t]
    return -1


@compiled
def take_batch(prices: Prices, time_msc: Int64s, symbol: Int32s, bid: Floats, ask: Floats) -> int:
    """Lay out a batch; -1, or the offset of a tick that is refused, and then nothing is changed.

    Costs a few steps a tick and a step a symbol: a symbol that does not tick is filled in once.
    """
    refused = first_refused(prices, time_msc, symbol, bid, ask)
    ticks = len(time_msc)
    if refused >= 0 or ticks == 0:
        return refused
    symbols = prices.bids.shape[0]
    prices.before_msc[:] = prices.last_msc
    smalls = (ticks + SMALL - 1) // SMALL
    filled = np.full(symbols, -1, np.int64)
    for t in range(ticks):
        s = symbol[t]
        filled[s] = 0
        if not prices.last[s, 0] > 0.0:
            # Columns before a symbol's first tick are seen by no account: its first quote there
            # keeps them from widening the extremes.
            prices.last[s, 0] = bid[t]
            prices.last[s, 1] = ask[t]
    moving = np.nonzero(filled == 0)[0]
    for b in range(smalls):
        _take_block(prices, b, moving, filled, time_msc, symbol, bid, ask)
    for s in range(symbols):
        if filled[s] >= 0:
            prices.still[s] = 0
            _widen(prices.spans, s, 3, prices, smalls)
        elif prices.still[s] < smalls * SMALL:
            _hold(prices, s, smalls)
    prices.clock[0] = time_msc[ticks - 1]
    prices.clock[1] = ticks
    for c in range(prices.clock[2]):
        first, second = prices.legs[c, 0], prices.legs[c, 2]
        if filled[first] >= 0 or (second >= 0 and filled[second] >= 0):
            take_rate(prices, c, symbol)
            prices.rate_still[c] = 0
        elif prices.rate_still[c] < smalls * SMALL:
            take_rate(prices, c, symbol[:0])
            prices.rate_still[c] = smalls * SMALL
    return -1


@compiled
def _take_block(
    prices: Prices,
    block: int,
    moving: Int64s,
    filled: Int64s,
    time_msc: Int64s,
    symbol: Int32s,
    bid: Floats,
    ask: Floats,
) -> None:
    """Carry quotes forward through one small block and keep its extremes."""
    start, stop = block * SMALL, (block + 1) * SMALL
    spans, last = prices.spans, prices.last
    for s in moving:
        filled[s] = start
        # The quote carried into the block is in force on its first tick, unless that tick
        # replaces it at once: one quote too many in the extremes is on the safe side.
        _start_span(spans[block, s], last[s, 0], last[s, 1])
    for t in range(start, min(stop, len(symbol))):
        s = symbol[t]
        prices.bids[s, filled[s] : t] = last[s, 0]
        prices.asks[s, filled[s] : t] = last[s, 1]
        filled[s] = t
        last[s, 0] = bid[t]
        last[s, 1] = ask[t]
        prices.last_msc[s] = time_msc[t]
        _stretch_span(spans[block, s], bid[t], ask[t])
    for s in moving:
        prices.bids[s, filled[s] : stop] = last[s, 0]
        prices.asks[s, filled[s] : stop] = last[s, 1]


@compiled
def _start_span(span: Floats, bid: float, ask: float) -> None:
    span[BID_MIN] = bid
    span[BID_MAX] = bid
    span[ASK_MIN] = ask
    span[ASK_MAX] = ask
    span[SPREAD_MIN] = ask - bid
    span[SPREAD_MAX] = ask - bid


@compiled
def _stretch_span(span: Floats, bid: float, ask: float) -> None:
    span[BID_MIN] = min(span[BID_MIN], bid)
    span[BID_MAX] = max(span[BID_MAX], bid)
    span[ASK_MIN] = min(span[ASK_MIN], ask)
    span[ASK_MAX] = max(span[ASK_MAX], ask)
    span[SPREAD_MIN] = min(span[SPREAD_MIN], ask - bid)
    span[SPREAD_MAX] = max(span[SPREAD_MAX], ask - bid)


@compiled
def _hold(prices: Prices, s: int, smalls: int) -> None:
    """Fill in a symbol that does not tick."""
    bid, ask = prices.last[s, 0], prices.last[s, 1]
    still = prices.still[s]
    prices.bids[s, still : smalls * SMALL] = bid
    prices.asks[s, still : smalls * SMALL] = ask
    for b in range(still // SMALL, smalls):
        _start_span(prices.spans[b, s], bid, ask)
    _widen(prices.spans, s, 3, prices, smalls)
    prices.still[s] = smalls * SMALL


@compiled
def _widen(spans: NDArray[np.float64], row: int, pairs: int, prices: Prices, smalls: int) -> None:
    """Extremes of the wide blocks and of the whole batch, from those of the small blocks.

    `spans` is (B, rows, 2 * pairs or more), a minimum and a maximum in turn.
    """
    whole = spans[whole_block(prices), row]
    for b in range(smalls):
        small = spans[b, row]
        wide = spans[wide_block(prices, b * SMALL // WIDE), row]
        for k in range(0, 2 * pairs, 2):
            fresh_wide = b * SMALL % WIDE == 0
            wide[k] = small[k] if fresh_wide else min(wide[k], small[k])
            wide[k + 1] = small[k + 1] if fresh_wide else max(wide[k + 1], small[k + 1])
            whole[k] = small[k] if b == 0 else min(whole[k], small[k])
            whole[k + 1] = small[k + 1] if b == 0 else max(whole[k + 1], small[k + 1])


@compiled
def mid_and_side_error(prices: Prices, c: int, t: int) -> tuple[float, float]:
    """The rate at mid as of tick `t`, and how far the rate by side may lie from it."""
    mid, bid, ask = 1.0, 1.0, 1.0
    for leg in range(0, 4, 2):
        s = prices.legs[c, leg]
        if s >= 0:
            leg_bid, leg_ask = prices.bids[s, t], prices.asks[s, t]
            leg_mid = (leg_bid + leg_ask) / 2.0
            if prices.legs[c, leg + 1] != 0:
                mid *= 1.0 / leg_mid
                bid *= 1.0 / leg_ask
                ask *= 1.0 / leg_bid
            else:
                mid *= leg_mid
                bid *= leg_bid
                ask *= leg_ask
    return mid, max(ask - mid, mid - bid)


@compiled
def take_rate(prices: Prices, c: int, symbol: Int32s) -> None:
    """Fill in a conversion; `symbol` is that of every tick, or empty when none is of its legs."""
    smalls = (prices.clock[1] + SMALL - 1) // SMALL
    first, second = prices.legs[c, 0], prices.legs[c, 2]
    rate, error = mid_and_side_error(prices, c, 0)
    for b in range(smalls):
        span = prices.rate_spans[b, c]
        span[RATE_MIN] = rate
        span[RATE_MAX] = rate
        span[SIDE_ERROR_MIN] = error
        span[SIDE_ERROR_MAX] = error
        for t in range(b * SMALL, (b + 1) * SMALL):
            if t < len(symbol) and (symbol[t] == first or symbol[t] == second):
                rate, error = mid_and_side_error(prices, c, t)
                span[RATE_MIN] = min(span[RATE_MIN], rate)
                span[RATE_MAX] = max(span[RATE_MAX], rate)
                span[SIDE_ERROR_MAX] = max(span[SIDE_ERROR_MAX], error)
            prices.rates[c, t] = rate
    _widen(prices.rate_spans, c, 2, prices, smalls)


@compiled
def last_tick_of(symbol: Int32s, s: int, t: int) -> int:
    """Offset of the last tick of that symbol up to and with `t`; -1 when there is none."""
    while t >= 0 and symbol[t] != s:
        t -= 1
    return t
