"""`tidegate journal replay`: a journal is held to itself."""

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest
import trio

from adapters.sqlite.journal import open_journal
from engine.domain import records
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted, Encoding, GuardBreach, Record
from engine.journal_replay import replay_account
from engine.kept import Entry
from tests.facade.command_line import Program
from tests.live.live_house import live_house, spec_of

LOGIN, QUIET = 1001, 1002
KEY = AccountKey("Demo-1", LOGIN)


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of two accounts guarded over a real link; one breached and was closed."""
    path = tmp_path_factory.mktemp("lived") / "journal.db"

    async def live() -> None:
        async with (
            open_journal(path) as journal,
            live_house([spec_of(LOGIN), spec_of(QUIET)], journal) as house,
        ):
            house.open(LOGIN)
            await house.valued(LOGIN, 1)
            for step in count():  # until one comes that the leading terminal passes on
                if house.records(records.CloseSettled):
                    break
                house.quote("EURUSD", 1.0880 - step % 2 / 10_000, 1.0881)
                await trio.sleep(0.02)
            await house.until(lambda: not house.state(LOGIN).positions)

    async def in_time() -> None:
        with trio.fail_after(120):
            await live()

    trio.run(in_time)
    return path


def everything(path: Path) -> tuple[list[Entry], list[Record]]:
    """What the breached account has."""

    async def read() -> tuple[list[Entry], list[Record]]:
        async with open_journal(path) as journal:
            return list(await journal.entries(KEY, 0, 10**6)), list(
                await journal.read(KEY, 0, 10**6)
            )

    return trio.run(read)


def kept_anew(path: Path, entries: Sequence[Entry], kept: Sequence[Record]) -> None:
    """A journal whose chain is whole, whatever is in it."""

    async def write() -> None:
        async with open_journal(path) as journal:
            await journal.append(KEY, kept)
            for entry in entries:
                await journal.append(KEY, [], entry)

    trio.run(write)


def test_a_sound_journal_makes_itself_again(program: Program, lived: Path) -> None:
    said = program("journal", "replay", lived)
    assert (said.code, said.err) == (0, "")
    assert [line.partition(":")[0] for line in said.out.splitlines()] == [
        f"Demo-1/{LOGIN}",
        f"Demo-1/{QUIET}",
    ]
    assert said.out.count("as they were") == 2
    entries, kept = everything(lived)
    (found,) = json.loads(
        program("journal", "replay", lived, "--account", f"Demo-1/{LOGIN}", "--json").out
    )
    assert (found["entries"], found["records"]) == (len(entries), len(kept))
    assert found["difference"] is None


def test_a_digest_that_comes_out_otherwise_is_named(
    program: Program, lived: Path, tmp_path: Path
) -> None:
    entries, kept = everything(lived)
    entries[2] = entries[2]._replace(digest="0" * 32)
    kept_anew(tmp_path / "other.db", entries, kept)
    said = program("journal", "replay", tmp_path / "other.db")
    assert said.code == 1
    assert "DIFFERS after 2 inputs: entry 3: the state's digest is" in said.out


def test_a_record_that_no_input_makes_is_named(
    program: Program, lived: Path, tmp_path: Path
) -> None:
    entries, kept = everything(lived)
    more = AccountHalted(
        seq=len(kept) + 1, time_msc=1, login=LOGIN, server=KEY.server, cause="made up"
    )
    kept_anew(tmp_path / "more.db", entries, [*kept, more])
    said = program("journal", "replay", tmp_path / "more.db")
    assert said.code == 1
    assert f"record {more.seq}, and 0 after it, are of no entry" in said.out

    other = AccountHalted(seq=1, time_msc=1, login=LOGIN, server=KEY.server, cause="made up")
    kept_anew(tmp_path / "other.db", entries, [other, *kept[1:]])
    said = program("journal", "replay", tmp_path / "other.db")
    assert said.code == 1
    assert "record 1: " in said.out
    assert "made up" in said.out

    kept_anew(tmp_path / "fewer.db", entries, kept[:-1])
    said = program("journal", "replay", tmp_path / "fewer.db")
    assert said.code == 1
    assert f"record {len(kept)} " in said.out
    assert "was not kept" in said.out


def test_an_input_that_does_not_read_is_a_difference(
    program: Program, lived: Path, tmp_path: Path
) -> None:
    entries, kept = everything(lived)
    entries[1] = entries[1]._replace(body=b"\xc1")
    kept_anew(tmp_path / "other.db", entries, kept)
    said = program("journal", "replay", tmp_path / "other.db")
    assert said.code == 1
    assert "entry 2 cannot be replayed" in said.out


def test_a_verdict_is_shown_with_what_it_was_made_of(program: Program, lived: Path) -> None:
    _, kept = everything(lived)
    (breach,) = [record for record in kept if isinstance(record, GuardBreach)]
    said = program("journal", "replay", lived, "--verdict", breach.verdict_id, "--json")
    assert said.code == 0
    (found,) = json.loads(said.out)
    assert found["verdict"]["record"] == json.loads(Encoding.line(breach))
    assert found["verdict"]["quotes"]["EURUSD"]["bid"] in (1.0880, 1.0879)
    assert found["verdict"]["agrees"] is True
    plain = program("journal", "replay", lived, "--verdict", breach.verdict_id)
    assert plain.code == 0
    assert breach.verdict_id in plain.out


def test_what_is_not_in_the_journal_is_refused(program: Program, lived: Path) -> None:
    for option, value in (("--verdict", "vrd_none"), ("--account", "Demo-1/9")):
        said = program("journal", "replay", lived, option, value)
        assert (said.code, said.out) == (2, "")
        assert value in said.err


def test_records_kept_before_inputs_were_are_said_not_to_be_replayable(
    program: Program, lived: Path, tmp_path: Path
) -> None:
    _, kept = everything(lived)
    kept_anew(tmp_path / "old.db", [], kept)
    said = program("journal", "replay", tmp_path / "old.db")
    assert said.code == 0
    assert f"{len(kept)} records without inputs" in said.out


def test_an_engine_may_be_running_on_it(lived: Path, program: Program) -> None:
    async def both() -> None:
        async with open_journal(lived):
            assert program("journal", "replay", lived).code == 0

    trio.run(both)


def test_a_step_that_breaks_is_a_difference_and_no_traceback(lived: Path) -> None:
    entries, _ = everything(lived)

    class Reader:
        def accounts(self) -> list[AccountKey]:
            return [KEY]

        def entries(self, key: AccountKey) -> object:
            return iter([entries[0], entries[4]])

        def lines(self, key: AccountKey) -> object:
            return iter(())

    found = replay_account(KEY, Reader())  # type: ignore[arg-type]
    assert found.difference is not None
    assert found.entries == 1
