"""A running engine, a gateway, and a simulated broker whose terminals link over loopback TLS."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from adapters.broker.holdings import Terms as BrokerTerms
from adapters.broker.house import BrokerHouse
from adapters.broker.market import Symbol
from adapters.broker.requests import Kind, Request
from adapters.broker.server import ServerSettings, TradeServer
from adapters.broker.terminal import TerminalSettings
from adapters.memory.epochs import MemoryEpochs
from adapters.memory.journal import MemoryJournal
from adapters.mt5.door import GatewaySettings
from adapters.mt5.gateway import Gateway
from engine.clock import SteadyClock, SystemClock
from engine.domain.account import AccountSpec, AccountState
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.guards import (
    AccountGuard,
    Action,
    EquityLimit,
    Latch,
    Percent,
    Reference,
)
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from engine.domain.records import Record
from engine.domain.valuation import market_of
from engine.live_engine import EngineSettings, LiveAccount, LiveEngine
from engine.meters import Meter
from engine.recovery import recover
from engine.terminals import LateLink, LinkTerminals
from tests.adapters.broker.server_world import INSTRUMENTS, PRICES
from tests.adapters.mt5.link_house import LONG_S, contexts
from tests.adapters.mt5.link_samples import KEY

SERVER = "Demo-1"
DEPOSIT = 10_000.0
QUICK = ServerSettings(latency_ms=(1, 5))


def trailing(percent: float = 10.0, **more: Any) -> EquityLimit:
    """Closes and halts when equity is so far below its high-water mark."""
    fields: dict[str, Any] = {
        "name": "trailing",
        "reference": Reference.EQUITY_HIGH_WATER,
        "amount": Percent(percent=percent, of_reference=True),
        "action": Action.CLOSE_AND_HALT,
        "latch": Latch.MANUAL,
    }
    return EquityLimit(**fields | more)


def spec_of(login: int, guards: Sequence[AccountGuard] = (trailing(),), **more: Any) -> AccountSpec:
    fields: dict[str, Any] = {
        "key": AccountKey(SERVER, login),
        "market": market_of(INSTRUMENTS, "USD"),
        "initial_minor": int(DEPOSIT * 100),
        "guards": tuple(guards),
        "ruleset": "house",
        "minimum_hold_s": 0.0,
    }
    return AccountSpec(**fields | more)


class LiveHouse:
    """What a test sees and does."""

    def __init__(self, engine: LiveEngine, gateway: Gateway, own: BrokerHouse) -> None:
        self.engine = engine
        self.gateway = gateway
        self.own = own
        self.server = own.server
        self.seen: list[Record] = []

    def state(self, login: int) -> AccountState:
        return self.engine._actor(AccountKey(SERVER, login)).state

    def open(self, login: int, symbol: str = "EURUSD", lots: float = 1.0, **more: Any) -> int:
        """Opens a position at the broker, by a person at another terminal; its identifier."""
        side = more.pop("side", Side.BUY)
        request = Request(kind=Kind.DEAL, symbol=symbol, side=side, lots=lots, **more)
        answer = self.server.execute_now(login, request, self.own.clock.wall_msc())
        assert answer.is_done, answer
        return answer.order

    def do(self, login: int, kind: Kind, **more: Any) -> Any:
        request = Request(kind=kind, **more)
        return self.server.execute_now(login, request, self.own.clock.wall_msc())

    def quote(self, symbol: str, bid: float, ask: float | None = None) -> None:
        ask = bid if ask is None else ask
        self.server.quote(symbol, bid, ask, self.own.clock.wall_msc())

    def held(self, login: int) -> list[tuple[int, float]]:
        """What the broker really holds."""
        return [(p.position_id, p.volume_lots) for p in self.server.accounts[login].held()]

    async def until(self, wanted: Callable[[], Any]) -> None:
        with trio.fail_after(LONG_S):
            while not wanted():
                await trio.sleep(0.005)

    async def valued(self, login: int, positions: int) -> None:
        """Until the engine knows the account and holds so many positions."""
        await self.until(
            lambda: self.state(login).known and len(self.state(login).positions) == positions
        )

    def records(self, kind: type[Record], login: int | None = None) -> list[Any]:
        return [
            record
            for record in self.seen
            if isinstance(record, kind) and login in (None, record.login)
        ]


@asynccontextmanager
async def live_house(
    specs: Sequence[AccountSpec],
    journal: Any = None,
    *,
    settings: ServerSettings = QUICK,
    server: TradeServer | None = None,
    terms: Terms | None = None,
    close_terms: CloseTerms | None = None,
    expects: bool = False,
    heartbeat_ms: int = 50,
    silence_s: float = 3.0,
    engine_settings: EngineSettings | None = None,
    market_guards: Sequence[Any] = (),
    meter: Meter | None = None,
) -> AsyncIterator[LiveHouse]:
    """An engine over these accounts and linked terminals of 10,000 USD at the broker."""
    journal = journal or MemoryJournal()
    clock = SteadyClock(SystemClock())
    link = LateLink()
    accounts = [
        LiveAccount(
            spec=spec,
            terms=terms or Terms(digits=2),
            close_terms=close_terms or CloseTerms(),
            expects=expects,
            recovery=await recover(spec.key, journal),
        )
        for spec in specs
    ]
    engine = LiveEngine(
        accounts,
        INSTRUMENTS,
        market_guards,
        journal,
        journal,
        LinkTerminals(link, clock),
        clock,
        settings=engine_settings,
        meter=meter,
    )
    limits = GatewaySettings(heartbeat_ms=heartbeat_ms, silence_s=silence_s)
    gateway = Gateway(engine.sink, _Ring(specs), MemoryEpochs(), clock, limits)
    link.gateway = gateway
    if server is None:
        server = _server(specs, settings, clock.wall_msc())
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        for feed in engine.feeds:
            gateway.want_symbols(feed, engine.symbols_of(feed))
        addresses = await nursery.start(gateway.serve, contexts()[0], "127.0.0.1", 0)
        own = BrokerHouse(server, SystemClock())
        for spec in specs:
            _add_terminal(own, spec.key.login, addresses[0][1])
        for name, (bid, ask) in PRICES.items():
            server.quote(name, bid, ask, clock.wall_msc())
        house = LiveHouse(engine, gateway, own)
        nursery.start_soon(_listen, house)
        broker = await nursery.start(_broker, own)
        try:
            yield house
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(LONG_S):
                broker.cancel()
                await engine.stop()
            nursery.cancel_scope.cancel()


class _Ring:
    """The keys of the accounts that are guarded."""

    def __init__(self, specs: Sequence[AccountSpec]) -> None:
        self._keys = {spec.key for spec in specs}

    def keys_of(self, account: AccountKey) -> Sequence[Any]:
        return (KEY,) if account in self._keys else ()


def _server(specs: Sequence[AccountSpec], settings: ServerSettings, now_msc: int) -> TradeServer:
    server = TradeServer([Symbol(instrument=i) for i in INSTRUMENTS], settings)
    for spec in specs:
        terms = BrokerTerms(key=spec.key, margin_mode=spec.margin_mode)
        server.open_account(terms, DEPOSIT, now_msc)
    return server


def _add_terminal(own: BrokerHouse, login: int, port: int) -> None:
    settings = TerminalSettings(
        host="127.0.0.1",
        port=port,
        tls=contexts()[1],
        request_s=0.3,
        first_pause_s=(0.01, 0.02),
    )
    own.add_terminal(login, KEY, settings)


async def _broker(own: BrokerHouse, *, task_status: Any) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(own.run)
            task_status.started(scope)


async def _listen(house: LiveHouse) -> None:
    listener = house.engine.listen()
    while True:
        house.seen.extend(await listener.wait())
