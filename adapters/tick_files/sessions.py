"""The FX week: Sunday 17:00 to Friday 17:00 New York, with a short break each day at 17:00."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
DAY_ENDS = time(17, 0)
FRIDAY = 4


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day: from 17:00 New York the evening before to 17:00 of `day`."""

    day: date
    opens_s: int
    """UTC seconds since 1970."""
    closes_s: int

    @property
    def seconds(self) -> int:
        """How long it lasts: 24 hours, or one more or less where the clocks change inside."""
        return self.closes_s - self.opens_s


def sessions(start: date, days: int) -> Iterator[Session]:
    """The first `days` trading days from `start` on; Saturdays and Sundays are none."""
    day = start
    while days > 0:
        if day.weekday() <= FRIDAY:
            yield Session(day, closing_s(day - timedelta(days=1)), closing_s(day))
            days -= 1
        day += timedelta(days=1)


def closing_s(day: date) -> int:
    """17:00 New York of `day` in UTC seconds."""
    return new_york_s(day, DAY_ENDS)


def new_york_s(day: date, clock: time) -> int:
    """This New York wall time in UTC seconds."""
    return int(datetime.combine(day, clock, NEW_YORK).astimezone(UTC).timestamp())


def is_open(utc_s: int) -> bool:
    """Whether the FX week is under way at this UTC second (the daily break counts as open)."""
    local = datetime.fromtimestamp(utc_s, NEW_YORK)
    week_s = local.weekday() * 86_400 + local.hour * 3_600 + local.minute * 60 + local.second
    friday_s, sunday_s = (FRIDAY * 24 + 17) * 3_600, (6 * 24 + 17) * 3_600
    return not friday_s <= week_s < sunday_s
