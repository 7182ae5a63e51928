"""Driving closes: what is decided becomes orders under way, what is due goes out in its turn.

The machine of one close is `close_orders`; here are all closes of one account, and what each of
the machine's wishes means to the account. Nothing is sent before the first full report of a link.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import (
    close_actions,
    close_orders,
    close_pacing,
    close_plans,
    records,
    yielding,
)
from engine.domain.account import AccountSpec, AccountState, MarginMode, Mode
from engine.domain.close_orders import CloseOrder, Kind, State
from engine.domain.close_plans import Rule
from engine.domain.conversion import mid_rate
from engine.domain.drafts import Draft
from engine.domain.effects import AskReport, KeepClose, SendCommand
from engine.domain.ids import intent_id
from engine.domain.live import Live
from engine.domain.reports import OrderReport, PositionReport
from engine.domain.valuation import Quotes

SETTLED_KEPT_MS = 120_000
"""So long a settled close is remembered, to see whether a report still shows its position."""
SETTLED_KEPT = 256

Machine = Callable[[CloseOrder], close_orders.Step]


def live_of(draft: Draft) -> Live:
    """The account's own part of a live link."""
    live = draft.state.live
    assert live is not None, "a replay has no link"
    return live


def set_live(draft: Draft, **fields: object) -> None:
    """Replaces fields of it."""
    draft.state = replace(draft.state, live=replace(live_of(draft), **fields))


def intend(draft: Draft, position_id: int, reason: str, asks: Rule = Rule.OTHER) -> str | None:
    """Decides to close a position wholly; the name of the close, None where nothing is to be done.

    One that is under way already is not decided twice; one given up to a person is tried again. One
    that breaks a rule stronger than what asks waits.
    """
    live = live_of(draft)
    held, position = live.holding(position_id), draft.state.position(position_id)
    if held is None or position is None or draft.state.spec.mode is Mode.OBSERVE:
        return None
    asked = asked_for(live)
    is_paced = (
        reason.startswith(yielding.BY_POLICY)
        and position_id not in asked
        and draft.state.spec.minimum_hold_s is not UNSET  # as in `yielding`
    )
    if is_paced:
        free_ms = close_pacing.free_at_ms(live.pace, position.symbol)
        if draft.time_msc < free_ms:
            yielding.wait_for_pace(draft, position, reason, asks, free_ms)
            return None
    going = yielding.divide(draft, (position,), reason, asks, asked.__contains__)
    if position_id not in going:
        return None
    if is_paced:
        pace = close_pacing.decided_on(live_of(draft).pace, position.symbol, draft.time_msc)
        set_live(draft, pace=pace)
    netting = draft.state.spec.margin_mode is MarginMode.NETTING
    kind = Kind.NETTING if netting else Kind.FULL
    return _decide(draft, kind, held, None, reason, going[position_id])


def asked_for(live: Live) -> frozenset[int]:
    """Positions whose close is decided."""
    names = [
        name
        for one in live.open_closes
        if one.kind is not Kind.CANCEL
        for name in (one.position_id, one.position_by)
    ]
    return frozenset(name for name in names if name is not None)


def flatten(draft: Draft, reason: str) -> tuple[str, ...]:
    """Decides to cancel every pending order and to close every position, the largest risk first.

    What breaks a rule stronger than what asks waits, the other side of a hedge with it.
    """
    live, state = live_of(draft), draft.state
    if state.spec.mode is Mode.OBSERVE:
        return ()
    if not live.is_current:
        # What is held may have changed unseen: the next report says what else has to go.
        set_live(draft, flatten_reason=_stronger(state.spec, live.flatten_reason, reason))
    asks = yielding.rank_of_flatten(state.spec, reason)
    asked = asked_for(live)
    going = yielding.divide(draft, state.positions, reason, asks, asked.__contains__)
    held = [
        close_plans.Held(
            position_id=one.identifier,
            symbol=one.symbol,
            side=one.type,
            volume_lots=one.volume,
            risk_per_lot=_risk_per_lot(state, one, draft.quotes),
        )
        for one in live.holdings
        if one.identifier in going
    ]
    netting = state.spec.margin_mode is MarginMode.NETTING
    plan = close_plans.flatten_plan(held, live.orders, netting=netting)
    made = []
    for planned in plan:
        what: PositionReport | OrderReport | None = live.holding(planned.position_id)
        if planned.kind is Kind.CANCEL:
            what = next(one for one in live.orders if one.ticket == planned.position_id)
        assert what is not None, "planned what is not held"
        number, by = planned.position_id, planned.position_by
        cost: tuple[str, ...] = ()
        if planned.kind is not Kind.CANCEL:
            both = (*going[number], *(() if by is None else going[by]))
            cost = tuple(dict.fromkeys(both))
        name = _decide(draft, planned.kind, what, by, reason, cost)
        if name is not None:
            made.append(name)
    return tuple(made)


def _stronger(spec: AccountSpec, known: str, reason: str) -> str:
    """For which of two a flatten is done later: the one that yields to fewer rules, else the newer.

    A journal from before closes yielded is stepped again as it was.
    """
    if spec.minimum_hold_s is UNSET or not known:
        return reason
    stands = yielding.rank_of_flatten(spec, known) < yielding.rank_of_flatten(spec, reason)
    return known if stands else reason


def _decide(
    draft: Draft,
    kind: Kind,
    what: PositionReport | OrderReport,
    position_by: int | None,
    reason: str,
    sacrificed: tuple[str, ...],
) -> str | None:
    live, state = live_of(draft), draft.state
    cancels = isinstance(what, OrderReport)
    number = what.ticket if isinstance(what, OrderReport) else what.identifier
    for order in live.open_closes:
        if order.position_id == number and (order.kind is Kind.CANCEL) is cancels:
            if order.state is State.REFUSED:
                apply(draft, order.intent_id, close_orders.resumed)
            return None
    spec = live.book.specs.get(live.terms.name(what.symbol))
    name = intent_id(state.spec.key, state.intents + 1)
    order = CloseOrder(
        intent_id=name,
        epoch=live.link.epoch,
        position_id=number,
        symbol=what.symbol,
        kind=kind,
        side=what.type,
        target_volume_lots=0.0,
        current_volume_lots=1.0 if isinstance(what, OrderReport) else what.volume,
        reason=reason,
        decided_at_ms=draft.time_msc,
        position_by=position_by,
        volume_step_lots=0.01 if spec is None else spec.volume_step,
        slice_lots=None if spec is None or not spec.volume_max else spec.volume_max,
        terms=live.close_terms,
    )
    order, actions = close_orders.decided(order)
    now = replace(live, closes=(*live.closes, order))
    if isinstance(what, PositionReport) and state.is_halted and what.magic:
        now = replace(now, halted_magics=tuple(sorted({*live.halted_magics, what.magic})))
    draft.state = replace(state, intents=state.intents + 1, live=now)
    draft.publish(
        records.CloseIntended,
        intent_id=name,
        position_id=number,
        target_volume_lots=0.0,
        reason=reason,
        sacrificed=sacrificed or UNSET,
    )
    for action in actions:
        _do(draft, order, action)
    return name


def apply(draft: Draft, name: str, machine: Machine) -> None:
    """Steps one close, and does what it asks for."""
    live = live_of(draft)
    before = next(one for one in live.closes if one.intent_id == name)
    after, actions = machine(before)
    if after is not before:
        closes = tuple(after if one.intent_id == name else one for one in live.closes)
        set_live(draft, closes=closes)
    for action in actions:
        _do(draft, after, action)


def keep(draft: Draft, names: Collection[str]) -> None:
    """These closes are durable: `pump` sends them, in their turn."""
    live = live_of(draft)
    assert {one.intent_id for one in live.closes}.issuperset(names), f"no such closes: {names}"
    closes = [
        close_orders.made_durable(one)[0] if one.intent_id in names else one for one in live.closes
    ]
    set_live(draft, closes=tuple(closes))


def apply_all(draft: Draft, machine: Machine) -> None:
    """Steps every close there is, settled ones too."""
    for order in live_of(draft).closes:
        apply(draft, order.intent_id, machine)


def _do(draft: Draft, order: CloseOrder, action: close_actions.Action) -> None:
    match action:
        case close_actions.Persist():
            draft.effects.append(KeepClose(order.intent_id))
        case close_actions.Send():
            pass  # `pump` sends what is durable, in its turn
        case close_actions.AskReport():
            ask_report(draft, f"close {order.intent_id}")
        case close_actions.SlowDown():
            set_live(draft, pace=close_pacing.halved(live_of(draft).pace, draft.time_msc))
        case close_actions.Alert(kind, page):
            draft.publish(
                records.CloseAlert,
                intent_id=order.intent_id,
                position_id=order.position_id,
                kind=kind.value,
                page=page,
                retcode=order.retcode,
            )
        case close_actions.Settle():
            _settled(draft, order)


def _settled(draft: Draft, order: CloseOrder) -> None:
    if order.kind is Kind.CANCEL:
        left = tuple(one for one in live_of(draft).orders if one.ticket != order.position_id)
        set_live(draft, orders=left)
        draft.publish(
            records.OrderCancelled,
            order=order.position_id,
            symbol=order.symbol,
            reason=order.reason,
        )
    draft.publish(
        records.CloseSettled,
        intent_id=order.intent_id,
        position_id=order.position_id,
        kind=order.kind.value,
        attempts=order.attempts,
        took_ms=max(0, draft.time_msc - order.decided_at_ms),
    )


def ask_report(draft: Draft, why: str) -> None:
    """Asks for a full report, once a step; the link keeps to one at a time."""
    if not any(isinstance(effect, AskReport) for effect in draft.effects):
        draft.effects.append(AskReport(why))


def pump(draft: Draft) -> None:
    """Sends every durable close whose turn it is, as fast as the account may send."""
    live = live_of(draft)
    if not live.is_current or draft.state.spec.mode is Mode.OBSERVE:
        return
    now_ms = draft.time_msc
    going = close_plans.to_send(live.closes, close_pacing.room(live.pace, now_ms))
    if not going:
        return
    draft.effects.extend([SendCommand(close_orders.command_of(order)) for order in going])
    out = {order.intent_id: close_orders.sent(order, now_ms)[0] for order in going}
    set_live(
        draft,
        pace=close_pacing.counted(live.pace, now_ms, len(going)),
        closes=tuple([out.get(one.intent_id, one) for one in live.closes]),
    )


def time_due_ms(closes: Sequence[CloseOrder]) -> int:
    """From when on the account is to be told that time passes: one asks for it, or is forgotten."""
    settled = [one for one in closes if one.state is State.SETTLED]
    if len(settled) > SETTLED_KEPT:
        return 0
    forgotten = [(one.settled_at_ms or 0) + SETTLED_KEPT_MS + 1 for one in settled]
    asked = [close_orders.due_ms(one) for one in closes]
    return min([*forgotten, *asked], default=close_orders.NEVER_MS)


def prune(draft: Draft) -> None:
    """Forgets closes that were settled long ago."""
    live = live_of(draft)
    old_ms = draft.time_msc - SETTLED_KEPT_MS
    kept = tuple(
        one
        for one in live.closes
        if one.state is not State.SETTLED or (one.settled_at_ms or 0) > old_ms
    )
    settled = [one.intent_id for one in kept if one.state is State.SETTLED]
    extra = set(settled[: max(0, len(settled) - SETTLED_KEPT)])
    if len(kept) < len(live.closes) or extra:
        set_live(draft, closes=tuple(one for one in kept if one.intent_id not in extra))


def chase(draft: Draft, opened: Iterable[PositionReport], told_msc: int) -> None:
    """Closes what a strategy opened again during a halt, up to its cap, and what filled too soon.

    What is opened against a halt is as bad as what led to it: its close yields to no rule.
    A pending order that filled before it was cancelled is a position of the order's own number
    (MQL5 Reference, POSITION_IDENTIFIER): it was to go, so it goes. So does what was told
    before everything was closed, and waited for the quote it was filled on: that quote may have
    been the breach. Of these there is no cap: a jump fills a grid of stops at once.

    Args:
        told_msc: when the link said so, if it waited; 0: just now.
    """
    live, state = live_of(draft), draft.state
    cancelled = {one.position_id: one.reason for one in live.closes if one.kind is Kind.CANCEL}
    name = _closed_everything(state, told_msc)
    for position in opened:
        reason = cancelled.get(position.identifier)
        if reason is not None:
            asks = yielding.rank_of_flatten(state.spec, reason)
            intend(draft, position.identifier, reason, asks)
            continue
        if name is not None:
            asks = yielding.rank_of(state.spec, name)
            intend(draft, position.identifier, f"guard:{name}", asks)
            continue
        again = close_plans.reopened(position, live.halted_ids, live.halted_magics, state.is_halted)
        may = again and close_pacing.may_chase(live_of(draft).pace, draft.time_msc)
        if may and intend(draft, position.identifier, "reopened", Rule.MONEY_FLOOR) is not None:
            pace = close_pacing.chased(live_of(draft).pace, draft.time_msc)
            set_live(draft, pace=pace)


def _closed_everything(state: AccountState, told_msc: int) -> str | None:
    """The strongest guard that closed everything since then; None: none, or it was said just now.

    Guards that close positions one by one are never marked as breached.
    """
    names = [
        guard.name
        for guard, known in zip(state.spec.guards, state.guards, strict=True)
        if guard.action.closes
        and known.breached_at_msc is not None
        and known.close_due_msc is None
        and 0 < told_msc <= known.breached_at_msc + int(guard.notice_s * 1000)
    ]
    return min(names, key=lambda name: yielding.rank_of(state.spec, name), default=None)


def closing_lots(live: Live) -> dict[int, float]:
    """Volume of closes sent and not settled, by position: on its way is no discrepancy."""
    lots: dict[int, float] = {}
    for order in live.open_closes:
        if order.kind is Kind.CANCEL or not order.in_flight:
            continue
        need = order.need_lots(order.current_volume_lots)
        lots[order.position_id] = lots.get(order.position_id, 0.0) + need
        if order.position_by is not None:
            lots[order.position_by] = lots.get(order.position_by, 0.0) + need
    return lots


def reason_of(live: Live, position_id: int, order_ticket: int, *, by_expert: bool) -> str | None:
    """Why we closed the position, where that order is ours, or may be.

    Args:
        by_expert: whether a program closed it. Only then may it have been a command of ours that
            has no answer yet: a stop or a person may come before it.
    """
    mine = [
        one
        for one in live.closes
        if one.kind is not Kind.CANCEL and position_id in (one.position_id, one.position_by)
    ]
    for one in mine:
        if one.order_ticket == order_ticket != 0:
            return one.reason
    return next((one.reason for one in reversed(mine) if one.in_flight and by_expert), None)


def _risk_per_lot(state: AccountState, position: PositionReport, quotes: Quotes) -> float:
    """Notional of a lot at its opening price, in the deposit currency as far as that is known."""
    live = state.live
    assert live is not None, "a replay plans no flatten"
    symbol = book_symbol(state, position.symbol)
    priced = state.spec.market.priced.get(symbol)
    if priced is None:
        return position.price_open
    notional = priced.instrument.contract_size * position.price_open
    if priced.path and all(leg.symbol in quotes for leg in priced.path):
        return notional * mid_rate(priced.path, quotes)
    return notional


def book_symbol(state: AccountState, broker_symbol: str) -> str:
    """The book's spelling of a broker's symbol; the broker's own where the book has none."""
    live = state.live
    assert live is not None, "a replay speaks the book's symbols"
    market = state.spec.market
    if broker_symbol in market.priced:
        return broker_symbol
    wanted = live.terms.name(broker_symbol)
    return next((symbol for symbol in market.priced if symbol.upper() == wanted), broker_symbol)
