"""Tick files of any format to our store, or to what MetaTrader 5 would have exported."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from adapters.tick_files.front import Progress, read_file
from adapters.tick_files.rows import Wanted
from adapters.tick_files.sift import Column
from adapters.tick_files.store import StoreHeader, header_of, write_store
from engine.aside import written_aside
from engine.errors import UserError
from engine.marking.ticks import FileQuality, Floats, Int64s

TARGETS = ("store", "mt5-tsv")
TSV_HEAD = b"<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n"
TSV_ROWS_AT_ONCE = 1 << 16
DIGITS_MOST = 10
SOURCES_MOST = 1000


class Converted(msgspec.Struct, frozen=True):
    """What a conversion wrote."""

    path: str
    to: str
    symbol: str
    digits: int
    rows: int
    """Good rows, all of them written."""
    invalid_rows: int
    """Bad rows of the files, left out."""
    first_msc: int | None
    last_msc: int | None
    quality: tuple[FileQuality, ...]
    """One entry a file that was read."""


def convert(
    paths: Sequence[Path],
    out: Path,
    *,
    symbol: str,
    to: str = "store",
    digits: int | None = None,
    zone: str = "UTC",
    day: date | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Write the good rows of the files, in the order given, to `out`, whole or not at all.

    `digits` (found from the prices, or a store's own, where not given) is how many decimals MT5
    TSV prices have; a price with more is refused, so nothing is lost. TSV times are UTC.

    Raises:
        UserError: as `open_ticks`; also if `out` cannot be written.
    """
    wanted = Wanted(symbol, zone=zone, day=day, digits=digits)
    column = Column()
    quality = tuple(read_file(path, wanted, column, progress) for path in paths)
    times, bids, asks = column.joined()
    headers = [header for path in paths if (header := header_of(path))]
    if digits is None and headers:
        digits = max(header.digits for header in headers)
    if digits is None:
        digits = digits_in(bids, asks)
    said = next((header.synthetic for header in headers if header.synthetic), None)
    bad = sum(file.invalid_rows for file in quality)
    write_ticks(
        out, to, symbol, digits, times, bids, asks,
        synthetic=said, sources=_sources([file.sha256 for file in quality]), invalid_rows=bad,
    )  # fmt: skip
    return Converted(
        path=str(out),
        to=to,
        symbol=symbol,
        digits=digits,
        rows=len(times),
        invalid_rows=bad,
        first_msc=int(times[0]) if len(times) else None,
        last_msc=int(times[-1]) if len(times) else None,
        quality=quality,
    )


def write_ticks(
    path: Path,
    to: str,
    symbol: str,
    digits: int,
    times: Int64s,
    bids: Floats,
    asks: Floats,
    *,
    synthetic: str | None = None,
    sources: tuple[str, ...] = (),
    invalid_rows: int = 0,
) -> None:
    """Write good rows as a store or MT5 TSV, aside and then renamed.

    Raises:
        UserError: for an unknown target, and for TSV prices that `digits` decimals cannot hold.
    """
    if to not in TARGETS:
        raise UserError(f"cannot convert to `{to}`", help="to " + " or ".join(TARGETS))
    if not 0 <= digits <= DIGITS_MOST:
        raise UserError(f"{digits} digits", place=str(path), help=f"0 to {DIGITS_MOST}")
    if to == "store":
        header = StoreHeader(
            symbol=symbol,
            digits=digits,
            synthetic=synthetic,
            sources=sources,
            invalid_rows=invalid_rows,
        )
        write_store(path, header, times, bids, asks)
        return
    for prices in (bids, asks):
        lost = _lost(prices, digits)
        if len(lost):
            raise UserError(
                f"the price {float(prices[lost[0]])!r} has more than {digits} digits",
                place=f"{path}, row {int(lost[0]) + 1}",
                help="give more --digits",
            )
    with written_aside(path) as out:
        out.write(TSV_HEAD)
        for start in range(0, len(times), TSV_ROWS_AT_ONCE):
            part = slice(start, start + TSV_ROWS_AT_ONCE)
            out.write(_tsv(times[part], bids[part], asks[part], digits))


def digits_in(bids: Floats, asks: Floats) -> int:
    """The fewest decimals that hold all these prices exactly; at most 10."""
    for digits in range(DIGITS_MOST):
        if not (len(_lost(bids, digits)) or len(_lost(asks, digits))):
            return digits
    return DIGITS_MOST


def _lost(prices: Floats, digits: int) -> Int64s:
    """Where the prices that this many decimals cannot hold are."""
    scale = 10.0**digits
    return np.flatnonzero(np.floor(prices * scale + 0.5) / scale != prices)


def _sources(digests: list[str]) -> tuple[str, ...]:
    """The files' digests; of very many (a year of hours) only the digest of them all, joined."""
    if len(digests) <= SOURCES_MOST:
        return tuple(digests)
    return (sha256("".join(digests).encode()).hexdigest(),)


def _tsv(times: Int64s, bids: Floats, asks: Floats, digits: int) -> bytes:
    """Rows as MT5 writes them; both prices in each, so FLAGS is BID and ASK (6)."""
    days: dict[int, str] = {}
    lines = []
    for msc, bid, ask in zip(times.tolist(), bids.tolist(), asks.tolist(), strict=True):
        day, rest = divmod(msc, 86_400_000)
        if day not in days:
            days[day] = f"{datetime.fromtimestamp(day * 86_400, UTC):%Y.%m.%d}"
        second, fraction = divmod(rest, 1000)
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        lines.append(
            f"{days[day]}\t{hour:02d}:{minute:02d}:{second:02d}.{fraction:03d}"
            f"\t{bid:.{digits}f}\t{ask:.{digits}f}\t\t\t6\r\n"
        )
    return "".join(lines).encode("ascii")
