"""What a close under way asks of the world: imperative, nothing has happened yet.

Whoever drives the machine (`close_orders`) does each of these and tells it what came of it.
"""

from enum import StrEnum

import msgspec


class AlertKind(StrEnum):
    """Why a human hears of a close."""

    LATE = "late"
    ESCALATED = "escalated"
    CANNOT_ACT = "cannot_act"
    MISTAKE = "mistake"
    LIMITS = "limits"
    REQUOTES = "requotes"
    OVERTAKEN = "overtaken"
    """Less is left than was to remain, or the other side: somebody else traded meanwhile."""
    STILL_THERE = "still_there"
    """Settled by deals, yet a later report shows the position."""
    MARKET_CLOSED = "market_closed"
    """Never an alert: that was CANNOT_ACT. Said as a close that waits (`closed_markets`)."""


PAGES = frozenset(AlertKind) - {AlertKind.LATE, AlertKind.LIMITS, AlertKind.MARKET_CLOSED}


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What the terminal is asked. The contract's `x` frame has no filling: the terminal's side
    goes through the allowed ones itself where it knows nothing of ours."""

    command_id: str
    epoch: int
    action: str
    """close, close_by or cancel."""
    position_id: int
    position_by: int | None
    symbol: str
    side: int
    volume_lots: float
    is_whole: bool
    """All of it, however much that is by now: on a hedging account no more can go."""
    deviation_points: int
    filling_index: int
    ttl_ms: int


class Persist(msgspec.Struct, frozen=True):
    """Make the order durable, then say `made_durable`."""


class Send(msgspec.Struct, frozen=True):
    """Write this when pacing allows, then say `sent`; a wish that `elapsed` renews."""

    command: Command


class AskReport(msgspec.Struct, frozen=True):
    """Positions, orders and the intent table are needed."""


class SlowDown(msgspec.Struct, frozen=True):
    """The server has had too many requests: halve the account's rate."""


class Alert(msgspec.Struct, frozen=True):
    """A human must know; `page`: at once."""

    kind: AlertKind
    page: bool


class Settle(msgspec.Struct, frozen=True):
    """It is over, as proven by deals or a report."""


Action = Persist | Send | AskReport | SlowDown | Alert | Settle
