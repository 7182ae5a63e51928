"""What the API answers, but for accounts: field names and meanings are relied on by clients.

Whatever is measured carries what it is worth: `quality` (the worst of the accounts in it) and
`age_ms` (of the oldest quote in it).
"""

from typing import Any, Literal

import msgspec

from engine.domain.guard_views import GuardView
from engine.domain.live_views import DiscrepancyView
from engine.equity_history import Bucket, PeriodStatistics
from facade.api_structs_mirror import Instant, Mirror, mirror

Quality = Literal["known", "stale", "unknown"]
PLACE: dict[str, Any] = {"server": str, "login": int}
DISCREPANCY = Mirror(DiscrepancyView, PLACE, "PlacedDiscrepancy")
GUARD = Mirror(GuardView, PLACE, "PlacedGuard")
BUCKET = mirror(Bucket)
PERIOD = mirror(PeriodStatistics)


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one currency."""

    currency: str
    accounts: int
    unknown: int
    """Accounts that are not valued now: they are in no sum but `balance`."""
    balance: float
    equity: float
    profit: float
    positions: int


class ReconciliationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How well what is held is known to be what should be."""

    user_id: str
    status: Literal["idle", "healthy", "warning", "degraded", "error"]
    last_sync_at: Instant | None
    total_syncs: int
    """Full reports compared."""
    last_sync_duration_ms: float | None
    """Of that report, from its arrival until it was compared and what it led to was durable; null:
    none was compared since the engine started."""
    open_positions_count: int
    matched_positions: int
    divergences_detected: int
    recent_events: tuple[DISCREPANCY.struct, ...]  # type: ignore[name-defined]
    """At most ten open discrepancies, the newest first."""
    error_message: str | None
    accounts: int
    quality: Quality
    age_ms: int | None


class OpenPosition(msgspec.Struct, frozen=True, kw_only=True):
    """One position at the price that would close it."""

    position_id: int
    ticket: int
    server: str
    login: int
    currency: str
    symbol: str
    direction: Literal["buy", "sell"]
    volume: float
    """Lots."""
    entry_price: float
    entry_time: Instant | None
    current_price: float | None
    unrealized_pnl: float | None
    """Swap included."""
    unrealized_pnl_pct: float | None
    """Of the account's balance."""
    take_profit: float | None
    stop_loss: float | None
    status: Literal["open", "closing"]
    matched_with_bot: bool
    intent_id: str | None
    last_updated_at: Instant
    quality: Quality
    age_ms: int | None


class PositionsOpen(msgspec.Struct, frozen=True, kw_only=True):
    """Open positions; without any, an empty list."""

    user_id: str
    total_positions: int
    total_unrealized_pnl: float | None
    """Null: one of them is not priced."""
    total_unrealized_pnl_pct: float | None
    """Of the sum of the balances."""
    currency: str | None
    totals: tuple[Total, ...]
    positions: tuple[OpenPosition, ...]
    last_updated_at: Instant
    quality: Quality
    age_ms: int | None


class DrawdownGuard(msgspec.Struct, frozen=True, kw_only=True):
    """The accounts taken together."""

    current_equity: float | None
    peak_equity: float
    current_drawdown_pct: float | None
    alert_type: Literal["normal", "warning", "critical"]
    alert_threshold_pct: float | None
    """Of its amount, of the nearest guard: where it warns."""
    should_close_all: bool
    time_to_liquidation_seconds: float | None
    """The notice that is left; null where none runs."""
    last_checked_at: Instant | None


class MarketAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A guard without an equity floor that warns or is breached."""

    server: str
    login: int
    guard: str
    kind: str
    alert_type: Literal["warning", "critical"]
    since: Instant | None


class GuardsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where every guard stands."""

    user_id: str
    system_status: Literal["normal", "warning", "critical", "unknown"]
    currency: str | None
    drawdown_guard: DrawdownGuard
    guards: tuple[GUARD.struct, ...]  # type: ignore[name-defined]
    market_guard_alerts: tuple[MarketAlert, ...]
    any_positions_should_close: bool
    last_evaluated_at: Instant | None
    totals: tuple[Total, ...]
    quality: Quality
    age_ms: int | None


class EventsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one account, in order; fields as in docs/events, and `time`."""

    server: str
    login: int
    events: tuple[msgspec.Raw, ...]
    next_after: int
    """To be given as `after`; the last `seq` of the page."""
    has_more: bool
    last_seq: int
    quality: Quality
    age_ms: int | None


class EquityPage(msgspec.Struct, frozen=True, kw_only=True):
    """Equity and balance over time; what nobody valued has no bucket."""

    server: str
    login: int
    currency: str
    bucket: str
    bucket_s: int
    buckets: tuple[BUCKET.struct, ...]  # type: ignore[name-defined]
    quality: Quality
    age_ms: int | None


class StatisticsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A period of one account in figures."""

    server: str
    login: int
    currency: str
    period: PERIOD.struct  # type: ignore[name-defined]
    quality: Quality
    age_ms: int | None


class DiscrepanciesPage(msgspec.Struct, frozen=True, kw_only=True):
    """What differs now, and what was said of differences before."""

    user_id: str
    open: tuple[DISCREPANCY.struct, ...]  # type: ignore[name-defined]
    log: tuple[msgspec.Raw, ...]
    """`discrepancy` records, the newest first."""
    is_complete: bool
    """False: older records were not looked through."""
    quality: Quality
    age_ms: int | None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A command was taken: what it led to is durable."""

    status: Literal["accepted", "waiting"]
    """`waiting`: for a second person."""
    intent_ids: tuple[str, ...]
    """Closes that it decided."""
    seq: int | None
    """Of the account's last record then."""
    approval_id: str | None = None


class Failed(msgspec.Struct, frozen=True):
    """An account that a command for all did not reach."""

    account: str
    reason: str


class AcceptedAll(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command for all accounts of the caller."""

    status: Literal["accepted"]
    accounts: int
    intent_ids: tuple[str, ...]
    failed: tuple[Failed, ...]


class NotAdopted(msgspec.Struct, frozen=True):
    """A position that could not be adopted."""

    position_id: int
    reason: str


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """Positions are meant from here on; the next full report finds nothing of them."""

    status: Literal["accepted"]
    intent_ids: tuple[str, ...]
    """Intents that were registered, one a position."""
    seq: int
    """Of the account's last record then."""
    failed: tuple[NotAdopted, ...]
    """Of those that were named; the others are adopted."""


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """What needs, or had, a second person."""

    approval_id: str
    action: Literal["release", "ruleset"]
    account: str
    asked: msgspec.Raw
    """The body that was asked for."""
    reason: str
    proposed_by: str
    proposed_at: Instant
    expires_at: Instant
    state: Literal["waiting", "expired", "approved", "rejected", "done"]
    decided_by: str | None
    decided_at: Instant | None
    decision_reason: str
    outcome: str


class ApprovalsPage(msgspec.Struct, frozen=True, kw_only=True):
    """What waits first."""

    approvals: tuple[ApprovalView, ...]


class SessionOpened(msgspec.Struct, frozen=True, kw_only=True):
    """Who is signed in; the cookie itself is in a header."""

    subject: str
    role: str
    csrf_token: str
    """To be sent as `X-CSRF-Token` with whatever is not a GET."""
    expires_at: Instant
    accounts: int


class AuditItem(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the trail."""

    number: int
    time: Instant
    by: str
    asked: str
    outcome: str
    kind: str
    account: str
    origin: str
    reason: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries in order, and the end of the chain."""

    entries: tuple[AuditItem, ...]
    next_after: int
    head: str
    """`NUMBER:HASH`, to be kept elsewhere."""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What runs."""

    name: str
    version: str


class TimelineItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came of a verdict."""

    type: str
    seq: int
    time: Instant
    after_ms: int
    """Since the verdict."""
    position_id: int | None
    sacrificed: tuple[str, ...] = ()
    """Of a close that went: the weaker rules it broke."""
    yields_to: tuple[str, ...] = ()
    """Of a close that waits: the stronger rules that forbid it."""


class VerdictAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What decided. What is not in the journal any more is null."""

    verdict_id: str
    server: str
    login: int
    time: Instant
    record: dict[str, Any]
    formula: str
    input: Any
    quotes: dict[str, Any]
    """By symbol: bid, ask, and the age when it decided."""
    balance: float | None
    credit: float | None
    currency: str | None
    positions: Any
    ruleset: str | None
    ruleset_hash: str | None
    """SHA-256 of the rules as they were."""
    rules: Any
    digest: str | None
    """Of the account's state after it."""
    agrees: bool | None
    """Whether stepping it again gave the same."""
    journal_head: str | None
    """`NUMBER:HASH` of the journal as it is now, for `tidegate journal verify --head`."""
    timings: tuple[TimelineItem, ...]
