"""The real expert when symbols' terms of trade change, and when it is started anew in place."""

from pathlib import Path
from typing import Any

import pytest

from adapters.mt5.tellings import Reported
from engine.domain.ids import AccountKey
from engine.domain.reports import SpecReport
from engine.link import Action
from tests.adapters.ea.ea_world import World, opened
from tests.adapters.ea.expert import WHY_NOT
from tests.adapters.mt5.link_samples import ACCOUNT, KEY

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

FEED = "Demo-1"
HELD = "open 7 EURUSD 0 0.5 1.0950"


def told(world: World) -> dict[str, SpecReport]:
    """The specifications of the last report."""
    return {spec.name: spec for spec in world.report().specs}


def are_asked(world: World) -> list[bool]:
    """Whether each report from now on answers a request."""
    asked: list[bool] = []
    tellings = world.house.gateway._links[ACCOUNT].side.tellings
    take = tellings.take

    def noting(frame: Any, now_ns: int) -> Any:
        events = take(frame, now_ns)
        asked.extend(event.is_asked for event in events if isinstance(event, Reported))
        return events

    tellings.take = noting  # type: ignore[method-assign]
    return asked


# Terms


async def test_new_terms_of_a_held_symbol_are_told_by_a_report(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD) as run:
        assert told(world)["EURUSD"].trade_contract_size == 100_000.0
        asked = are_asked(world)
        await run.tell("terms EURUSD 10000 0.1 1.0")
        await world.sink.until("reported", 2)
        now = told(world)["EURUSD"]
        assert (now.trade_contract_size, now.volume_step) == (10_000.0, 0.1)
        assert world.report().complete
        assert world.house.gateway.statistics().reports_needed == {}
        await world.command(action=Action.REPORT)
        await world.sink.until("reported", 3)
        assert asked == [False, True]


async def test_new_terms_of_a_symbol_that_is_asked_for_are_told(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        world.house.gateway.want_symbols(FEED, ["GBPUSD", "NOSUCH"])
        async with world.terminal() as run:
            assert set(told(world)) == {"GBPUSD"}
            await run.tell("filling GBPUSD 1")
            await world.sink.until("reported", 2)
            assert told(world)["GBPUSD"].filling_mode == 1


async def test_what_moves_with_the_market_and_what_nobody_asked_for_is_no_new_term(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD) as run:
        await run.tell("terms EURUSD 100000 0.01 1.07", "terms GBPUSD 10000 0.1 1.0")
        await world.sink.until("heartbeat", len(world.sink.of("heartbeat")) + 5)
        assert len(world.sink.of("reported")) == 1


async def test_a_symbol_that_is_newly_held_is_reported_with_its_terms(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD) as run:
        assert set(told(world)) == {"EURUSD"}
        await run.tell("open 8 USDJPY 0 0.1 150.5")
        await world.sink.until("reported", 2)
        assert told(world)["USDJPY"].digits == 3
        assert [p.identifier for p in world.report().positions] == [7, 8]


async def test_terms_a_terminal_does_not_have_yet_are_told_when_it_has_them(
    program: Path, tmp_path: Path
) -> None:
    unknown = "terms EURUSD 0 0.01 0"
    async with opened(program, tmp_path) as world, world.terminal(unknown, HELD) as run:
        assert told(world) == {}
        await world.sink.until("heartbeat", 3)
        assert len(world.sink.of("reported")) == 1
        await run.tell("terms EURUSD 100000 0.01 1")
        await world.sink.until("reported", 2)
        assert told(world)["EURUSD"].trade_contract_size == 100_000.0


async def test_terms_that_never_rest_do_not_flood_the_link_with_reports(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD, HASTE="5") as run:
        await run.tell("terms EURUSD 10000 0.1 1.0")
        await world.sink.until("reported", 2)
        beats = len(world.sink.of("heartbeat"))
        await run.tell("terms EURUSD 20000 0.1 1.0")
        await world.sink.until("reported", 3)
        assert len(world.sink.of("heartbeat")) >= beats + 5, "not at the very next one"


# Started anew


async def test_a_change_of_the_chart_does_not_end_the_link_for_good(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(HELD) as run:
        await world.answer(action=Action.HALT, intent_id="int_1")
        await run.tell("restart")
        await world.sink.until("reported", 2)
        assert [intent.intent_id for intent in world.report().recent_intents] == ["int_1"]
        assert [facts.epoch for (facts,) in world.sink.of("linked")] == [1, 2]
        again = await world.answer(action=Action.HALT, intent_id="int_1")
        assert again.comment == "from the table"


async def test_another_account_in_the_terminal_is_never_told_as_the_first(
    program: Path, tmp_path: Path
) -> None:
    other = AccountKey(ACCOUNT.server, 1002)
    async with opened(program, tmp_path) as world, world.terminal(HELD) as run:
        world.sink.signs = False
        await run.tell("deposit 100")
        await world.sink.until("deal")
        world.house.keys[other] = (KEY,)
        await run.tell("login 1002")
        reports = await world.sink.until("reported", 2)
        assert [key for key, _ in reports] == [ACCOUNT, other]
        assert {key for key, _ in world.sink.of("deal")} == {ACCOUNT}
        assert world.report().recent_intents == ()
        assert (tmp_path / "Tidegate" / "Demo-1_1002.journal").exists()
