"""When a symbol trades: its spans of the week on the wall clock of its zone, through DST.

MetaTrader gives sessions as spans of days; a week's last close is the one before the longest pause.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from engine.domain.instruments import Sessions
from engine.domain.resets import zone_of

_WEEK = 7 * 24 * 60
_DAY = 24 * 60
_WEEKEND = _DAY
"""Minutes a pause must last to be a weekend; a daily break or a maintenance hour is none."""


class Closed(NamedTuple):
    """A pause of trading, UTC milliseconds: the last tradable instant, and the next opening."""

    from_msc: int
    to_msc: int


def weekend_at(sessions: Sessions, time_msc: int) -> Closed | None:
    """The weekend that runs at a time, or else the next one; None where there is none."""
    pause = _weekend_minutes(sessions)
    if pause is None:
        return None
    closes, opens = pause
    monday = _monday(sessions, time_msc) - timedelta(days=14)
    while True:
        from_msc = _instant(sessions, monday, closes)
        to_msc = _instant(sessions, monday, opens)
        if to_msc > time_msc:
            return Closed(from_msc, to_msc)
        monday += timedelta(days=7)


def is_open(sessions: Sessions, time_msc: int) -> bool:
    """Whether the symbol trades at a time; the minute of the close is outside."""
    zone = zone_of(sessions.zone)
    moment = datetime.fromtimestamp(time_msc / 1000, UTC).astimezone(zone)
    minute = moment.weekday() * _DAY + moment.hour * 60 + moment.minute
    return any(
        opens <= minute < closes or opens <= minute + _WEEK < closes
        for opens, closes in _merged(sessions)
    )


def opened_at(sessions: Sessions, time_msc: int) -> int | None:
    """When the session that runs at a time opened, in UTC milliseconds; None while it is closed."""
    if not is_open(sessions, time_msc):
        return None
    monday = _monday(sessions, time_msc)
    openings = [
        _instant(sessions, monday + timedelta(days=days), opens)
        for days in (-14, -7, 0, 7)
        for opens, _ in _merged(sessions)
    ]
    return max((o for o in openings if o <= time_msc), default=None)


def opens_at(sessions: Sessions, time_msc: int) -> int | None:
    """When the next session opens, in UTC milliseconds; None while one runs, or there is none."""
    if is_open(sessions, time_msc):
        return None
    monday = _monday(sessions, time_msc)
    openings = [
        _instant(sessions, monday + timedelta(days=days), opens)
        for days in (-7, 0, 7)
        for opens, _ in _merged(sessions)
    ]
    return min((o for o in openings if o > time_msc), default=None)


@lru_cache(maxsize=1024)
def _merged(sessions: Sessions) -> tuple[tuple[int, int], ...]:
    """Spans in minutes of the week from Monday 00:00, adjoining ones joined.

    The last may end past Sunday: it then runs into the next week.
    """
    spans = []
    for span in sessions.spans:
        opens = span.open_day * _DAY + span.open_minute
        closes = span.close_day * _DAY + span.close_minute
        spans.append((opens, closes if closes > opens else closes + _WEEK))
    joined: list[tuple[int, int]] = []
    for opens, closes in sorted(spans):
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], closes))
        else:
            joined.append((opens, closes))
    if len(joined) > 1 and joined[-1][1] >= joined[0][0] + _WEEK:
        first = joined.pop(0)
        joined[-1] = (joined[-1][0], max(joined[-1][1], first[1] + _WEEK))
    return tuple(joined)


@lru_cache(maxsize=1024)
def _weekend_minutes(sessions: Sessions) -> tuple[int, int] | None:
    """The longest pause of the week, (close, next opening); None when it is shorter than a day."""
    spans = _merged(sessions)
    if not spans:
        return None
    following: Iterable[tuple[int, int]] = (*spans[1:], (spans[0][0] + _WEEK, 0))
    pauses = [
        (opens - closes, closes, opens)
        for (_, closes), (opens, _) in zip(spans, following, strict=True)
    ]
    length, closes, opens = max(pauses)
    return (closes, opens) if length >= _WEEKEND else None


def _monday(sessions: Sessions, time_msc: int) -> date:
    zone = zone_of(sessions.zone)
    day = datetime.fromtimestamp(time_msc // 1000, UTC).astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def _instant(sessions: Sessions, monday: date, minute: int) -> int:
    days, minute_of_day = divmod(minute, _DAY)
    day = monday + timedelta(days=days)
    hour, minute_ = divmod(minute_of_day, 60)
    wall = datetime(day.year, day.month, day.day, hour, minute_, tzinfo=zone_of(sessions.zone))
    return int(wall.timestamp()) * 1000
