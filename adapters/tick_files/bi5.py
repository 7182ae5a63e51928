"""Dukascopy .bi5: an hour of ticks a file, LZMA over 20-byte big-endian records (domain.md §6).

A record is `>IIIff`: ms in the hour, ask, bid (integers, price times 10^digits), two volumes.
A file of 0 bytes is an hour without a tick.
"""

import lzma
from collections.abc import Iterator

import numpy as np

from adapters.tick_files.dates import hour_msc
from adapters.tick_files.rows import Rows, Wanted, counted, no_rows
from adapters.tick_files.source import Source
from engine.errors import UserError

NAME = "bi5"
RECORD = np.dtype(
    [("ms", ">u4"), ("ask", ">u4"), ("bid", ">u4"), ("ask_volume", ">f4"), ("bid_volume", ">f4")]
)
HOUR_MSC = 3_600_000
ROWS_MOST = 3_600_000
"""In one hour; the fullest real ones hold some 50,000."""
LZMA_MEMORY_MOST = 256 << 20


def recognise(source: Source) -> bool:
    """Whether it begins as an LZMA file does, or is empty and named .bi5."""
    head = source.head
    if (source.member or source.path.name).lower().endswith(".bi5"):
        return head[:1] in (b"", b"\x5d")
    dictionary_bytes = int.from_bytes(head[1:5], "little")
    return (
        len(head) >= 13 and head[0] == 0x5D and dictionary_bytes.bit_count() == 1
        and dictionary_bytes >= 4096
    )  # fmt: skip


def read(source: Source, wanted: Wanted) -> Iterator[Rows]:
    """The rows of the hour, in one piece; the wanted zone is not used, the hour is UTC.

    Raises UserError if the hour or the symbol's digits are not known, or the file is broken.
    """
    start_msc = hour_msc(source.path, source.member, wanted.day)
    if not source.head:
        yield no_rows()
        return
    if wanted.digits is None:
        raise UserError(
            f"how many digits the prices of {wanted.symbol} have is not known",
            place=str(source.path),
            help=".bi5 holds whole numbers; the instrument in the book says its digits",
        )
    content = _unpacked(source)
    records = np.frombuffer(content, RECORD)
    late = records["ms"] >= HOUR_MSC
    scale = 10.0**wanted.digits
    yield Rows(
        start_msc + records["ms"].astype(np.int64),
        records["bid"] / scale,
        records["ask"] / scale,
        late.astype(np.uint8),
        counted,
        lambda i: f"millisecond {records['ms'][i]} is beyond the hour",
    )


def _unpacked(source: Source) -> bytes:
    """The records' bytes; raises UserError that names the row at which the file breaks off."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=LZMA_MEMORY_MOST)
    parts: list[bytes] = []
    have = 0
    trouble = ""
    try:
        while not unpacker.eof and have <= ROWS_MOST * RECORD.itemsize:
            packed = source.read(1 << 20) if unpacker.needs_input else b""
            if unpacker.needs_input and not packed:
                trouble = "cut short"
                break
            parts.append(unpacker.decompress(packed, max_length=1 << 22))
            have += len(parts[-1])
    except lzma.LZMAError as error:
        trouble = f"broken: {error}"
    if not trouble and (unpacker.unused_data or source.read(1)):
        trouble = "followed by bytes that are not its own"
    if not trouble and have > ROWS_MOST * RECORD.itemsize:
        trouble = f"no hour of ticks: more than {ROWS_MOST} rows"
    if not trouble and have % RECORD.itemsize:
        trouble = f"cut short: {have} bytes are not whole {RECORD.itemsize}-byte rows"
    if trouble:
        raise UserError(
            f"the .bi5 file is {trouble}",
            place=f"{source.path}, row {have // RECORD.itemsize + 1}",
            help="fetch it again",
        )
    return b"".join(parts)
