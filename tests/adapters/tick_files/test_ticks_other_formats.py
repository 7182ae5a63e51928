"""HistData, TrueFX, captures and .bi5: what each fixes for itself, and their edges."""

import gzip
import json
import lzma
import struct
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from tests.adapters.tick_files.ticks_on_disk import ticks_of

NEW_YEAR_2013 = 1_356_998_400_000
FEB_4_2019 = 1_549_238_400_000
HOUR_MSC = 3_600_000


def written(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_histdata_is_five_hours_behind_all_year_whatever_zone_is_asked(tmp_path: Path) -> None:
    text = "20130101 170014123,1.3196,1.3198,0\r\n20130701 170014123,1.3,1.3,0\r\n"
    ticks, (quality,) = ticks_of(
        ("EURUSD", [written(tmp_path / "a.csv", text)]), zones={"EURUSD": "Asia/Tokyo"}
    )
    assert quality.format == "histdata"
    assert ticks[0][1:] == (NEW_YEAR_2013 + 22 * HOUR_MSC + 14_123, "EURUSD", 1.3196, 1.3198)
    assert ticks[1][1] - ticks[0][1] == 181 * 24 * HOUR_MSC


def test_a_histdata_zip_is_read_past_the_report_in_it(tmp_path: Path) -> None:
    path = tmp_path / "HISTDATA_COM_ASCII_EURUSD_T201301.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("DAT_ASCII_EURUSD_T_201301.txt", "HistData.com status report\n")
        archive.writestr("DAT_ASCII_EURUSD_T_201301.csv", "20130101 170014123,1.3196,1.3198,0\n")
    assert len(ticks_of(("EURUSD", [path]))[0]) == 1


def test_truefx_is_utc_and_of_one_pair(tmp_path: Path) -> None:
    rows = [f"EUR/USD,20130101 22:00:0{n}.295,1.31961,1.3198" for n in range(3)]
    rows.insert(1, rows[0].replace("EUR/USD", "GBP/USD"))
    ticks, (quality,) = ticks_of(("EURUSD", [written(tmp_path / "a.csv", "\n".join(rows))]))
    assert ticks[0][1:] == (NEW_YEAR_2013 + 22 * HOUR_MSC + 295, "EURUSD", 1.31961, 1.3198)
    assert (quality.format, quality.invalid_by_cause) == ("truefx", {"malformed": 1})
    assert quality.first_invalid == ("row 2 (line 2): malformed, `GBP/USD` instead of `EUR/USD`")


CAPTURED = {"time_msc": 1_700_000_000_123, "bid": 1.5, "ask": 1.75, "flags": 1030}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps([CAPTURED]),
        json.dumps({"metadata": {"symbol": "X"}, "ticks": [CAPTURED], "errors": {}}),
        "\n " + json.dumps([CAPTURED | {"time_msc": 1_700_000_000_123.9}], indent=2),
        json.dumps([CAPTURED]).encode("utf-8-sig"),
        json.dumps([CAPTURED]).encode("utf-16"),
        "time_msc,bid,ask,flags\n1700000000123,1.5,1.75,1030\n",
        "ask,bid,flags,time_msc\r\n1.75,1.5,1030,1700000000123.999\r\n",
        '"ask";"bid";"note";"time_msc"\n1.75;1.5;BID ASK;1700000000123\n',
        gzip.compress(b"time_msc,bid,ask\n1700000000123,1.5,1.75", mtime=0),
        gzip.compress(gzip.compress(b"time_msc,bid,ask\n1700000000123,1.5,1.75", mtime=0), mtime=0),
    ],
    ids=range(10),
)
def test_every_shape_of_capture_gives_the_same_tick(tmp_path: Path, content: str | bytes) -> None:
    ticks, (quality,) = ticks_of(("S", [written(tmp_path / "a", content)]))
    assert ticks == [(0, 1_700_000_000_123, "S", 1.5, 1.75)]
    assert quality.format == "mt5_capture"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"bid": 1.5, "ask": 1.6}, "time_msc is None"),
        (CAPTURED | {"bid": None}, "bid is None"),
        (CAPTURED | {"ask": "1.6"}, "ask is '1.6'"),
        (CAPTURED | {"bid": True}, "bid is True"),
        (CAPTURED | {"time_msc": -5}, "outside 1970 to 2099"),
        (CAPTURED | {"bid": 10**400}, "beyond any price"),
        (17, "not an object"),
        (None, "not an object"),
    ],
)
def test_a_bad_tick_in_json_is_counted_and_located(tmp_path: Path, bad: Any, said: str) -> None:
    path = written(tmp_path / "a.json", json.dumps([CAPTURED, bad, CAPTURED]))
    ticks, (quality,) = ticks_of(("S", [path]))
    assert len(ticks) == 2
    assert quality.invalid_by_cause == {"malformed": 1}
    assert (quality.first_invalid or "").startswith("row 2 (ticks[1]): malformed, ")
    assert said in (quality.first_invalid or "")


def test_a_capture_of_two_symbols_gives_only_the_first(tmp_path: Path) -> None:
    text = "time_msc,symbol,bid,ask\n1700000000000,A,1,2\n1700000000001,B,9,9\n1700000000002,A,1,2"
    ticks, (quality,) = ticks_of(("A", [written(tmp_path / "a.csv", text)]))
    assert [tick[3] for tick in ticks] == [1.0, 1.0]
    assert quality.invalid_by_cause == {"malformed": 1}


def bi5(*records: tuple[int, int, int]) -> bytes:
    packed = b"".join(struct.pack(">IIIff", *record, 1.0, 2.0) for record in records)
    return lzma.compress(packed, lzma.FORMAT_ALONE)


HOUR = bi5((994, 114_545, 114_543), (1_271, 114_546, 114_544))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("2019-02-04_10h_ticks.bi5", {}),  # names carry the true month
        ("2019/01/04/10h_ticks.bi5", {}),  # paths a month from 0
        ("10h_ticks.bi5", {"dates": {"E": date(2019, 2, 4)}}),
        ("2019/01/04/2019-02-04_10h_ticks.bi5", {}),
    ],
)
def test_the_hour_of_a_bi5_file_comes_from_its_name_or_path(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    path = written(tmp_path / name, HOUR)
    ticks, _ = ticks_of(("E", [path]), digits={"E": 5}, **options)
    assert ticks[0] == (0, FEB_4_2019 + 10 * HOUR_MSC + 994, "E", 1.14543, 1.14545)


def test_the_hour_of_a_zipped_bi5_file_comes_from_the_name_inside(tmp_path: Path) -> None:
    path = tmp_path / "hour.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("2019-02-04_10h_ticks.bi5", HOUR)
    ticks, _ = ticks_of(("E", [path]), digits={"E": 3})
    assert ticks[0][1:4] == (FEB_4_2019 + 10 * HOUR_MSC + 994, "E", 114.543)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("2019-02-04_10h_ticks.bi5", {}, "digits"),
        ("ticks.bi5", {"digits": {"E": 5}, "dates": {"E": date(2019, 2, 4)}}, "hour"),
        ("10h_ticks.bi5", {"digits": {"E": 5}}, "hour"),
        ("2019/12/04/10h_ticks.bi5", {"digits": {"E": 5}}, "hour"),
        ("2019-02-04_24h_ticks.bi5", {"digits": {"E": 5}}, "hour"),
    ],
)
def test_a_bi5_file_that_lacks_what_nobody_told_is_refused(
    tmp_path: Path, name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as refused:
        ticks_of(("E", [written(tmp_path / name, HOUR)]), **options)
    assert str(refused.value.place) == str(tmp_path / name)
    assert refused.value.help


def test_an_empty_bi5_file_is_an_hour_without_ticks(tmp_path: Path) -> None:
    empty = written(tmp_path / "2019-02-04_09h_ticks.bi5", b"")
    path = written(tmp_path / "2019-02-04_10h_ticks.bi5", HOUR)
    ticks, quality = ticks_of(("E", [empty, path]), digits={"E": 5})
    assert len(ticks) == 2
    assert [(q.format, q.rows, q.first_msc is None) for q in quality] == [
        ("bi5", 0, True),
        ("bi5", 2, False),
    ]


def test_a_bi5_row_beyond_its_hour_is_malformed_and_zero_is_not_positive(tmp_path: Path) -> None:
    rows = [(0, 2, 1), (HOUR_MSC - 1, 2, 1), (HOUR_MSC, 2, 1), (HOUR_MSC - 1, 2, 0)]
    path = written(tmp_path / "2019-02-04_10h_ticks.bi5", bi5(*rows))
    ticks, (quality,) = ticks_of(("E", [path]), digits={"E": 0})
    assert len(ticks) == 2
    assert quality.invalid_by_cause == {"malformed": 1, "not_positive": 1}
    assert quality.first_invalid == "row 3: malformed, millisecond 3600000 is beyond the hour"
