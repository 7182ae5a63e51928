"""Equity histories in a small SQLite database of their own, `equity.db` beside the journal.

See `beside.py`. It may be deleted while no engine runs: the history then begins anew.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import apsw
import numpy as np

from adapters.sqlite.beside import Beside, Kind, opened, writing
from engine.equity_history import BALANCE_CHANGES, LEVELS, RUNS
from engine.equity_kept import KeptBalance, KeptEquity, KeptRow, Watched

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


KIND = Kind(APPLICATION_ID, _TABLES, "equity history", "equity")


class SqliteEquityStore(Beside):
    """`EquityStore` in a database; made by `open_equity`."""

    async def load(self, server: str) -> KeptEquity:
        """See `EquityStore.load`."""
        return await self.asked(lambda connection: _load(connection, server))

    async def keep(self, server: str, kept: KeptEquity) -> None:
        """See `EquityStore.keep`. One that was begun is waited for even when cancelled."""
        await self.asked(lambda connection: _keep(connection, server, kept))


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
    with writing(connection):
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


def open_equity(
    path: Path, *, vfs: str | None = None
) -> AbstractAsyncContextManager[SqliteEquityStore]:
    """The store in this file; see `beside.opened`. `vfs`: of tests, another way to the disk."""
    return opened(SqliteEquityStore(path, KIND, vfs))
