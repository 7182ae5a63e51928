"""One moment of a journal's file, read only; an engine may be running on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from adapters.sqlite.schema import connect_to_read
from engine.domain.ids import AccountKey
from engine.errors import AdapterError
from engine.kept import Entry


@contextmanager
def reading(path: Path) -> Iterator[apsw.Connection]:
    """A connection that sees this moment.

    Raises:
        UserError: the file is no journal, or not of this version.
    """
    connection = connect_to_read(path)
    try:
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


@contextmanager
def open_reader(path: Path) -> Iterator["SqliteReader"]:
    """What a replay of the journal reads.

    Raises:
        UserError: the file is no journal, or not of this version.
        AdapterError: it is damaged; also while it is read.
    """
    with reading(path) as connection:
        try:
            yield SqliteReader(connection)
        except apsw.Error as error:
            cause = f"{path} cannot be read: {error}"
            raise AdapterError(cause, system="journal", retry=False) from error


class SqliteReader:
    """`JournalReader` of `engine.journal_replay`; nothing of it is checked here."""

    def __init__(self, connection: apsw.Connection) -> None:
        """Reads which accounts there are."""
        self._connection = connection
        self._ids: dict[AccountKey, int] = {
            AccountKey(server, login): account_id
            for account_id, server, login in self._rows("SELECT id, server, login FROM account")
        }

    def accounts(self) -> list[AccountKey]:
        """Every account with a record or an entry, in the order of their names."""
        used = {
            account_id
            for (account_id,) in self._rows(
                "SELECT account_id FROM event UNION SELECT account_id FROM entry"
            )
        }
        return sorted(key for key, account_id in self._ids.items() if account_id in used)

    def entries(self, key: AccountKey) -> Iterator[Entry]:
        """All of the account, in order."""
        rows = self._rows(
            "SELECT ordinal, body, digest FROM entry WHERE account_id = ? ORDER BY ordinal",
            self._ids.get(key),
        )
        return (Entry(*row) for row in rows)

    def lines(self, key: AccountKey) -> Iterator[bytes]:
        """Its records as they stand, without newline, in order."""
        rows = self._rows(
            "SELECT body FROM event WHERE account_id = ? ORDER BY seq", self._ids.get(key)
        )
        return (body for (body,) in rows)

    def _rows(self, sql: str, *parameters: Any) -> Iterator[Any]:
        return iter(self._connection.execute(sql, parameters))
