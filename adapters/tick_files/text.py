"""Text files to rows, block by block: memory stays at some megabytes however long the file is."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import nan

import numpy as np

from adapters.tick_files.fields import UNSURE
from adapters.tick_files.layout import Layout
from adapters.tick_files.plain import Malformed, parse_line
from adapters.tick_files.rows import Bytes, Rows
from adapters.tick_files.scan import scan
from adapters.tick_files.source import HEAD_BYTES, Source
from adapters.tick_files.zones import ToUtc
from engine.errors import UserError
from engine.marking.ticks import Int64s

BLOCK_BYTES = 1 << 23
ROWS_MOST = 1 << 18
"""Rows in one piece handed on."""


def read_text(source: Source, layout: Layout, to_utc: ToUtc) -> Iterator[Rows]:
    """The rows of a text file, oldest line first.

    Raises UserError at a line longer than any tick row could be, and where the file is broken.
    """
    reader = _Reader(source, layout, to_utc)
    for block in reader.blocks():
        yield from reader.rows(block)


def first_lines(head: bytes, count: int = 3) -> list[bytes]:
    """The first `count` lines with ink on them, without their ends; for telling formats apart."""
    found = []
    for line in head.splitlines():
        if line.strip():
            found.append(line)
            if len(found) == count:
                break
    return found


@dataclass(frozen=True, slots=True)
class _Here:
    """Enough of a block to say where one of its rows stands; made only when somebody asks."""

    data: Bytes
    begins: Int64s
    first_row: int
    first_line: int
    layout: Layout

    def place(self, i: int) -> str:
        before = int(np.count_nonzero(self.data[: self.begins[i]] == 10))
        return f"row {self.first_row + i} (line {self.first_line + before})"

    def why(self, i: int) -> str:
        begin = int(self.begins[i])
        line = self.data[begin : begin + HEAD_BYTES].tobytes().split(b"\n", 1)[0]
        try:
            parse_line(line, self.layout, (1.0, 1.0))
        except Malformed as reason:
            return str(reason)
        return "a blank price, and none before it to carry forward"


class _Reader:
    def __init__(self, source: Source, layout: Layout, to_utc: ToUtc) -> None:
        self.source = source
        self.layout = layout
        self.to_utc = to_utc
        self.row = 1
        self.line = 1 + layout.header_lines
        self.carried = np.array([nan, nan])
        self.roles = np.array(layout.roles, dtype=np.int64)
        self.label = np.frombuffer(bytearray(layout.label), dtype=np.uint8)

    def blocks(self) -> Iterator[Bytes]:
        """The file in pieces that end where a line does."""
        rest = b""
        skip = self.layout.header_lines
        while part := self.source.read(BLOCK_BYTES):
            end = part.rfind(b"\n") + 1
            self._refuse_long_line(rest, part)
            if not end:
                rest += part
                continue
            block = rest + part[:end] if rest else part[:end] if end < len(part) else part
            rest = part[end:]
            while skip and block:
                block = block[block.index(b"\n") + 1 :]
                skip -= 1
            yield np.frombuffer(block, dtype=np.uint8)
            self.line += block.count(b"\n")
        if len(rest) > HEAD_BYTES:
            self._refuse_long_line(rest, b"")
        if rest and not skip:
            yield np.frombuffer(rest, dtype=np.uint8)

    def _refuse_long_line(self, rest: bytes, part: bytes) -> None:
        """Raise UserError if the line that began in `rest` is longer than a row can be."""
        end = part.find(b"\n")
        if len(rest) + (end if end >= 0 else len(part)) > HEAD_BYTES:
            raise UserError(
                f"a line longer than {HEAD_BYTES} bytes: this is no tick file",
                place=f"{self.source.path}, row {self.row} (line {self.line})",
            )

    def rows(self, data: Bytes) -> Iterator[Rows]:
        layout = self.layout
        position = row = 0
        while position < len(data):
            room = min(ROWS_MOST, (len(data) - position) // 2 + 1)
            time_msc = np.empty(room, np.int64)
            bid, ask = np.empty(room), np.empty(room)
            malformed = np.empty(room, np.uint8)
            begins = np.empty(room, np.int64)
            row, status = 0, UNSURE
            while status == UNSURE:
                row, position, status = scan(
                    data, position, row, self.roles, layout.separator, layout.decimal, self.label,
                    layout.base_msc, layout.time_limit_msc, self.carried, layout.carries,
                    time_msc, bid, ask, malformed, begins,
                )  # fmt: skip
                if status == UNSURE:
                    line = data[begins[row] : position].tobytes()
                    malformed[row] = 0
                    try:
                        before = (float(self.carried[0]), float(self.carried[1]))
                        time_msc[row], bid[row], ask[row] = parse_line(line, layout, before)
                        if layout.carries:
                            self.carried[:] = bid[row], ask[row]
                    except Malformed:
                        malformed[row] = 1
                    row += 1
            here = _Here(data, begins[:row], self.row, self.line, layout)
            times = self._utc(time_msc[:row], malformed[:row])
            self.row += row
            if row:
                yield Rows(times, bid[:row], ask[:row], malformed[:row], here.place, here.why)

    def _utc(self, wall_msc: Int64s, malformed: Bytes) -> Int64s:
        """UTC of the rows; a malformed row gets its neighbours' time, so that none is wild."""
        good = malformed == 0
        if not good.all():
            times = wall_msc[good]
            wall_msc[~good] = times[0] if len(times) else 0
        return self.to_utc(wall_msc)


def separator_of(line: bytes) -> bytes:
    """What parts the columns of a head line: a tab, a semicolon, else a comma."""
    return next((mark for mark in (b"\t", b";") if mark in line), b",")
