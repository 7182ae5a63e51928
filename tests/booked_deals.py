"""What a deal makes of an account's positions and money, as the terminal books it.

A second arithmetic beside the engine's and the simulated broker's, for both to be held to.

Positions are matched by POSITION_IDENTIFIER on a hedging account and by symbol on a netting one.
Profit is the deal's own, never ours: the broker's figure is the truth. Sources: MQL5 Reference,
ENUM_DEAL_TYPE, ENUM_DEAL_ENTRY and position properties.
"""

from collections.abc import Sequence
from enum import Enum

import msgspec
from msgspec.structs import replace

from engine.domain.account import MarginMode
from engine.domain.positions import Position, Side

_LOT_DIGITS = 8
"""Lots are doubles: sums and differences are cut to this many decimals, far below any step."""


class DealType(Enum):
    """ENUM_DEAL_TYPE, by the name without its prefix."""

    BUY = "buy"
    SELL = "sell"
    BALANCE = "balance"
    CREDIT = "credit"
    CHARGE = "charge"
    CORRECTION = "correction"
    BONUS = "bonus"
    COMMISSION = "commission"
    COMMISSION_DAILY = "commission_daily"
    COMMISSION_MONTHLY = "commission_monthly"
    COMMISSION_AGENT_DAILY = "commission_agent_daily"
    COMMISSION_AGENT_MONTHLY = "commission_agent_monthly"
    INTEREST = "interest"
    BUY_CANCELED = "buy_canceled"
    SELL_CANCELED = "sell_canceled"
    DIVIDEND = "dividend"
    DIVIDEND_FRANKED = "dividend_franked"
    TAX = "tax"
    SO_COMPENSATION = "so_compensation"

    @property
    def side(self) -> Side | None:
        """The side a trade was made on; None for money alone and for cancelled deals."""
        if self is DealType.BUY:
            return Side.BUY
        return Side.SELL if self is DealType.SELL else None


OPERATIONS = frozenset({DealType.BALANCE, DealType.CREDIT, DealType.BONUS, DealType.CORRECTION})
"""Deposits and withdrawals: never profit or loss, so references move with them."""


class Entry(Enum):
    """ENUM_DEAL_ENTRY."""

    IN = "in"
    OUT = "out"
    INOUT = "inout"
    """A netting reversal."""
    OUT_BY = "out_by"
    """Closed by an opposite position; each of the two has a deal of its own."""


class Deal(msgspec.Struct, frozen=True, kw_only=True):
    """One deal of the account's history; money in minor units of the account currency, signed."""

    deal_id: int
    type: DealType
    time_msc: int
    entry: Entry = Entry.IN
    position_id: int = 0
    order: int = 0
    """The order it came from: the ticket of a position that it opens or reverses."""
    symbol: str = ""
    volume_lots: float = 0.0
    price: float = 0.0
    profit_minor: int = 0
    swap_minor: int = 0
    commission_minor: int = 0
    fee_minor: int = 0
    magic: int = 0
    comment: str = ""

    @property
    def total_minor(self) -> int:
        """Everything the deal pays or costs."""
        return self.profit_minor + self.swap_minor + self.commission_minor + self.fee_minor


class MoneyMoved(msgspec.Struct, frozen=True):
    """What a deal did to the account's money, minor units."""

    balance_minor: int = 0
    credit_minor: int = 0
    operation_minor: int = 0
    """The part that is a deposit or withdrawal; high-water marks and references move by it."""


class Applied(msgspec.Struct, frozen=True):
    """The positions after a deal, and how much of it opened and closed."""

    positions: tuple[Position, ...]
    opened_lots: float = 0.0
    closed_lots: float = 0.0
    unexplained: str | None = None
    """Why the deal does not fit the positions we know: one was missed. They are unchanged, or end
    as the deal says where it closes more than we knew of."""


def money_of(deal: Deal, *, bonus_is_credit: bool = False) -> MoneyMoved:
    """What a deal does to balance and credit.

    A cancelled trade has its own profit zeroed by the server, which gives or takes it back by a
    deal of its own: what it carries still counts.

    Args:
        bonus_is_credit: whether this broker books BONUS to the credit; not known without asking it.
    """
    total = deal.total_minor
    operation = total if deal.type in OPERATIONS else 0
    if deal.type is DealType.CREDIT or (deal.type is DealType.BONUS and bonus_is_credit):
        return MoneyMoved(credit_minor=total, operation_minor=operation)
    return MoneyMoved(balance_minor=total, operation_minor=operation)


def apply(positions: Sequence[Position], deal: Deal, margin_mode: MarginMode) -> Applied:
    """The positions after a deal; money and cancelled deals leave them as they are."""
    side = deal.type.side
    if side is None:
        return Applied(tuple(positions))
    held = _held(positions, deal, margin_mode)
    if held is None:
        if deal.entry is not Entry.IN:
            return Applied(tuple(positions), unexplained="closes a position that is not open")
        opened = _opened(deal, side, deal.volume_lots)
        return Applied((*positions, opened), opened_lots=deal.volume_lots)
    if deal.entry is Entry.IN and held.side is side:
        return Applied(_put(positions, held, _added(held, deal)), opened_lots=deal.volume_lots)
    if held.side is side:
        return Applied(tuple(positions), unexplained=f"closes a {held.side.value} by the same side")
    if deal.entry is Entry.IN and margin_mode is MarginMode.HEDGING:
        return Applied(tuple(positions), unexplained="adds to a position of the other side")
    return _reduced(positions, held, deal, side, margin_mode)


def _held(positions: Sequence[Position], deal: Deal, margin_mode: MarginMode) -> Position | None:
    for position in positions:
        if margin_mode is MarginMode.NETTING:
            if position.symbol == deal.symbol:
                return position
        elif position.position_id == deal.position_id:
            return position
    return None


def _opened(deal: Deal, side: Side, volume_lots: float) -> Position:
    return Position(
        position_id=deal.position_id,
        ticket=deal.order,
        symbol=deal.symbol,
        side=side,
        volume_lots=volume_lots,
        open_price=deal.price,
        magic=deal.magic,
        comment=deal.comment,
        opened_at_msc=deal.time_msc,
    )


def _added(held: Position, deal: Deal) -> Position:
    """More of the same side: the open price becomes the average weighted by volume."""
    lots = _lots(held.volume_lots + deal.volume_lots)
    turnover = held.open_price * held.volume_lots + deal.price * deal.volume_lots
    return replace(held, volume_lots=lots, open_price=turnover / lots)


def _reduced(
    positions: Sequence[Position], held: Position, deal: Deal, side: Side, margin_mode: MarginMode
) -> Applied:
    """Closed in part or wholly; on a netting account more than that reverses the position.

    What remains keeps its open price. A reversal keeps the identifier, takes a new ticket, and
    starts at the deal's price without swap, stop and target.
    """
    left = _lots(held.volume_lots - deal.volume_lots)
    if left > 0.0:
        rest = replace(held, volume_lots=left, swap_minor=held.swap_minor - deal.swap_minor)
        return Applied(_put(positions, held, rest), closed_lots=deal.volume_lots)
    over = -left
    if over == 0.0:
        return Applied(_put(positions, held, None), closed_lots=held.volume_lots)
    if margin_mode is MarginMode.HEDGING or deal.entry is Entry.OUT:
        return Applied(
            _put(positions, held, None),
            closed_lots=held.volume_lots,
            unexplained=f"closes {deal.volume_lots} lots of {held.volume_lots}",
        )
    reversed_ = replace(_opened(deal, side, over), position_id=held.position_id, magic=held.magic)
    return Applied(_put(positions, held, reversed_), opened_lots=over, closed_lots=held.volume_lots)


def _put(
    positions: Sequence[Position], held: Position, instead: Position | None
) -> tuple[Position, ...]:
    """The positions with one replaced (its place kept), or taken out."""
    place = positions.index(held)
    return (*positions[:place], *(() if instead is None else (instead,)), *positions[place + 1 :])


def _lots(lots: float) -> float:
    return round(lots, _LOT_DIGITS)
