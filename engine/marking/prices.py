"""The quotes of one batch of ticks as a matrix, with their extremes over blocks of ticks.

A symbol has three rows: bid, ask and spread; a conversion has one. A column is a tick, and quotes
are carried forward: column `t` holds what was in force as of tick `t`. Ticks fall into small
blocks, these into wide ones, these into the whole batch; of each block the extremes of every row
are kept, so that an account can be bounded over the block without a look at its ticks.
"""

from typing import NamedTuple

import numpy as np

from engine.marking.compiling import bare
from engine.marking.ticks import Floats, Int32s, Int64s

SMALL = 128
"""Ticks in a small block: what is walked at once. A multiple of four."""
WIDE = 256
"""Ticks in a wide block: a multiple of `SMALL`."""

NEVER_TICKED = -(2**62)

BITS = 62
"""Symbols are told apart by so many bits: those that share one are taken for the same."""

ROWS = 3
"""Rows of a symbol."""
BID, ASK, SPREAD = range(ROWS)
# Columns of `rate_spans`.
RATE_MIN, RATE_MAX, SIDE_ERROR_MIN, SIDE_ERROR_MAX = range(4)


class Prices(NamedTuple):
    """What accounts are valued on, for S symbols, C conversions, b small blocks and B blocks of
    all three sizes."""

    quotes: Floats
    """(b, 3 S, SMALL)"""
    rates: Floats
    """(b, C, SMALL), at mid."""
    spans: Floats
    """(B, 6 S): least and largest of each row; first the small blocks, then the wide ones, last
    the whole batch."""
    rate_spans: Floats
    """(B, C, 4)"""
    legs: Int64s
    """(C, 4): symbol and 1 when inverse, of the first and of the second leg; symbol -1: none."""


class Tape(NamedTuple):
    """What is known of the symbols from one batch to the next."""

    last: Floats
    """(S, 2): bid and ask of the last tick, NaN before the first."""
    last_msc: Int64s
    """(S,): time of the last tick, `NEVER_TICKED` before the first."""
    before_msc: Int64s
    """(S,): the same before this batch."""
    still: Int64s
    """(S,): so many small blocks from the first on, and all wider ones over them, hold nothing
    but the last quote already."""
    rate_still: Int64s
    """(C,): the same for conversions."""
    filled: Int64s
    """(S,): while a batch is laid out, the column a symbol is filled in up to; -1: it does not
    tick."""
    moving: Int64s
    """(S,): first the symbols that tick in the batch."""
    clock: Int64s
    """(4,): time of the last tick; ticks in the batch; conversions in use; the bits of all
    symbols that tick in the batch."""


def aligned(shape: tuple[int, ...]) -> Floats:
    """NaNs that start where a cache line does: vectors that straddle two take twice the time."""
    size = int(np.prod(shape))
    room = np.full(size + 8, np.nan)
    first = -room.ctypes.data // 8 % 8
    return room[first : first + size].reshape(shape)


def empty_prices(symbols: int, conversions: int, max_ticks: int) -> Prices:
    """Room for that many; `max_ticks` is rounded up to whole wide blocks."""
    wides = -(-max_ticks // WIDE)
    smalls = wides * (WIDE // SMALL)
    blocks = smalls + wides + 1
    return Prices(
        quotes=aligned((smalls, ROWS * symbols, SMALL)),
        rates=aligned((smalls, conversions, SMALL)),
        spans=np.full((blocks, 2 * ROWS * symbols), np.nan),
        rate_spans=np.full((blocks, conversions, 4), np.nan),
        legs=np.full((conversions, 4), -1, np.int64),
    )


def empty_tape(symbols: int, conversions: int) -> Tape:
    """Before the first tick."""
    return Tape(
        last=np.full((symbols, 2), np.nan),
        last_msc=np.full(symbols, NEVER_TICKED, np.int64),
        before_msc=np.full(symbols, NEVER_TICKED, np.int64),
        still=np.zeros(symbols, np.int64),
        rate_still=np.zeros(conversions, np.int64),
        filled=np.zeros(symbols, np.int64),
        moving=np.zeros(symbols, np.int64),
        clock=np.array([NEVER_TICKED, 0, 0, 0], np.int64),
    )


def with_conversions(prices: Prices, tape: Tape, conversions: int) -> tuple[Prices, Tape]:
    """The same with room for more conversions."""
    wider = empty_prices(0, conversions, len(prices.quotes) * SMALL)
    still = np.zeros(conversions, np.int64)
    held = len(prices.legs)
    wider.rates[:, :held] = prices.rates
    wider.rate_spans[:, :held] = prices.rate_spans
    wider.legs[:held] = prices.legs
    still[:held] = tape.rate_still
    wider = wider._replace(quotes=prices.quotes, spans=prices.spans)
    return wider, tape._replace(rate_still=still)


@bare
def first_refused(tape: Tape, time_msc: Int64s, symbol: Int32s, bid: Floats, ask: Floats) -> int:
    """Offset of the first tick that may not be valued, or -1: a reader drops such ticks."""
    before = tape.clock[0]
    symbols = len(tape.last)
    for t in range(len(time_msc)):
        fine = bid[t] > 0.0 and ask[t] >= bid[t] and ask[t] < np.inf
        if not (fine and time_msc[t] >= before and 0 <= symbol[t] < symbols):
            return t
        before = time_msc[t]
    return -1


@bare
def take_batch(
    prices: Prices, tape: Tape, time_msc: Int64s, symbol: Int32s, bid: Floats, ask: Floats
) -> int:
    """Lay out a batch; -1, or the offset of a tick that is refused, and then nothing is changed.

    Costs a few steps a tick and a step a symbol: a symbol that does not tick is filled in once.
    """
    refused = first_refused(tape, time_msc, symbol, bid, ask)
    ticks = len(time_msc)
    if refused >= 0 or ticks == 0:
        return refused
    last, filled, moving = tape.last, tape.filled, tape.moving
    symbols = len(last)
    smalls = (ticks + SMALL - 1) // SMALL
    for s in range(symbols):
        tape.before_msc[s] = tape.last_msc[s]
        filled[s] = -1
    movers, bits = 0, 0
    for t in range(ticks):
        s = symbol[t]
        if filled[s] < 0:
            filled[s] = 0
            moving[movers] = s
            movers += 1
            bits |= 1 << (s % BITS)
        if not last[s, 0] > 0.0:
            # Columns before a symbol's first tick are seen by no account: its first quote there
            # keeps them from widening the extremes.
            last[s, 0] = bid[t]
            last[s, 1] = ask[t]
    for b in range(smalls):
        start, stop = b * SMALL, min((b + 1) * SMALL, ticks)
        _take_block(
            prices.quotes[b],
            prices.spans[b],
            last,
            moving[:movers],
            filled,
            symbol[start:stop],
            bid[start:stop],
            ask[start:stop],
        )
    for t in range(ticks):
        tape.last_msc[symbol[t]] = time_msc[t]
    for s in range(symbols):
        if filled[s] >= 0:
            tape.still[s] = 0
            _widen(prices.spans[:, 2 * ROWS * s : 2 * ROWS * (s + 1)], len(prices.quotes), smalls)
        elif tape.still[s] < smalls:
            _hold(prices, tape, s, smalls)
    tape.clock[0] = time_msc[ticks - 1]
    tape.clock[1] = ticks
    tape.clock[3] = bits
    for c in range(tape.clock[2]):
        first, second = prices.legs[c, 0], prices.legs[c, 2]
        if filled[first] >= 0 or (second >= 0 and filled[second] >= 0):
            take_rate(prices, tape, c, symbol)
            tape.rate_still[c] = 0
        elif tape.rate_still[c] < smalls:
            take_rate(prices, tape, c, symbol[:0])
            tape.rate_still[c] = smalls
    return -1


@bare
def _take_block(
    quotes: Floats,
    spans: Floats,
    last: Floats,
    moving: Int64s,
    filled: Int64s,
    symbol: Int32s,
    bid: Floats,
    ask: Floats,
) -> None:
    """Carry quotes forward through one small block and keep its extremes."""
    for s in moving:
        filled[s] = 0
        # The quote carried into the block is in force on its first tick, unless that tick
        # replaces it at once: one quote too many in the extremes is on the safe side.
        _start_span(spans, s, last[s, 0], last[s, 1])
    for t in range(len(symbol)):
        s = symbol[t]
        _carry(quotes, s, filled[s], t, last[s, 0], last[s, 1])
        filled[s] = t
        last[s, 0] = bid[t]
        last[s, 1] = ask[t]
        _stretch_span(spans, s, bid[t], ask[t])
    for s in moving:
        _carry(quotes, s, filled[s], SMALL, last[s, 0], last[s, 1])


@bare
def _carry(quotes: Floats, s: int, start: int, stop: int, bid: float, ask: float) -> None:
    for t in range(start, stop):
        quotes[ROWS * s + BID, t] = bid
        quotes[ROWS * s + ASK, t] = ask
        quotes[ROWS * s + SPREAD, t] = ask - bid


@bare
def _start_span(spans: Floats, s: int, bid: float, ask: float) -> None:
    at = 2 * ROWS * s
    spans[at] = spans[at + 1] = bid
    spans[at + 2] = spans[at + 3] = ask
    spans[at + 4] = spans[at + 5] = ask - bid


@bare
def _stretch_span(spans: Floats, s: int, bid: float, ask: float) -> None:
    at = 2 * ROWS * s
    spans[at] = min(spans[at], bid)
    spans[at + 1] = max(spans[at + 1], bid)
    spans[at + 2] = min(spans[at + 2], ask)
    spans[at + 3] = max(spans[at + 3], ask)
    spans[at + 4] = min(spans[at + 4], ask - bid)
    spans[at + 5] = max(spans[at + 5], ask - bid)


@bare
def _hold(prices: Prices, tape: Tape, s: int, smalls: int) -> None:
    """Fill in a symbol that does not tick."""
    bid, ask = tape.last[s, 0], tape.last[s, 1]
    for b in range(tape.still[s], smalls):
        _carry(prices.quotes[b], s, 0, SMALL, bid, ask)
        _start_span(prices.spans[b], s, bid, ask)
    _widen(prices.spans[:, 2 * ROWS * s : 2 * ROWS * (s + 1)], len(prices.quotes), smalls)
    tape.still[s] = smalls


@bare
def _widen(spans: Floats, first_wide: int, smalls: int) -> None:
    """Extremes of the wide blocks and of the whole batch, from those of the small blocks.

    `spans` is (B, an even number): minimum and maximum in turn.
    """
    whole = len(spans) - 1
    for b in range(smalls):
        wide = first_wide + b * SMALL // WIDE
        for k in range(0, spans.shape[1], 2):
            if b * SMALL % WIDE == 0:
                spans[wide, k] = spans[b, k]
                spans[wide, k + 1] = spans[b, k + 1]
            if b == 0:
                spans[whole, k] = spans[b, k]
                spans[whole, k + 1] = spans[b, k + 1]
            spans[wide, k] = min(spans[wide, k], spans[b, k])
            spans[wide, k + 1] = max(spans[wide, k + 1], spans[b, k + 1])
            spans[whole, k] = min(spans[whole, k], spans[b, k])
            spans[whole, k + 1] = max(spans[whole, k + 1], spans[b, k + 1])


@bare
def mid_and_side_error(
    quotes: Floats, legs: Int64s, c: int, block: int, t: int
) -> tuple[float, float]:
    """The rate at mid as of tick `t` of the block, and how far the rate by side may lie from it."""
    mid, bid, ask = 1.0, 1.0, 1.0
    for leg in range(0, 4, 2):
        s = legs[c, leg]
        if s >= 0:
            leg_bid = quotes[block, ROWS * s + BID, t]
            leg_ask = quotes[block, ROWS * s + ASK, t]
            leg_mid = (leg_bid + leg_ask) / 2.0
            if legs[c, leg + 1] != 0:
                mid *= 1.0 / leg_mid
                bid *= 1.0 / leg_ask
                ask *= 1.0 / leg_bid
            else:
                mid *= leg_mid
                bid *= leg_bid
                ask *= leg_ask
    return mid, max(ask - mid, mid - bid)


@bare
def take_rate(prices: Prices, tape: Tape, c: int, symbol: Int32s) -> None:
    """Fill in a conversion; `symbol` is that of every tick, or empty when none is of its legs."""
    smalls = (tape.clock[1] + SMALL - 1) // SMALL
    first, second = prices.legs[c, 0], prices.legs[c, 2]
    rate, error = mid_and_side_error(prices.quotes, prices.legs, c, 0, 0)
    for b in range(smalls):
        span = prices.rate_spans[b, c]
        span[RATE_MIN] = span[RATE_MAX] = rate
        span[SIDE_ERROR_MIN] = span[SIDE_ERROR_MAX] = error
        for t in range(b * SMALL, (b + 1) * SMALL):
            if t < len(symbol) and (symbol[t] == first or symbol[t] == second):
                rate, error = mid_and_side_error(prices.quotes, prices.legs, c, b, t % SMALL)
                span[RATE_MIN] = min(span[RATE_MIN], rate)
                span[RATE_MAX] = max(span[RATE_MAX], rate)
                span[SIDE_ERROR_MAX] = max(span[SIDE_ERROR_MAX], error)
            prices.rates[b, c, t % SMALL] = rate
    _widen(prices.rate_spans[:, c], len(prices.quotes), smalls)


@bare
def last_tick_of(symbol: Int32s, s: int, t: int) -> int:
    """Offset of the last tick of that symbol up to and with `t`; -1 when there is none."""
    while t >= 0 and symbol[t] != s:
        t -= 1
    return t
