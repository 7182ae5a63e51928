"""Keeping the marks: high-water mark, day highs and deepest drawdown, tick by tick."""

from math import inf

from engine.domain.account import AccountSpec, AccountState
from engine.domain.equity_limits import follows_day_high
from engine.domain.units import major, minor_of_mark, percent
from engine.domain.valuation import Quotes, mark_of_positions
from engine.domain.watch import DRAWDOWN_TIE, Marks


def opening_marks(spec: AccountSpec) -> Marks:
    """Marks before any tick: the high-water mark is `initial`, day highs come with the first."""
    initial = major(spec.initial_minor, spec.digits)
    highs = sum(1 for guard in spec.guards if follows_day_high(guard))
    return Marks(trackers=(initial, *([-inf] * highs)), max_drawdown_high_water=initial)


def base_of(state: AccountState) -> float:
    """Balance, credit and swap in major units: the part of the mark that no price moves."""
    swap_minor = sum(position.swap_minor for position in state.positions)
    return state.spec.major(state.balance_minor + state.credit_minor + swap_minor)


def mark_of(state: AccountState, quotes: Quotes) -> float:
    """The account's unrounded equity, conversion at mid."""
    return base_of(state) + mark_of_positions(state.spec.market, state.positions, quotes)


def advance(marks: Marks, mark: float, time_msc: int) -> Marks:
    """The marks after one more valued tick: highs first, then the drawdown below them."""
    trackers = tuple([mark if mark > high else high for high in marks.trackers])
    drawdown = trackers[0] - mark
    if drawdown > marks.max_drawdown + abs(trackers[0]) * DRAWDOWN_TIE:
        return Marks(
            trackers=trackers,
            max_drawdown=drawdown,
            max_drawdown_high_water=trackers[0],
            max_drawdown_time_msc=time_msc,
            ticks=marks.ticks + 1,
        )
    return Marks(
        trackers=trackers,
        max_drawdown=marks.max_drawdown,
        max_drawdown_high_water=marks.max_drawdown_high_water,
        max_drawdown_time_msc=marks.max_drawdown_time_msc,
        ticks=marks.ticks + 1,
    )


def moved(marks: Marks, amount: float) -> Marks:
    """Marks after money came or went: every high moves with it, no drawdown is made."""
    return Marks(
        trackers=tuple([high + amount for high in marks.trackers]),
        max_drawdown=marks.max_drawdown,
        max_drawdown_high_water=marks.max_drawdown_high_water,
        max_drawdown_time_msc=marks.max_drawdown_time_msc,
        ticks=marks.ticks,
    )


def with_tracker(marks: Marks, tracker: int, mark: float) -> Marks:
    """The marks with one day high restarted at `mark`."""
    trackers = list(marks.trackers)
    trackers[tracker] = mark
    return Marks(
        trackers=tuple(trackers),
        max_drawdown=marks.max_drawdown,
        max_drawdown_high_water=marks.max_drawdown_high_water,
        max_drawdown_time_msc=marks.max_drawdown_time_msc,
        ticks=marks.ticks,
    )


def published_high_water(spec: AccountSpec, marks: Marks) -> float:
    """The high-water mark in the currency's digits."""
    return spec.major(minor_of_mark(marks.trackers[0], spec.digits))


def published_drawdown(spec: AccountSpec, marks: Marks) -> tuple[float, float]:
    """The largest drawdown in the currency's digits, and as percent of its high-water mark."""
    drawdown = spec.major(minor_of_mark(marks.max_drawdown, spec.digits))
    high_water = marks.max_drawdown_high_water
    share = percent(100.0 * marks.max_drawdown / high_water) if high_water > 0 else 0.0
    return drawdown, share
