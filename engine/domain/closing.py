"""Closing positions: what is decided, and what a deal makes of it.

A close names what must remain of a position, never what must go: said twice it closes once.
"""

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import driving, objectives, records, yielding
from engine.domain.account import AccountState, Mode, WaitingClose
from engine.domain.close_plans import Rule
from engine.domain.discrepancies import State
from engine.domain.drafts import Draft
from engine.domain.effects import SendClose
from engine.domain.events import DealReported
from engine.domain.guards import Consistency, MinDays, ProfitTarget
from engine.domain.ids import intent_id
from engine.domain.positions import Position
from engine.domain.units import minor

_DUST_LOTS = 1e-9
"""Less than this of a position is none of it: lots are doubles."""


def close_what_is_due(draft: Draft) -> None:
    """Flattens when a notice has run out, for the first guard listed among those that have.

    A later one of a stronger place closes what the first must leave waiting.
    """
    state = draft.state
    due = [
        place
        for place, known in enumerate(state.guards)
        if known.close_due_msc is not None and known.close_due_msc <= draft.time_msc
    ]
    if not due:
        return
    guards = list(state.guards)
    for place in due:
        guards[place] = replace(guards[place], close_due_msc=None)
    draft.state = replace(state, guards=tuple(guards))
    names = [state.spec.guards[place].name for place in due]
    flatten(draft, f"guard:{names[0]}")
    asked = yielding.rank_of(state.spec, names[0])
    for name in names[1:]:
        asks = yielding.rank_of(state.spec, name)
        if asks < asked and (yielding.waiting(draft.state) or _flattens_later(draft.state)):
            flatten(draft, f"guard:{name}")
            asked = asks


def _flattens_later(state: AccountState) -> bool:
    """Whether the next report is to close what it shows besides: that too is for the strongest."""
    return (
        state.live is not None
        and bool(state.live.flatten_reason)
        and state.spec.minimum_hold_s is not UNSET
    )


def flatten(draft: Draft, reason: str) -> None:
    """Asks for every position to be closed wholly, and every pending order to be cancelled."""
    if draft.state.live is not None:
        driving.flatten(draft, reason)
        return
    asks = yielding.rank_of_flatten(draft.state.spec, reason)
    _intend_all(draft, draft.state.positions, reason, asks)


def intend(draft: Draft, position: Position, guard: str) -> None:
    """Asks, for a guard, that one position be closed wholly, once a step."""
    asks = yielding.rank_of(draft.state.spec, guard)
    _intend(draft, position, f"guard:{guard}", asks)


def resume_waiting(draft: Draft) -> None:
    """Closes what waited for a rule that now allows it; what is gone or is closed waits no more.

    A breach that is over meanwhile cancels nothing, as in a notice. A discrepancy does: the policy
    acts on one that is.
    """
    state = draft.state
    if state.live is None and not state.known:
        return
    for one in yielding.waiting(state):
        position = state.position(one.position_id)
        if position is None or state.spec.mode is Mode.OBSERVE or not _is_wanted(state, one):
            yielding.forget(draft, one.position_id)
        elif one.until_msc <= draft.time_msc:
            _intend(draft, position, one.reason, Rule(one.asks))


def _is_wanted(state: AccountState, one: WaitingClose) -> bool:
    kind, _, name = one.reason.partition(":")
    if kind != "discrepancy" or state.live is None:
        return True
    return any(
        row.finding.position_id == one.position_id
        and row.kind.value == name
        and row.state is State.CONFIRMED
        for row in state.live.book.rows
    )


def _intend(draft: Draft, position: Position, reason: str, asks: Rule) -> None:
    if draft.state.live is not None:
        driving.intend(draft, position.position_id, reason, asks)
        return
    _intend_all(draft, (position,), reason, asks)


def _intend_all(draft: Draft, positions: tuple[Position, ...], reason: str, asks: Rule) -> None:
    """In a replay: each wholly, once a step; never where it is only observed."""
    if draft.state.spec.mode is Mode.OBSERVE:
        return
    asked = {e.position_id for e in draft.effects if isinstance(e, SendClose)}
    going = yielding.divide(draft, positions, reason, asks, asked.__contains__)
    for position in positions:
        number = position.position_id
        if number not in going or number in asked:
            continue
        state = draft.state
        name = intent_id(state.spec.key, state.intents + 1)
        draft.state = replace(state, intents=state.intents + 1)
        draft.publish(
            records.CloseIntended,
            intent_id=name,
            position_id=number,
            target_volume_lots=0.0,
            reason=reason,
            sacrificed=going[number] or UNSET,
        )
        draft.effects.append(SendClose(name, number, 0.0, reason))


def settle(draft: Draft, deal: DealReported) -> None:
    """Books a deal that closed a position, wholly or in part; its swap settles in proportion."""
    draft.tick = deal.tick
    state = draft.state
    position = state.position(deal.position_id)
    assert position is not None, f"a deal closes position {deal.position_id}, which is not open"
    left = position.volume_lots - deal.volume_lots
    assert left > -_DUST_LOTS, f"a deal closes {deal.volume_lots} of {position.volume_lots} lots"
    if left <= _DUST_LOTS:
        swap_minor = position.swap_minor
        kept: tuple[Position, ...] = ()
    else:
        swap_minor = minor(position.swap_minor * deal.volume_lots / position.volume_lots, 0)
        kept = (replace(position, volume_lots=left, swap_minor=position.swap_minor - swap_minor),)
    place = state.positions.index(position)
    gained = deal.profit_minor + swap_minor
    draft.state = replace(
        state,
        positions=(*state.positions[:place], *kept, *state.positions[place + 1 :]),
        balance_minor=state.balance_minor + gained,
        guards=tuple(
            objectives.on_deal(guard, known, gained)
            if isinstance(guard, ProfitTarget | MinDays | Consistency)
            else known
            for guard, known in zip(state.spec.guards, state.guards, strict=True)
        ),
        untested=True,
    )
    draft.publish(
        records.PositionClosed,
        position_id=position.position_id,
        symbol=position.symbol,
        side=position.side.value,
        volume_lots=deal.volume_lots,
        open_price=position.open_price,
        close_price=deal.price,
        profit=state.spec.major(deal.profit_minor),
        reason=deal.reason,
    )
