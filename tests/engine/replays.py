"""Replays without files: random books and hand-made ones, and the plain account they must equal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from engine.book import Book
from engine.book_accounts import BookAccount
from engine.domain.account import AccountSpec, AccountState
from engine.domain.effects import SendClose
from engine.domain.equity_limits import floor_minor, reference_minor
from engine.domain.events import Opened, QuoteMarked, TimeReached
from engine.domain.guards import AccountGuard, EquityLimit
from engine.domain.ids import AccountKey
from engine.domain.inputs import Event
from engine.domain.instruments import Instrument
from engine.domain.marks import mark_of
from engine.domain.positions import Position
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.resetting import next_reset_of
from engine.domain.step import step
from engine.domain.valuation import market_of
from engine.domain.valuing import equity_minor
from engine.marking.reference import ReferenceFeed
from engine.marking.ticks import TickBatch
from engine.opening import opening_state
from engine.replay import replay
from engine.replay_broker import fill_close, stops_reached
from engine.replay_result import Replay
from tests import random_books
from tests.domain.accounts import MAJORS
from tests.random_books import ListStream


def random_replay(seed: int, ticks: int = 400, compare_poll: Sequence[str] = ()) -> Replay:
    """Four random accounts on random ticks of six symbols."""
    rng = Random(seed)
    listed = random_books.instruments(rng)
    stream = random_books.stream(rng, listed, ticks)
    states = [random_books.account(rng, number, listed) for number in range(4)]
    return replayed(book_of(listed, states), stream, compare_poll)


def replayed(book: Book, stream: ListStream, compare_poll: Sequence[str] = ()) -> Replay:
    """A replay on the plain twin: it needs no compiler."""
    return replay(book, stream, feed=ReferenceFeed(stream.symbols), compare_poll=compare_poll)


def book_of(instruments: Sequence[Instrument], states: Sequence[AccountState]) -> Book:
    """A book of accounts made elsewhere."""
    accounts = [
        BookAccount(
            spec=state.spec,
            balance_minor=state.balance_minor,
            credit_minor=state.credit_minor,
            positions=state.positions,
        )
        for state in states
    ]
    return Book(Path("made.toml"), "0" * 64, "", tuple(instruments), tuple(accounts))


def one_account(
    guards: Sequence[AccountGuard],
    positions: Sequence[Position],
    balance_minor: int = 10_000_00,
    **more: Any,
) -> Book:
    """A book of one account in dollars, 1001 on Demo-1."""
    spec = AccountSpec(
        key=AccountKey("Demo-1", 1001),
        market=market_of(MAJORS, "USD"),
        initial_minor=balance_minor,
        guards=tuple(guards),
        **more,
    )
    account = BookAccount(spec=spec, balance_minor=balance_minor, positions=tuple(positions))
    return Book(Path("made.toml"), "0" * 64, "", MAJORS, (account,))


def gold_ticks(*rows: tuple[int, float]) -> ListStream:
    """Ticks of XAUUSD without a spread: time and price."""
    return ListStream(("XAUUSD",), [(time_msc, 0, price, price) for time_msc, price in rows])


@dataclass
class Seen:
    """One account on one tick, by plain steps."""

    index: int
    time_msc: int
    mark: float
    equity_minor: int
    state: AccountState
    """After the guards were tested, before anything they asked for was done."""

    def limits(self) -> Iterator[tuple[int, int, bool]]:
        """Reference, floor and latch of every equity limit."""
        state = self.state
        for place, guard in enumerate(state.spec.guards):
            if isinstance(guard, EquityLimit):
                known = state.guards[place]
                reference = reference_minor(guard, place, known, state, state.marks)
                yield reference, floor_minor(guard, reference, state.spec), known.breached


def plain(account: BookAccount, whole: TickBatch) -> list[Seen]:
    """The account stepped on every tick: what it was on those on which it was valued."""
    state, quotes, seen = opening_state(account), dict[str, Quote](), list[Seen]()

    def apply(event: Event, tick: Tick | None) -> None:
        nonlocal state
        done = step(state, event)
        state = done.state
        if isinstance(event, QuoteMarked) and state.known and tick is not None:
            mark, equity = mark_of(state, quotes), equity_minor(state, quotes)
            seen.append(Seen(tick.index, event.time_msc, mark, equity, state))
        for effect in done.effects:
            if isinstance(effect, SendClose):
                apply(fill_close(state, effect, event.time_msc, tick, quotes), tick)

    first_msc = int(whole.time_msc[0])
    apply(Opened(first_msc), None)
    reset_msc = next_reset_of(state, first_msc)
    for index in range(len(whole)):
        time_msc = int(whole.time_msc[index])
        while reset_msc <= time_msc:
            apply(TimeReached(reset_msc, quotes), None)
            reset_msc = next_reset_of(state, reset_msc)
        symbol = whole.symbols[whole.symbol[index]]
        tick = Tick(index, symbol, float(whole.bid[index]), float(whole.ask[index]))
        quotes[symbol] = Quote(tick.bid, tick.ask, time_msc)
        for deal in stops_reached(state, time_msc, tick, quotes):
            apply(deal, tick)
        apply(QuoteMarked(time_msc, tick, quotes), tick)
    return seen
