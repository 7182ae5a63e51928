"""What MetaTrader 5 calls by number, and the digest; its answers are in `engine.domain.retcodes`.

Source: the MQL5 reference, "Deal Properties", "Order Properties", "Symbol Properties"; the numbers
of the MetaTrader 5 Python library are the same.
"""

from collections.abc import Iterable
from enum import IntEnum, IntFlag

from engine.domain.reports import PositionReport


class PositionType(IntEnum):
    """POSITION_TYPE."""

    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """ORDER_TYPE; from 2 to 7 they rest until the price comes."""

    BUY = 0
    SELL = 1
    BUY_LIMIT = 2
    SELL_LIMIT = 3
    BUY_STOP = 4
    SELL_STOP = 5
    BUY_STOP_LIMIT = 6
    SELL_STOP_LIMIT = 7
    CLOSE_BY = 8


class DealType(IntEnum):
    """DEAL_TYPE: the first two trade, the rest move money."""

    BUY = 0
    SELL = 1
    BALANCE = 2
    CREDIT = 3
    CHARGE = 4
    CORRECTION = 5
    BONUS = 6
    COMMISSION = 7
    COMMISSION_DAILY = 8
    COMMISSION_MONTHLY = 9
    COMMISSION_AGENT_DAILY = 10
    COMMISSION_AGENT_MONTHLY = 11
    INTEREST = 12
    BUY_CANCELED = 13
    SELL_CANCELED = 14
    DIVIDEND = 15
    DIVIDEND_FRANKED = 16
    TAX = 17
    AGENT = 18
    SO_COMPENSATION = 19
    SO_COMPENSATION_CREDIT = 20


class DealEntry(IntEnum):
    """DEAL_ENTRY."""

    IN = 0
    OUT = 1
    INOUT = 2
    """A netting position turned around."""
    OUT_BY = 3


class DealReason(IntEnum):
    """DEAL_REASON: who or what made the deal."""

    CLIENT = 0
    MOBILE = 1
    WEB = 2
    EXPERT = 3
    SL = 4
    TP = 5
    SO = 6
    ROLLOVER = 7
    VMARGIN = 8
    SPLIT = 9
    CORPORATE_ACTION = 10


class OrderFilling(IntEnum):
    """ORDER_TYPE_FILLING, as a request names it."""

    FOK = 0
    IOC = 1
    RETURN = 2
    BOC = 3


class SymbolFilling(IntFlag):
    """SYMBOL_FILLING_MODE: what a symbol allows. Other bits than the request's numbers."""

    FOK = 1
    IOC = 2
    BOC = 4


TICK_FLAGS = 0x7E
"""The documented bits of a tick's flags: brokers set others too."""


def fillings_allowed(filling_mode: int) -> tuple[OrderFilling, ...]:
    """Filling modes to try for a market close, the best first; never empty.

    RETURN is the one that is always allowed outside market execution, so it comes last.
    """
    allowed = []
    if filling_mode & SymbolFilling.IOC:
        allowed.append(OrderFilling.IOC)
    if filling_mode & SymbolFilling.FOK:
        allowed.append(OrderFilling.FOK)
    return (*allowed, OrderFilling.RETURN)


BID_AND_ASK = 6
"""Flags of a tick whose bid and ask are both told."""

FNV_OFFSET = 0xCBF29CE484222325
FNV_PRIME = 0x100000001B3
MASK_64 = (1 << 64) - 1
VOLUME_UNITS = 10**8


def position_digest(positions: Iterable[PositionReport]) -> str:
    """16 hex digits that name a set of positions, whatever their order.

    FNV-1a 64 over the ASCII text `identifier:type:volume;` of each by identifier, the volume in
    hundred-millionths of a lot: short enough for MQL5. The empty set gives `cbf29ce484222325`.
    """
    return digest_of((p.identifier, p.type, volume_units(p.volume)) for p in positions)


def digest_of(rows: Iterable[tuple[int, int, int]]) -> str:
    """As `position_digest`, of (identifier, type, volume in hundred-millionths)."""
    text = "".join(f"{number}:{kind}:{units};" for number, kind, units in sorted(rows))
    state = FNV_OFFSET
    for byte in text.encode("ascii"):
        state = ((state ^ byte) * FNV_PRIME) & MASK_64
    return f"{state:016x}"


def volume_units(volume_lots: float) -> int:
    """The volume in hundred-millionths of a lot, as it enters the digest."""
    return int(volume_lots * VOLUME_UNITS + 0.5)
