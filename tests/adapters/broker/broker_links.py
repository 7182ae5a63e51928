"""A broker's house whose terminals link to a real gateway on a loopback port."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from adapters.broker.holdings import Terms
from adapters.broker.house import BrokerHouse
from adapters.broker.market import Symbol
from adapters.broker.requests import Kind, Request
from adapters.broker.server import ServerSettings, TradeServer
from adapters.broker.terminal import Terminal, TerminalSettings
from adapters.mt5.constants import position_digest
from adapters.mt5.intents import IntentTable
from engine.clock import VirtualClock
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from engine.domain.reports import CommandResult, FullReport, Heartbeat, SpecReport
from engine.link import Action, Handed, Sent, TerminalCommand
from tests.adapters.broker.server_world import INSTRUMENTS, LOGIN, NOON_MSC, PRICES
from tests.adapters.mt5.link_house import LONG_S, House, Sink, contexts, house
from tests.adapters.mt5.link_samples import ACCOUNT, KEY

QUICK = ServerSettings(latency_ms=(1, 5))


class TimedSink(Sink):
    """Remembers when heartbeats and reports were sent, and every quote."""

    def __init__(self) -> None:
        super().__init__()
        self.sents: list[Sent] = []
        self.rows: list[Any] = []

    async def heartbeat(self, key: AccountKey, heartbeat: Heartbeat, sent: Sent) -> None:
        self.sents.append(sent)
        await super().heartbeat(key, heartbeat, sent)

    async def quotes(self, feed: str, quotes: Any, sent: Sent) -> None:
        self.rows.extend(quotes)
        await super().quotes(feed, quotes, sent)


class Brokerage:
    """The gateway's house beside the broker's."""

    def __init__(self, open_house: House, own: BrokerHouse, sink: TimedSink) -> None:
        self.house = open_house
        self.own = own
        self.server = own.server
        self.sink = sink
        self.account = own.server.accounts[LOGIN]

    @property
    def terminal(self) -> Terminal:
        return self.own.terminals[LOGIN]

    def open(self, lots: float = 0.1, side: Side = Side.BUY, login: int = LOGIN) -> int:
        """Opens a position, by a person at another terminal; its identifier."""
        request = Request(kind=Kind.DEAL, symbol="EURUSD", side=side, lots=lots)
        answer = self.server.execute_now(login, request, self.own.clock.wall_msc())
        assert answer.is_done, answer
        return answer.order

    def command(self, action: Action, intent_id: str = "int_1", **more: Any) -> None:
        command = TerminalCommand(action=action, intent_id=intent_id, **more)
        assert self.house.gateway.send_nowait(ACCOUNT, command) is Handed.HANDED

    async def results(self, times: int = 1) -> list[CommandResult]:
        return [result for _, result in await self.sink.until("result", times)]

    async def report(self, times: int = 1) -> FullReport:
        """The `times`-th report."""
        reports = await self.sink.until("reported", times)
        report: FullReport = reports[times - 1][1]
        return report

    async def until(self, wanted: Callable[[], bool]) -> None:
        with trio.fail_after(LONG_S):
            while not wanted():
                await trio.sleep(0.002)

    def digests(self) -> str:
        return position_digest(self.account.position_reports())


@asynccontextmanager
async def brokerage(
    settings: ServerSettings = QUICK,
    intents: IntentTable | None = None,
    heartbeat_ms: int = 50,
    terminal: dict[str, Any] | None = None,
    logins: tuple[int, ...] = (LOGIN,),
    silence_s: float = 3.0,
) -> AsyncIterator[Brokerage]:
    """A gateway, a server with quotes, and linked terminals of 10,000 USD accounts."""
    async with house(heartbeat_ms=heartbeat_ms, silence_s=silence_s) as open_house:
        sink = TimedSink()
        open_house.sink = open_house.gateway.sink = sink
        server = TradeServer([Symbol(instrument=i) for i in INSTRUMENTS], settings)
        own = BrokerHouse(server, VirtualClock(NOON_MSC))
        limits: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": open_house.port,
            "tls": contexts()[1],
            "request_s": 0.15,
            "first_pause_s": (0.01, 0.02),
        }
        for login in logins:
            key = AccountKey(ACCOUNT.server, login)
            open_house.keys[key] = (KEY,)
            server.open_account(Terms(key=key), 10_000.0, NOON_MSC)
            own.add_terminal(login, KEY, TerminalSettings(**limits | (terminal or {})), intents)
        for name, (bid, ask) in PRICES.items():
            server.quote(name, bid, ask, NOON_MSC)
        async with trio.open_nursery() as nursery:
            await nursery.start(own.run)
            yield Brokerage(open_house, own, sink)
            nursery.cancel_scope.cancel()


def spec_names(specs: tuple[SpecReport, ...]) -> list[str]:
    return [spec.name for spec in specs]
