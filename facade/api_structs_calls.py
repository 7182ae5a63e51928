"""What callers send: queries and bodies. Unknown fields are refused, with their path."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from engine.domain.severity import Severity

Server = Annotated[str, Meta(min_length=1, max_length=64)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Reason = Annotated[str, Meta(max_length=300)]
Given = Annotated[str, Meta(min_length=1, max_length=300, pattern=r"\S")]
"""A reason that must be there."""
Limit = Annotated[int, Meta(ge=1, le=1000)]
Seq = Annotated[int, Meta(ge=0, le=2**53)]
Moment = Annotated[int, Meta(ge=0, le=2**52)]
"""UTC, milliseconds since 1970."""
SORT_FIELDS = (
    "severity", "login", "server", "equity", "balance", "profit", "room", "room_percent",
    "used_percent", "drawdown", "drawdown_percent", "equity_high_water", "margin_level",
    "positions", "currency", "ruleset", "age_ms",
)  # fmt: skip
_SORT = f"^-?({'|'.join(SORT_FIELDS)})$"
_STATE = f"({'|'.join(Severity)})"
_STATES = f"^({_STATE}(,{_STATE})*)?$"
_WORD = (
    rf"([0-9]{{1,19}}(,[0-9]{{1,19}})*|state:{_STATE}(,{_STATE})*"
    r"|(server|guard|ruleset|symbol|tag):[A-Za-z0-9_.-]+(,[A-Za-z0-9_.-]+)*"
    r"|(room|used|equity)(<|>|<=|>=)-?[0-9]{1,12}(\.[0-9]{1,8})?)"
)
_FILTER = f"^({_WORD}( {_WORD}){{0,3}})?$"
"""Of the document alone: what is taken is somewhat more, and refused in better words."""
BUCKETS = {"1s": 1, "10s": 10, "1m": 60, "15m": 900, "1h": 3600, "1d": 86_400}


class NoQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Nothing may be asked."""


class StatusQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which accounts: one, or all of the caller's, or those in one currency."""

    account: Name | None = None
    """`server/login`."""
    currency: Annotated[str, Meta(min_length=1, max_length=16)] | None = None


class PositionsQuery(StatusQuery, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The same, and of which symbol."""

    symbol: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class AccountsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A page of accounts."""

    filter: Annotated[str, Meta(max_length=500, extra_json_schema={"pattern": _FILTER})] = ""
    """The words of docs/api.md: `state:warning room<500 server:Demo-1`."""
    state: Annotated[str, Meta(max_length=100, pattern=_STATES)] = ""
    """One state, or several apart by commas; unlike `filter` it leaves the counts alone."""
    sort: Annotated[str, Meta(max_length=40, pattern=_SORT)] = "severity"
    """`severity`, or a field (`equity`, `room`, `login`, ...); `-` before it: the largest first."""
    limit: Limit = 100
    cursor: Annotated[str, Meta(max_length=9, pattern="^[0-9]*$")] = ""
    """`next_cursor` of the page before."""


class EventsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Records after one."""

    after: Seq = 0
    limit: Limit = 100


class LogsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Discrepancies, the newest first."""

    account: Name | None = None
    limit: Limit = 100


class OneLogQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The same of the account of the path."""

    limit: Limit = 100


class EquityQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Equity over time."""

    bucket: Literal["1s", "10s", "1m", "15m", "1h", "1d"] = "1m"
    from_msc: Moment = 0
    to_msc: Moment = 2**52


class PeriodQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A span of time: all there was, unless told."""

    from_msc: Moment = 0
    to_msc: Moment = 2**52
    """The period ends before it, or now where that is earlier."""


class AuditQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Entries after one."""

    after: Seq = 0
    limit: Limit = 100


class MetricsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Aggregates, or series of each account too."""

    per_account: bool = False


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What to stream: all of the caller's accounts, or one."""

    account: Name | None = None
    last_event_id: Annotated[str, Meta(max_length=8000)] | None = None
    """As the header `Last-Event-ID`, for clients that cannot send one."""


class ScopeQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The kill switch says that it means all."""

    scope: Literal["all"]


class HaltBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Take no new risk."""

    reason: Reason = ""


class FlattenBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Close everything, or one position."""

    reason: Given
    position_id: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class FlattenAllBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Close everything, everywhere."""

    reason: Given


class AdoptBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Mean to hold these positions, as they are."""

    position_ids: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=2**63 - 1)], ...], Meta(min_length=1, max_length=100)
    ]
    reason: Given


class ReleaseBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """End a halt."""

    reason: Given
    cause: Name | None = None
    """One of the account's `halts`; may be left out where there is one."""


class RulesetBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Guard by other rules of the book."""

    ruleset: Name
    reason: Given


class ReportBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Ask the terminal of one account for a full report."""

    account: Name


class IntentBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a strategy means to hold."""

    account: Name
    intent_id: Name
    symbol: Annotated[str, Meta(min_length=1, max_length=64)]
    side: Literal["buy", "sell"]
    volume_lots: Annotated[float, Meta(gt=0, le=1e9)]
    open_price: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    stop_loss: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    take_profit: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    magic: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    tag: Annotated[str, Meta(max_length=31)] = ""
    expires_at_msc: Moment | None = None
    in_flight_lots: Annotated[float, Meta(ge=0, le=1e9)] = 0.0
    """Of it, sent to the broker and not answered; said again with the same words, it replaces."""


class DecisionBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the second person says."""

    approval_id: Name
    decision: Literal["approve", "reject"]
    reason: Reason = ""
