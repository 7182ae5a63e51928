"""Equity histories in a small SQLite database of their own, `equity.db` beside the journal.

Its own, so that it never stands before an append: it has another thread, another file, and commits
that wait for no disk. With `synchronous = NORMAL` a commit in WAL mode survives a killed program
as soon as it returned; a power cut may take the last ones, and leaves the file whole. It may be
deleted while no engine runs: the history then begins anew.
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

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._lock = trio.Lock()

    async def load(self, server: str) -> KeptEquity:
        """See `EquityStore.load`."""
        return await self._run(lambda: self._load(server))

    async def keep(self, server: str, kept: KeptEquity) -> None:
        """See `EquityStore.keep`. One that was begun is waited for even when cancelled."""
        await self._run(lambda: self._keep(server, kept))

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._lock:
            try:
                return await trio.to_thread.run_sync(work)
            except apsw.Error as error:
                cause = f"the equity history: {type(error).__name__}: {error}"
                raise AdapterError(cause, system="equity", retry=True) from error

    def _load(self, server: str) -> KeptEquity:
        def all_of(columns: str, table: str) -> Any:
            query = f"SELECT {columns} FROM {table} WHERE server = ? ORDER BY 2"  # noqa: S608  fixed texts
            return self._connection.execute(query, (server,))

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

    def _keep(self, server: str, kept: KeptEquity) -> None:
        execute = self._connection.execute
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
async def open_equity(path: Path) -> AsyncIterator[SqliteEquityStore]:
    """The store in this file, made (mode 0600) if it is not there.

    Raises:
        UserError: it is something else; SQLite is too old.
        AdapterError: the disk, or the file is damaged.
    """
    try:
        connection = await trio.to_thread.run_sync(_connect, path)
    except (apsw.Error, OSError) as error:
        cause = f"cannot open {path}: {error}"
        raise AdapterError(cause, system="equity", retry=False) from error
    try:
        yield SqliteEquityStore(connection)
    finally:
        connection.close()


def _connect(path: Path) -> apsw.Connection:
    refuse_old_sqlite(apsw.sqlite_lib_version())
    path.touch(mode=0o600, exist_ok=True)
    connection = apsw.Connection(str(path))
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
