"""What a report, a position or a deal proves of a close.

The rules of this file:
1. A failed report changes no belief: not complete is not empty, and empty is not flat.
2. A report counts for a command only if it was taken after the send; one that is older than what
   is known already counts for nothing.
3. A deal counts only if it is of the order our own answer named, and each ticket once. Any other
   deal on the position asks for a report: who may have made it is not guessed.
4. An order of the position that still works is no evidence of either outcome: it is waited for.
5. What an answer said was done and a later report agree: the attempt is over, the rest may go at
   once, whatever the kind. Else the kind decides (`close_orders`, rule 4).
6. Positions are found by identifier, which is never used again: a closed one is closed for ever.
"""

from msgspec.structs import replace

from engine.domain.close_actions import Action, AlertKind, AskReport
from engine.domain.close_answers import answered
from engine.domain.close_orders import (
    DUST_LOTS,
    CloseOrder,
    Kind,
    State,
    Step,
    again,
    by_deals,
    doubt,
    raised,
    repeat,
    settle,
)
from engine.domain.reports import CommandResult, DealReport, FullReport, PositionReport

_IN, _OUT, _OUT_BY = 0, 1, 3
"""DEAL_ENTRY."""


def on_report(
    order: CloseOrder, report: FullReport, taken_at_ms: int, now_ms: int, jitter: float
) -> Step:
    """What a full report proves.

    Args:
        taken_at_ms: by our clock, not after the terminal took it: when it was asked for.
    """
    if not report.complete or taken_at_ms < order.known_at_ms:
        return order, ()
    if order.state is State.SETTLED:
        return _after_all(order, report, taken_at_ms, now_ms)
    order, actions = _from_table(order, report, now_ms, jitter)
    if order.state is State.SETTLED:
        return order, actions
    if order.in_flight and order.sent_at_ms is not None and taken_at_ms <= order.sent_at_ms:
        return order, actions
    volume_lots, side = _seen(order, report)
    if order.need_lots(volume_lots) == 0.0 or side != order.side:
        order, more = _gone(order, volume_lots, side, now_ms)
        return order, actions + more
    order = _alone(replace(order, current_volume_lots=volume_lots, known_at_ms=taken_at_ms), report)
    if order.in_flight:
        order, more = _left(order, report, now_ms, jitter)
        actions += more
    return order, actions


def on_position(order: CloseOrder, position: PositionReport, closed: bool, now_ms: int) -> Step:
    """What the record of a changed or closed position proves: that it closed, or that it grew.

    A netting position may grow while its close is out: the close then leaves some of it, and its
    deals count from what there was to close. One that is there after it was settled is asked for.
    """
    others = order.kind is Kind.CANCEL or position.identifier != order.position_id
    if others or (order.state is State.SETTLED and (closed or order.target_volume_lots > 0.0)):
        return order, ()
    if order.state is State.SETTLED:
        return order, (AskReport(),)
    if closed:
        return _gone(order, 0.0, order.side, now_ms)
    grew = order.in_flight and position.type == order.side and position.volume > order.before_lots
    before_lots = position.volume if grew else order.before_lots
    return replace(order, agreeing_lots=None, before_lots=before_lots), (AskReport(),)


def on_deal(order: CloseOrder, deal: DealReport, now_ms: int) -> Step:
    """What a deal proves: that our own order has done its part, or that a report is needed."""
    others = order.kind is Kind.CANCEL or deal.position_id != order.position_id
    if others or order.state is State.SETTLED or deal.ticket in (d[0] for d in order.deals):
        return order, ()
    if deal.entry in (_IN, _OUT, _OUT_BY):
        lots = -deal.volume if deal.entry == _IN else deal.volume
        order = replace(order, deals=(*order.deals, (deal.ticket, deal.order, lots)))
    order = replace(order, agreeing_lots=None)
    ours = order.in_flight and deal.order == order.order_ticket != 0
    if ours and order.need_lots(by_deals(order)) == 0.0:
        return settle(order, now_ms)
    return order, (AskReport(),)


def _from_table(order: CloseOrder, report: FullReport, now_ms: int, jitter: float) -> Step:
    """The answer that was lost, from the terminal's own table."""
    if order.state in (State.SENT, State.UNKNOWN, State.ESCALATED) and order.in_flight:
        for row in report.recent_intents if order.answered_at_ms is None else ():
            if row.intent_id == order.command_id and row.retcode != 0:
                result = CommandResult(
                    intent_id=row.intent_id,
                    retcode=row.retcode,
                    deal=row.deal,
                    order=row.order,
                    volume=row.volume,
                    price=row.price,
                )
                return answered(order, result, now_ms, jitter)
    return order, ()


def _seen(order: CloseOrder, report: FullReport) -> tuple[float, int]:
    """Lots that are there, and their side."""
    if order.kind is Kind.CANCEL:
        there = any(resting.ticket == order.position_id for resting in report.orders)
        return float(there), order.side
    for position in report.positions:
        if position.identifier == order.position_id:
            return position.volume, position.type
    return 0.0, order.side


def _gone(order: CloseOrder, volume_lots: float, side: int, now_ms: int) -> Step:
    """Settled; a human hears of it if somebody else did more than was meant."""
    alerts: tuple[Action, ...] = ()
    if side != order.side or volume_lots < order.target_volume_lots - DUST_LOTS:
        order, alerts = raised(order, AlertKind.OVERTAKEN)
    order, actions = settle(replace(order, current_volume_lots=volume_lots), now_ms)
    return order, alerts + actions


def _alone(order: CloseOrder, report: FullReport) -> CloseOrder:
    """A close-by whose other side has gone closes the rest by itself."""
    if order.kind is not Kind.CLOSE_BY:
        return order
    if any(position.identifier == order.position_by for position in report.positions):
        return order
    return replace(order, kind=Kind.FULL, position_by=None)


def _left(order: CloseOrder, report: FullReport, now_ms: int, jitter: float) -> Step:
    """More is there than shall remain, and a command is out: may the next one go?"""
    taken_at_ms, volume_lots = order.known_at_ms, order.current_volume_lots
    working = order.kind is not Kind.CANCEL and any(
        resting.position_id == order.position_id for resting in report.orders
    )
    if working:
        return replace(order, agreeing_lots=None), ()
    done = order.before_lots - order.answered_lots
    if order.answered_at_ms is not None and order.answered_lots > DUST_LOTS:
        agreed = taken_at_ms > order.answered_at_ms and abs(done - volume_lots) < DUST_LOTS
        if agreed:
            return again(order)
    if order.state not in (State.UNKNOWN, State.ESCALATED):
        return order, ()
    if order.repeatable:
        due = order.retry_at_ms is None or now_ms >= order.retry_at_ms
        return repeat(order, now_ms, jitter) if due or order.repeats == 0 else (order, ())
    assert order.sent_at_ms is not None, f"{order.intent_id} is unknown, yet was never sent"
    held = taken_at_ms > order.sent_at_ms + order.terms.hold_ms
    before = order.agreeing_lots
    if held and before is not None and abs(before - volume_lots) < DUST_LOTS:
        return again(order)
    return replace(order, agreeing_lots=volume_lots), ()


def _after_all(order: CloseOrder, report: FullReport, taken_at_ms: int, now_ms: int) -> Step:
    """A position that was to go wholly and is there after it was settled is not settled."""
    assert order.settled_at_ms is not None
    volume_lots, side = _seen(order, report)
    stale = taken_at_ms <= order.settled_at_ms or order.target_volume_lots > 0.0
    if stale or order.need_lots(volume_lots) == 0.0 or side != order.side:
        return order, ()
    order, page = raised(order, AlertKind.STILL_THERE)
    order = replace(order, current_volume_lots=volume_lots, known_at_ms=taken_at_ms)
    order, actions = doubt(replace(order, sent_at_ms=now_ms, answered_lots=0.0), now_ms)
    return order, page + actions
