"""Wall clocks to UTC: as zoneinfo's first reading has it, for whole columns at once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tick_files.zones import to_utc
from engine.errors import UserError

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a wall clock
HOUR_MSC = 3_600_000
ZONES = ("Europe/Athens", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "Etc/GMT-3")


def expected(wall_msc: int, zone: str) -> int:
    """UTC ms by zoneinfo: fold 0 is the first reading, and in a gap the offset before it."""
    wall = EPOCH + timedelta(milliseconds=wall_msc)
    offset = wall.replace(tzinfo=ZoneInfo(zone), fold=0).utcoffset()
    assert offset is not None
    return wall_msc - offset // timedelta(milliseconds=1)


def wall(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(st.sampled_from(ZONES), st.lists(st.integers(0, 4_102_444_799_999), max_size=20))
def test_any_wall_time_is_read_as_zoneinfo_reads_it(zone: str, times: list[int]) -> None:
    got = to_utc(zone)(np.array(times, np.int64)).tolist()
    assert got == [expected(time, zone) for time in times]


@pytest.mark.parametrize("zone", ZONES[:3])
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01"])
def test_every_minute_around_a_change_of_clocks_is_right(zone: str, day: str) -> None:
    times = [wall(day + "T00:00:00") + n * 60_000 for n in range(-720, 2160)]
    got = to_utc(zone)(np.array(times, np.int64)).tolist()
    assert got == [expected(time, zone) for time in times]


def test_a_time_that_occurs_twice_is_the_first_and_one_that_does_not_takes_the_offset_before() -> (
    None
):
    convert = to_utc("Europe/Athens")  # back at 04:00 EEST on 25 October, on at 03:00 on 29 March
    twice, never = wall("2026-10-25T03:30:00"), wall("2026-03-29T03:30:00")
    assert convert(np.array([twice]))[0] == twice - 3 * HOUR_MSC
    assert convert(np.array([never]))[0] == never - 2 * HOUR_MSC


def test_an_hour_offset_would_not_pass_for_a_zone() -> None:
    summer, winter = wall("2026-07-01T12:00:00"), wall("2026-01-15T12:00:00")
    moved = to_utc("Europe/Athens")(np.array([summer, winter]))
    assert (moved - np.array([summer, winter])).tolist() == [-3 * HOUR_MSC, -2 * HOUR_MSC]


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "", "../etc/passwd", "GMT+25"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(UserError, match="unknown zone"):
        to_utc(zone)
