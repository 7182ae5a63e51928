"""What a terminal asks of the trade server, and what the server answers."""

from enum import StrEnum

import msgspec

from engine.domain.positions import Side

DONE, PLACED, DONE_PARTIAL = 10009, 10008, 10010


class Kind(StrEnum):
    """TRADE_REQUEST_ACTIONS."""

    DEAL = "deal"
    """At the market. Without a position named it opens, also where it was meant to close."""
    PENDING = "pending"
    CLOSE_BY = "close_by"
    CANCEL = "cancel"
    MODIFY = "modify"
    """Stop and target of a position."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """MqlTradeRequest, as far as this server knows it. Prices 0: none."""

    kind: Kind
    symbol: str = ""
    side: Side = Side.BUY
    lots: float = 0.0
    position: int = 0
    position_by: int = 0
    order: int = 0
    order_type: int = 0
    """PENDING: ORDER_TYPE 2 to 7."""
    price: float = 0.0
    stop_limit: float = 0.0
    """Of a stop-limit order: the price of the limit that it becomes."""
    deviation: int | None = None
    """Points; counts on symbols of instant execution only."""
    filling: int | None = None
    """ORDER_TYPE_FILLING; None: whatever the symbol allows."""
    stop_loss: float = 0.0
    take_profit: float = 0.0
    magic: int = 0
    comment: str = ""
    is_expert: bool = False
    """Sent by a program: needs autotrading."""
    reason: int = 0
    """DEAL_REASON of what comes of it: 0 client, 1 mobile, 2 web, 3 expert."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """MqlTradeResult."""

    retcode: int
    deal: int = 0
    order: int = 0
    volume: float = 0.0
    price: float = 0.0
    comment: str = ""

    @property
    def is_done(self) -> bool:
        """Whether the server took it, if only in part."""
        return self.retcode in (DONE, PLACED, DONE_PARTIAL)
