"""The durable journal: every record of every account in one SQLite database."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Lock
from typing import TypeVar

import msgspec
import trio

from adapters.sqlite.chain import Head
from adapters.sqlite.store import Addition, Store
from adapters.sqlite.writer import Waiting, WriterThread
from engine.domain.ids import AccountKey
from engine.domain.records import Encoding, Record
from engine.errors import JournalError
from engine.kept import Entry, KeptState, KeptStep
from engine.ports import Begun

T = TypeVar("T")

STILL_S = 0.0015
"""So long the loop stands still at most, that a close is durable sooner."""
STILL_PAUSE_S = 0.01
"""Between two such times: of a thousand closes at once all but a few share commits."""


@asynccontextmanager
async def open_journal(
    path: Path,
    *,
    queue_appends: int = 1024,
    checkpoint_pages: int = 2000,
    vfs: str | None = None,
    on_commit: Callable[[float], None] = lambda _seconds: None,
) -> AsyncIterator["SqliteJournal"]:
    """The journal in this file, made if it is not there; at the end everything queued is kept.

    Args:
        path: the database; `-wal`, `-shm` and `.lock` lie beside it. The file is this process's
            alone, except for readers.
        queue_appends: so many may wait for the disk before `append` waits for room.
        checkpoint_pages: the write-ahead log (pages of 4 KiB) is moved into the database when it
            is longer; appends wait for that, some 10 ms each time.
        vfs: a registered SQLite VFS, for tests.
        on_commit: hears, in the journal's thread, how many seconds each commit took.

    Raises:
        UserError: the marker of an earlier failure is there; another process has it open; it is no
            journal, or a newer version wrote it; SQLite is older than 3.51.3.
        AdapterError: the disk, while opening.
        JournalError: the journal failed, perhaps only at closing it; what was acknowledged is kept.
    """
    writer = WriterThread(path, checkpoint_pages=checkpoint_pages, vfs=vfs, on_commit=on_commit)
    with trio.CancelScope(shield=True):
        await writer.start()
    try:
        yield SqliteJournal(writer, queue_appends)
    finally:
        with trio.CancelScope(shield=True):
            stop = Waiting(None)
            writer.put(stop)
            await stop.answered.wait()
    if writer.failure is not None:
        raise JournalError(writer.failure)


class SqliteJournal:
    """`Journal`, `StateStore` and `EpochStore` of `engine.ports`; made by `open_journal`.

    What has been handed to the writer is waited for even when the caller is cancelled, so that a
    cancelled call has kept nothing and one that returned has kept all.
    """

    def __init__(self, writer: WriterThread, queue_appends: int) -> None:
        """`queue_appends`: how many callers may wait for the writer at once."""
        self._writer = writer
        self._room = trio.Semaphore(queue_appends)
        self._stood_s = 0.0

    @property
    def failure(self) -> str | None:
        """Why nothing is acknowledged any more, and what to do; None while the journal works."""
        return self._writer.failure

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        """See `Journal.append`."""
        await self.append_all(key, (KeptStep(records, entry),))

    async def append_all(self, key: AccountKey, steps: Sequence[KeptStep]) -> None:
        """See `Journal.append_all`. Waiting appends of all accounts share a commit."""
        additions = _additions(key, steps)
        if not additions:
            await trio.lowlevel.checkpoint()
            return
        await trio.lowlevel.checkpoint_if_cancelled()
        waiting = Waiting(additions)
        if any(step.closes for step in steps):
            self._hurry(waiting)
        await self._wait(waiting)

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> Begun | None:
        """See `Journal.begin`. Not where others wait for room, nor after a failure."""
        if self._writer.failure is not None:
            return None
        waiting = Waiting(_additions(key, steps))
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            return None
        self._hurry(waiting)
        self._writer.put(waiting)
        return _Handed(waiting, self._room)

    async def read(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """See `Journal.read`. Appends wait meanwhile: 10,000 records are some 30 ms.

        Raises:
            JournalError: the disk, or a line is no record.
        """
        lines = await self._ask(lambda store: store.read(key, after_seq, limit))
        try:
            return tuple(Encoding.parse(line) for line in lines)
        except msgspec.MsgspecError as error:
            raise JournalError(f"{key}: a kept line after {after_seq}: {error}") from error

    async def pin(self) -> str | None:
        """See `Journal.pin`: `NUMBER:HASH`, as `tidegate journal verify --head` takes it."""
        return str(await self.head())

    async def entries(self, key: AccountKey, after_number: int, limit: int) -> Sequence[Entry]:
        """See `StateStore.entries`. Appends wait meanwhile, as for `read`."""
        return await self._ask(lambda store: store.entries(key, after_number, limit))

    async def last_entry(self, key: AccountKey) -> int:
        """See `StateStore.last_entry`."""
        return await self._ask(lambda store: store.last_entry(key))

    async def accounts(self) -> Sequence[AccountKey]:
        """See `StateStore.accounts`."""
        return await self._ask(Store.accounts)

    async def last_seq(self, key: AccountKey) -> int:
        """See `StateStore.last_seq`."""
        return await self._ask(lambda store: store.last_seq(key))

    async def keep_state(self, key: AccountKey, state: KeptState) -> None:
        """See `StateStore.keep_state`."""
        await self._ask(lambda store: store.keep_state(key, state))

    async def kept_state(self, key: AccountKey) -> KeptState | None:
        """See `StateStore.kept_state`."""
        return await self._ask(lambda store: store.kept_state(key))

    async def head(self) -> Head:
        """The end of the hash chain, to be kept elsewhere: it vouches for all rows so far."""
        return await self._ask(lambda store: store.head)

    async def epoch(self, key: AccountKey) -> int:
        """See `EpochStore.read`."""
        return await self._ask(lambda store: store.epoch(key))

    async def raise_epoch(self, key: AccountKey, epoch: int) -> bool:
        """See `EpochStore.raise_to`.

        Raises:
            JournalError: it may not be durable.
        """
        return await self._ask(lambda store: store.raise_epoch(key, epoch))

    async def _ask(self, question: Callable[[Store], T]) -> T:
        waiting = Waiting(question)
        await trio.lowlevel.checkpoint()
        await self._wait(waiting)
        answer: T = waiting.result
        return answer

    def _hurry(self, waiting: Waiting) -> None:
        """Has this thread stand still for a close, where the disk is quick and it may again.

        The writer needs the interpreter too. Beside a busy loop a commit of 0.3 ms takes 1.5 ms.
        """
        now_s = trio.current_time()
        if self._writer.commit_s < STILL_S and now_s - self._stood_s >= STILL_PAUSE_S:
            self._stood_s = now_s
            waiting.done = Lock()
            waiting.done.acquire()

    async def _wait(self, waiting: Waiting) -> None:
        # Taken by `async with`, free room costs a round of every task before anything is written.
        try:
            self._room.acquire_nowait()
        except trio.WouldBlock:
            await self._room.acquire()
        try:
            if self._writer.failure is not None:
                raise JournalError(self._writer.failure)
            self._writer.put(waiting)
            if waiting.done is None or not waiting.done.acquire(timeout=STILL_S):
                with trio.CancelScope(shield=True):
                    await waiting.answered.wait()
        finally:
            self._room.release()
        if waiting.error is not None:
            raise waiting.error


class _Handed:
    """An append on its way; it holds its room until it is known."""

    def __init__(self, waiting: Waiting, room: trio.Semaphore) -> None:
        self._waiting = waiting
        self._room: trio.Semaphore | None = room
        done = waiting.done
        self.is_durable = done is not None and done.acquire(timeout=STILL_S)
        if self.is_durable:
            self._known()

    async def wait(self) -> None:
        with trio.CancelScope(shield=True):
            await self._waiting.answered.wait()
        self._known()

    def _known(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.release()
        if self._waiting.error is not None:
            raise self._waiting.error


def _additions(key: AccountKey, steps: Sequence[KeptStep]) -> list[Addition]:
    return [_addition(key, step) for step in steps if step.records or step.entry]


def _addition(key: AccountKey, step: KeptStep) -> Addition:
    records, entry = step
    first_seq = records[0].seq if records else 0
    for expected, record in enumerate(records, first_seq):
        if record.seq != expected:
            raise JournalError(f"{key}: record {record.seq} where {expected} should follow")
        if (record.server, record.login) != key:
            raise JournalError(f"{key}: a record of {record.server}/{record.login}")
    return Addition(key, first_seq, [Encoding.line(one)[:-1] for one in records], entry)


class SqliteEpochs:
    """`EpochStore` in the same database."""

    def __init__(self, journal: SqliteJournal) -> None:
        """Lives as long as the journal."""
        self._journal = journal

    async def read(self, key: AccountKey) -> int:
        """See `EpochStore.read`."""
        return await self._journal.epoch(key)

    async def raise_to(self, key: AccountKey, epoch: int) -> bool:
        """See `EpochStore.raise_to`."""
        return await self._journal.raise_epoch(key, epoch)
