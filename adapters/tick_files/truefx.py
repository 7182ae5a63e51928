"""TrueFX ticks: `EUR/USD,20130101 22:00:00.295,bid,ask`, in UTC (domain.md §6)."""

import re
from collections.abc import Iterator

from adapters.tick_files.layout import ASK, BID, LABEL, STAMP_SPACED, Layout
from adapters.tick_files.rows import Rows, Wanted
from adapters.tick_files.source import Source
from adapters.tick_files.text import first_lines, read_text
from adapters.tick_files.zones import to_utc

NAME = "truefx"
LINE = re.compile(rb"([A-Za-z0-9._]{2,12}/[A-Za-z0-9._]{2,12}),\d{8} \d\d:\d\d:\d\d.*")


def recognise(source: Source) -> bool:
    """Whether one of the first lines is a pair and TrueFX's stamp."""
    return _pair(source.head) is not None


def read(source: Source, wanted: Wanted) -> Iterator[Rows]:
    """The rows; one of another pair than the first is malformed. The wanted zone is not used."""
    del wanted
    layout = Layout(
        roles=(LABEL, STAMP_SPACED, BID, ASK),
        separator=ord(","),
        label=_pair(source.head) or b"",
    )
    return read_text(source, layout, to_utc("UTC"))


def _pair(head: bytes) -> bytes | None:
    for line in first_lines(head):
        if match := LINE.fullmatch(line):
            return match[1]
    return None
