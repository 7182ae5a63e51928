"""Valuing one account's positions on many ticks at once: the mark, and the MT5-exact equity.

Both do the operations of their scalar counterparts in the same order, so every element equals what
those give to the last bit: the mark that of the feed (`marking/reference.py`), the equity that of
`domain/valuation.py`.
"""

from collections.abc import Sequence

import numpy as np

from engine.domain.conversion import Path
from engine.domain.instruments import FX_MODES, CalcMode, ConversionRule, Instrument
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote
from engine.domain.units import TIE_GUARD, currency_digits, minor
from engine.domain.valuation import Market
from engine.domain.watch import Exposure
from engine.marking.ticks import Floats, TickBatch

Span = slice
"""Offsets of consecutive ticks in the batch that was taken last."""


class LatestQuotes:
    """The latest bid and ask of every symbol on every tick of one batch after another."""

    def __init__(self, symbols: Sequence[str]) -> None:
        self._rows = {symbol: row for row, symbol in enumerate(symbols)}
        self._last: list[tuple[float, float, int]] = [(np.nan, np.nan, 0)] * len(symbols)
        self._batch: TickBatch | None = None
        self._columns: dict[str, tuple[Floats, Floats]] = {}

    def take(self, batch: TickBatch) -> None:
        """Goes on to the next batch."""
        self.standing_after()
        self._batch = batch
        self._columns = {}

    def standing_after(self) -> list[tuple[float, float, int]]:
        """Bid, ask and time of every symbol after the batch taken last; nan: none yet."""
        batch = self._batch
        if batch is not None:
            for row in range(len(self._last)):
                places = np.flatnonzero(batch.symbol == row)
                if len(places):
                    at = int(places[-1])
                    self._last[row] = (
                        float(batch.bid[at]),
                        float(batch.ask[at]),
                        int(batch.time_msc[at]),
                    )
            self._batch = None
        return list(self._last)

    def restore(self, standing: list[tuple[float, float, int]]) -> None:
        """Goes back to what `standing_after` gave."""
        self._batch = None
        self._last = list(standing)

    def columns(self, symbol: str) -> tuple[Floats, Floats]:
        """Bid and ask of a symbol as of every tick of the batch; nan before its first quote."""
        found = self._columns.get(symbol)
        if found is None:
            found = self._columns[symbol] = self._filled(symbol)
        return found

    def quotes(self, symbols: Sequence[str], offset: int) -> dict[str, Quote]:
        """The quotes as of one tick of the batch, times left at 0; without those not there yet."""
        found = {}
        for symbol in symbols:
            bid, ask = self.columns(symbol)
            if not np.isnan(bid[offset]):
                found[symbol] = Quote(float(bid[offset]), float(ask[offset]), 0)
        return found

    def _filled(self, symbol: str) -> tuple[Floats, Floats]:
        batch = self._batch
        assert batch is not None, "take a batch first"
        if len(self._rows) == 1:
            return batch.bid, batch.ask
        row = self._rows[symbol]
        places = np.flatnonzero(batch.symbol == row)
        bid, ask, _ = self._last[row]
        lengths = np.diff(places, prepend=0, append=len(batch))
        bids = np.concatenate(([bid], batch.bid[places]))
        asks = np.concatenate(([ask], batch.ask[places]))
        return np.repeat(bids, lengths), np.repeat(asks, lengths)


def mark_column(
    base: float, exposures: Sequence[Exposure], latest: LatestQuotes, span: Span
) -> Floats:
    """The unrounded equity on every tick of the span, each symbol netted, conversion at mid."""
    mark = np.full(span.stop - span.start, base)
    for exposure in exposures:
        bid, ask = latest.columns(exposure.symbol)
        value = exposure.long_units * bid[span] - exposure.short_units * ask[span] - exposure.cost
        if exposure.conversion:
            value *= _mid_rate(exposure.conversion, latest, span)
        mark += value
    return mark


def equity_column(
    market: Market,
    base_minor: int,
    positions: Sequence[Position],
    latest: LatestQuotes,
    span: Span,
) -> Floats:
    """The MT5-exact equity in minor units (whole numbers) on every tick of the span.

    Args:
        base_minor: balance and credit; swap is added here.
    """
    settled = base_minor + sum(position.swap_minor for position in positions)
    equity = np.full(span.stop - span.start, float(settled))
    for position in positions:
        equity += _profit_minor(market, position, latest, span)
    return equity


def minor_column(amounts: Floats, digits: int) -> Floats:
    """N(amount, digits) in minor units, halves away from zero."""
    scaled = np.abs(amounts)
    scaled *= 10.0**digits
    scaled += 0.5
    np.floor(scaled, out=scaled)
    return np.copysign(scaled, amounts)


def minor_of_marks(marks: Floats, digits: int) -> Floats:
    """Marks in minor units, ties guarded as the contract has it."""
    scaled = np.abs(marks)
    scaled *= 10.0**digits
    scaled += 0.5
    scaled += TIE_GUARD
    np.floor(scaled, out=scaled)
    return np.copysign(scaled, marks)


def _profit_minor(market: Market, position: Position, latest: LatestQuotes, span: Span) -> Floats:
    priced = market.priced[position.symbol]
    instrument = priced.instrument
    bid, ask = latest.columns(position.symbol)
    close = (bid if position.side is Side.BUY else ask)[span]
    raw = _raw_profit(instrument, position, close)
    if not priced.path:
        return raw
    if instrument.is_fx and instrument.conversion is ConversionRule.BY_DEAL:
        rate = _side_rate(priced.path, latest, span, at_ask=position.side is Side.BUY)
    else:
        rate = np.where(
            raw < 0,
            _side_rate(priced.path, latest, span, at_ask=True),
            _side_rate(priced.path, latest, span, at_ask=False),
        )
    raw /= 10.0**priced.profit_digits
    raw *= rate
    return minor_column(raw, market.digits)


def _raw_profit(instrument: Instrument, position: Position, close: Floats) -> Floats:
    """In minor units of the profit currency."""
    digits = currency_digits(instrument.profit_currency)
    size, lots, sign = instrument.contract_size, position.volume_lots, position.side.sign
    if instrument.calc_mode in FX_MODES:
        opened = minor(position.open_price * size * lots, digits)
        return sign * (minor_column(close * size * lots, digits) - opened)
    moved = sign * (close - position.open_price)
    if instrument.calc_mode is CalcMode.FUTURES:
        assert instrument.tick_value is not None
        assert instrument.tick_size is not None
        amounts = moved * lots * instrument.tick_value / instrument.tick_size
        return minor_column(amounts, digits)
    return minor_column(moved * size * lots, digits)


def _mid_rate(path: Path, latest: LatestQuotes, span: Span) -> Floats:
    rate = np.ones(span.stop - span.start)
    for leg in path:
        bid, ask = latest.columns(leg.symbol)
        middle = (bid[span] + ask[span]) / 2.0
        rate *= 1.0 / middle if leg.inverse else middle
    return rate


def _side_rate(path: Path, latest: LatestQuotes, span: Span, *, at_ask: bool) -> Floats:
    rate = np.ones(span.stop - span.start)
    for leg in path:
        bid, ask = latest.columns(leg.symbol)
        if leg.inverse:
            rate *= 1.0 / (bid if at_ask else ask)[span]
        else:
            rate *= (ask if at_ask else bid)[span]
    return rate
