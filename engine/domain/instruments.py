"""What a symbol is: how its profit and margin are computed.

Names follow SYMBOL_CALC_MODE and the symbol properties of the MQL5 Reference.
"""

from enum import Enum

import msgspec


class CalcMode(Enum):
    """SYMBOL_CALC_MODE. Bonds, options and collateral are not built and are refused at load."""

    FOREX = "forex"
    FOREX_NO_LEVERAGE = "forex_no_leverage"
    CFD = "cfd"
    CFD_LEVERAGE = "cfd_leverage"
    CFD_INDEX = "cfd_index"
    STOCK = "stock"
    FUTURES = "futures"


FX_MODES = frozenset({CalcMode.FOREX, CalcMode.FOREX_NO_LEVERAGE})


class ConversionRule(Enum):
    """Which side of the conversion pair turns an FX instrument's profit into the deposit currency.

    The client API hides which of the two a broker uses, so it is switchable per instrument.
    """

    BY_DEAL = "by_deal"
    """A buy's close uses ask, a sell's close uses bid, whatever the sign."""
    BY_MARKET = "by_market"
    """Bid for a profit, ask for a loss."""


class SessionSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One tradable span of a week; days are 0 = Monday ... 6 = Sunday, minutes of the local day."""

    open_day: int
    open_minute: int
    close_day: int
    close_minute: int


class Sessions(msgspec.Struct, frozen=True, kw_only=True):
    """When a symbol trades, in the wall clock of an IANA zone."""

    zone: str = "America/New_York"
    spans: tuple[SessionSpan, ...] = (
        SessionSpan(open_day=6, open_minute=17 * 60, close_day=4, close_minute=17 * 60),
    )
    """Default: Sunday 17:00 to Friday 17:00 New York, the FX week."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol's specification. Prices and lots are doubles, as in MT5."""

    symbol: str
    calc_mode: CalcMode
    digits: int
    """Decimals of the price; a point is 10 ** -digits."""
    contract_size: float
    base_currency: str
    profit_currency: str
    tick_size: float | None = None
    tick_value: float | None = None
    """In the profit currency; futures and CFD indices need both."""
    pip_size: float | None = None
    margin_currency: str | None = None
    """Default: the base currency for FX, else the profit currency."""
    margin_initial: float = 0.0
    margin_hedged: float | None = None
    """SYMBOL_MARGIN_HEDGED: contract size of covered volume; default the contract size."""
    hedged_use_leg: bool = False
    """SYMBOL_MARGIN_HEDGED_USE_LEG: margin by the larger leg."""
    margin_rate_buy: float = 1.0
    margin_rate_sell: float = 1.0
    conversion: ConversionRule = ConversionRule.BY_DEAL
    volume_min: float = 0.01
    volume_max: float = 1000.0
    volume_step: float = 0.01
    sessions: Sessions = Sessions()

    @property
    def is_fx(self) -> bool:
        """Whether the symbol is a currency pair, and so may convert one currency into another."""
        return self.calc_mode in FX_MODES

    @property
    def point(self) -> float:
        """The smallest price step the digits can show."""
        return 10.0**-self.digits

    @property
    def units_per_lot(self) -> float:
        """Profit currency per 1.0 of price and lot.

        The contract size, or tick value / tick size where the mode has those.
        """
        if self.calc_mode is CalcMode.FUTURES:
            assert self.tick_value is not None
            assert self.tick_size is not None
            return self.tick_value / self.tick_size
        return self.contract_size

    @property
    def postfix(self) -> str:
        """What a broker hangs on the plain name: `.m` of `EURUSD.m`, `-pro` of `US30-pro`."""
        plain = self.base_currency + self.profit_currency
        if self.symbol.upper().startswith(plain.upper()):
            return self.symbol[len(plain) :]
        for place, letter in enumerate(self.symbol):
            if not letter.isalnum():
                return self.symbol[place:]
        return ""


CALC_MODE_NUMBERS = {
    CalcMode.FOREX: 0,
    CalcMode.FUTURES: 1,
    CalcMode.CFD: 2,
    CalcMode.CFD_INDEX: 3,
    CalcMode.CFD_LEVERAGE: 4,
    CalcMode.FOREX_NO_LEVERAGE: 5,
    CalcMode.STOCK: 32,
}
"""SYMBOL_CALC_MODE; exchange futures are 33, and reckon as futures do."""
