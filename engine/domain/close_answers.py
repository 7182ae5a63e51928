"""What a terminal's answer makes of a close; the classes are those of `retcodes`.

The rules of this file:
1. An answer settles nothing by itself: success waits for deals, "already so" for a report.
2. A proven refusal is tried again under a new name: at once at a new price (five times, the
   deviation doubled to its cap), later with jitter, at the session, or mended once.
3. A code that proves nothing, and any that is not listed, is unknown.
4. An answer to an earlier attempt changes no state; a success among them asks for a report.
"""

from msgspec.structs import replace

from engine.domain.close_actions import Action, AlertKind, AskReport, SlowDown
from engine.domain.close_orders import (
    CloseOrder,
    Kind,
    State,
    Step,
    again,
    back_off_of,
    by_deals,
    doubt,
    next_filling,
    raised,
    settle,
)
from engine.domain.reports import CommandResult
from engine.domain.retcodes import RetcodeClass, classify

TOO_MANY = 10024
BAD_FILLING = 10030
TOO_LARGE = 10034


def answered(
    order: CloseOrder,
    result: CommandResult,
    now_ms: int,
    jitter: float,
    opens_at_ms: int | None = None,
) -> Step:
    """What the terminal says became of the command.

    Args:
        opens_at_ms: when the symbol's session opens next, where that is known.
    """
    kind = classify(result.retcode)
    open_ = order.state in (State.DURABLE, State.SENT, State.UNKNOWN) or (
        order.state is State.ESCALATED and order.in_flight
    )
    if result.intent_id != order.command_id or order.state in (State.SETTLED, State.DECIDED):
        return order, ((AskReport(),) if kind is RetcodeClass.SUCCESS else ())
    if order.state is State.PLACED:
        return _answered_again(order, result, kind, now_ms)
    if not open_:
        # Proven not done, then done after all: only evidence can tell.
        return doubt(order, now_ms) if kind is RetcodeClass.SUCCESS else (order, ())
    order = replace(order, retcode=result.retcode, answered_at_ms=now_ms)
    if kind is RetcodeClass.SUCCESS:
        return _placed(order, result, now_ms)
    if kind in (RetcodeClass.ALREADY_SO, RetcodeClass.UNKNOWN):
        # Already so is believed when a report says so too, which is asked for now.
        return doubt(order, now_ms)
    return _not_done(replace(order, in_flight=False), kind, now_ms, jitter, opens_at_ms)


def _placed(order: CloseOrder, result: CommandResult, now_ms: int) -> Step:
    order = replace(
        order,
        state=State.PLACED,
        in_flight=True,
        answered_lots=result.volume,
        order_ticket=result.order,
    )
    if order.kind is not Kind.CANCEL and order.need_lots(by_deals(order)) == 0.0:
        return settle(order, now_ms)
    return order, (AskReport(),)


def _answered_again(
    order: CloseOrder, result: CommandResult, kind: RetcodeClass, now_ms: int
) -> Step:
    if kind is not RetcodeClass.SUCCESS:
        return doubt(order, now_ms)
    return _placed(order, result, now_ms)


def _not_done(
    order: CloseOrder, kind: RetcodeClass, now_ms: int, jitter: float, opens_at_ms: int | None
) -> Step:
    """Proven not to have happened: when, and how, it is tried again."""
    terms = order.terms
    if kind is RetcodeClass.NEW_PRICE and order.requotes < terms.requotes:
        wider = min(2 * order.deviation_points, terms.deviation_cap_points)
        return again(replace(order, requotes=order.requotes + 1, deviation_points=wider))
    if kind is RetcodeClass.NEW_PRICE:
        return _slowly(replace(order, requotes=0), AlertKind.REQUOTES, now_ms)
    if kind is RetcodeClass.WAIT:
        order, page = raised(order, AlertKind.CANNOT_ACT)
        known = opens_at_ms is not None and opens_at_ms > now_ms
        at_ms = opens_at_ms if known else now_ms + terms.probe_ms
        return replace(order, state=State.WAITING, retry_at_ms=at_ms), page
    if kind is RetcodeClass.OUR_MISTAKE:
        return _mend(order, now_ms)
    if kind is RetcodeClass.LIMITS:
        half = order.need_lots(order.current_volume_lots) / 2
        half = int(half / order.volume_step_lots + 1e-6) * order.volume_step_lots
        if order.retcode == TOO_LARGE and half > 0.0:
            order, told = raised(replace(order, slice_lots=round(half, 8)), AlertKind.LIMITS)
            order, actions = again(order)
            return order, told + actions
        return _slowly(order, AlertKind.LIMITS, now_ms)
    wait_ms = back_off_of(order, order.repeats, jitter)
    slower: tuple[Action, ...] = (SlowDown(),) if order.retcode == TOO_MANY else ()
    order = replace(order, repeats=order.repeats + 1, retry_at_ms=now_ms + wait_ms)
    return replace(order, state=State.WAITING), slower


def _slowly(order: CloseOrder, kind: AlertKind, now_ms: int) -> Step:
    """A human is called; it goes on at the slow pace."""
    order, told = raised(order, kind)
    at_ms = now_ms + order.terms.back_off_cap_ms
    return replace(order, state=State.ESCALATED, retry_at_ms=at_ms), told


def _mend(order: CloseOrder, now_ms: int) -> Step:
    """Each filling mode once where that was wrong; anything else once, from fresh knowledge."""
    filling = next_filling(order)
    if order.retcode == BAD_FILLING and filling > order.filling_index:
        return again(replace(order, filling_index=filling))
    if not order.mended and order.retcode != BAD_FILLING:
        at_ms = now_ms + order.terms.ask_ms
        return replace(order, state=State.WAITING, mended=True, retry_at_ms=at_ms), (AskReport(),)
    order, page = raised(order, AlertKind.MISTAKE)
    return replace(order, state=State.REFUSED, retry_at_ms=None), page
