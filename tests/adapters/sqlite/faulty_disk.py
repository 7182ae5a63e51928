"""A disk that forgets: a SQLite VFS on real files which knows what was synced and what was not.

The files hold what a running program sees (the page cache). Beside each lies a platter: what would
be there after a power cut. A sync moves what was written since onto the platter; a cut leaves of
the rest any part, torn at sectors of 512 bytes, in any order. Creating and deleting a file is
durable at once: SQLite syncs the folder for its log, and the journal for the database.

apsw prints an exception of a VFS where SQLite ignores it (in a rollback): tests with faults carry
`UNHEARD`.
"""

import os
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

UNHEARD = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SECTOR_BYTES = 512


class Platter:
    """What is certain of one file, and what was written since its last sync."""

    def __init__(self, content: bytes) -> None:
        self.durable = bytearray(content)
        self.pending: list[tuple[int, bytes] | int] = []
        """(offset, bytes), or a length the file was truncated to."""

    def synced(self) -> None:
        for change in self.pending:
            put(self.durable, change)
        self.pending.clear()

    def after_cut(self, rng: Random, kept_share: float) -> bytes:
        """What a cut leaves; each sector written since the last sync is there by this share."""
        left = bytearray(self.durable)
        for change in self.pending:
            if isinstance(change, int):
                if rng.random() < kept_share:
                    put(left, change)
                continue
            offset, content = change
            start = 0
            while start < len(content):
                end = min(len(content), start + SECTOR_BYTES - (offset + start) % SECTOR_BYTES)
                if rng.random() < kept_share:
                    put(left, (offset + start, content[start:end]))
                start = end
        return bytes(left)


def put(content: bytearray, change: tuple[int, bytes] | int) -> None:
    """Does one change to a file's content; a gap before it is zeros."""
    if isinstance(change, int):
        del content[change:]
        return
    offset, written = change
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(written)] = written


def io_error(what: str, code: int) -> apsw.IOError:
    error = apsw.IOError(what)
    error.extendedresult = code  # type: ignore[attr-defined]
    error.result = apsw.SQLITE_IOERR  # type: ignore[attr-defined]
    return error


class FaultyDisk(apsw.VFS):
    """Registered under `name` until `unregister`; faults are set as attributes."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.vfs = name
        self.platters: dict[str, Platter] = {}
        self.operations = 0
        """Writes, syncs and truncations so far."""
        self.syncs = 0
        self.cut_at: int | None = None
        """The operation at which the power goes: it and all after it fail."""
        self.failing_sync: int | None = None
        """The sync that fails; what it should have kept, and all after it, is lost unseen."""
        self.lying = False
        self.full: range = range(0)
        """Operations whose writes find no space."""

    @property
    def cut(self) -> bool:
        return self.cut_at is not None and self.operations >= self.cut_at

    def xOpen(self, name: Any, flags: list[int]) -> "DiskFile":
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        assert isinstance(path, str)
        if path not in self.platters:
            there = Path(path)
            self.platters[path] = Platter(there.read_bytes() if there.exists() else b"")
        return DiskFile(self, self.platters[path], name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.platters.pop(filename, None)
        super().xDelete(filename, syncdir)

    def operation(self) -> None:
        self.operations += 1
        if self.cut:
            raise io_error("the power is cut", apsw.SQLITE_IOERR_WRITE)

    def after_cut(self, folder: Path, rng: Random, kept_share: float) -> None:
        """Writes what a power cut leaves of every file into the folder."""
        for path, platter in self.platters.items():
            (folder / os.path.basename(path)).write_bytes(platter.after_cut(rng, kept_share))


class DiskFile(apsw.VFSFile):
    """One open file of the disk."""

    def __init__(self, disk: FaultyDisk, platter: Platter, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._platter = platter

    def xWrite(self, data: Any, offset: int) -> None:
        self._disk.operation()
        if self._disk.operations in self._disk.full:
            raise apsw.FullError("no space")
        super().xWrite(data, offset)
        self._platter.pending.append((offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        self._disk.operation()
        super().xTruncate(newsize)
        self._platter.pending.append(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.operation()
        self._disk.syncs += 1
        if self._disk.syncs == self._disk.failing_sync:
            self._disk.lying = True
            raise io_error("fsync failed", apsw.SQLITE_IOERR_FSYNC)
        if not self._disk.lying:
            self._platter.synced()
