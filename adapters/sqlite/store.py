"""What the writer thread does to the database: one thread's, synchronous, every call durable."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import chain
from typing import Any, NamedTuple

import apsw

from adapters.sqlite.chain import Head, entry_hash, row_hash
from engine.domain.ids import AccountKey
from engine.errors import JournalError
from engine.kept import Entry, KeptState

KEPT_STATES = 2
"""Of each account: the newest, and the one before in case the newest does not read."""


ROWS_AT_ONCE = 32
_INSERT_EVENTS, _INSERT_ENTRIES = (
    [
        f"INSERT INTO {table} VALUES " + ", ".join([marks] * rows)  # noqa: S608  both are ours
        for rows in range(ROWS_AT_ONCE + 1)
    ]
    for table, marks in (("event", "(?, ?, ?, ?, ?)"), ("entry", "(?, ?, ?, ?, ?, ?)"))
)


class Addition(NamedTuple):
    """The records of one append, as lines without newline, and its entry."""

    key: AccountKey
    first_seq: int
    """Of the records, where there are any."""
    bodies: Sequence[bytes]
    entry: Entry | None = None


class _Place(NamedTuple):
    """Where an account's records and entries end."""

    account_id: int
    seq: int
    entries: int


class Store:
    """The journal's database."""

    def __init__(self, connection: apsw.Connection, checkpoint_pages: int) -> None:
        """Takes the connection over; reads where the chain and every account ends."""
        self._connection = connection
        self._checkpoint_pages = checkpoint_pages
        self._due_pages = checkpoint_pages
        self._wal_pages = 0
        connection.set_wal_hook(self._grown)
        ((number, digest),) = self._rows("SELECT number, hash FROM head")
        self.head = Head(number, digest)
        self._places = {
            AccountKey(server, login): _Place(account_id, seq or 0, entries or 0)
            for account_id, server, login, seq, entries in self._rows(
                "SELECT id, server, login,"
                " (SELECT max(seq) FROM event WHERE account_id = account.id),"
                " (SELECT max(ordinal) FROM entry WHERE account_id = account.id) FROM account"
            )
        }

    def append(self, additions: Sequence[Addition]) -> list[str | None]:
        """Keeps all of them in one durable commit; for each, why it was refused, or None.

        One that does not follow its account's last record and entry is refused; the others are
        kept.

        Raises:
            apsw.Error: none is kept. Whether the disk will still keep anything is open.
        """
        places = dict[AccountKey, _Place]()
        refused: list[str | None] = []
        taken: list[tuple[int, Addition]] = []
        with self._commit():
            for addition in additions:
                key, entry = addition.key, addition.entry
                place = places.get(key) or self._places.get(key) or self._open_account(key)
                refusal = _refusal(addition, place)
                refused.append(refusal)
                if refusal is None:
                    taken.append((place.account_id, addition))
                    seq = place.seq + len(addition.bodies)
                    entries = place.entries if entry is None else entry.number
                    place = place._replace(seq=seq, entries=entries)
                places[key] = place
            head = self._add_entries(self._add_events(self.head, taken), taken)
            self._connection.execute("UPDATE head SET number = ?, hash = ?", head)
        self.head = head
        self._places.update(places)
        return refused

    def _add_events(self, head: Head, taken: Sequence[tuple[int, Addition]]) -> Head:
        """Adds all records of a commit to the chain; its new end."""
        rows: list[tuple[Any, ...]] = []
        for account_id, addition in taken:
            for seq, body in enumerate(addition.bodies, addition.first_seq):
                head = Head(head.number + 1, row_hash(head.hash, addition.key, seq, body))
                rows.append((head.number, account_id, seq, body, head.hash))
        self._insert(_INSERT_EVENTS, rows)
        return head

    def _add_entries(self, head: Head, taken: Sequence[tuple[int, Addition]]) -> Head:
        """The same of all entries of a commit, which come after its records."""
        rows: list[tuple[Any, ...]] = []
        for account_id, addition in taken:
            if addition.entry is not None:
                number, body, digest = addition.entry
                after = entry_hash(head.hash, addition.key, number, digest, body)
                head = Head(head.number + 1, after)
                rows.append((head.number, account_id, number, digest, body, head.hash))
        self._insert(_INSERT_ENTRIES, rows)
        return head

    def _insert(self, statements: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Many rows a statement: after each this thread waits until the interpreter is free."""
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            self._connection.execute(statements[len(some)], list(chain.from_iterable(some)))

    def read(self, key: AccountKey, after_seq: int, limit: int) -> list[bytes]:
        """At most `limit` lines of the account after `after_seq`, in order."""
        place = self._places.get(key)
        if place is None:
            return []
        rows = self._rows(
            "SELECT body FROM event WHERE account_id = ? AND seq > ? ORDER BY seq LIMIT ?",
            (place.account_id, after_seq, limit),
        )
        return [body for (body,) in rows]

    def entries(self, key: AccountKey, after_number: int, limit: int) -> list[Entry]:
        """At most `limit` entries of the account after that number, in order."""
        place = self._places.get(key)
        if place is None:
            return []
        rows = self._rows(
            "SELECT ordinal, body, digest FROM entry WHERE account_id = ? AND ordinal > ?"
            " ORDER BY ordinal LIMIT ?",
            (place.account_id, after_number, limit),
        )
        return [Entry(*row) for row in rows]

    def last_entry(self, key: AccountKey) -> int:
        """The number of the account's last entry; 0 before the first."""
        place = self._places.get(key)
        return place.entries if place else 0

    def accounts(self) -> list[AccountKey]:
        """Every account with a record or an entry, in the order of their names."""
        return sorted(key for key, place in self._places.items() if place.seq or place.entries)

    def last_seq(self, key: AccountKey) -> int:
        """Of the account's last record; 0 before the first."""
        place = self._places.get(key)
        return place.seq if place else 0

    def keep_state(self, key: AccountKey, state: KeptState) -> None:
        """Keeps a state, in a durable commit of its own; all but the newest two go.

        Raises:
            JournalError: the account has no such record or entry yet.
            apsw.Error: see `append`.
        """
        place = self._places.get(key) or _Place(0, 0, 0)
        nothing = not (state.seq or state.number) or min(state.seq, state.number) < 0
        if state.seq > place.seq or state.number > place.entries or nothing:
            raise JournalError(
                f"{key}: a state of record {state.seq} and entry {state.number}, where the last"
                f" are {place.seq} and {place.entries}"
            )
        with self._commit():
            self._connection.execute(
                "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?, ?)",
                (
                    place.account_id,
                    state.number,
                    state.seq,
                    state.digest,
                    state.body,
                    sha256(state.body).digest(),
                ),
            )
            self._connection.execute(
                "DELETE FROM state WHERE account_id = ?1 AND (entry, seq) NOT IN (SELECT entry, seq"
                " FROM state WHERE account_id = ?1 ORDER BY entry DESC, seq DESC LIMIT ?2)",
                (place.account_id, KEPT_STATES),
            )

    def kept_state(self, key: AccountKey) -> KeptState | None:
        """The newest state whose checksum holds."""
        place = self._places.get(key)
        if place is None:
            return None
        rows = self._rows(
            "SELECT seq, entry, digest, body, sha256 FROM state WHERE account_id = ?"
            " ORDER BY entry DESC, seq DESC",
            (place.account_id,),
        )
        for seq, number, digest, body, checksum in rows:
            whole = sha256(body).digest() == checksum
            if whole and seq <= place.seq and number <= place.entries:
                return KeptState(seq, number, digest, body)
        return None

    def epoch(self, key: AccountKey) -> int:
        """The highest epoch recorded; 0 before the first."""
        rows = self._rows(
            "SELECT epoch FROM epoch JOIN account ON account.id = account_id"
            " WHERE server = ? AND login = ?",
            key,
        )
        return int(rows[0][0]) if rows else 0

    def raise_epoch(self, key: AccountKey, epoch: int) -> bool:
        """Records it durably; False where one as high is there.

        Raises:
            apsw.Error: see `append`.
        """
        if epoch <= self.epoch(key):
            return False
        opened = self._places.get(key)
        with self._commit():
            place = opened or self._open_account(key)
            self._connection.execute(
                "INSERT INTO epoch VALUES (?1, ?2) ON CONFLICT DO UPDATE SET epoch = ?2",
                (place.account_id, epoch),
            )
        self._places[key] = place
        return True

    def checkpoint_if_due(self) -> None:
        """Moves the write-ahead log into the database once it is long.

        A full disk is no error here: the log holds everything, and goes on growing.

        Raises:
            apsw.Error: the disk. What is in the log is safe; the next fsync is not to be believed.
        """
        if self._wal_pages < self._due_pages:
            return
        try:
            _, moved = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except (apsw.FullError, apsw.BusyError):
            moved = 0
        # A reader may hold part of the log back, or the disk be full: not again at every commit.
        whole = moved >= self._wal_pages
        self._due_pages = self._checkpoint_pages + (0 if whole else self._wal_pages)

    def close(self, *, sound: bool) -> None:
        """Closes the database; the log is emptied into it first where the disk is sound.

        Raises:
            apsw.Error: see `checkpoint_if_due`. It is closed all the same.
        """
        try:
            if sound:
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except (apsw.FullError, apsw.BusyError):
            pass  # the log stays, and is read at the next opening
        finally:
            self._connection.close()

    def _open_account(self, key: AccountKey) -> _Place:
        """A row for an account that has none, inside the transaction at hand."""
        found = self._rows(
            "INSERT INTO account (server, login) VALUES (?, ?) ON CONFLICT DO UPDATE"
            " SET login = login RETURNING id",
            key,
        )
        return _Place(found[0][0], 0, 0)

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def _commit(self) -> Iterator[None]:
        """What is done inside becomes durable as one, or nothing of it is kept."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # some errors have rolled back by themselves
                self._connection.execute("ROLLBACK")
            raise

    def _grown(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_pages = pages
        return apsw.SQLITE_OK


def _refusal(addition: Addition, place: _Place) -> str | None:
    """Why an append does not follow what is there; None: it does."""
    key, entry = addition.key, addition.entry
    if addition.bodies and addition.first_seq != place.seq + 1:
        return f"{key}: record {addition.first_seq} where {place.seq + 1} should follow"
    if entry is not None and entry.number != place.entries + 1:
        return f"{key}: entry {entry.number} where {place.entries + 1} should follow"
    return None
