"""Each fault, as it looks from the engine's side of the link."""

import trio

from adapters.broker.faults import Fault
from engine.domain.reports import FullReport
from engine.link import Action, PositionChange
from tests.adapters.broker.broker_links import Brokerage, brokerage
from tests.adapters.broker.server_world import LOGIN
from tests.adapters.mt5.link_samples import ACCOUNT


async def closing(world: Brokerage, fault: Fault, amount: int = 0) -> int:
    """Sends a close that the fault strikes; the position."""
    await world.report()
    position = world.open()
    await world.sink.until("position")
    world.server.faults.ask(LOGIN, fault, amount)
    world.command(Action.CLOSE, position=position)
    return position


async def test_a_lost_command_is_neither_done_nor_answered() -> None:
    async with brokerage() as world:
        position = await closing(world, Fault.LOST_COMMAND)
        await trio.sleep(0.2)
        assert world.sink.of("result") == []
        assert position in world.account.positions
        assert world.terminal.intents.recent() == ()


async def test_a_lost_request_times_out_and_is_not_done() -> None:
    async with brokerage() as world:
        position = await closing(world, Fault.LOST_REQUEST)
        assert [r.retcode for r in await world.results()] == [10012]
        assert position in world.account.positions


async def test_a_lost_reply_times_out_after_its_deal() -> None:
    async with brokerage() as world:
        await closing(world, Fault.LOST_REPLY)
        assert [r.retcode for r in await world.results()] == [10012]
        assert len(world.sink.of("deal")) == 2
        assert world.account.positions == {}


async def test_a_late_execution_comes_after_the_time_out() -> None:
    async with brokerage() as world:
        position = await closing(world, Fault.LATE_EXECUTION, 300)
        assert [r.retcode for r in await world.results()] == [10012]
        assert position in world.account.positions
        await world.sink.until("deal", 2)
        assert world.account.positions == {}
        assert len(world.sink.of("result")) == 1


async def test_an_answer_can_be_chosen() -> None:
    async with brokerage() as world:
        position = await closing(world, Fault.RETCODE, 10018)
        assert [r.retcode for r in await world.results()] == [10018]
        assert position in world.account.positions


async def test_a_duplicate_tells_deal_and_result_twice() -> None:
    async with brokerage() as world:
        await closing(world, Fault.DUPLICATE)
        results = await world.results(2)
        assert results[0] == results[1]
        _, (_, one), (_, two) = await world.sink.until("deal", 3)
        assert one == two
        assert len(world.sink.of("position")) == 2, "it opened once and closed once"


async def test_reordered_tellings_come_the_last_first() -> None:
    async with brokerage() as world:
        await closing(world, Fault.REORDER)
        await world.results()
        await world.sink.until("deal", 2)
        kinds = [c[0] for c in world.sink.calls if c[0] in ("deal", "position", "result")]
        assert kinds == ["deal", "position", "result", "position", "deal"]


async def test_a_disconnect_in_the_middle_of_a_close_leaves_it_done_and_tells_it_later() -> None:
    async with brokerage() as world:
        await closing(world, Fault.DISCONNECT_MID_CLOSE, 80)
        await world.sink.until("unlinked")
        assert world.sink.of("result") == []
        assert [r.retcode for r in await world.results()] == [10009]
        report: FullReport = await world.report(2)
        assert report.positions == ()
        gone = [change for _, change, _ in world.sink.of("position")]
        assert PositionChange.CLOSED not in gone, "the report says it"


async def test_a_cut_link_comes_back() -> None:
    async with brokerage() as world:
        await world.report()
        world.server.faults.ask(LOGIN, Fault.CUT, 20)
        await world.report(2)
        assert world.terminal.ends == ["cut"]


async def test_a_silent_terminal_goes_stale_and_is_heard_again() -> None:
    async with brokerage(silence_s=0.13) as world:
        await world.report()
        world.server.faults.ask(LOGIN, Fault.SILENCE, 300)
        await world.sink.until("stale")
        before = len(world.sink.sents)
        await world.until(lambda: len(world.sink.sents) > before + 3)
        assert world.terminal.ends == []


async def test_an_absurd_equity_is_shown_once() -> None:
    async with brokerage() as world:
        await world.report()
        world.server.faults.ask(LOGIN, Fault.ABSURD_EQUITY, 7)
        await world.until(lambda: 70_000.0 in equities(world))
        await world.until(lambda: equities(world)[-1] == 10_000.0)
        assert equities(world).count(70_000.0) == 1


def equities(world: Brokerage) -> list[float]:
    return [beat.equity for _, beat in world.sink.of("heartbeat")]


async def test_a_failed_report_is_not_complete_and_holds_nothing() -> None:
    async with brokerage() as world:
        await world.report()
        world.open()
        await world.sink.until("position")
        world.server.faults.ask(LOGIN, Fault.FAILED_REPORT)
        world.command(Action.REPORT, intent_id="")
        failed = await world.report(2)
        assert (failed.complete, failed.positions) == (False, ())
        world.command(Action.REPORT, intent_id="")
        assert len((await world.report(3)).positions) == 1


async def test_a_wrong_clock_claims_another_offset_and_the_times_stay() -> None:
    async with brokerage() as world:
        await world.report()
        world.server.faults.ask(LOGIN, Fault.WRONG_CLOCK, 3600)
        await world.until(lambda: bool(world.sink.sents) and offset(world) == 10_800)
        assert abs(world.sink.sents[-1].gmt_msc - world.own.clock.wall_msc()) < 1000


def offset(world: Brokerage) -> int:
    return world.sink.sents[-1].gmt_offset_s


async def test_a_clock_step_moves_what_the_terminal_calls_utc() -> None:
    async with brokerage() as world:
        await world.report()
        world.server.faults.ask(LOGIN, Fault.CLOCK_STEP, -60_000)
        await world.until(
            lambda: (
                bool(world.sink.sents)
                and abs(world.sink.sents[-1].gmt_msc + 60_000 - world.own.clock.wall_msc()) < 1000
            )
        )
        assert offset(world) == 7200
        assert ACCOUNT in [facts[0].key for facts in world.sink.of("linked")]
