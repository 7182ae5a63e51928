"""A live engine by itself under a virtual clock: ticks and a terminal's word, and no link."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from adapters.memory.journal import MemoryJournal
from adapters.memory.tape import MemoryTapeStore
from engine.clock import VirtualClock
from engine.domain.account import AccountSpec
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.ids import AccountKey
from engine.domain.link_events import Linked, ReportCame
from engine.domain.records import GuardBreach
from engine.domain.reports import AccountReport, DealReport, FullReport, Heartbeat, PositionReport
from engine.link import LinkQuote, Receipt, Sent
from engine.live_engine import LiveAccount, LiveEngine
from engine.meters import Meter
from engine.recovery import recover
from engine.tape_cut import VerdictTape
from engine.terminals import LinkTerminals
from tests.adapters.broker.server_world import INSTRUMENTS, NOON_MSC, PRICES
from tests.live.live_house import DEPOSIT, SERVER, spec_of
from tests.live.no_link import NoLink

SENT = Sent(gmt_msc=0, gmt_offset_s=0, received_ns=0)


class Counts:
    """A meter that keeps what it counted."""

    def __init__(self) -> None:
        self.of: dict[tuple[str, str], int] = {}

    def observe(self, name: str, seconds: float) -> None:
        pass

    def count(self, name: str, number: int = 1, label: str = "") -> None:
        self.of[name, label] = self.of.get((name, label), 0) + number


def held(symbol: str, lots: float, price: float, **more: Any) -> PositionReport:
    number = more.pop("number", 1)
    fields: dict[str, Any] = {"type": 0} | more
    return PositionReport(
        identifier=number, ticket=number, symbol=symbol, volume=lots, price_open=price, **fields
    )


class TapedEngine:
    """What a test says and sees."""

    def __init__(self, engine: LiveEngine, clock: VirtualClock) -> None:
        self.engine = engine
        self.clock = clock
        self.store = MemoryTapeStore()
        engine.tapes.store = self.store
        self.listener = engine.listen()
        self.ticks: list[tuple[int, str, float, float]] = []
        """Said so far: time, symbol, bid, ask."""

    @property
    def now_msc(self) -> int:
        return self.clock.wall_msc()

    async def tick(self, symbol: str, bid: float, ask: float | None = None) -> None:
        own = bid if ask is None else ask
        self.ticks.append((self.now_msc, symbol, bid, own))
        quote = LinkQuote(symbol, self.now_msc, self.now_msc, bid, own, 6)
        await self.engine.sink.quotes(SERVER, [quote], SENT)

    async def report(
        self, key: AccountKey, *positions: PositionReport, balance: float = DEPOSIT
    ) -> None:
        account = AccountReport(balance=balance, credit=0.0, equity=balance, margin=0.0)
        report = FullReport(account=account, positions=positions, specs=(), complete=True)
        came = ReportCame(
            time_msc=0, report=report, asked_msc=self.now_msc, gmt_offset_s=0, quotes={}
        )
        await self.engine.note(key, came)
        await self.settle()

    async def closed(
        self, key: AccountKey, position: PositionReport, price: float, profit: float
    ) -> None:
        """A deal closed all of it."""
        deal = DealReport(
            ticket=90,
            order=80,
            position_id=position.identifier,
            symbol=position.symbol,
            type=1 - position.type,
            entry=1,
            volume=position.volume,
            price=price,
            profit=profit,
            time_msc=self.now_msc,
        )
        await self.engine.sink.deal(key, deal, SENT, Receipt(lambda: None))
        await self.settle()

    async def beat(self, key: AccountKey, equity: float) -> None:
        beat = Heartbeat(balance=equity, credit=0.0, equity=equity, margin=0.0, digest="")
        await self.engine.sink.heartbeat(key, beat, SENT)

    async def settle(self) -> None:
        for server in self.engine._servers.values():
            await server.supervisor.settle()

    def breaches(self) -> list[GuardBreach]:
        """Since the last time."""
        return [one for one in self.listener.take() if isinstance(one, GuardBreach)]

    async def tape(self, verdict_id: str) -> VerdictTape:
        found = await self.engine.tapes.of_verdict(verdict_id)
        assert found is not None
        return found


@asynccontextmanager
async def taped_engine(
    specs: Sequence[AccountSpec] = (spec_of(1001),), meter: Meter | None = None
) -> AsyncIterator[TapedEngine]:
    """The engine, quoted and linked, its accounts flat. Time stands still but for sleeps."""
    clock, journal = VirtualClock(NOON_MSC), MemoryJournal()
    accounts = [
        LiveAccount(
            spec=spec,
            terms=Terms(digits=spec.digits),
            close_terms=CloseTerms(),
            expects=False,
            recovery=await recover(spec.key, journal),
        )
        for spec in specs
    ]
    terminals = LinkTerminals(NoLink(), clock)
    engine = LiveEngine(accounts, INSTRUMENTS, (), journal, journal, terminals, clock, meter=meter)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        house = TapedEngine(engine, clock)
        for name, (bid, ask) in PRICES.items():
            await house.tick(name, bid, ask)
        for spec in specs:
            linked = Linked(
                time_msc=0, epoch=1, session="s", currency="USD", is_hedging=True, leverage=100
            )
            await engine.note(spec.key, linked)
            await house.report(spec.key)
        yield house
        await engine.stop()
        nursery.cancel_scope.cancel()
