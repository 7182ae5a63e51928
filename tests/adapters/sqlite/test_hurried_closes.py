"""A close for which the loop stands still: durable when it returns, whatever the disk does."""

from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import apsw
import pytest
import trio

from adapters.sqlite.journal import STILL_PAUSE_S, STILL_S, open_journal
from adapters.sqlite.store import Addition, Store
from engine.domain.ids import AccountKey
from engine.domain.records import CloseIntended
from engine.errors import JournalError
from engine.kept import KeptStep

KEY = AccountKey("Demo-1", 1001)


def close(seq: int) -> CloseIntended:
    return CloseIntended(
        seq=seq,
        time_msc=seq,
        login=KEY.login,
        server=KEY.server,
        intent_id=f"i-{seq}",
        position_id=seq,
        target_volume_lots=0.0,
        reason="guard:trailing",
    )


def gone() -> None:
    raise apsw.IOError("the disk is gone")


def before_each_commit(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    real = Store.append

    def append(store: Store, additions: list[Addition]) -> list[str | None]:
        happens()
        return real(store, additions)

    monkeypatch.setattr(Store, "append", append)


async def test_closes_in_a_row_are_all_there_in_order(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db") as journal:
        for seq in range(1, 21):
            await journal.append(KEY, [close(seq)])
            await trio.sleep(STILL_PAUSE_S / 2)  # some stand still for it, some do not
        assert [one.seq for one in await journal.read(KEY, 0, 100)] == list(range(1, 21))


async def test_a_commit_longer_than_the_loop_stands_still_is_waited_for_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_each_commit(monkeypatch, lambda: sleep(20 * STILL_S))
    async with open_journal(tmp_path / "journal.db") as journal:
        await journal.append(KEY, [close(1)])
        assert len(await journal.read(KEY, 0, 100)) == 1
        await journal.append(KEY, [close(2)])
        assert len(await journal.read(KEY, 0, 100)) == 2


async def test_a_disk_that_fails_meanwhile_acknowledges_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with open_journal(tmp_path / "journal.db") as journal:
            await journal.append(KEY, [close(1)])
            before_each_commit(monkeypatch, gone)
            await trio.sleep(2 * STILL_PAUSE_S)
            for seq in (2, 3):
                with pytest.raises(JournalError, match="the disk is gone"):
                    await journal.append(KEY, [close(seq)])
            assert journal.failure is not None

    with pytest.raises(JournalError):
        await work()


async def test_a_close_that_does_not_follow_is_refused_and_the_next_is_kept(
    tmp_path: Path,
) -> None:
    async with open_journal(tmp_path / "journal.db") as journal:
        with pytest.raises(JournalError, match="record 2 where 1 should follow"):
            await journal.append(KEY, [close(2)])
        await trio.sleep(2 * STILL_PAUSE_S)
        await journal.append(KEY, [close(1)])
        assert len(await journal.read(KEY, 0, 100)) == 1


async def test_one_cancelled_on_a_slow_disk_is_kept_or_was_never_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_each_commit(monkeypatch, lambda: sleep(20 * STILL_S))
    async with open_journal(tmp_path / "journal.db") as journal:
        with trio.CancelScope() as scope:
            scope.cancel()
            await journal.append(KEY, [close(1)])
        returned: list[Any] = []
        with trio.move_on_after(10 * STILL_S):
            await journal.append(KEY, [close(1)])
            returned.append(1)
        kept = await journal.read(KEY, 0, 100)
        assert (len(kept), returned) == (1, [1]), "handed over, it is waited for"


def the_close(seq: int) -> list[KeptStep]:
    return [KeptStep([close(seq)])]


async def test_one_begun_is_durable_at_once_or_can_be_waited_for(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "journal.db") as journal:
        for seq in range(1, 21):
            begun = journal.begin(KEY, the_close(seq))
            assert begun is not None
            if not begun.is_durable:
                await begun.wait()
                await begun.wait()  # whoever asks again is told again
        assert [one.seq for one in await journal.read(KEY, 0, 100)] == list(range(1, 21))


async def test_where_others_wait_for_room_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_each_commit(monkeypatch, lambda: sleep(20 * STILL_S))
    async with open_journal(tmp_path / "journal.db", queue_appends=1) as journal:
        begun = journal.begin(KEY, the_close(1))
        assert begun is not None
        assert not begun.is_durable
        assert journal.begin(KEY, the_close(2)) is None
        await begun.wait()
        again = journal.begin(KEY, the_close(2))
        assert again is not None, "the room is free again"
        await again.wait()
        assert [one.seq for one in await journal.read(KEY, 0, 100)] == [1, 2]


async def test_one_begun_on_a_disk_that_fails_is_never_called_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        async with open_journal(tmp_path / "journal.db") as journal:
            await journal.append(KEY, [close(1)])
            before_each_commit(monkeypatch, gone)
            for pause_s in (2 * STILL_PAUSE_S, 0.0):  # stood still for, and not
                await trio.sleep(pause_s)
                with pytest.raises(JournalError, match="the disk is gone"):  # noqa: PT012
                    begun = journal.begin(KEY, the_close(2))
                    await (begun.wait() if begun else journal.append(KEY, [close(2)]))

    with pytest.raises(JournalError):
        await work()
