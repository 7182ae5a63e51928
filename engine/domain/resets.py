"""When a guard's day ends: a local time of day in an IANA zone, through both DST transitions.

A day is 23, 24 or 25 hours long. A wall time that occurs twice is its first occurrence; one that
does not exist takes the offset before the change (Python's `fold=0` gives both).
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from engine.domain.guards import Reset

_DAY = timedelta(days=1)


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The zone of that IANA name.

    Raises:
        zoneinfo.ZoneInfoNotFoundError: there is none.
    """
    return ZoneInfo(name)


@lru_cache(maxsize=4096)
def next_reset_msc(reset: Reset, after_msc: int) -> int:
    """The first reset instant strictly after `after_msc`, in UTC milliseconds."""
    zone = zone_of(reset.zone)
    moment = datetime.fromtimestamp(after_msc // 1000, UTC).astimezone(zone)
    day = moment.date() - _DAY
    hour, minute = divmod(reset.at_minute, 60)
    while True:
        wall = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
        instant = int(wall.timestamp()) * 1000
        if instant > after_msc:
            return instant
        day += _DAY


def is_reset(reset: Reset, time_msc: int) -> bool:
    """Whether a day of this reset ends exactly at `time_msc`."""
    return next_reset_msc(reset, time_msc - 1) == time_msc


def local_time(reset: Reset, time_msc: int) -> str:
    """An instant on the reset's wall clock, ISO 8601 with its offset."""
    moment = datetime.fromtimestamp(time_msc // 1000, UTC)
    return moment.astimezone(zone_of(reset.zone)).isoformat()
