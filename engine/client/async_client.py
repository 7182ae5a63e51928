"""A client for Trio: requests of many tasks over one connection, and what was subscribed to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from engine.client.wire import VERSION, Answer, Frames, WireError, answer_of, pack
from engine.desk import Health, Taken
from engine.domain.commands import Command, Refused
from engine.domain.ids import AccountKey
from engine.domain.records import AnyRecord
from engine.domain.snapshot import Snapshot
from engine.errors import AdapterError

READ_BYTES = 262_144
PUSHED = 4096
"""Events and snapshots that may wait to be taken; then the oldest go, counted."""


class TrioClient:
    """Made by `open_client`."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.lost = 0
        """Pushed frames nobody took in time."""
        self._stream = stream
        self._number = 0
        self._turn = trio.Lock()
        self._answers: dict[int, tuple[trio.Event, list[Answer]]] = {}
        self._pushed: list[Answer] = []
        self._arrived = trio.Event()
        self._gone: str | None = None

    async def keys(self) -> list[AccountKey]:
        """Every account."""
        found: list[AccountKey] = (await self._ask("keys")).read(list[AccountKey])
        return found

    async def health(self) -> Health:
        """How the engine is."""
        health: Health = (await self._ask("health")).read(Health)
        return health

    async def snapshot(self, key: AccountKey) -> Snapshot:
        """The account as it is now.

        Raises:
            AdapterError: there is no such account, or the engine is gone.
        """
        snapshot: Snapshot = (await self._ask("snapshot", key=key)).read(Snapshot)
        return snapshot

    async def snapshots(self, keys: Sequence[AccountKey]) -> list[Snapshot]:
        """The accounts as they are now; those that are not there are left out."""
        found: list[Snapshot] = (await self._ask("snapshots", keys=list(keys))).read(list[Snapshot])
        return found

    async def records(self, key: AccountKey, after_seq: int, limit: int = 100) -> list[AnyRecord]:
        """At most so many durable records after that one."""
        answer = await self._ask("records", key=key, after=after_seq, limit=limit)
        found: list[AnyRecord] = answer.read(list[AnyRecord])
        return found

    async def command(self, key: AccountKey, command: Command) -> Taken | Refused:
        """What came of it, once that is durable."""
        answer = await self._ask("command", refusal=False, key=key, command=command)
        if answer.outcome == "refused":
            return Refused(answer.read(str))
        taken: Taken = answer.read(Taken)
        return taken

    async def subscribe_events(self, after: dict[AccountKey, int] | None = None) -> None:
        """Has durable records pushed from here on; of `after`, first those after that `seq`."""
        listed = [[key, seq] for key, seq in (after or {}).items()]
        await self._ask("subscribe_events", after=listed)

    async def subscribe_snapshots(self, keys: Sequence[AccountKey], rate_hz: float = 4.0) -> None:
        """Has the newest snapshots of these accounts pushed, as far as they changed."""
        await self._ask("subscribe_snapshots", keys=list(keys), rate_hz=rate_hz)

    async def pushed(self) -> list[Answer]:
        """What came by subscription since the last time; waits until there is something.

        `event` holds a record, `snapshot` a snapshot, `missed` how many records were not sent:
        read those from `records`.

        Raises:
            AdapterError: the engine is gone.
        """
        while not self._pushed:
            if self._gone is not None:
                raise AdapterError(self._gone, system="engine", retry=True)
            self._arrived = trio.Event()
            await self._arrived.wait()
        taken, self._pushed = self._pushed, []
        return taken

    async def hello(self) -> None:
        """The first request of a connection."""
        await self._ask("hello", version=VERSION)

    async def read_on(self) -> None:
        """Reads until the connection ends; whoever waits then is told."""
        frames = Frames()
        try:
            while chunk := await self._stream.receive_some(READ_BYTES):
                for frame in frames.feed(chunk):
                    self._take(answer_of(frame))
            self._gone = "the engine hung up"
        except (trio.BrokenResourceError, trio.ClosedResourceError, WireError) as error:
            self._gone = f"the connection ended: {error}"
        for event, _ in self._answers.values():
            event.set()
        self._arrived.set()

    def _take(self, answer: Answer) -> None:
        if answer.number:
            waiting = self._answers.get(answer.number)
            if waiting is not None:
                waiting[1].append(answer)
                waiting[0].set()
            return
        self._pushed.append(answer)
        if len(self._pushed) > PUSHED:
            del self._pushed[0]
            self.lost += 1
        self._arrived.set()

    async def _ask(self, call: str, *, refusal: bool = True, **arguments: Any) -> Answer:
        if self._gone is not None:
            raise AdapterError(self._gone, system="engine", retry=True)
        self._number += 1
        number = self._number
        event, answers = self._answers[number] = (trio.Event(), [])
        try:
            async with self._turn:
                await self._stream.send_all(pack(number, call, arguments))
            await event.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise AdapterError(str(error), system="engine", retry=True) from error
        finally:
            del self._answers[number]
        if not answers:
            raise AdapterError(self._gone or "no answer", system="engine", retry=True)
        [answer] = answers
        if answer.outcome == "error" or (refusal and answer.outcome == "refused"):
            raise AdapterError(str(answer.read(str)), system="engine", retry=False)
        return answer


@asynccontextmanager
async def open_client(path: Path) -> AsyncIterator[TrioClient]:
    """A client of the engine at this Unix socket.

    Raises:
        AdapterError: nobody listens there, or it speaks another version.
    """
    try:
        stream = await trio.open_unix_socket(str(path))
    except OSError as error:
        raise AdapterError(
            f"no engine answers at {path}: {error.strerror}", system="engine", retry=True
        ) from error
    client = TrioClient(stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.read_on)
        try:
            await client.hello()
            yield client
        finally:
            nursery.cancel_scope.cancel()
            await trio.aclose_forcefully(stream)
