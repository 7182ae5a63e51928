"""The real expert when the link is cut, the engine is away, moved or silent."""

from pathlib import Path

import pytest
import trio

from engine.link import Action
from tests.adapters.ea.ea_world import opened
from tests.adapters.ea.expert import WHY_NOT
from tests.adapters.mt5.link_house import LONG_S
from tests.adapters.mt5.link_samples import ACCOUNT

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

HELD = "open 7 EURUSD 0 0.5 1.0950"
QUOTE = "tick EURUSD 1.2000 1.2002"

# Coming back


async def test_a_cut_link_comes_back_in_its_session_and_loses_no_deal(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal() as run:
        world.sink.signs = False
        await run.tell("deposit 100")
        ((_, first),) = await world.sink.until("deal")
        world.sink.signs = True
        link = world.house.gateway._links[ACCOUNT]
        await link._stream.aclose()
        await run.tell("deposit 200")
        await world.sink.until("linked", 2)
        facts = world.sink.of("linked")[-1][0]
        assert facts.resumed
        assert facts.epoch == 2
        tickets = [ticket for _, ticket in await world.sink.until("deal", 3)]
        assert tickets[:2] == [first, first]
        assert tickets[2] != first


async def test_a_deal_made_while_the_expert_was_off_is_told_when_it_is_back(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        async with world.terminal() as run:
            await run.tell("deposit 100")
            await world.sink.until("deal")
            journal = tmp_path / "Tidegate" / "Demo-1_1001.journal"
            with trio.fail_after(LONG_S):
                while "\nD|" not in journal.read_text():
                    await trio.sleep(0.01)
            run.kill()
        await world.sink.until("unlinked")
        async with world.terminal("lose", "deposit 200"):
            assert len(await world.sink.until("deal", 2)) == 2


async def test_an_engine_that_is_away_is_tried_with_growing_pauses(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        with trio.socket.socket() as placeholder:
            await placeholder.bind(("127.0.0.1", 0))
            port = placeholder.getsockname()[1]
            async with world.unlinked(ENGINE=f"127.0.0.1:{port}") as run:
                started = trio.current_time()
                await run.until("connect ", 3)
                assert 0.6 <= trio.current_time() - started < 3.0
        pauses = [int(line.rsplit(" ", 2)[1]) for line in run.said if "; again in " in line]
        assert 190 <= pauses[0] <= 500
        assert 390 <= pauses[1] <= 1000


async def test_of_two_addresses_the_one_that_answers_is_used(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world:
        both = f"127.0.0.1:1, 127.0.0.1:{world.house.port}"
        async with world.terminal(ENGINE=both) as run:
            assert [line.split()[-1] for line in run.said if line.startswith("connect")] == [
                "failed",
                "ok",
            ]


async def test_a_moved_terminal_goes_where_it_is_told_at_once(
    program: Path, tmp_path: Path
) -> None:
    async with (
        opened(program, tmp_path) as world,
        world.terminal(ENGINE=f"localhost:{world.house.port}") as run,
    ):
        world.house.gateway.move(ACCOUNT, f"127.0.0.1:{world.house.port}")
        with trio.fail_after(LONG_S):
            await run.until(f"connect 127.0.0.1:{world.house.port} ok")
        await world.sink.until("linked", 2)


async def test_an_expert_that_was_superseded_does_not_fight_for_the_account(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal() as older:
        (tmp_path / "elsewhere").mkdir()
        async with world.terminal(FILES_DIR=str(tmp_path / "elsewhere")) as newer:
            await older.until("print Tidegate: the engine ended the link: superseded")
            await trio.sleep(0.7)
            assert older.count("connect ") == 1
            assert newer.count("connect ") == 1


async def test_a_link_on_which_nothing_is_acknowledged_is_given_up(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HASTE="10") as run:
        world.sink.signs = False
        await run.tell("deposit 100")
        await run.until("print Tidegate: nothing is acknowledged any more")
        world.sink.signs = True
        await world.sink.until("linked", 2)
        tickets = {ticket for _, ticket in await world.sink.until("deal", 2)}
        assert len(tickets) == 1


# The terminal's own floor


async def test_the_floor_closes_everything_when_the_engine_is_silent(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        opening = (HELD, "open 8 EURUSD 1 0.2 1.1", "rest 40 EURUSD", QUOTE)
        async with world.terminal(*opening, HASTE="10") as run:
            await world.answer(action=Action.SET, intent_id="f", floor=9_000.0)
            await run.tell("equity 8999")
            await trio.sleep(0.5)
            assert run.orders() == []  # the engine is there: it decides
            await world.house.gateway.stop(0.1)
            await run.until("order ", 3)
            assert [line.split()[1] for line in run.orders()] == ["remove", "deal", "deal"]
            assert run.count("print ALERT") == 1


async def test_above_the_floor_a_silent_engine_changes_nothing(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        async with world.terminal(HELD, QUOTE) as run:
            await world.answer(action=Action.SET, intent_id="f", floor=9_000.0)
            run.kill()
        await world.sink.until("unlinked")
        await world.house.gateway.stop(0.1)
        # A restart of the terminal, and no engine: the floor is still known.
        async with world.unlinked(HASTE="10") as run:
            await run.tell(HELD, QUOTE, "equity 9000.01")
            await trio.sleep(1.5)
            assert run.orders() == []
            await run.tell("equity 9000.00")
            await run.until("order deal position=107")
