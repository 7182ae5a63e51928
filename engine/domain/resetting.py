"""What a reset instant does to an account: references, latches, and the days of its objectives."""

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import objectives, records
from engine.domain.account import AccountState
from engine.domain.drafts import Draft
from engine.domain.equity_limits import (
    floor_minor,
    follows_day_high,
    reference_at_reset,
    reference_minor,
    tracker_index,
)
from engine.domain.guarding import end_halt, unlatch
from engine.domain.guards import (
    AccountGuard,
    Consistency,
    EquityLimit,
    Latch,
    MinDays,
    ProfitTarget,
    Reference,
)
from engine.domain.marks import mark_of, with_tracker
from engine.domain.resets import is_reset, local_time, next_reset_msc
from engine.domain.valuation import Quotes
from engine.domain.watch import NEVER_MSC


def next_reset_of(state: AccountState, after_msc: int) -> int:
    """The account's next reset instant strictly after a time; `NEVER_MSC` when it has none."""
    instants = [next_reset_msc(g.reset, after_msc) for g in state.spec.guards if g.reset]
    return min(instants, default=NEVER_MSC)


_MAXIMA = (Reference.HIGHER_AT_RESET, Reference.END_OF_DAY_BALANCE_HIGH_WATER)
LATE_MS = 5_000
"""So old a deal of before a reset may be when it comes, and still moves the reference taken there.
One that is said to be older is of a terminal whose clock is wrong, or that was away."""


def reset_due(draft: Draft, equity: int, quotes: Quotes, *, is_told: bool = False) -> None:
    """Ends the day of every guard due at this instant, in the order listed.

    Args:
        is_told: by a clock, perhaps late, perhaps not for the first time.
    """
    live = draft.state.live
    if is_told and live is not None and live.reset_msc >= draft.time_msc:
        return
    for place, guard in enumerate(draft.state.spec.guards):
        if guard.reset is not None and is_reset(guard.reset, draft.time_msc):
            since = _booked_since(draft.state, draft.time_msc) if is_told else 0
            _end_day_of(draft, place, guard, equity, quotes, draft.time_msc, since)
            _taken(draft, draft.time_msc)


def catch_up(draft: Draft, equity: int, quotes: Quotes) -> None:
    """Ends the days whose resets nobody could value, each guard's newest one, as an estimate.

    The balance of that instant is put together from the deals since; an equity or a day high of
    that instant is lost, and is taken now.
    """
    live = draft.state.live
    assert live is not None, "a replay misses no reset"
    since_msc = live.missed_since_msc
    draft.state = replace(draft.state, live=replace(live, missed_since_msc=0))
    for place, guard in enumerate(draft.state.spec.guards):
        if guard.reset is None:
            continue
        instant, following = 0, next_reset_msc(guard.reset, since_msc)
        while following <= draft.time_msc:
            instant, following = following, next_reset_msc(guard.reset, following)
        if instant:
            since = _booked_since(draft.state, instant) if instant < draft.time_msc else 0
            _end_day_of(draft, place, guard, equity, quotes, instant, since)
            _taken(draft, instant)


def came_late(draft: Draft, at_msc: int) -> None:
    """A deal of just before the last reset, told just after it, belongs to the day before.

    So the balance taken there is put together again, without what came since. A maximum that had
    another part only rises: what it was without this balance is not known, and the higher floor is
    the safer one.
    """
    state, live = draft.state, draft.state.live
    assert live is not None, "a replay's deals are in time"
    if not draft.time_msc - LATE_MS <= at_msc < live.reset_msc <= draft.time_msc:
        return
    balance = state.balance_minor - _booked_since(state, live.reset_msc)
    guards = list(state.guards)
    for place, guard in enumerate(state.spec.guards):
        known = guards[place].reference_minor
        if known is None or guard.reset is None or not is_reset(guard.reset, live.reset_msc):
            continue
        if not isinstance(guard, EquityLimit):
            continue
        if guard.reference is Reference.BALANCE_AT_RESET:
            guards[place] = replace(guards[place], reference_minor=balance)
        elif guard.reference in _MAXIMA:
            guards[place] = replace(guards[place], reference_minor=max(known, balance))
    draft.state = replace(state, guards=tuple(guards), untested=True)


def _taken(draft: Draft, instant_msc: int) -> None:
    """Remembers, over a restart, that the days until then are ended."""
    live = draft.state.live
    if live is not None and live.reset_msc < instant_msc:
        draft.state = replace(draft.state, live=replace(live, reset_msc=instant_msc))


def _end_day_of(
    draft: Draft,
    place: int,
    guard: AccountGuard,
    equity: int,
    quotes: Quotes,
    instant_msc: int,
    since_minor: int,
) -> None:
    """One guard's day ends; `instant_msc` before now: as an estimate.

    Args:
        since_minor: what deals of after that instant have moved the balance by: the next day's.
    """
    assert guard.reset is not None, "a guard without a reset has no day"
    missed = instant_msc < draft.time_msc
    reference, floor_ = None, None
    if isinstance(guard, EquityLimit):
        balance = draft.state.balance_minor - since_minor
        reference, floor_ = _take_reference(draft, place, guard, balance, equity, quotes)
    elif isinstance(guard, ProfitTarget | MinDays | Consistency):
        _end_day(draft, place, guard)
    guards = list(draft.state.guards)
    if guards[place].is_estimated is not missed:
        guards[place] = replace(guards[place], is_estimated=missed)
        draft.state = replace(draft.state, guards=tuple(guards))
    if guard.latch is Latch.RESET and draft.state.guards[place].breached:
        unlatch(draft, place)
        end_halt(draft, "reset", guard.name, "")
    draft.publish(
        records.DayReset,
        guard=guard.name,
        reference=reference,
        floor=floor_,
        local_time=local_time(guard.reset, instant_msc),
        estimated=True if missed else UNSET,
    )


def _booked_since(state: AccountState, instant_msc: int) -> int:
    """What deals have moved the balance by since, where they moved no reference with it."""
    live = state.live
    if live is None:
        return 0
    return sum(amount for at_msc, amount in live.deals if at_msc >= instant_msc)


def _take_reference(
    draft: Draft, place: int, guard: EquityLimit, balance: int, equity: int, quotes: Quotes
) -> tuple[float, float]:
    state = draft.state
    known = state.guards[place]
    reference = reference_at_reset(guard, known, balance, equity)
    if reference is not None:
        guards = list(state.guards)
        guards[place] = replace(known, reference_minor=reference)
        state = replace(state, guards=tuple(guards))
    if follows_day_high(guard):
        tracker = tracker_index(state.spec.guards, place)
        state = replace(state, marks=with_tracker(state.marks, tracker, mark_of(state, quotes)))
    draft.state = state
    from_here = reference_minor(guard, place, state.guards[place], state, state.marks)
    spec = state.spec
    return spec.major(from_here), spec.major(floor_minor(guard, from_here, spec))


def _end_day(draft: Draft, place: int, guard: ProfitTarget | MinDays | Consistency) -> None:
    guards = list(draft.state.guards)
    guards[place] = objectives.on_reset(guard, guards[place])
    draft.state = replace(draft.state, guards=tuple(guards))
