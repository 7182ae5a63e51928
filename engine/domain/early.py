"""Fills that a terminal tells before our newest quote of their symbol is as new as they are.

Quotes of a server come over one terminal, an account's fills over its own. A stop order filled in a
jump may so be told before the jump is: its position, valued on the older quote, makes an equity
that never was. Whoever delivers what terminals say keeps such a telling back until the quote is
there; this file says which tellings those are.

Both times are the server's own wall clock, so no terminal's idea of UTC enters.
"""

from collections.abc import Iterator
from typing import NamedTuple

from engine.domain.link_events import DealCame, LinkEvent, PositionCame, ReportCame
from engine.domain.live import Live
from engine.domain.quotes import Quote
from engine.domain.reports import DealReport, PositionReport

_BUY, _SELL = 0, 1
_OUT_BY = 3
"""DEAL_ENTRY of a close by an opposite position: at that one's price, not at the market's."""
_DUST_LOTS = 1e-9
_ROUNDING = 1e-9
"""Of a price: what averaging several fills may leave."""


class Fill(NamedTuple):
    """A trade that a telling has in it."""

    symbol: str
    """The terminal's name of it."""
    server_msc: int
    """The server's wall clock, written as if UTC."""
    is_buy: bool
    """Whether it was filled at the ask; a buy's close is at the bid."""
    price: float


def fills_in(live: Live, event: LinkEvent) -> Iterator[Fill]:
    """The trades this event would have the account know of that it does not know yet.

    A position that shrank or went tells no price: its deal does.
    """
    match event:
        case DealCame(deal=deal) if _is_at_market(deal):
            yield Fill(deal.symbol, deal.time_msc, deal.type == _BUY, deal.price)
        case PositionCame(position=told, is_closed=False):
            yield from _growth(live.holding(told.identifier), told)
        case ReportCame(report=report) if report.complete:
            held = {one.identifier: one for one in live.holdings}
            for told in report.positions:
                yield from _growth(held.get(told.identifier), told)
        case _:
            pass


def is_early(fill: Fill, newest_msc: int, quote: Quote) -> bool:
    """Whether the fill was made on a quote that has not come yet.

    It is newer than our newest one, and was not made at its price: further from it than its spread.
    A fill of a quiet market is newer as well, for it comes between two ticks; at the price that
    still stands it is worth what it should be, and nothing waits.

    Args:
        newest_msc: of the newest quote, by the same clock as the fill's.
        quote: that quote.
    """
    if fill.server_msc <= newest_msc:
        return False
    price = quote.ask if fill.is_buy else quote.bid
    return abs(fill.price - price) > quote.ask - quote.bid + _ROUNDING * price


def _is_at_market(deal: DealReport) -> bool:
    return deal.type in (_BUY, _SELL) and deal.entry != _OUT_BY and deal.price > 0.0


def _growth(known: PositionReport | None, told: PositionReport) -> Iterator[Fill]:
    """What made the position new, larger, or turned it round."""
    at_msc = max(told.time_msc, told.time_update_msc)
    is_buy, price = told.type == _BUY, told.price_open
    if known is not None and known.type == told.type:
        grown_lots = told.volume - known.volume
        if grown_lots <= _DUST_LOTS:
            return
        price = (told.volume * told.price_open - known.volume * known.price_open) / grown_lots
    yield Fill(told.symbol, at_msc, is_buy, price)
