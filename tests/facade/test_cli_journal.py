"""`tidegate journal`: exit codes, what is said, what is written."""

import json
from pathlib import Path

import apsw
import pytest
import trio

from adapters.sqlite.journal import open_journal
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted, Encoding
from tests.facade.command_line import Program

KEY = AccountKey("Demo-1", 1001)
RECORDS = [
    AccountHalted(seq=seq, time_msc=seq, login=KEY.login, server=KEY.server, cause="x")
    for seq in (1, 2, 3)
]


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture
def journal_file(tmp_path: Path) -> Path:
    """A journal of three records of one account."""

    async def fill() -> None:
        async with open_journal(tmp_path / "journal.db") as journal:
            await journal.append(KEY, RECORDS)

    trio.run(fill)
    return tmp_path / "journal.db"


def damage(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("DROP TRIGGER event_is_never_changed")
    connection.execute("UPDATE event SET body = x'7b7d' WHERE number = 2")
    connection.close()


def test_a_whole_journal_is_verified_and_says_its_head(
    program: Program, journal_file: Path
) -> None:
    said = program("journal", "verify", journal_file)
    assert said.code == 0
    assert "whole: 3 records of 1 accounts; head 3:" in said.out
    head = said.out.split()[-1]
    assert program("journal", "verify", journal_file, "--head", head).code == 0


def test_a_changed_row_is_named_and_exits_1(program: Program, journal_file: Path) -> None:
    damage(journal_file)
    said = program("journal", "verify", journal_file)
    assert said.code == 1
    assert "NOT whole: row 2 (Demo-1/1001, record 2)" in said.out
    said = program("journal", "verify", journal_file, "--json")
    assert said.code == 1
    found = json.loads(said.out)
    assert found["records"] == 1
    assert found["fault"].startswith("row 2 ")


def test_a_head_of_another_chain_exits_1(program: Program, journal_file: Path) -> None:
    said = program("journal", "verify", journal_file, "--head", "2:" + "ab" * 32)
    assert said.code == 1
    assert "made anew" in said.out
    said = program("journal", "verify", journal_file, "--head", "9:" + "ab" * 32)
    assert said.code == 1
    assert "rows at the end are missing" in said.out


def test_a_head_that_is_none_is_refused(program: Program, journal_file: Path) -> None:
    said = program("journal", "verify", journal_file, "--head", "latest")
    assert said.code == 2
    assert "NUMBER:HASH" in said.err


@pytest.mark.parametrize("command", ["verify", "export"])
def test_what_is_no_journal_is_refused(program: Program, tmp_path: Path, command: str) -> None:
    missing = program("journal", command, tmp_path / "none.db")
    assert (missing.code, missing.out) == (2, "")
    assert "no such journal" in missing.err
    (tmp_path / "book.toml").write_text("login = 1\n" * 200)
    other = program("journal", command, tmp_path / "book.toml")
    assert other.code == 2
    assert "no journal" in other.err


def test_every_record_is_exported_as_its_line(
    program: Program, journal_file: Path, tmp_path: Path
) -> None:
    lines = b"".join(Encoding.line(record) for record in RECORDS)
    out = tmp_path / "out.jsonl"
    said = program("journal", "export", journal_file, "--out", out)
    assert said.code == 0
    assert "3 records" in said.out
    assert out.read_bytes() == lines
    assert program("journal", "export", journal_file).out == lines.decode()


def test_an_export_never_overwrites_its_journal(program: Program, journal_file: Path) -> None:
    said = program("journal", "export", journal_file, "--out", journal_file)
    assert said.code == 2
    assert "an input too" in said.err
