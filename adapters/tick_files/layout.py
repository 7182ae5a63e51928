"""What the columns of a text format are: drives the compiled scanner and its plain twin."""

from dataclasses import dataclass

IGNORED = 0
"""Any text."""
BID = 1
ASK = 2
TIME_MSC = 3
"""Milliseconds, a fraction dropped; counted from `base_msc` of the file."""
DATE = 4
"""`2022.11.10`, also with `-` or `/`."""
CLOCK = 5
"""`15:00:00.017`; the fraction may be absent, digits after the third are dropped."""
STAMP_PACKED = 6
"""`20130101 170014123` (HistData)."""
STAMP_SPACED = 7
"""`20130101 22:00:00.295` (TrueFX)."""
LABEL = 8
"""Must be exactly the layout's `label`."""
NUMBER_OR_BLANK = 9

FIRST_MSC = 0
"""1970-01-01; earlier is malformed."""
END_MSC = 4_102_444_800_000
"""2100-01-01; this and later is malformed: a wild time would put every later row out of order."""
DAY_MSC = 86_400_000


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one text file are to be read."""

    roles: tuple[int, ...]
    """One a column; a row of any other number of columns is malformed."""
    separator: int
    """The byte between columns."""
    decimal: int = ord(".")
    """The byte a price may have instead of a point."""
    carries: bool = False
    """A blank price means unchanged since the row before (MT5)."""
    label: bytes = b""
    base_msc: int = 0
    """Added to a `TIME_MSC` column."""
    time_limit_msc: int = END_MSC
    """A `TIME_MSC` column must be below this before `base_msc` is added."""
    header_lines: int = 0
    """Lines before the first row."""
