"""One line of a tick file to its numbers, in plain Python: the readable twin of `scan`."""

import re
from datetime import UTC, date, datetime
from math import isinf, nan

from adapters.tick_files import layout as roles
from adapters.tick_files.layout import Layout

NUMBER = re.compile(rb"-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
MILLISECONDS = re.compile(rb"(\d{1,15})(?:\.\d{0,17})?")
DATE = re.compile(rb"(\d{4})([./-])(\d\d)\2(\d\d)")
PACKED_DATE = re.compile(rb"(\d{4})(\d\d)(\d\d)")
CLOCK = re.compile(rb"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,17}))?")
PACKED_CLOCK = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d{3})")
EPOCH = date(1970, 1, 1)


class Malformed(Exception):  # noqa: N818 - it names the row, not a failure of ours
    """Why a line is no row."""


def parse_line(
    line: bytes, layout: Layout, carried: tuple[float, float] = (nan, nan)
) -> tuple[int, float, float]:
    """Time (ms, in the file's own clock), bid and ask of `line`.

    A blank price is the one in `carried` if the layout carries. Raises `Malformed` with the
    reason, for a person.
    """
    fields = line.rstrip(b"\r\n").split(bytes([layout.separator]))
    if len(fields) != len(layout.roles):
        raise Malformed(f"{len(fields)} columns instead of {len(layout.roles)}")
    msc = layout.base_msc
    bid, ask = carried if layout.carries else (nan, nan)
    for field, role in zip(fields, layout.roles, strict=True):
        if role == roles.BID:
            bid = _price(field, bid, layout, "bid")
        elif role == roles.ASK:
            ask = _price(field, ask, layout, "ask")
        elif role == roles.NUMBER_OR_BLANK:
            if field:
                _number(field, layout, "value")
        elif role == roles.LABEL:
            if field != layout.label:
                raise Malformed(f"{_shown(field)} instead of {_shown(layout.label)}")
        elif role != roles.IGNORED:
            msc += _time(field, role, layout)
    return msc, bid, ask


def _price(field: bytes, carried: float, layout: Layout, name: str) -> float:
    if field:
        return _number(field, layout, name)
    if carried != carried:
        raise Malformed(f"{name} is blank and there is none before it")
    return carried


def _number(field: bytes, layout: Layout, name: str) -> float:
    text = field.replace(bytes([layout.decimal]), b".")
    if not NUMBER.fullmatch(text):
        raise Malformed(f"{name} {_shown(field)} is no number")
    value = float(text)
    if isinf(value):
        raise Malformed(f"{name} {_shown(field)} is beyond any number")
    return value


def _time(field: bytes, role: int, layout: Layout) -> int:
    if role == roles.TIME_MSC:
        match = MILLISECONDS.fullmatch(field)
        if not match or int(match[1]) >= layout.time_limit_msc:
            raise Malformed(f"time {_shown(field)} is not a millisecond in range")
        return int(match[1])
    if role == roles.DATE:
        match = DATE.fullmatch(field)
        return _midnight(match and (match[1], match[3], match[4]), field)
    if role == roles.CLOCK:
        return _clock(CLOCK.fullmatch(field), field)
    if field[8:9] != b" ":
        raise Malformed(f"time {_shown(field)} is not YYYYMMDD and a clock")
    match = PACKED_DATE.fullmatch(field[:8])
    pattern = PACKED_CLOCK if role == roles.STAMP_PACKED else CLOCK
    midnight = _midnight(match and (match[1], match[2], match[3]), field)
    return midnight + _clock(pattern.fullmatch(field[9:]), field)


def _midnight(parts: tuple[bytes, bytes, bytes] | None, field: bytes) -> int:
    try:
        if parts is None:
            raise ValueError
        day = date(int(parts[0]), int(parts[1]), int(parts[2]))
    except ValueError:
        raise Malformed(f"{_shown(field)} is not a date") from None
    if not 1970 <= day.year <= 2099:
        raise Malformed(f"{_shown(field)} is outside 1970 to 2099")
    return (day - EPOCH).days * roles.DAY_MSC


def _clock(match: re.Match[bytes] | None, field: bytes) -> int:
    if match is None:
        raise Malformed(f"time {_shown(field)} is not HH:MM:SS.mmm")
    hour, minute, second = int(match[1]), int(match[2]), int(match[3])
    if hour > 23 or minute > 59 or second > 59:
        raise Malformed(f"time {_shown(field)} is outside a day")
    fraction = int((match[4] or b"0").ljust(3, b"0")[:3])
    return ((hour * 60 + minute) * 60 + second) * 1000 + fraction


def _shown(field: bytes) -> str:
    text = field[:40].decode("ascii", "backslashreplace")
    return f"`{text}`" + ("..." if len(field) > 40 else "")


def utc_text(time_msc: int) -> str:
    """`2014-05-02T12:30:01.690Z`."""
    at = datetime.fromtimestamp(time_msc // 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{time_msc % 1000:03d}Z"
