"""Finding a verdict: of this run by its name, an older one in the journal, of others never."""

from typing import Any

import trio

from adapters.memory.journal import MemoryJournal
from engine import verdicts
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted, GuardBreach, Record
from engine.outside_reads import OutsideReads
from engine.tap import Tap
from engine.verdicts import Verdicts

MINE, OTHER = AccountKey("Demo-1", 1), AccountKey("Demo-1", 2)


def halted(key: AccountKey, seq: int) -> AccountHalted:
    return AccountHalted(seq=seq, time_msc=0, login=key.login, server=key.server, cause="x")


def breach(key: AccountKey, seq: int, name: str) -> GuardBreach:
    return GuardBreach(
        seq=seq,
        time_msc=5,
        login=key.login,
        server=key.server,
        guard="floor",
        kind="equity_limit",
        verdict_id=name,
        equity=1.0,
        balance=1.0,
        floor=2.0,
        reference=3.0,
        measured="equity",
        comparator="below",
        action="close",
    )


class NoEntries(MemoryJournal):
    """Its entries were never kept: what was decided can be told, and not stepped again."""

    async def entries(self, key: AccountKey, after_number: int, limit: int) -> Any:
        return ()


class World:
    """Two accounts with 600 records each, verdicts near both ends."""

    def __init__(self) -> None:
        self.tap = Tap()
        self.journal = NoEntries()
        self.reads: list[tuple[AccountKey, int]] = []
        outside = OutsideReads(self.journal)
        read = outside.read

        async def noted(key: AccountKey, after_seq: int, limit: int) -> Any:
            self.reads.append((key, after_seq))
            return await read(key, after_seq, limit)

        outside.read = noted  # type: ignore[method-assign]
        self.verdicts = Verdicts(self.tap, outside, self.journal, lambda _key: 600)

    async def fill(self) -> None:
        for key in (MINE, OTHER):
            records: list[Record] = [halted(key, seq) for seq in range(1, 601)]
            records[2] = breach(key, 3, f"vrd_old_{key.login}")
            records[597] = breach(key, 598, f"vrd_new_{key.login}")
            await self.journal.append(key, records)


async def test_one_of_an_earlier_run_is_found_from_the_newest_back_and_then_known(
    autojump_clock: Any,
) -> None:
    world = World()
    await world.fill()
    found = await world.verdicts.find("vrd_new_2", (MINE, OTHER))
    assert found is not None
    assert (found[0], found[1]["record"]["seq"]) == (OTHER, 598)
    assert len(world.reads) == 2, "the last piece of each"
    old = await world.verdicts.find("vrd_old_1", (MINE, OTHER))
    assert old is not None
    assert old[1]["record"]["seq"] == 3
    world.reads.clear()
    assert await world.verdicts.find("vrd_old_1", (MINE, OTHER)) is not None
    assert world.reads == [(MINE, 2)]


async def test_one_of_this_run_is_read_by_its_name(autojump_clock: Any) -> None:
    world = World()
    await world.fill()
    world.tap.publish(MINE, [breach(MINE, 598, "vrd_new_1")])
    assert await world.verdicts.find("vrd_new_1", (MINE,)) is not None
    assert world.reads == [(MINE, 597)]


async def test_accounts_that_are_not_the_callers_are_not_looked_through(
    autojump_clock: Any,
) -> None:
    world = World()
    await world.fill()
    for _ in range(2):  # known by its name or not
        assert await world.verdicts.find("vrd_old_2", (MINE,)) is None
        world.tap.publish(OTHER, [breach(OTHER, 3, "vrd_old_2")])
    assert {key for key, _ in world.reads} == {MINE}


async def test_searches_take_turns_and_leave_the_loop_to_others(autojump_clock: Any) -> None:
    world = World()
    await world.fill()

    async def search() -> None:
        assert await world.verdicts.find("vrd_none", (MINE, OTHER)) is None

    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(search)
    pieces = 3 * 2 * 3
    assert len(world.reads) == pieces
    assert trio.current_time() - began_s >= pieces * verdicts.TURN_S * 0.99
