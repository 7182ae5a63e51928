"""Money for the oracle, from the written rules alone: rounding, profits, the ways to a currency."""

from collections.abc import Callable
from math import floor
from typing import Any

Table = dict[str, Any]
Leg = tuple[int, bool]  # a symbol's place among the quotes; whether it is turned over
Valued = tuple[int, float]  # what decides, in minor units; the unrounded mark, in money

FOREX = {"forex", "forex_no_leverage"}


def digits_of(currency: str) -> int:
    """Decimals of a currency's amounts."""
    return {"JPY": 0, "BTC": 8}.get(currency, 2)


def minor(money: float, digits: int) -> int:
    """Half away from zero, in doubles, as minor units."""
    scaled = floor(abs(money) * 10.0**digits + 0.5)
    return -scaled if money < 0 else scaled


def percent(share: float) -> float:
    """Four decimals, half away from zero."""
    return minor(share, 4) / 10.0**4


def mark_minor(mark: float, digits: int) -> int:
    """A mark in minor units: a tie goes up whatever the order of its sum."""
    return floor(mark * 10.0**digits + 0.5 + 1e-6)


class Quotes:
    """The latest bid and ask of each symbol; 0 until it has one."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        self.place = {symbol: place for place, symbol in enumerate(symbols)}
        self.bid = [0.0] * len(symbols)
        self.ask = [0.0] * len(symbols)

    def rate(self, legs: list[Leg], at_ask: bool) -> float:
        """What one unit is worth at the end of the way; the same side of every leg."""
        product = 1.0
        for place, inverse in legs:
            if inverse:
                product *= 1.0 / (self.bid[place] if at_ask else self.ask[place])
            else:
                product *= self.ask[place] if at_ask else self.bid[place]
        return product

    def mid_rate(self, legs: list[Leg]) -> float:
        """The same at mid."""
        product = 1.0
        for place, inverse in legs:
            mid = (self.bid[place] + self.ask[place]) / 2.0
            product *= 1.0 / mid if inverse else mid
        return product


def postfix(instrument: Table) -> str:
    """What the broker hung on the name of the pair."""
    pair = instrument["base_currency"] + instrument["profit_currency"]
    name: str = instrument["symbol"]
    return name.removeprefix(pair) if name.startswith(pair) else ""


def way(instruments: list[Table], traded: Table, deposit: str, quotes: Quotes) -> list[Leg]:
    """The legs from a profit to the deposit currency; none when they are the same."""
    profit = traded["profit_currency"]
    if profit == deposit:
        return []
    one = _joined(instruments, traded, profit, deposit, quotes)
    if one is not None:
        return [one]
    first = _joined(instruments, traded, profit, "USD", quotes)
    second = _joined(instruments, traded, "USD", deposit, quotes)
    assert first is not None, f"no way from {profit} to {deposit}"
    assert second is not None, f"no way from {profit} to {deposit}"
    return [first, second]


def _joined(
    instruments: list[Table], traded: Table, source: str, target: str, quotes: Quotes
) -> Leg | None:
    found = [
        (postfix(i) != postfix(traded), i["symbol"], i["base_currency"] == target)
        for i in instruments
        if i["calc_mode"] in FOREX
        and {i["base_currency"], i["profit_currency"]} == {source, target}
    ]
    if not found:
        return None
    _, symbol, inverse = min(found)
    return quotes.place.get(symbol, -1), inverse


def valuer(
    position: Table, instrument: Table, legs: list[Leg], deposit: str, quotes: Quotes
) -> Callable[[], Valued]:
    """A function that values one position on the quotes as they are then."""
    bid, ask = quotes.bid, quotes.ask
    place = quotes.place.get(instrument["symbol"], -1)
    buys = position["side"] == "buy"
    sign = 1 if buys else -1
    size, lots, opened = (
        instrument["contract_size"],
        position["volume_lots"],
        position["open_price"],
    )
    own_digits, digits = digits_of(instrument["profit_currency"]), digits_of(deposit)
    mode = instrument["calc_mode"]
    is_forex = mode in FOREX
    by_deal = is_forex and instrument.get("conversion", "by_deal") == "by_deal"
    open_leg = opened * size * lots
    open_minor = minor(open_leg, own_digits)

    def value() -> Valued:
        close = bid[place] if buys else ask[place]
        if is_forex:
            close_leg = close * size * lots
            exact = sign * (minor(close_leg, own_digits) - open_minor)
            mark = sign * (close_leg - open_leg)
        elif mode == "futures":
            steps = (close - opened) * lots
            mark = sign * (steps * instrument["tick_value"] / instrument["tick_size"])
            exact = minor(mark, own_digits)
        else:
            mark = sign * ((close - opened) * size * lots)
            exact = minor(mark, own_digits)
        if not legs:
            return exact, mark
        at_ask = buys if by_deal else exact < 0
        converted = exact / 10.0**own_digits * quotes.rate(legs, at_ask)
        return minor(converted, digits), mark * quotes.mid_rate(legs)

    return value
