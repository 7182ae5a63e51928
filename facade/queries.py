"""The three status routes: reconciliation, open positions, guards; and the probes.

All from snapshots of the board: no journal is read and nothing is waited for.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from starlette.responses import Response

from engine.domain.discrepancies import State
from engine.domain.guard_views import GuardView
from engine.domain.ids import AccountKey
from engine.domain.snapshot import PositionView, Snapshot
from facade import health
from facade.answers_kept import Made
from facade.api_structs import (
    DISCREPANCY,
    GUARD,
    DrawdownGuard,
    GuardsStatus,
    MarketAlert,
    OpenPosition,
    PositionsOpen,
    ReconciliationStatus,
    Version,
)
from facade.api_structs_accounts import oldest_ms, totals_of, worst_quality
from facade.api_structs_calls import MetricsQuery, PositionsQuery, StatusQuery
from facade.call import Call, answer, tagged
from facade.codec import encode, time_text
from facade.metrics import CONTENT_TYPE
from facade.problems import FieldError, Problem

RECENT = 10
_STATUSES = ("idle", "healthy", "warning", "degraded", "error")
_CLOSES = frozenset(("close", "close_and_halt"))


async def chosen(call: Call, query: StatusQuery) -> list[Snapshot]:
    """The accounts that are asked for, in the order of the desk.

    Raises:
        Problem: 404.
    """
    keys: Sequence[AccountKey] = call.scope.keys()
    if query.account is not None:
        keys = (call.named(query.account),)
    found = await call.snapshots(keys)
    if query.currency is None:
        return found
    return [one for one in found if one.currency == query.currency]


def etag_of(call: Call, snapshots: Sequence[Snapshot], *more: object) -> str:
    """Of everything an answer is made of: sequence, ticks of the feed, quality and age.

    Counts of ticks and steps begin again with the engine, which a process of its own outlives: the
    equity tells such states apart.
    """
    parts = tuple(
        (
            one.seq,
            one.feed_version,
            call.desk.version(AccountKey(one.server, one.login))[0],
            one.equity,
            one.quality,
            one.reason,
            None if one.age_ms is None else one.age_ms // 1000,
        )
        for one in snapshots
    )
    return f'"{hash((call.who.subject, parts, more)) & (2**64 - 1):016x}"'


def one_currency(snapshots: Sequence[Snapshot]) -> str | None:
    """The currency of them all; None: there are none.

    Raises:
        Problem: 422: one number would mix currencies.
    """
    found = sorted({one.currency for one in snapshots})
    if len(found) > 1:
        field = FieldError("currency", f"one of {', '.join(found)}")
        raise Problem(
            422,
            "currencies_mixed",
            "One number would mix currencies: name one of them, or one `account`.",
            errors=(field,),
        )
    return found[0] if found else None


async def reconciliation_status(call: Call) -> Response:
    """How well what is held is known to be what should be."""
    query = call.query(StatusQuery)
    snapshots = await chosen(call, query)

    def body() -> bytes:
        lives = [(one, one.live) for one in snapshots if one.live is not None]
        views = [live.reconciliation for _, live in lives]
        synced = [view for view in views if view.last_sync_msc is not None]
        last = max(synced, key=lambda view: view.last_sync_msc or 0, default=None)
        found = [(row.last_seen_msc, one, row) for one, live in lives for row in live.discrepancies]
        found.sort(key=lambda each: -each[0])
        status: Any = max((view.status for view in views), key=_STATUSES.index, default="idle")
        return encode(
            ReconciliationStatus(
                user_id=call.who.subject,
                status=status,
                last_sync_at=time_text(None if last is None else last.last_sync_msc),
                total_syncs=sum(view.total_syncs for view in views),
                last_sync_duration_ms=None if last is None else last.last_sync_duration_ms,
                open_positions_count=sum(len(one.positions) for one in snapshots),
                matched_positions=sum(view.matched_positions for view in views),
                divergences_detected=sum(view.divergences for view in views),
                recent_events=tuple(
                    DISCREPANCY.of(row, server=one.server, login=one.login)
                    for _, one, row in found[:RECENT]
                ),
                error_message=next((view.error for view in views if view.error), None),
                accounts=len(snapshots),
                quality=worst_quality(snapshots),
                age_ms=oldest_ms(snapshots),
            )
        )

    return tagged(call, snapshots, lambda: Made(etag_of(call, snapshots, "reconciliation"), body))


async def positions_open(call: Call) -> Response:
    """Open positions at the prices that would close them."""
    query = call.query(PositionsQuery)
    picked = await chosen(call, query)

    def make() -> Made:
        held = [(one, _held(one, query.symbol)) for one in picked]
        snapshots = [one for one, positions in held if positions]
        one_currency(snapshots)
        etag = etag_of(call, snapshots, "positions", query.symbol)
        return Made(etag, lambda: _positions(call, held, snapshots))

    return tagged(call, picked, make)


def _held(one: Snapshot, symbol: str | None) -> Sequence[PositionView]:
    if symbol is None:
        return one.positions
    return [position for position in one.positions if position.symbol == symbol]


def _positions(
    call: Call,
    held: Sequence[tuple[Snapshot, Sequence[PositionView]]],
    snapshots: list[Snapshot],
) -> bytes:
    rows = [row for one, positions in held for row in _rows(one, positions)]
    known = [row.unrealized_pnl for row in rows if row.unrealized_pnl is not None]
    total = round(sum(known), 8) if len(known) == len(rows) else None
    balance = sum(one.balance for one in snapshots)
    return encode(
        PositionsOpen(
            user_id=call.who.subject,
            total_positions=len(rows),
            total_unrealized_pnl=total,
            total_unrealized_pnl_pct=_share(total, balance) if rows else 0.0,
            currency=one_currency(snapshots),
            totals=totals_of(snapshots),
            positions=tuple(rows),
            last_updated_at=time_text(call.desk.health().time_msc),
            quality=worst_quality(snapshots),
            age_ms=oldest_ms(snapshots),
        )
    )


def _rows(one: Snapshot, positions: Sequence[PositionView]) -> Iterator[OpenPosition]:
    """These positions of one account; what is the same of all of them is made once."""
    live, balance = one.live, one.balance
    closes = () if live is None else live.closes
    closing = {close.position_id for close in closes if close.kind != "cancel"}
    shown = time_text(one.time_msc)
    quality: Any = one.quality.value
    for position in positions:
        profit = position.profit
        if profit is not None:
            profit = round(profit + position.swap, 8)
        direction: Any = position.side
        opened_msc = position.opened_at_msc
        yield OpenPosition(
            position_id=position.position_id,
            ticket=position.ticket,
            server=one.server,
            login=one.login,
            currency=one.currency,
            symbol=position.symbol,
            direction=direction,
            volume=position.volume_lots,
            entry_price=position.open_price,
            entry_time=None if opened_msc is None else time_text(opened_msc),
            current_price=position.current_price,
            unrealized_pnl=profit,
            unrealized_pnl_pct=_share(profit, balance),
            take_profit=position.take_profit,
            stop_loss=position.stop_loss,
            status="closing" if position.position_id in closing else "open",
            matched_with_bot=position.intent_id is not None,
            intent_id=position.intent_id,
            last_updated_at=shown,
            quality=quality,
            age_ms=one.age_ms,
        )


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None or whole <= 0 else round(100.0 * part / whole, 4)


async def guards_status(call: Call) -> Response:
    """Where every guard stands, and the accounts taken together."""
    snapshots = await chosen(call, call.query(StatusQuery))

    def body() -> bytes:
        rows = [(one, guard) for one in snapshots for guard in one.guards]
        evaluated = [g.evaluated_at_msc for _, g in rows if g.evaluated_at_msc is not None]
        should_close = any(
            guard.breached and guard.action in _CLOSES and one.positions for one, guard in rows
        ) or any(one.live is not None and one.live.closes for one in snapshots)
        drawdown = _drawdown(snapshots, [guard for _, guard in rows], should_close=should_close)
        is_unknown = worst_quality(snapshots) == "unknown" and drawdown.alert_type == "normal"
        return encode(
            GuardsStatus(
                user_id=call.who.subject,
                system_status="unknown" if is_unknown else drawdown.alert_type,
                currency=one_currency(snapshots),
                drawdown_guard=drawdown,
                guards=tuple(GUARD.of(g, server=one.server, login=one.login) for one, g in rows),
                market_guard_alerts=tuple(
                    MarketAlert(
                        server=one.server,
                        login=one.login,
                        guard=guard.name,
                        kind=guard.kind,
                        alert_type="critical" if guard.breached else "warning",
                        since=time_text(guard.breached_at_msc),
                    )
                    for one, guard in rows
                    if guard.kind != "equity_limit" and (guard.breached or guard.warned)
                ),
                any_positions_should_close=should_close,
                last_evaluated_at=time_text(max(evaluated, default=None)),
                totals=totals_of(snapshots),
                quality=worst_quality(snapshots),
                age_ms=oldest_ms(snapshots),
            )
        )

    def make() -> Made:
        one_currency(snapshots)
        return Made(etag_of(call, snapshots, "guards"), body)

    return tagged(call, snapshots, make)


def _drawdown(
    snapshots: list[Snapshot], guards: list[GuardView], *, should_close: bool
) -> DrawdownGuard:
    equities = [one.equity for one in snapshots]
    known = [equity for equity in equities if equity is not None]
    equity = round(sum(known), 8) if len(known) == len(equities) else None
    peak = round(sum(one.equity_high_water for one in snapshots), 8)
    worst = max(guards, key=lambda one: one.used_percent or 0.0, default=None)
    now_msc = max((one.time_msc for one in snapshots), default=0)
    notices = [(g.close_due_msc - now_msc) / 1000 for g in guards if g.close_due_msc is not None]
    evaluated = [g.evaluated_at_msc for g in guards if g.evaluated_at_msc is not None]
    warned = any(guard.warned for guard in guards)
    return DrawdownGuard(
        current_equity=equity,
        peak_equity=peak,
        current_drawdown_pct=None
        if equity is None or peak <= 0
        else round(max(0.0, 100.0 * (peak - equity) / peak), 4),
        alert_type="critical"
        if any(guard.breached for guard in guards)
        else "warning"
        if warned
        else "normal",
        alert_threshold_pct=None if worst is None else worst.warn_percent,
        should_close_all=should_close,
        time_to_liquidation_seconds=max(0.0, min(notices)) if notices else None,
        last_checked_at=time_text(max(evaluated, default=None)),
    )


def open_discrepancies(snapshots: Sequence[Snapshot]) -> list[Any]:
    """Rows of all of them, the newest first."""
    found = [
        (row.last_seen_msc, DISCREPANCY.of(row, server=one.server, login=one.login))
        for one in snapshots
        if one.live is not None
        for row in one.live.discrepancies
        if row.state != State.RESOLVED
    ]
    return [row for _, row in sorted(found, key=lambda each: -each[0])]


# Probes


async def healthz(call: Call) -> Response:
    """The program takes turns."""
    return answer(health.liveness(call.desk.health()))


async def readyz(call: Call) -> Response:
    """Whether it can be relied on."""
    found = health.readiness(call.desk.health())
    return answer(found, found.http_status)


async def trading_health(call: Call) -> Response:
    """The public word on it."""
    return answer(health.trading_health(call.desk.health()))


async def version_of(call: Call) -> Response:
    """What runs."""
    del call
    return answer(Version(name="tidegate", version=version("tidegate")))


async def metrics(call: Call) -> Response:
    """What Prometheus reads; series of each account only where they are asked for."""
    query = call.query(MetricsQuery)
    text = await call.parts.metrics.scrape(call.desk, per_account=query.per_account)
    return Response(text, headers={"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})
