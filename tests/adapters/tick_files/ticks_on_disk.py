"""Small tick files for the tests, and where the real ones lie (never copied in here)."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.tick_files.front import open_ticks
from engine.marking.ticks import FileQuality

REAL = Path(__file__).parents[4] / "shared" / "ticks"


def real(folder: str) -> list[Path]:
    """The real tick files of one folder, by name; skips the test where they are not there."""
    if not (REAL / folder).is_dir():
        pytest.skip(f"the real tick files are not here: {REAL / folder}")
    return sorted(path for path in (REAL / folder).iterdir() if path.is_file())


def lean_zip(folder: Path, day: str, text: str) -> Path:
    """A Lean zip for one day."""
    path = folder / f"{day}_quote.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{day}_xauusd_tick_quote.csv", text)
    return path


Tick = tuple[int, int, str, float, float]


def ticks_of(
    *sources: tuple[str, Sequence[Path]], max_ticks: int = 1000, **options: Any
) -> tuple[list[Tick], tuple[FileQuality, ...]]:
    """Every tick as (index, time_msc, symbol, bid, ask), and the quality of each file."""
    stream = open_ticks(sources, **options)
    ticks: list[Tick] = []
    for batch in stream.batches(max_ticks):
        assert 0 < len(batch) <= max_ticks
        columns = (batch.time_msc, batch.symbol, batch.bid, batch.ask)
        for i, (time, symbol, bid, ask) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            ticks.append((batch.first_index + i, time, batch.symbols[symbol], bid, ask))
    return ticks, stream.quality()
