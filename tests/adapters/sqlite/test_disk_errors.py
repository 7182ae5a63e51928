"""A disk that errs: after an fsync error nobody goes on, after a full disk everybody does."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple

import apsw
import pytest
import trio

from adapters.sqlite import writer
from adapters.sqlite.chain import EMPTY
from adapters.sqlite.journal import open_journal
from adapters.sqlite.marker import marker_of
from adapters.sqlite.verification import verify
from engine.errors import AdapterError, JournalError, JournalFullError, UserError
from tests.adapters.sqlite.faulty_disk import UNHEARD, FaultyDisk
from tests.adapters.sqlite.workload import KEYS, halted, lost, run
from tests.conftest import SOAK

FSYNC_ERRORS = 60 * max(SOAK, 1)
FULL_DISKS = 40 * max(SOAK, 1)
_names = count()
pytestmark = UNHEARD


@contextmanager
def faulty_disk() -> Iterator[FaultyDisk]:
    disk = FaultyDisk(f"errs-{next(_names)}")
    try:
        yield disk
    finally:
        disk.unregister()


def folder_for(number: int, tmp_path: Path) -> Path:
    folder = tmp_path / str(number)
    (folder / "after").mkdir(parents=True)
    return folder


class Outcome(NamedTuple):
    """What a run on an erring disk came to."""

    met: bool
    """Whether it erred before the run was over."""
    acknowledged: int
    wrong: list[str]


def usual(folder: Path, rng: Random) -> FaultyDisk:
    """A disk after a run without a fault: how often it is written to and synced."""
    with faulty_disk() as whole:
        run(folder / "journal.db", whole.vfs, rng)
    return whole


def fsync_fails_once(folder: Path, rng: Random, syncs: int) -> Outcome:
    """A run in which one of the fsyncs fails."""
    path = folder / "journal.db"
    wrong = []
    with faulty_disk() as disk:
        disk.failing_sync = rng.randrange(1, syncs)
        acked, failure = run(path, disk.vfs, rng)
        # From the error on the disk keeps nothing more: what was acknowledged later is not on
        # it, though the program would read it back.
        disk.after_cut(folder / "after", rng, 0.0)
        if not disk.lying:
            return Outcome(met=False, acknowledged=0, wrong=[])
        if failure is None:
            wrong.append(f"fsync {disk.failing_sync} went unnoticed")
        elif str(marker_of(path)) not in failure:
            wrong.append(f"fsync {disk.failing_sync}: nothing of the marker in: {failure}")
        try:
            run(path, disk.vfs, rng)
            wrong.append(f"fsync {disk.failing_sync}: opened again as if nothing had been")
        except UserError as error:
            if "failed and is not opened again" not in str(error):
                wrong.append(str(error))
    if acked:
        wrong += lost(folder / "after" / "journal.db", acked)
    return Outcome(met=True, acknowledged=sum(acked.values()), wrong=wrong)


def disk_fills_once(folder: Path, rng: Random, operations: int) -> Outcome:
    """A run in which the disk has no space for a while."""
    path = folder / "journal.db"
    with faulty_disk() as disk:
        run(path, disk.vfs, rng, 1)
        first = disk.operations + rng.randrange(1, operations)
        disk.full = range(first, first + rng.randrange(1, 60))
        acked, failure = run(path, disk.vfs, rng)
        met = disk.operations >= first
        wrong = [] if failure is None else [failure]
        if len(acked) != len(KEYS):
            wrong.append("an account did not go on")
        disk.after_cut(folder / "after", rng, 0.5)
    if marker_of(path).exists():
        wrong.append("a full disk left the marker")
    wrong += lost(path, acked) + lost(folder / "after" / "journal.db", acked)
    return Outcome(met, sum(acked.values()), wrong)


def test_after_any_fsync_error_nothing_is_acknowledged_and_a_restart_refuses(
    tmp_path: Path,
) -> None:
    rng = Random(3 if not SOAK else None)
    syncs = usual(folder_for(-1, tmp_path), rng).syncs
    failed, acknowledged = 0, 0
    for number in range(FSYNC_ERRORS):
        found = fsync_fails_once(folder_for(number, tmp_path), rng, syncs)
        assert found.wrong == [], number
        failed += found.met
        acknowledged += found.acknowledged
    assert failed > FSYNC_ERRORS * 0.7
    assert acknowledged > FSYNC_ERRORS * 5


def test_going_on_after_an_fsync_error_loses_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried_again(self: writer.WriterThread, work: writer.Work) -> JournalError | None:
        try:
            work()
        except apsw.IOError:
            work()
        return None

    monkeypatch.setattr(writer.WriterThread, "_guarded", tried_again)
    rng, losing = Random(4), 0
    for number in range(20):
        folder = folder_for(number, tmp_path)
        with faulty_disk() as disk:
            disk.failing_sync = 12 + number
            acked, _ = run(folder / "journal.db", disk.vfs, rng)
            disk.after_cut(folder / "after", rng, 0.0)
        losing += bool(lost(folder / "after" / "journal.db", acked))
    assert losing >= 5


def test_an_error_at_the_checkpoint_of_closing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def work(disk: FaultyDisk) -> None:
        async with open_journal(path, vfs=disk.vfs) as journal:
            await journal.append(KEYS[0], [halted(1)])
            disk.failing_sync = disk.syncs + 1

    with faulty_disk() as disk:
        with pytest.raises(JournalError, match="says what to do"):
            trio.run(work, disk)
        assert marker_of(path).exists()


async def failed_journal(path: Path, disk: FaultyDisk) -> None:
    """A journal that kept one record, and failed at the second."""
    async with open_journal(path, vfs=disk.vfs) as journal:
        await journal.append(KEYS[0], [halted(1)])
        disk.failing_sync = disk.syncs + 1
        with pytest.raises(JournalError):
            await journal.append(KEYS[0], [halted(2)])
        assert journal.failure
        with pytest.raises(JournalError):  # though the disk would take it now
            await journal.append(KEYS[1], [halted(1, KEYS[1])])
        with pytest.raises(JournalError):
            await journal.read(KEYS[0], 0, 1)


async def opened_again(path: Path) -> None:
    async with open_journal(path):
        pass


async def test_the_marker_says_what_to_do_and_once_removed_the_journal_opens(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    with faulty_disk() as disk:
        with pytest.raises(JournalError):
            await failed_journal(path, disk)
        text = marker_of(path).read_text(encoding="utf-8")
        assert "journal verify" in text
        assert "IOError" in text.splitlines()[0]
        with pytest.raises(UserError) as refused:
            await opened_again(path)
        assert text.splitlines()[0] in refused.value.render()
        assert verify(path).fault is None, "a person may look"
        marker_of(path).unlink()
        async with open_journal(path) as journal:
            assert (await journal.read(KEYS[0], 0, 9))[0] == halted(1)


def test_a_full_disk_refuses_and_goes_on_when_space_returns(tmp_path: Path) -> None:
    rng = Random(5 if not SOAK else None)
    operations = usual(folder_for(-1, tmp_path), rng).operations
    met = 0
    for number in range(FULL_DISKS):
        found = disk_fills_once(folder_for(number, tmp_path), rng, operations)
        assert found.wrong == [], number
        met += found.met
    assert met > FULL_DISKS // 2


async def test_what_a_full_disk_refused_is_not_there_and_the_rest_reads(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with faulty_disk() as disk:
        async with open_journal(path, vfs=disk.vfs) as journal:
            await journal.append(KEYS[0], [halted(1)])
            disk.full = range(disk.operations, disk.operations + 1_000_000)
            for _ in range(3):
                with pytest.raises(JournalFullError):
                    await journal.append(KEYS[0], [halted(2), halted(3)])
            assert await journal.read(KEYS[0], 0, 9) == (halted(1),)
            assert journal.failure is None
            disk.full = range(0)
            await journal.append(KEYS[0], [halted(2), halted(3)])
    assert verify(path).records == 3


async def test_a_disk_that_is_full_at_the_start_is_an_outside_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with faulty_disk() as disk:
        disk.full = range(1_000_000)
        with pytest.raises(AdapterError):
            async with open_journal(path, vfs=disk.vfs):
                pass
    assert not marker_of(path).exists()
    async with open_journal(path) as journal:
        assert await journal.head() == EMPTY
