"""Small databases beside the journal, of what no guard decides on.

Each has a file of its own, so that it never stands before an append, another thread, and commits
that wait for no disk: with `synchronous = NORMAL` a commit in WAL mode survives a killed program as
soon as it returned; a power cut may take the last ones, and leaves the file whole. After an error
it is opened anew, so a file that was damaged may also be taken away, or put right, while the engine
runs.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import apsw
import trio

from adapters.sqlite.schema import refuse_old_sqlite
from engine.errors import AdapterError, UserError

T = TypeVar("T")


class Kind(NamedTuple):
    """What one of them is."""

    application_id: int
    """In the header of every such file."""
    tables: str
    """What makes them in an empty one."""
    what: str
    """For whoever named another file."""
    system: str
    """In errors."""


class Beside:
    """One such database. One thread at a time touches it."""

    def __init__(self, path: Path, kind: Kind, vfs: str | None = None) -> None:
        """Opens nothing yet.

        Args:
            path: of the database.
            kind: it is to be of.
            vfs: another way to the disk than SQLite's own: for tests.
        """
        self._path = path
        self._kind = kind
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

    async def asked(self, work: Callable[[apsw.Connection], T]) -> T:
        """What the work made of it, in a thread; once begun it is waited for, cancelled or not.

        Raises:
            AdapterError: it failed.
        """
        try:
            return await self._run(work)
        except UserError as error:  # put there while the engine runs: no reason to end it
            raise AdapterError(str(error), system=self._kind.system, retry=True) from error

    async def _run(self, work: Callable[[apsw.Connection], T]) -> T:
        async with self._lock:
            try:
                return await trio.to_thread.run_sync(self._worked, work)
            except (apsw.Error, OSError) as error:
                cause = f"{type(error).__name__}: {error}"
                raise AdapterError(cause, system=self._kind.system, retry=True) from error

    def _worked(self, work: Callable[[apsw.Connection], T]) -> T:
        """In a thread. What failed is not gone on with: next time it is opened anew."""
        if self._connection is None:
            self._connection = _connect(self._path, self._kind, self._vfs)
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


Store = TypeVar("Store", bound=Beside)


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Store]:
    """The store, its file made (mode 0600) if it is not there; closed at the end.

    A disk that errs, or a damaged file, is for whoever asks it to be told: each asking tries anew.

    Raises:
        UserError: it is something else; SQLite is too old.
    """
    with suppress(AdapterError):
        await store.open()
    try:
        yield store
    finally:
        await store.aclose()


@contextmanager
def writing(connection: apsw.Connection) -> Iterator[None]:
    """What is done in it is one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(apsw.Error):
            connection.execute("ROLLBACK")
        raise


def _connect(path: Path, kind: Kind, vfs: str | None) -> apsw.Connection:
    """Made (mode 0600) if it is not there."""
    refuse_old_sqlite(apsw.sqlite_lib_version())
    path.touch(mode=0o600, exist_ok=True)
    connection = apsw.Connection(str(path), vfs=vfs)
    try:
        connection.set_busy_timeout(1000)
        if not connection.pragma("application_id") and not connection.pragma("schema_version"):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(kind.tables)
            connection.pragma("application_id", kind.application_id)
            connection.execute("COMMIT")
        if connection.pragma("application_id") != kind.application_id:
            raise UserError(f"this is no {kind.what}", place=str(path))
        for setting in ("journal_mode = WAL", "synchronous = NORMAL", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {setting}").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection
