"""What a terminal tells of an account: positions, deals, the broker's own arithmetic.

The rules of this file:
1. Broker truth wins, and is compared at once. A report that failed changes no belief; an empty one
   is flat only when it is complete.
2. A position that goes before its deal came makes the account unknown until that, or a report.
3. Every change of what is held is valued at once on the quotes of the moment: guards do not wait
   for the next tick.
4. Where our own equity is unknown, held back or in dispute, the broker's decides, once it has said
   so several times in a row.
"""

from msgspec.structs import replace

from engine.domain import (
    booking,
    close_evidence,
    closed_markets,
    closing,
    driving,
    guarding,
    holding,
    intents,
    linking,
    own_feed,
    reconcile,
    records,
    remedies,
    resetting,
    residuals,
)
from engine.domain.account import AccountState
from engine.domain.close_answers import answered
from engine.domain.discrepancies import Kind, State
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.effects import AskReport, SetFloor
from engine.domain.failsafe import failsafe_floor, is_worth_sending
from engine.domain.instruments import Instrument
from engine.domain.link_events import (
    DealCame,
    HeartbeatCame,
    LinkEvent,
    PositionCame,
    ReportCame,
    ResultCame,
)
from engine.domain.reconcile import Sighting
from engine.domain.reports import AccountReport, FullReport
from engine.domain.units import minor
from engine.domain.valuation import Quotes
from engine.domain.valuing import equity_minor, is_valued, take_valuation

BEATS_TO_BELIEVE = 3
"""Heartbeats in a row after which the broker's own equity decides, where ours cannot."""
ORDERS_KEPT = 256


def on_report(draft: Draft, event: ReportCame) -> None:
    """Everything the terminal holds, compared at once."""
    linking.heard(draft)
    live = live_of(draft)
    if live.link.refusal:
        return
    report = event.report
    if not report.complete:
        again = live.is_failed
        set_live(draft, is_failed=True)
        _compare(draft, Sighting(at_msc=draft.time_msc, report=report), event.quotes)
        if again:  # the clock asks from here: a query that fails at once is not hammered
            draft.effects = [e for e in draft.effects if not isinstance(e, AskReport)]
        return
    before = {one.identifier: (one.type, one.volume) for one in live.holdings}
    holding.hold(draft, report, event.gmt_offset_s)
    set_live(
        draft,
        link=replace(live_of(draft).link, is_reported=True),
        is_failed=False,
        settling=(),
        broker=report.account,
        broker_msc=draft.time_msc,
    )
    if not draft.state.opened:
        _open(draft, report)
    _compare(draft, Sighting(at_msc=draft.time_msc, report=report), event.quotes)
    after = {one.identifier: (one.type, one.volume) for one in report.positions}
    booking.believe_balance(
        draft, report.account.balance, report.account.credit, moved=before != after
    )
    new = [one for one in report.positions if one.identifier not in before]
    for position in new:
        holding.say_opened(draft, position)
    driving.apply_all(
        draft,
        lambda order: close_evidence.on_report(
            order, report, event.asked_msc, draft.time_msc, event.jitter
        ),
    )
    closed_markets.say_waiting(draft)
    reason = live_of(draft).flatten_reason
    if reason:
        set_live(draft, flatten_reason="")
        closing.flatten(draft, reason)
    driving.chase(draft, new, event.told_msc)
    _judge(draft, event.quotes)
    own_feed.on_report(draft, report, event.quotes)
    _arm(draft)


def on_heartbeat(draft: Draft, event: HeartbeatCame) -> None:
    """The broker's arithmetic against ours; it decides where ours cannot."""
    linking.heard(draft)
    live = live_of(draft)
    if live.link.refusal or not live.book.total_syncs:
        return
    beat = event.heartbeat
    allowed = live.broker is None or live.broker.trade_allowed
    told = AccountReport(
        balance=beat.balance,
        credit=beat.credit,
        equity=beat.equity,
        margin=beat.margin,
        trade_allowed=allowed,
    )
    set_live(draft, broker=told, broker_msc=draft.time_msc)
    _compare(draft, Sighting(at_msc=draft.time_msc, beat=beat), event.quotes)
    was = (draft.state.balance_minor, draft.state.credit_minor)
    booking.believe_balance(draft, beat.balance, beat.credit, moved=False)
    if (draft.state.balance_minor, draft.state.credit_minor) != was or draft.state.untested:
        _judge(draft, event.quotes)
    _corroborate(draft, event.quotes)
    own_feed.on_beat(draft, event)
    _arm(draft)


def on_position(draft: Draft, event: PositionCame) -> None:
    """A position was opened or changed, or is gone."""
    linking.heard(draft)
    live = live_of(draft)
    if live.link.refusal:
        return
    told = event.position
    known = live.holding(told.identifier)
    if event.is_closed:
        if known is not None:
            holding.vanish(draft, told.identifier)
            set_live(draft, settling=(*live_of(draft).settling, told.identifier))
            driving.ask_report(draft, "a position is gone without a deal")
    else:
        holding.put(draft, told, event.gmt_offset_s)
        if known is None:
            holding.say_opened(draft, told)
        if live.expects:
            driving.ask_report(draft, "a position was opened or changed")
    driving.apply_all(
        draft,
        lambda order: close_evidence.on_position(order, told, event.is_closed, draft.time_msc),
    )
    if known is None and not event.is_closed:
        driving.chase(draft, [told], event.told_msc)
    _judge(draft, event.quotes)


def on_deal(draft: Draft, event: DealCame) -> None:
    """An execution, or money that came or went. Each ticket counts once."""
    linking.heard(draft)
    live = live_of(draft)
    if live.link.refusal:
        return
    deal = event.deal
    if residuals.fresh(live.book.ledger, (deal,)):
        expected = booking.expected_profit(draft.state, deal, event.quotes)
        seen = Sighting(
            at_msc=draft.time_msc,
            deals=(deal,),
            expected_profit_minor={} if expected is None else {deal.ticket: expected},
        )
        anchored = live.book.ledger.is_anchored
        _compare(draft, seen, event.quotes)
        if anchored:
            booking.book(draft, deal, event.deal_msc or draft.time_msc)
            if event.edition:
                resetting.came_late(draft, event.deal_msc or draft.time_msc)
    driving.apply_all(draft, lambda order: close_evidence.on_deal(order, deal, draft.time_msc))
    _judge(draft, event.quotes)


def on_result(draft: Draft, event: ResultCame) -> None:
    """What became of a command, as the terminal saw it."""
    linking.heard(draft)
    result = event.result
    live = live_of(draft)
    if result.order and result.order not in live.own_orders:
        set_live(draft, own_orders=(*live.own_orders, result.order)[-ORDERS_KEPT:])
    for order in live_of(draft).closes:
        if result.intent_id.startswith(f"{order.intent_id}-"):
            driving.apply(
                draft,
                order.intent_id,
                lambda one: answered(one, result, draft.time_msc, event.jitter, event.opens_msc),
            )
    closed_markets.say_waiting(draft)


def _open(draft: Draft, report: FullReport) -> None:
    """The first report of all: the account is watched from here, on the broker's balance."""
    digits = draft.state.spec.digits
    draft.state = replace(
        draft.state,
        balance_minor=minor(report.account.balance, digits),
        credit_minor=minor(report.account.credit, digits),
    )
    guarding.open_account(draft)


EXPIRY = "expiry"
"""Who withdraws an intent whose time is over."""


def _compare(draft: Draft, seen: Sighting, quotes: Quotes) -> None:
    """Compares, publishes what changed, and does what that asks for."""
    _expire(draft)
    live, state = live_of(draft), draft.state
    number = live.sightings + 1
    mark = None
    if seen.deals == () and state.opened and is_valued(state, quotes):
        mark = equity_minor(state, quotes)
    seen = replace(
        seen,
        session=str(live.link.epoch),
        n=number,
        closing_lots=holding.vanished_lots(state) | driving.closing_lots(live),
        own_orders=frozenset(live.own_orders),
        mark_minor=mark,
        expects=live.expects,
        listed={} if seen.report is None else _listed(state, seen.report),
    )
    done = reconcile.compare(live.book, seen, live.terms)
    set_live(draft, book=done.book, sightings=number)
    linking.publish_rows(draft, done.changed)
    for action in done.actions:
        match action:
            case remedies.AskReport(why) | remedies.FetchDeals(why):
                driving.ask_report(draft, why)
            case remedies.ClosePosition(position_id, reason):
                driving.intend(draft, position_id, reason)
            case remedies.Halt(cause):
                guarding.halt(draft, cause)


def _expire(draft: Draft) -> None:
    """Forgets intents that are due and that nothing fills: they are meant no longer."""
    book = live_of(draft).book
    kept, gone = intents.expire(book.intents, draft.time_msc)
    if gone:
        set_live(draft, book=replace(book, intents=kept))
        for name in gone:
            draft.publish(records.IntentWithdrawn, intent_id=name, by=EXPIRY)


def _listed(state: AccountState, report: FullReport) -> dict[str, Instrument]:
    """The book's instruments of the symbols a report has, by the name they are compared by."""
    live, priced = state.live, state.spec.market.priced
    assert live is not None, "a replay has no report"
    found = {}
    for spec in report.specs:
        known = priced.get(driving.book_symbol(state, spec.name))
        if known is not None:
            found[live.terms.name(spec.name)] = known.instrument
    return found


def _judge(draft: Draft, quotes: Quotes) -> None:
    """Values the account and tests its guards now, where what is held or owned changed."""
    if draft.state.opened and draft.state.untested:
        take_valuation(draft, quotes)


def _corroborate(draft: Draft, quotes: Quotes) -> None:
    """Lets the broker's equity decide where ours is unknown, held back, or in dispute.

    Only when it says so `BEATS_TO_BELIEVE` times in a row: one absurd figure closes nothing.
    """
    state, live = draft.state, live_of(draft)
    if live.broker is None or not state.opened or not (live.holdings or live.orders):
        return
    disputed = any(
        row.kind is Kind.EQUITY_RESIDUAL and row.state is State.CONFIRMED for row in live.book.rows
    )
    if state.known and not state.is_held_back and not disputed:
        if live.beats_below:
            set_live(draft, beats_below=0)
        return
    equity = minor(live.broker.equity, state.spec.digits)
    below = live.beats_below + 1 if guarding.limits_broken(state, equity) else 0
    set_live(draft, beats_below=below)
    if below >= BEATS_TO_BELIEVE:
        guarding.test_limits(draft, quotes, equity)
        closing.close_what_is_due(draft)


def _arm(draft: Draft) -> None:
    """Leaves the terminal the floor it is to enforce by itself when the engine is silent."""
    live = live_of(draft)
    if not live.is_current:
        return
    floor = failsafe_floor(draft.state)
    if floor is not None and is_worth_sending(floor, live.floor_sent):
        set_live(draft, floor_sent=floor)
        draft.effects.append(SetFloor(floor))


def symbols_in(state: AccountState, event: LinkEvent) -> tuple[str, ...]:
    """Every symbol whose quote this event may need besides those of what is held already."""
    match event:
        case ReportCame(report=report):
            names = [one.symbol for one in report.positions]
        case PositionCame(position=position):
            names = [position.symbol]
        case DealCame(deal=deal) if deal.symbol:
            names = [deal.symbol]
        case _:
            return ()
    market = state.spec.market
    return tuple({n for name in names for n in market.needs(driving.book_symbol(state, name))})
