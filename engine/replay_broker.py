"""The broker of a replay: it fills everything at once, at the tick's own bid or ask.

Zero latency is the one kindness of a replay and every report says so. A fill reaches the account
as a deal, by the same event a live broker's deals come in.
"""

from collections.abc import Iterator

from engine.domain.account import AccountState
from engine.domain.effects import SendClose
from engine.domain.events import DealReported
from engine.domain.positions import Side
from engine.domain.records import Tick
from engine.domain.valuation import Quotes, missing_quote, profit_minor


def stops_reached(
    state: AccountState, time_msc: int, tick: Tick, quotes: Quotes
) -> Iterator[DealReported]:
    """Deals of the positions whose stop or target this tick reaches, once the account is known.

    Only a tick of the position's own symbol fills it, at that tick's price, not at the level.
    """
    if missing_quote(state.spec.market, state.positions, quotes) is not None:
        return
    for position in state.positions:
        if position.symbol == tick.symbol:
            reason = position.reached(tick.bid, tick.ask)
            if reason is not None:
                yield fill(state, position.position_id, 0.0, reason, time_msc, tick, quotes)


def fill_close(
    state: AccountState, close: SendClose, time_msc: int, tick: Tick | None, quotes: Quotes
) -> DealReported:
    """The deal of a close the account asked for, at the latest quote of its symbol."""
    return fill(
        state,
        close.position_id,
        close.target_volume_lots,
        close.reason,
        time_msc,
        tick,
        quotes,
    )


def fill(
    state: AccountState,
    position_id: int,
    target_volume_lots: float,
    reason: str,
    time_msc: int,
    tick: Tick | None,
    quotes: Quotes,
) -> DealReported:
    """The deal that brings a position down to `target_volume_lots`."""
    position = state.position(position_id)
    assert position is not None, f"position {position_id} is not open"
    volume_lots = position.volume_lots - target_volume_lots
    quote = quotes[position.symbol]
    price = quote.bid if position.side is Side.BUY else quote.ask
    return DealReported(
        time_msc=time_msc,
        position_id=position_id,
        volume_lots=volume_lots,
        price=price,
        profit_minor=profit_minor(state.spec.market, position, quotes, volume_lots, price),
        reason=reason,
        tick=tick,
    )
