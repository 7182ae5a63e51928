"""Our own projection of the margin an account needs; the broker's figure is the truth.

Leverage tiers are invisible to clients, so this answers "what if", and the margin level guard where
no report of the broker's is at hand. Sources: MetaTrader 5 platform help, "Basic margin
calculation" and "Hedging"; MQL5 Reference, symbol properties.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from engine.domain.account import MarginMode
from engine.domain.conversion import mid_rate
from engine.domain.instruments import CalcMode, Instrument
from engine.domain.positions import Position, Side
from engine.domain.units import minor
from engine.domain.valuation import Market, Quotes
from engine.domain.watch import Leg

_BY_LEVERAGE = frozenset({CalcMode.FOREX, CalcMode.CFD_LEVERAGE})
_DUST_LOTS = 1e-9


class PendingOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A resting order; it reserves margin at its own price."""

    symbol: str
    side: Side
    volume_lots: float
    price: float


class _Side(NamedTuple):
    """One side of a symbol: the volume, and the sum of volume * price."""

    lots: float
    turnover: float

    @property
    def price(self) -> float:
        """Average open price weighted by volume; 0 where there is no volume."""
        return self.turnover / self.lots if self.lots else 0.0


def margin_minor(
    market: Market,
    leverage: int,
    positions: Iterable[Position],
    quotes: Quotes,
    orders: Iterable[PendingOrder] = (),
    margin_mode: MarginMode = MarginMode.HEDGING,
) -> int:
    """Projected margin of everything open and resting, minor units of the deposit currency.

    Symbol by symbol; each component rounded, then summed. A netting account holds one side of a
    symbol, so what rests on the other side is weighed as a leg, never as a hedge.

    Raises:
        KeyError: a conversion is needed and has no quote.
    """
    entries: dict[str, list[tuple[Side, float, float]]] = {}
    for position in positions:
        entry = (position.side, position.volume_lots, position.open_price)
        entries.setdefault(position.symbol, []).append(entry)
    for order in orders:
        entries.setdefault(order.symbol, []).append((order.side, order.volume_lots, order.price))
    netting = margin_mode is MarginMode.NETTING
    return sum(
        _of_symbol(market, leverage, symbol, held, quotes, netting)
        for symbol, held in entries.items()
    )


def conversion_legs(market: Market, symbol: str, quotes: Quotes) -> tuple[Leg, ...]:
    """The legs whose quotes move the margin of a symbol; empty where it is fixed at the opening.

    Raises:
        KeyError: nothing turns its margin currency into the deposit's.
    """
    return _route(market, symbol, quotes)[1]


def is_margin_fixed(market: Market, symbols: Iterable[str]) -> bool:
    """Whether no quote moves the margin of positions in these symbols once they are open."""
    return all(
        symbol in market.priced and _fixed_route(market, symbol) is not None for symbol in symbols
    )


def margin_currency(instrument: Instrument) -> str:
    """SYMBOL_CURRENCY_MARGIN: unless given, the base currency for FX, else the profit currency."""
    if instrument.margin_currency is not None:
        return instrument.margin_currency
    return instrument.base_currency if instrument.is_fx else instrument.profit_currency


def _of_symbol(
    market: Market,
    leverage: int,
    symbol: str,
    held: Sequence[tuple[Side, float, float]],
    quotes: Quotes,
    netting: bool,
) -> int:
    instrument = market.priced[symbol].instrument
    long, short = _side(held, Side.BUY), _side(held, Side.SELL)
    buy_rate, sell_rate = instrument.margin_rate_buy, instrument.margin_rate_sell

    def in_deposit(lots: float, price: float, rate: float, *, hedged: bool = False) -> int:
        needed = _in_margin_currency(instrument, leverage, lots, price, hedged) * rate
        return minor(needed * _deposit_rate(market, symbol, price, quotes), market.digits)

    if netting or instrument.hedged_use_leg:
        return max(
            in_deposit(long.lots, long.price, buy_rate) if long.lots else 0,
            in_deposit(short.lots, short.price, sell_rate) if short.lots else 0,
        )
    total = 0
    uncovered = abs(long.lots - short.lots)
    if uncovered > _DUST_LOTS:
        larger, rate = (long, buy_rate) if long.lots > short.lots else (short, sell_rate)
        total += in_deposit(uncovered, larger.price, rate)
    covered = min(long.lots, short.lots)
    if covered > _DUST_LOTS:
        average = (long.turnover + short.turnover) / (long.lots + short.lots)
        total += in_deposit(covered, average, (buy_rate + sell_rate) / 2.0, hedged=True)
    return total


def _side(held: Sequence[tuple[Side, float, float]], side: Side) -> _Side:
    own = [(lots, price) for of_side, lots, price in held if of_side is side]
    return _Side(sum(lots for lots, _ in own), sum(lots * price for lots, price in own))


def _in_margin_currency(
    instrument: Instrument, leverage: int, lots: float, price: float, hedged: bool
) -> float:
    """Margin of so many lots before its rate; a covered lot counts by SYMBOL_MARGIN_HEDGED.

    Where SYMBOL_MARGIN_INITIAL is set, it and the hedged margin are money per lot; else the hedged
    margin is a contract size.
    """
    mode = instrument.calc_mode
    divisor = leverage if mode in _BY_LEVERAGE else 1
    initial = instrument.margin_initial
    if initial != 0.0 or mode is CalcMode.FUTURES:
        covered = initial if instrument.margin_hedged is None else instrument.margin_hedged
        return lots * (covered if hedged else initial) / divisor
    size = instrument.contract_size
    if hedged and instrument.margin_hedged is not None:
        size = instrument.margin_hedged
    if instrument.is_fx:
        return lots * size / divisor
    if mode is CalcMode.CFD_INDEX:
        assert instrument.tick_value is not None, f"{instrument.symbol}: no tick value"
        assert instrument.tick_size is not None, f"{instrument.symbol}: no tick size"
        return lots * size * price * instrument.tick_value / instrument.tick_size
    return lots * size * price / divisor


def _deposit_rate(market: Market, symbol: str, price: float, quotes: Quotes) -> float:
    """Deposit currency for one unit of margin currency."""
    power, legs = _route(market, symbol, quotes)
    by_open_price = price if power > 0 else 1.0 / price if power < 0 else 1.0
    return by_open_price * mid_rate(legs, quotes)


def _route(market: Market, symbol: str, quotes: Quotes) -> tuple[int, tuple[Leg, ...]]:
    """How margin becomes deposit currency: the power of the open price, then legs at mid.

    By the open price alone where the pair itself joins the two. Else by a pair that does, where
    `quotes` holds one; else through the profit currency, whose quotes the account has anyway: the
    base currency is worth the open price in it, give or take what arbitrage leaves.
    """
    fixed = _fixed_route(market, symbol)
    if fixed is not None:
        return fixed, ()
    priced = market.priced[symbol]
    instrument = priced.instrument
    currency, deposit = margin_currency(instrument), market.deposit
    if currency == instrument.profit_currency:
        return 0, priced.path
    direct = _direct(market, currency, quotes)
    if direct is not None:
        return 0, (direct,)
    if instrument.is_fx and currency == instrument.base_currency:
        return 1, priced.path
    raise KeyError(f"no quote turns {symbol}'s margin currency {currency} into {deposit}")


def _fixed_route(market: Market, symbol: str) -> int | None:
    """The power of the open price, where no quote has a part in it; None: one has."""
    instrument = market.priced[symbol].instrument
    currency, deposit = margin_currency(instrument), market.deposit
    if currency == deposit:
        return 0
    if _joins(instrument, currency, deposit):
        return 1 if currency == instrument.base_currency else -1
    return None


def _joins(instrument: Instrument, one: str, other: str) -> bool:
    pair = {instrument.base_currency, instrument.profit_currency}
    return instrument.is_fx and pair == {one, other}


def _direct(market: Market, currency: str, quotes: Quotes) -> Leg | None:
    """The first pair, by name, that joins a currency with the deposit's and has a quote."""
    for symbol in sorted(market.priced):
        instrument = market.priced[symbol].instrument
        if symbol in quotes and _joins(instrument, currency, market.deposit):
            return Leg(symbol, instrument.base_currency == market.deposit)
    return None
