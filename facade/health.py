"""Whether the program lives, and whether it can be relied on: said of the engine as it is now."""

from datetime import UTC, datetime

import msgspec

from engine.desk import Health

SERVICE = "tidegate"


class Liveness(msgspec.Struct, frozen=True, kw_only=True):
    """`/healthz`: who answers this still takes turns; nothing else is claimed."""

    status: str
    uptime_s: int
    loop_lag_ms: float


class FeedReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """One broker server's quotes, or those of one account alone."""

    name: str
    is_alive: bool
    leader: str | None
    quote_age_ms: int | None
    account: str | None = None
    """`server/login` of the one account that is valued on it; null: it is its server's."""


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """`/readyz`."""

    status: str
    """`ready`, `degraded` (guarding, with something amiss), `not_ready`."""
    reasons: tuple[str, ...]
    journal: str
    """`open`, or how it failed."""
    equity: str
    """`kept`; `not kept`: equity over time is in memory alone, and guards do not need it."""
    accounts: int
    linked: int
    crashed: tuple[str, ...]
    """Accounts that nobody guards, `server/login`."""
    feeds: tuple[FeedReadiness, ...]
    listening: str
    """Where terminals link, `host:port`; empty before it listens."""
    thumbprint: str
    """SHA-256 of the certificate that terminals see there: whoever links is shown it anyway."""
    refused: dict[str, int]
    """Terminals that were not let in since the start, by cause."""

    @property
    def http_status(self) -> int:
        """503 only where commands and reads are to be kept away."""
        return 503 if self.status == "not_ready" else 200


class TradingHealth(msgspec.Struct, frozen=True, kw_only=True):
    """`/trading/health`."""

    status: str
    """`ok`, `degraded`, `down`."""
    timestamp: str
    service: str


def liveness(health: Health) -> Liveness:
    """The program as a supervisor of processes asks for it."""
    up_s = max(0, health.time_msc - health.started_msc) // 1000
    return Liveness(status="ok", uptime_s=up_s, loop_lag_ms=health.loop_lag_ms)


def readiness(health: Health) -> Readiness:
    """Ready: the journal is open, recovery is done, and every feed somebody quotes has ticked.

    A feed whose last tick is old is no reason by itself: markets sleep. An account given up, a feed
    that nobody quotes while terminals are linked, make it `degraded`: the others are guarded. So
    does equity over time that is in memory alone. The feed of one account is shown and no reason:
    without its terminal that account says itself that it is stale.
    """
    refused, amiss = [], []
    if health.journal_failure is not None:
        refused.append(f"the journal failed: {health.journal_failure}")
    elif not health.is_ready:
        refused.append(health.reason or "not ready")
    feeds = []
    for feed in health.feeds:
        is_alive = feed.leader is not None and feed.quote_age_ms is not None
        feeds.append(
            FeedReadiness(
                name=feed.name,
                is_alive=is_alive,
                leader=feed.leader,
                quote_age_ms=feed.quote_age_ms,
                account=feed.account,
            )
        )
        if feed.account is not None:
            continue
        if feed.leader is not None and not is_alive:
            refused.append(f"{feed.name}: {feed.leader} quotes it and no tick has come yet")
        elif feed.leader is None and health.linked:
            amiss.append(f"{feed.name}: no terminal quotes it")
    if health.crashed:
        amiss.append(f"{len(health.crashed)} accounts given up")
    if health.equity_failure is not None:
        amiss.append("equity over time is not kept: see the log")
    status = "not_ready" if refused else "degraded" if amiss else "ready"
    return Readiness(
        status=status,
        reasons=(*refused, *amiss),
        journal=health.journal_failure or "open",
        equity="kept" if health.equity_failure is None else "not kept",
        accounts=health.accounts,
        linked=health.linked,
        crashed=tuple(health.crashed),
        feeds=tuple(feeds),
        listening=health.listening,
        thumbprint=health.thumbprint,
        refused=dict(health.refused),
    )


def trading_health(health: Health) -> TradingHealth:
    """The public word on it, without names or numbers."""
    words = {"ready": "ok", "degraded": "degraded", "not_ready": "down"}
    when = datetime.fromtimestamp(health.time_msc / 1000, UTC)
    return TradingHealth(
        status=words[readiness(health).status],
        timestamp=when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        service=SERVICE,
    )
