"""A mirror reads as the desk does, ages go on, nothing is lost while the engine is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import msgspec
import pytest
import trio

from engine.client.mirror import Mirror
from engine.client.mirror_views import LOST_AFTER_S, aged
from engine.desk import Taken
from engine.domain.commands import Halt
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.domain.snapshot import Quality, Snapshot
from engine.errors import AdapterError
from tests.facade.fake_desk import FakeDesk, key_of
from tests.facade.internal_house import LONG_S, TOKEN, House, house

ONE, OTHER = key_of(1001), key_of(1002)


class HandClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@asynccontextmanager
async def mirrored(
    home: House, clock: HandClock | None = None, token: str = ""
) -> AsyncIterator[Mirror]:
    """A mirror that holds everything."""
    own_clock = {} if clock is None else {"monotonic_s": clock}
    mirror = Mirror(home.path, token, rate_hz=50.0, **own_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mirror.run)
        with trio.fail_after(LONG_S):
            await mirror.ready()
        yield mirror
        nursery.cancel_scope.cancel()


async def until_equity(mirror: Mirror, wanted: float) -> Snapshot:
    with trio.fail_after(LONG_S):
        while (found := mirror.snapshot(ONE)).equity != wanted:
            await trio.sleep(0.01)
    return found


async def test_a_mirror_reads_as_the_desk_does() -> None:
    desk = FakeDesk()
    desk.tick(1.1)
    async with house(desk) as home, mirrored(home, HandClock()) as mirror:
        assert mirror.keys() == desk.keys()
        desk.tick(1.105)
        found = await until_equity(mirror, 10_500.0)
        assert found == desk.snapshot(ONE)
        assert mirror.version(ONE) == desk.version(ONE)
        assert mirror.encoded(ONE).body == desk.encoded(ONE).body
        assert mirror.encoded(ONE).feed_version == desk.ticks
        assert mirror.packed(ONE) == desk.packed(ONE)
        assert mirror.health() == desk.health()
        assert list(await mirror.records(ONE, 0, 10)) == desk.lives[ONE].records
        with pytest.raises(KeyError):
            mirror.snapshot(AccountKey("Demo-9", 1))


async def test_events_reach_its_listeners_and_commands_the_engine() -> None:
    async with house() as home, mirrored(home, token=TOKEN) as mirror:
        every, of_other = mirror.listen(), mirror.listen([OTHER])
        assert isinstance(await mirror.command(ONE, Halt(0, "api:ann", "")), Taken)
        home.desk.say(1002)
        heard: list[Record] = []
        with trio.fail_after(LONG_S):
            while len(heard) < 2:
                heard += await every.wait()
            [only] = await of_other.wait()
        assert sorted(r.login for r in heard) == [1001, 1002]
        assert only.login == 1002
        assert home.desk.given[0][1].by == "api:ann"


async def test_ages_go_on_between_pushes() -> None:
    desk, clock = FakeDesk(), HandClock()
    desk.tick(1.1)
    async with house(desk) as home, mirrored(home, clock) as mirror:
        first = mirror.snapshot(ONE)
        clock.now_s += 2.5  # without a checkpoint nothing is pushed meanwhile
        later = mirror.snapshot(ONE)
        assert (first.age_ms, later.age_ms) == (0, 2500)
        assert (later.equity, later.quality) == (first.equity, Quality.KNOWN)


def test_an_aged_snapshot_is_older_by_as_much_and_so_are_its_guards() -> None:
    desk = FakeDesk()
    desk.tick(1.1)
    desk.age_ms = 300
    now = desk.snapshot(ONE)
    later = aged(now, 2.5, None)
    assert (now.age_ms, later.age_ms) == (300, 2800)
    assert [guard.age_ms for guard in later.guards] == [2800]
    assert later.quality is Quality.KNOWN
    away = aged(now, 2.5, 4.0)
    assert away.quality is Quality.STALE
    assert away.reason == "the engine has not been heard for 4 s"


async def test_a_silent_engine_makes_every_valuation_stale_and_not_ready() -> None:
    desk, clock = FakeDesk(), HandClock()
    desk.tick(1.1)
    async with house(desk) as home, mirrored(home, clock) as mirror:
        known, etag = mirror.snapshot(ONE), mirror.encoded(ONE).feed_version
        version = mirror.version(ONE)
        assert known.quality is Quality.KNOWN
        # Without a checkpoint nothing is heard meanwhile, whatever the engine does.
        clock.now_s += LOST_AFTER_S + 7
        stale = mirror.snapshot(ONE)
        assert stale.quality is Quality.STALE
        assert "not been heard" in (stale.reason or "")
        assert stale.equity == known.equity
        assert stale.age_ms is not None
        assert stale.age_ms >= (LOST_AFTER_S + 7) * 1000
        assert mirror.encoded(ONE).feed_version != etag
        assert mirror.version(ONE) != version
        assert not mirror.health().is_ready
        assert msgspec.json.decode(mirror.encoded(ONE).body)["quality"] == "stale"


async def test_nothing_is_lost_while_the_engine_restarts() -> None:
    desk = FakeDesk()
    desk.tick(1.1)
    with TemporaryDirectory(prefix="tg") as folder:
        path = Path(folder) / "s"
        mirror = Mirror(path, rate_hz=50.0)
        heard: list[Record] = []

        async def hear() -> None:
            listener = mirror.listen([ONE])
            while True:
                heard.extend(await listener.wait())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            nursery.start_soon(mirror.run)
            for turn in range(3):
                async with house(desk, path=path):
                    with trio.fail_after(LONG_S):
                        while mirror.connects <= turn or mirror.is_away or not mirror.is_full:
                            await trio.sleep(0.01)
                        if turn == 0:
                            await mirror.ready()
                    desk.say(1001, 50)
                with trio.fail_after(LONG_S):
                    while not mirror.is_away:
                        await trio.sleep(0.01)
                with pytest.raises(AdapterError):
                    await mirror.command(ONE, Halt(0, "", ""))
                desk.say(1001, 25)  # while nobody listens
            async with house(desk, path=path):
                with trio.fail_after(LONG_S):
                    while len(heard) < len(desk.lives[ONE].records) - 1:
                        await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert heard == desk.lives[ONE].records[1:]


async def test_before_any_engine_it_is_empty_and_not_ready() -> None:
    mirror = Mirror(Path("/nowhere/at/all"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mirror.run)
        await trio.sleep(0.05)
        assert mirror.keys() == ()
        assert not mirror.health().is_ready
        assert mirror.is_away
        with pytest.raises(AdapterError):
            await mirror.verdict("vrd_1")
        nursery.cancel_scope.cancel()


async def test_the_mirror_runs_under_asyncio_as_well() -> None:
    """As uvicorn would run it: in another thread's asyncio loop, the engine here in Trio."""
    desk = FakeDesk()
    desk.tick(1.1)

    async def follow(path: Path) -> tuple[float | None, list[int]]:
        mirror = Mirror(path, rate_hz=50.0)
        seqs: list[int] = []
        async with anyio.create_task_group() as group:
            group.start_soon(mirror.run)
            with anyio.fail_after(LONG_S):
                await mirror.ready()
                listener = mirror.listen()
                trio.from_thread.run_sync(desk.say, 1001, 3, trio_token=token)
                while len(seqs) < 3:
                    seqs += [record.seq for record in await listener.wait()]
            equity = mirror.snapshot(ONE).equity
            group.cancel_scope.cancel()
        return equity, seqs

    token = trio.lowlevel.current_trio_token()
    async with house(desk) as home:
        found = await trio.to_thread.run_sync(
            lambda: anyio.run(follow, home.path, backend="asyncio")
        )
    assert found == (10_000.0, [2, 3, 4])


async def test_a_record_not_yet_durable_when_the_mirror_came_reaches_its_listeners_once() -> None:
    desk = FakeDesk()
    desk.tick(1.1)
    desk.decide(1001)
    async with house(desk) as home, mirrored(home) as mirror:
        assert mirror.snapshot(ONE).seq == 2
        listener = mirror.listen()
        assert listener.since == {ONE: 1, OTHER: 1}
        desk.settle()
        desk.say(1001)
        heard: list[Record] = []
        with trio.fail_after(LONG_S):
            while len(heard) < 2:
                heard += await listener.wait()
        assert [record.seq for record in heard] == [2, 3]
