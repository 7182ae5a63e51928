"""One close of one position (or pending order), from its decision until the broker proves it.

The rules of this file:
1. What is said is what must *remain*. A volume is computed at the send, from what is there then.
2. Nothing is sent that is not durable, each new attempt included.
3. Only evidence settles (`close_evidence`): deals of our own order, or a report. An answer never
   does: neither PLACED nor DONE is flat.
4. Unknown (no reply, link lost, restart, any code that is not proven) is never asked again
   blindly. What may be repeated at once names what it closes, so a repeat finds it gone: a full
   close on a hedging account, a close-by, a cancel. A partial or netting close is held until
   `hold_ms` after the send *and* two agreeing reports, the later taken after that.
5. A repeat that nobody answered bears the same name: the terminal answers it from its table. What
   was answered is tried again under a new name.
6. Only `settled` ends it. `refused` sends no more by itself, but still sees that it is over.
7. Every alert is raised once. No clock, no chance: times are milliseconds of one clock of ours
   that never goes back, nor over a restart; jitter is a number in [0, 1) handed in.

Which state may follow, by what happens; `-` changes no state. `test_close_orders` drives every
pair. d decided (the next attempt), r durable, s sent, p placed, u unknown, w waiting, f refused,
e escalated, x settled:

  state     durable sent answered report   position deal link_lost elapsed resumed recovered
  decided   r       -    -        x        x        -    -         -       -       u
  durable   -       s    pwufedx  x        x        -    u         -       -       u
  sent      -       -    pwufedx  pwufedx  x        -    u         u       -       u
  placed    -       -    ux       dx       x        x    u         u       -       u
  unknown   -       -    pwfedx   pwfedxr  x        x    -         edr     -       u
  waiting   -       -    u        x        x        -    -         ed      d       u
  refused   -       -    u        x        x        -    -         -       d       u
  escalated -       -    pwfdx    pwfdxr   x        x    -         dr      d       -
  settled   -       -    -        u        -        -    -         -       -       -

Evidence is in `close_evidence`, answers in `close_answers`. Who calls makes what `Persist` asks
durable, then says `made_durable`; takes what is `to_send` (`close_plans`) as far as `close_pacing`
allows, never before the first full report of a link, writes its `command_of`, says `sent`; and
calls `elapsed` some times a second. `driving` does that for an account.
"""

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from engine.domain.close_actions import (
    PAGES,
    Action,
    Alert,
    AlertKind,
    AskReport,
    Command,
    Persist,
    Send,
    Settle,
)
from engine.domain.close_terms import DEFAULT_TERMS, Terms

DUST_LOTS = 1e-9
"""Less than this is none: lots are doubles."""


class State(StrEnum):
    """How far a close has come."""

    DECIDED = "decided"
    DURABLE = "durable"
    SENT = "sent"
    PLACED = "placed"
    """Taken by the broker; its deals are awaited."""
    UNKNOWN = "unknown"
    """It may have happened, or may still."""
    WAITING = "waiting"
    """Proven not done; the next attempt has its time."""
    REFUSED = "refused"
    """Our mistake, mended once in vain: a human must say go on."""
    ESCALATED = "escalated"
    """As unknown or waiting, and a human was called."""
    SETTLED = "settled"


class Kind(StrEnum):
    """What a close is made of; it decides whether it may be repeated at once."""

    FULL = "full"
    """Wholly, by position, on a hedging account."""
    PARTIAL = "partial"
    NETTING = "netting"
    """Wholly or in part on a netting account, where too much opens the other side."""
    CLOSE_BY = "close_by"
    CANCEL = "cancel"
    """Of a pending order: `position_id` is its ticket."""


REPEATABLE = frozenset({Kind.FULL, Kind.CLOSE_BY, Kind.CANCEL})


class CloseOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A close under way: the durable record, and all that is known of it."""

    intent_id: str
    epoch: int
    position_id: int
    symbol: str
    kind: Kind
    side: int
    """POSITION_TYPE of what is closed: 0 buy, 1 sell."""
    target_volume_lots: float
    """What must remain."""
    current_volume_lots: float
    """What was there when last seen; 1 for a pending order."""
    known_at_ms: int = 0
    """When that was taken, at the earliest."""
    reason: str
    decided_at_ms: int
    position_by: int | None = None
    volume_step_lots: float = 0.01
    slice_lots: float | None = None
    """The most one command may close: SYMBOL_VOLUME_MAX, less after 10034."""
    fillings: int = 1
    """How many filling modes the symbol allows."""
    terms: Terms = DEFAULT_TERMS

    state: State = State.DECIDED
    attempts: int = 1
    in_flight: bool = False
    """A command is, or may be, out and unresolved: no other may go for this position."""
    sent_at_ms: int | None = None
    before_lots: float = 0.0
    """What was there when this attempt first went out: its deals count from here."""
    retcode: int | None = None
    answered_at_ms: int | None = None
    answered_lots: float = 0.0
    order_ticket: int = 0
    deals: tuple[tuple[int, int, float], ...] = ()
    """(deal, order, lots) on the position since the send, each deal once."""
    agreeing_lots: float | None = None
    retry_at_ms: int | None = None
    ask_at_ms: int = 0
    settled_at_ms: int | None = None
    requotes: int = 0
    repeats: int = 0
    filling_index: int = 0
    deviation_points: int = 20
    mended: bool = False
    alerted: tuple[AlertKind, ...] = ()

    @property
    def command_id(self) -> str:
        """What the terminal's table knows this attempt by."""
        return f"{self.intent_id}-{self.attempts}"

    @property
    def repeatable(self) -> bool:
        """Whether a second command cannot close more than is meant."""
        return self.kind in REPEATABLE

    def need_lots(self, volume_lots: float) -> float:
        """How much of this volume has to go, in whole steps, never more than asked."""
        need = volume_lots - self.target_volume_lots
        if self.target_volume_lots <= DUST_LOTS:
            return need if need > DUST_LOTS else 0.0
        steps = int(need / self.volume_step_lots + 1e-6)
        return round(steps * self.volume_step_lots, 8) if steps > 0 else 0.0


Step = tuple[CloseOrder, tuple[Action, ...]]
NEVER_MS = 2**62


def decided(order: CloseOrder) -> Step:
    """A fresh order, to be made durable; its kind must fit its target."""
    assert order.state is State.DECIDED, f"{order.intent_id} is {order.state} already"
    assert order.kind not in REPEATABLE or order.target_volume_lots == 0.0, "only partials leave"
    assert (order.kind is Kind.CLOSE_BY) == (order.position_by is not None), "a pair is two"
    order = replace(
        order,
        # A report that was asked for earlier may not know of the position yet.
        known_at_ms=max(order.known_at_ms, order.decided_at_ms),
        deviation_points=order.terms.deviation_points,
    )
    return order, (Persist(),)


def made_durable(order: CloseOrder) -> Step:
    """The attempt may go."""
    if order.state is not State.DECIDED:
        return order, ()
    order = replace(order, state=State.DURABLE)
    return order, (Send(command_of(order)),)


def sent(order: CloseOrder, now_ms: int) -> Step:
    """The command is out: from here it may have happened."""
    if order.state is not State.DURABLE:
        # The link broke between the wish and its fulfilment: what is unknown is so from now.
        late = order.state in (State.UNKNOWN, State.ESCALATED) and order.in_flight
        return (replace(order, sent_at_ms=now_ms, agreeing_lots=None), ()) if late else (order, ())
    order = replace(
        order,
        state=State.SENT,
        in_flight=True,
        sent_at_ms=now_ms,
        before_lots=_before(order),
        agreeing_lots=None,
    )
    return order, ()


def link_lost(order: CloseOrder, now_ms: int) -> Step:
    """What was out, or about to go out, is unknown from now."""
    if order.state is State.DURABLE:
        return doubt(
            replace(order, sent_at_ms=now_ms, before_lots=order.current_volume_lots), now_ms
        )
    if order.state in (State.SENT, State.PLACED):
        return doubt(order, now_ms)
    return order, ()


def linked(order: CloseOrder, epoch: int) -> Step:
    """A terminal is there again; older epochs are refused by it."""
    return replace(order, epoch=max(epoch, order.epoch)), (AskReport(),)


def recovered(order: CloseOrder, now_ms: int) -> Step:
    """The durable record after a restart: it may have been sent until just now."""
    if order.state is State.SETTLED:
        return order, ()
    known = replace(order, sent_at_ms=now_ms, before_lots=_before(order))
    return doubt(known, now_ms)


def resumed(order: CloseOrder) -> Step:
    """A human, or the session, says: try again."""
    stuck = order.state in (State.WAITING, State.REFUSED, State.ESCALATED)
    if not stuck or order.in_flight:
        return order, ()
    return again(replace(order, mended=False, requotes=0))


def elapsed(order: CloseOrder, now_ms: int, jitter: float) -> Step:
    """What time alone asks for: call it some times a second."""
    if order.state is State.SETTLED:
        return order, ()
    order, alerts = _overdue(order, now_ms)
    order, actions = _by_time(order, now_ms, jitter)
    return order, alerts + actions


def due_ms(order: CloseOrder) -> int:
    """When time alone next asks for something: earlier `elapsed` changes nothing.

    Most closes are answered before that, so a thousand of them need no looking after.
    """
    if order.state is State.SETTLED:
        return NEVER_MS
    terms = order.terms
    alerts = ((AlertKind.LATE, terms.late_ms), (AlertKind.ESCALATED, terms.escalate_ms))
    due = [order.decided_at_ms + ms for kind, ms in alerts if kind not in order.alerted]
    if order.state is State.DURABLE:
        due.append(0)  # its turn may come with the pace
    elif order.state is State.SENT:
        due.append((order.sent_at_ms or 0) + terms.reply_ms)
    elif order.state is State.PLACED:
        due.append((order.answered_at_ms or 0) + terms.late_ms)
    else:
        due.extend([order.ask_at_ms] if order.in_flight else ())
        waits = order.state in (State.WAITING, State.ESCALATED)
        tries = order.repeatable if order.in_flight else waits
        due.extend([order.retry_at_ms] if tries and order.retry_at_ms is not None else ())
    return min(due, default=NEVER_MS)


def _overdue(order: CloseOrder, now_ms: int) -> Step:
    age_ms, terms = now_ms - order.decided_at_ms, order.terms
    alerts: tuple[Action, ...] = ()
    if age_ms >= terms.late_ms:
        order, alerts = raised(order, AlertKind.LATE)
    if age_ms >= terms.escalate_ms and AlertKind.ESCALATED not in order.alerted:
        order, page = raised(order, AlertKind.ESCALATED)
        alerts += page
        wider = replace(order, deviation_points=terms.deviation_cap_points)
        order = replace(wider, filling_index=next_filling(order))
        if order.state in (State.UNKNOWN, State.WAITING):
            order = replace(order, state=State.ESCALATED)
    return order, alerts


def _by_time(order: CloseOrder, now_ms: int, jitter: float) -> Step:
    terms = order.terms
    if order.state is State.DURABLE:
        return order, (Send(command_of(order)),)
    if order.state is State.SENT:
        assert order.sent_at_ms is not None
        over = now_ms >= order.sent_at_ms + terms.reply_ms
        return doubt(order, now_ms) if over else (order, ())
    if order.state is State.PLACED:
        assert order.answered_at_ms is not None
        over = now_ms >= order.answered_at_ms + terms.late_ms
        return doubt(order, now_ms) if over else (order, ())
    due = order.retry_at_ms is not None and now_ms >= order.retry_at_ms
    if order.in_flight:
        if due and order.repeatable:
            return repeat(order, now_ms, jitter)
        if now_ms >= order.ask_at_ms:
            return replace(order, ask_at_ms=now_ms + terms.ask_ms), (AskReport(),)
    elif due and order.state in (State.WAITING, State.ESCALATED):
        return again(order)
    return order, ()


def again(order: CloseOrder) -> Step:
    """The next attempt, under a new name, once that is durable."""
    order = replace(
        order,
        state=State.DECIDED,
        attempts=order.attempts + 1,
        in_flight=False,
        sent_at_ms=None,
        retcode=None,
        answered_at_ms=None,
        answered_lots=0.0,
        order_ticket=0,
        deals=(),
        agreeing_lots=None,
        retry_at_ms=None,
    )
    return order, (Persist(),)


def repeat(order: CloseOrder, now_ms: int, jitter: float) -> Step:
    """The same once more where that cannot close too much; the first time without delay."""
    assert order.repeatable, f"{order.intent_id}: a {order.kind} close is never repeated blindly"
    wait_ms = back_off_of(order, order.repeats, jitter)
    order = replace(order, repeats=order.repeats + 1)
    if order.answered_at_ms is not None:
        order, actions = again(order)
        return replace(order, retry_at_ms=now_ms + wait_ms), actions
    order = replace(order, state=State.DURABLE, retry_at_ms=now_ms + wait_ms)
    return order, (Send(command_of(order)),)


def settle(order: CloseOrder, now_ms: int) -> Step:
    """Proven to be over."""
    over = replace(order, state=State.SETTLED, in_flight=False, settled_at_ms=now_ms)
    return over, (Settle(),)


def raised(order: CloseOrder, kind: AlertKind) -> Step:
    """The alert, unless it was raised before."""
    if kind in order.alerted:
        return order, ()
    return replace(order, alerted=(*order.alerted, kind)), (Alert(kind, kind in PAGES),)


def _before(order: CloseOrder) -> float:
    """A repeat bears the first send's name, and its deals may have come: it counts from there."""
    return order.current_volume_lots if order.sent_at_ms is None else order.before_lots


def by_deals(order: CloseOrder) -> float:
    """What must be left after the deals of our own order, at most; what was added is negative."""
    own = order.order_ticket
    ours = (lots for _, ticket, lots in order.deals if ticket == own != 0 or lots < 0.0)
    return order.before_lots - sum(ours)


def command_of(order: CloseOrder) -> Command:
    """The command as it has to go now: the volume is what is there less what must remain."""
    action = order.kind.value if order.kind in (Kind.CLOSE_BY, Kind.CANCEL) else "close"
    volume = order.need_lots(order.current_volume_lots)
    return Command(
        command_id=order.command_id,
        epoch=order.epoch,
        action=action,
        position_id=order.position_id,
        position_by=order.position_by,
        symbol=order.symbol,
        side=order.side,
        volume_lots=volume if order.slice_lots is None else min(volume, order.slice_lots),
        is_whole=order.kind is Kind.FULL
        and (order.slice_lots is None or volume <= order.slice_lots),
        deviation_points=order.deviation_points,
        filling_index=order.filling_index,
        ttl_ms=order.terms.ttl_ms,
    )


def doubt(order: CloseOrder, now_ms: int) -> Step:
    """Unknown: evidence is asked for at once, and again until it comes."""
    state = State.ESCALATED if order.state is State.ESCALATED else State.UNKNOWN
    later = now_ms + order.terms.ask_ms
    order = replace(
        order,
        state=state,
        in_flight=True,
        agreeing_lots=None,
        ask_at_ms=later,
        retry_at_ms=max(later, order.retry_at_ms or 0),
    )
    return order, (AskReport(),)


def next_filling(order: CloseOrder) -> int:
    """The filling mode to try after this one, around again at the last."""
    return (order.filling_index + 1) % max(order.fillings, 1)


def back_off_of(order: CloseOrder, times: int, jitter: float) -> int:
    """The pause before the next try: doubled each time up to the cap, its upper half by chance."""
    terms = order.terms
    whole_ms = min(terms.back_off_ms * 2 ** min(times, 16), terms.back_off_cap_ms)
    return int(whole_ms * (0.5 + jitter / 2))
