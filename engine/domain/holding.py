"""What a live account holds, as its terminal tells it: taken whole, put, shrunk, dropped."""

from collections.abc import Sequence

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import driving, records
from engine.domain.account import AccountState
from engine.domain.adoption import position_of
from engine.domain.close_orders import Kind
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.live import Gone
from engine.domain.positions import Position, Side
from engine.domain.reports import FullReport, PositionReport
from engine.domain.retcodes import RetcodeClass, classify

GONE_KEPT_MS = 600_000
"""So long the closing deal of a position that is gone is waited for, to publish what it closed."""
GONE_KEPT = 64
_BUY = 0
_DUST_LOTS = 1e-9
_MAY_BE_DONE = (RetcodeClass.SUCCESS, RetcodeClass.ALREADY_SO, RetcodeClass.UNKNOWN)


def hold(draft: Draft, report: FullReport, gmt_offset_s: int) -> None:
    """Holds exactly what the report says."""
    state = draft.state
    known = {one.position_id: one for one in state.positions}
    positions = tuple(
        _position(state, told, gmt_offset_s, known.get(told.identifier))
        for told in report.positions
    )
    untested = state.untested or positions != state.positions
    draft.state = replace(state, positions=positions, untested=untested)
    set_live(
        draft,
        holdings=tuple(_lasting(one) for one in report.positions),
        orders=report.orders,
    )
    told = {(one.position_id, one.side) for one in positions}
    _miss(draft, [one for one in state.positions if (one.position_id, one.side) not in told])


def put(draft: Draft, told: PositionReport, gmt_offset_s: int) -> None:
    """Holds one position as told, new or not."""
    state, live = draft.state, live_of(draft)
    number = told.identifier
    position = _position(state, told, gmt_offset_s, state.position(number))
    if state.position(number) is None:
        positions = (*state.positions, position)
        holdings = (*live.holdings, _lasting(told))
    else:
        positions = tuple(position if one.position_id == number else one for one in state.positions)
        holdings = tuple(
            _lasting(told) if one.identifier == number else one for one in live.holdings
        )
    draft.state = replace(state, positions=positions, untested=True)
    set_live(draft, holdings=holdings)
    before = live.holding(number)
    if before is None:
        return
    turned = told.type != before.type
    if turned or told.volume < before.volume - _DUST_LOTS:
        # Less of it, and no deal has said so: what that paid is in no balance yet.
        set_live(draft, settling=(*live_of(draft).settling, number))
        how = "turned" if turned else "shrank"
        driving.ask_report(draft, f"a position {how} without a deal")
    if turned and (was := state.position(number)) is not None:
        _miss(draft, [was])


def vanish(draft: Draft, position_id: int) -> None:
    """Holds it no more, though no deal has said so: one is waited for."""
    position = draft.state.position(position_id)
    drop(draft, position_id)
    _miss(draft, [] if position is None else [position])


def missed(draft: Draft, position_id: int, side: Side) -> Position | None:
    """The position of this side as it was when it went, or turned, before the deal at hand came."""
    oldest_msc = draft.time_msc - GONE_KEPT_MS
    for one in reversed(live_of(draft).gone or ()):
        was = one.position
        if (was.position_id, was.side) == (position_id, side) and one.since_msc > oldest_msc:
            return was
    return None


def vanished_lots(state: AccountState) -> dict[int, float]:
    """Volume whose deal has not come, of positions that went while a close of ours was under way.

    The close is settled by then, and still the volume is on its way, not missing. Not looked at for
    a journal from before closes yielded (`yielding`): that is stepped as it was.
    """
    live = state.live
    if live is None or not live.gone or state.spec.minimum_hold_s is UNSET:
        return {}
    asked = {
        number
        for one in live.closes
        if one.kind is not Kind.CANCEL
        and one.sent_at_ms is not None
        and classify(one.retcode) in _MAY_BE_DONE
        for number in (one.position_id, one.position_by)
    }
    gone = [one.position for one in live.gone]
    return {
        one.position_id: one.volume_lots
        for one in gone
        if one.position_id in asked and live.holding(one.position_id) is None
    }


def came(draft: Draft, position_id: int, side: Side, lots: float) -> None:
    """Takes the volume of a deal off what of this side was gone before it: it is awaited no more.

    The position itself stays known, for another deal of it. See `vanished_lots` of older journals.
    """
    if draft.state.spec.minimum_hold_s is UNSET:
        return
    left = tuple(
        replace(one, position=_less(one.position, lots))
        if (one.position.position_id, one.position.side) == (position_id, side)
        else one
        for one in live_of(draft).gone or ()
    )
    set_live(draft, gone=left or UNSET)


def _less(position: Position, lots: float) -> Position:
    return replace(position, volume_lots=max(0.0, round(position.volume_lots - lots, 8)))


def _miss(draft: Draft, positions: Sequence[Position]) -> None:
    if not positions:
        return
    now_msc = draft.time_msc
    kept = [one for one in live_of(draft).gone or () if now_msc - one.since_msc < GONE_KEPT_MS]
    kept += [Gone(position, now_msc) for position in positions]
    set_live(draft, gone=tuple(kept[-GONE_KEPT:]))


def drop(draft: Draft, position_id: int) -> None:
    """Holds it no more."""
    state, live = draft.state, live_of(draft)
    draft.state = replace(
        state,
        positions=tuple(one for one in state.positions if one.position_id != position_id),
        untested=True,
    )
    set_live(draft, holdings=tuple(one for one in live.holdings if one.identifier != position_id))


def _position(
    state: AccountState, told: PositionReport, gmt_offset_s: int, known: Position | None
) -> Position:
    opened_msc = told.time_msc - gmt_offset_s * 1000 if told.time_msc else None
    if known is not None and known.opened_at_msc is not None:
        opened_msc = known.opened_at_msc  # a terminal may mend its offset later
    position = position_of(told, state.spec.digits)
    symbol = driving.book_symbol(state, told.symbol)
    return replace(position, symbol=symbol, opened_at_msc=opened_msc)


def _lasting(told: PositionReport) -> PositionReport:
    """The record without what the market moves: equal as long as nothing happened to it."""
    return replace(told, profit=0.0)


def say_opened(draft: Draft, told: PositionReport) -> None:
    """Publishes that a position is there that was not."""
    draft.publish(
        records.PositionOpened,
        position_id=told.identifier,
        symbol=told.symbol,
        side="buy" if told.type == _BUY else "sell",
        volume_lots=told.volume,
        open_price=told.price_open,
        magic=told.magic,
    )


def shrink(draft: Draft, position: Position, left_lots: float, settled_minor: int) -> None:
    """Holds less of it; `settled_minor` of its swap is booked, the rest stays on it."""
    state, live = draft.state, live_of(draft)
    smaller = replace(
        position,
        volume_lots=round(left_lots, 8),
        swap_minor=position.swap_minor - settled_minor,
    )
    draft.state = replace(
        state,
        positions=tuple(
            smaller if one.position_id == position.position_id else one for one in state.positions
        ),
        untested=True,
    )
    set_live(
        draft,
        holdings=tuple(
            replace(one, volume=round(left_lots, 8))
            if one.identifier == position.position_id
            else one
            for one in live.holdings
        ),
    )
