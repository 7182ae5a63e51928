"""A client for Trio and asyncio: requests of many tasks over one connection, and subscriptions."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import msgspec

from engine.client.address import Address, done_of, each_done, failed, nobody, value_of
from engine.client.wire import (
    ANSWER_BYTES,
    GET_MANY,
    VERSION,
    Answer,
    Frames,
    WireError,
    answer_of,
    pack,
)
from engine.desk import Health, Taken
from engine.domain.commands import Command, Flatten, Halt, Refused, Respec
from engine.domain.ids import AccountKey
from engine.domain.outlook import Outlook
from engine.domain.records import AnyRecord
from engine.domain.snapshot import Snapshot
from engine.equity_history import Bucket, PeriodStatistics
from engine.tape import PricePoint
from engine.tape_cut import VerdictTape

READ_BYTES = 262_144
PUSHED = 65_536
"""Pushed frames that may wait to be taken; then the oldest go, counted."""
CONNECT_S = 5.0

OnPush = Callable[[Answer], None]


class AsyncClient:
    """Made by `open_client`."""

    def __init__(self, stream: anyio.abc.ByteStream, on_push: OnPush | None) -> None:
        self.lost = 0
        """Pushed frames nobody took in time: subscribe again after what was last seen."""
        self._stream = stream
        self._on_push = on_push
        self._number = 0
        self._turn = anyio.Lock()
        self._out = bytearray()
        self._answers: dict[int, tuple[anyio.Event, list[Answer]]] = {}
        self._pushed: deque[Answer] = deque()
        self._arrived = anyio.Event()
        self._gone: str | None = None

    async def keys(self) -> list[AccountKey]:
        """Every account."""
        found: list[AccountKey] = await self._value("keys", list[AccountKey])
        return found

    async def health(self) -> Health:
        """How the engine is."""
        health: Health = await self._value("health", Health)
        return health

    async def snapshot(self, key: AccountKey) -> Snapshot:
        """The account as it is now.

        Raises:
            KeyError: there is no such account.
        """
        snapshot: Snapshot = await self._value("snapshot", Snapshot, key=key)
        return snapshot

    async def snapshots(self, keys: Sequence[AccountKey]) -> list[Snapshot]:
        """The accounts as they are now; those that are not there are left out."""
        found: list[Snapshot] = []
        for start in range(0, len(keys), GET_MANY):
            some = list(keys[start : start + GET_MANY])
            found += await self._value("snapshots", list[Snapshot], keys=some)
        return found

    async def records(self, key: AccountKey, after_seq: int, limit: int = 100) -> list[AnyRecord]:
        """At most so many durable records after that one.

        Raises:
            KeyError: there is no such account.
        """
        found: list[AnyRecord] = await self._value(
            "records", list[AnyRecord], key=key, after=after_seq, limit=limit
        )
        return found

    async def command(self, key: AccountKey, command: Command, second: str = "") -> Taken | Refused:
        """What came of it, once that is durable.

        Args:
            second: token of the person who agrees; a release of a breach needs it.

        Raises:
            KeyError: there is no such account.
            AdapterError: this client may not; or the engine went, and whether it was done is
                not known: look at the records.
        """
        return done_of(await self._ask("command", key=key, command=command, second=second))

    async def command_all(
        self, keys: Sequence[AccountKey], command: Halt | Flatten
    ) -> list[Taken | Refused]:
        """What came of one command to all of these, in their order."""
        return each_done(await self._ask("commands", keys=list(keys), command=command))

    async def tell_kill_switch(self, by: str, action: str, accounts: int, reason: str) -> None:
        """Has people told that somebody stops everything; the accounts are commanded apart.

        Raises:
            AdapterError: this client is no program, or the engine went.
        """
        told = {"by": by, "action": action, "accounts": accounts, "reason": reason}
        await self._value("kill_switch", None, **told)

    async def ask_report(self, key: AccountKey) -> bool:
        """Asks the account's terminal for a full report; False: it is not linked."""
        asked: bool = await self._value("report", bool, key=key)
        return asked

    async def verdict(
        self, verdict_id: str, keys: Sequence[AccountKey] | None = None
    ) -> Mapping[str, Any] | None:
        """What decided; None: there is no such verdict of these accounts, or of all."""
        named = None if keys is None else list(keys)
        found: Mapping[str, Any] | None = await self._value(
            "verdict", dict[str, Any] | None, verdict_id=verdict_id, keys=named
        )
        return found

    async def tape(self, verdict_id: str) -> VerdictTape | None:
        """A breach tick by tick; None: no tape of it is kept."""
        found: VerdictTape | None = await self._value(
            "tape", VerdictTape | None, verdict_id=verdict_id
        )
        return found

    async def prices(
        self, key: AccountKey, symbol: str, from_msc: int, to_msc: int
    ) -> list[PricePoint] | None:
        """The prices of each second; see `TapeReader.prices`.

        Raises:
            KeyError: there is no such account.
        """
        found: list[PricePoint] | None = await self._value(
            "prices",
            list[PricePoint] | None,
            key=key,
            symbol=symbol,
            from_msc=from_msc,
            to_msc=to_msc,
        )
        return found

    async def equity(
        self, key: AccountKey, bucket_s: int, from_msc: int, to_msc: int
    ) -> list[Bucket]:
        """Equity and balance over time; see `Desk.equity`.

        Raises:
            KeyError: there is no such account.
        """
        found: list[Bucket] = await self._value(
            "equity",
            list[Bucket],
            key=key,
            bucket_s=bucket_s,
            from_msc=from_msc,
            to_msc=to_msc,
        )
        return found

    async def statistics(self, key: AccountKey, from_msc: int, to_msc: int) -> PeriodStatistics:
        """A period in figures; see `Desk.statistics`.

        Raises:
            KeyError: there is no such account.
        """
        found: PeriodStatistics = await self._value(
            "statistics", PeriodStatistics, key=key, from_msc=from_msc, to_msc=to_msc
        )
        return found

    async def outlook(self, key: AccountKey, command: Respec) -> Outlook:
        """What other rules would make of the account; see `Desk.outlook`.

        Raises:
            KeyError: there is no such account.
        """
        found: Outlook = await self._value("outlook", Outlook, key=key, command=command)
        return found

    async def subscribe_events(
        self,
        after: Mapping[AccountKey, int] | None = None,
        keys: Sequence[AccountKey] | None = None,
    ) -> dict[AccountKey, int]:
        """Has durable records pushed from here on; of `after`, first those after that `seq`.

        Of the accounts in `after` nothing is lost however slowly they are read. Said again, it
        takes the place of what was subscribed to before.

        Returns:
            Where "here" is: of each account that has one, its last record that is not pushed
            unless `after` asks for it. Pushes may come before this returns.
        """
        listed = [(key, seq) for key, seq in (after or {}).items()]
        named = None if keys is None else list(keys)
        since = await self._value(
            "subscribe_events", list[tuple[AccountKey, int]], after=listed, keys=named
        )
        return dict(since)

    async def subscribe_snapshots(
        self, keys: Sequence[AccountKey] | None = None, rate_hz: float = 4.0
    ) -> None:
        """Has the newest snapshots of these accounts, or of all, pushed as far as they changed."""
        named = None if keys is None else list(keys)
        await self._value("subscribe_snapshots", None, keys=named, rate_hz=rate_hz)

    async def unsubscribe(self, what: str) -> None:
        """Ends `events` or `snapshots`; what is under way may still come."""
        await self._value("unsubscribe", None, what=what)

    async def pushed(self) -> list[Answer]:
        """What came by subscription since the last time; waits until there is something.

        The outcome says what it is: `event`, a record (`read(AnyRecord)`); `snapshot`
        (`read(Shown)`); `missed`, how many records found the engine's queue full: of accounts named
        in `after` they follow, of others read them by `records`.

        Raises:
            AdapterError: the engine is gone.
        """
        while not self._pushed:
            if self._gone is not None:
                raise failed(self._gone)
            self._arrived = anyio.Event()
            await self._arrived.wait()
        taken = list(self._pushed)
        self._pushed.clear()
        return taken

    async def hello(self, token: str = "") -> None:
        """The first request of a connection.

        Raises:
            AdapterError: it speaks another version, or that is not its token.
        """
        await self._value("hello", dict[str, Any], version=VERSION, token=token)

    async def read_on(self) -> None:
        """Reads until the connection ends; whoever waits then is told."""
        frames = Frames(ANSWER_BYTES)
        try:
            while True:
                chunk = await self._stream.receive(READ_BYTES)
                for frame in frames.feed(chunk):
                    self._take(answer_of(frame))
        except anyio.EndOfStream:
            self._gone = "the engine hung up"
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            self._gone = f"the connection ended: {error}"
        except (WireError, msgspec.MsgspecError) as error:
            self._gone = f"what came cannot be read: {error}"
        finally:
            self._gone = self._gone or "closed"
            for event, _ in self._answers.values():
                event.set()
            self._arrived.set()

    def _take(self, answer: Answer) -> None:
        if answer.number:
            waiting = self._answers.get(answer.number)
            if waiting is not None:
                waiting[1].append(answer)
                waiting[0].set()
        elif self._on_push is not None:
            self._on_push(answer)
        else:
            if len(self._pushed) >= PUSHED:
                self._pushed.popleft()
                self.lost += 1
            self._pushed.append(answer)
            self._arrived.set()

    async def _value(self, call: str, shape: Any, **arguments: Any) -> Any:
        return value_of(await self._ask(call, **arguments), shape)

    async def _ask(self, call: str, **arguments: Any) -> Answer:
        if self._gone is not None:
            raise failed(self._gone)
        self._number += 1
        number = self._number
        event, answers = self._answers[number] = (anyio.Event(), [])
        try:
            self._out += pack(number, call, arguments)
            await self._send()
            await event.wait()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise failed(f"the connection ended: {error}") from error
        finally:
            del self._answers[number]
        if not answers:
            raise failed(self._gone or "no answer")
        return answers[0]

    async def _send(self) -> None:
        """All that waits, of every task: whoever has the turn sends for the rest."""
        async with self._turn:
            if self._out:
                sending, self._out = bytes(self._out), bytearray()
                # Half a frame would make the rest unreadable, so nobody may end it in the middle.
                with anyio.CancelScope(shield=True), anyio.fail_after(CONNECT_S):
                    await self._stream.send(sending)


@asynccontextmanager
async def open_client(
    address: Address, token: str = "", on_push: OnPush | None = None
) -> AsyncIterator[AsyncClient]:
    """A client of the engine at this address, under Trio or asyncio.

    Args:
        token: of the internal socket; over TCP it is needed.
        on_push: called with all that is pushed, in place of `AsyncClient.pushed`; never waits.

    Raises:
        AdapterError: nobody listens there, it speaks another version, or it is not its token.
    """
    try:
        with anyio.fail_after(CONNECT_S):
            stream = await _connected(address)
    except OSError as error:
        raise nobody(address, error) from error
    client = AsyncClient(stream, on_push)
    caught: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(client.read_on)
        try:
            await _greet(client, token)
            yield client
        except Exception as error:  # noqa: BLE001
            caught = error  # raised below, outside the group, which would wrap it
        finally:
            group.cancel_scope.cancel()
            await anyio.aclose_forcefully(stream)
    if caught is not None:
        raise caught


async def _greet(client: AsyncClient, token: str) -> None:
    try:
        with anyio.fail_after(CONNECT_S):
            await client.hello(token)
    except TimeoutError as error:
        raise failed("it does not answer") from error


async def _connected(address: Address) -> anyio.abc.ByteStream:
    if isinstance(address, Path):
        return await anyio.connect_unix(address)
    return await anyio.connect_tcp(*address)
