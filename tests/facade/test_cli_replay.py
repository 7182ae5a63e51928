"""`tidegate replay` and `tidegate explain`: what they print, write and exit with."""

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from facade import cli_replay
from tests.facade.command_line import BOOK, BREACHED, Program, sample

GROUP = "\u202f"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_a_replay_prints_a_line_an_account_and_the_totals(run: Program, tmp_path: Path) -> None:
    said = run("replay", *sample(tmp_path))
    lines = said.out.replace(GROUP, " ").replace("\u00a0", " ").splitlines()
    assert lines[:4] == [
        " 1  ✕ breach  floor  2024-03-05T10:00:09.009Z  8 950.00 < 9 000.00 USD",
        " 2  ▲ warned  floor 2024-03-05T10:00:09.009Z  min room 50.00 USD (5.0 % left)",
        " 3  ● known   min room 450.00 USD (45.0 % left) at 2024-03-05T10:00:09.009Z",
        " 4  ? unknown never valued: no tick of GOLD",
    ]
    assert re.fullmatch(
        r"5 ticks, 0 invalid, \d+\.\d\d s \(.*/s\); 1 of 4 accounts breached, 1 warned, 1 unknown",
        lines[4],
    )
    assert (said.code, said.err, len(lines)) == (0, "", 5)


def test_what_is_asked_for_is_written_and_named(run: Program, tmp_path: Path) -> None:
    outputs = {name: tmp_path / f"out.{name}" for name in ("report", "events", "summary")}
    words = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    said = run("replay", *sample(tmp_path), *words)
    events = [json.loads(line) for line in outputs["events"].read_text().splitlines()]
    assert {event["login"] for event in events} == {1, 2, 3, 4}
    assert [e["type"] for e in events if e["login"] == BREACHED][-1] == "account_closed"
    assert json.loads(outputs["summary"].read_text())["ticks"] == 5
    last = said.out.splitlines()[-1]
    assert f"events: {outputs['events']} ({len(events)})" in last
    assert f"report: {outputs['report']} (" in last


def test_json_is_the_summary_and_nothing_else(run: Program, tmp_path: Path) -> None:
    said = run("replay", *sample(tmp_path), "--json", "--summary", tmp_path / "s.json")
    printed = json.loads(said.out)
    assert printed == json.loads((tmp_path / "s.json").read_text())
    assert [account["breaches"] for account in printed["accounts"]] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("fail_on", "options", "code"),
    [
        ("breach", (), 1),
        ("warning", (), 1),
        ("breach", ("--to", "2024-03-05T10:00:09Z"), 0),
        ("warning", ("--to", "2024-03-05T10:00:09Z"), 0),
    ],
)
def test_a_replay_fails_on_what_it_is_told_to(
    run: Program, tmp_path: Path, fail_on: str, options: tuple[str, ...], code: int
) -> None:
    assert run("replay", *sample(tmp_path), "--fail-on", fail_on, *options).code == code


def test_a_warning_alone_fails_only_where_warnings_do(run: Program, tmp_path: Path) -> None:
    words = sample(tmp_path)
    book = tmp_path / "book.toml"
    book.write_text(BOOK.replace("open_price = 2000.0", "open_price = 1995.0"), encoding="utf-8")
    assert run("replay", *words, "--fail-on", "breach").code == 0
    assert run("replay", *words, "--fail-on", "warning").code == 1


def test_pollers_are_compared_with_in_words_and_in_the_summary(
    run: Program, tmp_path: Path
) -> None:
    words = ("--compare-poll", "1s,15s")
    said = run("replay", *sample(tmp_path), *words)
    assert " 1  a poll each 1s sees floor 0.5 s late (median), 1.0 s at most" in said.out
    found = json.loads(run("replay", *sample(tmp_path), *words, "--json").out)["compare_poll"]
    assert [poll["period"] for poll in found] == ["1s", "15s"]
    assert found[1]["missed_percent"] > 0


def test_a_range_of_time_is_taken_from_its_first_moment_to_before_its_last(
    run: Program, tmp_path: Path
) -> None:
    words = ("--from", "2024-03-05T10:00:05.005Z", "--to", "2024-03-05T10:00:20.020Z", "--json")
    assert json.loads(run("replay", *sample(tmp_path), *words).out)["ticks"] == 2


def test_a_zone_moves_the_clock_of_a_file(run: Program, tmp_path: Path) -> None:
    events = tmp_path / "e.jsonl"
    words = ("--zone", "XAUUSD=Europe/Athens", "--events", events)
    assert run("replay", *sample(tmp_path), *words).code == 0
    first = json.loads(events.read_text().splitlines()[0])
    assert first["time_msc"] == 1709625600000  # 08:00:00 UTC


def test_several_files_of_a_symbol_follow_each_other(run: Program, tmp_path: Path) -> None:
    words = sample(tmp_path)
    more = tmp_path / "one, two.tsv"  # a comma in a name that is there parts nothing
    text = (tmp_path / "gold.tsv").read_text()
    more.write_text(text.replace("2024.03.05", "2024.03.06"))
    said = run("replay", *words, "--ticks", f"XAUUSD={more}", "--json")
    assert json.loads(said.out)["ticks"] == 10


def test_the_pace_of_the_ticks_changes_no_event(run: Program, tmp_path: Path) -> None:
    events = {}
    for speed in ("max", "1000x"):
        path = tmp_path / f"{speed}.jsonl"
        assert run("replay", *sample(tmp_path), "--speed", speed, "--events", path).code == 0
        events[speed] = path.read_bytes()
    assert events["max"] == events["1000x"]


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("--zone", "XAUUSD"), '--zone "XAUUSD" is not SYMBOL=IANA'),
    (("--zone", "XAUUSD=Mars"), "Mars"),
    (("--zone", "SILVER=UTC"), "SILVER"),
    (("--date", "XAUUSD=today"), "today"),
    (("--from", "noon"), "noon"),
    (("--from", "2024-03-06T00:00:00Z", "--to", "2024-03-05T00:00:00Z"), "--to is not after"),
    (("--from", "2030-01-01"), "gold.tsv: 5 rows, 2024-03-05T10:00:00.000Z to"),
    (("--compare-poll", "10"), "'10' is not a period"),
    (("--speed", "fast"), "'fast' is not a speed"),
    (("--fail-on", "anything"), "--fail-on"),
    (("--ticks", "XAUUSD"), "is not SYMBOL=PATH"),
    (("--ticks", "XAUUSD="), "is not SYMBOL=PATH"),
    (("--ticks", "SILVER=gold.tsv"), "instruments in the book: GOLD, XAUUSD"),
    (("--ticks", "GOLD=not-there.zip"), "not-there.zip"),
    (("--events", "no-folder/e.jsonl"), "the folder is not there"),
    (("--events", "."), "it is a folder"),
    (("--events", "gold.tsv"), "it is an input too"),
    (("--events", "x", "--summary", "x"), "it is another output too"),
    (("--surprise",), "--surprise"),
]


@pytest.mark.parametrize(("words", "expected"), WRONG)
def test_a_wrong_option_is_the_users_to_mend(
    run: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = sample(tmp_path)
    said = run("replay", *given, *words)
    assert said.code == 2
    assert said.err.startswith("error: ")
    assert expected in said.err
    assert said.out == ""
    assert sorted(os.listdir()) == ["book.toml", "gold.tsv"]


def test_a_broken_file_leaves_no_output(run: Program, tmp_path: Path) -> None:
    words = sample(tmp_path)
    (tmp_path / "gold.tsv").write_bytes(os.urandom(2000))
    said = run("replay", *words, "--events", tmp_path / "e.jsonl")
    assert (said.code, "gold.tsv" in said.err) == (2, True)
    assert not (tmp_path / "e.jsonl").exists()


def test_what_is_odd_in_a_book_is_said_before_the_replay(run: Program, tmp_path: Path) -> None:
    words = sample(tmp_path)
    with (tmp_path / "book.toml").open("a") as book:
        book.write('\n[[ruleset]]\nname = "free"\n')
    assert run("replay", *words).err == "warning: the ruleset `free` has no guard\n"


def test_of_very_many_accounts_the_worst_are_listed(run: Program, tmp_path: Path) -> None:
    words = sample(tmp_path)
    start = BOOK.index("[[account]]")
    account = BOOK[start : BOOK.index("[[account]]", start + 1)]
    calm = account.replace("open_price = 2000.0", "open_price = 1990.0")
    more = "".join(calm.replace("login = 1\n", f"login = {n}\n") for n in range(100, 160))
    (tmp_path / "book.toml").write_text(BOOK[:start] + more + BOOK[start:], encoding="utf-8")
    lines = run("replay", *words).out.splitlines()
    assert lines[0].startswith("   1  ✕ breach")
    assert lines[1].startswith("   4  ? unknown")
    assert lines[2].startswith("   2  ▲ warned")
    assert lines[40] == " 24 more accounts, none of them worse"
    assert len(lines) == 42


# Explain


def verdicts(path: Path) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [event for event in events if "verdict_id" in event]


def test_every_verdict_is_explained_and_agrees(run: Program, tmp_path: Path) -> None:
    words, events = sample(tmp_path), tmp_path / "e.jsonl"
    run("replay", *words, "--events", events)
    found = verdicts(events)
    assert [v["login"] for v in found] == [1, 2, 2]
    for verdict in found:
        said = run("explain", verdict["verdict_id"], "--events", events, *words)
        assert said.code == 0
        assert "agrees in every field" in said.out
        asked = run("explain", verdict["verdict_id"], "--events", events, *words, "--json")
        assert json.loads(asked.out)["agrees"] is True


def test_a_verdict_that_was_changed_does_not_agree(run: Program, tmp_path: Path) -> None:
    words, events = sample(tmp_path), tmp_path / "e.jsonl"
    run("replay", *words, "--events", events)
    events.write_text(events.read_text().replace("8950.0", "8950.5"))
    name = next(v["verdict_id"] for v in verdicts(events) if v["type"] == "guard_breach")
    said = run("explain", name, "--events", events, *words)
    assert said.code == 1
    assert "8950.5" in said.out
    assert run("explain", "vrd_none", "--events", events, *words).code == 2


# Interruption and terminals


@pytest.mark.parametrize("error", [KeyboardInterrupt, EOFError])
def test_an_interrupted_replay_says_so_and_exits_130(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupt() -> None:
        raise error

    monkeypatch.setattr(cli_replay, "compile_all", interrupt)
    said = run("replay", *sample(tmp_path), "--events", tmp_path / "e.jsonl")
    assert said.code == 130
    assert said.err.strip() == "interrupted"
    assert not (tmp_path / "e.jsonl").exists()


def test_a_live_replay_that_is_interrupted_exits_130_too(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trio.run", interrupt)
    assert run("replay", *sample(tmp_path), "--speed", "real").code == 130


def read_terminal(leader: int) -> str:
    """What is drawn until the last program on the terminal has ended."""
    drawn = b""
    with suppress(OSError):  # Linux: the other end is gone
        while part := os.read(leader, 65536):
            drawn += part
    return drawn.decode()


def test_progress_is_drawn_on_a_terminal_and_nowhere_else(tmp_path: Path) -> None:
    words = (sys.executable, "-m", "facade", "replay", *sample(tmp_path))
    leader, follower = pty.openpty()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=follower, text=True) as started:
        os.close(follower)
        drawn = read_terminal(leader)
        assert started.stdout is not None
        printed = started.stdout.read()
    os.close(leader)
    assert started.returncode == 0
    assert "\x1b[" in drawn
    assert "\x1b" not in printed
    piped = subprocess.run(words, capture_output=True, check=True, text=True)
    assert piped.stderr == ""
