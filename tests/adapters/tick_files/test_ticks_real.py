"""The real tick files, against the row counts and facts that are written down beside them."""

import pytest

from tests.adapters.tick_files.ticks_on_disk import real, ticks_of

HOUR_MSC = 3_600_000


def test_real_bi5_files_hold_the_rows_they_should() -> None:
    paths = real("dukascopy_eurusd_bi5")
    ticks, quality = ticks_of(("EURUSD", paths), digits={"EURUSD": 5})
    assert [(q.format, q.rows, q.invalid_rows) for q in quality] == [
        ("bi5", 3_733, 0),
        ("bi5", 8_438, 0),
        ("bi5", 2_633, 0),
    ]
    february_4 = 1_549_238_400_000
    hours = [tick[1] - february_4 for tick in ticks]
    assert hours[0] < HOUR_MSC <= 10 * HOUR_MSC <= hours[3_733] < 11 * HOUR_MSC
    assert 23 * HOUR_MSC <= hours[-1] < 24 * HOUR_MSC
    assert all(1.1 < bid <= ask < 1.2 for _, _, _, bid, ask in ticks)


@pytest.mark.parametrize(
    ("folder", "rows"),
    [("mt5_vantage_btcusd", 694), ("mt5_vantage_ethusd", 536), ("mt5_5percent_xauusd", 60)],
)
def test_real_mt5_captures_hold_the_rows_they_should(folder: str, rows: int) -> None:
    ticks, (quality,) = ticks_of(("S", real(folder)))
    assert (quality.format, quality.rows, quality.invalid_rows) == ("mt5_capture", rows, 0)
    assert len(ticks) == rows


def test_the_server_clock_of_a_real_capture_is_brought_to_utc_by_its_zone() -> None:
    paths = real("mt5_vantage_btcusd")
    plain, _ = ticks_of(("BTCUSD", paths))
    moved, _ = ticks_of(("BTCUSD", paths), zones={"BTCUSD": "Etc/GMT-1"})
    assert plain[0][1] == 1_772_874_222_978
    assert {a[1] - b[1] for a, b in zip(plain, moved, strict=True)} == {HOUR_MSC}


def test_alphabetical_columns_are_not_taken_for_bid_and_ask_in_that_order() -> None:
    ticks, _ = ticks_of(("XAUUSD", real("mt5_5percent_xauusd")))
    assert ticks[0] == (0, 1_784_036_799_006, "XAUUSD", 4019.79, 4020.27)
