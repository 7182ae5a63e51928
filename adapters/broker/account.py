"""One account on the server: money, positions by identifier, resting orders, deals.

Money is booked by deals and by nothing else, so the balance is always their sum. Positions are
kept here and not by the engine; the tests compare this book with an arithmetic of their own.
"""

from collections.abc import Callable

from msgspec.structs import replace

from adapters.broker.holdings import (
    AccountEvent,
    DealMade,
    Held,
    PositionMoved,
    Resting,
    Terms,
    Tickets,
)
from adapters.broker.market import ServerMarket
from adapters.mt5.constants import DealEntry, DealType
from engine.domain.account import MarginMode
from engine.domain.margin import PendingOrder, margin_minor
from engine.domain.positions import Position, Side
from engine.domain.reports import AccountReport, DealReport, OrderReport, PositionReport
from engine.domain.units import currency_digits, major, minor
from engine.domain.valuation import Market, missing_quote, profit_minor
from engine.link import PositionChange

LOT_DIGITS = 8
CREDIT_DEALS = frozenset({DealType.CREDIT, DealType.SO_COMPENSATION_CREDIT})


class BrokerAccount:
    """See the top. `tell` hears each deal and each change of a position, at once and in order."""

    def __init__(self, terms: Terms, market: ServerMarket, tickets: Tickets) -> None:
        self.terms = terms
        self.market = market
        self.tickets = tickets
        self.digits = currency_digits(terms.currency)
        self.balance_minor = 0
        self.credit_minor = 0
        self.positions: dict[int, Held] = {}
        """By POSITION_IDENTIFIER."""
        self.orders: dict[int, Resting] = {}
        self.deals: list[DealReport] = []
        self.version = 0
        """Goes up with every change of positions or orders."""
        self.tell: Callable[[AccountEvent], None] = lambda _event: None
        self.changed: Callable[[], None] = lambda: None
        """Called with every change of `version`."""

    @property
    def is_netting(self) -> bool:
        return self.terms.margin_mode is MarginMode.NETTING

    @property
    def valued(self) -> Market:
        """The market in the account's currency."""
        return self.market.seen_by(self.terms.currency)

    def held(self) -> list[Position]:
        """All positions, the oldest first."""
        return [held.position for held in self.positions.values()]

    def symbols(self) -> frozenset[str]:
        """What moves the account: symbols held, resting, and those of their conversions."""
        own = {h.position.symbol for h in self.positions.values()}
        own.update(order.symbol for order in self.orders.values())
        priced = self.valued.priced
        return frozenset(
            needed
            for name in own
            for needed in (self.valued.needs(name) if name in priced else (name,))
        )

    # What it is worth, minor units

    def profit_minor(self, position: Position) -> int:
        """At the last quotes; 0 where one is missing, as a terminal shows it."""
        if missing_quote(self.valued, [position], self.market.quotes) is not None:
            return 0
        return profit_minor(self.valued, position, self.market.quotes)

    def equity_minor(self) -> int:
        """Balance, credit, profits and swaps."""
        floating = sum(self.profit_minor(p) + p.swap_minor for p in self.held())
        return self.balance_minor + self.credit_minor + floating

    def margin_minor(
        self, extra: Position | None = None, order: Resting | None = None, without: int = 0
    ) -> int:
        """Margin of everything open and resting.

        With a position or an order more, or without the order of a ticket, where given.

        Raises:
            KeyError: nothing turns a margin currency into the account's.
        """
        positions = [*self.held(), *([extra] if extra is not None else [])]
        orders = [o for ticket, o in self.orders.items() if ticket != without]
        if order is not None:
            orders.append(order)
        return margin_minor(
            self.valued,
            self.terms.leverage,
            positions,
            self.market.quotes,
            [
                PendingOrder(symbol=o.symbol, side=o.side, volume_lots=o.lots, price=o.price)
                for o in orders
            ],
            self.terms.margin_mode,
        )

    # Booking

    def move_money(self, kind: DealType, amount: float, utc_msc: int, comment: str = "") -> int:
        """Books a deal of money alone, signed, in the account currency; its ticket."""
        ticket = self.tickets.deal()
        deal = DealReport(
            ticket=ticket,
            order=0,
            position_id=0,
            symbol="",
            type=kind,
            entry=DealEntry.IN,
            volume=0.0,
            price=0.0,
            profit=major(minor(amount, self.digits), self.digits),
            comment=comment,
            time_msc=self.market.server_msc(utc_msc),
        )
        self._book(deal)
        return ticket

    def trade(
        self,
        symbol: str,
        side: Side,
        lots: float,
        price: float,
        utc_msc: int,
        *,
        order: int,
        position: int = 0,
        reason: int = 0,
        magic: int = 0,
        comment: str = "",
        stop_loss: float = 0.0,
        take_profit: float = 0.0,
    ) -> DealReport:
        """Books an execution: opens, adds, closes or reverses, as the account's mode has it.

        On a hedging account it closes only where a position is named, and never more than that.
        """
        held = self._opposed(symbol, position)
        time_msc = self.market.server_msc(utc_msc)
        fresh = Position(
            position_id=order if held is None else held.position.position_id,
            ticket=order,
            symbol=symbol,
            side=side,
            volume_lots=lots,
            open_price=price,
            stop_loss=stop_loss or None,
            take_profit=take_profit or None,
            magic=magic,
            comment=comment,
            opened_at_msc=utc_msc,
        )
        opened = Held(position=fresh, reason=reason, opened_msc=time_msc, updated_msc=time_msc)
        entry, closed, after = DealEntry.IN, 0.0, opened
        left: Held | None = after
        if held is not None and held.position.side is side:
            left = replace(held, position=_added(held.position, lots, price), updated_msc=time_msc)
        elif held is not None:
            entry, closed, left = self._against(held, opened, lots, time_msc)
        deal = self._deal_of(held, opened, entry, lots, closed)
        self._book(deal)
        self._put(held, left)
        return deal

    def close_by(self, one: Held, other: Held, utc_msc: int, order: int) -> list[DealReport]:
        """Closes two opposite positions against each other, as far as the smaller goes.

        The first deal has the whole profit, at the other's open price; the second, which closes
        at its own, has none.
        """
        lots = min(one.position.volume_lots, other.position.volume_lots)
        time_msc = self.market.server_msc(utc_msc)
        price, deals = other.position.open_price, []
        for held in (one, other):
            against = replace(
                held.position, side=held.position.side.opposite, open_price=price, ticket=order
            )
            closing = Held(position=against, reason=3, opened_msc=time_msc, updated_msc=time_msc)
            deal = self._deal_of(held, closing, DealEntry.OUT_BY, lots, lots)
            self._book(deal)
            self._put(held, self._rest(held, lots, time_msc))
            deals.append(deal)
        return deals

    def set_stops(self, held: Held, stop_loss: float, take_profit: float, utc_msc: int) -> None:
        """New stop and target of a position; 0: none."""
        position = replace(
            held.position, stop_loss=stop_loss or None, take_profit=take_profit or None
        )
        self._put(
            held, replace(held, position=position, updated_msc=self.market.server_msc(utc_msc))
        )

    def add_swap(self, held: Held, amount_minor: int, utc_msc: int) -> None:
        """Charges a night; it reaches the balance when the position is closed."""
        position = replace(held.position, swap_minor=held.position.swap_minor + amount_minor)
        self._put(
            held, replace(held, position=position, updated_msc=self.market.server_msc(utc_msc))
        )

    def touch(self) -> None:
        """Positions or orders have changed."""
        self.version += 1
        self.changed()

    def rest(self, order: Resting) -> None:
        """Keeps an order until its price comes, or in the place of what it was."""
        self.orders[order.ticket] = order
        self.touch()

    def drop(self, ticket: int) -> Resting | None:
        """Takes an order away; None where there is none."""
        self.touch()
        return self.orders.pop(ticket, None)

    # Reports

    def account_report(self) -> AccountReport:
        """ACCOUNT_*, by the server's own arithmetic."""
        equity, margin = self.equity_minor(), self.shown_margin_minor()
        return AccountReport(
            balance=self.major(self.balance_minor),
            credit=self.major(self.credit_minor),
            equity=self.major(equity),
            margin=self.major(margin),
            profit=self.major(sum(self.profit_minor(p) for p in self.held())),
            margin_level=100.0 * equity / margin if margin else None,
            trade_allowed=self.terms.may_trade and self.terms.has_autotrading,
        )

    def shown_margin_minor(self) -> int:
        """The margin; 0 where a quote it needs is missing."""
        try:
            return self.margin_minor()
        except KeyError:
            return 0

    def position_report(self, held: Held) -> PositionReport:
        """POSITION_*."""
        position = held.position
        return PositionReport(
            identifier=position.position_id,
            ticket=position.ticket,
            symbol=position.symbol,
            type=0 if position.side is Side.BUY else 1,
            volume=position.volume_lots,
            price_open=position.open_price,
            sl=position.stop_loss or 0.0,
            tp=position.take_profit or 0.0,
            swap=self.major(position.swap_minor),
            profit=self.major(self.profit_minor(position)),
            magic=position.magic,
            comment=position.comment,
            reason=held.reason,
            time_msc=held.opened_msc,
            time_update_msc=held.updated_msc,
        )

    def position_reports(self) -> tuple[PositionReport, ...]:
        """All of them."""
        return tuple(self.position_report(held) for held in self.positions.values())

    def order_reports(self) -> tuple[OrderReport, ...]:
        """ORDER_*."""
        return tuple(
            OrderReport(
                ticket=order.ticket,
                symbol=order.symbol,
                type=order.order_type,
                volume_current=order.lots,
                volume_initial=order.lots,
                price_open=order.price,
                sl=order.stop_loss,
                tp=order.take_profit,
                magic=order.magic,
                comment=order.comment,
                time_setup_msc=order.set_msc,
            )
            for order in self.orders.values()
        )

    def major(self, amount_minor: int) -> float:
        """Minor units as a report shows them."""
        return major(amount_minor, self.digits)

    # Inside

    def _opposed(self, symbol: str, position: int) -> Held | None:
        if not self.is_netting:
            return self.positions[position] if position else None
        return next((h for h in self.positions.values() if h.position.symbol == symbol), None)

    def _against(
        self, held: Held, opened: Held, lots: float, time_msc: int
    ) -> tuple[DealEntry, float, Held | None]:
        """Entry, lots closed, and what is left, of a deal against a position."""
        over = _lots(lots - held.position.volume_lots)
        if over <= 0.0:
            return DealEntry.OUT, lots, self._rest(held, lots, time_msc)
        assert self.is_netting, "closes more than the position holds"
        turned = replace(opened, position=replace(opened.position, volume_lots=over))
        return DealEntry.INOUT, held.position.volume_lots, turned

    def _rest(self, held: Held, closed: float, time_msc: int) -> Held | None:
        left = _lots(held.position.volume_lots - closed)
        if left <= 0.0:
            return None
        swap = held.position.swap_minor - self._swap_of(held.position, closed)
        rest = replace(held.position, volume_lots=left, swap_minor=swap)
        return replace(held, position=rest, updated_msc=time_msc)

    def _swap_of(self, position: Position, closed: float) -> int:
        """The part of the swap that goes with the lots closed."""
        if closed >= position.volume_lots:
            return position.swap_minor
        return minor(position.swap_minor * closed / position.volume_lots, 0)

    def _deal_of(
        self, held: Held | None, made: Held, entry: DealEntry, lots: float, closed: float
    ) -> DealReport:
        fill = made.position
        profit = swap = 0
        if held is not None and closed:
            profit = profit_minor(
                self.valued, held.position, self.market.quotes, closed, fill.open_price
            )
            swap = self._swap_of(held.position, closed)
        by_market = entry is not DealEntry.OUT_BY
        per_lot = self.market.symbols[fill.symbol].commission_per_lot if by_market else 0.0
        return DealReport(
            ticket=self.tickets.deal(),
            order=fill.ticket,
            position_id=fill.position_id,
            symbol=fill.symbol,
            type=DealType.BUY if fill.side is Side.BUY else DealType.SELL,
            entry=entry,
            volume=lots,
            price=fill.open_price,
            profit=self.major(profit),
            swap=self.major(swap),
            commission=self.major(-minor(per_lot * lots, self.digits)),
            magic=fill.magic,
            comment=fill.comment,
            reason=made.reason,
            time_msc=made.opened_msc,
        )

    def _book(self, deal: DealReport) -> None:
        total = sum(
            minor(part, self.digits) for part in (deal.profit, deal.swap, deal.commission, deal.fee)
        )
        if deal.type in CREDIT_DEALS:
            self.credit_minor += total
        else:
            self.balance_minor += total
        self.deals.append(deal)
        self.tell(DealMade(deal))

    def _put(self, before: Held | None, after: Held | None) -> None:
        self.touch()
        if after is not None:
            self.positions[after.position.position_id] = after
            opened = before is None
            change = PositionChange.OPENED if opened else PositionChange.CHANGED
            self.tell(PositionMoved(change, self.position_report(after)))
            return
        assert before is not None, "a position that was not there went"
        last = self.position_report(before)
        del self.positions[before.position.position_id]
        self.tell(PositionMoved(PositionChange.CLOSED, last))


def _added(held: Position, lots: float, price: float) -> Position:
    """More of one side: the open price becomes the average by volume."""
    total = _lots(held.volume_lots + lots)
    turnover = held.open_price * held.volume_lots + price * lots
    return replace(held, volume_lots=total, open_price=turnover / total)


def _lots(lots: float) -> float:
    return round(lots, LOT_DIGITS)
