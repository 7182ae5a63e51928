"""What lies beside a journal: the lock of its one owner, and the marker left when the disk failed.

After a failed fsync the kernel may have dropped what it could not write and say nothing of it at
the next one; going on with the same file then loses what was acknowledged. So nobody goes on by
itself: the marker forbids it until a person has looked.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import UserError

ADVICE = """\
What was acknowledged before this moment was durable. The file may still be damaged since.
1. Look at the disk (kernel log, SMART) and replace it if it fails.
2. Copy the journal and the file ending in -wal beside it to a sound disk, and run
   `tidegate journal verify COPY` there, with --head and the last head you kept elsewhere.
3. When it verifies, use that copy (or this file, if the disk is sound) and delete this marker.
"""


def marker_of(path: Path) -> Path:
    """Where the marker of a journal lies."""
    return path.with_name(path.name + ".failed")


def refuse_marked(path: Path) -> None:
    """Raises UserError if the journal failed and nobody has removed the marker since."""
    marker = marker_of(path)
    if marker.exists():
        lines = marker.read_text(encoding="utf-8", errors="replace").splitlines()
        raise UserError(
            "this journal failed and is not opened again by itself",
            place=str(marker),
            source=lines[0] if lines else None,
            help="the marker says what to do; delete it when that is done",
        )


def leave_marker(path: Path, cause: str) -> str:
    """Leaves the marker, durable if the disk still can; a sentence about it for the error."""
    marker = marker_of(path)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        with marker.open("x", encoding="utf-8") as out:
            out.write(f"{when} the journal failed: {cause}\n\n{ADVICE}")
            out.flush()
            os.fsync(out.fileno())
        fsync_folder(path)
    except FileExistsError:
        return f"{marker} was there already"
    except OSError as error:
        return f"{marker} may be missing ({error}): do not start on this file before looking"
    return f"{marker} says what to do"


def fsync_folder(path: Path) -> None:
    """Makes the names in the folder of `path` durable."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """The journal is this process's alone; the kernel ends that with the process.

    Raises UserError if another has it, or its folder is not there.
    """
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f"cannot open: {error.strerror}", place=str(path)) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError("another engine has this journal open", place=str(path)) from None
        yield
    finally:
        os.close(lock)
