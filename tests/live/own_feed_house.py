"""An engine whose accounts are in groups with prices of their own, under a virtual clock."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
import trio.testing

from adapters.memory.journal import MemoryJournal
from engine.clock import SteadyClock, VirtualClock
from engine.domain.account import AccountSpec, AccountState
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.ids import AccountKey
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote
from engine.domain.records import FeedChanged, Record
from engine.domain.reports import AccountReport, FullReport, Heartbeat, PositionReport
from engine.domain.valuation import market_of, profit_minor
from engine.link import Action, Handed, LinkQuote, Receipt, Sent, TerminalFacts
from engine.live_engine import LiveAccount, LiveEngine
from engine.recovery import recover
from engine.servers import Server
from engine.terminals import LinkTerminals
from tests.adapters.broker.server_world import INSTRUMENTS, PRICES
from tests.live.live_house import SERVER, spec_of, trailing
from tests.live.no_link import NoLink

NOON_MSC = 1_767_607_200_000
"""5 January 2026, 10:00 UTC: no reset is near."""
LEADER, ODD, THIRD = (AccountKey(SERVER, login) for login in (1, 2, 3))
MARKET = market_of(INSTRUMENTS, "USD")
DEPOSIT = 10_000.0
SENT = Sent(0, 0, 0, 0, 0)


def buy(lots: float = 1.0, symbol: str = "EURUSD", price: float = 1.1000) -> PositionReport:
    return PositionReport(
        identifier=7, ticket=7, symbol=symbol, type=0, volume=lots, price_open=price
    )


class Wire(NoLink):
    """Notes who is asked for a report."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[AccountKey] = []

    def send_nowait(self, key: AccountKey, *commands: Any) -> Handed:
        self.asked += [key for one in commands if one.action is Action.REPORT]
        return super().send_nowait(key, *commands)


class Groups:
    """What a test says and sees. `markups` are in price, on each side, by account."""

    def __init__(self, engine: LiveEngine, link: Wire, clock: VirtualClock) -> None:
        self.engine = engine
        self.link = link
        self.clock = clock
        self.held: dict[AccountKey, tuple[PositionReport, ...]] = {}
        self.markups: dict[AccountKey, float] = {}
        self.prices = dict(PRICES)
        """In the market: bid and ask of those without a markup."""
        self.leader: AccountKey | None = None
        self.told: dict[str, AccountKey | None] = {}
        self.is_bare = False
        """Terminals quote prices without a markup, and say of their equity what has one."""
        self.unquoted: set[str] = set()
        """Symbols that are not quoted for feeds of one account."""

    # The market

    def price(self, key: AccountKey | None, symbol: str) -> tuple[float, float]:
        bid, ask = self.prices[symbol]
        more = 0.0 if key is None else self.markups.get(key, 0.0)
        return round(bid - more, 5), round(ask + more, 5)

    async def lead(self, key: AccountKey | None) -> None:
        self.leader = key
        self.engine.sink.led(SERVER, key)
        if key is not None:
            await self.quote_shared(*self.prices)

    async def quote_shared(self, *symbols: str) -> None:
        rows = [self._row(self.leader, symbol) for symbol in symbols]
        await self.engine.sink.quotes(SERVER, rows, SENT)

    async def quote_own(self, key: AccountKey, *symbols: str) -> None:
        """As a terminal does that was told to: nothing where it was not."""
        if key not in self.link.own:
            return
        name, wanted = self.link.own[key]
        assert set(symbols) <= set(wanted)
        rows = [self._row(key, one) for one in symbols if one not in self.unquoted]
        await self.engine.sink.quotes(name, rows, SENT)

    async def tick(self, symbol: str, bid: float) -> None:
        was_bid, was_ask = self.prices[symbol]
        self.prices[symbol] = (bid, round(bid + was_ask - was_bid, 5))
        await self.tell_leads()
        if self.leader is not None:
            await self.quote_shared(symbol)
        for key in list(self.link.own):
            await self.quote_own(key, symbol)

    async def tell_leads(self) -> None:
        """What a gateway does about feeds of their own."""
        for name, key in list(self.told.items()):
            if key not in self.link.own:
                self.engine.sink.led(name, None)
                del self.told[name]
        for key, (name, wanted) in list(self.link.own.items()):
            if name not in self.told:
                self.told[name] = key
                self.engine.sink.led(name, key)
                await self.quote_own(key, *wanted)

    def _row(self, key: AccountKey | None, symbol: str) -> LinkQuote:
        now_msc = self.clock.wall_msc()
        price = self.price(None if self.is_bare else key, symbol)
        return LinkQuote(symbol, now_msc, now_msc, *price, 6)

    # The broker

    def profit(self, key: AccountKey, one: PositionReport) -> float:
        quotes = {name: Quote(*self.price(key, name), 1) for name in self.prices}
        side = Side.BUY if one.type == 0 else Side.SELL
        position = Position(
            position_id=one.identifier,
            symbol=one.symbol,
            side=side,
            volume_lots=one.volume,
            open_price=one.price_open,
        )
        return profit_minor(MARKET, position, quotes) / 100.0

    def equity(self, key: AccountKey) -> float:
        return round(DEPOSIT + sum(self.profit(key, one) for one in self.held.get(key, ())), 2)

    async def link_up(self, key: AccountKey) -> None:
        facts = TerminalFacts(key, "s", 1, 1, "", "USD", 2, 2, 100, 0, resumed=False)
        await self.engine.sink.linked(facts)
        await self.report(key)

    async def report(self, key: AccountKey) -> None:
        account = AccountReport(
            balance=DEPOSIT, credit=0.0, equity=self.equity(key), margin=0.0, profit=0.0
        )
        held = tuple(
            PositionReport(
                identifier=one.identifier,
                ticket=one.ticket,
                symbol=one.symbol,
                type=one.type,
                volume=one.volume,
                price_open=one.price_open,
                profit=self.profit(key, one),
            )
            for one in self.held.get(key, ())
        )
        report = FullReport(account=account, positions=held, complete=True)
        await self.engine.sink.reported(key, report, SENT, Receipt(lambda: None))

    async def beat(self, key: AccountKey) -> None:
        beat = Heartbeat(
            balance=DEPOSIT, credit=0.0, equity=self.equity(key), margin=0.0, digest=""
        )
        await self.engine.sink.heartbeat(key, beat, SENT)

    async def second(self, *keys: AccountKey) -> None:
        """A tick of each symbol, a heartbeat of each account, and the reports asked for."""
        await trio.sleep(1.0)
        for symbol, (bid, _) in self.prices.items():
            await self.tick(symbol, bid)
        for key in keys:
            await self.beat(key)
        await trio.testing.wait_all_tasks_blocked()
        asked, self.link.asked = self.link.asked, []
        for key in asked:
            await self.report(key)
        await trio.testing.wait_all_tasks_blocked()

    async def seconds(self, number: int, *keys: AccountKey) -> None:
        for _ in range(number):
            await self.second(*keys)

    # What came of it

    def state(self, key: AccountKey) -> AccountState:
        return self.engine._actor(key).state

    def place(self, key: AccountKey) -> Server:
        return self.engine._by_key[key]

    def is_own(self, key: AccountKey) -> bool:
        return self.place(key).account == key

    async def kept(self, key: AccountKey, kind: type[Record]) -> list[Any]:
        found = await self.engine.records(key, 0, 10_000)
        return [record for record in found if isinstance(record, kind)]

    async def feeds(self, key: AccountKey) -> list[str]:
        return [one.feed for one in await self.kept(key, FeedChanged)]


@asynccontextmanager
async def groups(
    specs: Sequence[AccountSpec] | None = None,
    journal: MemoryJournal | None = None,
    now_msc: int = NOON_MSC,
    **more: Any,
) -> AsyncIterator[Groups]:
    """The engine runs; nobody is linked and nobody quotes."""
    own = specs or [spec_of(key.login, [trailing(percent=20.0)]) for key in (LEADER, ODD)]
    journal = journal or MemoryJournal()
    virtual = VirtualClock(now_msc)
    clock, link = SteadyClock(virtual), Wire()
    accounts = [
        LiveAccount(
            spec=spec,
            terms=Terms(digits=2),
            close_terms=CloseTerms(),
            expects=False,
            recovery=await recover(spec.key, journal),
        )
        for spec in own
    ]
    terminals = LinkTerminals(link, clock)
    engine = LiveEngine(accounts, INSTRUMENTS, (), journal, journal, terminals, clock, **more)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield Groups(engine, link, virtual)
        await engine.stop()
        nursery.cancel_scope.cancel()
