"""step(state, event) -> Step(state, effects): the whole business of one account.

Synchronous and pure: no clock, no I/O, no randomness. The only place an account's state changes.
The order inside a tick is that of the contract: marks, then every guard in the order listed on one
equity, then the notices that have run out. Stops and targets are filled by the broker, before.
"""

from typing import assert_never

import msgspec
from msgspec.structs import replace

from engine.domain import (
    asking,
    close_orders,
    closing,
    driving,
    guarding,
    linking,
    market_acting,
    operating,
    own_feed,
    records,
    reporting,
    resetting,
)
from engine.domain.account import AccountState
from engine.domain.commands import (
    Adopt,
    ClosePosition,
    Command,
    Flatten,
    Halt,
    Refused,
    Register,
    Release,
    Respec,
    Resume,
    Withdraw,
)
from engine.domain.drafts import Draft
from engine.domain.effects import Effect
from engine.domain.equity_limits import with_balance_highs
from engine.domain.events import (
    DealReported,
    MarketEvent,
    MarketFound,
    Opened,
    QuoteMarked,
    ReplayEnded,
    TimeReached,
)
from engine.domain.inputs import Event
from engine.domain.link_events import (
    ClosesDurable,
    DealCame,
    FeedRefused,
    Founded,
    HeartbeatCame,
    Linked,
    LinkEvent,
    LinkLost,
    MarksNoted,
    PositionCame,
    Recovered,
    ReportCame,
    ResultCame,
    TimePassed,
    WentSilent,
)
from engine.domain.marks import published_drawdown, published_high_water
from engine.domain.valuing import decide, equity_minor, take_valuation
from engine.domain.watch import Marks


class Step(msgspec.Struct, frozen=True):
    """The account after an event, and what that asks of the world."""

    state: AccountState
    effects: tuple[Effect, ...]


def step(state: AccountState, event: Event) -> Step:
    """The account after one event. Total: every event is taken, none is refused."""
    draft = Draft(state, event.time_msc, getattr(event, "quotes", None))
    if isinstance(event, MarketEvent):
        _on_market_event(draft, event)
    else:
        _on_link_event(draft, event)
    return _done(draft)


def obey(state: AccountState, command: Command) -> Step | Refused:
    """The account after a command, or why it was refused."""
    draft = Draft(state, command.time_msc)
    refusal: Refused | None = None
    match command:
        case Halt():
            guarding.halt(draft, command.by)
        case Release():
            refusal = guarding.release(draft, command.by, command.cause, command.reason)
        case Flatten():
            refusal = asking.flatten(draft, command)
        case ClosePosition():
            refusal = asking.close_position(draft, command)
        case Resume():
            refusal = asking.resume(draft, command)
        case Register():
            refusal = asking.register(draft, command)
        case Withdraw():
            refusal = asking.withdraw(draft, command)
        case Adopt():
            refusal = asking.adopt(draft, command)
        case Respec():
            asking.respec(draft, command)
        case _:
            assert_never(command)
    return refusal if refusal is not None else _done(draft)


def _done(draft: Draft) -> Step:
    if draft.state.waiting:
        closing.resume_waiting(draft)
    if draft.state.live is not None:
        driving.pump(draft)
    return Step(draft.done(), tuple(draft.effects))


def _on_market_event(draft: Draft, event: MarketEvent) -> None:
    match event:
        case QuoteMarked():
            _on_quote(draft, event)
        case TimeReached():
            _on_time(draft, event)
        case DealReported():
            closing.settle(draft, event)
        case MarketFound():
            _on_market(draft, event)
        case Opened():
            # A live account is opened by its first report, on the broker's own balance.
            if draft.state.live is None:
                guarding.open_account(draft)
        case ReplayEnded():
            _end(draft, event)
        case _:
            assert_never(event)


def _on_link_event(draft: Draft, event: LinkEvent) -> None:
    assert draft.state.live is not None, "a replay has no link"
    match event:
        case Founded():
            asking.found(draft, event)
        case Linked():
            linking.on_linked(draft, event)
        case LinkLost():
            linking.on_lost(draft, event)
        case WentSilent():
            linking.on_silent(draft, event)
        case ReportCame():
            reporting.on_report(draft, event)
        case HeartbeatCame():
            reporting.on_heartbeat(draft, event)
        case PositionCame():
            reporting.on_position(draft, event)
        case DealCame():
            reporting.on_deal(draft, event)
        case ResultCame():
            reporting.on_result(draft, event)
        case ClosesDurable():
            driving.keep(draft, event.intent_ids)
        case TimePassed():
            jitter, now_ms = event.jitter, event.time_msc
            driving.apply_all(draft, lambda one: close_orders.elapsed(one, now_ms, jitter))
            driving.prune(draft)
        case MarksNoted():
            pass  # to be kept: that is all
        case Recovered():
            linking.on_recovered(draft, event)
        case FeedRefused():
            own_feed.on_refused(draft, event)
        case _:
            assert_never(event)


def _on_quote(draft: Draft, event: QuoteMarked) -> None:
    draft.tick = event.tick
    _take_marks(draft, event.marks)
    operating.apply_due(draft)
    take_valuation(draft, event.quotes)


def _on_time(draft: Draft, event: TimeReached) -> None:
    _take_marks(draft, event.marks)
    operating.apply_due(draft)
    state = draft.state
    if not state.known:
        live = state.live
        if live is None or not state.opened:
            return
        if not live.missed_since_msc:
            # Whatever was due now is made up for once the account can be valued.
            missed = replace(live, missed_since_msc=draft.time_msc - 1)
            draft.state = replace(state, live=missed)
        take_valuation(draft, event.quotes)
        return
    draft.state = with_balance_highs(draft.state)
    equity = equity_minor(state, event.quotes)
    resetting.reset_due(draft, equity, event.quotes, is_told=bool(event.told_msc))
    decide(draft, event.quotes, equity)


def _on_market(draft: Draft, event: MarketFound) -> None:
    draft.tick = event.tick
    _take_marks(draft, event.marks)
    if draft.state.known:
        market_acting.take_finding(draft, event.finding)


def _end(draft: Draft, event: ReplayEnded) -> None:
    _take_marks(draft, event.marks)
    state = draft.state
    spec = state.spec
    equity = spec.major(equity_minor(state, event.quotes)) if state.known else None
    drawdown, drawdown_percent = published_drawdown(spec, state.marks)
    draft.publish(
        records.AccountClosed,
        balance=spec.major(state.balance_minor),
        equity=equity,
        equity_high_water=published_high_water(spec, state.marks),
        max_drawdown=drawdown,
        max_drawdown_percent=drawdown_percent,
        max_drawdown_time_msc=state.marks.max_drawdown_time_msc or None,
        ticks=state.marks.ticks,
    )


def _take_marks(draft: Draft, marks: Marks | None) -> None:
    if marks is not None:
        draft.state = replace(draft.state, marks=marks)
