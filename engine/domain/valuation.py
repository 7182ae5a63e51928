"""What positions are worth: MT5-exact profit in minor units, and the unrounded mark.

Source: MetaTrader 5 platform help, "Profit calculation". An unknown is never zero: callers ask
`is_known` first, and a missing quote raises.
"""

from collections.abc import Iterable, Mapping

import msgspec

from engine.domain.conversion import Path, converts_at_ask, find_path, mid_rate, rate
from engine.domain.instruments import FX_MODES, CalcMode, Instrument
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote
from engine.domain.units import currency_digits, minor

Quotes = Mapping[str, Quote]

UNPRICED = "?"
"""Stands for the quote of a symbol that is not in the book or not convertible: none ever comes."""


class Priced(msgspec.Struct, frozen=True):
    """An instrument as one deposit currency sees it."""

    instrument: Instrument
    path: Path
    profit_digits: int


class Market(msgspec.Struct, frozen=True):
    """The instruments an account may hold, with their conversions into its deposit currency."""

    deposit: str
    digits: int
    """Of the deposit currency."""
    priced: dict[str, Priced]
    """By symbol; only symbols that a conversion path leads from."""
    unconvertible: tuple[str, ...]
    """Symbols whose profit nothing turns into the deposit currency."""

    def needs(self, symbol: str) -> tuple[str, ...]:
        """The symbols whose quotes a position in `symbol` needs, itself first.

        One that nothing prices needs a quote that never comes: its account is unknown.
        """
        priced = self.priced.get(symbol)
        if priced is None:
            return (UNPRICED,)
        return (symbol, *(leg.symbol for leg in priced.path))


def market_of(instruments: Iterable[Instrument], deposit: str) -> Market:
    """The market of accounts in one deposit currency."""
    listed = tuple(instruments)
    priced: dict[str, Priced] = {}
    lost: list[str] = []
    for instrument in listed:
        path = find_path(instrument, deposit, listed)
        if path is None:
            lost.append(instrument.symbol)
        else:
            digits = currency_digits(instrument.profit_currency)
            priced[instrument.symbol] = Priced(instrument, path, digits)
    return Market(deposit, currency_digits(deposit), priced, tuple(lost))


def profit_in_profit_currency(
    instrument: Instrument, side: Side, volume_lots: float, open_price: float, close_price: float
) -> int:
    """MT5's profit in minor units of the profit currency.

    FX modes round each leg by itself; CFDs and stocks round the difference; futures go by ticks.
    Evaluated left to right, as the terminal does.
    """
    digits = currency_digits(instrument.profit_currency)
    size = instrument.contract_size
    if instrument.calc_mode in FX_MODES:
        closed = minor(close_price * size * volume_lots, digits)
        opened = minor(open_price * size * volume_lots, digits)
        return side.sign * (closed - opened)
    moved = side.sign * (close_price - open_price)
    if instrument.calc_mode is CalcMode.FUTURES:
        assert instrument.tick_value is not None
        assert instrument.tick_size is not None
        return minor(moved * volume_lots * instrument.tick_value / instrument.tick_size, digits)
    return minor(moved * size * volume_lots, digits)


def profit_minor(
    market: Market,
    position: Position,
    quotes: Quotes,
    volume_lots: float | None = None,
    close_price: float | None = None,
) -> int:
    """A position's profit in minor units of the deposit currency, without swap.

    Closes at the quote's bid (a buy) or ask (a sell) unless `close_price` is given, and wholly
    unless `volume_lots` is.

    Raises:
        KeyError: the symbol or a conversion leg has no quote.
    """
    priced = market.priced[position.symbol]
    if close_price is None:
        quote = quotes[position.symbol]
        close_price = quote.bid if position.side is Side.BUY else quote.ask
    lots = position.volume_lots if volume_lots is None else volume_lots
    raw = profit_in_profit_currency(
        priced.instrument, position.side, lots, position.open_price, close_price
    )
    if not priced.path:
        return raw
    at_ask = converts_at_ask(priced.instrument, position.side, raw)
    return minor(raw / 10**priced.profit_digits * rate(priced.path, quotes, at_ask), market.digits)


def floating_minor(market: Market, positions: Iterable[Position], quotes: Quotes) -> int:
    """Profit and swap of all positions: each rounded by itself, then summed."""
    return sum(profit_minor(market, p, quotes) + p.swap_minor for p in positions)


def mark_of_positions(market: Market, positions: Iterable[Position], quotes: Quotes) -> float:
    """Unrounded profit of all positions in the deposit currency, converted at mid."""
    total = 0.0
    for position in positions:
        priced = market.priced[position.symbol]
        quote = quotes[position.symbol]
        price = quote.bid if position.side is Side.BUY else quote.ask
        profit = _unrounded(priced.instrument, position, price)
        total += profit * mid_rate(priced.path, quotes) if priced.path else profit
    return total


def _unrounded(instrument: Instrument, position: Position, price: float) -> float:
    moved = position.side.sign * (price - position.open_price)
    if instrument.calc_mode is CalcMode.FUTURES:
        assert instrument.tick_value is not None
        assert instrument.tick_size is not None
        return moved * position.volume_lots * instrument.tick_value / instrument.tick_size
    return moved * instrument.contract_size * position.volume_lots


def symbols_needed(market: Market, positions: Iterable[Position]) -> tuple[str, ...]:
    """Every symbol whose quote a valuation of these positions needs, in a fixed order."""
    seen: dict[str, None] = {}
    for position in positions:
        for symbol in market.needs(position.symbol):
            seen[symbol] = None
    return tuple(seen)


def missing_quote(market: Market, positions: Iterable[Position], quotes: Quotes) -> str | None:
    """The first symbol without a quote that a valuation needs; None when the account is known."""
    for position in positions:
        for symbol in market.needs(position.symbol):
            if symbol not in quotes:
                return symbol
    return None
