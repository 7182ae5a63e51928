"""Lean zips: the real ones, and their edges."""

import zipfile
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from engine.errors import UserError
from tests.adapters.tick_files.ticks_on_disk import lean_zip, real, ticks_of

MAY_2 = 1_398_988_800_000


@pytest.mark.parametrize(
    ("folder", "rows"),
    [
        ("lean_xauusd_oanda_tick", [129_744, 265_015, 9_889, 186_204, 161_552]),
        ("lean_eurusd_oanda_tick", [24_179, 49_341, 1_164, 25_177, 44_864]),
    ],
)
def test_real_lean_files_hold_the_rows_they_should(folder: str, rows: list[int]) -> None:
    ticks, quality = ticks_of(("S", real(folder)), max_ticks=1 << 20)
    assert [q.rows for q in quality] == rows
    assert [q.invalid_rows for q in quality] == [0] * 5
    assert len(ticks) == sum(rows)


def test_every_real_tick_is_read_as_plain_python_reads_it() -> None:
    path = real("lean_eurusd_oanda_tick")[1]
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(archive.namelist()[0]).decode().split()
    expected = []
    for i, line in enumerate(lines):
        msc, bid, ask = line.split(",")
        expected.append((i, MAY_2 + int(float(msc)), "EURUSD", float(bid), float(ask)))
    assert ticks_of(("EURUSD", [path]))[0] == expected


def test_the_payroll_jump_is_one_tick() -> None:
    ticks, _ = ticks_of(
        ("XAUUSD", real("lean_xauusd_oanda_tick")[1:2]),
        from_msc=MAY_2 + 45_000_000,
        to_msc=MAY_2 + 45_010_000,
    )
    steps = [after[3] / before[3] - 1 for before, after in pairwise(ticks)]
    assert min(steps) == pytest.approx(-43.4e-4, abs=0.05e-4)


def test_fractions_of_a_millisecond_are_dropped(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, "20140502", "808.9672,1.5,1.6\n808.9999,1.5,1.7\n")
    ticks, _ = ticks_of(("XAUUSD", [path]))
    assert [tick[1] for tick in ticks] == [MAY_2 + 808, MAY_2 + 808]


def test_the_day_comes_from_the_name_then_the_member_then_the_caller(tmp_path: Path) -> None:
    row = "5,1.5,1.6\n"
    dated = lean_zip(tmp_path, "20140502", row)
    inside = tmp_path / "ticks.zip"
    inside.write_bytes(dated.read_bytes())
    bare = tmp_path / "ticks.csv"
    bare.write_text(row)
    dashed = tmp_path / "2014-05-02.csv"
    dashed.write_text(row)
    given = {"S": date(2015, 1, 1)}
    for path in (dated, inside, dashed):
        assert ticks_of(("S", [path]), dates=given)[0][0][1] == MAY_2 + 5
    assert ticks_of(("S", [bare]), dates=given)[0][0][1] == 1_420_070_400_005
    with pytest.raises(UserError, match=r"day of this Lean file is not known.*ticks\.csv"):
        ticks_of(("S", [bare]))


def test_a_time_beyond_midnight_is_malformed(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, "20140502", "86399999,1,2\n86399999.9,1,2\n86400000,1,2\n")
    ticks, (quality,) = ticks_of(("S", [path]))
    assert len(ticks) == 2
    assert quality.invalid_by_cause == {"malformed": 1}
    assert quality.first_invalid
    assert quality.first_invalid.startswith("row 3 (line 3): malformed, time `86400000`")
