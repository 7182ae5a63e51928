"""Incidents: warnings and breaches of the caller's accounts, the newest first, and how they ended.

Looks back a bounded number of records of a bounded number of accounts: those in trouble first.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from engine.domain.ids import AccountKey
from engine.domain.records import (
    VERDICTS,
    CloseIntended,
    CloseSettled,
    CloseWaits,
    GuardBreach,
    PositionClosed,
    Record,
    RuleBreach,
)
from engine.domain.severity import sort_key
from engine.domain.snapshot import Snapshot
from engine.domain.units import percent
from facade.api_structs import Quality
from facade.api_structs_accounts import oldest_ms, worst_quality
from facade.api_structs_calls import Limit, Name
from facade.api_structs_mirror import Instant
from facade.call import Call, answer
from facade.codec import time_text

LOOK_BACK_ACCOUNTS = 50
LOOK_BACK_RECORDS = 512
"""Of each account where several are looked through; of one alone four times as many."""


class IncidentsQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Warnings and breaches, the newest first."""

    account: Name | None = None
    """`server/login`; without it, all of the caller's."""
    kind: Annotated[str, Meta(pattern="^(breach|warning)?$")] = ""
    """`breach` or `warning`; empty: both."""
    limit: Limit = 100


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One warning or breach."""

    verdict_id: str
    type: str
    seq: int
    time: Instant
    server: str
    login: int
    currency: str
    guard: str
    subject: str
    equity: float | None
    """On which it was decided; null for a guard without a floor."""
    floor: float | None
    used_percent: float | None
    """Of its amount, then; null for a guard without a floor."""
    closes: int
    """That this guard asked for after it, up to its next breach."""
    settled: int
    waits: int
    """Closes that a stronger rule holds back."""
    flat_after_ms: int | None
    """When the last was settled; null while one is not, or waits, or where none was asked for."""


class IncidentsPage(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first."""

    incidents: tuple[Incident, ...]
    is_complete: bool
    """False: older records, or other accounts, were not looked through."""
    accounts: int
    """How many were looked through."""
    quality: Quality
    age_ms: int | None


async def incidents(call: Call) -> Response:
    """Warnings and breaches of all of the caller's accounts, or one."""
    query = call.query(IncidentsQuery)
    keys: Sequence[AccountKey] = call.scope.keys()
    if query.account is not None:
        keys = (call.named(query.account),)
    snapshots = await call.snapshots(keys)
    looked = sorted(snapshots, key=sort_key)[:LOOK_BACK_ACCOUNTS]
    found: list[Incident] = []
    is_complete = len(looked) == len(snapshots)
    for one in looked:
        oldest = max(0, one.seq - LOOK_BACK_RECORDS * (4 if len(keys) == 1 else 1))
        with call.looking_back():
            records = await _back(call, AccountKey(one.server, one.login), oldest, one.seq)
        is_complete = is_complete and oldest == 0
        found += incidents_of(one, records)
    kept = [one for one in found if not query.kind or one.type.endswith(query.kind)]
    kept.sort(key=lambda one: (one.time, one.server, one.login, one.seq), reverse=True)
    return answer(
        IncidentsPage(
            incidents=tuple(kept[: query.limit]),
            is_complete=is_complete and len(kept) <= query.limit,
            accounts=len(looked),
            quality=worst_quality(snapshots),
            age_ms=oldest_ms(snapshots),
        )
    )


async def _back(call: Call, key: AccountKey, after_seq: int, last_seq: int) -> list[Record]:
    """The account's records of that span, in order, read by pages."""
    found: list[Record] = []
    for after in range(after_seq, last_seq, LOOK_BACK_RECORDS):
        found += await call.desk.records(key, after, min(LOOK_BACK_RECORDS, last_seq - after))
    return found


def incidents_of(one: Snapshot, records: Sequence[Record]) -> list[Incident]:
    """Each verdict with the closes that its guard asked for until it breached again."""
    settled = {
        record.intent_id: record.time_msc for record in records if isinstance(record, CloseSettled)
    }
    asked: dict[str, list[str]] = {}
    waits: dict[str, set[int]] = {}
    went: set[int] = set()
    """Positions that were closed, or whose close was decided, later on."""
    made: list[Incident] = []
    for record in reversed(records):
        if isinstance(record, CloseIntended):
            asked.setdefault(record.reason.removeprefix("guard:"), []).append(record.intent_id)
            went.add(record.position_id)
        elif isinstance(record, PositionClosed | CloseSettled):
            went.add(record.position_id)
        elif isinstance(record, CloseWaits) and record.position_id not in went:
            waits.setdefault(record.reason.removeprefix("guard:"), set()).add(record.position_id)
        elif isinstance(record, GuardBreach | RuleBreach):
            closes, held = asked.pop(record.guard, []), waits.pop(record.guard, set())
            made.append(_incident(one, record, closes, settled, len(held)))
        elif isinstance(record, VERDICTS):
            made.append(_incident(one, record, [], settled, 0))
    return made


def _incident(
    one: Snapshot, record: Any, closes: list[str], settled: dict[str, int], waits: int
) -> Incident:
    times = [settled[name] for name in closes if name in settled]
    is_flat = bool(closes) and len(times) == len(closes) and not waits
    return Incident(
        verdict_id=record.verdict_id,
        type=str(type(record).__struct_config__.tag),
        seq=record.seq,
        time=time_text(record.time_msc),
        server=one.server,
        login=one.login,
        currency=one.currency,
        guard=record.guard,
        subject=getattr(record, "subject", ""),
        equity=getattr(record, "equity", None),
        floor=getattr(record, "floor", None),
        used_percent=_used(record),
        closes=len(closes),
        settled=len(times),
        waits=waits,
        flat_after_ms=max(times) - record.time_msc if is_flat else None,
    )


def _used(record: Any) -> float | None:
    """A warning says it; of a breach it is worked out from what it was measured on."""
    told: float | None = getattr(record, "used_percent", None)
    if told is not None or not hasattr(record, "floor"):
        return told
    measured = record.balance if record.measured == "balance" else record.equity
    amount = record.reference - record.floor
    return percent(100.0 * (record.reference - measured) / amount) if amount else None
