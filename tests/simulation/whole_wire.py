"""What carries a whole-system run: a journal that dies with its engine, wires made of memory.

Here too is the one private thing of Trio that the simulation leans on, see `seed_scheduler`.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Protocol

import trio
from trio import testing

from adapters.broker.faults import DEFAULTS, Fault, Faults, Planted
from adapters.broker.streams import Streams
from adapters.broker.terminal import Terminal
from adapters.memory.journal import MemoryJournal
from adapters.mt5.gateway import Gateway
from adapters.mt5.protocol import Ended
from adapters.mt5.terminal_side import TerminalSession
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.kept import Entry, KeptStep
from engine.ports import Begun


class CrashedError(Exception):
    """The engine's process is no more."""


class Owner(Protocol):
    """The world, as far as its wires and its journal know it."""

    random: Random
    crash_rate: float
    life: int
    gateway: Gateway | None

    async def crash(self, life: int) -> None: ...

    def accept(self, gateway: Gateway, stream: Any) -> None: ...

    def kept(self, key: AccountKey, record: Record) -> None: ...


def seed_scheduler(seed: int) -> None:
    """Makes the order in which Trio wakes tasks a matter of the seed.

    Trio draws it on purpose, from a generator of its own, and has no public way to seed that.
    Should a version of Trio do without these two names, `test_the_same_seed_is_one_run` fails.
    """
    from trio._core import _run

    drawn: Any = _run
    drawn._ALLOW_DETERMINISTIC_SCHEDULING = True
    drawn._r.seed(seed)


class SimJournal(MemoryJournal):
    """Takes its time; dies with the engine at any point of an append."""

    def __init__(self, world: Owner) -> None:
        super().__init__()
        self._world = world

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        random, life = self._world.random, self._world.life
        await trio.sleep(random.random() * 0.004)
        dies = random.random() < self._world.crash_rate
        if dies and random.random() < 0.5:
            await self._world.crash(life)
        await super().append(key, records, entry)
        for record in records:
            self._world.kept(key, record)
        if dies:
            await self._world.crash(life)

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> Begun | None:
        """At once, or not now: a life may end before it, and with what was handed over."""
        if self._world.random.random() < 0.5:
            return None
        begun = super().begin(key, steps)
        for record in [record for step in steps for record in step.records]:
            self._world.kept(key, record)
        return begun

    async def keep_state(self, key: AccountKey, state: Any) -> None:
        if self._world.random.random() < 0.5:
            await super().keep_state(key, state)


class Wire:
    """One end of a memory stream that looks like TLS to who holds it, and has a delay."""

    def __init__(self, stream: Any, random: Random) -> None:
        self._stream = stream
        self._random = random
        self._unsent = bytearray()

    @property
    def unsent_bytes(self) -> int:
        return len(self._unsent)

    def fileno(self) -> int:
        return -1  # no socket to look at

    async def do_handshake(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send_all(self, chunk: bytes | bytearray) -> None:
        sending, self._unsent = self._unsent + chunk, bytearray()
        await trio.sleep(self._random.random() * 0.02)
        await self._stream.send_all(bytes(sending))

    def send_nowait(self, chunk: bytes | bytearray) -> bool:
        self._unsent += chunk
        return False

    async def receive(self) -> bytes:
        return bytes(await self._stream.receive_some())

    async def hang_up(self, most_bytes: int) -> None:
        await self._stream.send_eof()
        while most_bytes > 0 and (chunk := await self._stream.receive_some()):
            most_bytes -= len(chunk)

    async def receive_some(self, most: int) -> bytes:
        return bytes(await self._stream.receive_some(most))

    async def aclose(self) -> None:
        await self._stream.aclose()


class SimTerminal(Terminal):
    """A terminal whose connection is made of memory, and whose session is drawn from the seed."""

    world: Owner

    def enter(self, world: Owner) -> None:
        """Takes the world's wires from here on."""
        self.world = world
        name = f"{world.random.getrandbits(64):016x}"
        self._session = TerminalSession(name, self.intents.epoch_seen)

    @property
    def is_linked(self) -> bool:
        """Whether it was welcomed over the connection it has."""
        return self._side is not None

    async def _link(self) -> Ended:
        gateway = self.world.gateway
        if gateway is None:
            await trio.sleep(0.05)
            return Ended("unreachable")
        near, far = testing.memory_stream_pair()
        self.world.accept(gateway, far)
        wire: Any = Wire(near, self.world.random)
        ended = Ended("cut")
        try:
            with trio.CancelScope() as self._link_scope:
                ended = await self._speak(wire)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            ended = Ended("broken")
        finally:
            self._side = None
            self._out.clear()
            self._rows.clear()
            await near.aclose()
        return ended


class SimFaults(Faults):
    """Faults of which some accounts are spared all but a few kinds."""

    def __init__(self, streams: Streams, spared: Mapping[int, frozenset[Fault]]) -> None:
        super().__init__(streams)
        self._spared = spared

    def draw(self, rates: Mapping[Fault, float]) -> None:
        """Lets these strike by chance from here on."""
        self._rates = dict(rates)

    def end(self) -> None:
        """Lets nothing strike any more."""
        self._rates.clear()
        self._asked.clear()

    def take(self, login: int, fault: Fault) -> Planted | None:
        asked = self._asked.get((login, fault))
        if asked:
            self.struck[fault] += 1
            return Planted(fault, asked.popleft() or DEFAULTS.get(fault, 0))
        if login in self._spared and fault not in self._spared[login]:
            return None
        return super().take(login, fault)
