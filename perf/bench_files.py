"""Reading tick files: rows per second of each format, on the same synthetic rows."""

import argparse
import gzip
import json
import lzma
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from adapters.tick_files.convert import write_ticks
from adapters.tick_files.front import open_ticks, warm_up
from perf.workload import PricePath, synthetic_path

DIGITS = 3
TEXT_ROWS = 1_000_000
SLOW_ROWS = 200_000
"""For formats whose samples are made row by row here."""


def measure(repeats: int) -> dict[str, dict[str, object]]:
    """Rows per second of each format, reading to the last merged tick."""
    warm_up()
    found: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, (rows, write) in FORMATS.items():
            path = synthetic_path(rows)
            file = write(path, folder)
            speeds = []
            for _ in range(repeats):
                began = time.perf_counter()
                stream = open_ticks([("XAUUSD", [file])], digits={"XAUUSD": DIGITS})
                ticks = sum(len(batch) for batch in stream.batches(65_536))
                speeds.append(rows / (time.perf_counter() - began))
            assert ticks == rows, f"{kind}: {ticks} of {rows} rows were read"
            found[kind] = {"rows": rows, "bytes": file.stat().st_size, "rows_per_second": speeds}
    return found


def _store(path: PricePath, folder: Path) -> Path:
    file = folder / "XAUUSD.ticks"
    write_ticks(file, "store", "XAUUSD", DIGITS, path.time_msc, path.bid, path.ask)
    return file


def _mt5_tsv(path: PricePath, folder: Path) -> Path:
    file = folder / "XAUUSD.tsv"
    write_ticks(file, "mt5-tsv", "XAUUSD", DIGITS, path.time_msc, path.bid, path.ask)
    return file


def _mt5_tsv_gzip(path: PricePath, folder: Path) -> Path:
    file = folder / "XAUUSD.tsv.gz"
    file.write_bytes(gzip.compress(_mt5_tsv(path, folder).read_bytes(), 6))
    return file


def _moments(path: PricePath) -> list[datetime]:
    return [datetime.fromtimestamp(t / 1000, UTC) for t in path.time_msc.tolist()]


def _histdata(path: PricePath, folder: Path) -> Path:
    file = folder / "DAT_ASCII.csv"
    rows = zip(_moments(path), path.bid.tolist(), path.ask.tolist(), strict=True)
    file.write_text(
        "".join(f"{m:%Y%m%d %H%M%S}{m.microsecond // 1000:03},{b},{a},0\n" for m, b, a in rows)
    )
    return file


def _truefx(path: PricePath, folder: Path) -> Path:
    file = folder / "truefx.csv"
    rows = zip(_moments(path), path.bid.tolist(), path.ask.tolist(), strict=True)
    file.write_text(
        "".join(
            f"XAU/USD,{m:%Y%m%d %H:%M:%S}.{m.microsecond // 1000:03},{b},{a}\n" for m, b, a in rows
        )
    )
    return file


def _one_day(path: PricePath) -> list[int]:
    """Times squeezed into one day, for formats that hold a day or an hour."""
    times: list[int] = np.linspace(0, 86_000_000, len(path.bid)).astype(int).tolist()
    return times


def _lean(path: PricePath, folder: Path) -> Path:
    file = folder / "20140501_quote.zip"
    rows = zip(_one_day(path), path.bid.tolist(), path.ask.tolist(), strict=True)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20140501_quote.csv", "".join(f"{t},{b},{a}\n" for t, b, a in rows))
    return file


def _bi5(path: PricePath, folder: Path) -> Path:
    file = folder / "2014-05-01_10h_ticks.bi5"
    times = [t // 24 for t in _one_day(path)]
    scale = 10**DIGITS
    body = b"".join(
        struct.pack(">IIIff", t, round(a * scale), round(b * scale), 1.0, 1.0)
        for t, b, a in zip(times, path.bid.tolist(), path.ask.tolist(), strict=True)
    )
    file.write_bytes(lzma.compress(body, format=lzma.FORMAT_ALONE))
    return file


FORMATS: dict[str, tuple[int, Callable[[PricePath, Path], Path]]] = {
    "store": (TEXT_ROWS, _store),
    "mt5_tsv": (TEXT_ROWS, _mt5_tsv),
    "mt5_tsv_gzip": (TEXT_ROWS, _mt5_tsv_gzip),
    "histdata": (SLOW_ROWS, _histdata),
    "truefx": (SLOW_ROWS, _truefx),
    "lean_zip": (SLOW_ROWS, _lean),
    "bi5": (SLOW_ROWS, _bi5),
}


def main() -> None:
    """Prints the measurements as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    print(json.dumps(measure(parser.parse_args().repeats)))


if __name__ == "__main__":
    main()
