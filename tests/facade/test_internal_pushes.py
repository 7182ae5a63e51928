"""What is pushed over the internal socket: no record lost or said twice, the newest snapshot only,
and a reader that does not read slows nobody.
"""

import time
from contextlib import suppress

import msgspec
import pytest
import trio

from engine.client.async_client import AsyncClient, open_client
from engine.client.wire import Shown, answer_of, pack_shown
from engine.domain.records import AnyRecord, Record
from engine.domain.snapshot import Snapshot
from facade import internal_connection, internal_pushes
from tests.facade.fake_desk import FakeDesk, key_of
from tests.facade.internal_house import LONG_S, house, raw

ONE, OTHER = key_of(1001), key_of(1002)


async def records_until(client: AsyncClient, count: int) -> list[Record]:
    """The next so many records pushed."""
    found: list[Record] = []
    with trio.fail_after(LONG_S):
        while len(found) < count:
            pushed = [one for one in await client.pushed() if one.outcome == "event"]
            found += [one.read(AnyRecord) for one in pushed]
    return found


async def snapshots_until(client: AsyncClient, wanted: float) -> list[Snapshot]:
    """Snapshots pushed until one has that equity."""
    found: list[Snapshot] = []
    with trio.fail_after(LONG_S):
        while not found or found[-1].equity != wanted:
            for answer in await client.pushed():
                shown = answer.read(Shown)
                found.append(msgspec.msgpack.decode(shown.packed, type=Snapshot))
    return found


async def test_events_come_from_where_one_left_off_and_none_twice() -> None:
    async with house() as home, open_client(home.path) as client:
        home.desk.say(1001, 20)
        home.desk.say(1002, 1)
        await client.subscribe_events({ONE: 5})
        home.desk.say(1001, 3)
        home.desk.say(1002, 2)
        found = await records_until(client, 20)
        of_one = [record for record in found if record.login == 1001]
        assert of_one == home.desk.lives[ONE].records[5:]
        of_other = [record.seq for record in found if record.login == 1002]
        # Of an account that is not in `after`, what is said from the subscription on.
        assert of_other == [3, 4]


async def test_events_of_some_accounts_are_those_alone() -> None:
    async with house() as home, open_client(home.path) as client:
        await client.subscribe_events(keys=[OTHER])
        home.desk.say(1001, 3)
        home.desk.say(1002, 1)
        assert [r.login for r in await records_until(client, 1)] == [1002]


async def test_a_resume_across_many_connections_loses_nothing() -> None:
    async with house() as home:
        seen: list[Record] = []
        for turn in range(8):
            async with open_client(home.path) as client:
                await client.subscribe_events({ONE: seen[-1].seq if seen else 0})
                home.desk.say(1001, 30)
                seen += await records_until(client, 7 + turn)
            home.desk.say(1001, 10)  # while nobody is connected
        async with open_client(home.path) as client:
            await client.subscribe_events({ONE: seen[-1].seq})
            seen += await records_until(client, len(home.desk.lives[ONE].records) - len(seen))
        assert seen == home.desk.lives[ONE].records


async def test_a_reader_that_falls_behind_is_told_so_and_still_gets_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(internal_connection, "WAITING_BYTES", 65_536)
    async with house() as home, raw(home) as mine:
        await mine.say(2, "subscribe_events", after=[[ONE, 0], [OTHER, 0]])
        assert (await mine.heard()).outcome == "ok"
        home.desk.say(1001, 12_000)  # at once: more than the tap's queue takes
        home.desk.say(1002, 5)
        found: dict[int, list[int]] = {1001: [], 1002: []}
        missed = 0
        while not missed or len(found[1001]) < 12_001 or len(found[1002]) < 6:
            answer = await mine.heard()
            if answer.outcome == "missed":
                missed += answer.read(int)
            else:
                record = answer.read(AnyRecord)
                found[record.login].append(record.seq)
        assert home.served.pushes.missed == missed
        assert found[1001] == list(range(1, 12_002))
        assert found[1002] == [1, 2, 3, 4, 5, 6]


async def test_a_reader_that_never_reads_is_cut_off_and_the_rest_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(internal_connection, "WRITE_S", 0.3)
    async with house() as home, open_client(home.path) as steady:
        async with raw(home) as mine:
            await mine.say(2, "subscribe_events", after=[[ONE, 0]])
            home.desk.say(1001, 10_000)
            with trio.fail_after(LONG_S):
                while not home.served.counts.cut_off:
                    assert await steady.keys()
                    await trio.sleep(0.01)
        assert home.served.counts.connections == 1


async def test_answers_that_nobody_reads_stop_the_requests_not_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(internal_connection, "WRITE_S", 0.3)
    monkeypatch.setattr(internal_connection, "WAITING_BYTES", 100_000)
    async with house() as home, open_client(home.path) as steady, raw(home) as mine:
        number = 1
        with trio.move_on_after(LONG_S), suppress(trio.BrokenResourceError):
            while True:  # never reading
                number += 1
                await mine.say(number, "snapshot", key=ONE)
        assert home.served.counts.cut_off == 1
        assert await steady.keys()


async def test_snapshots_are_the_newest_and_only_those_that_changed() -> None:
    desk = FakeDesk()
    desk.tick(1.1)
    async with house(desk) as home, open_client(home.path) as client:
        await client.subscribe_snapshots([ONE], rate_hz=50.0)
        await snapshots_until(client, 10_000.0)
        for bid in (1.101, 1.102, 1.103, 1.104, 1.105):
            desk.tick(bid)
        found = await snapshots_until(client, 10_500.0)
        assert {one.login for one in found} == {1001}
        assert {one.equity for one in found} <= {10_000.0, 10_500.0}  # none of those in between


async def test_snapshots_of_all_include_every_account_and_unsubscribing_ends_them() -> None:
    desk = FakeDesk(range(1, 51))
    desk.tick(1.1)
    async with house(desk) as home, open_client(home.path) as client:
        await client.subscribe_snapshots(rate_hz=20.0)
        logins: set[int] = set()
        with trio.fail_after(LONG_S):
            while len(logins) < 50:
                logins |= {answer.read(Shown).login for answer in await client.pushed()}
        await client.unsubscribe("snapshots")
        built = desk.built
        desk.tick(1.2)
        await client.keys()
        await trio.sleep(0.2)
        assert desk.built == built


async def test_a_second_subscription_takes_the_place_of_the_first() -> None:
    async with house() as home, open_client(home.path) as client:
        for _ in range(20):
            await client.subscribe_events()
        home.desk.say(1001, 1)
        assert len(await records_until(client, 1)) == 1
        await client.keys()
        assert home.desk.tap.listeners == 1
    assert home.desk.tap.listeners == 0


async def test_building_for_subscriptions_keeps_to_its_share_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Accounts that take long to build are sent less often, whatever rate was asked for."""
    desk = FakeDesk(range(1, 201))
    desk.tick(1.1)
    plain = desk.packed

    def slow(key: object) -> bytes:
        until_s = trio.current_time() + 0.0005
        while trio.current_time() < until_s:
            pass
        return plain(key)  # type: ignore[arg-type]

    monkeypatch.setattr(desk, "packed", slow)
    monkeypatch.setattr(internal_pushes, "BEHIND_S", 0.0)
    async with house(desk) as home, open_client(home.path) as one, open_client(home.path) as two:
        for client in (one, two):
            await client.subscribe_snapshots(rate_hz=50.0)
        spent_s = await _busy_share(desk, 1.0)
    # Without the share both loops together would never rest: nearly 1.
    assert spent_s < 0.6


async def _busy_share(desk: FakeDesk, seconds: float) -> float:
    """How much of the time the processor was used by this process."""
    before, began = time.process_time(), trio.current_time()
    while trio.current_time() < began + seconds:
        desk.ticks += 1  # every version is new
        await trio.sleep(0.02)
    return (time.process_time() - before) / (trio.current_time() - began)


def test_answers_are_read_as_they_were_packed() -> None:
    frame = pack_shown("Demo-1", 1001, 7, 9, b"\xa1x")
    shown = answer_of(frame[4:]).read(Shown)
    assert (shown.server, shown.login, shown.steps, shown.ticks) == ("Demo-1", 1001, 7, 9)
    assert bytes(shown.packed) == b"\xa1x"


async def test_a_reader_whose_snapshot_was_ahead_of_the_disk_still_gets_the_record() -> None:
    async with house() as home, open_client(home.path) as client:
        home.desk.decide(1001)
        seen = await client.snapshot(ONE)
        assert seen.seq == 2
        since = await client.subscribe_events({ONE: seen.seq})
        assert since == {ONE: 1, OTHER: 1}
        home.desk.settle()
        home.desk.say(1001)
        found = await records_until(client, 2)
        assert [record.seq for record in found] == [2, 3]
