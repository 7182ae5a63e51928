"""A small trade server for tests: majors and gold, quoted, in the middle of a trading week."""

from typing import Any

from adapters.broker.account import BrokerAccount
from adapters.broker.holdings import Terms
from adapters.broker.market import Symbol
from adapters.broker.requests import Answer, Kind, Request
from adapters.broker.server import Answered, ServerEvent, ServerSettings, TradeServer
from engine.domain.account import MarginMode
from engine.domain.ids import AccountKey
from engine.domain.instruments import Instrument
from engine.domain.positions import Side
from tests.domain.accounts import fx, gold

NOON_MSC = 1_767_787_200_000
"""Wednesday 7 January 2026, 12:00 UTC."""
KEY = AccountKey("Demo-1", 1001)
LOGIN = KEY.login
PRICES = {
    "EURUSD": (1.1000, 1.1001),
    "GBPUSD": (1.2500, 1.2502),
    "USDJPY": (150.000, 150.010),
    "XAUUSD": (1950.00, 1950.30),
}
INSTRUMENTS: tuple[Instrument, ...] = (fx("EURUSD"), fx("GBPUSD"), fx("USDJPY"), gold())
HEDGING, NETTING = MarginMode.HEDGING, MarginMode.NETTING


def symbol(name: str, **more: Any) -> Symbol:
    instrument = next(i for i in INSTRUMENTS if i.symbol == name)
    return Symbol(instrument=instrument, **more)


def terms(**more: Any) -> Terms:
    return Terms(**{"key": KEY} | more)


class World:
    """A server with one account, and its hands."""

    def __init__(
        self,
        deposit: float = 10_000.0,
        seed: int = 1,
        settings: ServerSettings | None = None,
        **more: Any,
    ) -> None:
        self.now_msc = NOON_MSC
        self.server = TradeServer([symbol(name) for name in PRICES], settings, seed)
        self.events: list[ServerEvent] = []
        self.account: BrokerAccount = self.server.open_account(terms(**more), deposit, self.now_msc)
        self.server.listen(LOGIN, self.events.append)
        for name, (bid, ask) in PRICES.items():
            self.server.quote(name, bid, ask, self.now_msc)

    def quote(self, name: str, bid: float, ask: float | None = None, after_ms: int = 1000) -> None:
        self.now_msc += after_ms
        self.server.quote(name, bid, bid if ask is None else ask, self.now_msc)

    def deal(self, side: Side, lots: float, name: str = "EURUSD", **more: Any) -> Answer:
        request = Request(kind=Kind.DEAL, symbol=name, side=side, lots=lots, **more)
        return self.server.execute_now(LOGIN, request, self.now_msc)

    def do(self, kind: Kind, **more: Any) -> Answer:
        return self.server.execute_now(LOGIN, Request(kind=kind, **more), self.now_msc)

    def do_pending(self) -> int:
        """Rests a buy limit far below; its ticket."""
        return self.do(Kind.PENDING, symbol="EURUSD", order_type=2, lots=0.1, price=1.05).order

    def open(self, side: Side, lots: float, name: str = "EURUSD", **more: Any) -> int:
        """Opens a position; its identifier."""
        answer = self.deal(side, lots, name, **more)
        assert answer.is_done, answer
        return answer.order

    def submit(self, request: Request) -> int:
        return self.server.submit(LOGIN, request, self.now_msc)

    def wait(self, ms: int) -> None:
        self.now_msc += ms
        self.server.advance(self.now_msc)

    def answers(self) -> list[Answer]:
        return [event.answer for event in self.events if isinstance(event, Answered)]

    def held(self) -> list[tuple[int, Side, float]]:
        return [(p.position_id, p.side, p.volume_lots) for p in self.account.held()]


def close_request(position: int, side: Side, lots: float, **more: Any) -> Request:
    """Closes a position of that side."""
    return Request(kind=Kind.DEAL, side=side.opposite, lots=lots, position=position, **more)
