"""Reading a journal from outside the engine: is the chain whole, and every record as JSON lines.

Both read one moment of the file, also while an engine writes to it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from hashlib import sha256
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import apsw
import msgspec

from adapters.sqlite.chain import EMPTY, Head, entry_hash, row_hash
from adapters.sqlite.reading import reading
from engine.domain.ids import AccountKey
from engine.domain.records import Encoding
from engine.errors import AdapterError

_RECORDS = "SELECT number, account_id, seq, body, hash FROM event ORDER BY number"
_ENTRIES = "SELECT number, account_id, ordinal, body, hash, digest FROM entry ORDER BY number"
_LAST = (
    "SELECT max(coalesce((SELECT max(number) FROM event), 0),"
    " coalesce((SELECT max(number) FROM entry), 0))"
)
_PROGRESS_ROWS = 20_000

Progress = Callable[[float], None]
"""Called with the share done, 0 to 1."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What `verify` found."""

    path: str
    records: int
    entries: int
    """Rows of both up to the first bad one."""
    accounts: int
    head: str
    """`NUMBER:HASH` of the last good row: keep it elsewhere."""
    fault: str | None
    """The first bad row and what is wrong with it; None: the chain is whole."""


class _FoundError(Exception):
    """The first fault; its text says which row."""


def verify(
    path: Path, anchors: Collection[Head] = (), progress: Progress | None = None
) -> Verification:
    """Whether every row is as it was written: about 3 us a record, in constant memory.

    Rows that are edited, missing, moved or added show, as do those missing from the end, unless
    the chain was computed anew from there: that shows only against anchors.

    Args:
        anchors: heads of this journal kept elsewhere, in any order.

    Raises:
        UserError: the file is no journal, or not of this version.
    """
    head, accounts, fault = EMPTY, dict[int, AccountKey](), None
    last = _Last({}, {})
    with reading(path) as connection:
        try:
            stored, total = _stored_head(connection), _last_number(connection)
            known = _by_number(anchors)
            rows = connection.execute("SELECT id, server, login FROM account")
            accounts = {number: AccountKey(*key) for number, *key in rows}
            for row in _in_order(connection):
                head = _next(head, row, accounts, last, known)
                if progress and head.number % _PROGRESS_ROWS == 0:
                    progress(head.number / max(total, 1))
            _check_end(head, stored, max(known, default=0))
            _check_states(connection, accounts, last)
            _check_pages(connection)
        except _FoundError as error:
            fault = str(error)
        except (apsw.CorruptError, apsw.IOError, apsw.SQLError, apsw.NotADBError) as error:
            fault = f"after row {head.number} the file cannot be read: {error}"
    return Verification(
        path=str(path),
        records=sum(last.seq.values()),
        entries=sum(last.entry.values()),
        accounts=len(last.seq.keys() | last.entry.keys()),
        head=str(head),
        fault=fault,
    )


def export(path: Path, out: BinaryIO, progress: Progress | None = None) -> int:
    """Writes every record as a line of JSON, in the order they were kept; how many there were.

    They are written as they stand: `verify` says whether they are what was kept.

    Raises:
        UserError: the file is no journal, or not of this version.
        AdapterError: it is damaged; what came before the damage is written.
    """
    written = 0
    with reading(path) as connection:
        try:
            counted: list[Any] = connection.execute("SELECT count(*) FROM event").fetchall()
            total = int(counted[0][0])
            for (body,) in connection.execute("SELECT body FROM event ORDER BY number"):
                out.write(body + b"\n")
                written += 1
                if progress and written % _PROGRESS_ROWS == 0:
                    progress(written / max(total, 1))
        except apsw.Error as error:
            cause = f"{path} cannot be read after {written} records: {error}"
            raise AdapterError(cause, system="journal", retry=False) from error
    return written


def _stored_head(connection: apsw.Connection) -> Head:
    rows: list[Any] = connection.execute("SELECT number, hash FROM head").fetchall()
    if len(rows) != 1:
        raise _FoundError("the row that says where the chain ends is missing")
    return Head(*rows[0])


def _last_number(connection: apsw.Connection) -> int:
    rows: list[Any] = connection.execute(_LAST).fetchall()
    return int(rows[0][0])


class _Last(NamedTuple):
    """The last record and the last entry of each account so far."""

    seq: dict[AccountKey, int]
    entry: dict[AccountKey, int]


def _in_order(connection: apsw.Connection) -> Iterator[tuple[Any, ...]]:
    """Rows of both tables by number; those of entries are one longer."""
    records, entries = connection.execute(_RECORDS), connection.execute(_ENTRIES)
    return merge(records, entries, key=itemgetter(0))


def _next(
    head: Head,
    row: tuple[Any, ...],
    accounts: dict[int, AccountKey],
    last: _Last,
    anchors: Mapping[int, bytes],
) -> Head:
    """The head after this row, when it follows from the head before it."""
    number, account_id, place, body, digest, *state_digest = row
    if number != head.number + 1:
        raise _FoundError(f"row {head.number + 1} is missing: row {number} comes after the last")
    key = accounts.get(account_id)
    if key is None:
        raise _FoundError(f"row {number} is of an account that is not there")
    kind, known = ("entry", last.entry) if state_digest else ("record", last.seq)
    where = f"row {number} ({key}, {kind} {place})"
    if state_digest:
        expected = entry_hash(head.hash, key, place, state_digest[0], body)
    else:
        expected = row_hash(head.hash, key, place, body)
    if expected != digest:
        raise _FoundError(
            f"{where} does not follow from the row before: it was changed, moved or put in"
        )
    if place != known.get(key, 0) + 1:
        raise _FoundError(f"{where}: the account's {kind} {known.get(key, 0) + 1} is missing")
    if not state_digest:
        _check_record(where, key, place, body)
    if anchors.get(number, digest) != digest:
        raise _FoundError(f"{where} is not the row of the given head: the chain was made anew")
    known[key] = place
    return Head(number, digest)


def _check_record(where: str, key: AccountKey, seq: int, body: bytes) -> None:
    try:
        record = Encoding.parse(body)
    except msgspec.MsgspecError as error:
        raise _FoundError(f"{where} is no record: {error}") from error
    if (record.server, record.login, record.seq) != (*key, seq):
        raise _FoundError(f"{where} holds record {record.seq} of {record.server}/{record.login}")


def _by_number(anchors: Collection[Head]) -> dict[int, bytes]:
    """The hash each anchored row must have."""
    known = {EMPTY.number: EMPTY.hash}
    for number, digest in anchors:
        if known.setdefault(number, digest) != digest:
            raise _FoundError(
                f"two given heads of row {number} differ: the chain was made anew between them"
            )
    return known


def _check_end(head: Head, stored: Head, anchored: int) -> None:
    if head != stored:
        raise _FoundError(
            f"row {head.number} is the last, and the file's head is row {stored.number}: rows at"
            " the end are missing or were added"
        )
    if anchored > head.number:
        raise _FoundError(
            f"row {head.number} is the last, and the given head is row {anchored}: rows at"
            " the end are missing"
        )


def _check_states(
    connection: apsw.Connection, accounts: dict[int, AccountKey], last: _Last
) -> None:
    rows = connection.execute(
        "SELECT account_id, seq, entry, body, sha256 FROM state ORDER BY 1, 3, 2"
    )
    for account_id, seq, entry, body, checksum in rows:
        key: Any = accounts.get(account_id)
        beyond = seq > last.seq.get(key, 0) or entry > last.entry.get(key, 0)
        if key is None or beyond or sha256(body).digest() != checksum:
            raise _FoundError(f"the state kept for {key} at record {seq} was changed")


def _check_pages(connection: apsw.Connection) -> None:
    """The rows were read by the table; what reads by an index must find the same."""
    ((said,),) = connection.execute("PRAGMA integrity_check(1)").fetchall()
    if said != "ok":
        raise _FoundError(f"the rows are whole, the file is not: {said}")
