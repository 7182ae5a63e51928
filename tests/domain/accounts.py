"""Instruments, positions and accounts for the tests of the domain, saying as little as can be."""

from collections.abc import Sequence
from typing import Any

from engine.domain.account import AccountSpec, AccountState, MarginMode
from engine.domain.effects import Publish, SendClose
from engine.domain.events import Opened, QuoteMarked
from engine.domain.guards import AccountGuard
from engine.domain.ids import AccountKey
from engine.domain.instruments import CalcMode, Instrument
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote
from engine.domain.records import Record, Tick
from engine.domain.step import Step, step
from engine.domain.valuation import Market, market_of
from engine.domain.valuing import equity_minor
from engine.domain.watch import Marks

START_MSC = 1_767_571_200_000
"""Monday 5 January 2026, 00:00 UTC."""


def fx(symbol: str, **more: Any) -> Instrument:
    """A currency pair named by its two currencies, 100,000 a lot unless said otherwise."""
    fields: dict[str, Any] = {
        "symbol": symbol,
        "calc_mode": CalcMode.FOREX,
        "digits": 3 if symbol[3:6] == "JPY" else 5,
        "contract_size": 100_000.0,
        "base_currency": symbol[:3],
        "profit_currency": symbol[3:6],
    }
    return Instrument(**fields | more)


def gold(**more: Any) -> Instrument:
    """XAUUSD as a CFD of 100 ounces."""
    fields: dict[str, Any] = {
        "symbol": "XAUUSD",
        "calc_mode": CalcMode.CFD,
        "digits": 2,
        "contract_size": 100.0,
        "base_currency": "XAU",
        "profit_currency": "USD",
    }
    return Instrument(**fields | more)


MAJORS = (fx("EURUSD"), fx("GBPUSD"), fx("USDJPY"), gold())


def market(deposit: str = "USD", instruments: Sequence[Instrument] = MAJORS) -> Market:
    return market_of(instruments, deposit)


def buy(symbol: str, lots: float, price: float, position_id: int = 1, **more: Any) -> Position:
    return _position(Side.BUY, symbol, lots, price, position_id, **more)


def sell(symbol: str, lots: float, price: float, position_id: int = 2, **more: Any) -> Position:
    return _position(Side.SELL, symbol, lots, price, position_id, **more)


def _position(
    side: Side, symbol: str, lots: float, price: float, position_id: int, **more: Any
) -> Position:
    return Position(
        position_id=position_id,
        symbol=symbol,
        side=side,
        volume_lots=lots,
        open_price=price,
        **more,
    )


def quote(bid: float, ask: float | None = None, time_msc: int = START_MSC) -> Quote:
    """A quote without a spread unless an ask is given."""
    return Quote(bid, bid if ask is None else ask, time_msc)


def unopened(
    guards: Sequence[AccountGuard] = (),
    positions: Sequence[Position] = (),
    *,
    initial: float = 10_000.0,
    balance: float | None = None,
    of: Market | None = None,
    **more: Any,
) -> AccountState:
    """An account as a book describes it; money in major units."""
    traded = market() if of is None else of
    scale = 10**traded.digits
    spec = AccountSpec(
        key=AccountKey("Demo-1", 1001),
        market=traded,
        initial_minor=round(initial * scale),
        guards=tuple(guards),
        **more,
    )
    own = initial if balance is None else balance
    return AccountState(
        spec=spec,
        balance_minor=round(own * scale),
        marks=Marks(trackers=()),
        positions=tuple(positions),
    )


class Life:
    """An account stepped through events; keeps what it published and fills no close by itself."""

    def __init__(self, state: AccountState, time_msc: int = START_MSC) -> None:
        self.records: list[Record] = []
        self.closes: list[SendClose] = []
        self.quotes: dict[str, Quote] = {}
        self.state = state
        self.index = -1
        self.take(step(state, Opened(time_msc)))

    def take(self, done: Step) -> list[Record]:
        """Keeps a step's state and effects; gives the records it published."""
        self.state = done.state
        records = [e.record for e in done.effects if isinstance(e, Publish)]
        self.records.extend(records)
        self.closes.extend(e for e in done.effects if isinstance(e, SendClose))
        return records

    def tick(
        self, time_msc: int, symbol: str, bid: float, ask: float | None = None
    ) -> list[Record]:
        """One tick; gives the records of it."""
        self.index += 1
        now = quote(bid, ask, time_msc)
        self.quotes[symbol] = now
        tick = Tick(self.index, symbol, now.bid, now.ask)
        return self.take(step(self.state, QuoteMarked(time_msc, tick, self.quotes)))

    @property
    def equity_minor(self) -> int:
        return equity_minor(self.state, self.quotes)


def kinds(records: Sequence[Record]) -> list[str]:
    """The types of records, as published."""
    return [str(record.__struct_config__.tag) for record in records]


NETTING = MarginMode.NETTING
HEDGING = MarginMode.HEDGING
