"""Equity histories in a small SQLite database of their own, `equity.db` beside the journal.

Its own, so that it never stands before an append: it has another thread, another file, and commits
that wait for no disk. With `synchronous = NORMAL` a commit in WAL mode survives a killed program
as soon as it returned; a power cut may take the last ones, and leaves the file whole. It may be
deleted while no engine runs: the history then begins anew. After an error it is opened anew, so a
file that was damaged may also be taken away, or put right, while the engine runs.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw
import numpy as np
import trio

from adapters.sqlite.schema import refuse_old_sqlite
from engine.equity_history import BALANCE_CHANGES, LEVELS, RUNS
from engine.equity_kept import KeptBalance, KeptEquity, KeptRow, Watched
from engine.errors import AdapterError, UserError

T = TypeVar("T")
APPLICATION_ID = 1414087749  # "TIDE", in the header of every such file
_TABLES = """
CREATE TABLE bucket (
  server TEXT NOT NULL,
  bucket_s INTEGER NOT NULL,
  start_msc INTEGER NOT NULL,
  logins BLOB NOT NULL,
  marks BLOB NOT NULL,
  PRIMARY KEY (server, bucket_s, start_msc)
) STRICT;
CREATE TABLE balance (
  server TEXT NOT NULL,
  login INTEGER NOT NULL,
  time_msc INTEGER NOT NULL,
  balance REAL NOT NULL,
  PRIMARY KEY (server, login, time_msc)
) STRICT, WITHOUT ROWID;
CREATE TABLE run (
  server TEXT NOT NULL,
  began_msc INTEGER NOT NULL,
  until_msc INTEGER NOT NULL,
  PRIMARY KEY (server, began_msc)
) STRICT, WITHOUT ROWID;
"""
_OLD_BUCKETS = """
DELETE FROM bucket WHERE server = ?1 AND bucket_s = ?2 AND start_msc <= (
  SELECT start_msc FROM bucket WHERE server = ?1 AND bucket_s = ?2
  ORDER BY start_msc DESC LIMIT 1 OFFSET ?3)
"""
_OLD_BALANCES = """
DELETE FROM balance WHERE server = ?1 AND login = ?2 AND time_msc <= (
  SELECT time_msc FROM balance WHERE server = ?1 AND login = ?2
  ORDER BY time_msc DESC LIMIT 1 OFFSET ?3)
"""
_OLD_RUNS = """
DELETE FROM run WHERE server = ?1 AND began_msc <= (
  SELECT began_msc FROM run WHERE server = ?1 ORDER BY began_msc DESC LIMIT 1 OFFSET ?2)
"""


class SqliteEquityStore:
    """`EquityStore` in a database; made by `open_equity`. One thread at a time touches it."""

    def __init__(self, path: Path, vfs: str | None = None) -> None:
        """Opens nothing yet."""
        self._path = path
        self._vfs = vfs
        self._connection: apsw.Connection | None = None
        self._lock = trio.Lock()

    async def open(self) -> None:
        """Opens it, as everything else does where it is not open.

        Raises:
            UserError: it is something else; SQLite is too old.
            AdapterError: it cannot be opened now.
        """
        await self._run(lambda _: None)

    async def aclose(self) -> None:
        """Closes it; it may be opened again."""
        with trio.CancelScope(shield=True):
            async with self._lock:
                with suppress(apsw.Error):
                    await trio.to_thread.run_sync(self._close)

    async def load(self, server: str) -> KeptEquity:
        """See `EquityStore.load`."""
        return await self._asked(lambda connection: _load(connection, server))

    async def keep(self, server: str, kept: KeptEquity) -> None:
        """See `EquityStore.keep`. One that was begun is waited for even when cancelled."""
        await self._asked(lambda connection: _keep(connection, server, kept))

    async def _asked(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            return await self._run(work)
        except UserError as error:  # put there while the engine runs: no reason to end it
            raise AdapterError(str(error), system="equity", retry=True) from error

    async def _run(self, work: Callable[[apsw.Connection], T]) -> T:
        async with self._lock:
            try:
                return await trio.to_thread.run_sync(self._worked, work)
            except (apsw.Error, OSError) as error:
                cause = f"{type(error).__name__}: {error}"
                raise AdapterError(cause, system="equity", retry=True) from error

    def _worked(self, work: Callable[[apsw.Connection], T]) -> T:
        """In a thread. What failed is not gone on with: next time it is opened anew."""
        if self._connection is None:
            self._connection = _connect(self._path, self._vfs)
        try:
            return work(self._connection)
        except BaseException:
            with suppress(apsw.Error):
                self._close()
            raise

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _load(connection: apsw.Connection, server: str) -> KeptEquity:
    def all_of(columns: str, table: str) -> Any:
        query = f"SELECT {columns} FROM {table} WHERE server = ? ORDER BY 2"  # noqa: S608  fixed texts
        return connection.execute(query, (server,))

    rows = []
    for bucket_s, start_msc, logins, marks in all_of(
        "bucket_s, start_msc, logins, marks", "bucket"
    ):
        names = np.frombuffer(logins, np.int64)
        values = np.frombuffer(marks, np.float64).reshape(len(names), 4)
        rows.append(KeptRow(bucket_s, start_msc, names, values))
    balances = [KeptBalance(*row) for row in all_of("login, time_msc, balance", "balance")]
    runs = [Watched(*row) for row in all_of("began_msc, until_msc", "run")]
    return KeptEquity(rows, balances, runs)


def _keep(connection: apsw.Connection, server: str, kept: KeptEquity) -> None:
    execute = connection.execute
    execute("BEGIN IMMEDIATE")
    try:
        for row in kept.rows:
            values = (server, *row[:2], row.logins.tobytes(), row.marks.tobytes())
            execute("INSERT OR REPLACE INTO bucket VALUES (?, ?, ?, ?, ?)", values)
        for one in kept.balances:
            execute("INSERT OR REPLACE INTO balance VALUES (?, ?, ?, ?)", (server, *one))
        for run in kept.runs:
            execute("INSERT OR REPLACE INTO run VALUES (?, ?, ?)", (server, *run))
        for bucket_s in {row.bucket_s for row in kept.rows}:
            execute(_OLD_BUCKETS, (server, bucket_s, LEVELS[bucket_s]))
        for login in {one.login for one in kept.balances}:
            execute(_OLD_BALANCES, (server, login, BALANCE_CHANGES))
        execute(_OLD_RUNS, (server, RUNS))
        execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):
            execute("ROLLBACK")
        raise


@asynccontextmanager
async def open_equity(path: Path, *, vfs: str | None = None) -> AsyncIterator[SqliteEquityStore]:
    """The store in this file, made (mode 0600) if it is not there.

    A disk that errs, or a damaged file, is for `load` and `keep` to say: both try it anew.

    Args:
        path: of the database.
        vfs: another way to the disk than SQLite's own: for tests.

    Raises:
        UserError: it is something else; SQLite is too old.
    """
    store = SqliteEquityStore(path, vfs)
    with suppress(AdapterError):
        await store.open()
    try:
        yield store
    finally:
        await store.aclose()


def _connect(path: Path, vfs: str | None) -> apsw.Connection:
    refuse_old_sqlite(apsw.sqlite_lib_version())
    path.touch(mode=0o600, exist_ok=True)
    connection = apsw.Connection(str(path), vfs=vfs)
    try:
        connection.set_busy_timeout(1000)
        if not connection.pragma("application_id") and not connection.pragma("schema_version"):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_TABLES)
            connection.pragma("application_id", APPLICATION_ID)
            connection.execute("COMMIT")
        if connection.pragma("application_id") != APPLICATION_ID:
            raise UserError("this is no equity history", place=str(path))
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {setting}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
