"""The accounts of a feed in columns: who sits where, and what the kernel keeps of them.

An account is a row (its slot). Its terms, exposures, lines and trackers are runs of rows of their
own. A term is a number of units times one row of the prices: an exposure is one term of its net
side and, where it is hedged, one more of its spread.
"""

from typing import NamedTuple

import numpy as np

from engine.marking.compiling import bare
from engine.marking.ticks import Floats, Int32s, Int64s

# Columns of `reals`: as they are now, and from `BEFORE` on as they were at `SINCE`.
FIXED, ROUNDING, LOW, HIGH, CEILING, HIGH_WATER, DEEPEST, DEEPEST_HIGH_WATER = range(8)
BEFORE = 8
# Columns of `whole`. The first six are all that settling reads.
TERMS_FROM, TERMS, PLAIN_TERMS, FLAGS, WAKE_AT_MSC, NEEDS = range(6)
EXPOSURES_FROM, EXPOSURES, LINES_FROM, LINES, TRACKERS_FROM, TRACKERS = range(6, 12)
DEEPEST_MSC, DEEPEST_MSC_BEFORE, SINCE, WALK = range(12, 16)
# Bits of the flags. Quiet: valued on the quotes as they stand, and nothing woke it.
IN_USE, CONVERTS, HAS_LEVELS, QUIET = 1, 2, 4, 8
# Columns of `seats`.
SPAN, RATE = range(2)
# Columns of `exposures`.
SYMBOL, CONVERSION, LONG_UNITS, SHORT_UNITS = range(4)
LONG_MIN, LONG_MAX, SHORT_MIN, SHORT_MAX = range(4, 8)
BID_BELOW, BID_ABOVE, ASK_BELOW, ASK_ABOVE = range(8, 12)
# Columns of `lines`.
WAKES_ABOVE, TRACKER, P, Q, A, B, CAP, SLACK = range(8)
# Columns of `trackers`.
NOW, THEN = range(2)


class Columns(NamedTuple):
    """The arrays, for N accounts, M terms, X exposures, K lines and R trackers."""

    reals: Floats
    """(N, 16). `FIXED` is the base less the costs that are not converted. `LOW` is the highest
    lower line with its slack, `HIGH` the lowest upper line less its slack, `CEILING` the lowest
    tracker: a mark between them moves and reaches nothing."""
    whole: Int64s
    """(N, 16). `NEEDS` has the bits of all symbols the account is valued on. `WALK` is the number
    of the walk in which the marks last changed, or less than zero; `SINCE` is the offset of the
    first tick of that walk that the account is valued on."""
    seats: Int32s
    """(M, 2): the place in `spans` of that extreme of the term's row at which the term is least
    (the other one is beside it, at the place XOR 1); and the conversion. The first `PLAIN_TERMS`
    terms of an account have no conversion, the others have one."""
    units: Floats
    """(M, 2): units, below zero where a rising row costs; and the cost where it is converted."""
    exposures: Floats
    """(X, 12): symbol and conversion (-1 for none) as whole numbers; units; the extremes of the
    open prices; the price levels."""
    lines: Floats
    """(K, 8)"""
    trackers: Floats
    """(R, 2): now, and as they were at `SINCE`."""


@bare
def nearest_lines(
    whole: Int64s, lines: Floats, trackers: Floats, slot: int, mark: float
) -> tuple[float, float]:
    """What `LOW` and `HIGH` are once the trackers have seen `mark` (-inf: as they are)."""
    low, high = -np.inf, np.inf
    first = whole[slot, LINES_FROM]
    trackers_from = whole[slot, TRACKERS_FROM]
    for k in range(first, first + whole[slot, LINES]):
        reference = 0.0
        if lines[k, TRACKER] >= 0.0:
            reference = trackers[trackers_from + np.int64(lines[k, TRACKER]), NOW]
            reference = mark if mark > reference else reference
        bent = lines[k, A] * reference + lines[k, B]
        bent = bent if bent < lines[k, CAP] else lines[k, CAP]
        height = lines[k, P] * reference + lines[k, Q] * bent
        if lines[k, WAKES_ABOVE] != 0.0:
            high = min(high, height - lines[k, SLACK])
        else:
            low = max(low, height + lines[k, SLACK])
    return low, high


@bare
def refresh(reals: Floats, whole: Int64s, lines: Floats, trackers: Floats, slot: int) -> None:
    """Bring what is derived from the trackers up to date."""
    low, high = nearest_lines(whole, lines, trackers, slot, -np.inf)
    reals[slot, LOW] = low
    reals[slot, HIGH] = high
    first = whole[slot, TRACKERS_FROM]
    reals[slot, HIGH_WATER] = trackers[first, NOW]
    ceiling = np.inf
    for k in range(first, first + whole[slot, TRACKERS]):
        ceiling = min(ceiling, trackers[k, NOW])
    reals[slot, CEILING] = ceiling


@bare
def remember(reals: Floats, whole: Int64s, trackers: Floats, slot: int, walk: int) -> None:
    """Keep the marks as they were before this walk, once, before they change."""
    if whole[slot, WALK] == walk:
        return
    if whole[slot, WALK] != -walk:
        whole[slot, SINCE] = 0
    whole[slot, WALK] = walk
    for k in range(BEFORE):
        reals[slot, BEFORE + k] = reals[slot, k]
    whole[slot, DEEPEST_MSC_BEFORE] = whole[slot, DEEPEST_MSC]
    first = whole[slot, TRACKERS_FROM]
    for k in range(first, first + whole[slot, TRACKERS]):
        trackers[k, THEN] = trackers[k, NOW]


@bare
def recall(reals: Floats, whole: Int64s, trackers: Floats, slot: int) -> None:
    """Put the marks back to where `remember` found them."""
    for k in range(BEFORE):
        reals[slot, k] = reals[slot, BEFORE + k]
    whole[slot, DEEPEST_MSC] = whole[slot, DEEPEST_MSC_BEFORE]
    first = whole[slot, TRACKERS_FROM]
    for k in range(first, first + whole[slot, TRACKERS]):
        trackers[k, NOW] = trackers[k, THEN]


@bare
def raise_trackers(
    reals: Floats, whole: Int64s, lines: Floats, trackers: Floats, slot: int, mark: float
) -> None:
    """Let every tracker see the mark."""
    first = whole[slot, TRACKERS_FROM]
    for k in range(first, first + whole[slot, TRACKERS]):
        trackers[k, NOW] = mark if mark > trackers[k, NOW] else trackers[k, NOW]
    refresh(reals, whole, lines, trackers, slot)
