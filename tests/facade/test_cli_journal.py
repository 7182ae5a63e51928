"""`tidegate journal`: exit codes, what is said, what is written."""

import json
from pathlib import Path

import apsw
import pytest
import trio

from adapters.sqlite.journal import open_journal
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted, Encoding
from engine.errors import JournalError
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
    assert "whole: 3 records and 0 inputs of 1 accounts; head 3:" in said.out
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


def test_heads_noted_by_an_engine_show_an_end_that_was_cut_off(
    program: Program, journal_file: Path, tmp_path: Path
) -> None:
    heads = tmp_path / "heads"
    whole = program("journal", "verify", journal_file).out.split()[-1]
    heads.write_text(f"2026-03-02T09:00:00+00:00 {whole}\n2026-03-02T09:01:00+00:00 2:ab")
    said = program("journal", "verify", journal_file, "--anchors", heads)
    assert said.code == 0
    assert "as in 1 heads kept elsewhere" in said.out

    connection = apsw.Connection(str(journal_file))
    connection.execute("DROP TRIGGER event_is_never_deleted; DELETE FROM event WHERE number = 3")
    connection.execute(
        "UPDATE head SET number = 2, hash = (SELECT hash FROM event WHERE number = 2)"
    )
    connection.close()
    assert program("journal", "verify", journal_file).code == 0, "the file itself cannot show it"
    said = program("journal", "verify", journal_file, "--anchors", heads)
    assert said.code == 1
    assert "rows at the end are missing" in said.out


def test_heads_of_one_row_that_differ_are_a_fault(
    program: Program, journal_file: Path, tmp_path: Path
) -> None:
    heads = tmp_path / "heads"
    heads.write_text(f"x 2:{'ab' * 32}\nx 2:{'cd' * 32}\n")
    said = program("journal", "verify", journal_file, "--anchors", heads)
    assert said.code == 1
    assert "two given heads of row 2 differ" in said.out


@pytest.mark.parametrize("content", [None, "", "yesterday\n"])
def test_a_file_without_heads_is_refused(
    program: Program, journal_file: Path, tmp_path: Path, content: str | None
) -> None:
    heads = tmp_path / "heads"
    if content is not None:
        heads.write_text(content)
    said = program("journal", "verify", journal_file, "--anchors", heads)
    assert (said.code, said.out) == (2, "")
    assert str(heads) in said.err


def test_a_journal_that_failed_ends_the_program_with_3(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failed(*_: object) -> None:
        raise JournalError(f"the journal failed; {tmp_path}/journal.db.failed says what to do")

    monkeypatch.setattr("facade.anchors.read_anchors", failed)
    said = program("journal", "verify", tmp_path / "journal.db", "--anchors", tmp_path / "heads")
    assert said.code == 3
    assert f"{tmp_path}/journal.db.failed says what to do" in said.err
    assert "docs/durability.md" in said.err
