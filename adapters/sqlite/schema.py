"""Opening the database: how it is set, and which of the numbered migrations it has had.

Facts (sqlite.org): below 3.51.3 a WAL could be reset wrongly and corrupt the database. With
synchronous=NORMAL a commit returns before its fsync: a power cut loses acknowledged rows. An
error in a checkpoint that SQLite starts by itself, after a commit or at close, is told to nobody:
both are off here, and the store makes its own.
"""

from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from time import time_ns
from typing import NamedTuple

import apsw

from engine.errors import UserError

OLDEST_SQLITE = (3, 51, 3)
APPLICATION_ID = 1414087751  # "TIDG", in the header of every journal
BUSY_MS = 5000

PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 0",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "cell_size_check = ON",
)


class Migration(NamedTuple):
    """One numbered step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text, in hex."""
        return sha256(self.sql.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """All this version knows, in order: the files `NNNN_name.sql`."""
    folder = files("adapters.sqlite").joinpath("migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    found = tuple(
        Migration(int(name[:4]), name[5:-4], folder.joinpath(name).read_text(encoding="utf-8"))
        for name in names
    )
    assert [one.number for one in found] == list(range(1, len(found) + 1)), "a gap in migrations"
    return found


def connect(path: Path, vfs: str | None = None) -> apsw.Connection:
    """The database to write to, made if it is not there, brought to this version's schema.

    Raises:
        UserError: SQLite is too old, or the file is no journal, or a newer version wrote it.
        apsw.Error: the disk.
    """
    refuse_old_sqlite(apsw.sqlite_lib_version())
    connection = apsw.Connection(str(path), vfs=vfs)
    try:
        connection.set_busy_timeout(BUSY_MS)
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        refuse_foreign(connection, path)
        for pragma in PRAGMAS:
            # To the last row: an fsync error of the change to WAL comes after the first.
            connection.execute(f"PRAGMA {pragma}").fetchall()
        mode = connection.pragma("journal_mode")
        if mode != "wal":
            raise UserError(f"the journal's folder cannot hold a WAL ({mode})", place=str(path))
        _migrate(connection, path, migrations())
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_read(path: Path) -> apsw.Connection:
    """The database to read only; also while an engine writes to it, or from a read-only folder.

    Raises:
        UserError: it is not there, no journal, or of a newer version.
    """
    refuse_old_sqlite(apsw.sqlite_lib_version())
    if not path.is_file():
        raise UserError("no such journal", place=str(path))
    try:
        try:
            return _reader(path, "mode=ro")
        except (apsw.CantOpenError, apsw.ReadOnlyError):
            wal = path.with_name(path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise
            return _reader(path, "mode=ro&immutable=1")
    except apsw.Error as error:
        raise UserError(
            f"cannot read: {error}",
            place=str(path),
            help="copy it, and the file ending in -wal beside it, to a folder you can write to",
        ) from error


def _reader(path: Path, options: str) -> apsw.Connection:
    address = path.resolve().as_uri()
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"{address}?{options}", flags=flags)
    try:
        connection.set_busy_timeout(BUSY_MS)
        connection.execute("PRAGMA cell_size_check = ON")
        refuse_foreign(connection, path)
        _check_applied(connection, path, migrations())
    except BaseException:
        connection.close()
        raise
    return connection


def refuse_old_sqlite(version: str) -> None:
    """Raises UserError below the oldest SQLite that is safe."""
    if tuple(int(part) for part in version.split(".")[:3]) < OLDEST_SQLITE:
        oldest = ".".join(str(part) for part in OLDEST_SQLITE)
        raise UserError(
            f"SQLite {version} can corrupt a write-ahead log",
            help=f"install apsw {oldest} or newer (pip install 'apsw>={oldest}')",
        )


def refuse_foreign(connection: apsw.Connection, path: Path) -> None:
    """Raises UserError if the file is a database of something else, or no database."""
    try:
        found = connection.pragma("application_id")
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0]
    except apsw.NotADBError as error:
        raise UserError("this is no journal: not an SQLite file", place=str(path)) from error
    if found != APPLICATION_ID and tables:
        raise UserError("this is no journal: a database of something else", place=str(path))


def _migrate(connection: apsw.Connection, path: Path, known: Sequence[Migration]) -> None:
    with connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL,"
            " sha256 TEXT NOT NULL, applied_at_msc INTEGER NOT NULL) STRICT"
        )
        done = _check_applied(connection, path, known)
        for one in known[done:]:
            connection.execute(one.sql)
            connection.execute(
                "INSERT INTO migration VALUES (?, ?, ?, ?)",
                (one.number, one.name, one.checksum, time_ns() // 1_000_000),
            )


def _check_applied(connection: apsw.Connection, path: Path, known: Sequence[Migration]) -> int:
    """How many migrations the file has had, all of them ours.

    Raises:
        UserError: it has had one we do not know, or another one under the number of ours.
    """
    if not connection.table_exists("main", "migration"):
        raise UserError("this is no journal: an empty database", place=str(path))
    rows = connection.execute("SELECT number, name, sha256 FROM migration ORDER BY number")
    applied = rows.fetchall()
    if len(applied) > len(known):
        number, name, _ = applied[len(known)]
        raise UserError(
            f"a newer version wrote this journal: its schema has step {number} ({name}), this"
            f" version knows {len(known)}",
            place=str(path),
            help="use that version, or a newer one; a journal is never taken back",
        )
    for (number, name, checksum), ours in zip(applied, known, strict=False):
        if (number, checksum) != (ours.number, ours.checksum):
            raise UserError(
                f"step {number} ({name}) of this journal's schema is not this version's step"
                f" {ours.number} ({ours.name})",
                place=str(path),
                help="use the version that wrote it",
            )
    return len(applied)
