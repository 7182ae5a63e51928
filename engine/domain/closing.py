"""Closing positions: what is decided, and what a deal makes of it.

A close names what must remain of a position, never what must go: said twice it closes once.
"""

from msgspec.structs import replace

from engine.domain import driving, objectives, records
from engine.domain.account import Mode
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
    """Flattens when a notice has run out, for the first guard listed among those that have."""
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
    flatten(draft, f"guard:{state.spec.guards[due[0]].name}")


def flatten(draft: Draft, reason: str) -> None:
    """Asks for every position to be closed wholly, and every pending order to be cancelled."""
    if draft.state.live is not None:
        driving.flatten(draft, reason)
        return
    for position in draft.state.positions:
        intend(draft, position, reason)


def intend(draft: Draft, position: Position, reason: str) -> None:
    """Asks for one position to be closed wholly, once a step; never where it is only observed."""
    state = draft.state
    if state.live is not None:
        driving.intend(draft, position.position_id, reason)
        return
    if state.spec.mode is Mode.OBSERVE or _is_asked(draft, position.position_id):
        return
    number = state.intents + 1
    name = intent_id(state.spec.key, number)
    draft.state = replace(state, intents=number)
    draft.publish(
        records.CloseIntended,
        intent_id=name,
        position_id=position.position_id,
        target_volume_lots=0.0,
        reason=reason,
    )
    draft.effects.append(SendClose(name, position.position_id, 0.0, reason))


def _is_asked(draft: Draft, position_id: int) -> bool:
    """Whether this step closes the position already, for another guard."""
    return any(isinstance(e, SendClose) and e.position_id == position_id for e in draft.effects)


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
