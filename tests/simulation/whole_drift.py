"""Drift between what a strategy means and what the broker holds, put in at random times.

One account has a strategy that registers what it means to hold. Each kind of drift strikes it once,
when the account is in sight and nothing else is open; from then on the engine has a heartbeat and a
second. Where a crash, a cut or a failed report comes between, that time begins anew.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import trio
from msgspec.structs import replace

from adapters.broker.account import BrokerAccount
from adapters.broker.faults import Fault
from adapters.broker.market import Symbol
from adapters.broker.requests import Kind as Asked
from adapters.broker.requests import Request
from adapters.broker.server import TradeServer
from engine.clock import Clock
from engine.domain import records
from engine.domain.commands import Refused, Register, Withdraw
from engine.domain.discrepancies import Kind
from engine.domain.ids import AccountKey
from engine.domain.intents import Intent, tag_of
from engine.domain.positions import Side
from engine.domain.records import Record
from engine.live_engine import LiveEngine

FOUND_MS = 2_000
"""A heartbeat (of a second) and a second."""
SILENCE_MS = 3_000
"""After so long a terminal that says nothing is stale."""
SYMBOL, SPARE = "EURUSD", "GBPUSD"
MAGIC = 4242
LOOK_S = 0.05
OFF_MINOR = 5_000


class Scene(Protocol):
    """The world, as far as drift knows it."""

    engine: LiveEngine | None
    life: int

    def in_sight(self, key: AccountKey) -> bool: ...

    def link_of(self, login: int) -> object | None: ...


@dataclass
class Drift:
    """One that was put in."""

    kind: Kind
    at_msc: int
    found_msc: int | None = None
    disturbed: int = 0
    """So often its time began anew."""
    due_msc: int = 0

    @property
    def is_late(self) -> bool:
        return self.found_msc is None or self.found_msc > self.due_msc


@dataclass
class Drifts:
    """See the top; `run` it beside the rest."""

    scene: Scene
    server: TradeServer
    clock: Clock
    random: Random
    key: AccountKey
    done: list[Drift] = field(default_factory=list)
    is_over: bool = False
    spec: Symbol | None = None
    """The symbol before its terms were changed."""
    _now: Drift | None = None
    _number: int = 0
    _held: list[int] = field(default_factory=list)
    _meant: list[str] = field(default_factory=list)

    @property
    def account(self) -> BrokerAccount:
        return self.server.accounts[self.key.login]

    def kept(self, record: Record) -> None:
        """A record of the account became durable."""
        now = self._now
        if now is None or not isinstance(record, records.Discrepancy):
            return
        if record.kind == now.kind.value and record.state in ("suspected", "confirmed"):
            now.found_msc = now.found_msc or self.clock.wall_msc()

    async def run(self) -> None:
        kinds = list(_WAYS)
        self.random.shuffle(kinds)
        for kind in kinds:
            await trio.sleep(0.2 + self.random.random() * 3)
            prepare, strike, heal = _WAYS[kind]
            if prepare is not None:
                await prepare(self)
            await self._until(self._is_quiet)
            drift = self._now = Drift(kind, self.clock.wall_msc())
            self.done.append(drift)
            await strike(self)
            await self._watch(drift)
            if heal is not None:
                heal(self)
            await self._clear()
            self._now = None
        self.is_over = True

    async def _watch(self, drift: Drift) -> None:
        """Waits until it is found, or its time is over."""
        allowed = SILENCE_MS + FOUND_MS if drift.kind is Kind.STALE_TERMINAL else FOUND_MS
        drift.at_msc = self.clock.wall_msc()
        drift.due_msc = drift.at_msc + allowed
        before = self._view()
        while drift.found_msc is None and self.clock.wall_msc() <= drift.due_msc:
            await trio.sleep(LOOK_S)
            silent = drift.kind is Kind.STALE_TERMINAL
            if self._view() != before or not (silent or self.scene.in_sight(self.key)):
                await self._until(lambda: self.scene.in_sight(self.key))
                before = self._view()
                drift.disturbed += 1
                if silent and not self.server.faults.waiting(self.key.login, Fault.SILENCE):
                    await _silence(self)  # the first was cut short
                drift.due_msc = self.clock.wall_msc() + allowed

    def _view(self) -> tuple[int, object]:
        return self.scene.life, self.scene.link_of(self.key.login)

    def _is_quiet(self) -> bool:
        engine = self.scene.engine
        if engine is None or not self.scene.in_sight(self.key):
            return False
        live = engine._actor(self.key).state.live
        return live is not None and not live.book.rows

    async def _until(self, wanted: Callable[[], bool]) -> None:
        while not wanted():
            await trio.sleep(LOOK_S)

    async def _clear(self) -> None:
        """Closes what is held and forgets what is meant, as the strategy itself does."""
        for number in self._held:
            self.close(number)
        for name in self._meant:
            await self._ask(lambda n=name: Withdraw(0, "test", n))  # type: ignore[misc]
        self._held.clear()
        self._meant.clear()
        await trio.sleep(0.5)
        engine = self.scene.engine
        if engine is not None:
            with trio.move_on_after(1.0):
                await engine.ask_report(self.key)

    # Hands

    async def _ask(self, command: Callable[[], Any]) -> None:
        """Asks until it is durable, whatever crashes meanwhile."""
        while True:
            engine = self.scene.engine
            answer: Any = None
            if engine is not None:
                with trio.move_on_after(1.0):
                    answer = await engine.command(self.key, command())
            if isinstance(answer, Refused):
                if "there is no intent" in answer.reason:
                    return
            elif answer is not None:
                return
            await trio.sleep(0.1)

    async def mean(self, lots: float = 0.3, *, flying: bool = True, **more: Any) -> Intent:
        """Registers what is meant: a buy."""
        self._number += 1
        name = f"meant-{self._number}"
        intent = Intent(
            intent_id=name,
            symbol=SYMBOL,
            side=Side.BUY,
            volume_lots=lots,
            in_flight_lots=lots if flying else 0.0,
            tag=tag_of(name),
            magic=0,
            **more,
        )
        await self._ask(lambda: Register(0, "test", intent))
        self._meant.append(name)
        return intent

    def trade(self, lots: float, side: Side = Side.BUY, tag: str = "", **more: Any) -> int:
        """Opens at the broker; the position."""
        request = Request(kind=Asked.DEAL, symbol=SYMBOL, side=side, lots=lots, comment=tag, **more)
        answer = self.server.execute_now(self.key.login, request, self.clock.wall_msc())
        assert answer.is_done, answer
        self._held.append(answer.order)
        return answer.order

    def close(self, number: int) -> None:
        """Closes by hand, where it is still held."""
        held = self.account.positions.get(number)
        if held is not None:
            position = held.position
            request = Request(
                kind=Asked.DEAL,
                symbol=position.symbol,
                side=position.side.opposite,
                lots=position.volume_lots,
                position=number,
            )
            self.server.execute_now(self.key.login, request, self.clock.wall_msc())

    async def whole(self, **more: Any) -> None:
        """Means 0.3 lots and holds them."""
        intent = await self.mean(
            stop_loss=more.get("stop_loss"), take_profit=more.get("take_profit")
        )
        self.trade(0.3, tag=intent.tag, **more)


async def _stopped(drifts: Drifts) -> None:
    await drifts.whole(stop_loss=0.9, take_profit=1.3)


def _modify(stop: float, target: float) -> Callable[[Drifts], Any]:
    async def strike(drifts: Drifts) -> None:
        request = Request(
            kind=Asked.MODIFY, position=drifts._held[-1], stop_loss=stop, take_profit=target
        )
        drifts.server.execute_now(drifts.key.login, request, drifts.clock.wall_msc())

    return strike


async def _whole(drifts: Drifts) -> None:
    await drifts.whole()


async def _missing(drifts: Drifts) -> None:
    await drifts.mean(flying=False)


async def _unexpected(drifts: Drifts) -> None:
    drifts.trade(0.2)


async def _volume(drifts: Drifts) -> None:
    drifts.trade(0.5, tag=(await drifts.mean()).tag)


async def _partial(drifts: Drifts) -> None:
    drifts.trade(0.1, tag=(await drifts.mean(flying=False)).tag)


async def _side(drifts: Drifts) -> None:
    drifts.trade(0.3, Side.SELL, tag=(await drifts.mean()).tag)


async def _closed(drifts: Drifts) -> None:
    drifts.close(drifts._held[-1])


async def _twice(drifts: Drifts) -> None:
    drifts.trade(0.3, tag=tag_of(drifts._meant[-1]))


async def _profit(drifts: Drifts) -> None:
    account: Any = drifts.account
    right = account._deal_of

    def wrong(*given: Any) -> Any:
        deal = right(*given)
        return replace(deal, profit=round(deal.profit + 25.0, 2))

    account._deal_of = wrong
    drifts.close(drifts._held[-1])
    del account._deal_of


async def _balance(drifts: Drifts) -> None:
    drifts.account.balance_minor += OFF_MINOR


def _balance_back(drifts: Drifts) -> None:
    drifts.account.balance_minor -= OFF_MINOR


async def _equity(drifts: Drifts) -> None:
    account: Any = drifts.account
    right = account.equity_minor
    account.equity_minor = lambda: right() + OFF_MINOR


def _equity_back(drifts: Drifts) -> None:
    account: Any = drifts.account
    del account.equity_minor


async def _silence(drifts: Drifts) -> None:
    drifts.server.faults.ask(drifts.key.login, Fault.SILENCE, SILENCE_MS + FOUND_MS)


async def _spec(drifts: Drifts) -> None:
    symbol = drifts.spec = drifts.server.market.symbols[SPARE]
    instrument = replace(symbol.instrument, volume_max=7.0)
    drifts.server.change_symbol(replace(symbol, instrument=instrument))


def _spec_back(drifts: Drifts) -> None:
    assert drifts.spec is not None, "put back before it was changed"
    drifts.server.change_symbol(drifts.spec)


_WAYS: dict[Kind, tuple[Any, Any, Any]] = {
    Kind.MISSING: (None, _missing, None),
    Kind.UNEXPECTED: (None, _unexpected, None),
    Kind.VOLUME: (None, _volume, None),
    Kind.PARTIAL_FILL: (None, _partial, None),
    Kind.SIDE: (None, _side, None),
    Kind.STOP_LOSS: (_stopped, _modify(0.0, 1.3), None),
    Kind.TAKE_PROFIT: (_stopped, _modify(0.9, 1.28), None),
    Kind.CLOSED_EXTERNALLY: (_whole, _closed, None),
    Kind.DUPLICATE_FILL: (_whole, _twice, None),
    Kind.PROFIT: (_whole, _profit, None),
    Kind.BALANCE_RESIDUAL: (None, _balance, _balance_back),
    Kind.EQUITY_RESIDUAL: (_whole, _equity, _equity_back),
    Kind.STALE_TERMINAL: (None, _silence, None),
    Kind.SPEC_CHANGED: (None, _spec, _spec_back),
}
"""What comes before, the drift, and what ends it besides closing and withdrawing."""
KINDS = frozenset(_WAYS)
