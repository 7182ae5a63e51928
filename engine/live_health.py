"""How a running engine is: what it knows of itself, and what its process tells it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from engine.desk import FeedHealth, Health
from engine.domain.ids import AccountKey
from engine.servers import Server

PULSE_LOST_S = 5.0
"""Without a pulse for so long nobody would see a notice run out: the engine is not ready."""


@dataclass(slots=True)
class Surroundings:
    """What is true of the process around the engine; kept up to date by whoever runs it."""

    listening: str = ""
    thumbprint: str = ""
    journal_failure: Callable[[], str | None] = lambda: None
    equity_failure: Callable[[], str | None] = lambda: None
    refused: Callable[[], Mapping[str, int]] = dict
    linked: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What the engine knows of itself."""

    is_ready: bool
    pulse_age_s: float
    started_msc: int
    time_msc: int
    accounts: int
    loop_lag_ms: float
    crashed: Mapping[AccountKey, str]


def health_of(around: Surroundings, own: Running, feeds: Iterable[FeedHealth]) -> Health:
    """See `Desk.health`. The journal's failure is the reason before any other."""
    failure = around.journal_failure()
    reason = "" if own.is_ready else "starting, or stopping"
    if not reason and own.pulse_age_s > PULSE_LOST_S:
        reason = "the clock of the guards stands still"
    if failure is not None:
        reason = f"the journal failed: {failure}"
    return Health(
        is_ready=not reason,
        reason=reason,
        started_msc=own.started_msc,
        time_msc=own.time_msc,
        accounts=own.accounts,
        linked=around.linked(),
        crashed={str(key): why for key, why in own.crashed.items()},
        journal_failure=failure,
        loop_lag_ms=own.loop_lag_ms,
        feeds=tuple(feeds),
        refused=around.refused(),
        listening=around.listening,
        thumbprint=around.thumbprint,
        equity_failure=around.equity_failure(),
    )


def feed_health(server: Server, now_ns: int) -> FeedHealth:
    """Of one feed; `now_ns` on the monotonic clock."""
    intake, leader = server.intake, server.leader
    heard_ns = intake.heard_ns
    return FeedHealth(
        name=server.name,
        leader=None if leader is None else str(leader),
        ticks=server.router.ticks,
        quote_age_ms=None if heard_ns is None else (now_ns - heard_ns) // 1_000_000,
        rejected=dict(intake.rejected),
        account=None if server.account is None else str(server.account),
    )
