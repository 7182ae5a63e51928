"""Tapes of breaches in a small SQLite database of their own, `tapes.db` beside the journal.

See `beside.py`. It may be deleted while no engine runs: incidents are then shown without their
ticks.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import apsw
import msgspec

from adapters.sqlite.beside import Beside, Kind, opened, writing
from engine.errors import AdapterError
from engine.tape_cut import VerdictTape
from engine.tapes import KEPT_MSC, MOST_TAPES, tape_body, tape_from

APPLICATION_ID = 1414087764  # "TIDT", in the header of every such file
_TABLES = """
CREATE TABLE tape (
  verdict_id TEXT NOT NULL PRIMARY KEY,
  time_msc INTEGER NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX tape_time ON tape (time_msc);
"""
_OLD = """
DELETE FROM tape WHERE time_msc < ?1 OR time_msc < (
  SELECT time_msc FROM tape ORDER BY time_msc DESC LIMIT 1 OFFSET ?2)
"""


KIND = Kind(APPLICATION_ID, _TABLES, "store of tapes", "tapes")


class SqliteTapeStore(Beside):
    """`TapeStore` in a database; made by `open_tapes`."""

    async def keep(self, tape: VerdictTape) -> None:
        """See `TapeStore.keep`. One that was begun is waited for even when cancelled."""
        await self.asked(lambda connection: _keep(connection, tape))

    async def find(self, verdict_id: str) -> VerdictTape | None:
        """See `TapeStore.find`."""
        body = await self.asked(lambda connection: _find(connection, verdict_id))
        try:
            return None if body is None else tape_from(body)
        except msgspec.MsgspecError as error:
            raise AdapterError(f"{verdict_id}: {error}", system="tapes", retry=False) from error


def _keep(connection: apsw.Connection, tape: VerdictTape) -> None:
    row = (tape.verdict_id, tape.time_msc, tape_body(tape))
    with writing(connection):
        connection.execute("INSERT OR REPLACE INTO tape VALUES (?, ?, ?)", row)
        connection.execute(_OLD, (tape.time_msc - KEPT_MSC, MOST_TAPES - 1))


def _find(connection: apsw.Connection, verdict_id: str) -> bytes | None:
    query = "SELECT body FROM tape WHERE verdict_id = ?"
    found: bytes | None = connection.execute(query, (verdict_id,)).get
    return found


def open_tapes(path: Path) -> AbstractAsyncContextManager[SqliteTapeStore]:
    """The store in this file; see `beside.opened`."""
    return opened(SqliteTapeStore(path, KIND))
