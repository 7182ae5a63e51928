"""Accounts: pages of them and one; what happened to one, and how its equity went."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from anyio.lowlevel import checkpoint
from starlette.responses import Response

from engine.account_filter import FilterError, parse_filter, room_of, used_of
from engine.domain.ids import AccountKey
from engine.domain.records import Discrepancy
from engine.domain.severity import Severity, severity_of, sort_key
from engine.domain.snapshot import Snapshot
from engine.equity_history import LEVELS
from facade.answers_kept import Made
from facade.api_structs import (
    BUCKET,
    PERIOD,
    AuditItem,
    AuditPage,
    DiscrepanciesPage,
    EquityPage,
    EventsPage,
    StatisticsAnswer,
)
from facade.api_structs_accounts import (
    AccountsPage,
    oldest_ms,
    totals_of,
    worst_quality,
)
from facade.api_structs_calls import (
    BUCKETS,
    SORT_FIELDS,
    AccountsQuery,
    AuditQuery,
    EquityQuery,
    EventsQuery,
    LogsQuery,
    NoQuery,
    OneLogQuery,
    PeriodQuery,
)
from facade.call import SLICE, Call, answer, tagged_once
from facade.codec import encode, encode_record, time_text
from facade.problems import unprocessable
from facade.queries import etag_of, open_discrepancies

LOOK_BACK_RECORDS = 2048
LOOK_BACK_ACCOUNTS = 50
PAGE_RECORDS = 512
RECORDS_A_TURN = 64
"""Encoded in one turn of the loop."""
SORTS: dict[str, Callable[[Snapshot], Any]] = {
    "login": lambda one: one.login,
    "server": lambda one: one.server,
    "equity": lambda one: one.equity,
    "balance": lambda one: one.balance,
    "profit": lambda one: one.profit,
    "room": room_of,
    "room_percent": lambda one: one.room_percent,
    "used_percent": used_of,
    "drawdown": lambda one: one.drawdown,
    "drawdown_percent": lambda one: one.drawdown_percent,
    "equity_high_water": lambda one: one.equity_high_water,
    "margin_level": lambda one: one.margin_level,
    "positions": lambda one: len(one.positions),
    "currency": lambda one: one.currency,
    "ruleset": lambda one: one.ruleset,
    "age_ms": lambda one: one.age_ms,
}
assert ("severity", *SORTS) == SORT_FIELDS, "what may be asked is what is there"


async def accounts(call: Call) -> Response:
    """A page of the caller's accounts, with counts of each state and totals."""
    query = call.query(AccountsQuery)
    keys = call.scope.keys()
    everybody = await call.snapshots(keys)
    try:
        wanted = parse_filter(query.filter)
    except FilterError as error:
        raise unprocessable("filter", str(error)[:300]) from None
    states = _states(query.state)
    picked = [one for one in everybody if wanted(one)] if wanted.terms else everybody
    offset = _offset(query.cursor)
    ordered = _sorted([o for o in picked if not states or severity_of(o) in states], query.sort)
    page = ordered[offset : offset + query.limit]

    for place, one in enumerate(page):
        if place % SLICE == SLICE - 1:
            await checkpoint()
        call.views.of(one)  # made here, a few in one turn of the loop; joined below

    def body() -> bytes:
        counts = {state.value: 0 for state in Severity}
        for one in picked:
            counts[severity_of(one).value] += 1
        end = offset + len(page)
        return encode(
            AccountsPage(
                counts=counts,
                total=len(ordered),
                totals=totals_of(ordered),
                accounts=tuple(msgspec.Raw(call.views.of(one)) for one in page),
                next_cursor=str(end) if end < len(ordered) else None,
                culprit=None if picked or not everybody else wanted.emptied_by(everybody),
                time=time_text(call.desk.health().time_msc),
                quality=worst_quality(ordered),
                age_ms=oldest_ms(ordered),
            )
        )

    etag = etag_of(call, picked, call.request.scope["query_string"])
    return tagged_once(call, Made(etag, body))


def _states(text: str) -> frozenset[Severity]:
    try:
        return frozenset(Severity(part) for part in text.split(",") if part)
    except ValueError:
        raise unprocessable("state", f"one or several of {', '.join(Severity)}") from None


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 10):
        raise unprocessable("cursor", "`next_cursor` of the page before")
    return int(cursor)


def _sorted(snapshots: list[Snapshot], by: str) -> list[Snapshot]:
    """Ties by name; what has no value comes last, whichever way."""
    name = by.removeprefix("-")
    if name == "severity":
        return sorted(snapshots, key=sort_key, reverse=by.startswith("-"))
    read = SORTS.get(name)
    if read is None:
        raise unprocessable("sort", f"one of severity, {', '.join(SORTS)}, `-` before it or not")
    named = sorted(snapshots, key=lambda one: (one.server, one.login))
    valued = [one for one in named if read(one) is not None]
    valued.sort(key=read, reverse=by.startswith("-"))
    return valued + [one for one in named if read(one) is None]


async def account(call: Call) -> Response:
    """The whole of one account."""
    key = call.key()
    call.query(NoQuery)
    one = call.desk.snapshot(key)
    return tagged_once(call, Made(etag_of(call, [one]), lambda: call.views.of(one)))


async def events(call: Call) -> Response:
    """Records of one account after one, in order."""
    key = call.key()
    query = call.query(EventsQuery)
    found = await call.desk.records(key, query.after, query.limit + 1)
    page, encoded = found[: query.limit], []
    for place, record in enumerate(page):
        if place % RECORDS_A_TURN == RECORDS_A_TURN - 1:
            await checkpoint()
        encoded.append(msgspec.Raw(encode_record(record)))
    one = call.desk.snapshot(key)
    return answer(
        EventsPage(
            server=key.server,
            login=key.login,
            events=tuple(encoded),
            next_after=page[-1].seq if page else query.after,
            has_more=len(found) > len(page),
            last_seq=one.seq,
            quality=one.quality.value,
            age_ms=one.age_ms,
        )
    )


async def equity(call: Call) -> Response:
    """Equity and balance over time."""
    key = call.key()
    query = call.query(EquityQuery)
    bucket_s = BUCKETS[query.bucket]
    assert bucket_s in LEVELS
    found = await call.desk.equity(key, bucket_s, query.from_msc, query.to_msc)
    one = call.desk.snapshot(key)
    return answer(
        EquityPage(
            server=key.server,
            login=key.login,
            currency=one.currency,
            bucket=query.bucket,
            bucket_s=bucket_s,
            buckets=tuple(map(BUCKET.of, found)),
            quality=one.quality.value,
            age_ms=one.age_ms,
        )
    )


async def statistics(call: Call) -> Response:
    """A period in figures."""
    key = call.key()
    query = call.query(PeriodQuery)
    if query.from_msc > query.to_msc:
        raise unprocessable("to_msc", "not before `from_msc`")
    with call.looking_back():
        found = await call.desk.statistics(key, query.from_msc, query.to_msc)
    one = call.desk.snapshot(key)
    return answer(
        StatisticsAnswer(
            server=key.server,
            login=key.login,
            currency=one.currency,
            period=PERIOD.of(found),
            quality=one.quality.value,
            age_ms=one.age_ms,
        )
    )


async def discrepancies(call: Call) -> Response:
    """What differs in one account, and what was said of that before."""
    key = call.key()
    query = call.query(OneLogQuery)
    with call.looking_back():
        return await _discrepancies(call, (key,), query.limit)


async def logs(call: Call) -> Response:
    """The same for all of the caller's accounts, or one."""
    query = call.query(LogsQuery)
    keys: Sequence[AccountKey] = call.scope.keys()
    if query.account is not None:
        keys = (call.named(query.account),)
    with call.looking_back():
        return await _discrepancies(call, keys, query.limit)


async def _discrepancies(call: Call, keys: Sequence[AccountKey], limit: int) -> Response:
    """Looks back a bounded number of records, of a bounded number of accounts."""
    snapshots = await call.snapshots(keys)
    found: list[Discrepancy] = []
    is_complete = len(keys) <= LOOK_BACK_ACCOUNTS
    for key in keys[:LOOK_BACK_ACCOUNTS]:
        before = call.desk.snapshot(key).seq
        oldest = max(0, before - LOOK_BACK_RECORDS)
        mine: list[Discrepancy] = []
        while before > oldest and len(mine) < limit:
            after = max(oldest, before - PAGE_RECORDS)
            page = await call.desk.records(key, after, before - after)
            mine += [one for one in reversed(page) if isinstance(one, Discrepancy)]
            before = after
        is_complete = is_complete and before == 0
        found += mine[:limit]
    found.sort(key=lambda one: (-one.time_msc, -one.seq))
    return answer(
        DiscrepanciesPage(
            user_id=call.who.subject,
            open=tuple(open_discrepancies(snapshots)),
            log=tuple(msgspec.Raw(encode_record(one)) for one in found[:limit]),
            is_complete=is_complete and len(found) <= limit,
            quality=worst_quality(snapshots),
            age_ms=oldest_ms(snapshots),
        )
    )


async def audit(call: Call) -> Response:
    """The chained audit trail; what programs read again (`detail`) is left out."""
    query = call.query(AuditQuery)
    trail = call.parts.audit.trail
    rows = await trail.read(query.after, query.limit)
    items = tuple(
        AuditItem(
            number=number,
            time=time_text(entry.time_msc),
            by=entry.by,
            asked=entry.asked,
            outcome=entry.outcome,
            kind=entry.kind,
            account=entry.account,
            origin=entry.origin,
            reason=entry.reason,
        )
        for number, entry in rows
    )
    last = items[-1].number if items else query.after
    return answer(AuditPage(entries=items, next_after=last, head=str(await trail.head())))
