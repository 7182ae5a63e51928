"""From the profit currency to the deposit currency: which pairs, and which side of them.

Source: MetaTrader 5 platform help, "Conversion of profit": a pair joining the two currencies is
searched for, with the postfix of the traded symbol first; else two pairs through USD.
"""

from collections.abc import Iterable, Mapping

from engine.domain.instruments import ConversionRule, Instrument
from engine.domain.positions import Side
from engine.domain.quotes import Quote
from engine.domain.watch import Leg

Path = tuple[Leg, ...]
"""No leg: the currencies are the same. One leg, or two through USD."""


def find_path(traded: Instrument, deposit: str, instruments: Iterable[Instrument]) -> Path | None:
    """The legs from the traded symbol's profit to `deposit`; None when nothing joins the two."""
    profit = traded.profit_currency
    if profit == deposit:
        return ()
    pairs = [i for i in instruments if i.is_fx]
    direct = _leg(traded, profit, deposit, pairs)
    if direct is not None:
        return (direct,)
    first = _leg(traded, profit, "USD", pairs)
    second = _leg(traded, "USD", deposit, pairs)
    if first is None or second is None:
        return None
    return (first, second)


def _leg(traded: Instrument, source: str, target: str, pairs: Iterable[Instrument]) -> Leg | None:
    """The best pair joining two currencies: itself, then its postfix, then the alphabet."""

    def rank(pair: Instrument) -> tuple[bool, bool, str]:
        return (pair.symbol != traded.symbol, pair.postfix != traded.postfix, pair.symbol)

    joins = [
        (rank(pair), Leg(pair.symbol, pair.base_currency == target))
        for pair in pairs
        if {pair.base_currency, pair.profit_currency} == {source, target}
    ]
    return min(joins)[1] if joins else None


def rate(path: Path, quotes: Mapping[str, Quote], at_ask: bool) -> float:
    """The product of the legs on one side. X->Y ask through YX is 1 / (YX bid).

    Raises:
        KeyError: a leg has no quote; the caller asks `is_known` first.
    """
    product = 1.0
    for leg in path:
        quote = quotes[leg.symbol]
        if leg.inverse:
            product *= 1.0 / (quote.bid if at_ask else quote.ask)
        else:
            product *= quote.ask if at_ask else quote.bid
    return product


def mid_rate(path: Path, quotes: Mapping[str, Quote]) -> float:
    """The product of the legs at mid: what the mark uses, so that it has no side and no sign."""
    product = 1.0
    for leg in path:
        middle = quotes[leg.symbol].mid
        product *= 1.0 / middle if leg.inverse else middle
    return product


def converts_at_ask(instrument: Instrument, side: Side, profit: float) -> bool:
    """Whether the ask side turns this profit into the deposit currency.

    `by_deal` looks at the closing deal alone. Where the traded pair itself joins the two
    currencies it is an inverse leg, and a buy's ask rate is then 1 / bid: its own close price.
    """
    if instrument.is_fx and instrument.conversion is ConversionRule.BY_DEAL:
        return side is Side.BUY
    return profit < 0
