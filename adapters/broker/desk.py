"""The dealing desk: executes requests, sets off resting orders, stops and targets.

Everything happens at the last quotes, with slippage drawn from the symbol's own stream.
"""

from msgspec.structs import replace

from adapters.broker.account import BrokerAccount
from adapters.broker.holdings import Held, Resting
from adapters.broker.market import ServerMarket, Symbol
from adapters.broker.refusals import margin_refusal, refusal
from adapters.broker.requests import DONE, DONE_PARTIAL, PLACED, Answer, Kind, Request
from adapters.broker.streams import Streams
from adapters.mt5.constants import DealReason, OrderFilling, OrderType
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote

_STOP_REASONS = {"stop_loss": DealReason.SL, "take_profit": DealReason.TP}
STOP_COMMENTS = {"stop_loss": "[sl]", "take_profit": "[tp]"}


class Desk:
    """Executes for every account of a server."""

    def __init__(self, market: ServerMarket, streams: Streams, slippage_points: float) -> None:
        """`slippage_points`: standard deviation of a fill from the quote; either way."""
        self._market = market
        self._streams = streams
        self._slippage_points = slippage_points

    def execute(self, account: BrokerAccount, request: Request, utc_msc: int) -> Answer:
        """Does the request, or says why not. Deals and positions are told by the account."""
        refused = refusal(account, request, utc_msc)
        if refused is not None:
            return Answer(retcode=refused)
        if request.kind is Kind.CANCEL:
            account.drop(request.order)
            return Answer(retcode=DONE, order=request.order)
        if request.kind is Kind.MODIFY:
            held = account.positions[request.position]
            account.set_stops(held, request.stop_loss, request.take_profit, utc_msc)
            return Answer(retcode=DONE)
        order = account.tickets.order()
        if request.kind is Kind.CLOSE_BY:
            one, other = (account.positions[n] for n in (request.position, request.position_by))
            deals = account.close_by(one, other, utc_msc, order)
            return Answer(
                retcode=DONE,
                deal=deals[0].ticket,
                order=order,
                volume=deals[0].volume,
                price=deals[0].price,
            )
        if request.kind is Kind.PENDING:
            account.rest(_resting(request, order, self._market.server_msc(utc_msc)))
            return Answer(retcode=PLACED, order=order, volume=request.lots, price=request.price)
        return self._deal(account, request, order, utc_msc)

    def _deal(self, account: BrokerAccount, request: Request, order: int, utc_msc: int) -> Answer:
        held = account.positions.get(request.position)
        name = held.position.symbol if held is not None else request.symbol
        symbol = self._market.symbols[name]
        quote = account.market.quotes[name]
        price = self._fill_price(symbol, request.side, quote)
        if symbol.is_instant and request.price:
            far = abs(price - request.price) / symbol.instrument.point
            if far > (request.deviation or 0) + 1e-6:
                return Answer(retcode=10004, price=price, comment="requote")
        lots = request.lots
        if symbol.depth_lots and lots > symbol.depth_lots:
            if request.filling == OrderFilling.FOK:
                return Answer(retcode=10006, comment="no liquidity")
            lots = symbol.depth_lots
        deal = account.trade(
            name,
            request.side,
            lots,
            price,
            utc_msc,
            order=order,
            position=request.position,
            reason=request.reason,
            magic=held.position.magic if held is not None else request.magic,
            comment=request.comment,
            stop_loss=request.stop_loss,
            take_profit=request.take_profit,
        )
        retcode = DONE if lots == request.lots else DONE_PARTIAL
        return Answer(retcode=retcode, deal=deal.ticket, order=order, volume=lots, price=price)

    # What a quote sets off

    def react(self, account: BrokerAccount, symbol: str, utc_msc: int) -> None:
        """Resting orders that this quote reaches, by ticket; then stops and targets, by age.

        The quote can be traded on, and the market is open.
        """
        quote = account.market.quotes[symbol]
        for order in sorted(account.orders.values(), key=lambda o: o.ticket):
            if order.symbol == symbol and _reached(order, order.price, quote):
                self._activate(account, order, quote, utc_msc)
        for held in list(account.positions.values()):
            position = held.position
            why = position.reached(quote.bid, quote.ask) if position.symbol == symbol else None
            if why is not None:
                self.close(account, held, utc_msc, _STOP_REASONS[why], STOP_COMMENTS[why])

    def close(
        self, account: BrokerAccount, held: Held, utc_msc: int, reason: int, comment: str
    ) -> None:
        """Closes a position whole, by the server itself, at the market."""
        position = held.position
        symbol = self._market.symbols[position.symbol]
        side = position.side.opposite
        account.trade(
            position.symbol,
            side,
            position.volume_lots,
            self._fill_price(symbol, side, account.market.quotes[position.symbol]),
            utc_msc,
            order=account.tickets.order(),
            position=position.position_id,
            reason=reason,
            magic=position.magic,
            comment=comment,
        )

    def _activate(self, account: BrokerAccount, order: Resting, quote: Quote, utc_msc: int) -> None:
        """A stop-limit becomes its limit; anything else trades, or goes for want of money."""
        if order.order_type >= OrderType.BUY_STOP_LIMIT:
            limit = OrderType.BUY_LIMIT if order.side is Side.BUY else OrderType.SELL_LIMIT
            turned = replace(order, order_type=int(limit), price=order.stop_limit, stop_limit=0.0)
            account.rest(turned)
            if not _reached(turned, turned.price, quote):
                return
            order = turned
        account.drop(order.ticket)
        symbol = self._market.symbols[order.symbol]
        price = self._fill_price(symbol, order.side, quote)
        if order.order_type in (OrderType.BUY_LIMIT, OrderType.SELL_LIMIT):
            # A limit is filled at its price or better.
            price = min(price, order.price) if order.side is Side.BUY else max(price, order.price)
        wanted = Position(
            position_id=0,
            symbol=order.symbol,
            side=order.side,
            volume_lots=order.lots,
            open_price=price,
        )
        if margin_refusal(account, wanted) is not None:
            return
        account.trade(
            order.symbol,
            order.side,
            order.lots,
            price,
            utc_msc,
            order=order.ticket,
            reason=order.reason,
            magic=order.magic,
            comment=order.comment,
            stop_loss=order.stop_loss,
            take_profit=order.take_profit,
        )

    def _fill_price(self, symbol: Symbol, side: Side, quote: Quote) -> float:
        price = quote.ask if side is Side.BUY else quote.bid
        if not self._slippage_points:
            return price
        instrument = symbol.instrument
        drawn = self._streams.of(f"slippage:{instrument.symbol}").gauss(0, self._slippage_points)
        slipped = round(price + round(drawn) * instrument.point, instrument.digits)
        return slipped if slipped > 0.0 else price


def _resting(request: Request, ticket: int, server_msc: int) -> Resting:
    return Resting(
        ticket=ticket,
        symbol=request.symbol,
        order_type=request.order_type,
        lots=request.lots,
        price=request.price,
        stop_limit=request.stop_limit,
        stop_loss=request.stop_loss,
        take_profit=request.take_profit,
        magic=request.magic,
        comment=request.comment,
        reason=request.reason,
        set_msc=server_msc,
    )


def _reached(order: Resting, price: float, quote: Quote) -> bool:
    """Whether the market is at the order's price: ask for what buys, bid for what sells."""
    at = quote.ask if order.side is Side.BUY else quote.bid
    is_limit = order.order_type in (OrderType.BUY_LIMIT, OrderType.SELL_LIMIT)
    beyond = (price - at) if is_limit else (at - price)
    return beyond * order.side.sign >= 0.0
