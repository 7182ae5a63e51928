"""Actors under one roof: a crashed account is given up alone, and all of them stop in good order.

A job that raises three times over is poison: its account is halted with a record, its last snapshot
stays readable, its siblings go on. So is an account whose steps do not end, where they are
interrupted. A journal that fails is another matter: everything stops.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from engine.actor import Actor
from engine.agenda import Hands, Settled
from engine.clock import Clock
from engine.domain.account import AccountState
from engine.domain.commands import Command, Refused
from engine.domain.events import DealReported
from engine.domain.ids import AccountKey
from engine.domain.link_events import LinkEvent
from engine.domain.step import Step
from engine.domain.valuation import symbols_needed
from engine.errors import JournalError, StuckError
from engine.inbox import TICK_LIMIT, URGENT_LIMIT, Asked, Inbox, Noted, Reported
from engine.link import Receipt
from engine.marking.wakes import MarkingFeed
from engine.ports import Journal, Outbox
from engine.router import Router
from engine.seats import Seat, Seats
from engine.stuck import cuts_of

DISMISSED = "no longer in the book"
TRIES = 3
"""How often a job may raise before it is taken for poison."""
STUCK_REST_S = 0.25
"""Before such an account has another turn: what waited for this one is done before the next."""
SETTLE_S = 3.0
"""How long actors have to finish at a shutdown."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a shutdown went."""

    parked: tuple[AccountKey, ...]
    """Accounts that had not finished; what was not durable of them was not acknowledged."""


class Supervisor:
    """The accounts of one feed, alive: `await nursery.start(supervisor.run)`."""

    def __init__(
        self,
        accounts: Sequence[AccountState],
        feed: MarkingFeed,
        journal: Journal,
        outbox: Outbox,
        clock: Clock,
        *,
        conflates: bool,
        on_settled: Callable[[Settled], None] | None = None,
        on_crash: Callable[[AccountKey, str], None] | None = None,
        tick_limit: int = TICK_LIMIT,
        urgent_limit: int = URGENT_LIMIT,
        hands: Hands | None = None,
        entries: Sequence[int] = (),
    ) -> None:
        """Args:
        conflates: live, where the newest tick is worth more than every tick.
        hands: of live accounts.
        entries: kept of each account so far, by place; none unless given.
        """
        self.feed = feed
        self.seats = Seats(feed)

        def made(place: int, state: AccountState, kept: int) -> Actor:
            return Actor(
                state,
                Seat(self.seats, place, symbols_needed(state.spec.market, state.positions)),
                Inbox(conflates=conflates, tick_limit=tick_limit, urgent_limit=urgent_limit),
                journal,
                outbox,
                on_settled,
                hands,
                kept,
            )

        self._made = made
        self.actors = [
            made(place, state, entries[place] if entries else 0)
            for place, state in enumerate(accounts)
        ]
        """By place: the order of the accounts given, then of those admitted. Never fewer."""
        self.by_key = {actor.key: actor for actor in self.actors}
        assert len(self.by_key) == len(self.actors), "two accounts have one name"
        self.router = Router(feed, self.seats, self.actors, clock)
        self.is_stopping = False
        self._on_crash = on_crash
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._tasks: dict[AccountKey, trio.CancelScope] = {}

    @property
    def crashed(self) -> dict[AccountKey, str]:
        """The accounts given up, and why."""
        given_up = [(one.key, one.crashed) for one in self.actors]
        return {key: why for key, why in given_up if why is not None and why != DISMISSED}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keeps the actors at work until `stop`.

        Raises:
            ExceptionGroup: of `JournalError`; nothing may be acknowledged any more.
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    self._nursery = nursery
                    for actor in self.actors:
                        self._begin(actor)
                    task_status.started()
        finally:
            for actor in self.actors:
                actor.refuse_all("the engine stopped before this was durable")

    def admit(self, state: AccountState, entries: int, time_msc: int) -> None:
        """Takes up one more account while it runs, at the next place; `entries`: kept of it."""
        assert state.spec.key not in self.by_key, "two accounts have one name"
        actor = self._made(len(self.actors), state, entries)
        self.actors.append(actor)
        self.by_key[actor.key] = actor
        self.router.admit(actor, time_msc)
        self._begin(actor)

    def dismiss(self, key: AccountKey) -> None:
        """Ends an account for good, which must be at rest; its last state stays readable."""
        actor = self.by_key[key]
        assert not actor.inbox, "dismissed with something to do"
        assert actor.at is None, "dismissed in the middle of something"
        actor.crashed = DISMISSED  # as of one given up, nobody tells it anything from here
        actor.refuse_all(DISMISSED)
        actor.seat.leave()
        actor.seat.retire()
        self._tasks[key].cancel()

    async def ask(self, key: AccountKey, command: Command) -> Step | Refused:
        """What came of a command, once it is durable.

        Raises:
            KeyError: there is no such account.
        """
        actor = self.by_key[key]
        if self.is_stopping:
            return Refused("the engine is stopping")
        asked = Asked(command)
        actor.seat.expect()
        await actor.inbox.put(asked)
        return await asked.reply.wait()

    async def report(self, key: AccountKey, deal: DealReported) -> None:
        """Puts a broker's deal into its account's inbox; waits while that is full.

        Raises:
            KeyError: there is no such account.
        """
        actor = self.by_key[key]
        actor.seat.expect()
        await actor.inbox.put(Reported(deal))

    async def note(self, key: AccountKey, event: LinkEvent, receipt: Receipt | None = None) -> None:
        """Puts what a live link says into its account's inbox; waits while that is full.

        Raises:
            KeyError: there is no such account.
        """
        actor = self.by_key[key]
        if receipt is None and _beats_at_once(actor, event):
            return
        actor.seat.expect()
        await actor.inbox.put(Noted(event, receipt))

    def note_nowait(
        self, key: AccountKey, event: LinkEvent, receipt: Receipt | None = None
    ) -> bool:
        """The same where there is room; False, and nothing put, where there is none."""
        actor = self.by_key[key]
        if actor.crashed is not None or not actor.inbox.has_room:
            return False
        actor.seat.expect()
        actor.inbox.put_nowait(Noted(event, receipt))
        return True

    async def settle(self) -> None:
        """Returns when no actor has anything to do."""
        await self._rest()

    async def stop(self, deadline_s: float = SETTLE_S) -> Stopped:
        """Refuses commands and ticks from here on, lets actors finish, then ends `run`."""
        self.is_stopping = True
        self.router.close()
        with trio.move_on_after(deadline_s):
            await self._rest()
        parked = tuple(actor.key for actor in self.actors if actor.seat.is_busy)
        self._scope.cancel()
        return Stopped(parked)

    async def _rest(self) -> None:
        """On whatever feed they are: see `own_feeds`."""
        await self.seats.all_resting()
        for seats in {id(actor.seat.seats): actor.seat.seats for actor in self.actors}.values():
            await seats.all_resting()

    def _begin(self, actor: Actor) -> None:
        assert self._nursery is not None, "it does not run"
        self._nursery.start_soon(self._work, actor, name=f"account {actor.key}")

    async def _work(self, actor: Actor) -> None:
        with trio.CancelScope() as scope:
            self._tasks[actor.key] = scope
            await self._keep(actor)

    async def _keep(self, actor: Actor) -> None:
        """Runs one actor; takes it up again where it raised, and gives it up in the end."""
        trouble = ""
        at, tries = None, 0
        while tries < TRIES:
            is_stuck = False
            try:
                await actor.run()
            except* JournalError:
                raise
            except* Exception as crash:  # noqa: BLE001  # one account's trouble is its own
                trouble = _first_line(crash)
                is_stuck = crash.subgroup(StuckError) is not None
            tries = tries + 1 if actor.at is at else 1
            if is_stuck:
                # Whoever's task it was cut short in, and whatever it was about.
                tries = max(tries, cuts_of(actor.key))
                await trio.sleep(STUCK_REST_S)
            at = actor.at
        try:
            await actor.give_up(trouble)
        except* JournalError:
            raise
        except* Exception as crash:  # noqa: BLE001
            # Not even the halt could be recorded: the account is given up all the same.
            trouble = _first_line(crash)
        if self._on_crash is not None:
            self._on_crash(actor.key, trouble)
        actor.seat.retire()


def _beats_at_once(actor: Actor, event: LinkEvent) -> bool:
    try:
        return actor.beats_at_once(event)
    except Exception:  # noqa: BLE001  it raises again in its own task: its link goes on
        return False


def _first_line(crash: BaseException) -> str:
    while isinstance(crash, BaseExceptionGroup):
        crash = crash.exceptions[0]
    said = str(crash).partition("\n")[0]
    return f"{type(crash).__name__}: {said}" if said else type(crash).__name__
