"""Terminals of the simulated broker, linked to the real gateway over loopback TLS."""

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import trio

from adapters.broker.requests import Kind, Request
from adapters.mt5.constants import DealEntry, DealType
from adapters.mt5.intents import IntentTable
from engine.clock import VirtualClock
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from engine.domain.reports import IntentReport
from engine.link import Action, PositionChange
from engine.marking.ticks import FileQuality, TickBatch
from tests.adapters.broker.broker_links import brokerage, spec_names
from tests.adapters.broker.server_world import LOGIN, NOON_MSC, PRICES
from tests.adapters.mt5.link_samples import ACCOUNT


class Ticks:
    """A stream of EURUSD ticks, 10 ms apart."""

    def __init__(self, *bids: float) -> None:
        self.bids = np.array(bids)

    @property
    def symbols(self) -> tuple[str, ...]:
        return ("EURUSD",)

    def batches(self, max_ticks: int) -> Iterator[TickBatch]:
        times = NOON_MSC + 10 * np.arange(len(self.bids), dtype=np.int64)
        which = np.zeros(len(self.bids), dtype=np.int32)
        yield TickBatch(self.symbols, 0, times, which, self.bids, self.bids + 0.0001)

    def quality(self) -> tuple[FileQuality, ...]:
        return ()


async def test_a_terminal_reports_everything_it_holds() -> None:
    async with brokerage() as world:
        await world.report()
        position = world.open(0.5)
        await world.sink.until("position")
        world.command(Action.REPORT, intent_id="")
        report = await world.report(2)
        assert report.complete
        assert [p.identifier for p in report.positions] == [position]
        assert (report.account.balance, report.account.equity) == (10_000.0, 9_995.0)
        assert report.account.margin == 550.05
        assert spec_names(report.specs) == list(PRICES)
        facts = world.sink.of("linked")[0][0]
        assert (facts.margin_mode, facts.currency, facts.gmt_offset_s) == (2, "USD", 7200)


async def test_what_happens_is_told_deal_first_and_the_digest_agrees() -> None:
    async with brokerage() as world:
        await world.report()
        position = world.open()
        await world.sink.until("heartbeat", 3)
        calls = [call[0] for call in world.sink.calls if call[0] in ("deal", "position")]
        assert calls == ["deal", "position"]
        (_, change, record) = world.sink.of("position")[0]
        assert (change, record.identifier) == (PositionChange.OPENED, position)
        assert world.sink.of("heartbeat")[-1][1].digest == world.digests()
        assert world.house.gateway.statistics().reports_needed == {}


async def test_ticks_are_played_at_their_pace_and_told_where_they_are_wanted() -> None:
    async with brokerage() as world:
        await world.report()
        await world.own.play(Ticks(1.2000), VirtualClock(NOON_MSC))
        world.house.gateway.want_symbols(ACCOUNT.server, ["EURUSD"])
        await world.sink.until("quotes")
        started = trio.current_time()
        played = await world.own.play(
            Ticks(*[1.1 + i / 1e4 for i in range(11)]), VirtualClock(NOON_MSC)
        )
        assert played == 11
        assert trio.current_time() - started >= 0.1
        await world.until(lambda: len(world.sink.rows) >= 12)
        assert [row.bid for row in world.sink.rows[1:]] == [1.1 + i / 1e4 for i in range(11)]
        first = world.sink.rows[1]
        assert (first.time_msc, first.server_msc) == (NOON_MSC, NOON_MSC + 7_200_000)
        assert first.ask == 1.1001


async def test_ticks_of_another_time_can_carry_the_present_one() -> None:
    async with brokerage() as world:
        stream = Ticks(1.2, 1.3)
        before = world.own.clock.wall_msc()
        await world.own.play(stream, VirtualClock(NOON_MSC, speed=10.0), stamps_now=True)
        assert world.server.market.quotes["EURUSD"].bid == 1.3
        assert world.server.market.quotes["EURUSD"].time_msc >= before


async def test_a_close_is_done_once_however_often_it_is_sent() -> None:
    async with brokerage() as world:
        await world.report()
        position = world.open(0.3)
        for _ in range(3):
            world.command(Action.CLOSE, position=position)
        (first,) = await world.results()
        assert (first.retcode, first.volume) == (10009, 0.3)
        world.command(Action.CLOSE, position=position)
        repeated = (await world.results(2))[1]
        assert (repeated.retcode, repeated.deal, repeated.comment) == (
            10009,
            first.deal,
            "from the table",
        )
        assert [d.entry for d in world.account.deals if d.symbol] == [DealEntry.IN, DealEntry.OUT]
        assert world.account.positions == {}


async def test_part_of_a_position_is_closed_and_the_rest_stays() -> None:
    async with brokerage() as world:
        await world.report()
        position = world.open(0.3)
        world.command(Action.CLOSE, position=position, volume=0.1)
        await world.results()
        assert world.account.positions[position].position.volume_lots == 0.2


async def test_close_by_and_cancel_and_halt_are_obeyed() -> None:
    async with brokerage() as world:
        await world.report()
        long, short = world.open(0.2), world.open(0.2, Side.SELL)
        resting = Request(kind=Kind.PENDING, symbol="EURUSD", order_type=2, lots=0.1, price=1.05)
        order = world.server.execute_now(LOGIN, resting, NOON_MSC).order
        world.command(Action.CLOSE_BY, "int_1", position=long, position_by=short)
        world.command(Action.CANCEL, "int_2", order=order)
        world.command(Action.HALT, "int_3")
        results = await world.results(3)
        assert {r.intent_id: r.retcode for r in results} == dict.fromkeys(
            ["int_1", "int_2", "int_3"], 10009
        )
        assert (world.account.positions, world.account.orders) == ({}, {})
        assert world.terminal.intents.is_halted


async def test_a_malformed_command_is_refused_and_nothing_is_sent() -> None:
    async with brokerage() as world:
        await world.report()
        position = world.open()
        world.command(Action.CLOSE, "int_1")
        world.command(Action.CLOSE, "int_2", position=position, volume=0.0)
        assert [r.retcode for r in await world.results(2)] == [-3, -3]
        assert position in world.account.positions


async def test_a_position_that_is_gone_counts_as_closed() -> None:
    async with brokerage() as world:
        await world.report()
        world.command(Action.CLOSE, position=4711)
        assert [r.retcode for r in await world.results()] == [10036]


async def test_the_table_and_the_epoch_outlive_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "intents.jsonl"
    async with brokerage(intents=IntentTable(path)) as world:
        await world.report()
        world.command(Action.CLOSE, position=world.open())
        await world.results()
    with path.open("ab") as out:
        out.write(b'{"epoch": 9')
    table = IntentTable(path)
    assert table.epoch_seen == 1
    assert [(row.intent_id, row.retcode) for row in table.recent()] == [("int_1", 10009)]
    async with brokerage(intents=table) as world:
        report = await world.report()
        assert world.sink.of("linked")[0][0].epoch == 2
        assert [row.intent_id for row in report.recent_intents] == ["int_1"]
        world.command(Action.CLOSE, position=world.open())
        assert (await world.results())[0].comment == "from the table"
        assert len(world.account.positions) == 1
    assert IntentTable(path).epoch_seen == 2, "a line after a cut one counts"


async def test_an_intent_that_a_crash_left_unanswered_is_told_as_such(tmp_path: Path) -> None:
    table = IntentTable(tmp_path / "intents.jsonl")
    table.note(IntentReport(intent_id="int_1", epoch=1, retcode=0))
    async with brokerage(intents=table) as world:
        await world.report()
        position = world.open()
        world.command(Action.CLOSE, position=position)
        assert [r.retcode for r in await world.results()] == [0]
        assert position in world.account.positions


async def test_money_moved_while_the_link_was_down_is_told_when_it_is_back() -> None:
    async with brokerage() as world:
        await world.report()
        world.terminal.cut(0.05)
        await world.sink.until("unlinked")
        ticket = world.server.move_money(LOGIN, DealType.BALANCE, -500.0, NOON_MSC)
        report = await world.report(2)
        assert report.account.balance == 9_500.0
        assert world.sink.of("deal") == [(ACCOUNT, ticket)]
        assert world.terminal.ends == ["cut"]
        assert world.sink.of("linked")[1][0].resumed


async def test_what_was_not_signed_for_is_told_again() -> None:
    async with brokerage() as world:
        await world.report()
        world.sink.signs = False
        world.command(Action.CLOSE, position=world.open())
        (first,) = await world.results()
        world.sink.signs = True
        world.terminal.cut()
        assert await world.results(2) == [first, first]
        tickets = [ticket for _, ticket in await world.sink.until("deal", 4)]
        assert tickets[:2] == tickets[2:]


async def test_the_floor_is_enforced_while_the_engine_is_silent() -> None:
    limits = {"floor_silent_s": 0.3, "floor_looks_s": 0.02}
    async with brokerage(terminal=limits) as world:
        await world.report()
        world.open()
        world.command(Action.SET, intent_id="", floor=9_999.5)
        await world.until(lambda: world.terminal.intents.floor == 9_999.5)
        await trio.sleep(0.6)
        assert len(world.account.positions) == 1, "a quiet engine is not a silent one"
        world.terminal.cut(30.0)
        await world.until(lambda: not world.account.positions)
        assert world.terminal.counts["floor_closes"] >= 1


async def test_an_engine_that_signs_for_nothing_any_more_is_silent() -> None:
    limits = {"floor_silent_s": 0.1, "floor_looks_s": 0.02}
    async with brokerage(terminal=limits) as world:
        await world.report()
        world.house.gateway.want_symbols(ACCOUNT.server, ["EURUSD"])
        world.command(Action.SET, intent_id="", floor=9_999.5)
        await world.until(lambda: world.terminal.intents.floor == 9_999.5)
        world.sink.held = trio.Event()
        world.open()
        for tick in range(200):
            bid, ask = PRICES["EURUSD"]
            world.server.quote("EURUSD", bid, ask, NOON_MSC + tick)
            await trio.sleep(0.001)
        await world.until(lambda: not world.account.positions)
        assert world.terminal.ends == [], "the link stands"
        world.sink.held.set()


async def test_a_revoked_terminal_stays_away_and_others_stay() -> None:
    async with brokerage(logins=(LOGIN, 1002)) as world:
        await world.sink.until("reported", 2)
        await world.own.terminals[1002].linked.wait()
        world.house.keys[AccountKey(ACCOUNT.server, 1002)] = ()
        await world.until(lambda: world.own.terminals[1002].ends == ["revoked"])
        assert world.terminal.linked.is_set()


async def test_a_terminal_that_finds_nobody_asks_less_and_less_often() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with brokerage(terminal={"port": taken.getsockname()[1]}) as world:
            await trio.sleep(0.5)
            ends = world.terminal.ends
            assert set(ends) == {"unreachable"}
            # Without longer and longer pauses of some 15 ms it would be more than 30 times.
            assert 2 <= len(ends) <= 15


async def test_a_terminal_moves_where_it_is_told_to() -> None:
    async with brokerage() as world:
        await world.report()
        world.house.gateway.move(ACCOUNT, f"127.0.0.1:{world.house.port}")
        await world.report(2)
        assert world.terminal.ends == ["moved"]
