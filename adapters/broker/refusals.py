"""Why the server refuses a request: the retcode it answers with, or None where it would do it.

The order of the tests is that of a server: rights, the market, the request's own form, limits,
money. Source: MQL5 Reference, "Trade Server Return Codes".
"""

from adapters.broker.account import BrokerAccount
from adapters.broker.holdings import Held, Resting
from adapters.broker.market import Symbol
from adapters.broker.requests import Kind, Request
from adapters.mt5.constants import OrderFilling, OrderType, SymbolFilling
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote, defect

DUST_LOTS = 1e-9
_FILLING_BIT = {
    OrderFilling.FOK: SymbolFilling.FOK,
    OrderFilling.IOC: SymbolFilling.IOC,
    OrderFilling.BOC: SymbolFilling.BOC,
}


def refusal(account: BrokerAccount, request: Request, utc_msc: int) -> int | None:
    """The retcode of a refusal; None where the request can go on to be executed."""
    terms = account.terms
    if request.is_expert and not terms.has_autotrading:
        return 10027
    if request.is_expert and not terms.may_run_experts:
        return 10026
    if not terms.may_trade:
        return 10017
    if request.kind is Kind.CANCEL:
        return _of_cancel(account, request)
    if request.kind is Kind.CLOSE_BY:
        return _of_close_by(account, request, utc_msc)
    held = account.positions.get(request.position)
    if request.position and held is None:
        return 10036
    symbol = account.market.symbols.get(held.position.symbol if held else request.symbol)
    if symbol is None or (held is not None and request.symbol not in ("", symbol.name)):
        return 10013
    refused = _of_market(account, symbol, utc_msc)
    if refused is not None:
        return refused
    quote = account.market.quotes[symbol.name]
    if request.kind is Kind.MODIFY:
        return _of_modify(held, symbol, request, quote)
    refused = _of_lots(symbol, request)
    if refused is None and request.kind is Kind.PENDING:
        refused = _of_pending(account, symbol, request, quote)
    elif refused is None:
        refused = _of_deal(account, symbol, request, held, quote)
    return refused


def margin_refusal(
    account: BrokerAccount, extra: Position | None = None, order: Resting | None = None
) -> int | None:
    """10019 where the equity does not cover the margin with this more."""
    if not account.is_netting or order is not None or extra is None:
        before = account.shown_margin_minor()
        try:
            after = account.margin_minor(extra, order)
        except KeyError:
            return 10021
        # What lowers the margin (a hedge) is let through whatever the equity is.
        return 10019 if after > max(before, account.equity_minor()) else None
    return _netting_margin(account, extra)


def _netting_margin(account: BrokerAccount, extra: Position) -> int | None:
    """As the position would be after the deal: an opposite one reduces or reverses it."""
    held = next((p for p in account.held() if p.symbol == extra.symbol), None)
    if held is None or held.side is extra.side:
        added: Position | None = extra
    elif extra.volume_lots - held.volume_lots <= held.volume_lots:
        return None
    else:
        # Only the excess over twice the old volume needs margin that is not already reserved.
        by = extra.volume_lots - 2 * held.volume_lots
        added = Position(
            position_id=extra.position_id,
            symbol=extra.symbol,
            side=held.side,
            volume_lots=by,
            open_price=extra.open_price,
        )
    try:
        after = account.margin_minor(added)
    except KeyError:
        return 10021
    return 10019 if after > account.equity_minor() else None


def _of_market(account: BrokerAccount, symbol: Symbol, utc_msc: int) -> int | None:
    if symbol.trade_mode == 0:
        return 10017
    if not account.market.is_open(symbol.name, utc_msc):
        return 10018
    market = account.valued
    if symbol.name not in market.priced:
        return 10013
    for needed in market.needs(symbol.name):
        quote = account.market.quotes.get(needed)
        if quote is None or defect(quote.bid, quote.ask) is not None:
            return 10021
    return None


def _of_lots(symbol: Symbol, request: Request) -> int | None:
    instrument, lots = symbol.instrument, request.lots
    steps = lots / instrument.volume_step
    fits = instrument.volume_min - DUST_LOTS <= lots <= instrument.volume_max + DUST_LOTS
    return None if fits and abs(steps - round(steps)) < 1e-6 else 10014


def _of_deal(
    account: BrokerAccount, symbol: Symbol, request: Request, held: Held | None, quote: Quote
) -> int | None:
    if request.filling is not None:
        bit = _FILLING_BIT.get(OrderFilling(request.filling)) if request.filling <= 3 else None
        # RETURN has no bit: it is for instant execution and for what rests.
        if (bit is None and not symbol.is_instant) or (bit and not symbol.filling_mode & bit):
            return 10030
    if held is not None:
        return _of_closing(account, request, held)
    refused = _of_opening(account, symbol, request)
    if refused is not None:
        return refused
    price = quote.ask if request.side is Side.BUY else quote.bid
    if _stops_wrong(symbol, request.side, request.stop_loss, request.take_profit, quote):
        return 10016
    return margin_refusal(account, _would_be(request, price))


def _of_closing(account: BrokerAccount, request: Request, held: Held) -> int | None:
    position = held.position
    if request.side is position.side:
        return 10013
    if request.lots > position.volume_lots + DUST_LOTS:
        return 10038
    if account.terms.is_fifo:
        older = (p for p in account.held() if p.symbol == position.symbol)
        if next(older).position_id != position.position_id:
            return 10045
    return None


def _of_opening(account: BrokerAccount, symbol: Symbol, request: Request) -> int | None:
    """What limits new exposure. On a netting account what only reduces is not new."""
    same = [p for p in account.held() if p.symbol == symbol.name]
    opposed = [p for p in same if p.side is not request.side]
    if account.is_netting and opposed and request.lots <= opposed[0].volume_lots + DUST_LOTS:
        return None
    if symbol.trade_mode == 3:
        return 10044
    if symbol.trade_mode == 1 and request.side is Side.SELL:
        return 10042
    if symbol.trade_mode == 2 and request.side is Side.BUY:
        return 10043
    terms = account.terms
    if not account.is_netting and opposed and not terms.may_hedge:
        return 10046
    if symbol.limit_lots:
        lots = sum(p.volume_lots for p in same if p.side is request.side) + request.lots
        orders = [o for o in account.orders.values() if o.symbol == symbol.name]
        lots += sum(o.lots for o in orders if o.side is request.side)
        if lots > symbol.limit_lots + DUST_LOTS:
            return 10034
    if terms.most_positions and request.kind is Kind.DEAL:
        adds = account.is_netting and bool(same)
        if not adds and len(account.positions) >= terms.most_positions:
            return 10040
    return None


def _of_pending(
    account: BrokerAccount, symbol: Symbol, request: Request, quote: Quote
) -> int | None:
    kind = request.order_type
    if not OrderType.BUY_LIMIT <= kind <= OrderType.SELL_STOP_LIMIT:
        return 10035
    side = Side.SELL if kind % 2 else Side.BUY
    refused = _of_opening(account, symbol, _of_side(request, side))
    if refused is not None:
        return refused
    if account.terms.most_orders and len(account.orders) >= account.terms.most_orders:
        return 10033
    at = quote.ask if side is Side.BUY else quote.bid
    away = symbol.stops_level * symbol.instrument.point
    # Limits wait for a better price, stops for a worse one.
    is_limit = kind in (OrderType.BUY_LIMIT, OrderType.SELL_LIMIT)
    better = (at - request.price) * side.sign if is_limit else (request.price - at) * side.sign
    if request.price <= 0.0 or better < away or better <= 0.0:
        return 10015
    order = Resting(
        ticket=0, symbol=symbol.name, order_type=kind, lots=request.lots, price=request.price
    )
    return margin_refusal(account, order=order)


def _of_side(request: Request, side: Side) -> Request:
    """The request as one of that side."""
    return Request(kind=request.kind, symbol=request.symbol, side=side, lots=request.lots)


def _of_modify(held: Held | None, symbol: Symbol, request: Request, quote: Quote) -> int | None:
    if held is None:
        return 10013
    position = held.position
    now = (position.stop_loss or 0.0, position.take_profit or 0.0)
    if now == (request.stop_loss, request.take_profit):
        return 10025
    if _is_frozen(symbol, position, quote):
        return 10029
    wrong = _stops_wrong(symbol, position.side, request.stop_loss, request.take_profit, quote)
    return 10016 if wrong else None


def _of_cancel(account: BrokerAccount, request: Request) -> int | None:
    order = account.orders.get(request.order)
    if order is None:
        return 10013
    symbol = account.market.symbols.get(order.symbol)
    quote = account.market.quotes.get(order.symbol)
    if symbol is not None and quote is not None and symbol.freeze_level:
        at = quote.ask if order.side is Side.BUY else quote.bid
        if abs(at - order.price) <= symbol.freeze_level * symbol.instrument.point:
            return 10029
    return None


def _of_close_by(account: BrokerAccount, request: Request, utc_msc: int) -> int | None:
    one = account.positions.get(request.position)
    other = account.positions.get(request.position_by)
    if one is None or other is None:
        return 10036
    a, b = one.position, other.position
    if account.is_netting or a.symbol != b.symbol or a.side is b.side:
        return 10013
    return _of_market(account, account.market.symbols[a.symbol], utc_msc)


def _is_frozen(symbol: Symbol, position: Position, quote: Quote) -> bool:
    at = quote.bid if position.side is Side.BUY else quote.ask
    near = symbol.freeze_level * symbol.instrument.point
    levels = (position.stop_loss, position.take_profit)
    return bool(near) and any(level and abs(at - level) <= near for level in levels)


def _stops_wrong(
    symbol: Symbol, side: Side, stop_loss: float, take_profit: float, quote: Quote
) -> bool:
    """Stop and target must lie on their side of the closing price, and far enough from it."""
    at = quote.bid if side is Side.BUY else quote.ask
    away = symbol.stops_level * symbol.instrument.point
    below, above = (at - stop_loss) * side.sign, (take_profit - at) * side.sign
    return bool((stop_loss and below <= away) or (take_profit and above <= away))


def _would_be(request: Request, price: float) -> Position:
    return Position(
        position_id=0,
        symbol=request.symbol,
        side=request.side,
        volume_lots=request.lots,
        open_price=price,
    )
