"""A supervisor on a feed of the test's own making: accounts, ticks, commands, a chosen broker."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import trio
from msgspec.structs import replace

from adapters.memory.journal import MemoryJournal
from engine.actor import Actor
from engine.board import Board
from engine.clock import VirtualClock
from engine.domain.account import AccountState
from engine.domain.effects import SendClose
from engine.domain.events import DealReported
from engine.domain.guards import AccountGuard
from engine.domain.ids import AccountKey
from engine.domain.marks import opening_marks
from engine.domain.positions import Position
from engine.domain.records import Record
from engine.kept import Entry, KeptStep
from engine.marking.reference import ReferenceFeed
from engine.marking.ticks import TickBatch
from engine.outbox import ReplayOutbox, Seen
from engine.ports import Begun, Journal, Outbox
from engine.supervisor import Supervisor
from tests.domain.accounts import START_MSC, kinds, unopened

SYMBOLS = ("EURUSD", "GBPUSD", "XAUUSD")


def account(
    login: int,
    positions: Sequence[Position] = (),
    guards: Sequence[AccountGuard] = (),
    **more: Any,
) -> AccountState:
    """An account as a book gives it."""
    state = unopened(guards, positions, **more)
    spec = replace(state.spec, key=AccountKey("Demo-1", login))
    return replace(state, spec=spec, marks=opening_marks(spec))


class LaterOutbox:
    """A broker that answers when the test says: it keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[AccountKey, SendClose]] = []

    def reached(self, state: AccountState, seen: Seen) -> tuple[DealReported, ...]:
        return ()

    async def send(
        self, state: AccountState, close: SendClose, seen: Seen
    ) -> tuple[DealReported, ...]:
        await trio.lowlevel.checkpoint()
        self.sent.append((state.spec.key, close))
        return ()


class GatedJournal(MemoryJournal):
    """A journal that can be made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = trio.Event()
        self.gate.set()
        self._shut_for: set[int] | None = None

    def shut(self, *logins: int) -> None:
        """From here on, appends wait; those of some accounts, or of all."""
        self._shut_for = set(logins) or None
        self.gate = trio.Event()

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        if self._shut_for is None or key.login in self._shut_for:
            await self.gate.wait()
        await super().append(key, records, entry)

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> Begun | None:
        return super().begin(key, steps) if self.gate.is_set() else None


class Floor:
    """The running whole, and the shortest way to everything in it."""

    def __init__(self, supervisor: Supervisor, journal: Journal, clock: VirtualClock) -> None:
        self.supervisor = supervisor
        self.journal = journal
        self.clock = clock
        self.feed = supervisor.feed
        self.board = Board(supervisor.by_key, supervisor.router, supervisor.feed, clock)
        self.index = 0

    async def tick(self, *prices: tuple[str, float], time_msc: int | None = None) -> None:
        """A batch of ticks without a spread, told and not waited for; a second apart."""
        count = len(prices)
        first = START_MSC + 1000 * self.index if time_msc is None else time_msc
        price = np.array([p for _, p in prices], np.float64)
        batch = TickBatch(
            SYMBOLS,
            self.index,
            np.array([first + 1000 * k for k in range(count)], np.int64),
            np.array([SYMBOLS.index(s) for s, _ in prices], np.int32),
            price,
            price,
        )
        self.index += count
        await self.supervisor.router.on_quotes(batch)

    async def settled_tick(self, *prices: tuple[str, float], time_msc: int | None = None) -> None:
        """The same, and all that follows from it."""
        await self.tick(*prices, time_msc=time_msc)
        await self.supervisor.settle()

    async def records(self, login: int = 1001) -> list[Record]:
        """What is durable of an account."""
        return list(await self.journal.read(AccountKey("Demo-1", login), 0, 10_000))

    async def kinds(self, login: int = 1001) -> list[str]:
        """The types of what is durable."""
        return kinds(await self.records(login))

    def actor(self, login: int = 1001) -> Actor:
        """The account's actor."""
        return self.supervisor.by_key[AccountKey("Demo-1", login)]

    def state(self, login: int = 1001) -> AccountState:
        """The account's state."""
        return self.actor(login).state


@asynccontextmanager
async def floor_of(
    accounts: Sequence[AccountState],
    *,
    outbox: Outbox | None = None,
    journal: Journal | None = None,
    conflates: bool = False,
    tick_limit: int = 64,
    **more: Any,
) -> AsyncIterator[Floor]:
    """A running supervisor over these accounts; stopped on the way out."""
    kept = MemoryJournal() if journal is None else journal
    clock = VirtualClock(START_MSC)
    supervisor = Supervisor(
        accounts,
        ReferenceFeed(SYMBOLS),
        kept,
        ReplayOutbox() if outbox is None else outbox,
        clock,
        conflates=conflates,
        tick_limit=tick_limit,
        **more,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        yield Floor(supervisor, kept, clock)
        await supervisor.stop()
