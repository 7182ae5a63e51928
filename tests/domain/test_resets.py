"""Reset instants by zone: both transitions, wall times that do not exist or occur twice."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.guards import Reset
from engine.domain.resets import is_reset, local_time, next_reset_msc, zone_of

NEW_YORK = Reset(zone="America/New_York", at_minute=17 * 60)
PRAGUE = Reset(zone="Europe/Prague", at_minute=0)
HOUR = 3_600_000


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def shown(time_msc: int) -> str:
    return datetime.fromtimestamp(time_msc / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def test_a_reset_is_strictly_after() -> None:
    midnight = utc("2026-01-05 23:00")
    assert next_reset_msc(PRAGUE, midnight - 1) == midnight
    assert next_reset_msc(PRAGUE, midnight) == midnight + 24 * HOUR
    assert is_reset(PRAGUE, midnight)
    assert not is_reset(PRAGUE, midnight + 1)
    assert not is_reset(PRAGUE, midnight - HOUR)


@pytest.mark.parametrize(
    ("day", "new_york", "prague"),
    [
        ("2026-01-15", "22:00", "23:00"),
        ("2026-03-07", "22:00", "23:00"),  # the day before New York springs forward
        ("2026-03-09", "21:00", "23:00"),  # New York only: two hours apart
        ("2026-03-27", "21:00", "23:00"),
        ("2026-03-30", "21:00", "22:00"),  # and Prague: one again
        ("2026-07-15", "21:00", "22:00"),
        ("2026-10-24", "21:00", "22:00"),
        ("2026-10-26", "21:00", "23:00"),  # Prague fell back first: two
        ("2026-10-30", "21:00", "23:00"),
        ("2026-11-02", "22:00", "23:00"),
    ],
)
def test_new_york_and_prague_are_one_hour_apart_and_two_in_the_weeks_between(
    day: str, new_york: str, prague: str
) -> None:
    noon = utc(f"{day} 12:00")
    assert shown(next_reset_msc(NEW_YORK, noon)) == f"{day} {new_york}"
    assert shown(next_reset_msc(PRAGUE, noon)) == f"{day} {prague}"


def days_of(reset: Reset, start: str, count: int) -> list[int]:
    instants = [next_reset_msc(reset, utc(start))]
    while len(instants) <= count:
        instants.append(next_reset_msc(reset, instants[-1]))
    return [(b - a) // HOUR for a, b in pairwise(instants)]


@pytest.mark.parametrize(
    ("reset", "start", "hours"),
    [
        (PRAGUE, "2026-03-27 12:00", [24, 23, 24]),
        (PRAGUE, "2026-10-23 12:00", [24, 25, 24]),
        (NEW_YORK, "2026-03-06 12:00", [24, 23, 24]),
        (NEW_YORK, "2026-10-30 12:00", [24, 25, 24]),
    ],
)
def test_days_have_23_24_or_25_hours(reset: Reset, start: str, hours: list[int]) -> None:
    assert days_of(reset, start, 3) == hours


def test_a_wall_time_that_does_not_exist_takes_the_offset_before_the_change() -> None:
    # 02:30 of 29 March does not exist in Prague; at the winter offset it is 01:30 UTC.
    reset = Reset(zone="Europe/Prague", at_minute=150)
    assert shown(next_reset_msc(reset, utc("2026-03-28 12:00"))) == "2026-03-29 01:30"
    assert shown(next_reset_msc(reset, utc("2026-03-29 01:30"))) == "2026-03-30 00:30"
    # and 02:30 of 8 March in New York, at the winter offset 07:30 UTC
    reset = Reset(zone="America/New_York", at_minute=150)
    assert shown(next_reset_msc(reset, utc("2026-03-07 12:00"))) == "2026-03-08 07:30"


def test_a_wall_time_that_occurs_twice_is_the_first_and_only_once_a_day() -> None:
    reset = Reset(zone="Europe/Prague", at_minute=150)
    first = next_reset_msc(reset, utc("2026-10-24 12:00"))
    assert shown(first) == "2026-10-25 00:30"
    assert shown(next_reset_msc(reset, first)) == "2026-10-26 01:30"
    reset = Reset(zone="America/New_York", at_minute=90)
    first = next_reset_msc(reset, utc("2026-10-31 12:00"))
    assert shown(first) == "2026-11-01 05:30"
    assert shown(next_reset_msc(reset, first)) == "2026-11-02 06:30"


def test_a_zone_whose_midnight_is_skipped_still_has_its_day() -> None:
    # Santiago springs forward at midnight: 6 September 2026 begins at 01:00.
    reset = Reset(zone="America/Santiago", at_minute=0)
    hours = days_of(reset, "2026-09-04 12:00", 3)
    assert sum(hours) == 71
    assert all(23 <= h <= 25 for h in hours)


def test_the_wall_clock_is_told_with_its_offset() -> None:
    assert local_time(PRAGUE, utc("2026-07-15 22:00")) == "2026-07-16T00:00:00+02:00"
    assert local_time(NEW_YORK, utc("2026-01-15 22:00")) == "2026-01-15T17:00:00-05:00"


@settings(max_examples=200)
@given(
    st.sampled_from(["Europe/Prague", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]),
    st.integers(0, 1439),
    st.integers(utc("2026-01-01 00:00"), utc("2027-01-01 00:00")),
)
def test_every_reset_is_on_its_wall_clock_and_a_day_from_the_next(
    zone: str, at_minute: int, after_msc: int
) -> None:
    reset = Reset(zone=zone, at_minute=at_minute)
    instant = next_reset_msc(reset, after_msc)
    assert after_msc < instant <= after_msc + 25 * HOUR
    assert is_reset(reset, instant)
    wall = datetime.fromtimestamp(instant / 1000, UTC).astimezone(zone_of(zone))
    shift = timedelta(hours=wall.hour, minutes=wall.minute) - timedelta(minutes=at_minute)
    assert shift in (timedelta(0), timedelta(hours=1), timedelta(minutes=30))  # skipped wall times
