"""Times and periods as a user writes them."""

import re
from datetime import UTC, datetime

from engine.errors import UserError

Moment = str | int | datetime
"""RFC 3339 (`2014-05-02T12:30:00Z`; without an offset it is UTC) or UTC milliseconds."""

_UNITS_MSC = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def moment_msc(moment: Moment, what: str) -> int:
    """UTC milliseconds of a moment.

    Raises:
        UserError: it is not one; `what` names the option.
    """
    if isinstance(moment, int):
        return moment
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as error:
            raise UserError(
                f"{what} {moment!r} is not a time", help="write 2014-05-02T12:30:00Z"
            ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = int(moment.replace(microsecond=0).timestamp())
    return seconds * 1000 + moment.microsecond // 1000


def moment_text(time_msc: int) -> str:
    """UTC milliseconds as RFC 3339."""
    moment = datetime.fromtimestamp(time_msc // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_msc % 1000:03d}Z"


def time_range(start: Moment | None, end: Moment | None) -> tuple[int | None, int | None]:
    """Start (inclusive) and end (exclusive) in UTC milliseconds.

    Raises:
        UserError: one is not a time, or the end is not after the start.
    """
    from_msc = None if start is None else moment_msc(start, "--from")
    to_msc = None if end is None else moment_msc(end, "--to")
    if from_msc is not None and to_msc is not None and to_msc <= from_msc:
        raise UserError("--to is not after --from", help="--from is inclusive, --to exclusive")
    return from_msc, to_msc


def period_msc(text: str) -> int:
    """A period such as `10s`, `500ms`, `1m` in milliseconds.

    Raises:
        UserError: it is not one, or not between 1 ms and a day.
    """
    match = re.fullmatch(r"(\d+)(ms|s|m|h)", text.strip())
    length = int(match[1]) * _UNITS_MSC[match[2]] if match else 0
    if not 0 < length <= 86_400_000:
        raise UserError(
            f"{text!r} is not a period", help="write 500ms, 10s, 1m or 1h, a day at most"
        )
    return length


def speed_factor(text: str) -> float | None:
    """How many times as fast as the ticks were: `real`, `Nx`; None is `max`, as fast as it goes.

    Raises:
        UserError: it is none of these, or N is not above 0.
    """
    if text == "max":
        return None
    if text == "real":
        return 1.0
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x", text.strip())
    factor = float(match[1]) if match else 0.0
    if not 0.0 < factor <= 1e9:
        raise UserError(f"{text!r} is not a speed", help="write max, real, or 10x, 0.5x and so on")
    return factor
