"""Testing an account's guards on one equity, and what their verdicts do to the account."""

from collections.abc import Iterable, Mapping
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import closing, equity_limits, exposures, objectives, records, schedules
from engine.domain.account import AccountSpec, AccountState, GuardState, Mode
from engine.domain.commands import Refused
from engine.domain.drafts import Draft
from engine.domain.effects import TellTerminal
from engine.domain.guards import (
    AccountGuard,
    Consistency,
    EquityLimit,
    Exposure,
    Guard,
    Latch,
    MarginLevel,
    MaxHolding,
    Measured,
    MinDays,
    NewsWindow,
    ProfitTarget,
    Reference,
    StopLossRequired,
    WeekendFlat,
)
from engine.domain.ids import verdict_id
from engine.domain.marks import opening_marks
from engine.domain.outcomes import (
    LimitBreached,
    LimitWarned,
    Outcome,
    Reached,
    RuleFound,
    View,
)
from engine.domain.quotes import Quote
from engine.domain.units import percent


def evaluate(
    guard: AccountGuard, place: int, known: GuardState, view: View
) -> tuple[GuardState, Iterable[Outcome]]:
    """Tests one guard of any kind: what it remembers from here, and what it found."""
    match guard:
        case EquityLimit():
            after, outcome = equity_limits.evaluate(guard, place, known, view)
            return after, () if outcome is None else (outcome,)
        case ProfitTarget() | MinDays() | Consistency():
            return objectives.evaluate(guard, known, view)
        case Exposure() | MarginLevel():
            return exposures.evaluate(guard, known, view)
        case WeekendFlat() | NewsWindow() | MaxHolding() | StopLossRequired():
            return schedules.evaluate(guard, known, view)
        case _:
            assert_never(guard)


def open_account(draft: Draft) -> None:
    """Begins to watch the account: its marks and the references that its balance gives."""
    state = draft.state
    assert not state.opened, "an account is opened once"
    spec = state.spec
    draft.state = replace(
        state,
        opened=True,
        marks=opening_marks(spec),
        balance_high_water_minor=spec.initial_minor,
        credited_high_water_minor=spec.initial_minor,
        guards=tuple(opening_state(guard, spec, state.balance_minor) for guard in spec.guards),
    )
    draft.publish(
        records.AccountOpened,
        balance=spec.major(state.balance_minor),
        equity=None,
        initial=spec.major(spec.initial_minor),
        currency=spec.market.deposit,
    )


def opening_state(guard: AccountGuard, spec: AccountSpec, balance_minor: int) -> GuardState:
    """What a guard remembers when it begins to watch."""
    if isinstance(guard, EquityLimit):
        reference = equity_limits.opening_reference(guard, spec, balance_minor)
        return GuardState(reference_minor=reference)
    return GuardState()


def take_first_references(draft: Draft, equity: int) -> None:
    """Takes, at the first valuation, the references that the opening could not know."""
    state = draft.state
    guards = list(state.guards)
    changed = False
    for place, guard in enumerate(state.spec.guards):
        known = guards[place]
        if known.reference_minor is None and isinstance(guard, EquityLimit):
            reference = equity_limits.reference_at_reset(guard, known, state.balance_minor, equity)
            if reference is not None:
                guards[place] = replace(known, reference_minor=reference)
                changed = True
    if changed:
        draft.state = replace(state, guards=tuple(guards))


def test_all(draft: Draft, quotes: Mapping[str, Quote], equity: int) -> None:
    """Tests every guard once, in the order listed, all on the same equity."""
    state = draft.state
    view = View(state, draft.time_msc, quotes, equity)
    tested = [
        evaluate(guard, place, known, view)
        for place, (guard, known) in enumerate(zip(state.spec.guards, state.guards, strict=True))
    ]
    draft.state = replace(state, guards=tuple([after for after, _ in tested]), untested=False)
    for place, (_, outcomes) in enumerate(tested):
        for outcome in outcomes:
            _act(draft, place, outcome, equity)


def test_limits(draft: Draft, quotes: Mapping[str, Quote], equity: int) -> None:
    """Tests only the limits on equity: on the broker's own, where nothing else can be valued."""
    _take_limits(draft, quotes, equity, None)


def test_doubted(draft: Draft, quotes: Mapping[str, Quote], equity: int, witness: int) -> None:
    """Tests the limits on equity where neither our own nor the broker's is believed alone.

    Nothing counts but the breach of a limit that both break; no other is said to have been tested.
    """
    _take_limits(draft, quotes, equity, witness)


def _take_limits(
    draft: Draft, quotes: Mapping[str, Quote], equity: int, witness: int | None
) -> None:
    state = draft.state
    view = View(state, draft.time_msc, quotes, equity)
    broken = None if witness is None else _broken(state, witness)
    guards = list(state.guards)
    found: list[tuple[int, Outcome]] = []
    for place in _limits(state):
        guard = state.spec.guards[place]
        assert isinstance(guard, EquityLimit)
        after, outcome = equity_limits.evaluate(guard, place, guards[place], view)
        if broken is not None and not (isinstance(outcome, LimitBreached) and place in broken):
            continue
        guards[place] = after
        if outcome is not None:
            found.append((place, outcome))
    draft.state = replace(state, guards=tuple(guards))
    for place, outcome in found:
        _act(draft, place, outcome, equity, witness)


def limits_broken(state: AccountState, equity: int) -> bool:
    """Whether this equity would break a limit that is not latched."""
    return bool(_broken(state, equity))


def _broken(state: AccountState, equity: int) -> frozenset[int]:
    """Places of the limits, not latched, that this equity breaks."""
    view = View(state, state.time_msc, {}, equity)
    broken = set()
    for place in _limits(state):
        guard, known = state.spec.guards[place], state.guards[place]
        assert isinstance(guard, EquityLimit)
        outcome = equity_limits.evaluate(guard, place, known, view)[1]
        if isinstance(outcome, LimitBreached):
            broken.add(place)
    return frozenset(broken)


def _limits(state: AccountState) -> list[int]:
    """Places of the limits on equity whose reference is known."""
    return [
        place
        for place, (guard, known) in enumerate(zip(state.spec.guards, state.guards, strict=True))
        if isinstance(guard, EquityLimit)
        and guard.measured is Measured.EQUITY
        and (known.reference_minor is not None or not needs_reference(guard))
    ]


def needs_reference(guard: EquityLimit) -> bool:
    """Whether the guard goes by a reference that is taken at resets or at the first valuation."""
    return guard.reference in _TAKEN


_TAKEN = frozenset(
    {
        Reference.BALANCE_AT_RESET,
        Reference.EQUITY_AT_RESET,
        Reference.HIGHER_AT_RESET,
        Reference.DAY_HIGH_EQUITY,
        Reference.END_OF_DAY_BALANCE_HIGH_WATER,
    }
)


def _act(
    draft: Draft, place: int, outcome: Outcome, equity: int, witness: int | None = None
) -> None:
    guard: Guard = draft.state.spec.guards[place]
    match outcome:
        case LimitWarned():
            _publish_warning(draft, guard, outcome, equity)
        case LimitBreached():
            _publish_breach(draft, guard, outcome, equity, witness)
            _breached(draft, place, None)
        case RuleFound(breach=False):
            draft.publish(
                records.RuleWarning, **rule_fields(draft, guard.name, _kind(guard), outcome)
            )
        case RuleFound():
            fields = rule_fields(draft, guard.name, _kind(guard), outcome)
            draft.publish(records.RuleBreach, action=guard.action.value, **fields)
            _breached(draft, place, outcome.only_positions)
        case Reached():
            draft.publish(
                records.ObjectiveReached,
                guard=guard.name,
                kind=_kind(guard),
                value=outcome.value,
                target=outcome.target,
            )
            _breached(draft, place, None)
        case _:
            assert_never(outcome)


def _breached(draft: Draft, place: int, only_positions: tuple[int, ...] | None) -> None:
    """Halts, and sets when the close is due; the close itself waits until all are tested."""
    guard = draft.state.spec.guards[place]
    if guard.action.halts:
        halt(draft, guard.name)
    if only_positions is not None:
        if guard.action.closes:
            for position in draft.state.positions:
                if position.position_id in only_positions:
                    closing.intend(draft, position, guard.name)
        return
    closes = guard.action.closes and draft.state.spec.mode is not Mode.OBSERVE
    guards = list(draft.state.guards)
    due = draft.time_msc + int(guard.notice_s * 1000) if closes else None
    if due is not None and (pending := guards[place].close_due_msc) is not None:
        due = min(due, pending)  # breached anew after a reset, inside its notice: no second one
    guards[place] = replace(guards[place], breached_at_msc=draft.time_msc, close_due_msc=due)
    draft.state = replace(draft.state, guards=tuple(guards))


def halt(draft: Draft, cause: str) -> None:
    """Takes no new risk for this cause, and says so; already halted for it, nothing."""
    state = draft.state
    if cause in state.halts:
        return
    live = state.live
    if live is not None and not state.halts:
        there = tuple(one.identifier for one in live.holdings)
        live = replace(live, halted_ids=there, halted_magics=())
        draft.effects.append(TellTerminal(is_halted=True))
    draft.state = replace(state, halts=(*state.halts, cause), live=live)
    draft.publish(records.AccountHalted, cause=cause)


def release(draft: Draft, by: str, cause: str, reason: str) -> Refused | None:
    """Ends one halt and the latch of its guard; refused without a reason or for `never`."""
    state = draft.state
    place = next((i for i, g in enumerate(state.spec.guards) if g.name == cause), None)
    latched = place is not None and state.guards[place].breached
    if cause not in state.halts and not latched:
        return Refused(f"nothing is halted or latched by {cause!r}")
    if not reason.strip():
        return Refused("a release needs a reason")
    if place is not None and state.spec.guards[place].latch is Latch.NEVER:
        return Refused(f"the latch of {cause!r} is never released")
    if place is not None:
        unlatch(draft, place)
    end_halt(draft, by, cause, reason)
    return None


def unlatch(draft: Draft, place: int) -> None:
    """Ends a guard's breach; a close already decided stays due."""
    guards = list(draft.state.guards)
    guards[place] = replace(guards[place], breached=False, breached_at_msc=None)
    draft.state = replace(draft.state, guards=tuple(guards), untested=True)


def end_halt(draft: Draft, by: str, cause: str, reason: str) -> None:
    """Takes new risk again as far as this cause goes, and says so."""
    state = draft.state
    if cause in state.halts:
        kept = tuple(other for other in state.halts if other != cause)
        draft.state = replace(state, halts=kept)
        if state.live is not None and not kept:
            draft.effects.append(TellTerminal(is_halted=False))
        draft.publish(records.AccountReleased, by=by, cause=cause, reason=reason)


def _publish_warning(draft: Draft, guard: Guard, found: LimitWarned, equity: int) -> None:
    fields = _limit_fields(draft, guard, found, equity)
    draft.publish(records.GuardWarning, used_percent=found.used_percent, **fields)


def _publish_breach(
    draft: Draft, guard: Guard, found: LimitBreached, equity: int, witness: int | None
) -> None:
    draft.publish(
        records.GuardBreach,
        measured=found.measured,
        comparator=found.comparator,
        action=guard.action.value,
        broker_equity=UNSET if witness is None else draft.state.spec.major(witness),
        **_limit_fields(draft, guard, found, equity),
    )


def _limit_fields(
    draft: Draft, guard: Guard, found: LimitWarned | LimitBreached, equity: int
) -> dict[str, object]:
    spec = draft.state.spec
    return {
        "verdict_id": verdict_id(spec.key, guard.name, draft.next_seq),
        "guard": guard.name,
        "kind": _kind(guard),
        "equity": spec.major(equity),
        "balance": spec.major(draft.state.balance_minor),
        "floor": spec.major(found.floor_minor),
        "reference": spec.major(found.reference_minor),
    }


def rule_fields(draft: Draft, guard: str, kind: str, found: RuleFound) -> dict[str, object]:
    """What the records of a rule's warning and of its breach have in common."""
    return {
        "verdict_id": verdict_id(draft.state.spec.key, guard, draft.next_seq),
        "guard": guard,
        "kind": kind,
        "measured": found.measured,
        "value": None if found.value is None else percent(found.value),
        "limit": found.limit,
        "subject": found.subject,
    }


def _kind(guard: Guard) -> str:
    tag = guard.__struct_config__.tag
    assert isinstance(tag, str)
    return tag
