"""Ticks that come while an account is just becoming known: none of them is lost."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from adapters.memory.journal import MemoryJournal
from engine.clock import SteadyClock, SystemClock
from engine.domain import records
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.ids import AccountKey
from engine.domain.link_events import HeartbeatCame, Linked, ReportCame
from engine.domain.records import Record
from engine.domain.reports import (
    AccountReport,
    FullReport,
    Heartbeat,
    PositionReport,
    SpecReport,
)
from engine.intake import Intake
from engine.kept import Entry, KeptStep
from engine.link import LinkQuote
from engine.live_engine import LiveAccount, LiveEngine
from engine.recovery import recover
from engine.tap import Listener
from engine.terminals import LinkTerminals
from tests.adapters.broker.server_world import INSTRUMENTS, PRICES
from tests.adapters.mt5.link_house import LONG_S
from tests.live.live_house import DEPOSIT, SERVER, spec_of
from tests.live.no_link import NoLink

SPEC = spec_of(1001)


class HeldJournal(MemoryJournal):
    """Keeps the append of one kind of record waiting until it is let go."""

    def __init__(self, kind: type[Record]) -> None:
        super().__init__()
        self.waiting, self.go = trio.Event(), trio.Event()
        self._kind = kind

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        if any(isinstance(record, self._kind) for record in records):
            self.waiting.set()
            await self.go.wait()
        await super().append(key, records, entry)

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> None:
        """Never: it could not be kept waiting."""


def report() -> FullReport:
    """A lot of EURUSD, bought at 1.1001, of an account that has no profit yet."""
    return FullReport(
        account=AccountReport(balance=DEPOSIT, credit=0.0, equity=DEPOSIT, margin=0.0),
        positions=(
            PositionReport(
                identifier=1, ticket=1, symbol="EURUSD", type=0, volume=1.0, price_open=1.1001
            ),
        ),
        specs=(
            SpecReport(
                name="EURUSD",
                digits=5,
                trade_contract_size=100_000.0,
                trade_calc_mode=0,
                currency_base="EUR",
                currency_profit="USD",
                currency_margin="EUR",
                filling_mode=3,
            ),
        ),
        complete=True,
    )


def quote(symbol: str, bid: float, ask: float) -> LinkQuote:
    return LinkQuote(symbol=symbol, time_msc=1, server_msc=1, bid=bid, ask=ask, flags=6)


@asynccontextmanager
async def running(journal: MemoryJournal) -> AsyncIterator[tuple[LiveEngine, Intake]]:
    """An engine that has quotes, and was told of one account and the lot it holds."""
    clock = SteadyClock(SystemClock())
    account = LiveAccount(
        spec=SPEC,
        terms=Terms(digits=2),
        close_terms=CloseTerms(),
        expects=False,
        recovery=await recover(SPEC.key, journal),
    )
    terminals = LinkTerminals(NoLink(), clock)
    engine = LiveEngine([account], INSTRUMENTS, (), journal, journal, terminals, clock)
    intake = engine.intake(SERVER)
    assert intake is not None
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        await intake.take([quote(name, bid, ask) for name, (bid, ask) in PRICES.items()])
        linked = Linked(
            time_msc=0, epoch=1, session="s", currency="USD", is_hedging=True, leverage=100
        )
        await engine.note(SPEC.key, linked)
        came = ReportCame(
            time_msc=0, report=report(), asked_msc=clock.wall_msc(), gmt_offset_s=0, quotes={}
        )
        await engine.note(SPEC.key, came)
        yield engine, intake
        await engine.stop()
        nursery.cancel_scope.cancel()


async def heard_of(listener: Listener, kind: type[Record]) -> list[Any]:
    """The first records of this kind; no breach comes before them."""
    while True:
        heard = await listener.wait()
        found = [record for record in heard if isinstance(record, kind)]
        if found:
            return found
        assert not any(isinstance(record, records.GuardBreach) for record in heard)


async def test_a_tick_that_comes_while_the_first_report_is_made_durable_is_not_lost() -> None:
    journal = HeldJournal(records.PositionOpened)
    async with running(journal) as (engine, intake):
        with trio.fail_after(LONG_S):
            await journal.waiting.wait()
            assert engine.snapshot(SPEC.key).equity == DEPOSIT - 10.0
            await intake.take([quote("EURUSD", 1.0880, 1.0881)])
            listener = engine.listen()
            journal.go.set()
            [breach] = await heard_of(listener, records.GuardBreach)
            assert breach.equity == 8790.0


async def test_a_breach_that_was_doubted_is_tested_again_when_the_broker_agrees() -> None:
    """A heartbeat a moment older than a jump makes equity look absurd; no tick may ever follow."""
    journal = MemoryJournal()

    def beat(equity: float) -> HeartbeatCame:
        told = Heartbeat(balance=DEPOSIT, credit=0.0, equity=equity, margin=0.0, digest="")
        return HeartbeatCame(time_msc=0, heartbeat=told, quotes={})

    async with running(journal) as (engine, intake):
        with trio.fail_after(LONG_S):
            listener = engine.listen()
            while not engine.snapshot(SPEC.key).positions:
                await trio.lowlevel.checkpoint()
            # The tick is told, and the account has had no turn yet when the heartbeat comes.
            await intake._take([quote("EURUSD", 1.0880, 1.0881)])
            await engine.note(SPEC.key, beat(DEPOSIT - 10.0))
            [doubted] = await heard_of(listener, records.Discrepancy)
            assert doubted.state == "suspected"
            await engine.note(SPEC.key, beat(8790.0))
            [breach] = await heard_of(listener, records.GuardBreach)
            assert breach.equity == 8790.0
