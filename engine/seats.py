"""Where accounts sit at a feed: unknown, watched by the kernel, or held while actors catch up.

| state | who marks it | who is told |
|---|---|---|
| unknown | nobody | its actor, of ticks that may make it known, of its operations and of instants |
| watched | the kernel | nobody, until the kernel wakes it |
| held | its actor, with the kernel's own formula | its actor, of every tick |
| deaf | the kernel, on what it last was given | nobody, until the actor has caught up |

An account is held from the moment its actor has something to do until the actor has done all of
it; so no tick is lost in between and none is marked twice. Nothing here awaits but `all_resting`:
actors run only between two walks, when "now" is the last tick for all.

A live account that cannot keep up goes deaf: telling ticks to many that are late already would make
all of them later still, for good. It hears the newest tick when it has done what it had to do.
"""

import heapq
from collections.abc import Iterable
from math import inf

import trio
from msgspec.structs import replace

from engine.domain.events import QuoteMarked, TimeReached
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.watch import NEVER_MSC, Marks, Watch
from engine.inbox import Told
from engine.marking.reference import mark_of, valued
from engine.marking.wakes import MarkingFeed, Wake

ALWAYS_MSC = -NEVER_MSC
"""Due at every tick."""

_BARE = Watch(
    base=0.0,
    exposures=(),
    lines=(),
    marks=Marks(trackers=(0.0,)),
    rounding_bound=0.0,
    wake_at_msc=ALWAYS_MSC,
)
"""Held before it was ever watched: its marks are its actor's alone."""


class Seats:
    """The accounts of one feed, by their place in the book."""

    def __init__(self, feed: MarkingFeed) -> None:
        self.feed = feed
        self.by_slot: dict[int, int] = {}
        """From the slots of the feed to places."""
        self.unknown: set[int] = set()
        self.busy: set[int] = set()
        """Those whose actors have something to do."""
        self.walked = 0
        """Ticks of the feed so far: the index of the next one."""
        self._alarms: list[tuple[int, int]] = []
        self._rested = trio.lowlevel.ParkingLot()

    def rested(self, place: int) -> None:
        """The actor has nothing left to do."""
        self.busy.discard(place)
        if not self.busy:
            self._rested.unpark_all()

    async def all_resting(self) -> None:
        """Returns when no actor has anything to do."""
        while self.busy:
            await self._rested.park()

    def alarm(self, time_msc: int, place: int) -> None:
        """Has the account told of this time, unless it was watched anew since."""
        heapq.heappush(self._alarms, (time_msc, place))

    @property
    def next_alarm_msc(self) -> int:
        """The earliest alarm; `NEVER_MSC` when there is none."""
        return self._alarms[0][0] if self._alarms else NEVER_MSC

    def take_alarm(self) -> int:
        """The place of the earliest alarm; then it is gone."""
        return heapq.heappop(self._alarms)[1]


class Seat:
    """One account's place at its feed."""

    def __init__(self, seats: Seats, place: int, needs: Iterable[str]) -> None:
        """`needs`: every symbol a valuation of the account needs, conversions included."""
        self.place = place
        self.needs = tuple(needs)
        self.slot: int | None = None
        """In the feed; None while the account is unknown, or once it has left."""
        self.watch: Watch | None = None
        """What the kernel was last given to watch for."""
        self.is_held = False
        self.is_deaf = False
        """Held, but not told: see `listen`."""
        self._is_retired = False
        self._ticks_then = self._deaf_since_ns = 0
        self._alarm_msc: int | None = None
        self.seats = self._seats = seats
        self._feed = seats.feed
        seats.unknown.add(place)

    @property
    def is_busy(self) -> bool:
        """Whether its actor has something to do."""
        return self.place in self._seats.busy

    def quotes(self, symbols: Iterable[str] | None = None) -> dict[str, Quote]:
        """The quotes of now, of these symbols or of those the account needs."""
        return self._feed.quotes(self.needs if symbols is None else symbols)

    def widen(self, symbols: Iterable[str]) -> None:
        """These quotes are needed too. Never fewer: ticks told may be on their way."""
        new = [symbol for symbol in symbols if symbol not in self.needs]
        if new:
            self.needs = (*self.needs, *new)

    def expect(self) -> None:
        """The actor is about to have something to do."""
        if not self._is_retired:
            self._seats.busy.add(self.place)

    def retire(self) -> None:
        """The actor is given up: whatever comes for it, nobody waits until it is done."""
        self._is_retired = True
        self._seats.rested(self.place)

    def admit(self) -> None:
        """Holds an unknown account that becomes known on the tick of now."""
        assert self.slot is None, "admitted twice"
        self._take_slot(_BARE)
        self.is_held = True
        self.expect()

    def hold(self) -> bool:
        """Has the account told of every tick after now; whether it begins to be held here.

        Between walks only. The kernel's marks are the account's when it begins.
        """
        self.expect()
        if self.slot is None or self.is_held:
            return False
        self._hold(self._feed.marks(self.slot))
        return True

    def hold_at(self, wake: Wake, quotes: dict[str, Quote]) -> bool:
        """The same in a walk, on the wake at hand; `quotes` are of its tick."""
        self.expect()
        if self.is_held:
            return False
        assert self.watch is not None, "woken without a watch"
        self._hold(valued(wake.marks, mark_of(self.watch, quotes), wake.time_msc))
        return True

    def deafen(self, wake: Wake, quotes: dict[str, Quote], heard_ns: int) -> None:
        """Has a held account told of nothing more, this tick included; the kernel marks it.

        One the kernel was never given anything of, or that needs no quotes, goes on being told.
        """
        if self.slot is None or self.watch is None or not quotes:
            return
        self._ticks_then, self._deaf_since_ns = wake.marks.ticks, heard_ns
        marks = valued(wake.marks, mark_of(self.watch, quotes), wake.time_msc)
        self._feed.put(self.slot, _silent(self.watch, marks))
        self.is_deaf = True

    def listen(self) -> Told:
        """Has a deaf account told of every tick again; the newest one, for all it did not hear."""
        assert self.slot is not None, "deaf without a slot"
        self.is_deaf = False
        quotes, marks = self.quotes(), self._feed.marks(self.slot)
        tick, time_msc = self._newest(quotes)
        self._hold(marks)
        return Told(
            QuoteMarked(time_msc, tick, quotes),
            index=tick.index,
            # The step will count the newest tick, and finds its mark in these already.
            marks=replace(marks, ticks=marks.ticks - 1),
            conflated=max(1, marks.ticks - self._ticks_then),
            heard_ns=self._deaf_since_ns,
        )

    def arrive(self, time_msc: int) -> Told:
        """Has an account that came from another feed told of every tick from here, and of now."""
        quotes = self.quotes()
        if not self.needs:
            return Told(TimeReached(time_msc, quotes, told_msc=time_msc))
        self.admit()
        tick, _ = self._newest(quotes)
        return Told(QuoteMarked(time_msc, tick, quotes))

    def _newest(self, quotes: dict[str, Quote]) -> tuple[Tick, int]:
        """The latest tick of these, and its time."""
        symbol = max(quotes, key=lambda name: quotes[name].time_msc)
        newest = quotes[symbol]
        return Tick(self._seats.walked - 1, symbol, newest.bid, newest.ask), newest.time_msc

    def marks(self) -> Marks | None:
        """The kernel's marks as of now, on what it was last given; None where it has none."""
        return None if self.slot is None or self.watch is None else self._feed.marks(self.slot)

    def put(self, watch: Watch) -> None:
        """Leaves the account to the kernel; the marks in `watch` include the tick of now."""
        if self.slot is None:
            self._take_slot(watch)
        else:
            self._feed.put(self.slot, watch)
        self.watch = watch
        self.is_held = self.is_deaf = False
        if watch.wake_at_msc < NEVER_MSC and watch.wake_at_msc != self._alarm_msc:
            self._alarm_msc = watch.wake_at_msc
            self._seats.alarm(self._alarm_msc, self.place)
        self._seats.rested(self.place)

    def rest(self) -> None:
        """The actor has nothing to do, and nothing to watch for has changed."""
        self._seats.rested(self.place)

    def forget(self) -> None:
        """The account is unknown (again): the kernel has nothing to mark it with."""
        self.leave()
        self._seats.unknown.add(self.place)
        self._seats.rested(self.place)

    def leave(self) -> None:
        """Nobody marks the account any more."""
        if self.slot is not None:
            self._feed.remove(self.slot)
            del self._seats.by_slot[self.slot]
            self.slot = None
        self.watch = None
        self.is_held = self.is_deaf = False
        self._seats.unknown.discard(self.place)

    def rings(self, time_msc: int) -> bool:
        """Whether an alarm that has gone off is for what the kernel watches for now."""
        self._alarm_msc = None
        if self.watch is None or self.is_held:
            return False  # its actor sets the next one
        return self.watch.wake_at_msc <= time_msc

    def _hold(self, marks: Marks) -> None:
        assert self.slot is not None, "held without a slot"
        assert self.watch is not None, "held without a watch"
        self._feed.put(self.slot, replace(self.watch, marks=marks, wake_at_msc=ALWAYS_MSC))
        self.is_held = True

    def _take_slot(self, watch: Watch) -> None:
        self.slot = self._feed.add(watch)
        self._seats.by_slot[self.slot] = self.place
        self._seats.unknown.discard(self.place)


def _silent(watch: Watch, marks: Marks) -> Watch:
    """The same positions, with nothing to be woken for."""
    exposures = tuple(
        [
            replace(
                one,
                wake_bid_at_or_below=-inf,
                wake_bid_at_or_above=inf,
                wake_ask_at_or_below=-inf,
                wake_ask_at_or_above=inf,
            )
            for one in watch.exposures
        ]
    )
    return replace(watch, exposures=exposures, lines=(), marks=marks, wake_at_msc=NEVER_MSC)
