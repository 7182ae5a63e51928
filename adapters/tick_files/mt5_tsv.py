"""MetaTrader 5 "Export ticks": `<DATE> <TIME> <BID> <ASK> <LAST> <VOLUME> <FLAGS>` (domain.md §6).

Times are the server's wall clock. A blank price means unchanged; the last known one of its column
is carried forward, also from a row that may not be valued (crossed, say), but not from a malformed
one. FLAGS, LAST and VOLUME must be numbers or blank, and are not used: what changed shows in the
prices, and brokers set undocumented bits.
"""

import re
from collections import Counter
from collections.abc import Iterator

from adapters.tick_files.layout import ASK, BID, CLOCK, DATE, IGNORED, NUMBER_OR_BLANK, Layout
from adapters.tick_files.rows import Rows, Wanted
from adapters.tick_files.source import Source
from adapters.tick_files.text import first_lines, read_text, separator_of
from adapters.tick_files.zones import to_utc

NAME = "mt5_tsv"
ROLES = {
    b"DATE": DATE,
    b"TIME": CLOCK,
    b"BID": BID,
    b"ASK": ASK,
    b"LAST": NUMBER_OR_BLANK,
    b"VOLUME": NUMBER_OR_BLANK,
    b"FLAGS": NUMBER_OR_BLANK,
}
ROW = re.compile(rb"\d{4}[./-]\d\d[./-]\d\d[\t,;]\d\d:\d\d:\d\d(?:\.\d*)?[\t,;].*")
LINES_LOOKED_AT = 20


def recognise(source: Source) -> bool:
    """Whether it has MT5's head line, or rows that begin with MT5's date and time."""
    lines = first_lines(source.head)
    return any(_head(line) or ROW.fullmatch(line) for line in lines)


def layout_of(head: bytes) -> Layout:
    """The columns of a file that begins with `head`; where it has no head line, MT5's own order.

    The number of columns is that of most of the first rows: exports without FLAGS are common, a
    row of another length later in the file is malformed.
    """
    lines = head.split(b"\n")
    at = next((i for i, line in enumerate(lines) if line.strip()), 0)
    names = _head(lines[at])
    rows = first_lines(b"\n".join(lines[at + bool(names) :]), LINES_LOOKED_AT)
    separator = separator_of(rows[0] if rows else lines[at])
    roles = [ROLES.get(name, IGNORED) for name in names or ROLES]
    if rows:
        counts = Counter(line.rstrip(b"\r").count(separator) + 1 for line in rows)
        roles = roles[: max(counts.most_common(1)[0][0], _prices_end(roles))]
    return Layout(
        roles=tuple(roles),
        separator=separator[0],
        decimal=ord(".") if separator == b"," else ord(","),
        carries=True,
        header_lines=at + 1 if names else 0,
    )


def read(source: Source, wanted: Wanted) -> Iterator[Rows]:
    """The rows, with their times moved from the wanted zone to UTC."""
    return read_text(source, layout_of(source.head), to_utc(wanted.zone))


def _head(line: bytes) -> list[bytes]:
    """The names in a head line, in capitals and without their brackets; none if it is no head."""
    names = [name.strip(b" <>\r").upper() for name in line.split(separator_of(line))]
    return names if {b"DATE", b"TIME", b"BID", b"ASK"} <= set(names) else []


def _prices_end(roles: list[int]) -> int:
    return max(i for i, role in enumerate(roles) if role in (DATE, CLOCK, BID, ASK)) + 1
