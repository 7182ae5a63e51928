"""One account's task: the only writer of its state.

It takes from its inbox, steps, makes what was decided durable, and only then hands it out. What is
still to be done of one item is an agenda, in the order of the replay loop: so a crash loses nothing
and repeats nothing, and a deal the broker made at once comes before the next tick is taken.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.commands import Halt, Refused
from engine.domain.effects import Effect, Publish, SendClose
from engine.domain.events import (
    DealReported,
    MarketFound,
    Opened,
    QuoteMarked,
    ReplayEnded,
    TimeReached,
)
from engine.domain.ids import AccountKey
from engine.domain.inputs import Event
from engine.domain.quotes import Quote
from engine.domain.records import Record
from engine.domain.step import Step, obey, step
from engine.domain.watch import Marks
from engine.errors import JournalError
from engine.inbox import Asked, Inbox, Item, Reply, Reported, Told
from engine.outbox import Seen
from engine.ports import Journal, Outbox
from engine.seats import Seat
from engine.sentry import Sentry

CRASHED = "crashed"
"""The cause of the halt of an account whose actor was given up."""

_BURST = 16
"""Items taken between two checkpoints: a fraction of a millisecond."""


@dataclass(frozen=True, slots=True)
class Settled:
    """One change of an account's state."""

    place: int
    number: int
    """Of the telling that led to it; 0 for deals and commands from outside."""
    index: int
    """First tick valued on this state: a close stands from the next tick on."""
    before: AccountState
    state: AccountState
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class _Store:
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    reply: Reply
    step: Step


class _Watching:
    """Reading the new state for what to watch for: the last thing to do of an item."""


_WATCHING = _Watching()
_Valued = QuoteMarked | TimeReached | MarketFound | ReplayEnded
_Job = Item | Event | SendClose | _Store | _Answer | _Watching


class Actor:
    """An account, alive. `run` it under a supervisor; read `state` at any time."""

    def __init__(
        self,
        state: AccountState,
        seat: Seat,
        inbox: Inbox,
        journal: Journal,
        outbox: Outbox,
        on_settled: Callable[[Settled], None] | None = None,
    ) -> None:
        """`on_settled` is called at each change, before anything of it is durable."""
        self.state = state
        """Replaced by each step in one assignment; never half of one."""
        self.version = 0
        """Steps so far."""
        self.seat = seat
        self.inbox = inbox
        self.crashed: str | None = None
        """Why it was given up."""
        self.sentry = Sentry(seat, state.marks)
        self._journal = journal
        self._outbox = outbox
        self._on_settled = on_settled
        self._agenda: deque[_Job] = deque()
        self._number = self._index = 0
        self._seen = Seen(0, None, {})

    @property
    def key(self) -> AccountKey:
        """The account's name."""
        return self.state.spec.key

    @property
    def marks(self) -> Marks:
        """The account's marks as far as they are known: the kernel's while it watches."""
        kernel = None if self.seat.is_held else self.seat.marks()
        return self.sentry.marks if kernel is None else kernel

    @property
    def seen(self) -> Seen:
        """What the account last looked at."""
        return self._seen

    @property
    def at(self) -> object:
        """What it is at, to tell one trouble from another; None between two items."""
        return self._agenda[0] if self._agenda else None

    async def run(self) -> None:
        """Works for ever; goes on where it was when it last raised."""
        while True:
            await self._finish()
            if not self.inbox:
                self.sentry.stand_down()
            await self.inbox.wait()
            for _ in range(_BURST):
                item = self.inbox.take_nowait()
                if item is None:
                    break
                self._agenda.append(item)
                await self._finish()

    async def give_up(self, reason: str) -> None:
        """Halts the account for good, with a record; its state stays readable.

        Commands that wait are refused. What the link goes on reporting is not kept: when the
        account is taken up again, a full report says how it is.
        """
        self.crashed = reason
        self.refuse_all(f"the account is given up: {reason}")
        self._agenda.clear()
        self.seat.leave()
        halted = obey(self.state, Halt(self.state.time_msc, CRASHED, reason))
        if isinstance(halted, Step):
            self._swap(halted)
            await self._store(_records(halted.effects))

    def refuse_all(self, reason: str) -> None:
        """Closes the inbox and refuses every command that has no answer yet."""
        self.inbox.close(reason)
        for job in self._agenda:
            if isinstance(job, Asked | _Answer):
                job.reply.give(Refused(reason))

    async def _finish(self) -> None:
        """Does what is on the agenda. A job that raises stays there, undone."""
        while self._agenda:
            job = self._agenda[0]
            if isinstance(job, _Store):
                await self._store(job.records)
                self._agenda.popleft()
            elif isinstance(job, SendClose):
                deals = await self._outbox.send(self.state, job, self._seen)
                self._agenda.popleft()
                self._agenda.extendleft(reversed(deals))
            else:
                todo = self._do(job)
                self._agenda.popleft()
                self._agenda.extendleft(reversed(todo))

    def _do(self, job: _Job) -> list[_Job]:
        """One job that never waits, and what it leaves to do before all else."""
        match job:
            case Told():
                return self._hear(job)
            case Asked():
                return self._obey(job)
            case Reported():
                self._look(job.deal.time_msc)
                return [job.deal, _WATCHING]
            case _Answer():
                job.reply.give(job.step)
            case _Watching():
                self.sentry.read(self.state, self._seen.quotes)
            case (
                Opened()
                | QuoteMarked()
                | TimeReached()
                | MarketFound()
                | ReplayEnded()
                | DealReported()
            ):
                return self._swap(step(self.state, job), job)
            case _:
                raise AssertionError(f"{job} does not come here")
        return []

    def _hear(self, told: Told) -> list[_Job]:
        """A tick or an instant: the broker's stops first, then the account itself."""
        event, quotes = told.event, _quotes(told.event)
        assert not isinstance(event, DealReported), "a deal is told among ticks"
        if self.sentry.passes(told, quotes):
            return []
        self._number, self._index = told.number, told.index
        tick = event.tick if isinstance(event, QuoteMarked | MarketFound) else None
        self._seen = Seen(event.time_msc, tick, quotes)
        if isinstance(event, Opened):
            return [event]
        if isinstance(event, QuoteMarked):
            deals = self._outbox.reached(self.state, self._seen)
            return [*deals, _with_marks(event, self.sentry.marks), _WATCHING]
        return [_with_marks(event, self.sentry.marks), _WATCHING]

    def _obey(self, asked: Asked) -> list[_Job]:
        """A command is answered once what it led to is durable, before it is handed out."""
        self._look(asked.command.time_msc)
        done = obey(self.state, asked.command)
        if isinstance(done, Refused):
            asked.reply.give(done)
            return [_WATCHING]
        todo = self._swap(done)
        todo.insert(1 if _records(done.effects) else 0, _Answer(asked.reply, done))
        return [*todo, _WATCHING]

    def _look(self, time_msc: int) -> None:
        """Takes the account over from the kernel as of now, between two ticks."""
        self.sentry.take_over()
        self._number = self._index = 0
        self._seen = Seen(time_msc, None, self.seat.quotes())

    def _swap(self, done: Step, event: Event | None = None) -> list[_Job]:
        """Puts the new state in place; what is to be done of its effects, durability first."""
        before, state = self.state, done.state
        records = _records(done.effects)
        self.state = state
        self.version += 1
        is_marked = isinstance(event, QuoteMarked | TimeReached | MarketFound | Opened)
        self.sentry.stepped(before, state, is_marked=is_marked)
        if isinstance(event, TimeReached):
            self.sentry.moved()
        if self._on_settled is not None:
            change = Settled(self.seat.place, self._number, self._index, before, state, records)
            self._on_settled(change)
        if isinstance(event, QuoteMarked):
            self._index += 1  # this tick's mark is taken
        closes = [effect for effect in done.effects if isinstance(effect, SendClose)]
        return [*([_Store(records)] if records else []), *closes]

    async def _store(self, records: tuple[Record, ...]) -> None:
        try:
            await self._journal.append(self.key, records)
        except JournalError:
            raise
        except Exception as error:
            raise JournalError(f"{self.key}: records may not be durable") from error


def _quotes(event: Event) -> dict[str, Quote]:
    """The quotes an event carries, its own dictionary where it is one."""
    if isinstance(event, _Valued):
        return event.quotes if isinstance(event.quotes, dict) else dict(event.quotes)
    return {}


def _with_marks(event: _Valued, marks: Marks) -> _Valued:
    return replace(event, marks=marks)


def _records(effects: tuple[Effect, ...]) -> tuple[Record, ...]:
    return tuple([effect.record for effect in effects if isinstance(effect, Publish)])
