"""The program as a whole, and its smaller commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from engine.book import parse_book
from engine.domain.presets import PRESETS
from engine.errors import AdapterError
from facade import cli_bench
from tests.facade.command_line import BOOK, Program, sample


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_the_version_is_said(run: Program) -> None:
    said = run("--version")
    assert (said.code, said.out.split()[0]) == (0, "tidegate")


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("replay", "--help"), ("ticks", "-h")])
def test_help_is_no_error(run: Program, words: tuple[str, ...]) -> None:
    said = run(*words)
    assert (said.code, said.err) == (0, "")
    assert "Usage: " in said.out


@pytest.mark.parametrize("words", [(), ("ticks",), ("report",)])
def test_a_command_that_is_not_named_is_asked_for_with_the_help(
    run: Program, words: tuple[str, ...]
) -> None:
    said = run(*words)
    assert said.code == 2
    assert "Usage: " in said.out + said.err


@pytest.mark.parametrize(
    ("words", "error", "command"),
    [
        (("fly",), "error: no such command 'fly'", "tidegate"),
        (("replay",), "error: missing option '--book'", "tidegate replay"),
        (("check", "--loud"), "error: no such option: --loud", "tidegate check"),
        (("ticks", "fly"), "error: no such command 'fly'", "tidegate ticks"),
    ],
)
def test_a_wrong_command_line_is_refused_like_everything_else(
    run: Program, words: tuple[str, ...], error: str, command: str
) -> None:
    said = run(*words)
    assert said.code == 2
    assert said.err.startswith(error)
    assert said.err.endswith(f"help: {command} --help shows what is allowed\n")


def test_an_outside_system_that_fails_exits_3(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: str) -> bool:
        raise AdapterError("no answer", system="browser", retry=True)

    page = tmp_path / "r.html"
    run("replay", *sample(tmp_path), "--report", page)
    monkeypatch.setattr("webbrowser.open", fail)
    said = run("report", "open", page)
    assert (said.code, said.err) == (3, "error: browser: no answer\n")


def test_the_program_refuses_to_run_without_assertions() -> None:
    words = (sys.executable, "-O", "-m", "facade", "--version")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "without assertions" in done.stderr


# check


def test_a_book_that_is_in_order_is_counted(run: Program, tmp_path: Path) -> None:
    sample(tmp_path)
    book = tmp_path / "book.toml"
    said = run("check", book)
    assert said == (
        0,
        f"{book}: 4 accounts with 4 positions, 2 instruments, 1 ruleset; nothing is wrong\n",
        "",
    )
    found = json.loads(run("check", book, "--json").out)
    assert (found["accounts"], found["instruments"]) == (4, ["XAUUSD", "GOLD"])


def test_a_book_with_a_fault_is_refused_with_its_place(run: Program, tmp_path: Path) -> None:
    book = tmp_path / "bad.toml"
    book.write_text(BOOK.replace("action =", "acton ="))
    said = run("check", book)
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "error: unknown key `acton` in a guard\n"
        f"  --> {book}:23   ruleset[0].guard[0].acton\n"
        '   |  acton = "close_and_halt"\n'
        "help: did you mean `action`? allowed: alert, close, close_and_halt, pause\n"
    )


def test_a_warning_of_a_book_is_no_error(run: Program, tmp_path: Path) -> None:
    book = tmp_path / "odd.toml"
    book.write_text(BOOK + '[[ruleset]]\nname = "free"\n')
    said = run("check", book)
    assert (said.code, said.err) == (0, "warning: the ruleset `free` has no guard\n")


def test_no_book_at_all_is_refused(run: Program) -> None:
    assert run("check").code == 2


def test_the_presets_are_printed_so_that_a_book_takes_them(run: Program) -> None:
    start, end = BOOK.index("[[ruleset]]"), BOOK.index("[[account]]")
    printed = run("check", "--presets").out
    accounts = BOOK[end:].replace('ruleset = "house"', 'ruleset = "classic"')
    book = parse_book(BOOK[:start] + printed + accounts, "printed.toml")
    assert list(book.rulesets) == list(PRESETS)
    for name in PRESETS:
        named = f'[[ruleset]]\nname = "house"\npreset = "{name}"\n'
        wanted = parse_book(BOOK[:start] + named + BOOK[end:], "preset.toml")
        theirs = wanted.guards_of("house", "USD", 5000.0)
        assert book.guards_of(name, "USD", 5000.0) == theirs
    listed = json.loads(run("check", "--presets", "--json").out)
    assert [preset["name"] for preset in listed] == list(PRESETS)


# report open


def test_a_report_is_read_back(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def browse(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    page, summary = tmp_path / "r.html", tmp_path / "s.json"
    run("replay", *sample(tmp_path), "--report", page, "--summary", summary)
    machine = json.loads(run("report", "open", page, "--json").out)
    assert machine["summary"] == json.loads(summary.read_text())
    assert opened == []
    said = run("report", "open", page)
    assert said.out == f"{machine['headline']}\n"
    assert opened == [page.resolve().as_uri()]


def test_where_no_browser_is_the_address_is_said(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    page = tmp_path / "r.html"
    run("replay", *sample(tmp_path), "--report", page)
    assert page.resolve().as_uri() in run("report", "open", page).out


def test_what_is_no_report_is_refused(run: Program, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<!doctype html>")
    assert run("report", "open", tmp_path / "a.html").code == 2
    assert run("report", "open", tmp_path / "b.html").code == 2


# bench


def test_the_bench_runs_the_harness_of_the_checkout(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "perf").mkdir()
    (tmp_path / "perf" / "__init__.py").write_text("")
    (tmp_path / "perf" / "harness.py").write_text(
        "import sys\nopen('words', 'w').write(' '.join(sys.argv[1:]))\nsys.exit(1)\n"
    )
    monkeypatch.setattr(cli_bench, "ROOT", tmp_path)
    assert run("bench", "--quick", "--only", "step", "--json").code == 1
    assert (tmp_path / "words").read_text() == "--quick --only step --json"


def test_the_bench_says_why_it_cannot_run_elsewhere(
    run: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_bench, "ROOT", tmp_path)
    said = run("bench")
    assert said.code == 2
    assert "from a checkout" in said.err


def test_what_typer_hides_of_click_is_what_is_taken_for_it() -> None:
    from facade import __main__

    assert issubclass(typer.BadParameter, __main__._USAGE_ERROR)
    assert __main__._USAGE_ERROR.__name__ == "UsageError"
    assert __main__._CLICK_ERROR.__name__ == "ClickException"
