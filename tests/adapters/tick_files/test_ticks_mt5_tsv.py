"""MetaTrader 5 exports: what they look like in the field, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from tests.adapters.tick_files.ticks_on_disk import Tick, ticks_of

HEAD = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\r\n"
THREE_PM = 1_668_092_400_000  # 2022-11-10 15:00 UTC


def row(second: str, bid: str, ask: str, rest: str = "\t\t\t6") -> str:
    return f"2022.11.10\t15:00:{second}\t{bid}\t{ask}{rest}\r\n"


def read(folder: Path, content: str | bytes, **options: Any) -> tuple[list[Tick], dict, str]:  # type: ignore[type-arg]
    path = folder / "ticks.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    ticks, (quality,) = ticks_of(("EURUSD", [path]), **options)
    assert quality.format == "mt5_tsv"
    return ticks, quality.invalid_by_cause, quality.first_invalid or ""


GOOD = row("00.017", "1.08654", "1.08659") + row("01", "1.08655", "1.08660")
WANT = [
    (0, THREE_PM + 17, "EURUSD", 1.08654, 1.08659),
    (1, THREE_PM + 1000, "EURUSD", 1.08655, 1.0866),
]


@pytest.mark.parametrize(
    "content",
    [
        HEAD + GOOD,
        GOOD,
        (HEAD + GOOD).replace("\r\n", "\n"),
        (HEAD + GOOD).rstrip(),
        (HEAD + GOOD).replace("\t6\r", "\r").replace("\t<FLAGS>", ""),
        (HEAD + GOOD).replace("\t6\r", "\r"),  # a head with FLAGS over rows without
        (HEAD + GOOD).replace("\t\t\t6", "\t0\t0\t1030"),
        (HEAD + GOOD).replace("\t\t\t6", "\t0.00000\t0\t6"),
        (HEAD + GOOD).replace("\t", ","),
        (HEAD + GOOD).replace("\t", ";").replace(".08", ",08"),
        GOOD.replace("\t\t\t6", ""),
        HEAD.replace("<", "").replace(">", "") + GOOD,
        "\r\n" + HEAD + "\r\n" + GOOD + "\r\n\r\n",
        HEAD + GOOD.replace("2022.11.10", "2022-11-10"),
        (HEAD + GOOD).encode("utf-8-sig"),
        (HEAD + GOOD).encode("utf-16"),
        (HEAD + GOOD).encode("utf-16-le"),
        b"\xfe\xff" + (HEAD + GOOD).encode("utf-16-be"),
    ],
)
def test_every_shape_of_export_gives_the_same_ticks(tmp_path: Path, content: str | bytes) -> None:
    assert read(tmp_path, content) == (WANT, {}, "")


def test_columns_are_found_by_the_head_line(tmp_path: Path) -> None:
    text = "<DATE>\t<TIME>\t<ASK>\t<BID>\n2022.11.10\t15:00:00\t1.2\t1.1\n"
    assert read(tmp_path, text)[0] == [(0, THREE_PM, "EURUSD", 1.1, 1.2)]


def test_a_blank_price_is_carried_forward_in_its_own_column(tmp_path: Path) -> None:
    ticks, causes, _ = read(
        tmp_path,
        HEAD
        + row("00", "1.1", "1.2")
        + row("01", "", "1.3")
        + row("02", "1.15", "")
        + row("03", "", ""),
    )
    assert [tick[3:] for tick in ticks] == [(1.1, 1.2), (1.1, 1.3), (1.15, 1.3), (1.15, 1.3)]
    assert not causes


def test_a_blank_with_nothing_before_it_is_malformed(tmp_path: Path) -> None:
    text = HEAD + row("00", "", "1.2") + row("01", "1.1", "1.2") + row("02", "", "1.25")
    ticks, causes, first = read(tmp_path, text)
    assert len(ticks) == 2
    assert causes == {"malformed": 1}
    assert first == "row 1 (line 2): malformed, a blank price, and none before it to carry forward"


def test_a_blank_is_carried_over_the_end_of_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.tick_files.text.BLOCK_BYTES", 50)
    text = HEAD + row("00", "1.1", "1.2") + "".join(row(f"{n:02}", "", "") for n in range(1, 30))
    ticks, causes, _ = read(tmp_path, text + row("40", "bad", "1.2"))
    assert [tick[3:] for tick in ticks] == [(1.1, 1.2)] * 30
    assert causes == {"malformed": 1}


def test_the_first_bad_row_is_located_in_any_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.tick_files.text.BLOCK_BYTES", 50)
    text = HEAD + "\n" + "".join(row(f"{n:02}", "1.1", "1.2") for n in range(20))
    _, _, first = read(tmp_path, text + row("20", "1.3", "1.2"))
    assert first == "row 21 (line 23): crossed, ask 1.2 below bid 1.3"


@pytest.mark.parametrize(
    ("bad", "cause", "said"),
    [
        (row("01", "1.3", "1.2"), "crossed", "ask 1.2 below bid 1.3"),
        (row("01", "0", "1.2"), "not_positive", "bid 0.0"),
        (row("01", "-1.1", "1.2"), "not_positive", "bid -1.1"),
        (row("01", "nan", "1.2"), "malformed", "`nan` is no number"),
        (row("01", "1e999", "1.2"), "malformed", "`1e999` is beyond any number"),
        (row("01", "1.1x", "1.2"), "malformed", "bid `1.1x` is no number"),
        (row("61", "1.1", "1.2"), "malformed", "`15:00:61` is outside a day"),
        (row("01", "1.1", "1.2", "\t\t6"), "malformed", "6 columns instead of 7"),
        (row("01", "1.1", "1.2", "\t\t\t6\t"), "malformed", "8 columns instead of 7"),
        (row("01", "1.1", "1.2", "\tx\t\t6"), "malformed", "`x` is no number"),
        (row("01", "1.1", "1.2", "\t1ex\t\t6"), "malformed", "`1ex` is no number"),
        ("2022.02.30\t15:00:01\t1.1\t1.2\t\t\t6\r\n", "malformed", "`2022.02.30` is not a date"),
        ("1066.10.14\t15:00:01\t1.1\t1.2\t\t\t6\r\n", "malformed", "1970 to 2099"),
        ("2022.11.10\t14:59:59.999\t1.1\t1.2\t\t\t6\r\n", "out_of_order", "14:59:59.999Z is bef"),
        ("\0\0\0\0\r\n", "malformed", "1 columns"),
    ],
)
def test_a_bad_row_is_counted_located_and_left_out(
    tmp_path: Path, bad: str, cause: str, said: str
) -> None:
    good = [row(f"{second:02}", "1.1", "1.2") for second in (0, 2, 3)]
    ticks, causes, first = read(tmp_path, HEAD + good[0] + bad + good[1] + good[2])
    assert [(tick[0], tick[1] - THREE_PM) for tick in ticks] == [(0, 0), (1, 2000), (2, 3000)]
    assert causes == {cause: 1}
    assert first.startswith("row 2 (line 3): ")
    assert said in first


def test_a_bad_row_does_not_set_the_time_that_later_ones_are_measured_against(
    tmp_path: Path,
) -> None:
    late_but_crossed = row("50", "1.3", "1.2")
    ticks, causes, _ = read(
        tmp_path, row("00", "1.1", "1.2") + late_but_crossed + row("01", "1.1", "1.2")
    )
    assert len(ticks) == 2
    assert causes == {"crossed": 1}


def test_equal_times_keep_the_order_of_the_file(tmp_path: Path) -> None:
    text = "".join(row("00.500", f"1.{n:03}", "2") for n in range(500))
    assert [tick[3] for tick in read(tmp_path, text)[0]] == [float(f"1.{n:03}") for n in range(500)]


def test_half_the_rows_may_be_bad_but_not_one_more(tmp_path: Path) -> None:
    good, bad = row("00", "1.1", "1.2"), row("00", "1.3", "1.2")
    assert len(read(tmp_path, HEAD + good + bad)[0]) == 1
    with pytest.raises(UserError) as refused:
        read(tmp_path, HEAD + good + bad + bad)
    assert "2 of 3 rows are bad (2 crossed); the first: row 2 (line 3)" in refused.value.message
    assert str(tmp_path / "ticks.txt") in str(refused.value.place)
    assert "other way round" in str(refused.value.help)


def test_the_zone_is_the_servers_wall_clock(tmp_path: Path) -> None:
    ticks, _, _ = read(tmp_path, HEAD + GOOD, zones={"EURUSD": "Europe/Athens"})
    assert ticks[0][1] == THREE_PM + 17 - 2 * 3_600_000


def test_a_head_line_alone_is_a_file_without_ticks(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD) == ([], {}, "")
