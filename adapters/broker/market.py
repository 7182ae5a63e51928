"""The server's market: symbols with their terms of trade, their last quotes, and sessions."""

from collections.abc import Iterable

import msgspec

from adapters.mt5.constants import SymbolFilling
from engine.domain.instruments import CalcMode, Instrument
from engine.domain.quotes import Quote
from engine.domain.reports import SpecReport
from engine.domain.sessions import is_open
from engine.domain.valuation import Market, market_of

CALC_MODES = {
    CalcMode.FOREX: 0,
    CalcMode.FUTURES: 1,
    CalcMode.CFD: 2,
    CalcMode.CFD_INDEX: 3,
    CalcMode.CFD_LEVERAGE: 4,
    CalcMode.FOREX_NO_LEVERAGE: 5,
    CalcMode.STOCK: 32,
}
"""SYMBOL_CALC_MODE."""


class Symbol(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol as this server trades it. Levels and swaps are in points."""

    instrument: Instrument
    trade_mode: int = 4
    """SYMBOL_TRADE_MODE: 0 disabled, 1 long only, 2 short only, 3 close only, 4 full."""
    filling_mode: int = SymbolFilling.FOK | SymbolFilling.IOC
    stops_level: int = 0
    freeze_level: int = 0
    """So close to its activation an order can neither be changed nor removed."""
    is_instant: bool = False
    """Instant execution: a price further off than the deviation is requoted, not filled."""
    depth_lots: float = 0.0
    """What one request can fill at once; 0: anything. The rest comes with `DONE_PARTIAL`."""
    limit_lots: float = 0.0
    """SYMBOL_VOLUME_LIMIT: on one side, orders included; 0: none."""
    swap_long_points: float = 0.0
    swap_short_points: float = 0.0
    commission_per_lot: float = 0.0
    """Deposit currency, for each deal; positive costs."""

    @property
    def name(self) -> str:
        return self.instrument.symbol

    def spec_report(self) -> SpecReport:
        """SYMBOL_* as a terminal reports it."""
        instrument = self.instrument
        tick_size = instrument.tick_size or instrument.point
        return SpecReport(
            name=instrument.symbol,
            digits=instrument.digits,
            trade_contract_size=instrument.contract_size,
            trade_calc_mode=CALC_MODES[instrument.calc_mode],
            currency_base=instrument.base_currency,
            currency_profit=instrument.profit_currency,
            currency_margin=instrument.margin_currency or "",
            trade_tick_size=tick_size,
            trade_tick_value=instrument.tick_value or instrument.contract_size * tick_size,
            volume_min=instrument.volume_min,
            volume_max=instrument.volume_max,
            volume_step=instrument.volume_step,
            filling_mode=self.filling_mode,
            trade_mode=self.trade_mode,
            trade_stops_level=self.stops_level,
        )


class ServerMarket:
    """What the server trades, and at which prices."""

    def __init__(self, symbols: Iterable[Symbol], gmt_offset_s: int = 7200) -> None:
        """`gmt_offset_s`: the server's wall clock minus UTC; records carry that wall clock."""
        self.symbols: dict[str, Symbol] = {symbol.name: symbol for symbol in symbols}
        self.quotes: dict[str, Quote] = {}
        self.gmt_offset_s = gmt_offset_s
        self._markets: dict[str, Market] = {}
        self._groups: dict[float, ServerMarket] = {}

    def put(self, symbol: str, quote: Quote) -> None:
        """A tick, for every group at its prices."""
        self.quotes[symbol] = quote
        for markup_points, group in self._groups.items():
            group.quotes[symbol] = self._marked_up(symbol, quote, markup_points)

    def group(self, markup_points: float) -> "ServerMarket":
        """The same market at the prices of a group: so many points worse on either side."""
        if not markup_points:
            return self
        group = self._groups.get(markup_points)
        if group is None:
            group = self._groups[markup_points] = ServerMarket((), self.gmt_offset_s)
            group.symbols, group._markets = self.symbols, self._markets
            for symbol, quote in self.quotes.items():
                group.quotes[symbol] = self._marked_up(symbol, quote, markup_points)
        return group

    def _marked_up(self, symbol: str, quote: Quote, markup_points: float) -> Quote:
        instrument = self.symbols[symbol].instrument
        more = markup_points * instrument.point
        bid, ask = round(quote.bid - more, instrument.digits), quote.ask + more
        return Quote(bid, round(ask, instrument.digits), quote.time_msc)

    def change(self, symbol: Symbol) -> None:
        """New terms of a symbol, or a new symbol: they hold from the next request and quote on."""
        self.symbols[symbol.name] = symbol
        self._markets.clear()

    def seen_by(self, deposit: str) -> Market:
        """The same instruments as accounts in this currency value them."""
        market = self._markets.get(deposit)
        if market is None:
            market = market_of((s.instrument for s in self.symbols.values()), deposit)
            self._markets[deposit] = market
        return market

    def is_open(self, symbol: str, utc_msc: int) -> bool:
        """Whether the symbol trades then."""
        return is_open(self.symbols[symbol].instrument.sessions, utc_msc)

    def server_msc(self, utc_msc: int) -> int:
        """The server's wall clock at a time, written as if UTC, as MT5 does."""
        return utc_msc + self.gmt_offset_s * 1000
