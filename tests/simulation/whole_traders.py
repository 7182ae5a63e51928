"""Prices that move, and people and strategies that trade on them."""

from random import Random
from typing import Any

import trio

from adapters.broker.requests import Kind, Request
from adapters.broker.server import TradeServer
from adapters.mt5.constants import DealType
from engine.clock import Clock
from engine.domain.account import MarginMode
from engine.domain.positions import Side

PRICES = {
    "EURUSD": (1.1000, 0.0001, 5),
    "XAUUSD": (1950.0, 0.30, 2),
    "USDJPY": (150.0, 0.01, 3),
}
"""Bid to begin with, spread, digits."""
STRATEGY = 77
ENTRIES = ((2, -0.002, 0.2), (4, 0.0006, 1.0), (5, -0.0006, 1.0))
"""Orders that are left: a buy limit, a buy stop, a sell stop; how far off, and lots."""


class Market:
    """Three prices that wander, and jump now and then."""

    def __init__(self, server: TradeServer, clock: Clock, random: Random) -> None:
        self._server, self._clock, self._random = server, clock, random
        self.prices = {symbol: price for symbol, (price, _, _) in PRICES.items()}

    def quote(self, symbol: str) -> None:
        """A tick at the present price."""
        _, spread, digits = PRICES[symbol]
        bid = round(self.prices[symbol], digits)
        self._server.quote(symbol, bid, round(bid + spread, digits), self._clock.wall_msc())

    async def run(self) -> None:
        random = self._random
        while True:
            await trio.sleep(0.05 + random.random() * 0.4)
            symbol = random.choice(list(PRICES))
            size = 0.0012 if random.random() < 0.02 else 0.00012
            self.prices[symbol] *= 1.0 + random.gauss(0.0, size)
            self.quote(symbol)


class Traders:
    """They open, close, hedge, leave orders, pay in and out."""

    def __init__(
        self, server: TradeServer, market: Market, clock: Clock, random: Random, logins: Any
    ) -> None:
        self._server, self._market, self._clock = server, market, clock
        self._random, self._logins = random, tuple(logins)
        self.opens = True
        """Closing goes on all the same."""

    async def run(self) -> None:
        while True:
            await trio.sleep(self._random.random() * 6)
            self._act(self._random.choice(self._logins), self._random.random())

    def _act(self, login: int, draw: float) -> None:
        random, account = self._random, self._server.accounts[login]
        held = account.held()
        if draw < 0.50 and self.opens:
            side = random.choice((Side.BUY, Side.SELL))
            self._open(login, side)
            if draw < 0.08 and account.terms.margin_mode is MarginMode.HEDGING:
                self._open(login, side.opposite)
        elif draw < 0.72 and held:
            position = random.choice(held)
            lots = position.volume_lots if random.random() < 0.7 else 0.1
            self._do(
                login,
                kind=Kind.DEAL,
                symbol=position.symbol,
                side=position.side.opposite,
                lots=min(lots, position.volume_lots),
                position=position.position_id,
            )
        elif draw < 0.76 and held:
            position = random.choice(held)
            stop, target = self._stops(position.symbol, position.side)
            number = position.position_id
            self._do(login, kind=Kind.MODIFY, position=number, stop_loss=stop, take_profit=target)
        elif draw < 0.85 and self.opens:
            kind, away, lots = random.choice(ENTRIES)
            price = round(self._market.prices["EURUSD"] + away, 5)
            self._do(
                login,
                kind=Kind.PENDING,
                symbol="EURUSD",
                order_type=kind,
                lots=lots,
                price=price,
                magic=STRATEGY,
            )
        elif draw < 0.90 and self.opens:
            amount = random.choice((500.0, -300.0))
            self._server.move_money(login, DealType.BALANCE, amount, self._clock.wall_msc())

    def _open(self, login: int, side: Side) -> None:
        random = self._random
        symbol = random.choice(list(PRICES))
        stop, target = self._stops(symbol, side) if random.random() < 0.3 else (0.0, 0.0)
        self._do(
            login,
            kind=Kind.DEAL,
            symbol=symbol,
            side=side,
            lots=random.choice((0.1, 0.3, 0.7, 1.0)),
            magic=random.choice((0, STRATEGY)),
            stop_loss=stop,
            take_profit=target,
        )

    def _stops(self, symbol: str, side: Side) -> tuple[float, float]:
        """A tenth of a percent away, either way."""
        price, digits = self._market.prices[symbol], PRICES[symbol][2]
        away = price * 0.001 * side.sign
        return round(price - away, digits), round(price + away, digits)

    def _do(self, login: int, **fields: Any) -> None:
        self._server.execute_now(login, Request(**fields), self._clock.wall_msc())
