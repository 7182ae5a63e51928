"""The reader's view of one guard: where it stands, how far from its floor, and that it runs."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.equity_limits import (
    floor_minor,
    follows_day_high,
    follows_marks,
    reference_at_reset,
    reference_minor,
    used_percent,
)
from engine.domain.guards import AccountGuard, EquityLimit, Measured, Reset
from engine.domain.marks import mark_of
from engine.domain.resets import next_reset_msc
from engine.domain.terminal_views import TerminalView
from engine.domain.units import major, minor_of_mark, percent
from engine.domain.valuation import Quotes
from engine.domain.watch import Marks


class Sight(msgspec.Struct, frozen=True):
    """What an account is looked at with."""

    time_msc: int
    """UTC, of the snapshot."""
    quotes: Quotes
    """Of now, for every symbol the account needs and has a quote."""
    ages_ms: Mapping[str, int]
    """How long ago a quote of the symbol last came."""
    stale_after_ms: int
    feed_version: int
    marks: Marks
    """Of every tick the account was valued on so far."""
    crashed: str | None = None
    """Why nobody decides for the account any more."""
    compared_ms: float | None = None
    """How long its last full report took, from its arrival until what it led to was durable."""
    terminal: TerminalView | None = None
    """What is known of its terminal."""
    feed: str = ""
    """Whose quotes those are, by name."""


class GuardView(msgspec.Struct, frozen=True, kw_only=True):
    """One guard: where it stands, and that it runs."""

    name: str
    kind: str
    action: str
    warned: bool
    breached: bool
    breached_at_msc: int | None
    close_due_msc: int | None
    """When the notice runs out; None when no close is pending."""
    evaluated_at_msc: int | None
    """When it was last decided on: the kernel stands in for it between two such times."""
    reference: float | None
    floor: float | None
    distance: float | None
    """What is measured less the floor, now; for guards without a floor as last evaluated."""
    used_percent: float | None
    """Of the amount between reference and floor."""
    warn_percent: float | None
    floor_after_reset: float | None
    """The floor if the next reset were now."""
    next_reset_msc: int | None
    age_ms: int | None
    """Of the oldest quote it is measured on."""
    is_estimated: bool = False
    """The reference is of a reset that nobody was there for, put together afterwards."""
    comparator: str | None = None
    latch: str | None = None
    reset_zone: str | None = None
    notice_s: float = 0.0


class StandingGuard(NamedTuple):
    """What of a guard's view neither quotes nor time move."""

    guard: AccountGuard
    place: int
    view: GuardView
    """With None for what they do."""
    is_measured: bool
    """Whether it has a floor to be measured against."""
    reference: int | None
    """None: it follows the marks, or there is none."""
    floor: int | None


def standing_guard(guard: AccountGuard, place: int, state: AccountState) -> StandingGuard:
    """Of the guard at `place`."""
    known = state.guards[place] if place < len(state.guards) else None
    limit = guard if isinstance(guard, EquityLimit) else None
    reference = floor_ = None
    is_measured = limit is not None and known is not None and state.known
    if limit is not None and known is not None and is_measured and not follows_marks(limit):
        reference = reference_minor(limit, place, known, state, state.marks)
        floor_ = floor_minor(limit, reference, state.spec)
    view = GuardView(
        name=guard.name,
        kind=str(type(guard).__struct_config__.tag),
        action=guard.action.value,
        warned=known is not None and known.warned,
        breached=known is not None and known.breached,
        breached_at_msc=None if known is None else known.breached_at_msc,
        close_due_msc=None if known is None else known.close_due_msc,
        evaluated_at_msc=None if known is None else known.evaluated_at_msc,
        reference=major_of(state, reference),
        floor=major_of(state, floor_),
        distance=None if known is None else major_of(state, known.distance_minor),
        used_percent=None,
        warn_percent=None if limit is None else limit.warn_percent,
        floor_after_reset=None,
        next_reset_msc=None,
        age_ms=None,
        is_estimated=known is not None and known.is_estimated,
        comparator=None if limit is None else limit.comparator.value,
        latch=guard.latch.value,
        reset_zone=None if guard.reset is None else guard.reset.zone,
        notice_s=guard.notice_s,
    )
    return StandingGuard(guard, place, view, is_measured, reference, floor_)


def guard_view(
    standing: StandingGuard,
    state: AccountState,
    sight: Sight,
    equity: int | None,
    age_ms: int | None,
) -> GuardView:
    """The guard on the equity of now; `age_ms` of the oldest quote in it."""
    guard, view = standing.guard, standing.view
    reset = guard.reset
    next_msc = None if reset is None else _next_reset(reset, sight.time_msc)
    if not standing.is_measured or not isinstance(guard, EquityLimit):
        return replace(view, next_reset_msc=next_msc, age_ms=age_ms)
    reference, floor_ = standing.reference, standing.floor
    if reference is None or floor_ is None:
        place = standing.place
        reference = reference_minor(guard, place, state.guards[place], state, sight.marks)
        floor_ = floor_minor(guard, reference, state.spec)
    digits = state.spec.market.digits
    measured = equity if guard.measured is Measured.EQUITY else state.balance_minor
    used = None
    if measured is not None and reference != floor_:
        used = percent(used_percent(reference, floor_, measured))
    after = None
    if reset is not None and equity is not None:
        after = _floor_after_reset(standing, state, sight, equity, (reference, floor_))
    return replace(
        view,
        reference=major(reference, digits),
        floor=major(floor_, digits),
        distance=None if measured is None else major(measured - floor_, digits),
        used_percent=used,
        floor_after_reset=None if after is None else major(after, digits),
        next_reset_msc=next_msc,
        age_ms=age_ms,
    )


def _next_reset(reset: Reset, time_msc: int) -> int:
    """The next reset; asked by the minute, as resets are, so that the answer is remembered."""
    return next_reset_msc(reset, time_msc - time_msc % 60_000)


def _floor_after_reset(
    standing: StandingGuard,
    state: AccountState,
    sight: Sight,
    equity: int,
    now: tuple[int, int],
) -> int:
    """The floor if the guard's day ended now; `now`: its reference and floor until then."""
    guard, spec = standing.guard, state.spec
    assert isinstance(guard, EquityLimit), "only those have floors"
    if follows_day_high(guard):
        reference = minor_of_mark(mark_of(state, sight.quotes), spec.digits)
    else:
        known = state.guards[standing.place]
        taken = reference_at_reset(guard, known, state.balance_minor, equity)
        reference = now[0] if taken is None else taken
    return now[1] if reference == now[0] else floor_minor(guard, reference, spec)


def nearest(guards: tuple[GuardView, ...]) -> GuardView | None:
    """Of the guards with a floor that is not breached, the one with least of its amount left."""
    running = [
        g for g in guards if g.floor is not None and not g.breached and g.distance is not None
    ]
    return min(running, key=room_percent, default=None)


def room_percent(guard: GuardView) -> float:
    """Percent of its amount left; where it has none, all of it or nothing."""
    if guard.used_percent is None:
        return 100.0 if guard.distance is not None and guard.distance > 0 else 0.0
    return percent(100.0 - guard.used_percent)


def major_of(state: AccountState, amount_minor: int | None) -> float | None:
    """Minor units as published; None stays None."""
    return None if amount_minor is None else major(amount_minor, state.spec.market.digits)
