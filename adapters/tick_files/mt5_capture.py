"""Ticks captured from MetaTrader 5 by a program: JSON or CSV with `time_msc, bid, ask`.

JSON is `{"metadata": ..., "ticks": [...]}` or the bare list; CSV has its columns in any order and
says which in its head line. `time_msc` is the server's wall clock, whatever the metadata says: a
real capture was an hour ahead of its own `collected_msc` while claiming an offset of zero
(domain.md §5).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from adapters.tick_files.layout import (
    ASK,
    BID,
    END_MSC,
    FIRST_MSC,
    IGNORED,
    LABEL,
    TIME_MSC,
    Layout,
)
from adapters.tick_files.rows import Rows, Wanted
from adapters.tick_files.source import Source
from adapters.tick_files.text import first_lines, read_text, separator_of
from adapters.tick_files.zones import to_utc
from engine.errors import UserError

NAME = "mt5_capture"
ROLES = {b"time_msc": TIME_MSC, b"bid": BID, b"ask": ASK, b"symbol": LABEL}


class CapturedTick(msgspec.Struct):
    """One tick of a JSON capture; whatever else it says is passed over."""

    time_msc: Any = None
    bid: Any = None
    ask: Any = None
    collected_msc: Any = None
    """The capturing machine's own clock (UTC), where the program wrote it down."""


Item = CapturedTick | int | float | str | bool | None | list[Any]


class _Capture(msgspec.Struct):
    ticks: list[Item]


def recognise(source: Source) -> bool:
    """Whether it is JSON, or has a head line with the three names."""
    return is_json(source.head) or bool(_columns(source.head))


def is_json(head: bytes) -> bool:
    """Whether the text begins as a JSON object or list does."""
    return head.lstrip()[:1] in (b"{", b"[")


def read(source: Source, wanted: Wanted) -> Iterator[Rows]:
    """The rows, with `time_msc` moved from the wanted zone to UTC.

    JSON is read whole (about 100 bytes a tick beside its text). Raises UserError for JSON that is
    cut short or is no capture.
    """
    if not is_json(source.head):
        yield from read_text(source, _layout(source.head), to_utc(wanted.zone))
        return
    ticks = captured_ticks(source)
    n = len(ticks)
    times = np.zeros(n, np.int64)
    prices = np.full((2, n), np.nan)
    malformed = np.zeros(n, np.uint8)
    for i, tick in enumerate(ticks):
        if reason(tick):
            malformed[i] = 1
        else:
            assert isinstance(tick, CapturedTick), "anything else has a reason"
            times[i], prices[0, i], prices[1, i] = int(tick.time_msc), tick.bid, tick.ask
    good = np.flatnonzero(malformed == 0)
    times[malformed != 0] = times[good[0]] if len(good) else 0
    yield Rows(
        to_utc(wanted.zone)(times),
        prices[0],
        prices[1],
        malformed,
        lambda i: f"row {i + 1} (ticks[{i}])",
        lambda i: reason(ticks[i]),
    )


def captured_ticks(source: Source) -> Sequence[Item]:
    """The ticks of a JSON capture, unjudged; raises UserError if it is broken or is none."""
    content = source.everything()
    try:
        if content.lstrip()[:1] == b"[":
            return msgspec.json.decode(content, type=list[Item])
        return msgspec.json.decode(content, type=_Capture).ticks
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        row = max(content.count(b'"time_msc"'), 1)
        raise UserError(
            f"not a whole JSON capture: {error}",
            place=f"{source.path}, row {row} is the last one begun",
            help='wanted is {"ticks": [{"time_msc": ..., "bid": ..., "ask": ...}, ...]}',
        ) from error


def reason(tick: Item) -> str:
    """Why this is no tick, or nothing if it is one."""
    if not isinstance(tick, CapturedTick):
        return "not an object"
    for name in ("time_msc", "bid", "ask"):
        value = getattr(tick, name)
        if type(value) not in (int, float):
            return f"{name} is {ascii(value)[:40]}, not a number"
    if not FIRST_MSC <= tick.time_msc < END_MSC:
        return f"time_msc {tick.time_msc} is outside 1970 to 2099"
    if max(abs(tick.bid), abs(tick.ask)) > 1e300:
        return "bid or ask is beyond any price"
    return ""


def _columns(head: bytes) -> list[bytes]:
    lines = first_lines(head, 1)
    if not lines:
        return []
    names = [name.strip(b" \"'\r").lower() for name in lines[0].split(separator_of(lines[0]))]
    return names if {b"time_msc", b"bid", b"ask"} <= set(names) else []


def _layout(head: bytes) -> Layout:
    """The columns by the head line; every row must name the symbol that the first one names."""
    lines = head.split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.strip())
    separator = separator_of(lines[at])
    names = _columns(head)
    roles = [ROLES.get(name, IGNORED) for name in names]
    rows = first_lines(b"\n".join(lines[at + 1 :]), 1)
    fields = rows[0].split(separator) if rows else []
    label = b""
    if LABEL in roles and roles.index(LABEL) < len(fields):
        label = fields[roles.index(LABEL)].rstrip(b"\r")
    return Layout(roles=tuple(roles), separator=separator[0], label=label, header_lines=at + 1)
