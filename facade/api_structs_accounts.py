"""An account as the API shows it: the whole snapshot, and what a list needs of it worked out."""

from typing import Any, Literal

import msgspec

from engine.account_filter import used_of, worst_guard
from engine.domain.severity import severity_of
from engine.domain.snapshot import Snapshot
from facade.api_structs import Quality, Total
from facade.api_structs_mirror import Instant, Mirror
from facade.codec import encode, time_text

ACCOUNT = Mirror(
    Snapshot,
    {
        "state": str,
        "used_percent": float | None,
        "floor": float | None,
        "floor_after_reset": float | None,
        "next_reset_at": Instant | None,
        "next_reset_msc": int | None,
        "last_evaluated_at": Instant | None,
    },
)


class AccountsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the caller's accounts."""

    counts: dict[str, int]
    """Accounts in each state, of all that the filter picks; every state is there."""
    total: int
    """Accounts that the filter and the state pick."""
    totals: tuple[Total, ...]
    """Of those, for each currency."""
    accounts: tuple[ACCOUNT.struct, ...]  # type: ignore[name-defined]
    next_cursor: str | None
    culprit: str | None
    """Where nothing is left: the word of the filter that took everything."""
    time: Instant
    quality: Literal["known", "stale", "unknown"]
    age_ms: int | None


def account_view(snapshot: Snapshot) -> Any:
    """The account as the API shows it."""
    guard = worst_guard(snapshot)
    evaluated = [g.evaluated_at_msc for g in snapshot.guards if g.evaluated_at_msc is not None]
    return ACCOUNT.of(
        snapshot,
        state=severity_of(snapshot).value,
        used_percent=used_of(snapshot),
        floor=None if guard is None else guard.floor,
        floor_after_reset=None if guard is None else guard.floor_after_reset,
        next_reset_at=None if guard is None else time_text(guard.next_reset_msc),
        next_reset_msc=None if guard is None else guard.next_reset_msc,
        last_evaluated_at=time_text(max(evaluated, default=None)),
    )


class Views:
    """Accounts as bytes, made once a snapshot, for whoever asks."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], tuple[Snapshot, bytes]] = {}

    def of(self, snapshot: Snapshot) -> bytes:
        """The account as JSON."""
        name = (snapshot.server, snapshot.login)
        kept = self._made.get(name)
        if kept is not None and kept[0] is snapshot:
            return kept[1]
        body = encode(account_view(snapshot))
        self._made[name] = (snapshot, body)
        return body


def worst_quality(snapshots: list[Snapshot]) -> Quality:
    """Of these; of none, known: an empty list is no doubt."""
    found = {one.quality.value for one in snapshots}
    return "unknown" if "unknown" in found else "stale" if "stale" in found else "known"


def oldest_ms(snapshots: list[Snapshot]) -> int | None:
    """Of the oldest quote in them."""
    return max((one.age_ms for one in snapshots if one.age_ms is not None), default=None)


def totals_of(snapshots: list[Snapshot]) -> tuple[Total, ...]:
    """Sums for each currency, the one with most accounts first."""
    groups: dict[str, list[Snapshot]] = {}
    for one in snapshots:
        groups.setdefault(one.currency, []).append(one)
    made = [
        Total(
            currency=currency,
            accounts=len(group),
            unknown=sum(one.equity is None for one in group),
            balance=round(sum(one.balance for one in group), 8),
            equity=round(sum(one.equity for one in group if one.equity is not None), 8),
            profit=round(sum(one.profit for one in group if one.profit is not None), 8),
            positions=sum(len(one.positions) for one in group),
        )
        for currency, group in groups.items()
    ]
    return tuple(sorted(made, key=lambda one: -one.accounts))
