"""What every format's reader yields: rows not yet judged, and how to say where one is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from engine.marking.ticks import Floats, Int64s

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Rows:
    """Some consecutive rows of one file; the four arrays have one length."""

    time_msc: Int64s
    """UTC milliseconds."""
    bid: Floats
    ask: Floats
    malformed: Bytes
    """1 where the row could not be read; the other columns mean nothing there."""
    place: Callable[[int], str]
    """Where row `i` of these stands in its file, for a person: `row 17 (line 18)`."""
    why: Callable[[int], str]
    """Why row `i` of these is malformed, for a person; may be empty for a price not finite."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller knows about a file that its format may lack."""

    symbol: str
    zone: str = "UTC"
    """The wall clock of the formats that have none of their own."""
    day: date | None = None
    digits: int | None = None
    """Of the symbol's prices; .bi5 holds integers and needs it."""


def no_rows() -> Rows:
    """Nothing: what an hour without a tick holds."""
    return Rows(
        np.empty(0, np.int64),
        np.empty(0, np.float64),
        np.empty(0, np.float64),
        np.empty(0, np.uint8),
        counted,
        unexplained,
    )


def counted(i: int) -> str:
    """The place of row `i` where all rows of the file are in one piece and lines mean nothing."""
    return f"row {i + 1}"


def unexplained(_: int) -> str:
    """No reason beyond what the numbers say."""
    return ""
