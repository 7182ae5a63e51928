"""What of the equity history survives: stores of both kinds, restarts, and a program killed."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from adapters.memory.equity import MemoryEquityStore
from adapters.sqlite.equity import open_equity
from engine.equity_history import (
    BALANCE_CHANGES,
    LEVELS,
    RUNS,
    UNKEPT_BALANCES,
    Bucket,
    EquityHistory,
)
from engine.equity_kept import (
    SOUND_KEEPS,
    EquityKeeper,
    EquityStore,
    KeptBalance,
    KeptEquity,
    KeptRow,
    Watched,
)
from engine.errors import AdapterError, UserError
from tests.adapters.sqlite.faulty_disk import UNHEARD, FaultyDisk
from tests.engine.test_equity_history import KEYS, START_MSC, House, holding
from tests.tree import ROOT

SERVER = "Demo-1"
MINUTE = 60_000


@asynccontextmanager
async def store_of(kind: str, folder: Path) -> AsyncIterator[EquityStore]:
    if kind == "memory":
        yield MemoryEquityStore()
    else:
        async with open_equity(folder / "equity.db") as store:
            yield store


def keeper(
    house: House,
    store: EquityStore,
    told: Callable[[str], None] = print,
    again: Callable[[], None] = print,
) -> EquityKeeper:
    return EquityKeeper({SERVER: house.history}, store, lambda: START_MSC + 10**9, told, again)


class Restarted(House):
    """A new program: nothing ticked yet."""

    def __init__(self) -> None:
        super().__init__()
        self.history = EquityHistory(KEYS, self.feed, self.by_slot)


def shown(house: House, bucket_s: int, place: int = 0) -> list[Bucket]:
    return house.history.buckets(KEYS[place], bucket_s, 0, 2**62)


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_restart_goes_on_with_what_was_and_shows_the_gap(kind: str, tmp_path: Path) -> None:
    async with store_of(kind, tmp_path) as store:
        old = House()
        old.add(0, holding(100.0))
        old.history.balance(KEYS[0], START_MSC, 5.0)
        old.walk((10, 2.0), (20, 9.0), (MINUTE, 3.0), (2 * MINUTE + 5, 4.0))
        before = {bucket_s: old.ohlc(bucket_s=bucket_s) for bucket_s in LEVELS}
        await keeper(old, store).keep()

        new = Restarted()
        await keeper(new, store).load()
        new.add(0, holding(100.0))
        assert new.ohlc(bucket_s=60) == before[60]
        assert new.ohlc(bucket_s=1) == [], "the finest go with the program"
        after = 10 * MINUTE + 5500
        new.walk((after, 1.0), (after + 1, 2.0))
        minutes = new.ohlc(bucket_s=60)
        assert minutes[: len(before[60])] == before[60]
        assert [start for start, *_ in minutes] == [0, MINUTE, 2 * MINUTE, 10 * MINUTE]
        [day] = new.ohlc(bucket_s=86_400)
        assert day[1:] == (200.0, 900.0, 100.0, 200.0), "one bucket of both runs"
        whole = {one.start_msc - START_MSC: one.is_whole for one in shown(new, 60)}
        assert whole == {0: True, MINUTE: True, 2 * MINUTE: False, 10 * MINUTE: False}
        assert not shown(new, 86_400)[0].is_whole
        assert shown(new, 60)[0].balance_close == 5.0
        assert shown(new, 60, place=1) == []


async def test_what_is_kept_again_while_it_goes_on_is_one_bucket(tmp_path: Path) -> None:
    async with store_of("sqlite", tmp_path) as store:
        house = House()
        house.add(0, holding(1.0))
        keeping = keeper(house, store)
        for step in range(6):
            house.walk((step * 20_000 + 1, 5.0 + step), (step * 20_000 + 2, 1.0 + step))
            await keeping.keep()
        kept = await store.load(SERVER)
        names = [(row.bucket_s, row.start_msc) for row in kept.rows]
        assert len(names) == len(set(names))
        assert {bucket_s for bucket_s, _ in names} == {60, 900, 3600, 86_400}
        new = Restarted()
        await keeper(new, store).load()
        assert new.ohlc(bucket_s=60) == house.ohlc(bucket_s=60)
        assert len(kept.runs) == 1


async def test_only_what_may_have_changed_is_kept_again() -> None:
    house = House()
    house.add(0, holding(1.0))
    house.walk(*((minute * MINUTE, 2.0) for minute in range(1, 120)))
    first = house.history.fresh()
    assert first is not None
    house.history.was_kept(first)
    house.walk((120 * MINUTE, 3.0))
    second = house.history.fresh()
    assert second is not None
    assert len(first.rows) > 100
    assert len(second.rows) <= 8


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_no_more_is_kept_than_the_history_itself_keeps(kind: str, tmp_path: Path) -> None:
    async with store_of(kind, tmp_path) as store:
        logins, marks = np.array([1]), np.ones((1, 4))
        for start in range(0, 1000, 100):
            rows = [
                KeptRow(3600, at * 3_600_000, logins, marks) for at in range(start, start + 100)
            ]
            runs = [Watched(at, at + 1) for at in range(2 * start, 2 * start + 200)]
            balances = [KeptBalance(1, at, 1.0) for at in range(6 * start, 6 * start + 600)]
            await store.keep(SERVER, KeptEquity(rows, balances, runs))
        kept = await store.load(SERVER)
        assert len(kept.rows) == LEVELS[3600]
        assert min(row.start_msc for row in kept.rows) == (1000 - LEVELS[3600]) * 3_600_000
        assert (len(kept.runs), len(kept.balances)) == (RUNS, 4096)
        assert (await store.load("Other")) == KeptEquity([], [], [])


async def test_accounts_that_came_or_went_meanwhile_are_told_apart() -> None:
    store = MemoryEquityStore()
    marks = np.array([[1.0, 2.0, 0.5, 1.5], [7.0, 7.0, 7.0, 7.0]])
    row = KeptRow(60, START_MSC - MINUTE, np.array([2, 99]), marks)
    future = KeptRow(60, START_MSC + 10**12, np.array([2, 99]), marks)
    await store.keep(SERVER, KeptEquity([row, future], [KeptBalance(99, 1, 1.0)], []))
    house = Restarted()
    await keeper(house, store).load()
    assert house.ohlc(0, 60) == []
    assert house.ohlc(1, 60) == [(-MINUTE, 1.0, 0.5, 2.0, 1.5)]


async def test_a_period_over_a_restart_is_not_called_exact_and_one_within_a_run_is() -> None:
    store = MemoryEquityStore()
    old = House()
    old.add(0, holding(1.0))
    old.walk((10, 100.0), (MINUTE, 120.0), (2 * MINUTE, 90.0), (3 * MINUTE, 95.0))
    await keeper(old, store).keep()
    new = Restarted()
    await keeper(new, store).load()
    new.add(0, holding(1.0))
    new.walk((20 * MINUTE, 50.0))
    ask = new.history.statistics
    within = ask(KEYS[0], [], START_MSC, START_MSC + 3 * MINUTE)
    assert (within.max_drawdown, within.is_exact) == (30.0, True)
    over = ask(KEYS[0], [], START_MSC, START_MSC + 21 * MINUTE)
    assert (over.max_drawdown, over.is_exact) == (70.0, False)


class Broken(MemoryEquityStore):
    """Its disk is full until it is not."""

    is_full = True

    async def keep(self, server: str, kept: KeptEquity) -> None:
        if self.is_full:
            raise AdapterError("disk full", system="equity", retry=True)
        await super().keep(server, kept)


async def test_a_store_that_fails_is_told_once_and_nothing_is_lost_when_it_works_again() -> None:
    told: list[str] = []
    again: list[None] = []
    store, house = Broken(), House()
    house.add(0, holding(1.0))
    house.history.balance(KEYS[0], START_MSC, 7.0)
    house.walk((10, 2.0))
    keeping = keeper(house, store, told.append, lambda: again.append(None))
    await keeping.keep()
    await keeping.keep()
    assert (told, keeping.failure) == (["equity: disk full"], "equity: disk full")
    store.is_full = False
    await keeping.keep()
    assert keeping.failure is None
    kept = await store.load(SERVER)
    assert kept.balances == [KeptBalance(1, START_MSC, 7.0)]
    assert len(kept.rows) == 4
    store.is_full = True
    house.walk((20, 2.0))
    await keeping.keep()
    assert keeping.failure == "equity: disk full"
    assert (len(told), again) == (1, []), "full off and on is told of once"
    store.is_full = False
    for _ in range(SOUND_KEEPS):
        assert again == []
        await keeping.keep()
    assert len(again) == 1
    store.is_full = True
    await keeping.keep()
    assert len(told) == 2


async def test_a_store_that_fails_for_one_server_fails_though_it_keeps_another() -> None:
    class OfOne(Broken):
        async def keep(self, server: str, kept: KeptEquity) -> None:
            self.is_full = server == SERVER
            await super().keep(server, kept)

    told: list[str] = []
    house, other = House(), House()
    histories = {SERVER: house.history, "Other": other.history}
    keeping = EquityKeeper(histories, OfOne(), lambda: START_MSC, told.append)
    await keeping.keep()
    await keeping.keep()
    assert (keeping.failure, told) == ("equity: disk full", ["equity: disk full"])


async def test_however_many_balances_change_on_a_full_disk_the_last_of_each_account_are_kept() -> (
    None
):
    store, house = Broken(), House()
    for at in range(UNKEPT_BALANCES + 5):
        house.history.balance(KEYS[at % 2], START_MSC + at, float(at))
    keeping = keeper(house, store, lambda _: None)
    await keeping.keep()
    house.history.balance(KEYS[0], START_MSC + 10**8, 1.5)
    store.is_full = False
    await keeping.keep()
    kept = (await store.load(SERVER)).balances
    assert len(kept) == 2 * BALANCE_CHANGES
    newest = {one.login: one for one in sorted(kept, key=lambda one: one.time_msc)}
    assert newest[1] == KeptBalance(1, START_MSC + 10**8, 1.5)
    assert newest[2].balance == UNKEPT_BALANCES + 3


async def test_a_program_that_ends_while_the_disk_is_full_leaves_a_gap_that_is_told() -> None:
    store, old = Broken(), House()
    store.is_full = False
    old.add(0, holding(1.0))
    keeping = keeper(old, store, lambda _: None)
    old.walk((10, 5.0), (MINUTE, 7.0))
    await keeping.keep()
    store.is_full = True
    old.walk((3 * MINUTE, 99.0))
    await keeping.keep()

    new = Restarted()
    await keeper(new, store).load()
    new.add(0, holding(1.0))
    new.walk((6 * MINUTE + 1500, 6.0))
    whole = {one.start_msc - START_MSC: one.is_whole for one in shown(new, 60)}
    assert whole == {0: True, MINUTE: False, 6 * MINUTE: False}, "and nothing in between"
    [day] = shown(new, 86_400)
    assert (day.high, day.close, day.is_whole) == (7.0, 6.0, False)
    found = new.history.statistics(KEYS[0], [], START_MSC, START_MSC + 7 * MINUTE)
    assert not found.is_exact


class Unread(Broken):
    """It cannot be read either."""

    async def load(self, server: str) -> KeptEquity:
        if self.is_full:
            raise AdapterError("unreadable", system="equity", retry=True)
        return await super().load(server)


async def test_what_could_not_be_read_at_the_start_is_read_later_and_never_overwritten() -> None:
    store, old = Unread(), House()
    store.is_full = False
    old.add(0, holding(1.0))
    old.history.balance(KEYS[0], START_MSC, 5.0)
    old.walk((10, 5.0), (MINUTE + 1, 9.0), (MINUTE + 2, 8.0))
    await keeper(old, store).keep()
    store.is_full = True
    told: list[str] = []
    new = Restarted()
    keeping = keeper(new, store, told.append)
    await keeping.load()
    new.add(0, holding(1.0))
    new.history.balance(KEYS[0], START_MSC + MINUTE + 40_000, 6.0)
    new.walk((MINUTE + 40_000, 3.0), (5 * MINUTE, 4.0))
    await keeping.keep()
    assert told == ["equity: unreadable"]
    assert new.ohlc(bucket_s=60) == [(MINUTE, 3.0, 3.0, 3.0, 3.0), (5 * MINUTE, 4.0, 4.0, 4.0, 4.0)]
    assert not shown(new, 60)[0].is_whole

    store.is_full = False
    await keeping.keep()
    assert keeping.failure is None
    assert new.ohlc(bucket_s=60) == [
        (0, 5.0, 5.0, 5.0, 5.0),
        (MINUTE, 9.0, 9.0, 3.0, 3.0),
        (5 * MINUTE, 4.0, 4.0, 4.0, 4.0),
    ]
    assert [one.is_whole for one in shown(new, 60)] == [True, False, True]
    assert [one.balance_close for one in shown(new, 60)] == [5.0, 6.0, 6.0]
    new.walk((5 * MINUTE + 10, 2.0))
    await keeping.keep()
    third = Restarted()
    await keeper(third, store).load()
    assert third.ohlc(bucket_s=60) == new.ohlc(bucket_s=60)
    assert third.ohlc(bucket_s=86_400)[0][2:4] == (9.0, 2.0), "the extremes of both runs"


@UNHEARD
async def test_a_full_disk_keeps_nothing_and_has_all_of_it_once_there_is_space(
    tmp_path: Path,
) -> None:
    disk = FaultyDisk("equity-full")
    try:
        async with open_equity(tmp_path / "equity.db", vfs=disk.vfs) as store:
            house = House()
            house.add(0, holding(1.0))
            keeping = keeper(house, store, lambda _: None)
            house.walk((10, 5.0))
            await keeping.keep()
            assert keeping.failure is None
            disk.full = range(disk.operations + 1, 10**9)
            for minute in range(1, 5):
                house.walk((minute * MINUTE, 1.0 + minute))
                await keeping.keep()
                assert keeping.failure is not None
                assert "FullError" in keeping.failure
            disk.full = range(0)
            await keeping.keep()
            assert keeping.failure is None
        async with open_equity(tmp_path / "equity.db") as store:
            new = Restarted()
            await keeper(new, store).load()
            assert new.ohlc(bucket_s=60) == house.ohlc(bucket_s=60)
    finally:
        disk.unregister()


async def test_a_disk_that_is_full_at_the_start_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")  # no folder, so nothing can be made in it
    async with open_equity(tmp_path / "s" / "equity.db") as store:
        house = House()
        house.add(0, holding(1.0))
        keeping = keeper(house, store, lambda _: None)
        await keeping.load()
        house.walk((10, 5.0))
        await keeping.keep()
        assert keeping.failure is not None
        (tmp_path / "s").unlink()
        (tmp_path / "s").mkdir()
        await keeping.keep()
        assert keeping.failure is None
        assert len((await store.load(SERVER)).rows) == 4


async def test_a_damaged_file_and_one_of_something_else_are_told_from_each_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "equity.db").write_bytes(b"no database at all, but long enough" * 100)
    async with open_equity(tmp_path / "equity.db") as store:
        with pytest.raises(AdapterError, match="NotADBError"):
            await store.load(SERVER)
        (tmp_path / "equity.db").unlink()
        assert await store.load(SERVER) == KeptEquity([], [], [])
    import apsw

    other = apsw.Connection(str(tmp_path / "other.db"))
    other.execute("CREATE TABLE a (b)")
    other.close()
    with pytest.raises(UserError, match="no equity history"):
        async with open_equity(tmp_path / "other.db"):
            pass
    async with open_equity(tmp_path / "late.db") as store:
        await store.aclose()
        (tmp_path / "other.db").replace(tmp_path / "late.db")
        with pytest.raises(AdapterError, match="no equity history"):
            await store.keep(SERVER, KeptEquity([], [], []))


PROGRAM = """
import sys, trio
from pathlib import Path
from adapters.sqlite.equity import open_equity
from tests.engine.test_equity_history import House, holding
from tests.engine.test_equity_kept import keeper

async def main():
    house = House()
    house.add(0, holding(1.0))
    async with open_equity(Path(sys.argv[1])) as store:
        keeping = keeper(house, store)
        for minute in range(1, 10**6):
            house.walk((minute * 60_000 + 1, 1.0 + minute))
            await keeping.keep()
            print(minute, flush=True)

trio.run(main)
"""


async def test_a_program_that_is_killed_leaves_every_minute_it_had_kept(tmp_path: Path) -> None:
    path = tmp_path / "equity.db"

    def run_and_kill() -> int:
        words = [sys.executable, "-c", PROGRAM, str(path)]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            last = 0
            for line in program.stdout:
                last = int(line)
                if last >= 30:
                    program.kill()
                    break
            for line in program.stdout:
                last = int(line)
            return last

    last = await trio.to_thread.run_sync(run_and_kill)
    assert last >= 30
    async with open_equity(path) as store:
        house = Restarted()
        await keeper(house, store).load()
        found: Any = house.ohlc(bucket_s=60)
        # A minute more than it said may be there: it was killed between the two.
        assert [row[1] for row in found[:30]] == [1.0 + minute for minute in range(1, 31)]
        assert len(found) >= last
        [day] = house.ohlc(bucket_s=86_400)
        assert day[2] >= 1.0 + last
