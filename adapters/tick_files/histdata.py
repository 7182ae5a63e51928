"""HistData ASCII ticks: `YYYYMMDD HHMMSSmmm,bid,ask,0`, at UTC-5 all year (domain.md §6)."""

import re
from collections.abc import Iterator

from adapters.tick_files.layout import ASK, BID, NUMBER_OR_BLANK, STAMP_PACKED, Layout
from adapters.tick_files.rows import Rows, Wanted
from adapters.tick_files.source import Source
from adapters.tick_files.text import first_lines, read_text
from engine.marking.ticks import Int64s

NAME = "histdata"
LINE = re.compile(rb"\d{8} \d{9},[^,]+,[^,]+,[^,]*")
BEHIND_UTC_MSC = 5 * 3_600_000
LAYOUT = Layout(roles=(STAMP_PACKED, BID, ASK, NUMBER_OR_BLANK), separator=ord(","))


def recognise(source: Source) -> bool:
    """Whether one of the first lines has HistData's stamp and three columns more."""
    return any(LINE.fullmatch(line) for line in first_lines(source.head))


def read(source: Source, wanted: Wanted) -> Iterator[Rows]:
    """The rows; the format fixes its own clock, so the wanted zone is not used."""
    del wanted
    return read_text(source, LAYOUT, _to_utc)


def _to_utc(wall_msc: Int64s) -> Int64s:
    return wall_msc + BEHIND_UTC_MSC
