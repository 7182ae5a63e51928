"""What `ticks inspect` finds: gaps, spread, doubles, and clocks that are not UTC."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from adapters.tick_files.convert import write_ticks
from adapters.tick_files.inspect import Spread, inspect
from adapters.tick_files.sessions import is_open
from adapters.tick_files.suspicion import by_weekends
from engine.marking.ticks import Int64s
from tests.adapters.tick_files.ticks_on_disk import lean_zip, real, ticks_of

HOUR_MSC = 3_600_000
NEW_YORK = ZoneInfo("America/New_York")


def test_a_file_is_described(tmp_path: Path) -> None:
    rows = "0,1.1,1.2\n0,1.1,1.2\n0,1.1,1.3\n500,1.2,1.25\n61000,1.2,1.3\n61500,1.3,1.2\n"
    seen = inspect(lean_zip(tmp_path, "20140502", rows), gap_s=60.0)
    assert (seen.format, seen.rows, seen.valid_rows, seen.digits) == ("lean", 6, 5, 2)
    assert seen.invalid_by_cause == {"crossed": 1}
    assert (seen.equal_times, seen.repeated, seen.most_in_a_second) == (2, 1, 4)
    assert seen.spread == Spread(5.0, 10.0, 19.6, 20.0)
    (gap,) = seen.gaps
    assert (gap.seconds, gap.closed, seen.gap_count) == (60.5, False, 1)
    assert not seen.suspected_zone
    assert seen.synthetic is None


def test_a_gap_just_as_long_as_the_threshold_is_none(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, "20140502", "0,1,1\n60000,1,1\n")
    assert inspect(path, gap_s=60.0).gap_count == 0
    assert inspect(path, gap_s=59.999).gap_count == 1


def test_the_header_of_a_store_says_its_symbol_digits_and_that_it_is_made_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "odd.name"
    times, prices = np.array([1], np.int64), np.array([1.5])
    write_ticks(path, "store", "GBPJPY", 3, times, prices, prices, synthetic="seed 1")
    seen = inspect(path)
    assert (seen.symbol, seen.digits, seen.synthetic) == ("GBPJPY", 3, "seed 1")


def weeks(ahead_h: float, zone: ZoneInfo | None = None) -> Int64s:
    """A tick a minute through four FX weeks around a change of clocks, on a wrong clock."""
    start = datetime(2026, 2, 23, tzinfo=UTC)
    times = [start + timedelta(minutes=n) for n in range(28 * 24 * 60)]
    msc = []
    for time in times:
        if is_open(int(time.timestamp())):
            offset = time.astimezone(zone).utcoffset() if zone else timedelta()
            assert offset is not None
            wall = time + offset + timedelta(hours=ahead_h)
            msc.append(int(wall.timestamp() * 1000))
    return np.array(msc, np.int64)


@pytest.fixture(scope="module")
def utc_weeks() -> Int64s:
    return weeks(0)


@pytest.mark.parametrize("ahead_h", [1.0, -5.0, 2.0, 5.5])
def test_weekends_betray_a_clock_that_is_not_utc(
    utc_weeks: Int64s,
    ahead_h: float,
) -> None:
    (found,) = by_weekends(utc_weeks + int(ahead_h * HOUR_MSC))
    assert found.ahead_hours == ahead_h
    assert "4 weekends" in found.evidence


def test_utc_weekends_betray_nothing(utc_weeks: Int64s) -> None:
    assert list(by_weekends(utc_weeks)) == []


def test_a_server_on_new_york_plus_seven_shows_both_its_offsets() -> None:
    found = list(by_weekends(weeks(7.0, NEW_YORK)))
    assert [(one.ahead_hours, one.evidence[:10]) for one in found] == [
        (2.0, "2 weekends"),
        (3.0, "2 weekends"),
    ]


def test_a_symbol_that_only_opens_late_is_not_suspected(
    utc_weeks: Int64s,
) -> None:
    local = [datetime.fromtimestamp(msc / 1000, NEW_YORK) for msc in utc_weeks.tolist()]
    late = np.array([not (at.weekday() == 6 and at.hour < 19) for at in local])
    assert list(by_weekends(utc_weeks[late])) == []


def test_a_real_capture_is_seen_to_be_an_hour_ahead_of_its_own_clock() -> None:
    for folder in ("mt5_vantage_btcusd", "mt5_vantage_ethusd"):
        (path,) = real(folder)
        (found,) = inspect(path).suspected_zone
        assert found.ahead_hours == 1.0
        assert "collected_msc" in found.evidence
        assert "Etc/GMT-1" in found.advice
        assert inspect(path, zone="Etc/GMT-1").suspected_zone == ()


def test_the_real_weekend_of_eurusd_is_found_and_nothing_is_suspected(tmp_path: Path) -> None:
    paths = real("lean_eurusd_oanda_tick")[1:3]
    ticks, _ = ticks_of(("EURUSD", paths))
    times, bids, asks = (np.array([tick[c] for tick in ticks]) for c in (1, 3, 4))
    path = tmp_path / "EURUSD.ticks"
    write_ticks(path, "store", "EURUSD", 5, times, bids, asks)
    seen = inspect(path, gap_s=3_600.0)
    (gap,) = seen.gaps
    assert gap.closed
    assert gap.seconds == pytest.approx(48 * 3600, abs=5)
    assert seen.suspected_zone == ()
