"""The bytes of a tick file, out of whatever they are wrapped in (gzip, zip, UTF-16)."""

import codecs
import gzip
import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from engine.errors import UserError

HEAD_BYTES = 65_536
"""How much of a file is looked at to tell its format; no line of text may be longer."""
WRAPPERS_MOST = 3
TICK_NAMES = (".csv", ".tsv", ".txt", ".json", ".bi5", ".ticks", ".gz", ".zip")

Read = Callable[[int], bytes]


class Source:
    """One opened tick file, read front to back.

    `head` is its first bytes (decoded, unwrapped) and is read again by `read`.
    """

    def __init__(self, path: Path, raw: BinaryIO, stack: ExitStack) -> None:
        """Unwrap `raw`, which `stack` closes; raises UserError if the wrapping is broken."""
        self.path = path
        self.member: str | None = None
        """The name inside the zip, if there is one."""
        self.wrapped = False
        """Whether the bytes had to be unpacked: then the file cannot be mapped into memory."""
        self.sha256: str | None = None
        """Of the file on disk, if a reader had to take it anyway."""
        self._raw = raw
        self._bytes = max(path.stat().st_size, 1)
        self._given = 0
        with self._told_apart():
            stream = self._unwrap(raw, stack)
            self._read: Read = stream.read
            self._decode_utf16(self._fill(4))
            self.head = self._fill(HEAD_BYTES)

    def read(self, count: int) -> bytes:
        """Up to `count` more bytes, none at the end; raises UserError where the file is broken."""
        with self._told_apart():
            got = self._read(count)
            self._given += len(got)
            return got

    def everything(self) -> bytes:
        """All that is left to read."""
        parts = []
        while part := self.read(1 << 24):
            parts.append(part)
        return b"".join(parts)

    def fraction(self) -> float:
        """How much of the file on disk has been read, 0 to 1."""
        return min(1.0, self._raw.tell() / self._bytes)

    def _unwrap(self, stream: BinaryIO, stack: ExitStack) -> BinaryIO:
        for _ in range(WRAPPERS_MOST):
            start = stream.read(4)
            stream.seek(0)
            if start[:2] == b"\x1f\x8b":
                stream = cast(
                    BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=stream, mode="rb"))
                )
            elif start == b"PK\x03\x04" or start == b"PK\x05\x06":
                archive = stack.enter_context(zipfile.ZipFile(stream))
                self.member = _only_member(archive, self.path)
                stream = cast(BinaryIO, stack.enter_context(archive.open(self.member)))
            else:
                break
            self.wrapped = True
        return stream

    def _fill(self, count: int) -> bytes:
        """The next `count` bytes, put back for whoever reads next."""
        parts: list[bytes] = []
        have = 0
        read = self._read
        while have < count and (part := read(count - have)):
            parts.append(part)
            have += len(part)
        head = b"".join(parts)
        waiting = [head] if head else []

        def again(count: int) -> bytes:
            if not waiting:
                return read(count)
            first = waiting.pop()
            if len(first) > count:
                waiting.append(first[count:])
            return first[:count]

        self._read = again
        return head

    def _decode_utf16(self, start: bytes) -> None:
        """Make `read` give one-byte text where the file is UTF-16 or has a byte order mark."""
        if start[:3] == codecs.BOM_UTF8:
            self._read(3)
        if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            name = "utf-16"
        elif len(start) == 4 and start[1] == 0 and start[3] == 0 and start[0] and start[2]:
            name = "utf-16-le"
        else:
            return
        decoder = codecs.getincrementaldecoder(name)("replace")
        read = self._read

        def decoded(count: int) -> bytes:
            while part := read(max(2 * count, 4)):
                text = decoder.decode(part)
                if text:
                    return text.encode("ascii", "replace")
            return decoder.decode(b"", final=True).encode("ascii", "replace")

        self._read = decoded

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Turn what the unpackers raise about broken files into one UserError that says where."""
        try:
            yield
        except (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise UserError(
                f"the file is broken or cut short: {error}",
                place=f"{self.path}, after byte {self._given} of its content",
                help="fetch or unpack it again",
            ) from error
        except RuntimeError as error:  # zipfile: encrypted, or a compression it does not know
            raise UserError(f"cannot be unpacked: {error}", place=str(self.path)) from error


def _only_member(archive: zipfile.ZipFile, path: Path) -> str:
    names = [
        entry.filename
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(names) > 1:  # HistData puts a report (.txt) beside the ticks (.csv)
        likely = [name for name in names if name.lower().endswith(TICK_NAMES)]
        names = [name for name in likely if not name.lower().endswith(".txt")] or likely or names
    if len(names) != 1:
        shown = ", ".join(sorted(names)[:5]) or "nothing"
        raise UserError(
            f"the zip holds {len(names)} tick files: {shown}",
            place=str(path),
            help="give a zip with one tick file in it",
        )
    return names[0]


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """The file at `path`, opened and unwrapped; raises UserError if it is missing or broken."""
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(path.open("rb"))
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            reason = "there is no such file" if missing else error.strerror or str(error)
            raise UserError(f"cannot read the tick file: {reason}", place=str(path)) from error
        yield Source(path, raw, stack)


def sha256_of(path: Path) -> str:
    """The SHA-256 of the file as it lies on disk, hexadecimal (about 2 GB/s)."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()
