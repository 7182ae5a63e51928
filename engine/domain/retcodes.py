"""What each answer of a trade server asks of us: the classes that closing goes by.

Source: the MQL5 reference, "Trade Server Return Codes"; the numbers of the MetaTrader 5 Python
library are the same.
"""

from enum import StrEnum


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


MARKET_CLOSED = 10018

RETCODES: dict[int, tuple[RetcodeClass, str]] = {
    # The terminal's own answers: nothing was sent to the server.
    -1: (RetcodeClass.BACK_OFF, "of an older epoch, not sent"),
    -2: (RetcodeClass.BACK_OFF, "waited too long at the terminal, not sent"),
    -3: (RetcodeClass.OUR_MISTAKE, "names nothing that can be done, not sent"),
    -4: (RetcodeClass.BACK_OFF, "the terminal could not begin, not sent"),
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
    MARKET_CLOSED: (RetcodeClass.WAIT, "market closed"),
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
"""Every code that is known. 10037 is in no list of the reference."""

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
