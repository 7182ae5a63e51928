"""What MetaTrader 5 calls by number, what each answer of a trade server asks of us, and the digest.

Source: the MQL5 reference, "Trade Server Return Codes", "Deal Properties", "Order Properties",
"Symbol Properties"; the numbers of the MetaTrader 5 Python library are the same.
"""

from collections.abc import Iterable
from enum import IntEnum, IntFlag, StrEnum

from engine.domain.reports import PositionReport


class RetcodeClass(StrEnum):
    """What is to be done about an answer; the table of closing goes by it."""

    SUCCESS = "success"
    """Taken. Settled from deals only: neither PLACED nor DONE_PARTIAL is flat."""
    ALREADY_SO = "already_so"
    """Nothing to change: reconcile, then settle."""
    NEW_PRICE = "new_price"
    """Ask again at once at the new price, at most 5 times, the deviation capped."""
    BACK_OFF = "back_off"
    """Ask again later, with jitter; TOO_MANY halves the rate."""
    UNKNOWN = "unknown"
    """It may have happened, or may still: decided by evidence, never by asking again blindly."""
    WAIT = "wait"
    """Cannot be done now: the guard cannot act, a human must know."""
    OUR_MISTAKE = "our_mistake"
    """The request is wrong: refresh what is known of the symbol, mend once, then halt."""
    LIMITS = "limits"
    """The account or the broker allows no more."""


RETCODES: dict[int, tuple[RetcodeClass, str]] = {
    10004: (RetcodeClass.NEW_PRICE, "requote"),
    10006: (RetcodeClass.UNKNOWN, "request rejected"),
    10007: (RetcodeClass.UNKNOWN, "request cancelled"),
    10008: (RetcodeClass.SUCCESS, "order placed"),
    10009: (RetcodeClass.SUCCESS, "done"),
    10010: (RetcodeClass.SUCCESS, "done in part"),
    10011: (RetcodeClass.UNKNOWN, "error while the request was worked on"),
    10012: (RetcodeClass.UNKNOWN, "timed out"),
    10013: (RetcodeClass.OUR_MISTAKE, "invalid request"),
    10014: (RetcodeClass.OUR_MISTAKE, "invalid volume"),
    10015: (RetcodeClass.NEW_PRICE, "invalid price"),
    10016: (RetcodeClass.OUR_MISTAKE, "invalid stops"),
    10017: (RetcodeClass.WAIT, "trading disabled"),
    10018: (RetcodeClass.WAIT, "market closed"),
    10019: (RetcodeClass.LIMITS, "not enough money"),
    10020: (RetcodeClass.NEW_PRICE, "prices changed"),
    10021: (RetcodeClass.BACK_OFF, "no quotes to act on"),
    10022: (RetcodeClass.OUR_MISTAKE, "invalid order expiry"),
    10023: (RetcodeClass.NEW_PRICE, "order state changed"),
    10024: (RetcodeClass.BACK_OFF, "too many requests"),
    10025: (RetcodeClass.ALREADY_SO, "no changes in the request"),
    10026: (RetcodeClass.WAIT, "autotrading disabled by the server"),
    10027: (RetcodeClass.WAIT, "autotrading disabled in the terminal"),
    10028: (RetcodeClass.BACK_OFF, "request locked"),
    10029: (RetcodeClass.BACK_OFF, "order or position frozen"),
    10030: (RetcodeClass.OUR_MISTAKE, "filling mode not allowed"),
    10031: (RetcodeClass.UNKNOWN, "no connection to the trade server"),
    10032: (RetcodeClass.OUR_MISTAKE, "allowed for live accounts only"),
    10033: (RetcodeClass.LIMITS, "too many pending orders"),
    10034: (RetcodeClass.LIMITS, "volume limit of the symbol"),
    10035: (RetcodeClass.OUR_MISTAKE, "wrong or prohibited order type"),
    10036: (RetcodeClass.ALREADY_SO, "position already closed"),
    10038: (RetcodeClass.OUR_MISTAKE, "more to close than the position holds"),
    10039: (RetcodeClass.UNKNOWN, "a close order of the position exists already"),
    10040: (RetcodeClass.LIMITS, "too many positions"),
    10041: (RetcodeClass.OUR_MISTAKE, "the order's activation was rejected"),
    10042: (RetcodeClass.LIMITS, "long positions only"),
    10043: (RetcodeClass.LIMITS, "short positions only"),
    10044: (RetcodeClass.LIMITS, "closing only"),
    10045: (RetcodeClass.OUR_MISTAKE, "closing by the FIFO rule only"),
    10046: (RetcodeClass.OUR_MISTAKE, "opposite positions on one symbol are forbidden"),
}
"""Every code the server is known to answer with. 10037 is in no list of the reference."""

NO_REPLY = "no reply"


def classify(retcode: int | None) -> RetcodeClass:
    """What the answer asks for. A code that is not listed, and no reply (None), are unknown."""
    known = RETCODES.get(retcode) if retcode is not None else None
    return known[0] if known else RetcodeClass.UNKNOWN


def retcode_words(retcode: int | None) -> str:
    """The answer as people read it: `10018 market closed`."""
    if retcode is None:
        return NO_REPLY
    known = RETCODES.get(retcode)
    return f"{retcode} {known[1] if known else 'not a listed code'}"


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
