"""Ticks in columns: what a reader of tick files yields and the marking kernel eats."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TickBatch:
    """Consecutive valid ticks of a merged stream, oldest first; all four arrays have one length.

    Valid means: finite, positive, `ask >= bid`, and not earlier than the tick before it.
    """

    symbols: tuple[str, ...]
    """Every symbol of the stream, the same tuple in every batch."""
    first_index: int
    """Index in the merged stream of the first tick here."""
    time_msc: Int64s
    """UTC milliseconds, never falling."""
    symbol: Int32s
    """Index into `symbols`."""
    bid: Floats
    ask: Floats

    def __len__(self) -> int:
        return len(self.time_msc)

    def part(self, start: int, stop: int) -> "TickBatch":
        """The ticks from offset `start` up to `stop`, as views of the same arrays."""
        return TickBatch(
            self.symbols,
            self.first_index + start,
            self.time_msc[start:stop],
            self.symbol[start:stop],
            self.bid[start:stop],
            self.ask[start:stop],
        )


@dataclass(frozen=True, slots=True)
class InvalidRun:
    """Consecutive bad rows of a symbol's files."""

    after_ticks: int
    """How many ticks of the symbol come before them in the stream."""
    rows: int
    cause: str
    """Of the last of them."""


@dataclass(frozen=True, slots=True)
class FileQuality:
    """What one tick file held, good and bad."""

    path: str
    symbol: str
    format: str
    sha256: str
    rows: int
    """All data rows, valid or not, before any cut to a time range."""
    invalid_rows: int
    invalid_by_cause: dict[str, int]
    """Causes: `crossed`, `not_positive`, `malformed`, `out_of_order`."""
    first_invalid: str | None
    """Where the first bad row is and why, for a person: `row 17: ask 1.1 below bid 1.2`."""
    first_msc: int | None
    last_msc: int | None
    synthetic: str | None = None
    """How its ticks were made up, where the file says that they were."""
    invalid_runs: tuple[InvalidRun, ...] = ()
    """Where the bad rows were, in the order of the file; the first `MOST_INVALID_RUNS` of them."""


MOST_INVALID_RUNS = 100_000


class TickStream(Protocol):
    """Several tick files merged by UTC millisecond; equal times keep the order they were given."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol of the stream, in the order they were given."""

    def batches(self, max_ticks: int) -> Iterator[TickBatch]:
        """The whole stream from its first tick, in batches of at most `max_ticks`; repeatable."""

    def quality(self) -> tuple[FileQuality, ...]:
        """One entry a file, in the order given; complete before the first batch is asked for."""
