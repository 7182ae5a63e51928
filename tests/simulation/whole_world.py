"""The whole system in one virtual-time run: engine, gateway, terminals and broker, all real.

Only the wire is made up: memory streams with delays instead of TLS, so that there is no socket and
no thread, and the same seed gives the same run. The journal is the one in memory; a crash forgets
everything else, and what was being kept at that moment is kept or not by chance.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import trio
from trio import testing

from adapters.broker.faults import Fault
from adapters.broker.holdings import Terms as BrokerTerms
from adapters.broker.house import BrokerHouse
from adapters.broker.intents import IntentTable
from adapters.broker.market import Symbol
from adapters.broker.requests import Kind, Request
from adapters.broker.server import ServerSettings, TradeServer
from adapters.broker.terminal import Terminal, TerminalSettings
from adapters.memory.epochs import MemoryEpochs
from adapters.memory.journal import MemoryJournal
from adapters.mt5.connection import Connection
from adapters.mt5.constants import DealType
from adapters.mt5.door import GatewaySettings
from adapters.mt5.engine_side import EngineSide
from adapters.mt5.gateway import Gateway
from adapters.mt5.protocol import Ended
from engine.clock import SteadyClock, VirtualClock
from engine.domain.account import AccountSpec, MarginMode
from engine.domain.beliefs import Terms
from engine.domain.close_orders import Terms as CloseTerms
from engine.domain.failsafe import failsafe_floor
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from engine.domain.records import Record
from engine.kept import Entry
from engine.live_engine import LiveAccount, LiveEngine
from engine.recovery import recover
from engine.terminals import LinkTerminals
from tests.adapters.broker.server_world import INSTRUMENTS, NOON_MSC
from tests.adapters.mt5.link_samples import KEY
from tests.live.live_house import DEPOSIT, SERVER, spec_of, trailing

LOGINS = (1, 2, 3, 4)
SYMBOLS = {"EURUSD": (1.1000, 0.0001), "XAUUSD": (1950.0, 0.30), "USDJPY": (150.0, 0.01)}
STRATEGY = 77
SLACK_MINOR = 100
"""A dollar: what a quote on its way may make."""
LATE_MS = 1500
TROUBLE_S, CALM_S = 240.0, 90.0
"""Virtual seconds: with faults, then without, so that everything can settle."""
MESSY = {
    Fault.LOST_COMMAND: 0.05,
    Fault.LOST_REQUEST: 0.05,
    Fault.LOST_REPLY: 0.05,
    Fault.LATE_EXECUTION: 0.05,
    Fault.DUPLICATE: 0.10,
    Fault.REORDER: 0.10,
    Fault.DISCONNECT_MID_CLOSE: 0.05,
    Fault.FAILED_REPORT: 0.05,
    Fault.ABSURD_EQUITY: 0.01,
    Fault.CUT: 0.01,
}


class CrashedError(Exception):
    """The engine's process is no more."""


class SimJournal(MemoryJournal):
    """Takes its time; dies with the engine at any point of an append."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self._world = world

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        random, life = self._world.random, self._world.life
        await trio.sleep(random.random() * 0.004)
        dies = random.random() < self._world.crash_rate
        if dies and random.random() < 0.5:
            await self._world.crash(life)
        await super().append(key, records, entry)
        if dies:
            await self._world.crash(life)

    async def keep_state(self, key: AccountKey, state: Any) -> None:
        if self._world.random.random() < 0.5:
            await super().keep_state(key, state)


class Wire:
    """One end of a memory stream that looks like TLS to who holds it, and has a delay."""

    def __init__(self, stream: Any, random: Random) -> None:
        self._stream = stream
        self._random = random
        self.transport_stream = stream

    async def do_handshake(self) -> None:
        await trio.lowlevel.checkpoint()

    async def unwrap(self) -> tuple[Any, bytes]:
        await trio.lowlevel.checkpoint()
        return self._stream, b""

    async def send_all(self, chunk: bytes | bytearray) -> None:
        await trio.sleep(self._random.random() * 0.02)
        await self._stream.send_all(bytes(chunk))

    async def receive_some(self, most: int) -> bytes:
        return bytes(await self._stream.receive_some(most))

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


class SimTerminal(Terminal):
    """A terminal whose connection is made of memory."""

    world: "World"

    async def _link(self) -> Ended:
        gateway = self.world.gateway
        if gateway is None:
            await trio.sleep(0.05)
            return Ended("unreachable")
        near, far = testing.memory_stream_pair()
        self.world.accept(gateway, far)
        wire: Any = Wire(near, self.world.random)
        ended = Ended("cut")
        try:
            with trio.CancelScope() as self._link_scope:
                ended = await self._speak(wire)
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            ended = Ended("broken")
        finally:
            self._side = None
            self._out.clear()
            self._rows.clear()
            await near.aclose()
        return ended


@dataclass
class Seen:
    """What an independent eye saw, for the oracles."""

    published: list[Record] = field(default_factory=list)
    crashes: int = 0
    lives: int = 0
    equities: dict[AccountKey, list[tuple[int, int]]] = field(default_factory=dict)
    """The broker's own, after every quote: (UTC ms, minor units)."""
    below_since: dict[AccountKey, int] = field(default_factory=dict)
    missed: list[tuple[AccountKey, int, int, float]] = field(default_factory=list)
    """Accounts that were below their floor for long, in sight of the engine, without a breach."""


class World:
    """One run. `run` it under a mock clock that jumps."""

    def __init__(self, seed: int, *, calm: bool = False) -> None:
        """`calm`: without a single fault."""
        self.random = Random(seed)
        self.crash_rate = 0.0 if calm or seed % 3 == 0 else 0.01
        self.trades = True
        self.life = 0
        self.gateway: Gateway | None = None
        self.engine: LiveEngine | None = None
        self.seen = Seen()
        self.journal = SimJournal(self)
        self._nursery: trio.Nursery | None = None
        self._links: trio.Nursery | None = None
        self._died = trio.Event()
        self._epochs = MemoryEpochs()
        self.specs = self._specs(seed)
        settings = ServerSettings(latency_ms=(5, 120), slippage_points=self.random.choice((0, 2)))
        self.server = TradeServer([Symbol(instrument=i) for i in INSTRUMENTS], settings, seed)
        if not calm:
            rates = {f: r for f, r in MESSY.items() if self.random.random() < 0.7}
            self.server.faults._rates.update(rates)
        self.prices = {symbol: price for symbol, (price, _) in SYMBOLS.items()}

    def _specs(self, seed: int) -> list[AccountSpec]:
        made = []
        for login in LOGINS:
            netting = login == 2
            notice = 2.0 if login == 3 else 0.0
            made.append(
                spec_of(
                    login,
                    [trailing(percent=2.0 + seed % 3, notice_s=notice)],
                    margin_mode=MarginMode.NETTING if netting else MarginMode.HEDGING,
                )
            )
        return made

    async def run(self) -> None:
        """Everything, from the first link to the last settled close."""
        self.clock = SteadyClock(VirtualClock(NOON_MSC))
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            house = BrokerHouse(self.server, VirtualClock(NOON_MSC))
            for spec in self.specs:
                terms = BrokerTerms(key=spec.key, margin_mode=spec.margin_mode)
                self.server.open_account(terms, DEPOSIT, NOON_MSC)
                self._add_terminal(house, spec.key.login)
            self.house = house
            for symbol in SYMBOLS:
                self._quote(symbol)
            nursery.start_soon(self._live_on)
            await nursery.start(house.run)
            nursery.start_soon(self._trade)
            nursery.start_soon(self._move_prices)
            await trio.sleep(TROUBLE_S)
            self.crash_rate = 0.0
            self.trades = False
            self.server.faults._rates.clear()
            self.server.faults._asked.clear()
            await trio.sleep(CALM_S)
            nursery.cancel_scope.cancel()

    def _add_terminal(self, house: BrokerHouse, login: int) -> None:
        settings = TerminalSettings(
            host="sim",
            port=1,
            tls=None,
            request_s=1.0,
            first_pause_s=(0.2, 0.5),  # type: ignore[arg-type]
        )
        made = SimTerminal(self.server, login, KEY, house.clock, settings, IntentTable())
        made.world = self
        house.terminals[login] = made

    # The engine's lives

    async def _live_on(self) -> None:
        while True:
            self._died = trio.Event()
            self.life += 1
            self.seen.lives += 1
            with suppress(CrashedError):
                await self._live()
            self.engine = self.gateway = None
            self.seen.crashes += 1
            await trio.sleep(0.3 + self.random.random() * 3)

    async def _live(self) -> None:
        accounts = [
            LiveAccount(
                spec=spec,
                terms=Terms(digits=2),
                close_terms=CloseTerms(hold_ms=10_000),
                expects=False,
                recovery=await recover(spec.key, self.journal),
            )
            for spec in self.specs
        ]
        link = _Late()
        engine = LiveEngine(
            accounts,
            INSTRUMENTS,
            (),
            self.journal,
            self.journal,
            LinkTerminals(link, self.clock),
            self.clock,
            random=Random(self.random.random()),
        )
        gateway = Gateway(
            engine.sink, _Ring(), self._epochs, self.clock, GatewaySettings(heartbeat_ms=1000)
        )
        link.gateway = gateway
        async with trio.open_nursery() as nursery:
            self._links = nursery
            nursery.start_soon(self._end_with, nursery)
            await nursery.start(engine.run)
            nursery.start_soon(self._listen, engine)
            for feed in engine.feeds:
                gateway.want_symbols(feed, engine.symbols_of(feed))
            self.engine, self.gateway = engine, gateway

    async def _end_with(self, nursery: trio.Nursery) -> None:
        await self._died.wait()
        self.engine = self.gateway = None
        nursery.cancel_scope.cancel()

    async def crash(self, life: int) -> None:
        """Ends this life of the engine: whoever calls never goes on."""
        if life == self.life:
            self._died.set()
        await trio.sleep_forever()

    async def _listen(self, engine: LiveEngine) -> None:
        listener = engine.listen()
        while True:
            self.seen.published.extend(await listener.wait())

    def accept(self, gateway: Gateway, stream: Any) -> None:
        assert self._links is not None
        self._links.start_soon(self._serve, gateway, stream)

    async def _serve(self, gateway: Gateway, stream: Any) -> None:
        wire: Any = Wire(stream, self.random)
        side = EngineSide(gateway._nonces, gateway.settings.pace)
        gateway._door.enter("sim")
        connection = Connection(gateway, wire, "sim", side)
        try:
            await connection.run()
        finally:
            gateway._door.leave("sim", proved=connection.is_proved)
            connection.over.set()

    # The market and its traders

    def _quote(self, symbol: str) -> None:
        price, spread = self.prices[symbol], SYMBOLS[symbol][1]
        digits = 2 if symbol == "XAUUSD" else 3 if symbol == "USDJPY" else 5
        bid = round(price, digits)
        self.server.quote(symbol, bid, round(bid + spread, digits), self.clock.wall_msc())

    async def _move_prices(self) -> None:
        while True:
            await trio.sleep(0.05 + self.random.random() * 0.4)
            symbol = self.random.choice(list(SYMBOLS))
            size = 0.0012 if self.random.random() < 0.02 else 0.00012
            self.prices[symbol] *= 1.0 + self.random.gauss(0.0, size)
            self._quote(symbol)
            self._watch()

    def _watch(self) -> None:
        """An independent eye: the broker's own equity against what the engine does about it."""
        now_msc = self.clock.wall_msc()
        for spec in self.specs:
            key = spec.key
            equity = self.server.accounts[key.login].equity_minor()
            self.seen.equities.setdefault(key, []).append((now_msc, equity))
            if self.engine is None or self.engine._actor(key).crashed:
                self.seen.below_since.pop(key, None)
                continue
            state = self.engine._actor(key).state
            live = state.live
            assert live is not None
            floor = failsafe_floor(state)
            ours = {p.position_id: p.volume_lots for p in state.positions}
            theirs = {p.position_id: p.volume_lots for p in self.server.accounts[key.login].held()}
            sees = live.is_current and state.known and ours == theirs
            if not sees or floor is None or not floor or equity >= round(floor * 100) - SLACK_MINOR:
                self.seen.below_since.pop(key, None)
                continue
            since = self.seen.below_since.setdefault(key, now_msc)
            if now_msc - since > LATE_MS:
                self.seen.missed.append((key, now_msc, equity, floor))

    async def _trade(self) -> None:
        """People and strategies: they open, close, leave orders, pay in."""
        while True:
            await trio.sleep(self.random.random() * 6)
            login = self.random.choice(LOGINS)
            account = self.server.accounts[login]
            now_msc = self.clock.wall_msc()
            draw = self.random.random()
            symbol = self.random.choice(list(SYMBOLS))
            side = self.random.choice((Side.BUY, Side.SELL))
            lots = self.random.choice((0.1, 0.3, 0.7, 1.0))
            magic = self.random.choice((0, STRATEGY))
            held = account.held()
            if draw < 0.55 and self.trades:
                request = Request(kind=Kind.DEAL, symbol=symbol, side=side, lots=lots, magic=magic)
                self.server.execute_now(login, request, now_msc)
            elif draw < 0.75 and held:
                position = self.random.choice(held)
                part = position.volume_lots if self.random.random() < 0.7 else 0.1
                request = Request(
                    kind=Kind.DEAL,
                    symbol=position.symbol,
                    side=position.side.opposite,
                    lots=min(part, position.volume_lots),
                    position=position.position_id,
                )
                self.server.execute_now(login, request, now_msc)
            elif draw < 0.85 and self.trades:
                price = round(self.prices["EURUSD"] - 0.002, 5)
                request = Request(
                    kind=Kind.PENDING,
                    symbol="EURUSD",
                    order_type=2,
                    lots=0.2,
                    price=price,
                    magic=STRATEGY,
                )
                self.server.execute_now(login, request, now_msc)
            elif draw < 0.90 and self.trades:
                amount = self.random.choice((500.0, -300.0))
                self.server.move_money(login, DealType.BALANCE, amount, now_msc)


class _Late:
    gateway: Gateway

    def send_nowait(self, key: AccountKey, command: Any) -> Any:
        return self.gateway.send_nowait(key, command)

    def is_linked(self, key: AccountKey) -> bool:
        return self.gateway.is_linked(key)


class _Ring:
    def keys_of(self, account: AccountKey) -> tuple[Any, ...]:
        return (KEY,) if account.server == SERVER else ()
