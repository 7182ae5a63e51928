"""What is in a tick file, for somebody who wonders whether to trust it."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from adapters.tick_files import mt5_capture
from adapters.tick_files.convert import digits_in
from adapters.tick_files.front import opened_rows
from adapters.tick_files.rows import Wanted
from adapters.tick_files.sessions import is_open
from adapters.tick_files.sift import Column, Sieve
from adapters.tick_files.source import open_source, sha256_of
from adapters.tick_files.store import header_of
from adapters.tick_files.suspicion import Suspicion, by_collection, by_weekends
from engine.marking.ticks import Floats, Int64s

GAPS_MOST = 200


class Gap(msgspec.Struct, frozen=True):
    """A time without ticks."""

    from_msc: int
    """UTC ms of the last tick before."""
    to_msc: int
    """UTC ms of the first tick after."""
    seconds: float
    closed: bool
    """Whether the FX week was closed at some time in it."""


class Spread(msgspec.Struct, frozen=True):
    """How far ask was above bid, in points (the last digit of the price)."""

    min_points: float
    median_points: float
    p99_points: float
    max_points: float


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What one file holds."""

    path: str
    format: str
    sha256: str
    symbol: str
    digits: int
    rows: int
    """All rows, good and bad."""
    valid_rows: int
    invalid_rows: int
    invalid_by_cause: dict[str, int]
    defects: tuple[str, ...]
    """Where the first bad rows are and why."""
    replayable: bool
    """False if more than half the rows are bad: a replay refuses the file."""
    first_msc: int | None
    last_msc: int | None
    gaps: tuple[Gap, ...]
    """Longer than the threshold, in time order; the longest ones if there are very many."""
    gap_count: int
    equal_times: int
    """Good rows in the same millisecond as the one before."""
    repeated: int
    """Those of them that also have its bid and its ask."""
    most_in_a_second: int
    spread: Spread | None
    """None without a good row."""
    suspected_zone: tuple[Suspicion, ...]
    """Why the times may not be UTC though read so; empty if nothing speaks against them."""
    synthetic: str | None
    """How the ticks were made up, if the file says they were."""


def inspect(
    path: Path,
    *,
    symbol: str | None = None,
    zone: str = "UTC",
    day: date | None = None,
    digits: int | None = None,
    gap_s: float = 60.0,
    defects_most: int = 20,
) -> Inspection:
    """Everything about one file, also about a mostly bad one.

    `symbol` is by default the store's own, else the file's first name.

    Raises:
        UserError: the file is broken, of no known format, or lacks a day or digits nobody gave.
    """
    header = header_of(path)
    symbol = symbol or (header.symbol if header else path.name.split(".")[0])
    digits = digits if digits is not None or header is None else header.digits
    column = Column()
    sieve = Sieve(str(path), symbol, column, defects_most)
    with opened_rows(path, Wanted(symbol, zone=zone, day=day, digits=digits)) as opened:
        _, name, pieces = opened
        for rows in pieces:
            sieve.add(rows)
    times, bids, asks = column.joined()
    if digits is None:
        digits = digits_in(bids, asks)
    gaps = _gaps(times, gap_s)
    same = np.diff(times) == 0
    quality = sieve.quality(name, sha256_of(path))
    return Inspection(
        path=str(path),
        format=name,
        sha256=quality.sha256,
        symbol=symbol,
        digits=digits,
        rows=quality.rows,
        valid_rows=len(times),
        invalid_rows=quality.invalid_rows,
        invalid_by_cause=quality.invalid_by_cause,
        defects=tuple(sieve.located),
        replayable=2 * quality.invalid_rows <= quality.rows,
        first_msc=quality.first_msc,
        last_msc=quality.last_msc,
        gaps=_longest(gaps),
        gap_count=len(gaps),
        equal_times=int(same.sum()),
        repeated=int((same & (np.diff(bids) == 0) & (np.diff(asks) == 0)).sum()),
        most_in_a_second=int(np.unique(times // 1000, return_counts=True)[1].max(initial=0)),
        spread=_spread(bids, asks, digits),
        suspected_zone=tuple(_suspicions(path, name, times, zone)),
        synthetic=header.synthetic if header else None,
    )


def _gaps(times: Int64s, gap_s: float) -> list[Gap]:
    after = np.flatnonzero(np.diff(times) > gap_s * 1000.0) + 1
    found = []
    for i in after.tolist():
        start, stop = int(times[i - 1]), int(times[i])
        # The week is closed for two days, so looking every half hour cannot miss it.
        looks = range(start // 1000 + 1, stop // 1000, 1_800)
        closed = any(not is_open(second) for second in looks[: 24 * 2 * 4])
        found.append(Gap(start, stop, (stop - start) / 1000.0, closed))
    return found


def _longest(gaps: list[Gap]) -> tuple[Gap, ...]:
    longest = sorted(gaps, key=lambda gap: -gap.seconds)[:GAPS_MOST]
    return tuple(sorted(longest, key=lambda gap: gap.from_msc))


def _spread(bids: Floats, asks: Floats, digits: int) -> Spread | None:
    if not len(bids):
        return None
    # Rounded to a tenth of a point: the difference of two doubles is not a whole number of them.
    points = np.round((asks - bids) * 10.0**digits, 1)
    return Spread(
        float(points.min()),
        float(np.median(points)),
        round(float(np.percentile(points, 99)), 1),
        float(points.max()),
    )


def _suspicions(path: Path, name: str, times: Int64s, zone: str) -> Iterable[Suspicion]:
    yield from by_weekends(times)
    if name != mt5_capture.NAME or zone != "UTC":
        return
    with open_source(path) as source:
        if mt5_capture.is_json(source.head):
            yield from by_collection(mt5_capture.captured_ticks(source))
