"""What waits for one account: deals and commands first, then ticks and instants in their order.

But what changes the holdings comes after the ticks told before it: valued on those, the account
would be what it never was.

| lane | holds | when full | lost |
|---|---|---|---|
| urgent | deals, commands | who puts waits: back-pressure to the link | never |
| ticks, live | ticks, instants (resets, clock) | ticks conflate to the newest | ticks |
| ticks, replay | the same | the router waits before it tells | never |

One task takes, all tasks are of one Trio thread; only `put` and the two waits are awaited.
"""

from collections import deque
from dataclasses import dataclass, field

import trio

from engine.domain.commands import Command, Refused
from engine.domain.events import DealReported, MarketEvent, QuoteMarked
from engine.domain.link_events import DealCame, LinkEvent, PositionCame, ReportCame
from engine.domain.step import Step
from engine.domain.watch import Marks
from engine.link import Receipt

URGENT_LIMIT = 256
TICK_LIMIT = 1024
LATE_TICKS = 32
"""Some tens of milliseconds of a busy market."""


@dataclass(slots=True)
class Told:
    """A tick or an instant, as the router tells it."""

    event: MarketEvent
    number: int = 0
    """Of this telling, over all accounts: what is decided can be put in one order again."""
    index: int = 0
    """In the merged stream: of the tick, or of the next tick where this is an instant."""
    marks: Marks | None = None
    """The kernel's marks of the ticks before this one, on the positions it last was given."""
    begins: bool = False
    """The first since the account was held: the kernel's marks are the account's."""
    conflated: int = 0
    """Ticks that were waiting before this one and gave way to it."""
    heard_ns: int = 0
    """When the last ticks before it came, monotonic."""


class Reply:
    """The slot an answer is put in, once."""

    __slots__ = ("_answer", "_answered")

    def __init__(self) -> None:
        self._answered = trio.Event()
        self._answer: Step | Refused | None = None

    def give(self, answer: Step | Refused) -> None:
        """Answers; a second answer is not heard."""
        if self._answer is None:
            self._answer = answer
            self._answered.set()

    async def wait(self) -> Step | Refused:
        """The answer."""
        await self._answered.wait()
        assert self._answer is not None, "answered without an answer"
        return self._answer


@dataclass(slots=True)
class Asked:
    """A command and where its answer goes: a `Step` once it is durable, or why not."""

    command: Command
    reply: Reply = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class Reported:
    """A deal, as the link reports it."""

    deal: DealReported


@dataclass(frozen=True, slots=True)
class Noted:
    """What a live link or the clock says; its actor stamps it when it takes it."""

    event: LinkEvent
    receipt: Receipt | None = None
    """Signed once what it led to is durable."""

    @property
    def changes_holdings(self) -> bool:
        """Whether ticks told before it are to be taken before it."""
        return isinstance(self.event, PositionCame | DealCame | ReportCame)


Urgent = Reported | Asked | Noted
Item = Told | Urgent


@dataclass(frozen=True, slots=True)
class InboxStatistics:
    """How full an inbox is and has been."""

    urgent: int
    """Deals and commands waiting."""
    ticks: int
    """Ticks and instants waiting."""
    deepest: int
    """The most that ever waited at once, both lanes together."""
    conflated: int
    """Ticks that gave way to newer ones since the start."""
    taken: int
    turned_away: int
    """What a link said after it was closed; it is never signed for."""
    tasks_waiting_to_put: int


class Inbox:
    """Two bounded lanes. See the table at the top."""

    def __init__(
        self,
        *,
        conflates: bool,
        urgent_limit: int = URGENT_LIMIT,
        tick_limit: int = TICK_LIMIT,
    ) -> None:
        """`conflates`: live. Otherwise the router must wait for room before it tells a tick."""
        assert urgent_limit > 0, "no room for a deal"
        assert tick_limit > 0, "no room for a tick"
        self.tick_limit = tick_limit
        self._conflates = conflates
        self._urgent_limit = urgent_limit
        self._urgent: deque[Urgent] = deque()
        self._ticks: deque[Told] = deque()
        self._told = 0
        self._behind: deque[int] = deque()
        """How many had been told before each `Noted` that changes the holdings, oldest first."""
        self._arrived = trio.lowlevel.ParkingLot()
        self._room = trio.lowlevel.ParkingLot()
        self._tick_room = trio.lowlevel.ParkingLot()
        self._deepest = self._conflated = self._taken = self._turned_away = 0
        self._closed: str | None = None
        self._is_stirred = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._ticks)

    def statistics(self) -> InboxStatistics:
        """How full it is."""
        return InboxStatistics(
            urgent=len(self._urgent),
            ticks=len(self._ticks),
            deepest=self._deepest,
            conflated=self._conflated,
            taken=self._taken,
            turned_away=self._turned_away,
            tasks_waiting_to_put=len(self._room),
        )

    async def put(self, item: Urgent) -> None:
        """Puts a deal or a command; waits for as long as there is no room. Nothing is dropped.

        Once closed, commands are refused and deals turned away, counted.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        while len(self._urgent) >= self._urgent_limit:
            await self._room.park()
        if self._closed is not None:
            self._turn_away(item, self._closed)
            return
        self._append(item)

    @property
    def has_room(self) -> bool:
        """Whether one more deal or command finds room at once."""
        return self._closed is None and len(self._urgent) < self._urgent_limit

    def put_nowait(self, item: Urgent) -> None:
        """Puts what `has_room` said there is room for."""
        assert self.has_room, "put without room"
        self._append(item)

    @property
    def is_late(self) -> bool:
        """Whether so many ticks wait, where they may conflate, that no more should be told."""
        return self._conflates and len(self._ticks) >= LATE_TICKS

    def tell(self, told: Told) -> None:
        """Puts a tick or an instant behind those that wait; see the table for when it is full."""
        if self._closed is not None:
            return
        if len(self._ticks) >= self.tick_limit and self._conflates:
            self._conflate(told)
        else:
            assert self._conflates or len(self._ticks) < self.tick_limit, "told without room"
            self._ticks.append(told)
        self._told += 1
        self._grew()

    @property
    def may_wait(self) -> bool:
        """Whether all that waits is what the link or the clock says: no tick, no command."""
        return not self._ticks and all(isinstance(item, Noted) for item in self._urgent)

    def count_conflated(self, ticks: int) -> None:
        """Counts ticks that were not even told, because too many waited."""
        self._conflated += ticks

    @property
    def is_noted_next(self) -> bool:
        """Whether the next item is something the link or the clock says."""
        if not self._urgent or not isinstance(self._urgent[0], Noted):
            return False
        return not self._has_ticks_before(self._urgent[0])

    def take_nowait(self) -> Item | None:
        """The next item; None when there is none. Never waits."""
        if self._urgent and not self._has_ticks_before(self._urgent[0]):
            self._taken += 1
            if self._room:
                self._room.unpark()
            item = self._urgent.popleft()
            if isinstance(item, Noted) and item.changes_holdings:
                self._behind.popleft()
            return item
        if self._ticks:
            self._taken += 1
            if self._tick_room:
                self._tick_room.unpark_all()
            return self._ticks.popleft()
        return None

    def take_told_nowait(self) -> Told | None:
        """The next item where it is a tick or an instant; None otherwise."""
        if not self._ticks or (self._urgent and not self._has_ticks_before(self._urgent[0])):
            return None
        item = self.take_nowait()
        assert isinstance(item, Told), "next, and not there"
        # Whoever waits for something to take has to look: it may be left half done.
        self._is_stirred = True
        return item

    async def wait(self) -> None:
        """Returns when there is something to take, or was. Always a checkpoint."""
        if self:
            await trio.lowlevel.checkpoint()
        while not self and not self._is_stirred:
            await self._arrived.park()
        self._is_stirred = False

    async def wait_for_room(self, ticks: int) -> None:
        """Returns when so many ticks can be told without loss; at once where ticks conflate."""
        assert ticks <= self.tick_limit, f"room for {ticks} ticks of {self.tick_limit} never comes"
        while not self._conflates and len(self._ticks) + ticks > self.tick_limit:
            await self._tick_room.park()

    def close(self, reason: str) -> None:
        """Takes nothing more and lets go of what waits; who waits for room goes on."""
        self._closed = reason
        for item in self._urgent:
            self._turn_away(item, reason)
        self._urgent.clear()
        self._behind.clear()
        self._ticks.clear()
        self._room.unpark_all()
        self._tick_room.unpark_all()

    def _append(self, item: Urgent) -> None:
        self._urgent.append(item)
        if isinstance(item, Noted) and item.changes_holdings:
            self._behind.append(self._told)
        self._grew()

    def _has_ticks_before(self, item: Urgent) -> bool:
        """Whether ticks wait that were told before it, and have to be taken before it."""
        if not self._ticks or not isinstance(item, Noted) or not item.changes_holdings:
            return False
        return self._told - len(self._ticks) < self._behind[0]

    def _turn_away(self, item: Urgent, reason: str) -> None:
        if isinstance(item, Asked):
            item.reply.give(Refused(reason))
        else:
            self._turned_away += 1

    def _grew(self) -> None:
        depth = len(self._urgent) + len(self._ticks)
        if depth > self._deepest:
            self._deepest = depth
        if self._arrived:
            self._arrived.unpark_all()

    def _conflate(self, told: Told) -> None:
        """Only the newest tick is of use; instants stay, in their order.

        What gave way is counted on the item that comes next, whose marks have seen it.
        """
        waiting = [*self._ticks, told]
        newest = next((t for t in reversed(waiting) if isinstance(t.event, QuoteMarked)), None)
        self._ticks.clear()
        gone, began = 0, False
        for item in waiting:
            if isinstance(item.event, QuoteMarked) and item is not newest:
                gone += 1 + item.conflated
                began = began or item.begins
                self._conflated += 1
            else:
                item.conflated += gone
                item.begins = item.begins or began
                gone, began = 0, False
                self._ticks.append(item)
        assert len(self._ticks) <= self.tick_limit, "more instants than ticks: the actor is stuck"
