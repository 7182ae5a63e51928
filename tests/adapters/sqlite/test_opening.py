"""What opens a journal and what is refused; how appends wait for the disk."""

import os
import shutil
from hashlib import sha256
from pathlib import Path

import apsw
import pytest
import trio

from adapters.sqlite import schema
from adapters.sqlite.chain import Head, row_hash
from adapters.sqlite.journal import SqliteEpochs, SqliteJournal, open_journal
from adapters.sqlite.marker import marker_of
from adapters.sqlite.store import Store
from adapters.sqlite.verification import verify
from adapters.sqlite.writer import WriterThread
from engine.domain.records import Encoding
from engine.errors import JournalError, UserError
from engine.kept import Entry, KeptState
from tests.adapters.sqlite.workload import KEYS, halted


async def opened(path: Path) -> None:
    async with open_journal(path):
        pass


def tampered(path: Path, sql: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(sql).fetchall()
    connection.close()


async def test_a_journal_opened_again_goes_on_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        await journal.append(KEYS[0], [halted(1), halted(2)])
        await journal.keep_state(KEYS[0], KeptState(2, 0, "digest", b"state"))
        assert await SqliteEpochs(journal).raise_to(KEYS[1], 7)
        head = await journal.head()
    async with open_journal(path) as journal:
        assert await journal.head() == head
        assert await journal.kept_state(KEYS[0]) == KeptState(2, 0, "digest", b"state")
        assert await SqliteEpochs(journal).read(KEYS[1]) == 7
        assert not await SqliteEpochs(journal).raise_to(KEYS[1], 7)
        assert await journal.accounts() == [KEYS[0]]
        await journal.append(KEYS[0], [halted(3)])
        await journal.append(KEYS[1], [halted(1, KEYS[1])])
        assert await journal.read(KEYS[0], 1, 9) == (halted(2), halted(3))
    assert verify(path, [head]).fault is None


async def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await opened(path)
    tampered(path, "INSERT INTO migration VALUES (99, 'later', 'x', 0)")
    with pytest.raises(UserError, match=r"newer version.*step 99 \(later\)"):
        await opened(path)
    with pytest.raises(UserError, match="newer version"):
        verify(path)
    assert not marker_of(path).exists()


async def test_a_journal_whose_schema_had_another_step_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await opened(path)
    tampered(path, "UPDATE migration SET sha256 = 'other'")
    with pytest.raises(UserError, match="not this version's step 1"):
        await opened(path)


async def test_a_later_version_adds_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        await journal.append(KEYS[0], [halted(1)])
    known = schema.migrations()
    later = schema.Migration(
        len(known) + 1, "later", "CREATE TABLE later (a) STRICT".replace("(a)", "(a INTEGER)")
    )
    monkeypatch.setattr(schema, "migrations", lambda: (*known, later))
    async with open_journal(path) as journal:
        await journal.append(KEYS[0], [halted(2)])
    assert verify(path).records == 2
    monkeypatch.setattr(schema, "migrations", lambda: known)
    with pytest.raises(UserError, match="newer version"):
        await opened(path)


@pytest.mark.parametrize("content", [b"not a database at all, but some text" * 40, None])
async def test_a_file_of_something_else_is_refused_and_left_alone(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.db"
    if content is None:
        tampered(path, "CREATE TABLE theirs (a)")
        content = path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(UserError, match="no journal"):
        await opened(path)
    with pytest.raises(UserError, match="no journal"):
        verify(path)
    assert path.read_bytes() == content


async def test_a_second_engine_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        with pytest.raises(UserError, match="another engine"):
            await opened(path)
        await journal.append(KEYS[0], [halted(1)])
        assert verify(path).records == 1, "a reader may look meanwhile"
        await journal.append(KEYS[0], [halted(2)])
    await opened(path)


async def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        await opened(tmp_path / "none" / "journal.db")


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2"])
def test_an_old_sqlite_is_refused(version: str) -> None:
    with pytest.raises(UserError, match="corrupt"):
        schema.refuse_old_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.54.0", "4.0"])
def test_a_sound_sqlite_is_taken(version: str) -> None:
    schema.refuse_old_sqlite(version)


def test_every_commit_is_synced_and_no_checkpoint_is_made_unasked(tmp_path: Path) -> None:
    connection = schema.connect(tmp_path / "journal.db")
    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("wal_autocheckpoint") == 0
    assert connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, -1) == 1
    connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO event VALUES (3, 1, 4, x'00', zeroblob(32))",
        "INSERT INTO event VALUES (3, 1, 2, x'00', zeroblob(32))",
        "INSERT INTO event VALUES (5, 1, 3, x'00', zeroblob(32))",
        "UPDATE event SET body = x'00'",
        "DELETE FROM event WHERE number = 2",
    ],
)
async def test_the_schema_itself_refuses_gaps_repeats_and_changes(tmp_path: Path, sql: str) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        await journal.append(KEYS[0], [halted(1), halted(2)])
    with pytest.raises(apsw.ConstraintError):
        tampered(path, sql)
    assert verify(path).records == 2


async def test_waiting_appends_share_a_commit_and_the_queue_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    append = Store.append

    def counted(self: Store, additions: list[object]) -> object:
        sizes.append(len(additions))
        return append(self, additions)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "append", counted)

    async def fill(journal: SqliteJournal, login: int) -> None:
        key = KEYS[0]._replace(login=login)
        for seq in range(1, 6):
            await journal.append(key, [halted(seq, key)])

    async with open_journal(tmp_path / "journal.db", queue_appends=8) as journal:
        async with trio.open_nursery() as nursery:
            for login in range(1, 41):
                nursery.start_soon(fill, journal, login)
        assert (await journal.head()).number == 200
    assert max(sizes) <= 8
    assert len(sizes) < 200, "some must have shared"


async def test_an_append_waiting_for_room_may_be_cancelled(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db", queue_appends=1) as journal:
        async with trio.open_nursery() as nursery:
            for login in (1, 2, 3):
                key = KEYS[0]._replace(login=login)
                nursery.start_soon(journal.append, key, [halted(1, key)])
            await trio.sleep(0)
            nursery.cancel_scope.cancel()
        for key in await journal.accounts():
            assert await journal.last_seq(key) == 1
        await journal.append(KEYS[3], [halted(1, KEYS[3])])


async def test_a_state_that_does_not_read_gives_way_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        await journal.append(KEYS[0], [halted(1), halted(2), halted(3)])
        for seq in (1, 2, 3):
            await journal.keep_state(KEYS[0], KeptState(seq, 0, f"d{seq}", b"state"))
    tampered(path, "UPDATE state SET body = x'00' WHERE seq = 3")
    async with open_journal(path) as journal:
        assert await journal.kept_state(KEYS[0]) == KeptState(2, 0, "d2", b"state")
    fault = verify(path).fault
    assert fault is not None
    assert "the state kept for Demo-1/1 at record 3 was changed" in fault


async def overtaken(path: Path) -> None:
    """A journal into which somebody else writes a record meanwhile."""
    async with open_journal(path) as journal:
        await journal.append(KEYS[0], [halted(1)])
        tampered(path, "INSERT INTO event SELECT 2, account_id, 2, body, hash FROM event")
        with pytest.raises(JournalError, match="a gap or a repeat"):
            await journal.append(KEYS[0], [halted(2)])


async def test_another_writer_stops_the_journal_without_blaming_the_disk(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="a gap or a repeat"):
        await overtaken(tmp_path / "journal.db")
    assert not marker_of(tmp_path / "journal.db").exists()


@pytest.mark.parametrize("step", ["_commit", "_guarded"])
async def test_a_fault_of_the_writer_itself_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def broken(self: WriterThread, *work: object) -> None:
        raise ZeroDivisionError("planted")

    async def work() -> None:
        async with open_journal(tmp_path / "journal.db") as journal:
            monkeypatch.setattr(WriterThread, step, broken)
            for seq in (1, 2):
                with pytest.raises(JournalError, match="planted"):
                    await journal.append(KEYS[0], [halted(seq)])

    with pytest.raises(JournalError, match="planted"), trio.fail_after(20):
        await work()


async def test_a_fault_at_the_last_moment_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: WriterThread, work: object) -> None:
        raise ZeroDivisionError("planted")

    async def work() -> None:
        async with open_journal(tmp_path / "journal.db") as journal:
            await journal.append(KEYS[0], [halted(1)])
            monkeypatch.setattr(WriterThread, "_guarded", broken)

    with pytest.raises(JournalError, match="planted"), trio.fail_after(20):
        await work()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_copy_in_a_folder_that_cannot_be_written_is_verified(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        await journal.append(KEYS[0], [halted(1)])
    folder = tmp_path / "read-only"
    folder.mkdir()
    shutil.copy(path, folder)
    folder.chmod(0o555)
    try:
        assert verify(folder / "journal.db").records == 1
    finally:
        folder.chmod(0o755)


async def test_a_journal_from_before_entries_goes_on_in_the_same_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, known = tmp_path / "journal.db", schema.migrations()
    monkeypatch.setattr(schema, "migrations", lambda: known[:1])
    connection = schema.connect(path)
    connection.execute("INSERT INTO account VALUES (1, ?, ?)", KEYS[0])
    body = Encoding.line(halted(1))[:-1]
    head = Head(1, row_hash(bytes(32), KEYS[0], 1, body))
    connection.execute("INSERT INTO event VALUES (1, 1, 1, ?, ?)", (body, head.hash))
    connection.execute("UPDATE head SET number = ?, hash = ?", head)
    checksum = sha256(b"state").digest()
    connection.execute("INSERT INTO state VALUES (1, 1, 'digest', ?, ?)", (b"state", checksum))
    connection.close()
    monkeypatch.setattr(schema, "migrations", lambda: known)
    async with open_journal(path) as journal:
        assert await journal.head() == head
        assert await journal.kept_state(KEYS[0]) == KeptState(1, 0, "digest", b"state")
        await journal.append(KEYS[0], [halted(2)], Entry(1, b"input", "d"))
        await journal.keep_state(KEYS[0], KeptState(2, 1, "later", b"state"))
    found = verify(path, [head])
    assert (found.fault, found.records, found.entries) == (None, 2, 1)


async def test_the_state_before_stays_though_it_is_of_the_same_record(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with open_journal(path) as journal:
        for number in (1, 2, 3):
            await journal.append(KEYS[0], [], Entry(number, b"input", "d"))
            await journal.keep_state(KEYS[0], KeptState(0, number, f"d{number}", b"state"))
    tampered(path, "UPDATE state SET body = x'00' WHERE entry = 3")
    async with open_journal(path) as journal:
        assert await journal.kept_state(KEYS[0]) == KeptState(0, 2, "d2", b"state")
