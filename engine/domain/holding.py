"""What a live account holds, as its terminal tells it: taken whole, put, shrunk, dropped."""

from msgspec.structs import replace

from engine.domain import driving, records
from engine.domain.account import AccountState
from engine.domain.adoption import position_of
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.positions import Position
from engine.domain.reports import FullReport, PositionReport
from engine.domain.units import minor

_BUY = 0
_DUST_LOTS = 1e-9


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
    if before is not None and told.volume < before.volume - _DUST_LOTS:
        # Less of it, and no deal has said so: what that paid is in no balance yet.
        set_live(draft, settling=(*live_of(draft).settling, number))
        driving.ask_report(draft, "a position shrank without a deal")


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


def shrink(draft: Draft, position: Position, left_lots: float) -> None:
    """Holds less of it; its swap settles in proportion."""
    state, live = draft.state, live_of(draft)
    share = left_lots / position.volume_lots
    smaller = replace(
        position,
        volume_lots=round(left_lots, 8),
        swap_minor=minor(position.swap_minor * share, 0),
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
