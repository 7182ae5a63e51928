"""step(state, event) -> Step(state, effects): the whole business of one account.

Synchronous and pure: no clock, no I/O, no randomness. The only place an account's state changes.
The order inside a tick is that of the contract: marks, then every guard in the order listed on one
equity, then the notices that have run out. Stops and targets are filled by the broker, before.
"""

from dataclasses import dataclass
from typing import assert_never

from msgspec.structs import replace

from engine.domain import closing, guarding, market_acting, operating, records, resetting
from engine.domain.account import AccountState, GuardState
from engine.domain.commands import Command, Flatten, Halt, Refused, Release
from engine.domain.drafts import Draft
from engine.domain.effects import Effect
from engine.domain.equity_limits import opening_reference, with_balance_highs
from engine.domain.events import (
    DealReported,
    MarketFound,
    Opened,
    QuoteMarked,
    ReplayEnded,
    TimeReached,
)
from engine.domain.guards import EquityLimit
from engine.domain.inputs import Event
from engine.domain.marks import (
    advance,
    mark_of,
    opening_marks,
    published_drawdown,
    published_high_water,
)
from engine.domain.valuation import Quotes, floating_minor, missing_quote
from engine.domain.watch import Marks


@dataclass(frozen=True, slots=True)
class Step:
    """The account after an event, and what that asks of the world."""

    state: AccountState
    effects: tuple[Effect, ...]


def step(state: AccountState, event: Event) -> Step:
    """The account after one event. Total: every event is taken, none is refused."""
    draft = Draft(state, event.time_msc)
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
            _open(draft)
        case ReplayEnded():
            _end(draft, event)
        case _:
            assert_never(event)
    return Step(draft.done(), tuple(draft.effects))


def obey(state: AccountState, command: Command) -> Step | Refused:
    """The account after a command, or why it was refused."""
    draft = Draft(state, command.time_msc)
    match command:
        case Halt():
            guarding.halt(draft, command.by)
        case Release():
            refusal = guarding.release(draft, command.by, command.cause, command.reason)
            if refusal is not None:
                return refusal
        case Flatten():
            closing.flatten(draft, f"manual:{command.by}")
        case _:
            assert_never(command)
    return Step(draft.done(), tuple(draft.effects))


def equity_minor(state: AccountState, quotes: Quotes) -> int:
    """MT5-exact equity: balance + credit + each position's rounded profit + swap."""
    floating = floating_minor(state.spec.market, state.positions, quotes)
    return state.balance_minor + state.credit_minor + floating


def _open(draft: Draft) -> None:
    state = draft.state
    assert not state.opened, "an account is opened once"
    spec = state.spec
    draft.state = replace(
        state,
        opened=True,
        marks=opening_marks(spec),
        balance_high_water_minor=spec.initial_minor,
        credited_high_water_minor=spec.initial_minor,
        guards=tuple(
            GuardState(
                reference_minor=opening_reference(guard, spec, state.balance_minor)
                if isinstance(guard, EquityLimit)
                else None
            )
            for guard in spec.guards
        ),
    )
    draft.publish(
        records.AccountOpened,
        balance=spec.major(state.balance_minor),
        equity=None,
        initial=spec.major(spec.initial_minor),
        currency=spec.market.deposit,
    )


def _on_quote(draft: Draft, event: QuoteMarked) -> None:
    draft.tick = event.tick
    _take_marks(draft, event.marks)
    operating.apply_due(draft)
    state = draft.state
    if missing_quote(state.spec.market, state.positions, event.quotes) is not None:
        if state.known:
            draft.state = replace(state, known=False)
        return
    mark = mark_of(state, event.quotes)
    draft.state = replace(
        state,
        known=True,
        marks=advance(state.marks, mark, event.time_msc),
    )
    draft.state = with_balance_highs(draft.state)
    equity = equity_minor(draft.state, event.quotes)
    guarding.take_first_references(draft, equity)
    if not draft.state.is_held_back:
        guarding.test_all(draft, event.quotes, equity)
    closing.close_what_is_due(draft)


def _on_time(draft: Draft, event: TimeReached) -> None:
    _take_marks(draft, event.marks)
    operating.apply_due(draft)
    state = draft.state
    if not state.known:
        return
    draft.state = with_balance_highs(draft.state)
    equity = equity_minor(state, event.quotes)
    resetting.reset_due(draft, equity, event.quotes)
    if not draft.state.is_held_back:
        guarding.test_all(draft, event.quotes, equity)
    closing.close_what_is_due(draft)


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
