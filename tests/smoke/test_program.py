"""The program as a user has it: started as a command, from a folder where no source lies.

In the suite these run against the checkout. `.ci/run` runs them against an interpreter that has
only the wheel and its run-time pins (TIDEGATE_SMOKE_PYTHON), and then also where the engine comes
from is asserted. Nothing of Tidegate is imported here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BOOK = CHECKOUT / "docs" / "examples" / "demo.toml"
SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD")
INSTALLED = os.environ.get("TIDEGATE_SMOKE_PYTHON")
PYTHON = INSTALLED or sys.executable


def run(*words: str, folder: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """The finished command; its exit code must be as expected."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["COLUMNS"] = "80"
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == expect, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def tidegate(*words: str, folder: Path, expect: int = 0) -> subprocess.CompletedProcess[str]:
    script = Path(PYTHON).parent / "tidegate"
    return run(str(script), *words, folder=folder, expect=expect)


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one synthetic day of each symbol."""
    folder = tmp_path_factory.mktemp("ticks")
    words = ("ticks", "synthesize", "--out", ".", "--seed", "7", "--days", "1", "--symbols")
    tidegate(*words, *SYMBOLS, folder=folder)
    return folder


def test_the_engine_that_is_imported_is_the_one_under_test(tmp_path: Path) -> None:
    code = "import engine, engine.replay, facade, adapters; print(engine.__file__)"
    home = Path(run(PYTHON, "-c", code, folder=tmp_path).stdout.strip())
    if INSTALLED:
        assert "site-packages" in home.parts
        assert CHECKOUT not in home.parents
    else:
        assert home == CHECKOUT / "engine" / "__init__.py"


def test_the_version_is_said(tmp_path: Path) -> None:
    assert "0.1.0" in tidegate("--version", folder=tmp_path).stdout


def test_the_sample_book_is_found_in_order(tmp_path: Path) -> None:
    tidegate("check", str(BOOK), folder=tmp_path)


def test_a_misspelt_key_is_refused_with_its_place_and_no_traceback(tmp_path: Path) -> None:
    text = BOOK.read_text(encoding="utf-8")
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace("currency = ", "curency = ", 1), encoding="utf-8")
    said = tidegate("check", "bad.toml", folder=tmp_path, expect=2)
    assert "bad.toml" in said.stderr
    assert "Traceback" not in said.stderr


def test_a_replay_of_the_sample_leaves_events_a_summary_and_a_report(
    ticks: Path, tmp_path: Path
) -> None:
    given = [word for s in SYMBOLS for word in ("--ticks", f"{s}={ticks / s}.synthetic.ticks")]
    outputs = ("--events", "e.jsonl", "--summary", "s.json", "--report", "r.html")
    tidegate("replay", "--book", str(BOOK), *given, *outputs, folder=tmp_path)
    events = [json.loads(line) for line in (tmp_path / "e.jsonl").read_text().splitlines()]
    logins = {event["login"] for event in events}
    assert len(logins) == 12
    assert {e["login"] for e in events if e["type"] == "account_closed"} == logins
    assert json.loads((tmp_path / "s.json").read_text())
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "synthetic" in page.lower()
    assert len(page.encode()) <= 300_000 + 12_000 * len(logins)


def test_the_same_replay_twice_gives_the_same_bytes(ticks: Path, tmp_path: Path) -> None:
    given = [word for s in SYMBOLS for word in ("--ticks", f"{s}={ticks / s}.synthetic.ticks")]
    for name in ("a.jsonl", "b.jsonl"):
        tidegate("replay", "--book", str(BOOK), *given, "--events", name, folder=tmp_path)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
