"""Commands to the real expert: each done once, whatever is repeated, cut or killed in between."""

from pathlib import Path

import pytest

from engine.link import Action, Handed, TerminalCommand
from tests.adapters.ea.ea_world import opened
from tests.adapters.ea.expert import WHY_NOT
from tests.adapters.mt5.link_samples import ACCOUNT

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

OUTGROWN, EXPIRED, MALFORMED, NOT_RECORDED = -1, -2, -3, -4
HELD = "open 7 EURUSD 0 0.5 1.0950"
QUOTE = "tick EURUSD 1.2000 1.2002"


async def test_a_close_names_its_position_and_is_settled_by_its_deal(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD, QUOTE) as run:
        result = await world.answer(action=Action.CLOSE, intent_id="int_1", position=7)
        assert (result.retcode, result.volume, result.price) == (10009, 0.5, 1.2)
        assert run.orders() == [
            "order deal position=107 by=0 order=0 volume=0.50 type=1 filling=1 comment=tg:int_1"
        ]
        deals = await world.sink.until("deal")
        assert result.deal in [ticket for _, ticket in deals]
        assert (await world.sink.until("position"))[-1][1] == "closed"


async def test_a_part_is_closed_and_never_more_than_is_held(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD, QUOTE) as run:
        part = await world.answer(action=Action.CLOSE, intent_id="a", position=7, volume=0.2)
        assert part.volume == pytest.approx(0.2)
        rest = await world.answer(action=Action.CLOSE, intent_id="b", position=7, volume=9.0)
        assert rest.volume == pytest.approx(0.3)
        gone = await world.answer(action=Action.CLOSE, intent_id="c", position=7)
        assert gone.retcode == 10036
        assert len(run.orders()) == 2


async def test_a_repeat_of_an_intent_is_answered_from_the_table(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD, QUOTE) as run:
        close = {"action": Action.CLOSE, "intent_id": "int_1", "position": 7, "volume": 0.2}
        first = await world.answer(**close)
        second = await world.answer(**close)
        assert len(run.orders()) == 1
        assert (second.retcode, second.deal, second.volume) == (10009, first.deal, 0.2)
        assert second.comment == "from the table"


async def test_a_restarted_terminal_still_knows_what_it_did(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world:
        close = {"action": Action.CLOSE, "intent_id": "int_1", "position": 7, "volume": 0.2}
        async with world.terminal(HELD, QUOTE) as run:
            first = await world.answer(**close)
            run.kill()
        await world.sink.until("unlinked")
        async with world.terminal(HELD, QUOTE) as run:
            assert [i.intent_id for i in world.report().recent_intents] == ["int_1"]
            assert world.sink.of("linked")[-1][0].epoch == 2
            assert not world.sink.of("linked")[-1][0].resumed
            again = await world.answer(**close)
            assert (again.retcode, again.deal) == (10009, first.deal)
            assert run.orders() == []


async def test_an_intent_cut_short_by_a_crash_is_never_done_again(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        close = {"action": Action.CLOSE, "intent_id": "int_1", "position": 7}
        async with world.terminal(HELD, QUOTE, "slow 5000") as run:
            await world.command(**close)
            await run.until("order deal")
            run.kill()
        await world.sink.until("unlinked")
        async with world.terminal(HELD, QUOTE) as run:
            assert [(i.intent_id, i.retcode) for i in world.report().recent_intents] == [
                ("int_1", 0)
            ]
            again = await world.answer(**close)
            assert again.retcode == 0
            assert run.orders() == []


async def test_a_line_cut_by_a_crash_costs_only_itself(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world:
        async with world.terminal(HELD, QUOTE) as run:
            await world.answer(action=Action.HALT, intent_id="int_1")
            run.kill()
        await world.sink.until("unlinked")
        journal = tmp_path / "Tidegate" / "Demo-1_1001.journal"
        journal.write_bytes(journal.read_bytes() + b"I|int_2|1|0|0|0|0|0#00")
        async with world.terminal(HELD, QUOTE):
            await world.answer(action=Action.HALT, intent_id="int_3")
        await world.sink.until("unlinked", 2)
        async with world.terminal(HELD, QUOTE):
            known = {intent.intent_id for intent in world.report().recent_intents}
            assert known == {"int_1", "int_3"}
            hello = world.house.gateway._links[ACCOUNT].side.hello
            assert hello is not None
            assert hello.epoch_seen == 2


async def test_a_lower_epoch_is_refused_and_nothing_is_sent(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD, QUOTE) as run:
        side = world.house.gateway._links[ACCOUNT].side
        side.epoch -= 1
        result = await world.answer(action=Action.CLOSE, intent_id="int_1", position=7)
        assert result.retcode == OUTGROWN
        side.epoch += 1
        done = await world.answer(action=Action.CLOSE, intent_id="int_1", position=7)
        assert done.retcode == 10009
        assert len(run.orders()) == 1


async def test_a_command_that_waited_too_long_is_not_begun(program: Path, tmp_path: Path) -> None:
    async with (
        opened(program, tmp_path) as world,
        world.terminal(HELD, "open 8 EURUSD 0 0.1 1.1", QUOTE, "slow 300") as run,
    ):
        # Both in one piece, so that the second waits in the terminal and not on the wire.
        commands = [
            TerminalCommand(action=Action.CLOSE, intent_id=name, position=position, ttl_ms=ttl_ms)
            for name, position, ttl_ms in (("slow", 7, 5000), ("late", 8, 100))
        ]
        assert world.house.gateway.send_nowait(ACCOUNT, *commands) is Handed.HANDED
        results = {r.intent_id: r.retcode for _, r in await world.sink.until("result", 2)}
        assert results == {"slow": 10009, "late": EXPIRED}
        assert len(run.orders()) == 1


async def test_a_refused_filling_mode_gives_way_to_the_next(program: Path, tmp_path: Path) -> None:
    async with (
        opened(program, tmp_path) as world,
        world.terminal(HELD, QUOTE, "answer 10030", "answer 10030") as run,
    ):
        result = await world.answer(action=Action.CLOSE, intent_id="int_1", position=7)
        assert result.retcode == 10009
        assert [line.split("filling=")[1][0] for line in run.orders()] == ["1", "0", "2"]


async def test_only_what_the_symbol_allows_is_tried(program: Path, tmp_path: Path) -> None:
    async with (
        opened(program, tmp_path) as world,
        world.terminal(HELD, QUOTE, "filling EURUSD 1") as run,
    ):
        await world.answer(action=Action.CLOSE, intent_id="int_1", position=7)
        assert "filling=0" in run.orders()[0]


async def test_a_refusal_is_told_as_it_is_and_not_tried_again(
    program: Path, tmp_path: Path
) -> None:
    async with (
        opened(program, tmp_path) as world,
        world.terminal(HELD, QUOTE, "answer 10018") as run,
    ):
        result = await world.answer(action=Action.CLOSE, intent_id="int_1", position=7)
        assert result.retcode == 10018
        assert len(run.orders()) == 1


async def test_hedged_positions_close_by_each_other_and_resting_orders_are_cancelled(
    program: Path, tmp_path: Path
) -> None:
    opening = (HELD, "open 8 EURUSD 1 0.5 1.1", "rest 40 EURUSD", QUOTE)
    async with opened(program, tmp_path) as world, world.terminal(*opening) as run:
        gone = await world.answer(action=Action.CANCEL, intent_id="a", order=40)
        both = await world.answer(action=Action.CLOSE_BY, intent_id="b", position=7, position_by=8)
        again = await world.answer(action=Action.CANCEL, intent_id="c", order=40)
        assert (gone.retcode, both.retcode, again.retcode) == (10009, 10009, 10025)
        assert [line.split()[1] for line in run.orders()] == ["remove", "close_by"]
        assert len(await world.sink.until("position", 2)) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"action": Action.CLOSE, "position": None},
        {"action": Action.CLOSE_BY, "position": 7},
        {"action": Action.CANCEL},
        {"action": Action.CLOSE, "position": 7, "volume": 0.0},
    ],
)
async def test_a_command_that_names_nothing_is_refused(
    program: Path, tmp_path: Path, fields: dict[str, object]
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD, QUOTE) as run:
        assert (await world.answer(intent_id="int_1", **fields)).retcode == MALFORMED
        assert run.orders() == []


async def test_nothing_is_begun_that_cannot_be_recorded(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD, QUOTE) as run:
        await run.tell("full")
        result = await world.answer(action=Action.CLOSE, intent_id="int_1", position=7)
        assert result.retcode == NOT_RECORDED
        assert run.orders() == []


async def test_a_halt_is_shown_and_survives_a_restart(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world:
        async with world.terminal() as run:
            assert (await world.answer(action=Action.HALT, intent_id="h")).retcode == 10009
            await run.until("comment Tidegate: linked to 127.0.0.1 HALTED")
        async with world.terminal() as run:
            await run.until("comment Tidegate: linked to 127.0.0.1 HALTED")
            assert (await world.answer(action=Action.RESUME, intent_id="r")).retcode == 10009
