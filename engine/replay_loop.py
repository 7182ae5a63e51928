"""Driving accounts through ticks: the feed marks them all, `step` decides where it matters.

The order of a tick is the contract's: resets that fall before it, on the quotes before it; then
the tick: stops and targets, marks, guards, notices.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from engine.domain import operating
from engine.domain.account import AccountState
from engine.domain.effects import Effect, Publish, SendClose
from engine.domain.events import (
    MarketFound,
    Opened,
    QuoteMarked,
    ReplayEnded,
    TimeReached,
)
from engine.domain.inputs import Event
from engine.domain.quotes import Quote
from engine.domain.records import Record, Tick
from engine.domain.step import step
from engine.domain.valuation import symbols_needed
from engine.domain.watch import NEVER_MSC, Marks
from engine.domain.watching import Holding, holding_of, watch_of
from engine.market_pieces import Found
from engine.marking.ticks import TickBatch
from engine.marking.wakes import MarkingFeed
from engine.replay_broker import fill_close, stops_reached
from engine.reset_schedule import ResetSchedule, stretch_end


@dataclass(slots=True)
class Change:
    """What an account became, and the first tick valued on that balance and those positions.

    What is decided on a tick is decided on its mark: closes stand from the next tick on, while
    stops, operations and resets come before the mark of theirs.
    """

    index: int
    state: AccountState


@dataclass(slots=True)
class _Seat:
    """One account of the loop."""

    state: AccountState
    needs: tuple[str, ...]
    slot: int | None = None
    """In the feed; None while it is unknown."""
    holding: Holding | None = None
    """Of the positions last watched."""
    changes: list[Change] = field(default_factory=list)


class ReplayLoop:
    """Accounts driven through a merged tick stream. Feed it batches in order, then `end`."""

    def __init__(
        self,
        accounts: Sequence[AccountState],
        feed: MarkingFeed,
        publish: Callable[[Record], None],
    ) -> None:
        self._seats = [_Seat(state, _needs(state)) for state in accounts]
        self._feed = feed
        self._publish = publish
        self._by_slot: dict[int, int] = {}
        self._unknown: set[int] = set(range(len(self._seats)))
        self._unknown_due_msc = NEVER_MSC
        self._unseen: set[int] = set()
        self._resets: ResetSchedule | None = None
        self._index = 0
        self._time_msc = 0
        self.ticks = 0

    @property
    def states(self) -> list[AccountState]:
        """Every account as of the last tick it was stepped on."""
        return [seat.state for seat in self._seats]

    def changes(self, account: int) -> list[Change]:
        """The states the account has been in, oldest first."""
        return self._seats[account].changes

    def take(self, batch: TickBatch) -> None:
        """Drives the accounts through the next batch."""
        if not len(batch):
            return
        if not self.ticks:
            self._open(int(batch.time_msc[0]), range(len(batch.symbols)))
        start, size = 0, len(batch)
        while start < size:
            self._reset_until(int(batch.time_msc[start]))
            stop = self._cut(batch, start)
            if stop == start:  # a tick that may make accounts known
                stop = start + 1
                self._walk(batch.part(start, stop))
                self._try_unknown(batch, start)
            else:
                self._walk(batch.part(start, stop))
            start = stop
        self.ticks += size

    def market_found(self, found: Found) -> None:
        """Tells the accounts that may hold the symbol what a guard on the feed found."""
        assert self._resets is not None, "found before the first tick"
        self._reset_until(found.time_msc)
        symbol = found.finding.symbol
        for place, seat in enumerate(self._seats):
            if symbol in seat.needs:
                quotes, marks = self._standing(seat)
                event = MarketFound(found.time_msc, found.finding, found.tick, quotes, marks)
                self._apply(place, event, found.tick, quotes)
                self._rewatch(place, quotes)

    def end(self) -> None:
        """Tells every account that no tick comes any more."""
        for place, seat in enumerate(self._seats):
            quotes, marks = self._standing(seat)
            self._apply(place, ReplayEnded(self._time_msc, quotes, marks), None, quotes)

    def _open(self, time_msc: int, symbols: Iterable[int]) -> None:
        self._unseen = set(symbols)
        for place in range(len(self._seats)):
            self._apply(place, Opened(time_msc), None, {})
        self._resets = ResetSchedule(self.states, time_msc)
        self._await_operations()

    def _await_operations(self) -> None:
        self._unknown_due_msc = min(
            (operating.next_due_msc(self._seats[place].state) for place in self._unknown),
            default=NEVER_MSC,
        )

    def _cut(self, batch: TickBatch, start: int) -> int:
        """Where the ticks that can be walked at once end: a reset, or a tick of its own kind."""
        assert self._resets is not None, "cut before the accounts were opened"
        unseen = self._unseen if self._unknown else ()
        return stretch_end(batch, start, self._resets.next_msc, self._unknown_due_msc, unseen)

    def _walk(self, part: TickBatch) -> None:
        feed = self._feed
        for wake in feed.walk(part):
            place = self._by_slot[wake.slot]
            self._index = wake.index
            tick = Tick(wake.index, wake.symbol, wake.bid, wake.ask)
            self._tick(place, wake.time_msc, tick, wake.marks)
        self._index = part.first_index + len(part)
        self._time_msc = int(part.time_msc[-1])

    def _try_unknown(self, batch: TickBatch, offset: int) -> None:
        """Steps the accounts not yet known on a tick of a symbol that had no quote before it."""
        self._unseen.discard(int(batch.symbol[offset]))
        time_msc = int(batch.time_msc[offset])
        symbol = batch.symbols[batch.symbol[offset]]
        index = batch.first_index + offset
        self._index = index
        tick = Tick(index, symbol, float(batch.bid[offset]), float(batch.ask[offset]))
        due = time_msc >= self._unknown_due_msc
        for place in sorted(self._unknown):
            seat = self._seats[place]
            if due or not seat.needs or symbol in seat.needs:
                self._tick(place, time_msc, tick, None)
        self._index = index + 1
        self._await_operations()

    def _tick(self, place: int, time_msc: int, tick: Tick, marks: Marks | None) -> None:
        """One account on one tick: the broker's stops first, then the account itself."""
        seat = self._seats[place]
        quotes = self._feed.quotes(seat.needs)
        for deal in stops_reached(seat.state, time_msc, tick, quotes):
            self._apply(place, deal, tick, quotes)
        self._apply(place, QuoteMarked(time_msc, tick, quotes, marks), tick, quotes)
        self._rewatch(place, quotes)

    def _rewatch(self, place: int, quotes: dict[str, Quote]) -> None:
        seat = self._seats[place]
        if not seat.state.known:
            return
        seat.holding = holding_of(seat.state, quotes, seat.holding)
        watch = watch_of(seat.state, quotes, seat.holding)
        if seat.slot is None:
            seat.slot = self._feed.add(watch)
            self._by_slot[seat.slot] = place
            self._unknown.discard(place)
        else:
            self._feed.put(seat.slot, watch)

    def _reset_until(self, time_msc: int) -> None:
        """Every reset instant up to `time_msc`, in order, on the quotes before any tick there."""
        assert self._resets is not None, "reset before the accounts were opened"
        while self._resets.next_msc <= time_msc:
            instant, due = self._resets.take()
            for place in due:
                seat = self._seats[place]
                quotes, marks = self._standing(seat)
                self._apply(place, TimeReached(instant, quotes, marks), None, quotes)
                self._rewatch(place, quotes)
            self._await_operations()

    def _standing(self, seat: _Seat) -> tuple[dict[str, Quote], Marks | None]:
        """An account's quotes and marks between two ticks."""
        marks = None if seat.slot is None else self._feed.marks(seat.slot)
        return self._feed.quotes(seat.needs), marks

    def _apply(
        self,
        place: int,
        event: Event,
        tick: Tick | None,
        quotes: dict[str, Quote],
        marked: bool = False,
    ) -> None:
        """Steps the account, publishes, and lets the broker fill what it asked for.

        `marked`: this tick's mark has been taken already.
        """
        seat = self._seats[place]
        before = seat.state
        done = step(before, event)
        seat.state = done.state
        if done.effects or done.state.known is not before.known:
            seat.changes.append(Change(self._index + marked, done.state))
            self._take_effects(place, done.effects, event, tick, quotes)

    def _take_effects(
        self,
        place: int,
        effects: tuple[Effect, ...],
        event: Event,
        tick: Tick | None,
        quotes: dict[str, Quote],
    ) -> None:
        """Publishes first, in the order numbered; fills after, each of which publishes its own."""
        for effect in effects:
            if isinstance(effect, Publish):
                self._publish(effect.record)
        for effect in effects:
            if isinstance(effect, SendClose):
                deal = fill_close(self._seats[place].state, effect, event.time_msc, tick, quotes)
                self._apply(place, deal, tick, quotes, marked=isinstance(event, QuoteMarked))


def _needs(state: AccountState) -> tuple[str, ...]:
    """Every symbol the account can need; positions only ever go in a replay."""
    return symbols_needed(state.spec.market, state.positions)
