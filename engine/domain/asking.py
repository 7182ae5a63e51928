"""What people and strategies ask of a live account: intents, single closes, another rule set."""

from datetime import UTC, datetime

from msgspec.structs import replace

from engine.domain import (
    close_orders,
    closing,
    driving,
    guarding,
    intents,
    net_deals,
    records,
    yielding,
)
from engine.domain.account import AccountSpec, AccountState, GuardState, Mode
from engine.domain.beliefs import Terms
from engine.domain.close_orders import State
from engine.domain.close_plans import Rule
from engine.domain.commands import (
    Adopt,
    ClosePosition,
    Flatten,
    Refused,
    Register,
    Respec,
    Resume,
    Withdraw,
)
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.equity_limits import follows_day_high
from engine.domain.guards import AccountGuard
from engine.domain.ids import AccountKey
from engine.domain.intents import Intent, IntentError
from engine.domain.link_events import Founded
from engine.domain.live import Live
from engine.domain.marks import opening_marks
from engine.domain.valuation import Market
from engine.domain.watch import NEVER_MSC, Marks

INTENTS = 1024
"""At most so many may be registered for an account at a time."""

_NOT_LIVE = Refused("this account has no link to a terminal")
_OBSERVED = Refused("the account is only observed: nothing is traded on it")


def blank(key: AccountKey) -> AccountState:
    """A live account before anything is known of it: where every journal of one begins."""
    spec = AccountSpec(
        key=key, market=Market("", 2, {}, ()), initial_minor=0, guards=(), ruleset=""
    )
    return AccountState(
        spec=spec, balance_minor=0, marks=Marks(trackers=(0.0,)), live=Live(terms=Terms(digits=2))
    )


def found(draft: Draft, event: Founded) -> None:
    """Guards the account by what its book says; see `respec` for one that is guarded already."""
    set_live(
        draft,
        terms=event.terms,
        close_terms=event.close_terms,
        expects=event.expects or live_of(draft).expects,
    )
    command = Respec(event.time_msc, "book", event.spec, "read at the start")
    respec(draft, command)


def flatten(draft: Draft, command: Flatten) -> Refused | None:
    """Closes everything; refused where nothing may be traded, so that nobody takes it for done."""
    if draft.state.spec.mode is Mode.OBSERVE:
        return _OBSERVED
    closing.flatten(draft, f"manual:{command.by}")
    return None


def close_position(draft: Draft, command: ClosePosition) -> Refused | None:
    """Closes one position wholly; refused while that breaks a rule, which a flatten does not mind.

    One that is closed already is not judged.
    """
    if draft.state.live is None:
        return _NOT_LIVE
    if not command.reason.strip():
        return Refused("a close needs a reason")
    if draft.state.spec.mode is Mode.OBSERVE:
        return _OBSERVED
    if live_of(draft).holding(command.position_id) is None:
        return Refused(f"position {command.position_id} is not held")
    against = _against(draft, command.position_id)
    if against is not None:
        return against
    if driving.intend(draft, command.position_id, f"manual:{command.by}") is None:
        return Refused(f"position {command.position_id} is being closed already")
    return None


def _against(draft: Draft, position_id: int) -> Refused | None:
    """Which rule forbids a person to close the position now, and until when."""
    position = draft.state.position(position_id)
    if position is None or position_id in driving.asked_for(live_of(draft)):
        return None
    found = yielding.judge(draft.state, (position,), Rule.OTHER, draft.time_msc)
    if not found.yields_to:
        return None
    until = "nobody knows when"
    if found.until_msc != NEVER_MSC:
        until = datetime.fromtimestamp(found.until_msc / 1000, UTC).isoformat()
    return Refused(
        f"closing position {position_id} now breaks {' and '.join(found.yields_to)}, until"
        f" {until}: wait, or flatten the account, which is done at once and recorded as such"
    )


def resume(draft: Draft, command: Resume) -> Refused | None:
    """Tries a close again that waits, or that was given up to a person."""
    if draft.state.live is None:
        return _NOT_LIVE
    found = [one for one in live_of(draft).closes if one.intent_id == command.intent_id]
    if not found:
        return Refused(f"there is no close {command.intent_id}")
    stuck = found[0].state in (State.WAITING, State.REFUSED, State.ESCALATED)
    if not stuck or found[0].in_flight:
        return Refused(f"close {command.intent_id} is {found[0].state.value}: it goes on by itself")
    driving.apply(draft, command.intent_id, close_orders.resumed)
    return None


def register(draft: Draft, command: Register) -> Refused | None:
    """Takes note of what a strategy means to hold; the same words again change nothing.

    But for what is on its way, which is as last said.
    """
    if draft.state.live is None:
        return _NOT_LIVE
    book = live_of(draft).book
    is_known = any(one.intent_id == command.intent.intent_id for one in book.intents)
    if len(book.intents) >= INTENTS and not is_known:
        return Refused(f"{INTENTS} intents are registered already: withdraw some")
    try:
        known = intents.register(book.intents, command.intent)
    except IntentError as error:
        return Refused(str(error))
    if known == book.intents:
        return None
    set_live(draft, book=replace(book, intents=known), expects=True)
    if not is_known:
        _say_registered(draft, command.by, known[-1])
    driving.ask_report(draft, "an intent was registered")
    return None


def withdraw(draft: Draft, command: Withdraw) -> Refused | None:
    """Forgets what a strategy meant to hold."""
    if draft.state.live is None:
        return _NOT_LIVE
    book = live_of(draft).book
    kept = tuple(one for one in book.intents if one.intent_id != command.intent_id)
    if len(kept) == len(book.intents):
        return Refused(f"there is no intent {command.intent_id}")
    set_live(draft, book=replace(book, intents=kept))
    draft.publish(records.IntentWithdrawn, intent_id=command.intent_id, by=command.by)
    driving.ask_report(draft, "an intent was withdrawn")
    return None


def adopt(draft: Draft, command: Adopt) -> Refused | None:
    """Makes a position that nobody here opened one that is meant."""
    if draft.state.live is None:
        return _NOT_LIVE
    live = live_of(draft)
    position = draft.state.position(command.position_id)
    if position is None:
        return Refused(f"position {command.position_id} is not held")
    known = live.book.intents
    if live.terms.nets:
        allowed = live.terms.tolerances_of(live.terms.name(position.symbol), live.book.specs)
        step = allowed.volume_step
        try:
            intent = net_deals.unmeant(known, position, live.terms, step, draft.time_msc)
        except IntentError as error:
            return Refused(str(error))
    elif any(command.position_id in one.position_ids for one in known):
        return Refused(f"position {command.position_id} is meant already")
    else:
        intent = intents.adopted(position, draft.time_msc)
    others = tuple(one for one in live.book.intents if one.intent_id != intent.intent_id)
    set_live(draft, book=replace(live.book, intents=(*others, intent)))
    _say_registered(draft, command.by, intent)
    driving.ask_report(draft, "a position was adopted")
    return None


def respec(draft: Draft, command: Respec) -> None:
    """Guards the account by another specification; what guards remember goes with their names."""
    state = draft.state
    was, now = state.spec, command.spec
    if not state.opened:
        draft.state = replace(state, spec=now, marks=opening_marks(now))
    else:
        guards = tuple(_carried(state, guard, now) for guard in now.guards)
        marks = _carried_marks(state, now)
        # Unknown until the next valuation, which gives new guards their references.
        draft.state = replace(
            state, spec=now, guards=guards, marks=marks, known=False, untested=True
        )
    live = draft.state.live
    if live is not None:
        set_live(draft, floor_sent=None)
    changed = was.guards != now.guards or was.ruleset != now.ruleset or was.mode is not now.mode
    # An older journal's specification has none: that it is looked at from here is no other rule.
    changed = changed or (was.minimum_hold_s or 0.0) != (now.minimum_hold_s or 0.0)
    if state.opened and changed:
        draft.publish(
            records.RulesetChanged, by=command.by, ruleset=now.ruleset, reason=command.reason
        )


def _carried(state: AccountState, guard: AccountGuard, spec: AccountSpec) -> GuardState:
    """What the guard of that name remembers, where it is of the same kind; else a fresh start."""
    for place, old in enumerate(state.spec.guards):
        is_same = old.name == guard.name and type(old) is type(guard)
        if is_same and getattr(old, "reference", None) is getattr(guard, "reference", None):
            return state.guards[place]
    return guarding.opening_state(guard, spec, state.balance_minor)


def _carried_marks(state: AccountState, spec: AccountSpec) -> Marks:
    """The marks with a day high for each guard that follows one, by name."""
    old = [g.name for g in state.spec.guards if follows_day_high(g)]
    now = [g.name for g in spec.guards if follows_day_high(g)]
    if old == now:
        return state.marks
    highs = dict(zip(old, state.marks.trackers[1:], strict=True))
    trackers = (state.marks.trackers[0], *(highs.get(name, float("-inf")) for name in now))
    return replace(state.marks, trackers=trackers)


def _say_registered(draft: Draft, by: str, intent: Intent) -> None:
    draft.publish(
        records.IntentRegistered,
        intent_id=intent.intent_id,
        by=by,
        symbol=intent.symbol,
        side=intent.side.value,
        volume_lots=intent.volume_lots,
    )
