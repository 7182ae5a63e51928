"""QuantConnect Lean quote ticks: a day a file, `ms since midnight,bid,ask` (domain.md §6)."""

import re
from collections.abc import Iterator

from adapters.tick_files.dates import day_of, midnight_msc
from adapters.tick_files.layout import ASK, BID, DAY_MSC, TIME_MSC, Layout
from adapters.tick_files.rows import Rows, Wanted
from adapters.tick_files.source import Source
from adapters.tick_files.text import first_lines, read_text
from adapters.tick_files.zones import to_utc

NAME = "lean"
LINE = re.compile(rb"(\d+)(?:\.\d*)?,-?[\d.]+,-?[\d.]+")


def recognise(source: Source) -> bool:
    """Whether one of the first lines is a time of day and two prices, and nothing else."""
    return any(
        (match := LINE.fullmatch(line.rstrip())) and int(match[1]) < DAY_MSC
        for line in first_lines(source.head)
    )


def read(source: Source, wanted: Wanted) -> Iterator[Rows]:
    """The rows; raises UserError if neither the name nor the caller says which day it is."""
    layout = Layout(
        roles=(TIME_MSC, BID, ASK),
        separator=ord(","),
        base_msc=midnight_msc(day_of(source.path, source.member, wanted.day)),
        time_limit_msc=DAY_MSC,
    )
    return read_text(source, layout, to_utc(wanted.zone))
