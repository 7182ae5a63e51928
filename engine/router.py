"""From a feed to the actors: who must be told what, on which tick, in the order of the replay loop.

A walk is synchronous: actors run, and put new watches, only between two of them. Before a walk the
router waits, where ticks may not conflate, until every busy actor has room for all of its ticks.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import numpy as np
import trio

from engine.actor import Actor
from engine.clock import Clock
from engine.domain import operating
from engine.domain.events import (
    MarketEvent,
    MarketFound,
    Opened,
    QuoteMarked,
    ReplayEnded,
    TimeReached,
)
from engine.domain.guards import AccountGuard
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.valuation import missing_quote
from engine.domain.watch import NEVER_MSC
from engine.inbox import Told
from engine.market_pieces import Found
from engine.marking.ticks import TickBatch
from engine.marking.wakes import MarkingFeed
from engine.reset_schedule import ResetSchedule, stretch_end
from engine.seats import Seats

AT_ONCE = 4
"""So many woken accounts at most take a tick in the feed's own task: some milliseconds."""


class Walks(Protocol):
    """Hears of the walks of a feed; see `equity_history`."""

    def before_walk(self) -> None: ...

    def after_walk(self, part: TickBatch) -> None: ...


class Router:
    """Drives the actors of one feed. One task calls it."""

    def __init__(
        self, feed: MarkingFeed, seats: Seats, actors: Sequence[Actor], clock: Clock
    ) -> None:
        """`actors` by place; their seats are of `seats`."""
        self.ticks = 0
        """Walked so far."""
        self.ahead = 0
        """The version is so much higher: who came from another feed knows a higher one."""
        self.is_open = False
        self.is_closed = False
        self.history: Walks | None = None
        """Hears of every walk, where equity over time is wanted."""
        self._feed = feed
        self._seats = seats
        self._actors = actors
        self._clock = clock
        limits = [actor.inbox.tick_limit for actor in actors]
        self._longest = max(1, min([1024, *limits]) // 2)
        self._resets = ResetSchedule([], 0)
        self._resets_until_msc = 0
        self._scheduled: list[tuple[AccountGuard, ...]] = []
        self._unseen: set[int] = set()
        self._unknown_due_msc = NEVER_MSC
        self._heard_ns: dict[str, int] = {}
        self._last_heard_ns = 0
        self._number = 0
        self._index = 0
        self._time_msc = 0

    @property
    def version(self) -> int:
        """Another one after each tick, and never an earlier one."""
        return self.ticks + self.ahead

    def heard_ns(self, symbol: str) -> int | None:
        """When a tick of the symbol last came, on the monotonic clock; None before the first."""
        return self._heard_ns.get(symbol)

    def open(self, time_msc: int, symbols: int) -> None:
        """Opens every account; resets count from here. `symbols`: how many the feed has."""
        assert not self.is_open, "opened twice"
        self.is_open = True
        self._time_msc = time_msc
        self._unseen = set(range(symbols))
        for actor in self._actors:
            if self._is_here(actor):
                self._tell(actor, Told(Opened(time_msc)))
        self._resets_until_msc = time_msc
        self._schedule_resets()
        self._await_operations()

    def admit(self, actor: Actor, time_msc: int) -> None:
        """Drives one more actor, which is among those it was given; between two walks."""
        if self.is_open:
            self._tell(actor, Told(Opened(time_msc)))
            self._schedule_resets()
            self._await_operations()

    def has_told(self, time_msc: int) -> bool:
        """Whether every reset up to then was told, by the rules that accounts have now."""
        guards = [actor.state.spec.guards for actor in self._actors]
        return guards == self._scheduled and self._resets.next_msc > time_msc

    def take_over(self, actor: Actor, time_msc: int) -> None:
        """Goes on with an account that came from another feed; between two walks of both.

        It is told the quotes of now. Resets up to `time_msc` were told it, and others here theirs.
        """
        self._resets_until_msc = max(self._resets_until_msc, time_msc)
        self._schedule_resets()
        self._await_operations()
        self._tell(actor, actor.seat.arrive(time_msc))

    async def on_quotes(self, batch: TickBatch) -> None:
        """Marks the accounts on the next ticks and tells the actors that have to see them.

        Returns when all are told, not when all is done. Nothing is told after `close`.
        """
        await trio.lowlevel.checkpoint()
        if len(batch):
            await self.mark(batch)

    async def mark(self, batch: TickBatch) -> None:
        """The same without a checkpoint, for callers that had one: no other task runs before."""
        self._hear(batch)
        if not self.is_open:
            self.open(int(batch.time_msc[0]), len(batch.symbols))
        start, size = 0, len(batch)
        while start < size and not self.is_closed:
            await self._instants_until(int(batch.time_msc[start]), alarms=False)
            ahead = batch.part(start, min(start + self._longest, size))
            await self._room(len(ahead))
            stop = self._walk_stretch(ahead)
            self.ticks += stop
            start += stop

    async def on_found(self, found: Found) -> None:
        """Tells the accounts that may hold the symbol what a guard on the feed found."""
        await trio.lowlevel.checkpoint()
        await self._instants_until(found.time_msc, alarms=False)
        for actor in self._actors:
            if found.finding.symbol in actor.seat.needs and not self.is_closed:
                event_on = partial(MarketFound, found.time_msc, found.finding, found.tick)
                await self._tell_between(actor, event_on)

    async def on_time(self, time_msc: int) -> None:
        """Tells the clock, where ticks may fail to come: resets, notices, holding times.

        A replay does not call this: there, time moves only at ticks and reset instants.
        """
        if self.is_open:
            if [actor.state.spec.guards for actor in self._actors] != self._scheduled:
                self._schedule_resets()  # a live account gets its rules after the opening
            await self._instants_until(time_msc, alarms=True)
            if self._unknown_due_msc <= time_msc:
                for place in sorted(self._seats.unknown):
                    await self._tell_instant(place, time_msc, time_msc)
                self._await_operations()

    async def end_days(self, time_msc: int) -> None:
        """Tells the resets up to a time, before anything of after them is taken. Cheap if none."""
        if self.is_open and self._resets.next_msc <= time_msc:
            await self._instants_until(time_msc, alarms=False)

    async def wake_unknown(self, time_msc: int) -> None:
        """Tells the clock to accounts nobody can value, so that they are as soon as they can be.

        Of use to live ones alone: a replay's become known by ticks only. One that has not come to
        what it was told before (its disk is full, say) is told nothing: instants never conflate.
        """
        if self.is_open:
            for place in sorted(self._seats.unknown):
                if not self._actors[place].inbox:
                    await self._tell_instant(place, time_msc, time_msc)

    async def end(self) -> None:
        """Lets every actor finish, and tells them that no tick comes any more."""
        await self._seats.all_resting()
        for actor in self._actors:
            await self._tell_between(actor, partial(ReplayEnded, self._time_msc))
        await self._seats.all_resting()

    def close(self) -> None:
        """No tick is told any more."""
        self.is_closed = True

    def _schedule_resets(self) -> None:
        """Reads the reset instants off the accounts' guards, from where they were told until."""
        self._scheduled = [actor.state.spec.guards for actor in self._actors]
        states = [actor.state for actor in self._actors]
        self._resets = ResetSchedule(states, self._resets_until_msc)

    def _walk_stretch(self, ahead: TickBatch) -> int:
        """Walks as far as can be walked at once; how many ticks that was."""
        unknown = self._seats.unknown
        unseen = self._unseen if unknown else ()
        due_msc = self._unknown_due_msc if unknown else NEVER_MSC
        stop = stretch_end(ahead, 0, self._resets.next_msc, due_msc, unseen)
        if stop == 0:  # a tick that may make accounts known
            self._walk(ahead.part(0, 1))
            self._try_unknown(ahead)
            return 1
        self._walk(ahead.part(0, stop))
        return stop

    def _walk(self, part: TickBatch) -> None:
        if self.history is not None:
            self.history.before_walk()
        woken: list[Actor] = []
        for wake in self._feed.walk(part):
            actor = self._actors[self._seats.by_slot[wake.slot]]
            seat = actor.seat
            quotes = seat.quotes()
            if seat.is_held and actor.inbox.is_late:
                seat.deafen(wake, quotes, self._last_heard_ns)
                if seat.is_deaf:
                    continue
            marks = None if seat.watch is None else wake.marks
            begins = seat.hold_at(wake, quotes)
            self._index = wake.index
            tick = Tick(wake.index, wake.symbol, wake.bid, wake.ask)
            self._tell(actor, Told(QuoteMarked(wake.time_msc, tick, quotes), 0, 0, marks, begins))
            if not woken:
                actor.hear_at_once()  # before the others are told: nearly always it is the only one
            woken.append(actor)
        self._index = self._seats.walked = part.first_index + len(part)
        self._time_msc = int(part.time_msc[-1])
        if len(woken) <= AT_ONCE:
            for actor in woken[1:]:
                actor.hear_at_once()
        if self.history is not None:
            self.history.after_walk(part)

    def _try_unknown(self, ahead: TickBatch) -> None:
        """Tells the accounts not yet known of a tick of a symbol that had no quote before it."""
        self._unseen.discard(int(ahead.symbol[0]))
        time_msc = int(ahead.time_msc[0])
        symbol = ahead.symbols[ahead.symbol[0]]
        self._index = ahead.first_index
        tick = Tick(ahead.first_index, symbol, float(ahead.bid[0]), float(ahead.ask[0]))
        due = time_msc >= self._unknown_due_msc
        for place in sorted(self._seats.unknown):
            actor = self._actors[place]
            seat, state = actor.seat, actor.state
            if due or not seat.needs or symbol in seat.needs:
                quotes = seat.quotes()
                if missing_quote(state.spec.market, state.positions, quotes) is None:
                    seat.admit()
                seat.expect()
                self._tell(actor, Told(QuoteMarked(time_msc, tick, quotes)))
        self._index = ahead.first_index + 1
        self._await_operations()

    async def _instants_until(self, time_msc: int, *, alarms: bool) -> None:
        """Every reset (and alarm) up to `time_msc`, in order, on the quotes of now."""
        while True:
            reset_msc = self._resets.next_msc
            alarm_msc = self._seats.next_alarm_msc if alarms else NEVER_MSC
            if min(reset_msc, alarm_msc) > time_msc or self.is_closed:
                self._resets_until_msc = max(self._resets_until_msc, time_msc)
                return
            if reset_msc <= alarm_msc:
                instant, due = self._resets.take()
                for place in due:
                    await self._tell_instant(place, instant, time_msc)
                self._await_operations()
            else:
                place = self._seats.take_alarm()
                actor = self._actors[place]
                if self._is_here(actor) and actor.seat.rings(alarm_msc):
                    at_msc = max(alarm_msc, self._time_msc)
                    await self._tell_instant(place, at_msc, time_msc)

    async def _tell_instant(self, place: int, time_msc: int, now_msc: int) -> None:
        """`now_msc`: by the clock, or of the tick before which the instant lies."""
        actor = self._actors[place]
        told_msc = 0 if actor.state.live is None else now_msc
        await self._tell_between(actor, partial(TimeReached, time_msc, told_msc=told_msc))

    async def _tell_between(
        self, actor: Actor, event_on: Callable[[dict[str, Quote]], MarketEvent]
    ) -> None:
        """Tells what happens between two ticks; `event_on` makes it of the quotes of now."""
        if actor.crashed is not None or not self._is_here(actor):
            return
        await actor.inbox.wait_for_room(1)
        seat = actor.seat
        quotes, marks = seat.quotes(), seat.marks()
        begins = seat.hold()
        self._tell(actor, Told(event_on(quotes), 0, 0, marks, begins))

    def _tell(self, actor: Actor, told: Told) -> None:
        self._number += 1
        told.number = self._number
        told.heard_ns = self._last_heard_ns
        told.index = self._index
        actor.seat.expect()
        actor.inbox.tell(told)

    def _is_here(self, actor: Actor) -> bool:
        """Whether it is valued on this feed: some of a server's have a feed of their own."""
        return actor.seat.seats is self._seats

    async def _room(self, ticks: int) -> None:
        for place in list(self._seats.busy):
            await self._actors[place].inbox.wait_for_room(ticks)

    def _await_operations(self) -> None:
        self._unknown_due_msc = min(
            (operating.next_due_msc(self._actors[p].state) for p in self._seats.unknown),
            default=NEVER_MSC,
        )

    def _hear(self, batch: TickBatch) -> None:
        now_ns = self._last_heard_ns = self._clock.monotonic_ns()
        for row in np.unique(batch.symbol).tolist():
            self._heard_ns[batch.symbols[row]] = now_ns
