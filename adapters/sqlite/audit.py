"""The durable audit trail: a small SQLite database of its own, beside the journal.

Its own, so that a flood of refused requests never makes an account wait for the journal's disk,
and so that the API's own processes can write to it: each commit reads the head and adds to it
under SQLite's write lock. Entries that wait together share a commit. Facts of SQLite's settings
are in `schema.py`.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import apsw

from adapters.sqlite.schema import refuse_old_sqlite
from engine.audit import (
    EMPTY,
    AuditEntry,
    AuditHead,
    AuditRow,
    Kind,
    decode_entry,
    encode_entry,
    first_fault,
    row_hash,
)
from engine.errors import AdapterError, UserError

T = TypeVar("T")
APPLICATION_ID = 1414087745  # "TIDA", in the header of every trail
ENTRIES_PER_COMMIT = 512
_TABLES = """
CREATE TABLE audit (
  number INTEGER PRIMARY KEY CHECK (number > 0),
  kind TEXT NOT NULL,
  body BLOB NOT NULL,
  hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_kind ON audit (kind, number);
"""


class _Waiting:
    """An entry and its caller."""

    def __init__(self, entry: AuditEntry, last_number: int | None) -> None:
        self.last_number = last_number
        self.kind: str = entry.kind
        self.body = encode_entry(entry)
        self.number: int | None = None
        """None: not kept."""
        self.is_taken = False
        self.error: AdapterError | None = None


class SqliteAuditTrail:
    """`AuditTrail` in a database; made by `open_audit`. One thread at a time touches it."""

    def __init__(self, connection: apsw.Connection, waiting_max: int) -> None:
        self._connection = connection
        self._lock = anyio.Lock()
        self._room = anyio.Semaphore(waiting_max)
        self._queue: list[_Waiting] = []
        self.failure: str | None = None
        """Why nothing more is kept; None while it works."""

    async def append(self, entry: AuditEntry) -> int:
        """See `AuditTrail.append`. One that was begun is waited for even when cancelled."""
        number = await self._append(_Waiting(entry, None))
        assert number is not None
        return number

    async def append_after(self, entry: AuditEntry, last_number: int) -> int | None:
        """See `AuditTrail.append_after`."""
        return await self._append(_Waiting(entry, last_number))

    async def _append(self, waiting: _Waiting) -> int | None:
        async with self._room:
            self._queue.append(waiting)
            with anyio.CancelScope(shield=True):
                async with self._lock:
                    while not waiting.is_taken:
                        await self._keep_next()
        if waiting.error is not None:
            raise waiting.error
        return waiting.number

    async def _keep_next(self) -> None:
        batch = self._queue[:ENTRIES_PER_COMMIT]
        del self._queue[:ENTRIES_PER_COMMIT]
        for one in batch:
            one.is_taken = True
        try:
            await self._run(lambda: self._keep(batch))
        except AdapterError as error:
            for one in batch:
                one.error = error

    async def read(
        self, after_number: int, limit: int, kind: Kind | None = None
    ) -> Sequence[tuple[int, AuditEntry]]:
        """See `AuditTrail.read`."""
        clause, extra = ("AND kind = ? ", (kind,)) if kind is not None else ("", ())
        query = f"SELECT number, body FROM audit WHERE number > ? {clause}ORDER BY number LIMIT ?"  # noqa: S608  two fixed texts
        values = (after_number, *extra, limit)
        async with self._lock:
            rows: Any = await self._run(lambda: self._connection.execute(query, values).fetchall())
        return [(number, decode_entry(body)) for number, body in rows]

    async def head(self) -> AuditHead:
        """See `AuditTrail.head`."""
        async with self._lock:
            return await self._run(lambda: _head_of(self._connection))

    async def _run(self, work: Callable[[], T]) -> T:
        """Does it in a thread. After the first error of the disk nothing is kept any more."""
        if self.failure is not None:
            raise AdapterError(self.failure, system="audit", retry=False)
        try:
            # The default of `run_sync` waits for the thread also when it is cancelled.
            return await anyio.to_thread.run_sync(work)
        except (apsw.FullError, apsw.BusyError) as error:
            cause = f"not kept: {error}"
            raise AdapterError(cause, system="audit", retry=True) from error
        except apsw.Error as error:
            self.failure = f"{type(error).__name__}: {error}"
            raise AdapterError(self.failure, system="audit", retry=False) from error

    def _keep(self, batch: Sequence[_Waiting]) -> None:
        numbers: list[int | None] = []
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            head = _head_of(self._connection)
            for one in batch:
                if one.last_number is not None and self._newest(one.kind) > one.last_number:
                    numbers.append(None)
                    continue
                number = head.number + 1
                head = AuditHead(number, row_hash(head.hash, number, one.kind, one.body))
                row = (number, one.kind, one.body, head.hash)
                self._connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?)", row)
                numbers.append(number)
            self._connection.execute("COMMIT")
        except BaseException:
            with suppress(apsw.Error):
                self._connection.execute("ROLLBACK")
            raise
        for one, kept in zip(batch, numbers, strict=True):
            one.number = kept

    def _newest(self, kind: str) -> int:
        query = "SELECT coalesce(max(number), 0) FROM audit WHERE kind = ?"
        found: Any = self._connection.execute(query, (kind,)).fetchall()
        newest: int = found[0][0]
        return newest


@asynccontextmanager
async def open_audit(path: Path, *, waiting_max: int = 1024) -> AsyncIterator[SqliteAuditTrail]:
    """The trail in this file, made (mode 0600) if it is not there.

    Args:
        path: the database; `-wal` and `-shm` lie beside it. Other processes may have it open too.
        waiting_max: so many callers may wait for the disk before further ones wait for room.

    Raises:
        UserError: it is no audit trail; SQLite is too old.
        AdapterError: the disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        connection = _connect(path)
    except (apsw.Error, OSError) as error:
        cause = f"cannot open {path}: {error}"
        raise AdapterError(cause, system="audit", retry=False) from error
    try:
        yield SqliteAuditTrail(connection, waiting_max)
    finally:
        connection.close()


def _head_of(connection: apsw.Connection) -> AuditHead:
    last: Any = connection.execute("SELECT max(number), hash FROM audit").fetchall()[0]
    return EMPTY if last[0] is None else AuditHead(*last)


def verify_audit(path: Path, anchor: AuditHead | None = None) -> str | AuditHead:
    """The head of a whole trail, or where it is not as it was written. An engine may run on it.

    Raises:
        UserError: it is not there, or no audit trail.
    """
    with _reader(path) as rows:
        try:
            return first_fault(rows, anchor)
        except apsw.Error as error:
            return f"the file is damaged: {error}"


@contextmanager
def _reader(path: Path) -> Iterator[Iterator[AuditRow]]:
    if not path.is_file():
        raise UserError("no such audit trail", place=str(path))
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(5000)
        _refuse_foreign(connection, path)
        found = connection.execute("SELECT number, kind, body, hash FROM audit ORDER BY number")
    except apsw.Error as error:
        raise UserError(f"cannot read: {error}", place=str(path)) from error
    try:
        yield (AuditRow(*row) for row in found)
    finally:
        connection.close()


def _connect(path: Path) -> apsw.Connection:
    refuse_old_sqlite(apsw.sqlite_lib_version())
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(5000)
        if _is_blank(connection):
            connection.execute("BEGIN IMMEDIATE")  # another process may make it at this moment
            if _is_blank(connection):
                connection.execute(_TABLES)
                connection.pragma("application_id", APPLICATION_ID)
            connection.execute("COMMIT")
        _refuse_foreign(connection, path)
        for setting in ("journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {setting}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _is_blank(connection: apsw.Connection) -> bool:
    return not connection.pragma("application_id") and not connection.pragma("schema_version")


def _refuse_foreign(connection: apsw.Connection, path: Path) -> None:
    if connection.pragma("application_id") != APPLICATION_ID:
        raise UserError("this is no audit trail", place=str(path))
