"""The reader's view of what a live account has besides its state. Never part of a decision."""

import msgspec

from engine.domain.close_orders import CloseOrder, State
from engine.domain.discrepancies import Discrepancy
from engine.domain.live import Live
from engine.domain.reports import OrderReport
from engine.domain.retcodes import retcode_words
from engine.domain.terminal_views import TerminalView

_ORDER_TYPES = {
    2: "buy_limit",
    3: "sell_limit",
    4: "buy_stop",
    5: "sell_stop",
    6: "buy_stop_limit",
    7: "sell_stop_limit",
}


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """How the terminal is reached, and the broker's own arithmetic as it last told."""

    state: str
    """`linked`, `silent`, `unlinked`, `never`, `refused`."""
    since_msc: int | None
    session: str
    epoch: int
    reason: str
    """Of a refusal; else empty."""
    heard_msc: int | None
    """When the broker's figures below came."""
    balance: float | None
    equity: float | None
    margin: float | None
    margin_level: float | None
    trade_allowed: bool | None


class CloseView(msgspec.Struct, frozen=True, kw_only=True):
    """A close under way."""

    intent_id: str
    kind: str
    position_id: int
    """Of a cancel: the order's ticket."""
    position_by: int | None
    symbol: str
    state: str
    reason: str
    target_volume_lots: float
    volume_lots: float
    """There when last seen."""
    attempts: int
    retcode: int | None
    answer: str | None
    """The retcode in words."""
    decided_at_msc: int
    sent_at_msc: int | None
    alerts: tuple[str, ...]


class DiscrepancyView(msgspec.Struct, frozen=True, kw_only=True):
    """A difference between what is held and what should be."""

    kind: str
    state: str
    position_id: int | None
    intent_id: str | None
    subject: str
    expected: str | None
    actual: str | None
    first_seen_msc: int
    last_seen_msc: int
    count: int
    policy: str


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """A pending order: it can refill an account that was flattened."""

    ticket: int
    symbol: str
    type: str
    volume_lots: float
    price: float
    stop_loss: float | None
    take_profit: float | None
    magic: int
    comment: str


class IntentView(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy means to hold."""

    intent_id: str
    symbol: str
    side: str
    volume_lots: float
    in_flight_lots: float
    """Sent to the broker and not answered, as the strategy last said, less what has come."""
    position_ids: tuple[int, ...]
    tag: str


class ReconciliationView(msgspec.Struct, frozen=True, kw_only=True):
    """How well what is held is known to be what should be."""

    status: str
    """`idle`, `healthy`, `warning`, `degraded`, `error`."""
    total_syncs: int
    """Full reports compared."""
    last_sync_msc: int | None
    last_sync_duration_ms: float | None = None
    """From its arrival until it was compared and what it led to was durable; None: no report was
    compared since the engine started."""
    open_positions: int
    matched_positions: int
    divergences: int
    error: str | None


class LiveView(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    link: LinkView
    reconciliation: ReconciliationView
    closes: tuple[CloseView, ...]
    discrepancies: tuple[DiscrepancyView, ...]
    orders: tuple[OrderView, ...]
    intents: tuple[IntentView, ...]
    estimated_since_msc: int | None
    """From when on the high-water mark may be too low; None: it is exact."""
    terminal: TerminalView | None = None
    """None: no terminal linked since the engine started."""


def live_view(
    live: Live, compared_ms: float | None = None, terminal: TerminalView | None = None
) -> LiveView:
    """The view of a live account's own; `compared_ms`, `terminal`: see `Sight`."""
    book = live.book
    return LiveView(
        link=_link(live),
        reconciliation=ReconciliationView(
            status=book.status(is_unknown=live.is_failed),
            total_syncs=book.total_syncs,
            last_sync_msc=book.last_sync_msc,
            last_sync_duration_ms=compared_ms,
            open_positions=book.open_positions,
            matched_positions=book.matched_positions,
            divergences=book.divergences_detected,
            error="the last full report failed" if live.is_failed else None,
        ),
        closes=tuple(_close(one) for one in live.closes if one.state is not State.SETTLED),
        discrepancies=tuple(_discrepancy(one, live) for one in book.rows),
        orders=tuple(_order(one) for one in live.orders),
        intents=tuple(
            IntentView(
                intent_id=one.intent_id,
                symbol=one.symbol,
                side=one.side.value,
                volume_lots=one.volume_lots,
                in_flight_lots=one.in_flight_lots,
                position_ids=one.position_ids,
                tag=one.tag,
            )
            for one in book.intents
        ),
        estimated_since_msc=live.estimated_msc or None,
        terminal=terminal,
    )


def link_state(live: Live) -> str:
    """The link in one word."""
    link = live.link
    if link.refusal:
        return "refused"
    if not link.changed_msc:
        return "never"
    if not link.is_linked:
        return "unlinked"
    return "silent" if link.is_silent else "linked"


def _link(live: Live) -> LinkView:
    broker = live.broker
    return LinkView(
        state=link_state(live),
        since_msc=live.link.changed_msc or None,
        session=live.link.session,
        epoch=live.link.epoch,
        reason=live.link.refusal,
        heard_msc=live.broker_msc or None,
        balance=None if broker is None else broker.balance,
        equity=None if broker is None else broker.equity,
        margin=None if broker is None else broker.margin,
        margin_level=None if broker is None else broker.margin_level,
        trade_allowed=None if broker is None else broker.trade_allowed,
    )


def _close(order: CloseOrder) -> CloseView:
    return CloseView(
        intent_id=order.intent_id,
        kind=order.kind.value,
        position_id=order.position_id,
        position_by=order.position_by,
        symbol=order.symbol,
        state=order.state.value,
        reason=order.reason,
        target_volume_lots=order.target_volume_lots,
        volume_lots=order.current_volume_lots,
        attempts=order.attempts,
        retcode=order.retcode,
        answer=None if order.retcode is None else retcode_words(order.retcode),
        decided_at_msc=order.decided_at_ms,
        sent_at_msc=order.sent_at_ms,
        alerts=tuple(kind.value for kind in order.alerted),
    )


def _discrepancy(row: Discrepancy, live: Live) -> DiscrepancyView:
    found = row.finding
    return DiscrepancyView(
        kind=found.kind.value,
        state=row.state.value,
        position_id=found.position_id,
        intent_id=found.intent_id,
        subject=found.subject,
        expected=found.expected,
        actual=found.actual,
        first_seen_msc=row.first_seen_msc,
        last_seen_msc=row.last_seen_msc,
        count=row.count,
        policy=live.terms.policies.of(found.kind).value,
    )


def _order(order: OrderReport) -> OrderView:
    return OrderView(
        ticket=order.ticket,
        symbol=order.symbol,
        type=_ORDER_TYPES.get(order.type, f"type {order.type}"),
        volume_lots=order.volume_current,
        price=order.price_open,
        stop_loss=order.sl or None,
        take_profit=order.tp or None,
        magic=order.magic,
        comment=order.comment,
    )
