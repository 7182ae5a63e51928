"""What passes between the engine and a link to terminals, whatever the link is made of.

The link gives the terminal's records (`domain/reports.py`) with when they were sent; the engine
gives commands. Numbers, epochs, keys and sequence stay inside the link.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from engine.domain.ids import AccountKey


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """What a terminal said of itself and its account when it linked."""

    key: AccountKey
    session: str
    """Of the terminal program's run: the same after a reconnect, another after a restart."""
    epoch: int
    """Of this link: commands carry it, and the terminal refuses those of a lower one."""
    build: int
    company: str
    currency: str
    currency_digits: int
    margin_mode: int
    """ACCOUNT_MARGIN_MODE: 0 netting, 1 exchange, 2 hedging."""
    leverage: int
    gmt_offset_s: int
    resumed: bool
    """The engine knew the session: what it had not acknowledged is sent again."""
    handshake_ms: float | None = None
    """From sending the challenge until its answer came; None: the link does not say."""


class Sent(NamedTuple):
    """When a frame was sent and came."""

    gmt_msc: int
    """UTC by the terminal's own clock, which may be wrong."""
    gmt_offset_s: int
    """Server's wall clock minus UTC, as the terminal had it then."""
    received_ns: int
    """On the engine's monotonic clock."""
    asked_ns: int = 0
    """Of a full report: when it was asked for, so that it was not taken before; same clock."""
    gaps: int = 0
    """Times that frames were missing on this link, so far."""

    def utc_msc(self, server_msc: int) -> int:
        """The UTC millisecond that a record's server wall clock stands for; 0 stays 0 (none)."""
        return server_msc - self.gmt_offset_s * 1000 if server_msc else 0


class LinkQuote(NamedTuple):
    """A tick as the terminal saw it. It may be crossed or zero: that is the feed's to judge."""

    symbol: str
    time_msc: int
    """UTC."""
    server_msc: int
    """The server's wall clock, written as if UTC."""
    bid: float
    ask: float
    flags: int
    """The documented bits: 2 bid, 4 ask, 8 last, 16 volume, 32 buy, 64 sell."""


class PositionChange(StrEnum):
    """Why a whole position record came."""

    OPENED = "opened"
    CHANGED = "changed"
    CLOSED = "closed"


class Receipt:
    """Signed once what came is durable, or needs not be: the terminal may then forget it.

    A terminal that reconnects sends again whatever was not signed for. Signing twice, or after
    the link is gone, does nothing.
    """

    __slots__ = ("_sign",)

    def __init__(self, sign: Callable[[], None]) -> None:
        self._sign: Callable[[], None] | None = sign

    def sign(self) -> None:
        """The frame may be acknowledged. Never waits."""
        sign, self._sign = self._sign, None
        if sign is not None:
            sign()


class Action(StrEnum):
    """What a terminal can be told to do."""

    CLOSE = "close"
    CLOSE_BY = "close_by"
    CANCEL = "cancel"
    """A pending order."""
    HALT = "halt"
    """No new risk: the terminal warns and refuses what it can."""
    RESUME = "resume"
    REPORT = "report"
    SET = "set"
    """Symbols to quote, pace of heartbeats, the terminal's own fail-safe floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalCommand:
    """A command to the terminal of an account. The link adds the epoch."""

    action: Action
    intent_id: str = ""
    """Empty where no result is wanted (`report`, `set`)."""
    ttl_ms: int = 5000
    """The terminal does not begin a command older than this, by the clock of its own arrival."""
    position: int | None = None
    """POSITION_IDENTIFIER: always named when closing, or MT5 opens the opposite side."""
    position_by: int | None = None
    order: int | None = None
    symbol: str | None = None
    volume: float | None = None
    """Lots to close; None: all of it."""
    deviation: int | None = None
    """Points."""
    symbols: tuple[str, ...] | None = None
    """`set`: what to quote from now on, in place of what was wanted before."""
    heartbeat_ms: int | None = None
    floor: float | None = None
    """`set`: equity at which the terminal closes by itself when the engine is silent; 0 disarms."""


class Handed(StrEnum):
    """What became of handing a command to a link. Only a deal or a result tells what it did."""

    HANDED = "handed"
    """It is on its way. If the link is lost now, whether it arrived is unknown."""
    NOT_LINKED = "not_linked"
    """It never left."""
    NO_ROOM = "no_room"
    """It never left: too much waits for a slow terminal."""
