"""A watch as rows of the columns, once it has been checked."""

from collections.abc import Iterator
from math import inf

from engine.domain.watch import Exposure, Line, Watch
from engine.marking.prices import ASK, BID, ROWS, SPREAD

LARGEST = 1e18
"""No amount, price or number of units is larger; sums and products of them stay finite, so that
no mark is ever NaN."""

NO_LEVELS = (-inf, inf, -inf, inf)


def terms(exposure: Exposure, seat: int) -> Iterator[tuple[int, float, float]]:
    """The place of the term's least extreme in `spans`, its units, and its cost.

    First the net side, then what is hedged, which costs the spread; the first has all the cost.
    """
    net_units = exposure.long_units - exposure.short_units
    hedged_units = min(exposure.long_units, exposure.short_units)
    cost = exposure.cost
    if net_units > 0.0:
        yield 2 * (ROWS * seat + BID), net_units, cost
        cost = 0.0
    elif net_units < 0.0:
        yield 2 * (ROWS * seat + ASK) + 1, net_units, cost
        cost = 0.0
    if hedged_units > 0.0:
        yield 2 * (ROWS * seat + SPREAD) + 1, -hedged_units, cost


def exposure_row(exposure: Exposure, seat: int, rate: int) -> tuple[float, ...]:
    """The row of `exposures`."""
    return (
        seat,
        rate,
        exposure.long_units,
        exposure.short_units,
        exposure.long_open_min,
        exposure.long_open_max,
        exposure.short_open_min,
        exposure.short_open_max,
        *levels(exposure),
    )


def levels(exposure: Exposure) -> tuple[float, float, float, float]:
    """The price levels, as in the row of `exposures`."""
    return (
        exposure.wake_bid_at_or_below,
        exposure.wake_bid_at_or_above,
        exposure.wake_ask_at_or_below,
        exposure.wake_ask_at_or_above,
    )


def has_levels(exposure: Exposure) -> bool:
    """Whether any price level wakes the account."""
    return levels(exposure) != NO_LEVELS


def line_row(line: Line) -> tuple[float, ...]:
    """The row of `lines`."""
    return (
        float(line.wakes_above),
        line.tracker,
        line.p,
        line.q,
        line.a,
        line.b,
        line.cap,
        line.slack,
    )


def check(watch: Watch) -> None:
    """Refuse (by assertion) what would make a comparison meaningless later on."""
    marks = watch.marks
    reals = [watch.base, watch.rounding_bound, marks.max_drawdown, marks.max_drawdown_high_water]
    reals += marks.trackers
    assert marks.trackers, "the first tracker, the high-water mark, is missing"
    assert watch.rounding_bound >= 0.0, "a bound below zero would wake too late"
    for line in watch.lines:
        reals += (line.p, line.q, line.a, line.b, line.slack)
        assert line.slack >= 0.0, "a slack below zero would wake too late"
        assert line.cap > -LARGEST, f"a line capped at {line.cap}"
        assert -1 <= line.tracker < len(marks.trackers), f"no tracker {line.tracker}"
    assert _are_amounts(reals), f"not a finite amount in {watch}"


def check_exposures(exposures: tuple[Exposure, ...]) -> None:
    """The same of what is held."""
    reals: list[float] = []
    for exposure in exposures:
        units = (exposure.long_units, exposure.short_units)
        reals += (*units, exposure.cost)
        assert min(units) >= 0.0, f"{exposure.symbol}: units below zero"
        assert max(units) > 0.0 or exposure.cost == 0.0, f"{exposure.symbol}: cost of nothing"
        assert len(exposure.conversion) <= 2, f"{exposure.symbol}: more than two legs"
        assert not any(level != level for level in levels(exposure)), "a level that is NaN"
        if exposure.conversion:
            sides = (
                (units[0], exposure.long_open_min, exposure.long_open_max),
                (units[1], exposure.short_open_min, exposure.short_open_max),
            )
            for held, least, largest in sides:
                known = -LARGEST < least <= largest < LARGEST
                assert held == 0.0 or known, f"{exposure.symbol}: open prices not given"
    assert _are_amounts(reals), f"not a finite amount in {exposures}"


def _are_amounts(reals: list[float]) -> bool:
    """Whether all are finite and of a size that money has; a NaN or an infinity spoils the sum."""
    return sum(map(abs, reals)) < LARGEST
