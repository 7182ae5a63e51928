"""Streams: coalesced snapshots, records without loss, and readers that do not keep up."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from engine.errors import AdapterError
from engine.tap import QUEUE_RECORDS
from facade.api_structs_accounts import Views
from facade.stream import KEPT, Frame, Hub, Hubs, frames
from facade.streaming import sse
from tests.facade.fake_desk import FakeDesk, key_of

PERIOD_S = 0.25


class House:
    """A desk, its hubs, and readers of them."""

    def __init__(self, logins: tuple[int, ...] = (1001, 1002)) -> None:
        self.desk = FakeDesk(logins)
        self.desk.tick(1.1)
        self.views = Views()
        self.hubs = Hubs(self.desk, self.views, PERIOD_S, 5)
        self.stopping = anyio.Event()
        self.streams: list[AsyncGenerator[Frame, None]] = []

    def hub(self, subject: str = "ann") -> Hub:
        found = self.hubs.enter(subject, self.desk.keys())
        assert found is not None
        return found

    def read(
        self, hub: Hub, cursor: str | None = None, left_s: float = 600
    ) -> AsyncGenerator[Frame, None]:
        made = frames(hub, cursor, self.stopping, PERIOD_S, left_s, self.desk)
        self.streams.append(made)
        return made


@pytest.fixture
async def open_house() -> AsyncIterator[Callable[..., House]]:
    """Makes houses; ends their streams."""
    made: list[House] = []

    def make(logins: tuple[int, ...] = (1001, 1002)) -> House:
        made.append(House(logins))
        return made[-1]

    yield make
    for one in made:
        for stream in one.streams:
            await stream.aclose()


Make = Callable[..., House]


async def take(stream: AsyncGenerator[Frame, None], name: str) -> Frame:
    """The next frame of that name."""
    async for frame in stream:
        if frame.name == name:
            return frame
    raise AssertionError(f"it ended without {name}")


async def quiet(stream: AsyncGenerator[Frame, None]) -> Frame:
    """Past what a reader begins with and what is due, to the first heartbeat."""
    return await take(stream, "heartbeat")


def seqs(found: list[Frame]) -> list[tuple[int, int]]:
    told = [json.loads(frame.body) for frame in found if frame.name == "event"]
    return [(one["login"], one["seq"]) for one in told]


async def test_a_reader_begins_with_every_account(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    first = await anext(house.read(house.hub()))
    assert first.name == "snapshots"
    assert [one["login"] for one in json.loads(first.body)] == [1001, 1002]


async def test_ticks_of_one_period_are_one_delta(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    stream = house.read(house.hub())
    await quiet(stream)
    for step in range(50):
        house.desk.tick(1.1 + step / 10_000)
    delta = await take(stream, "snapshots")
    equities = {one["equity"] for one in json.loads(delta.body)}
    assert equities == {house.desk.snapshot(key_of(1001)).equity}
    assert (await anext(stream)).name == "heartbeat"


async def test_readers_share_the_bytes_of_a_delta(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    hub = house.hub()
    assert house.hub("bob") is hub
    one, other = house.read(hub), house.read(hub)
    await quiet(one)
    await quiet(other)
    house.desk.tick(1.2)
    built = house.desk.built
    mine, theirs = await take(one, "snapshots"), await take(other, "snapshots")
    assert mine.body is theirs.body
    assert house.desk.built - built <= 6


async def test_every_record_comes_once_and_in_order(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    stream = house.read(house.hub())
    await quiet(stream)
    house.desk.say(1001, 3)
    house.desk.say(1002, 2)
    found = [await take(stream, "event") for _ in range(5)]
    assert seqs(found) == [(1001, 2), (1001, 3), (1001, 4), (1002, 2), (1002, 3)]
    assert all(frame.cursor for frame in found)


async def test_a_reader_that_comes_back_missed_nothing(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    hub = house.hub()
    stream = house.read(hub)
    await quiet(stream)
    house.desk.say(1001, 2)
    last = [await take(stream, "event") for _ in range(2)][-1]
    await stream.aclose()
    house.hubs.leave("ann", hub)
    house.desk.say(1001, 2)
    house.desk.say(1002, 1)
    again = house.read(house.hub(), last.cursor)
    found = [await take(again, "event") for _ in range(3)]
    assert sorted(seqs(found)) == [(1001, 4), (1001, 5), (1002, 2)]


async def test_an_id_is_good_after_a_restart_and_at_another_process(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    stream = house.read(house.hub())
    cursor = (await anext(stream)).cursor
    other = open_house()
    other.desk.say(1002, 3)
    again = other.read(other.hub(), cursor)
    found = [await take(again, "event") for _ in range(3)]
    assert seqs(found) == [(1002, 2), (1002, 3), (1002, 4)]


async def test_an_id_of_other_accounts_is_told(open_house: Make, autojump_clock: Any) -> None:
    house, other = open_house(), open_house((7, 8, 9))
    hub = other.hub()
    cursor = hub.cursor()
    for wrong in (cursor, "nonsense", "x.AAAA", cursor + "AAAA"):
        assert (await anext(house.read(house.hub("b" + wrong[:9]), wrong))).name == "resync"


async def test_more_records_than_a_queue_holds_come_from_the_journal(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house((1001,))
    stream = house.read(house.hub())
    await quiet(stream)
    count = QUEUE_RECORDS + 10
    house.desk.say(1001, count)
    found = [await take(stream, "event") for _ in range(count)]
    assert seqs(found) == [(1001, seq) for seq in range(2, count + 2)]


async def test_a_reader_that_goes_takes_nothing_from_the_others(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    hub = house.hub()
    stream = house.read(hub)
    await quiet(stream)
    house.desk.say(1001, 2)
    for _ in range(3):  # goes at whatever moment of making the delta
        with trio.CancelScope() as scope:
            scope.cancel()
            await hub.after(hub.number)
    found = [await take(stream, "event") for _ in range(2)]
    assert seqs(found) == [(1001, 2), (1001, 3)]


async def test_an_account_that_becomes_stale_is_shown_without_a_tick(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    stream = house.read(house.hub())
    await quiet(stream)
    house.desk.age_ms = 61_000
    stale: set[int] = set()
    while stale != {1001, 1002}:
        rows = json.loads((await take(stream, "snapshots")).body)
        stale |= {one["login"] for one in rows if one["quality"] == "stale"}


async def test_a_reader_too_far_behind_is_let_go(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    hub = house.hub()
    slow, quick = house.read(hub), house.read(hub)
    await quiet(slow)
    await quiet(quick)
    for step in range(KEPT + 2):
        house.desk.tick(1.2 + step / 1000)
        await take(quick, "snapshots")
    names = [frame.name async for frame in slow]
    assert names[-1] == "behind"


async def test_a_stream_says_that_the_program_stops(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    stream = house.read(house.hub())
    await quiet(stream)
    house.stopping.set()
    assert [frame.name async for frame in stream][-1] == "stopping"


async def test_a_stream_ends_with_its_token(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    began_s = trio.current_time()
    names = [frame.name async for frame in house.read(house.hub(), left_s=5)]
    assert names[-1] == "expired"
    assert names.count("heartbeat") >= 1
    assert trio.current_time() - began_s < 10


async def test_a_subject_has_a_number_of_streams_and_no_more(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    hubs = [house.hub() for _ in range(5)]
    assert house.hubs.enter("ann", house.desk.keys()) is None
    assert house.hubs.enter("bob", house.desk.keys()) is hubs[0]
    house.hubs.leave("ann", hubs[0])
    assert house.hubs.enter("ann", house.desk.keys()) is hubs[0]


async def test_the_last_reader_ends_the_hub(open_house: Make, autojump_clock: Any) -> None:
    house = open_house()
    hub = house.hub()
    assert house.desk.tap.listeners == 1
    house.hubs.leave("ann", hub)
    assert (house.desk.tap.listeners, house.hubs.streams) == (0, 0)


def test_an_event_is_as_the_specification_has_it() -> None:
    assert sse(Frame("event", b"{}", "a.b")) == b"id: a.b\nevent: event\ndata: {}\n\n"
    assert sse(Frame("heartbeat", b"{}")) == b"event: heartbeat\ndata: {}\n\n"


async def test_a_record_decided_before_and_durable_after_one_connects_is_not_missed(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    house.desk.decide(1001)  # its snapshot has it, its disk does not
    hub = house.hub()
    stream, steady = house.read(hub), house.read(hub)
    first = await anext(stream)
    assert json.loads(first.body)[0]["seq"] == 2
    await stream.aclose()  # it goes at once, with the id it has
    await quiet(steady)
    house.desk.settle()
    assert seqs([await take(steady, "event")]) == [(1001, 2)]
    again = house.read(hub, first.cursor)
    assert seqs([await anext(again)]) == [(1001, 2)]
    house.desk.say(1001)
    assert seqs([await take(again, "event")]) == [(1001, 3)]


async def test_what_becomes_durable_while_the_backlog_is_read_comes_once(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house((1001,))
    hub = house.hub()
    cursor = hub.cursor()
    steady = house.read(hub)
    await quiet(steady)
    house.desk.say(1001, 2)
    await take(steady, "event")
    house.desk.decide(1001)
    house.desk.hold = trio.Event()
    stream = house.read(hub, cursor)
    found: list[Frame] = []

    async def read() -> None:
        while len(found) < 4:
            found.append(await take(stream, "event"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()  # it waits for the journal
        house.desk.settle()
        await take(steady, "event")
        await take(steady, "event")
        house.desk.hold.set()
        house.desk.hold = None
        house.desk.say(1001)
    assert seqs(found) == [(1001, 2), (1001, 3), (1001, 4), (1001, 5)]


async def test_the_first_id_is_of_what_was_sent_and_not_of_what_came_meanwhile(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house((1001,))
    hub = house.hub()
    cursor = hub.cursor()
    house.desk.say(1001)
    await hub.after(0)
    house.desk.hold = trio.Event()
    late = house.read(hub, cursor)
    found: list[Frame] = []

    async def begin() -> None:
        found.extend([await anext(late), await anext(late)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin)
        await trio.testing.wait_all_tasks_blocked()
        house.desk.say(1001)
        await trio.sleep(PERIOD_S)
        await hub.after(0)  # another reader makes the delta that has it
        house.desk.hold.set()
        house.desk.hold = None
    assert [frame.name for frame in found] == ["event", "snapshots"]
    known = hub.seqs_of(found[1].cursor)
    assert known is not None
    assert list(known.values()) == [2], "record 3 is still to come"
    assert seqs([await take(late, "event")]) == [(1001, 3)]


async def test_whoever_breaks_off_amid_a_delta_or_a_backlog_gets_the_rest_and_nothing_twice(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    hub = house.hub()
    stream, steady = house.read(hub), house.read(hub)
    await quiet(stream)
    await quiet(steady)
    house.desk.say(1001, 4)
    house.desk.say(1002, 3)
    found = [await take(stream, "event") for _ in range(3)]
    await stream.aclose()
    for count in (1, 2):  # of what it missed it reads a part, and breaks off again
        house.desk.say(1002, 1)
        await take(steady, "event")
        again = house.read(hub, found[-1].cursor)
        found += [await take(again, "event") for _ in range(count)]
        await again.aclose()
    again = house.read(hub, found[-1].cursor)
    found += [await take(again, "event") for _ in range(3)]
    assert seqs(found) == [(1001, seq) for seq in range(2, 6)] + [(1002, s) for s in range(2, 7)]


async def test_no_id_of_a_process_that_is_behind_is_behind_its_reader(
    open_house: Make, autojump_clock: Any
) -> None:
    ahead, behind = open_house(), open_house()
    ahead.desk.say(1001, 3)
    cursor = ahead.hub().cursor()
    hub = behind.hub()
    stream = behind.read(hub, cursor)
    first = await take(stream, "snapshots")
    assert first.cursor == cursor, "this process has not heard of what the reader has"
    behind.desk.say(1001, 1)
    behind.desk.say(1002, 1)
    told = await take(stream, "event")
    assert seqs([told]) == [(1002, 2)]
    assert hub.seqs_of(told.cursor) == {key_of(1001): 4, key_of(1002): 2}
    ahead.desk.say(1002, 1)
    back = ahead.read(ahead.hub(), told.cursor)
    ahead.desk.say(1001, 1)
    assert seqs([await take(back, "event")]) == [(1001, 5)]
    behind.desk.say(1001, 4)  # it catches up, and goes on
    found = [await take(stream, "event") for _ in range(2)]
    assert seqs(found) == [(1001, 5), (1001, 6)]
    assert found[-1].cursor == hub.cursor()


async def test_a_backlog_ends_with_its_token_and_its_id_is_not_of_what_was_not_told(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house((1001,))
    hub = house.hub()
    cursor = hub.cursor()
    steady = house.read(hub)
    await quiet(steady)
    house.desk.say(1001, 5)
    for _ in range(5):
        await take(steady, "event")
    stream = house.read(hub, cursor, left_s=1)
    first = await anext(stream)
    await trio.sleep(2)
    rest = [frame async for frame in stream]
    assert [frame.name for frame in rest] == ["expired"]
    assert hub.seqs_of(first.cursor) == {key_of(1001): 2}


async def test_an_engine_that_is_away_ends_a_stream_and_no_record_is_lost(
    open_house: Make, autojump_clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = open_house((1001,))
    hub = house.hub()
    cursor = hub.cursor()
    house.desk.say(1001, 2)
    await hub.after(0)

    async def away(*asked: Any) -> Any:
        raise AdapterError("it is away", system="engine", retry=True)

    with monkeypatch.context() as patch:
        patch.setattr(house.desk, "records", away)
        frames_told = [frame async for frame in house.read(hub, cursor)]
        assert [(frame.name, frame.cursor) for frame in frames_told] == [("behind", "")]
    again = house.read(hub, cursor)
    assert seqs([await take(again, "event") for _ in range(2)]) == [(1001, 2), (1001, 3)]


async def test_an_id_of_a_process_that_is_ahead_gets_nothing_twice(
    open_house: Make, autojump_clock: Any
) -> None:
    house, other = open_house((1001,)), open_house((1001,))
    house.desk.say(1001, 2)
    cursor = house.hub().cursor()
    stream = other.read(other.hub(), cursor)
    await quiet(stream)
    other.desk.say(1001, 3)
    assert seqs([await take(stream, "event")]) == [(1001, 4)]


async def test_a_stream_ends_when_its_token_is_withdrawn(
    open_house: Make, autojump_clock: Any
) -> None:
    house = open_house()
    denied = False
    made = frames(house.hub(), None, house.stopping, PERIOD_S, 9e9, house.desk, lambda: denied)
    house.streams.append(made)
    await quiet(made)
    denied = True
    began_s = trio.current_time()
    assert [frame.name async for frame in made][-1] == "expired"
    assert trio.current_time() - began_s <= 3
