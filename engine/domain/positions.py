"""An open position, and what deals make of positions on hedging and netting accounts."""

from enum import Enum

import msgspec


class Side(Enum):
    """Direction of a position or deal."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 buy, -1 sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The side that closes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Open exposure, keyed by POSITION_IDENTIFIER, which a ticket is not: a ticket changes."""

    position_id: int
    symbol: str
    side: Side
    volume_lots: float
    open_price: float
    """Weighted by volume where several deals made the position."""
    ticket: int = 0
    """POSITION_TICKET; 0 where it is the identifier. A netting reversal gives a new one."""
    swap_minor: int = 0
    """In the account currency."""
    stop_loss: float | None = None
    take_profit: float | None = None
    magic: int = 0
    comment: str = ""
    opened_at_msc: int | None = None
    """UTC; None when the book does not say."""

    def reached(self, bid: float, ask: float) -> str | None:
        """`stop_loss` or `take_profit` when this quote reaches it (inclusive, the stop first)."""
        stop, target = self.stop_loss, self.take_profit
        if self.side is Side.BUY:
            if stop is not None and bid <= stop:
                return "stop_loss"
            if target is not None and bid >= target:
                return "take_profit"
        else:
            if stop is not None and ask >= stop:
                return "stop_loss"
            if target is not None and ask <= target:
                return "take_profit"
        return None
