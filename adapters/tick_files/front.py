"""Tick files of any format, recognised by their content, judged and merged into one stream."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import numpy as np

from adapters.tick_files import bi5, histdata, lean, mt5_capture, mt5_tsv, store, truefx
from adapters.tick_files.merge import Columns, MergedTicks
from adapters.tick_files.rows import Rows, Wanted
from adapters.tick_files.sift import Column, Sieve
from adapters.tick_files.source import Source, open_source, sha256_of
from adapters.tick_files.store import header_of
from adapters.tick_files.zones import to_utc
from engine.errors import UserError
from engine.marking.ticks import FileQuality, Int64s, TickStream

Progress = Callable[[str, float], None]

FORMATS: tuple[ModuleType, ...] = (store, bi5, mt5_tsv, mt5_capture, histdata, truefx, lean)
"""Each has `NAME`, `recognise(source)` and `read(source, wanted)`; the first to recognise reads."""


def open_ticks(
    sources: Sequence[tuple[str, Sequence[Path]]],
    *,
    zones: Mapping[str, str] | None = None,
    dates: Mapping[str, date] | None = None,
    digits: Mapping[str, int] | None = None,
    from_msc: int | None = None,
    to_msc: int | None = None,
    progress: Progress | None = None,
) -> TickStream:
    """The good rows of all files, merged by UTC ms; equal times keep the order of `sources`.

    `zones`, `dates` and `digits` are by symbol and tell what a format may lack. `from_msc` is
    inclusive, `to_msc` exclusive; ticks outside have no index. `progress` is told a path and how
    much of that file is read, 0 to 1. Memory: 24 bytes a row, none for an unpacked store.

    Raises:
        UserError: a file is missing, broken, of no known format, mostly bad, or lacks something
            nobody told; a zone is unknown; a zone or date is for a symbol without files.
    """
    files: dict[str, list[Path]] = {}
    for symbol, paths in sources:
        files.setdefault(symbol, []).extend(paths)
    _check_names("zone", zones or {}, files)
    _check_names("date", dates or {}, files)
    for zone in (zones or {}).values():
        to_utc(zone)  # also where the format has its own clock: a wrong name is a mistake
    columns: list[Columns] = []
    quality: list[FileQuality] = []
    for symbol, paths in files.items():
        wanted = Wanted(
            symbol,
            zone=(zones or {}).get(symbol, "UTC"),
            day=(dates or {}).get(symbol),
            digits=(digits or {}).get(symbol),
        )
        column = Column()
        read = [read_file(path, wanted, column, progress) for path in paths]
        times, bids, asks = column.joined()
        part = _part(times, from_msc, to_msc)
        quality.extend(_moved(file, part) for file in read)
        columns.append((times[part], bids[part], asks[part]))
    return MergedTicks(tuple(files), tuple(columns), tuple(quality))


def read_file(
    path: Path, wanted: Wanted, column: Column, progress: Progress | None = None
) -> FileQuality:
    """Add the good rows of one file to its symbol's `column`; raises UserError as `open_ticks`."""
    sieve = Sieve(str(path), wanted.symbol, column)
    with opened_rows(path, wanted) as (source, name, pieces):
        for rows in pieces:
            sieve.add(rows)
            if progress:
                progress(str(path), source.fraction())
    if progress:
        progress(str(path), 1.0)
    sieve.refuse_mostly_bad()
    quality = sieve.quality(name, source.sha256 or sha256_of(path))
    header = header_of(path) if name == store.NAME else None
    return replace(quality, synthetic=header.synthetic) if header else quality


@contextmanager
def opened_rows(path: Path, wanted: Wanted) -> Iterator[tuple[Source, str, Iterator[Rows]]]:
    """The file at `path`, its format's name and its rows, not yet judged."""
    with open_source(path) as source:
        form = recognised(source)
        yield source, form.NAME, form.read(source, wanted)


def recognised(source: Source) -> ModuleType:
    """The format of this file by its content; raises UserError if it is none of ours."""
    for form in FORMATS:
        if form.recognise(source):
            return form
    head = source.head
    if not head.strip():
        raise UserError("the file is empty", place=f"{source.path}, row 1")
    shown = ascii(head[:40].decode("latin-1"))
    raise UserError(
        f"no tick file format known here; it begins {shown}",
        place=f"{source.path}, row 1",
        help="known are " + ", ".join(form.NAME for form in FORMATS),
    )


def _check_names(option: str, given: Mapping[str, object], files: Mapping[str, object]) -> None:
    for symbol in given:
        if symbol not in files:
            raise UserError(
                f"a {option} is given for {symbol!r}, which has no tick files",
                help="symbols with tick files: " + ", ".join(files),
            )


def warm_up() -> None:
    """Compile, or load from numba's cache, all that reading ticks needs: up to some seconds once.

    Without it the first file that is read waits for that.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "20140502.csv"
        path.write_bytes(b"1,1.1,1.2\n2,1.1,1.2\n")
        stream = open_ticks([("A", [path]), ("B", [path])])
        assert sum(map(len, stream.batches(3))) == 4, "two rows of two symbols are four ticks"


def _part(times: Int64s, from_msc: int | None, to_msc: int | None) -> slice:
    """The rows within the range."""
    start = 0 if from_msc is None else int(np.searchsorted(times, from_msc, side="left"))
    stop = len(times) if to_msc is None else int(np.searchsorted(times, to_msc, side="left"))
    return slice(start, max(start, stop))


def _moved(file: FileQuality, part: slice) -> FileQuality:
    """The quality with its bad rows counted from the first tick of the part, those outside left."""
    runs = tuple(
        replace(run, after_ticks=run.after_ticks - part.start)
        for run in file.invalid_runs
        if part.start <= run.after_ticks < part.stop
    )
    return replace(file, invalid_runs=runs)
