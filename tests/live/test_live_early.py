"""A running engine is told a fill before the quote it was made on: no equity is made of the two."""

import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.memory.journal import MemoryJournal
from engine.clock import SteadyClock, VirtualClock
from engine.domain import records
from engine.domain.account import AccountState
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.commands import Halt, Register
from engine.domain.ids import AccountKey
from engine.domain.intents import Intent
from engine.domain.positions import Side
from engine.domain.reports import AccountReport, DealReport, FullReport, PositionReport
from engine.link import LinkQuote, PositionChange, Receipt, Sent, TerminalFacts
from engine.live_engine import LiveAccount, LiveEngine
from engine.lobby import ROOM
from engine.meters import Meter
from engine.recovery import recover
from engine.terminals import LinkTerminals
from tests.adapters.broker.server_world import INSTRUMENTS
from tests.live.live_house import SERVER, spec_of, trailing
from tests.live.no_link import NoLink

KEY = AccountKey(SERVER, 1)
START_MSC = 1_767_826_800_000
OFFSET_S = 7200
BEFORE, AFTER = (1.1000, 1.1001), (1.1130, 1.1131)
"""EURUSD jumps by 130 pips: a lot bought there is 1,300 USD below on the older quote."""


@dataclass
class Desk:
    """A terminal's side of the sink, without a link."""

    engine: LiveEngine
    clock: SteadyClock
    signed: list[str]

    @property
    def state(self) -> AccountState:
        return self.engine._actor(KEY).state

    def sent(self) -> Sent:
        now_ns = self.clock.monotonic_ns()
        return Sent(self.clock.wall_msc(), OFFSET_S, now_ns, now_ns)

    def server_msc(self) -> int:
        return self.clock.wall_msc() + OFFSET_S * 1000

    async def quote(self, prices: tuple[float, float], at_msc: int | None = None) -> None:
        server_msc = at_msc or self.server_msc()
        row = LinkQuote("EURUSD", server_msc - OFFSET_S * 1000, server_msc, *prices, 6)
        await self.engine.sink.quotes(SERVER, [row], self.sent())

    async def opened(
        self, price: float, kind: int = 0, number: int = 7, symbol: str = "EURUSD"
    ) -> None:
        now_msc = self.server_msc()
        told = PositionReport(
            identifier=number,
            ticket=number,
            symbol=symbol,
            type=kind,
            volume=1.0,
            price_open=price,
            time_msc=now_msc,
            time_update_msc=now_msc,
        )
        await self.engine.sink.position_changed(
            KEY, PositionChange.OPENED, told, self.sent(), self.receipt("position")
        )

    async def dealt(self, **more: Any) -> None:
        fields: dict[str, Any] = {
            "ticket": 90,
            "order": 80,
            "position_id": 7,
            "symbol": "EURUSD",
            "type": 1,
            "entry": 1,
            "volume": 1.0,
            "price": AFTER[0],
            "time_msc": self.server_msc(),
        }
        deal = DealReport(**fields | more)
        await self.engine.sink.deal(KEY, deal, self.sent(), self.receipt("deal"))

    def receipt(self, name: str) -> Receipt:
        return Receipt(lambda: self.signed.append(name))

    async def settled(self) -> None:
        await trio.sleep(0.01)

    async def kept(self, kind: type[records.Record]) -> list[Any]:
        found = await self.engine.records(KEY, 0, 1000)
        return [record for record in found if isinstance(record, kind)]


class Counts:
    """A meter that keeps only what is counted."""

    def __init__(self) -> None:
        self.of = Counter[tuple[str, str]]()

    def observe(self, name: str, seconds: float) -> None:
        pass

    def count(self, name: str, number: int = 1, label: str = "") -> None:
        self.of[name, label] += number


@asynccontextmanager
async def desk(percent: float = 10.0, meter: Meter | None = None) -> AsyncIterator[Desk]:
    journal, clock = MemoryJournal(), SteadyClock(VirtualClock(START_MSC))
    spec = spec_of(1, [trailing(percent=percent)])
    account = LiveAccount(
        spec=spec,
        terms=Terms(digits=2),
        close_terms=CloseTerms(),
        expects=False,
        recovery=await recover(spec.key, journal),
    )
    link = LinkTerminals(NoLink(), clock)
    engine = LiveEngine([account], INSTRUMENTS, (), journal, journal, link, clock, meter=meter)
    made = Desk(engine, clock, [])
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        facts = TerminalFacts(KEY, "s", 1, 1, "", "USD", 2, 2, 100, OFFSET_S, resumed=False)
        await engine.sink.linked(facts)
        money = AccountReport(balance=10_000.0, credit=0.0, equity=10_000.0, margin=0.0)
        report = FullReport(account=money, positions=(), complete=True)
        await engine.sink.reported(KEY, report, made.sent(), made.receipt("report"))
        await made.quote(BEFORE)
        await made.settled()
        yield made
        await engine.stop()
        nursery.cancel_scope.cancel()


async def test_a_stop_entry_told_before_its_jump_breaches_nothing(
    autojump_clock: MockClock,
) -> None:
    async with desk() as house:
        await house.opened(AFTER[1])
        await house.settled()
        assert not house.state.positions, "it waits for the quote it was filled on"
        assert house.state.known, "and the account is guarded meanwhile"
        await house.quote(AFTER)
        await house.settled()
        assert [one.position_id for one in house.state.positions] == [7]
        await trio.sleep(2.0)
        assert await house.kept(records.GuardBreach) == []
        assert house.signed == ["report", "position"]


async def test_a_limit_filled_in_a_gap_raises_no_high_water_mark(
    autojump_clock: MockClock,
) -> None:
    async with desk() as house:
        await house.opened(AFTER[0], kind=1)  # sold 130 pips above the older quote
        await house.settled()
        await house.quote(AFTER)
        await trio.sleep(2.0)
        assert house.engine._actor(KEY).marks.trackers[0] == 10_000.0


async def test_a_quote_from_before_the_fill_does_not_let_it_in(autojump_clock: MockClock) -> None:
    async with desk() as house:
        await trio.sleep(0.1)
        await house.opened(AFTER[1])
        await house.quote((1.1001, 1.1002), house.server_msc() - 20)
        await house.settled()
        assert house.state.positions == ()
        await house.quote(AFTER)
        await house.settled()
        assert len(house.state.positions) == 1


async def test_a_loss_of_the_new_position_is_caught_on_its_first_quote(
    autojump_clock: MockClock,
) -> None:
    async with desk() as house:
        await house.opened(AFTER[1])
        await house.quote(BEFORE)  # it jumped back: the loss is real now
        await house.settled()
        [breach] = await house.kept(records.GuardBreach)
        assert breach.equity == 10_000.0 - 1_310.0


async def test_without_a_quote_a_fill_waits_half_a_second_and_no_longer(
    autojump_clock: MockClock,
) -> None:
    async with desk(percent=50.0) as house:
        await house.opened(AFTER[1])
        await trio.sleep(0.45)
        assert house.state.positions == ()
        await trio.sleep(0.2)
        assert len(house.state.positions) == 1
        assert house.signed == ["report", "position"]


async def test_each_wait_that_ran_out_is_counted_and_logged_once_a_minute(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    counts, name = Counts(), ("fills_before_quotes", SERVER)
    caplog.set_level(logging.WARNING, "tidegate.lobby")
    async with desk(percent=50.0, meter=counts) as house:
        for number in (7, 8):
            await house.opened(AFTER[1], number=number)
            await house.settled()
        assert (counts.of[name], caplog.messages) == (0, [])
        await trio.sleep(0.7)
        assert counts.of[name] == 2
        assert caplog.messages == [f"a fill's quote did not come in time: account={KEY}"]
        await trio.sleep(60.0)
        await house.opened(AFTER[1], number=9)
        await trio.sleep(0.7)
        assert (counts.of[name], len(caplog.messages)) == (3, 2)


async def test_a_wait_that_a_quote_or_a_command_ends_did_not_run_out(
    autojump_clock: MockClock,
) -> None:
    counts = Counts()
    async with desk(percent=50.0, meter=counts) as house:
        await house.opened(AFTER[1])
        await house.quote(AFTER)
        await trio.sleep(0.7)
        await house.opened(BEFORE[0], kind=1, number=8)
        await house.engine.command(KEY, Halt(0, "manual", "desk"))
        await trio.sleep(0.7)
        assert len(house.state.positions) == 2
        assert ("fills_before_quotes", SERVER) not in counts.of


async def test_a_fill_at_the_price_that_stands_waits_for_nothing(
    autojump_clock: MockClock,
) -> None:
    async with desk() as house:
        await trio.sleep(5.0)
        await house.opened(BEFORE[1])
        await house.settled()
        assert len(house.state.positions) == 1


async def test_what_is_said_after_a_fill_that_waits_comes_after_it(
    autojump_clock: MockClock,
) -> None:
    async with desk() as house:
        await house.opened(AFTER[1])
        await house.dealt(price=1.1000, profit=-1_310.0)
        await house.settled()
        assert house.state.balance_minor == 1_000_000
        await house.quote(AFTER)
        await house.settled()
        assert (house.state.balance_minor, house.state.positions) == (869_000, ())
        assert house.signed == ["report", "position", "deal"]


async def test_more_than_there_is_room_for_goes_in_and_nothing_is_lost(
    autojump_clock: MockClock,
) -> None:
    async with desk(percent=50.0) as house:
        await house.opened(AFTER[1])
        for ticket in range(ROOM + 5):
            await house.dealt(ticket=1000 + ticket, type=2, symbol="", price=0.0, profit=0.01)
        await trio.sleep(2.0)
        assert house.state.balance_minor == 1_000_000 + ROOM + 5
        assert len(house.state.positions) == 1
        assert house.signed == ["report", "position", *["deal"] * (ROOM + 5)]


async def test_a_link_that_ends_behind_a_fill_that_waits_ends_after_it(
    autojump_clock: MockClock,
) -> None:
    async with desk(percent=50.0) as house:
        await house.opened(AFTER[1])
        house.engine.sink.unlinked(KEY, "cut")
        await house.settled()
        assert house.state.live is not None
        assert house.state.live.link.is_linked
        await trio.sleep(0.7)
        assert len(house.state.positions) == 1
        assert not house.state.live.link.is_linked


async def test_a_hedge_stopped_out_in_a_jump_breaches_nothing(autojump_clock: MockClock) -> None:
    """The sell's loss is booked, and the buy it hedged is not left on the older quote."""
    async with desk() as house:
        await house.opened(BEFORE[1])
        await house.opened(BEFORE[0], kind=1, number=8)
        await house.settled()
        await house.dealt(position_id=8, type=0, price=AFTER[1], profit=-1_310.0)
        await house.settled()
        await house.quote(AFTER)
        await trio.sleep(2.0)
        assert house.state.balance_minor == 869_000
        assert await house.kept(records.GuardBreach) == []


async def test_a_command_means_the_fill_that_waits_too(autojump_clock: MockClock) -> None:
    async with desk(percent=50.0) as house:
        await house.opened(AFTER[1])
        await house.engine.command(KEY, Halt(0, "manual", "desk"))
        assert house.state.is_halted
        assert len(house.state.positions) == 1


async def test_an_intent_registered_meanwhile_lets_no_fill_in(autojump_clock: MockClock) -> None:
    """A strategy registers one with every order: each would undo the wait."""
    async with desk() as house:
        await house.opened(AFTER[1])
        intent = Intent(intent_id="a", symbol="EURUSD", side=Side.BUY, volume_lots=1.0)
        await house.engine.command(KEY, Register(0, "strategy", intent))
        assert house.state.positions == ()
        await house.quote(AFTER)
        await house.settled()
        assert len(house.state.positions) == 1
        assert await house.kept(records.GuardBreach) == []


async def test_what_filled_in_the_jump_that_breached_goes_with_the_rest(
    autojump_clock: MockClock,
) -> None:
    """It was open when everything was to be closed; a person's, it is not said to be re-opened."""
    async with desk() as house:
        await house.opened(BEFORE[1], number=5)
        await house.settled()
        await house.opened(1.0900, kind=1, number=6)  # a sell stop in the fall
        await house.quote((1.0900, 1.0901))
        await house.settled()
        assert len(await house.kept(records.GuardBreach)) == 1
        closes = await house.kept(records.CloseIntended)
        reasons = [(one.position_id, one.reason) for one in closes]
        assert reasons == [(5, "guard:trailing"), (6, "guard:trailing")]


async def test_what_a_person_opens_after_a_breach_is_left_to_the_halt(
    autojump_clock: MockClock,
) -> None:
    async with desk() as house:
        await house.opened(BEFORE[1], number=5)
        await house.settled()
        await house.quote((1.0900, 1.0901))
        await house.settled()
        await house.opened(1.0900, kind=1, number=6)
        await house.settled()
        assert len(house.state.positions) == 2
        assert [one.position_id for one in await house.kept(records.CloseIntended)] == [5]


async def test_half_a_close_by_is_no_equity(autojump_clock: MockClock) -> None:
    """The first deal has the profit of both; the other position goes with the second."""
    async with desk() as house:
        await house.opened(1.1001)
        await house.quote(AFTER)
        await house.opened(AFTER[0], kind=1, number=8)
        await house.quote(BEFORE)
        await house.settled()
        assert house.state.known
        leg = {"entry": 3, "price": AFTER[0]}
        await house.dealt(ticket=91, type=1, profit=1_290.0, **leg)
        await house.settled()
        assert not house.state.known, "half of it: 1,300 more than the account has"
        await house.dealt(ticket=92, position_id=8, type=0, profit=0.0, **leg)
        await house.settled()
        assert (house.state.known, house.state.positions) == (True, ())
        assert house.engine._actor(KEY).marks.trackers[0] < 11_300.0
