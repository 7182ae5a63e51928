"""`tidegate ticks`: what it prints, writes and refuses."""

import json
from pathlib import Path

import pytest

from tests.facade.command_line import TICKS, Program, sample


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_a_sample_is_made_and_says_it_is_made_up(run: Program, tmp_path: Path) -> None:
    words = ("ticks", "synthesize", "--out", tmp_path, "--days", "1", "--ticks-per-day", "500")
    said = run(*words, "--symbols", "EURUSD", "XAUUSD", "--seed", "3")
    assert said.code == 0
    assert [line.count("synthetic ticks of") for line in said.out.splitlines()] == [1, 1]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "EURUSD.synthetic.ticks",
        "XAUUSD.synthetic.ticks",
    ]
    looked = run("ticks", "inspect", tmp_path / "EURUSD.synthetic.ticks")
    assert "synthetic: made by tidegate" in looked.out


def test_the_same_options_make_the_same_bytes(run: Program, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        options = ("--days", "1", "--ticks-per-day", "300", "--start", "2026-03-09", "--no-news")
        said = run(
            "ticks", "synthesize", "--out", folder, "--symbols", "EURUSD", *options, "--json"
        )
        assert json.loads(said.out)[0]["symbol"] == "EURUSD"
        made.append((folder / "EURUSD.synthetic.ticks").read_bytes())
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--out", "nowhere"), "the folder is not there"),
        (("--out", ".", "--start", "soon"), '--start "soon" is not a day'),
        (("--out", ".", "--days", "0"), "--days"),
        (("--out", ".", "--symbols", "NOPE"), "NOPE"),
    ],
)
def test_a_sample_that_cannot_be_made_is_refused(
    run: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = run("ticks", "synthesize", *words)
    assert said.code == 2
    assert expected in said.err
    assert list(tmp_path.iterdir()) == []


def test_ticks_are_converted_and_replay_alike(run: Program, tmp_path: Path) -> None:
    book, ticks = sample(tmp_path)[:2], tmp_path / "gold.tsv"
    store, text = tmp_path / "gold.ticks", tmp_path / "again.tsv"
    said = run("ticks", "convert", ticks, "--symbol", "XAUUSD", "--out", store)
    assert said.out == f"{store}: 5 rows of XAUUSD, 2 decimals, as store; 0 invalid left out\n"
    words = ("--symbol", "XAUUSD", "--to", "mt5-tsv", "--out", text, "--json")
    assert json.loads(run("ticks", "convert", store, *words).out)["rows"] == 5
    events = []
    for path in (ticks, store, text):
        out = tmp_path / f"{path.name}.jsonl"
        assert run("replay", *book, "--ticks", f"XAUUSD={path}", "--events", out).code == 0
        events.append(out.read_bytes())
    assert events[0] == events[1] == events[2]


def test_bad_rows_are_left_out_and_the_first_is_named(run: Program, tmp_path: Path) -> None:
    ticks = tmp_path / "gold.tsv"
    ticks.write_text(TICKS.replace("1995.00\t1995.30", "1995.30\t1995.00"))
    said = run("ticks", "convert", ticks, "--symbol", "XAUUSD", "--out", tmp_path / "g.ticks")
    assert "4 rows" in said.out
    assert "1 invalid left out" in said.out
    assert f"{ticks}: first invalid row 2 (line 3)" in said.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--symbol", "X", "--out", "gold.tsv"), "it is an input too"),
        (("--symbol", "X", "--out", "no/where"), "the folder is not there"),
        (("--symbol", "X", "--out", "g", "--to", "csv"), "--to"),
        (("--symbol", "X", "--out", "g", "--date", "1.1."), '--date "1.1." is not a day'),
        (("--symbol", "X", "--out", "g", "--zone", "Mars"), "Mars"),
        (("--out", "g"), "--symbol"),
    ],
)
def test_a_conversion_that_cannot_be_is_refused(
    run: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gold.tsv").write_text(TICKS)
    said = run("ticks", "convert", "gold.tsv", *words)
    assert said.code == 2
    assert expected in said.err
    assert [p.name for p in tmp_path.iterdir()] == ["gold.tsv"]
    assert Path("gold.tsv").read_text() == TICKS


def test_a_file_is_inspected_in_words_and_for_machines(run: Program, tmp_path: Path) -> None:
    ticks = tmp_path / "gold.tsv"
    ticks.write_text(TICKS.replace("1995.00\t1995.30", "1995.30\t1995.00"))
    said = run("ticks", "inspect", ticks, "--symbol", "XAUUSD", "--gap", "10").out
    assert "rows        5, 1 invalid" in said
    assert "crossed: 1" in said
    assert "span        2024-03-05T10:00:00.000Z to 2024-03-05T10:00:30.030Z" in said
    assert "gaps        2" in said
    (found,) = json.loads(run("ticks", "inspect", ticks, "--json").out)
    assert (found["rows"], found["invalid_by_cause"]) == (5, {"crossed": 1})


def test_what_is_no_tick_file_is_refused_by_name(run: Program, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    for path in (empty, tmp_path / "none.csv"):
        said = run("ticks", "inspect", path)
        assert said.code == 2
        assert path.name in said.err
    assert run("ticks", "inspect", empty, "--gap", "0").code == 2
