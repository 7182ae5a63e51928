"""What a reset instant does to an account: references, latches, and the days of its objectives."""

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
from engine.domain.guards import Consistency, EquityLimit, Latch, MinDays, ProfitTarget
from engine.domain.marks import mark_of, with_tracker
from engine.domain.resets import is_reset, local_time, next_reset_msc
from engine.domain.valuation import Quotes
from engine.domain.watch import NEVER_MSC


def next_reset_of(state: AccountState, after_msc: int) -> int:
    """The account's next reset instant strictly after a time; `NEVER_MSC` when it has none."""
    instants = [next_reset_msc(g.reset, after_msc) for g in state.spec.guards if g.reset]
    return min(instants, default=NEVER_MSC)


def reset_due(draft: Draft, equity: int, quotes: Quotes) -> None:
    """Ends the day of every guard due at this instant, in the order listed."""
    for place, guard in enumerate(draft.state.spec.guards):
        if guard.reset is None or not is_reset(guard.reset, draft.time_msc):
            continue
        reference, floor_ = None, None
        if isinstance(guard, EquityLimit):
            reference, floor_ = _take_reference(draft, place, guard, equity, quotes)
        elif isinstance(guard, ProfitTarget | MinDays | Consistency):
            _end_day(draft, place, guard)
        if guard.latch is Latch.RESET and draft.state.guards[place].breached:
            unlatch(draft, place)
            end_halt(draft, "reset", guard.name, "")
        draft.publish(
            records.DayReset,
            guard=guard.name,
            reference=reference,
            floor=floor_,
            local_time=local_time(guard.reset, draft.time_msc),
        )


def _take_reference(
    draft: Draft, place: int, guard: EquityLimit, equity: int, quotes: Quotes
) -> tuple[float, float]:
    state = draft.state
    known = state.guards[place]
    reference = reference_at_reset(guard, known, state.balance_minor, equity)
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
