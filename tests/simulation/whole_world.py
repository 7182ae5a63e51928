"""The whole system in one virtual-time run: engine, gateway, terminals and broker, all real.

Only the wire is made up: memory streams with delays instead of TLS, so that there is no socket and
no thread, and the same seed gives the same run. The journal is the one in memory; a crash forgets
everything else, and what was being kept at that moment is kept or not by chance.
"""

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import trio

from adapters.broker.faults import Fault
from adapters.broker.holdings import Terms as BrokerTerms
from adapters.broker.house import BrokerHouse
from adapters.broker.market import Symbol
from adapters.broker.server import ServerSettings, TradeServer
from adapters.broker.terminal import TerminalSettings
from adapters.memory.epochs import MemoryEpochs
from adapters.mt5.connection import Connection
from adapters.mt5.door import GatewaySettings
from adapters.mt5.engine_side import EngineSide
from adapters.mt5.gateway import Gateway
from engine.clock import SteadyClock, VirtualClock
from engine.domain.account import AccountSpec, MarginMode
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.guards import EquityLimit, Latch, Money, Reference, Reset
from engine.domain.ids import AccountKey
from engine.domain.quotes import Quote
from engine.domain.records import Record
from engine.live_engine import LiveAccount, LiveEngine
from engine.recovery import recover
from engine.terminals import LateLink, LinkTerminals
from tests.adapters.broker.server_world import INSTRUMENTS
from tests.adapters.mt5.link_samples import KEY
from tests.live.live_house import DEPOSIT, SERVER, spec_of, trailing
from tests.simulation.whole_drift import Drifts
from tests.simulation.whole_eye import DAILY, ON_THE_WAY_MS, Eye, Prices
from tests.simulation.whole_groups import Groups
from tests.simulation.whole_traders import PRICES, Market, Traders
from tests.simulation.whole_wire import CrashedError, SimFaults, SimJournal, SimTerminal, Wire

LOGINS = (1, 2, 3, 4)
"""Traded at random, and guarded closely."""
METHODICAL = 5
"""The account whose strategy says what it means to hold, and that drifts."""
ODD = AccountKey(SERVER, 4)
"""The one that is in a group with other prices, where a world has one."""
DAILY_MINOR = 25_000
TROUBLE_S, CALM_S = 160.0, 60.0
"""Virtual seconds: with faults, then without, so that everything can settle."""
LAST_CLOSES_S = 30.0
"""More, while closes are under way."""
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Tokyo", "Australia/Sydney")
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
    Fault.SILENCE: 0.001,
    Fault.WRONG_CLOCK: 0.002,
    Fault.CLOCK_STEP: 0.002,
}
CLOCKS = (Fault.WRONG_CLOCK, Fault.CLOCK_STEP)
SPARED = {METHODICAL: frozenset({Fault.CUT, Fault.DUPLICATE, Fault.FAILED_REPORT})}


@dataclass
class Seen:
    """What an independent eye saw, for the oracles."""

    published: list[Record] = field(default_factory=list)
    crashes: int = 0
    blind_ms: dict[AccountKey, int] = field(default_factory=dict)
    """The longest time an account was linked and the engine did not know it."""
    untrue_ms: dict[AccountKey, int] = field(default_factory=dict)
    """The longest time it said that it knows what is held, and was wrong."""


class World:
    """One run: made and `run` under a mock clock that jumps."""

    def __init__(
        self,
        seed: int,
        *,
        calm: bool = False,
        trouble_s: float = TROUBLE_S,
        markup_points: float = 0.0,
    ) -> None:
        """`calm`: without a single fault; prices, trades and drift are as ever. `markup_points`: of
        the group that the account `ODD` is in."""
        self.random = Random(seed)
        self.crash_rate = 0.0 if calm or seed % 3 == 0 else 0.01
        self.life = 0
        self.gateway: Gateway | None = None
        self.engine: LiveEngine | None = None
        self.seen = Seen()
        self.journal = SimJournal(self)
        self._trouble_s = trouble_s
        self._links: trio.Nursery | None = None
        self._died = trio.Event()
        self._epochs = MemoryEpochs()
        self.zone = self.random.choice(ZONES)
        before_s = trouble_s * (0.3 + 0.5 * self.random.random())
        midnight = datetime(2026, 1, 8, tzinfo=ZoneInfo(self.zone))
        self.midnight_msc = int(midnight.timestamp()) * 1000
        self.start_msc = self.midnight_msc - int(before_s * 1000)
        percent = 2.0 + seed % 3
        self.specs = self._specs(percent)
        settings = ServerSettings(latency_ms=(5, 120), slippage_points=self.random.choice((0, 2)))
        self.server = TradeServer([Symbol(instrument=i) for i in INSTRUMENTS], settings, seed)
        self.faults = SimFaults(self.server.streams, SPARED)
        self.server.faults = self.faults
        if not calm:
            self.faults.draw({f: r for f, r in MESSY.items() if self.random.random() < 0.7})
        clock = VirtualClock(self.start_msc)
        self.clock = SteadyClock(clock)
        self.house = BrokerHouse(self.server, clock)
        self.market = Market(self.server, self.clock, self.random)
        self.traders = Traders(self.server, self.market, self.clock, self.random, LOGINS)
        self.prices: deque[tuple[int, Prices]] = deque(maxlen=400)
        self.groups = Groups({ODD: markup_points} if markup_points else {})
        self._unknown_msc: dict[AccountKey, int] = {}
        self._untrue_msc: dict[AccountKey, int] = {}
        self._open_accounts(percent)
        methodical = AccountKey(SERVER, METHODICAL)
        self.drifts = Drifts(self, self.server, self.clock, Random(seed), methodical)

    def _specs(self, percent: float) -> list[AccountSpec]:
        daily = EquityLimit(
            name=DAILY,
            reference=Reference.BALANCE_AT_RESET,
            amount=Money(amount_minor=DAILY_MINOR),
            action=trailing().action,
            latch=Latch.RESET,
            reset=Reset(zone=self.zone, at_minute=0),
        )
        made = []
        for login in (*LOGINS, METHODICAL):
            mode = MarginMode.NETTING if login == 2 else MarginMode.HEDGING
            loose = 60.0 if login == METHODICAL else percent
            guard = trailing(percent=loose, notice_s=2.0 if login == 3 else 0.0)
            guards = [guard] if login == METHODICAL else [guard, daily]
            made.append(spec_of(login, guards, margin_mode=mode))
        return made

    def _open_accounts(self, percent: float) -> None:
        self.eyes: dict[AccountKey, Eye] = {}
        for spec in self.specs:
            login = spec.key.login
            points = self.groups.points.get(spec.key, 0.0)
            terms = BrokerTerms(key=spec.key, margin_mode=spec.margin_mode, markup_points=points)
            account = self.server.open_account(terms, DEPOSIT, self.start_msc)
            if login in LOGINS:
                course = self.groups.course(spec.key, self.prices)
                others = self.groups.others(spec.key, self.prices)
                eye = Eye(account, percent, DAILY_MINOR, course, others)
                eye.opened(self.start_msc)
                self.eyes[spec.key] = eye
                self.server.listen(login, lambda e, eye=eye: self._told(eye, e))  # type: ignore[misc]
            settings = TerminalSettings(
                host="sim",
                port=1,
                tls=None,  # type: ignore[arg-type]
                request_s=1.0,
                first_pause_s=(0.2, 0.5),
            )
            made = SimTerminal(self.server, login, KEY, self.house.clock, settings)
            made.enter(self)
            self.house.terminals[login] = made

    async def run(self) -> None:
        """Everything, from the first link to the last settled close."""
        async with trio.open_nursery() as nursery:
            self.server.on_quote = self._quoted
            for symbol in PRICES:
                self.market.quote(symbol)
            nursery.start_soon(self._live_on)
            await nursery.start(self.house.run)
            nursery.start_soon(self.market.run)
            nursery.start_soon(self._end_day)
            end_s = trio.current_time() + self._trouble_s
            while not all(eye.is_open for eye in self.eyes.values()):
                await trio.sleep(0.1)
            nursery.start_soon(self.traders.run)
            nursery.start_soon(self.drifts.run)
            await trio.sleep_until(end_s)
            self.crash_rate = 0.0
            self.traders.opens = False
            self.faults.end()
            await trio.sleep(CALM_S)
            with trio.move_on_after(LAST_CLOSES_S):
                while self._closes():
                    await trio.sleep(1.0)
            if self.engine is not None:
                for spec in self.specs:
                    await self.engine.ask_report(spec.key)
            await trio.sleep(3.0)
            nursery.cancel_scope.cancel()

    def _closes(self) -> bool:
        """Whether closes are under way: a breach may come in the last moments too."""
        if self.engine is None:
            return False
        lives = [self.engine._actor(spec.key).state.live for spec in self.specs]
        return any(live is not None and live.open_closes for live in lives)

    async def _end_day(self) -> None:
        await trio.sleep((self.midnight_msc - self.clock.wall_msc()) / 1000.0)
        for eye in self.eyes.values():
            eye.day_ended(self.clock.wall_msc())

    # The engine's lives

    async def _live_on(self) -> None:
        while True:
            self._died = trio.Event()
            self.life += 1
            with suppress(CrashedError):
                await self._live()
            self.engine = self.gateway = None
            self.seen.crashes += 1
            await trio.sleep(0.3 + self.random.random() * 3)

    async def _live(self) -> None:
        accounts = [
            LiveAccount(
                spec=spec,
                terms=Terms(digits=2, nets=spec.margin_mode is MarginMode.NETTING),
                close_terms=CloseTerms(hold_ms=10_000),
                expects=spec.key.login == METHODICAL,
                recovery=await recover(spec.key, self.journal),
            )
            for spec in self.specs
        ]
        link = LateLink()
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
        """A terminal comes over a wire."""
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

    # What is seen from outside

    def kept(self, key: AccountKey, record: Record) -> None:
        """A record became durable."""
        if key in self.eyes:
            self.eyes[key].kept(record, wrong_clock=any(self.faults.struck[f] for f in CLOCKS))
        else:
            self.drifts.kept(record)

    def _told(self, eye: Eye, event: Any) -> None:
        eye.told(event, self.clock.wall_msc())

    def _quoted(self, symbol: str, quote: Quote) -> None:
        self.house._quoted(symbol, quote)
        now_msc = self.clock.wall_msc()
        quotes = self.server.market.quotes
        if len(quotes) < len(PRICES):
            return  # the very beginning
        self.prices.append((now_msc, {s: (q.bid, q.ask) for s, q in quotes.items()}))
        self.groups.quoted(self.server, now_msc)
        for key, eye in self.eyes.items():
            eye.quoted(now_msc, sees=self.in_sight(key))
        self._look_for_blind(now_msc)

    def in_sight(self, key: AccountKey) -> bool:
        """Whether the engine knows the account, and looks at fresh prices."""
        engine = self.engine
        if engine is None or not self._claims(engine, key) or not self._is_true(engine, key):
            return False
        course = self.groups.course(key, self.prices)
        return self._is_fresh(engine._actor(key).seat.quotes(list(PRICES)), course)

    def _claims(self, engine: LiveEngine, key: AccountKey) -> bool:
        """Whether it says that it knows."""
        actor = engine._actor(key)
        live = actor.state.live
        assert live is not None
        terminal: Any = self.house.terminals[key.login]
        is_known = live.is_current and actor.state.known and actor.crashed is None
        return is_known and bool(terminal.is_linked)

    def _is_true(self, engine: LiveEngine, key: AccountKey) -> bool:
        """Whether it holds what the broker holds."""
        positions = engine._actor(key).state.positions
        ours = {p.position_id: (p.side, p.volume_lots) for p in positions}
        held = self.server.accounts[key.login].held()
        return ours == {p.position_id: (p.side, p.volume_lots) for p in held}

    def _is_fresh(self, looked_at: Any, course: deque[tuple[int, Prices]]) -> bool:
        """Whether each price is one that was quoted, or stood, a moment ago."""
        now_msc = self.clock.wall_msc()
        near: list[Prices] = []
        for at_msc, prices in reversed(course):
            near.append(prices)
            if at_msc < now_msc - ON_THE_WAY_MS:
                break
        return all(
            symbol in looked_at
            and any(
                one.get(symbol) == (looked_at[symbol].bid, looked_at[symbol].ask) for one in near
            )
            for symbol in PRICES
        )

    def link_of(self, login: int) -> object | None:
        """What changes with each connection of the terminal."""
        terminal: Any = self.house.terminals[login]
        return terminal.counts["links"] if terminal.is_linked else None

    def _look_for_blind(self, now_msc: int) -> None:
        """How long an account is linked and not known, and how long it is not what is said."""
        engine = self.engine
        for spec in self.specs:
            key = spec.key
            well = engine is not None and self.link_of(key.login) is not None
            blind = well and not self.in_sight(key)
            blind = blind and engine is not None and self.groups.is_found(engine, key)
            untrue = (
                engine is not None and self._claims(engine, key) and not self._is_true(engine, key)
            )
            _last(self._unknown_msc, self.seen.blind_ms, key, now_msc, goes_on=blind)
            _last(self._untrue_msc, self.seen.untrue_ms, key, now_msc, goes_on=untrue)


def _last(
    since_msc: dict[AccountKey, int],
    longest_ms: dict[AccountKey, int],
    key: AccountKey,
    now_msc: int,
    *,
    goes_on: bool,
) -> None:
    """Notes the longest time that something goes on."""
    if not goes_on:
        since_msc.pop(key, None)
        return
    lasted_ms = now_msc - since_msc.setdefault(key, now_msc)
    longest_ms[key] = max(longest_ms.get(key, 0), lasted_ms)


class _Ring:
    def keys_of(self, account: AccountKey) -> tuple[Any, ...]:
        return (KEY,) if account.server == SERVER else ()
