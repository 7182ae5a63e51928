"""What an account on the server is made of: its terms, positions, resting orders, and events."""

from dataclasses import dataclass

import msgspec

from engine.domain.account import MarginMode
from engine.domain.ids import AccountKey
from engine.domain.positions import Position, Side
from engine.domain.reports import DealReport, PositionReport
from engine.link import PositionChange


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker agreed with the account's owner."""

    key: AccountKey
    currency: str = "USD"
    leverage: int = 100
    margin_mode: MarginMode = MarginMode.HEDGING
    stop_out_percent: float = 50.0
    """Of the margin: at this level or below it the server closes."""
    is_compensated: bool = True
    """A balance that a stop-out left below zero is filled up."""
    may_trade: bool = True
    may_run_experts: bool = True
    """ACCOUNT_TRADE_EXPERT."""
    has_autotrading: bool = True
    """The button in the terminal."""
    most_positions: int = 0
    """0: no limit."""
    most_orders: int = 0
    requests_a_second: int = 0
    is_fifo: bool = False
    """Of a symbol the oldest position is closed first."""
    may_hedge: bool = True
    markup_points: float = 0.0
    """The account's group has prices that are so much worse, on the bid and on the ask."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A position with what the engine does not need of it."""

    position: Position
    reason: int = 0
    opened_msc: int = 0
    updated_msc: int = 0


class Resting(msgspec.Struct, frozen=True, kw_only=True):
    """An order that waits for its price."""

    ticket: int
    symbol: str
    order_type: int
    lots: float
    price: float
    stop_limit: float = 0.0
    stop_loss: float = 0.0
    take_profit: float = 0.0
    magic: int = 0
    comment: str = ""
    reason: int = 0
    set_msc: int = 0

    @property
    def side(self) -> Side:
        """The side it would trade on."""
        return Side.SELL if self.order_type % 2 else Side.BUY


@dataclass(frozen=True, slots=True)
class DealMade:
    """A deal was booked."""

    deal: DealReport


@dataclass(frozen=True, slots=True)
class PositionMoved:
    """A position opened, changed or closed."""

    change: PositionChange
    position: PositionReport


AccountEvent = DealMade | PositionMoved


class Tickets:
    """Numbers of one server: never used twice, orders and deals apart."""

    def __init__(self) -> None:
        self.last_order = 0
        self.last_deal = 0

    def order(self) -> int:
        """The next order's; a position's identifier is that of the order which opened it."""
        self.last_order += 1
        return self.last_order

    def deal(self) -> int:
        """The next deal's."""
        self.last_deal += 1
        return self.last_deal
