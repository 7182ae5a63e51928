"""One account's task: the only writer of its state.

It takes from its inbox, steps, makes what was decided durable, and only then hands it out. What is
still to be done of one item is an agenda, in the order of the replay loop: so a crash loses nothing
and repeats nothing, and a deal the broker made at once comes before the next tick is taken.

A live account has `Hands`: its inputs are kept beside its records, and its effects go to a
terminal. A command goes out the moment it is due, for its close is durable by then; all else waits
for the journal.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec.structs import replace

from engine.agenda import (
    WATCHING,
    Answer,
    HandOut,
    Hands,
    Job,
    Settled,
    Sign,
    Store,
    Valued,
    Watching,
)
from engine.decision_timing import DecisionTiming
from engine.domain.account import AccountState
from engine.domain.commands import Halt, Refused, Respec
from engine.domain.digest import state_digest
from engine.domain.effects import (
    Effect,
    KeepClose,
    Publish,
    SendClose,
    SendCommand,
)
from engine.domain.events import (
    DealReported,
    MarketFound,
    Opened,
    QuoteMarked,
    ReplayEnded,
    TimeReached,
)
from engine.domain.ids import AccountKey
from engine.domain.inputs import Event, Input
from engine.domain.journaled import encode_entry, leaves_watch, must_be_kept, published
from engine.domain.link_events import ClosesDurable, HeartbeatCame, LinkEvent, TimePassed
from engine.domain.quotes import Quote
from engine.domain.records import Record
from engine.domain.reporting import symbols_in
from engine.domain.step import Step
from engine.domain.valuation import symbols_needed
from engine.domain.watch import Marks
from engine.inbox import Asked, Inbox, Item, Noted, Reported, Told
from engine.keeper import Keeper
from engine.kept import Entry, KeptStep
from engine.outbox import Seen
from engine.ports import Journal, Outbox
from engine.seats import Seat
from engine.sentry import Sentry
from engine.stuck import calm_beat, obey, step

CRASHED = "crashed"
"""The cause of the halt of an account whose actor was given up."""

_GATHERED = 32
"""Steps that share an append at most."""
_BURST = 16
"""Items taken between two checkpoints: a fraction of a millisecond."""


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
        hands: Hands | None = None,
        entries: int = 0,
    ) -> None:
        """Args:
        on_settled: is called at each change, before anything of it is durable.
        hands: of a live account.
        """
        self.state = state
        """Replaced by each step in one assignment; never half of one."""
        self.version = 0
        """Steps so far."""
        self.seat = seat
        self.inbox = inbox
        self.crashed: str | None = None
        """Why it was given up."""
        self.sentry = Sentry(seat, state.marks)
        self.entries = entries
        """Inputs kept so far."""
        self.kept_trackers = state.marks.trackers
        """The highs of the marks as they were last kept."""
        self.time_due: tuple[object, int] = ((), 0)
        """Closes, and from when on they want to be told that time passes."""
        self.awaits_time = False
        """It was told that time passes, and has not come to that yet."""
        self._hands = hands
        self._outbox = outbox
        self.on_settled = on_settled
        self._agenda: deque[Job] = deque()
        self._number = self._index = 0
        if hands is not None:
            self._timing = DecisionTiming(hands.clock, hands.meter)
        timing = None if hands is None else self._timing
        self._keeper = Keeper(state.spec.key, journal, hands, timing)
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
        burst = _BURST
        while True:
            await self._finish()
            if not self.inbox:
                if self.seat.is_deaf:
                    missed = self.seat.listen()
                    self.inbox.count_conflated(missed.conflated)
                    self._agenda.append(missed)
                    continue
                self.sentry.stand_down()
                burst = _BURST
            await self.inbox.wait()
            await self._finish()  # what was left half done of what it heard at once
            for _ in range(burst):
                if self._hands is not None and self._hands.rush and self.inbox.may_wait:
                    await self._hands.rush.wait()
                item = self.inbox.take_nowait()
                if item is None:
                    break
                self._agenda.append(item)
                await self._finish()
            else:
                burst = max(1, burst // 2)  # until it rests: others have more of the time

    def beats_at_once(self, event: LinkEvent) -> bool:
        """Takes a heartbeat that changes nothing in the caller's task; False: it is to be put.

        Most are such, a thousand a second; a turn of the account's own task would cost as much.
        """
        if not isinstance(event, HeartbeatCame) or self._agenda or self.inbox or self.crashed:
            return False
        return self._hands is not None and self._beats_quietly(event, self._now_msc())

    async def give_up(self, reason: str) -> None:
        """Halts the account for good, with a record; its state stays readable.

        Commands that wait are refused. What the link goes on reporting is not kept: when the
        account is taken up again, a full report says how it is.
        """
        self.crashed = reason
        self.refuse_all(f"the account is given up: {reason}")
        self._agenda.clear()
        if self._hands is not None:
            self._hands.rush.end(self)
        self.seat.leave()
        command = Halt(self.state.time_msc, CRASHED, reason)
        halted = obey(self._met(), command)
        if isinstance(halted, Step):
            self._agenda.extend(self._swap(halted, command))
            await self._finish()

    def refuse_all(self, reason: str) -> None:
        """Closes the inbox and refuses every command that has no answer yet."""
        self.inbox.close(reason)
        for job in self._agenda:
            if isinstance(job, Asked | Answer):
                job.reply.give(Refused(reason))

    async def _finish(self) -> None:
        """Does what is on the agenda. A job that raises stays there, undone."""
        while self._go_on():
            job = self._agenda[0]
            deals: Sequence[DealReported] = ()
            if isinstance(job, Store):
                await self._keeper.keep(self._gathered(job))
            elif isinstance(job, SendClose):
                deals = await self._outbox.send(self.state, job, self._seen)
            self._agenda.popleft()
            self._agenda.extendleft(reversed(deals))

    def _go_on(self) -> bool:
        """Does what is on the agenda up to what has to be waited for; whether that is left."""
        while self._agenda:
            job = self._agenda[0]
            if isinstance(job, Store | SendClose):
                return True
            todo = self._do(job)
            self._agenda.popleft()
            self._agenda.extendleft(reversed(todo))
        return False

    def hear_at_once(self) -> None:
        """Takes what it was just told in the caller's task, as far as nothing is waited for.

        A close that is durable meanwhile is sent: its own task would have its turn after others.
        """
        if self._hands is None or self._agenda or self.crashed:
            return
        with suppress(Exception):  # the job stays, undone, and raises again in its own task
            for _ in range(_BURST):
                item = self.inbox.take_told_nowait()
                if item is None:
                    return
                self._agenda.append(item)
                while self._go_on():
                    store = self._agenda[0]
                    left = self._keeper.keep_at_once(store) if isinstance(store, Store) else store
                    if left is not None:
                        self._agenda[0] = left
                        return
                    self._agenda.popleft()

    def _gathered(self, store: Store) -> Store:
        """The same with what the link said next, stepped too: to wait for each would take longer.

        What follows from any of it comes after all of it is durable, in the order it would have.
        """
        for _ in range(_GATHERED - len(store.steps)):
            hands, is_open = self._hands, store.begun is None and not store.closes
            if hands is None or hands.rush or not is_open or not self.inbox.is_noted_next:
                break
            item = self.inbox.take_nowait()
            assert item is not None, "next, and not there"
            self._agenda.append(item)
            try:
                todo = self._done_ahead(item)
            except Exception:  # noqa: BLE001  it stays, undone, and raises again in its turn
                return store
            self._agenda.pop()
            first = todo[0] if todo else None
            if isinstance(first, Store):
                store = self._agenda[0] = Store((*store.steps, *first.steps))
                del todo[0]
            self._agenda.extend(todo)
        return store

    def _done_ahead(self, item: Item) -> list[Job]:
        """What is left of an item once it is stepped."""
        todo = self._do(item)
        if todo and isinstance(todo[0], Event):
            todo[:1] = self._do(todo[0])
        return todo

    def _do(self, job: Job) -> list[Job]:
        """One job that never waits, and what it leaves to do before all else."""
        match job:
            case Told():
                return self._hear(job)
            case Asked():
                return self._obey(job)
            case Reported():
                self._look(job.deal.time_msc)
                return [job.deal, WATCHING]
            case Noted():
                return self._note(job)
            case Sign():
                job.receipt.sign()
            case HandOut():
                return self._hand_out(job.effects)
            case Answer():
                job.reply.give(job.step)
            case Watching():
                self.sentry.read(self.state, self._seen.quotes)
            case (
                Opened()
                | QuoteMarked()
                | TimeReached()
                | MarketFound()
                | ReplayEnded()
                | DealReported()
            ):
                return self._swap(step(self._met(), job), job)
            case _:
                assert isinstance(job, LinkEvent), f"{job} does not come here"
                return self._swap(step(self._met(), job), job)
        return []

    def _hear(self, told: Told) -> list[Job]:
        """A tick or an instant: the broker's stops first, then the account itself."""
        event, quotes = told.event, _quotes(told.event)
        assert not isinstance(event, DealReported), "a deal is told among ticks"
        if self._hands is not None and isinstance(event, Valued):
            # Told before a position came whose symbol it lacks. And an account without a place is
            # not told of every tick: it looks at the quotes of now.
            needs, is_placed = self.seat.needs, self.seat.slot is not None
            lacking = [s for s in needs if s not in quotes] if is_placed else needs
            if lacking:
                quotes = {**quotes, **self.seat.quotes(lacking)}
                told.event = event = replace(event, quotes=quotes)
        if self.sentry.passes(told, quotes):
            return []
        self._number, self._index = told.number, told.index
        if self._hands is not None:
            self._timing.heard(told.heard_ns)
        tick = event.tick if isinstance(event, QuoteMarked | MarketFound) else None
        self._seen = Seen(event.time_msc, tick, quotes)
        if isinstance(event, Opened):
            return [event]
        if isinstance(event, QuoteMarked):
            deals = self._outbox.reached(self.state, self._seen)
            return [*deals, _with_marks(event, self.sentry.marks), WATCHING]
        return [_with_marks(event, self.sentry.marks), WATCHING]

    def _obey(self, asked: Asked) -> list[Job]:
        """A command is answered once what it led to is durable, before it is handed out."""
        command = asked.command
        if self._hands is not None:
            command = replace(command, time_msc=self._now_msc())
        self._look(command.time_msc)
        done = obey(self._met(), command)
        if isinstance(done, Refused):
            asked.reply.give(done)
            return [WATCHING]
        todo = self._swap(done, command)
        is_stored = bool(todo) and isinstance(todo[0], Store)
        todo.insert(1 if is_stored else 0, Answer(asked.reply, done))
        return [*todo, WATCHING]

    def _note(self, noted: Noted) -> list[Job]:
        """What the link says, stamped with the time, quotes and chance of this moment."""
        assert self._hands is not None, "a replay has no link"
        event, now_msc = noted.event, self._now_msc()
        if isinstance(event, HeartbeatCame) and self._beats_quietly(event, now_msc):
            return []
        if isinstance(event, TimePassed):
            self.awaits_time = False
        self._look(now_msc)
        told: dict[str, object] = {"time_msc": now_msc}
        if "quotes" in event.__struct_fields__:
            needs = (*self.seat.needs, *symbols_in(self.state, event))
            quotes = self.seat.quotes(needs)
            self._seen = Seen(now_msc, None, quotes)
            told["quotes"] = quotes
        if "jitter" in event.__struct_fields__:
            told["jitter"] = self._hands.random.random()
        signed = [] if noted.receipt is None else [Sign(noted.receipt)]
        return [replace(event, **told), *signed, WATCHING]

    def _beats_quietly(self, event: HeartbeatCame, now_msc: int) -> bool:
        """Whether a heartbeat changed nothing lasting: then the kernel goes on watching as before.

        Taking an account over and giving it back is more than half of what a heartbeat costs.
        """
        seat = self.seat
        marks = None if seat.is_held else seat.marks()
        if marks is None:
            return False
        quotes = seat.quotes()
        met = replace(self.state, marks=marks)
        calm = calm_beat(met, event.heartbeat, now_msc, quotes)
        done = calm or step(met, replace(event, time_msc=now_msc, quotes=quotes))
        if calm is None and not leaves_watch(met, event, done):
            return False
        self.state = done.state
        self.version += 1
        self._number = self._index = 0
        self._seen = Seen(now_msc, None, quotes)
        return True

    def _hand_out(self, effects: tuple[Effect, ...]) -> list[Job]:
        """What waited for the journal; closes that are durable now go before all else."""
        assert self._hands is not None, "a replay has no terminal"
        todo: list[Job] = []
        durable = tuple([one.intent_id for one in effects if isinstance(one, KeepClose)])
        if durable:
            event = ClosesDurable(time_msc=self._now_msc(), intent_ids=durable)
            todo = self._swap(step(self._met(), event), event)
        self._hands.tell(self.key, effects)
        return todo

    def _met(self) -> AccountState:
        """The state an input meets: a live one's with the marks of now."""
        if self._hands is None:
            return self.state
        return replace(self.state, marks=self.sentry.marks)

    def _now_msc(self) -> int:
        assert self._hands is not None, "a replay has no clock"
        return max(self._hands.clock.wall_msc(), self.state.time_msc)

    def _look(self, time_msc: int) -> None:
        """Takes the account over from the kernel as of now, between two ticks."""
        self.sentry.take_over()
        self._number = self._index = 0
        self._seen = Seen(time_msc, None, self.seat.quotes())

    def _swap(self, done: Step, taken: Input | None = None) -> list[Job]:
        """Puts the new state in place; what is to be done of its effects, durability first."""
        hands = self._hands
        if hands is not None:
            # First: their closes are durable, and said again they are done once.
            self._command(hands, done.effects)
            if isinstance(taken, ClosesDurable):
                hands.rush.end(self)
            elif any(isinstance(effect, KeepClose) for effect in done.effects):
                hands.rush.begin(self)
        before, state = self._met(), done.state
        records = published(done.effects)
        todo: list[Job] = []
        if hands is not None:
            assert taken is not None, "a live step without its input cannot be kept"
            if must_be_kept(before, taken, done):
                entry = Entry(self.entries + 1, encode_entry(before, taken), state_digest(state))
                todo.append(Store((KeptStep(records, entry),)))
            rest = tuple([e for e in done.effects if not isinstance(e, Publish | SendCommand)])
            todo.extend([HandOut(rest)] if rest else ())
        else:
            todo.extend([Store((KeptStep(records),))] if records else ())
            todo.extend([effect for effect in done.effects if isinstance(effect, SendClose)])
        self._take(before, state, records, taken)
        if hands is not None:
            if todo and isinstance(todo[0], Store):
                self.entries += 1
                self.kept_trackers = state.marks.trackers
            if records:
                by_tick = isinstance(taken, QuoteMarked)
                self._timing.decided(by_tick=by_tick, inbox_depth=len(self.inbox))
        return todo

    def _command(self, hands: Hands, effects: tuple[Effect, ...]) -> None:
        commands = [effect.command for effect in effects if isinstance(effect, SendCommand)]
        if commands:
            hands.terminals.commands(self.key, commands)
            self._timing.sent(len(commands))

    def _take(
        self,
        before: AccountState,
        state: AccountState,
        records: tuple[Record, ...],
        taken: Input | None,
    ) -> None:
        """The one place where the state of a running account changes."""
        self.state = state
        self.version += 1
        if self._hands and state.known and self.seat.slot is None and not self.crashed:
            # By what its link said: from here on it is told of every tick, also while it waits.
            self.seat.admit()
        is_marked = self._hands is not None or isinstance(taken, _MARKED)
        self.sentry.stepped(before, state, is_marked=is_marked)
        if state.positions is not before.positions:
            self.seat.widen(symbols_needed(state.spec.market, state.positions))
        if isinstance(taken, TimeReached | Respec):
            self.sentry.moved()
        if self.on_settled is not None:
            change = Settled(self.seat.place, self._number, self._index, before, state, records)
            self.on_settled(change)
        if isinstance(taken, QuoteMarked):
            self._index += 1  # this tick's mark is taken


def _quotes(event: Event) -> dict[str, Quote]:
    """The quotes an event carries, its own dictionary where it is one."""
    if isinstance(event, Valued):
        return event.quotes if isinstance(event.quotes, dict) else dict(event.quotes)
    return {}


_MARKED = QuoteMarked | TimeReached | MarketFound | Opened
"""After these the marks of the state are those of now."""


def _with_marks(event: Valued, marks: Marks) -> Valued:
    return replace(event, marks=marks)
