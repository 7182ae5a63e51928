"""Money as integers of minor units, and the one way MT5 rounds.

Rounding N(x, d) is half away from zero in double precision: sign(x) * floor(|x| * 10^d + 0.5).
Python's `round` is half to even and corrects for representation: never use it for money.
"""

from math import floor

# Currencies whose minor unit is not a hundredth (ISO 4217, and what MT5 servers use for coins).
_DIGITS = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "VND": 0,
    "ISK": 0,
    "BHD": 3,
    "KWD": 3,
    "OMR": 3,
    "JOD": 3,
    "TND": 3,
    "BTC": 8,
    "ETH": 8,
    "XBT": 8,
}

_SCALES: tuple[float, ...] = tuple(float(10**digits) for digits in range(16))

TIE_GUARD = 1e-6
"""Of a minor unit: added to a mark before flooring, so that a sum's order cannot flip a tie."""


def currency_digits(currency: str) -> int:
    """Decimal digits of a currency's minor unit: 2 unless known to be otherwise."""
    return _DIGITS.get(currency.upper(), 2)


def minor(amount: float, digits: int) -> int:
    """N(amount, digits) in minor units. `amount` must be finite."""
    scaled = floor(abs(amount) * _SCALES[digits] + 0.5)
    return -scaled if amount < 0 else scaled


def minor_of_mark(amount: float, digits: int) -> int:
    """A mark (a double summed in no fixed order) in minor units, ties guarded."""
    scaled = floor(abs(amount) * _SCALES[digits] + 0.5 + TIE_GUARD)
    return -scaled if amount < 0 else scaled


def major(amount_minor: int, digits: int) -> float:
    """Minor units as a decimal number with the currency's digits."""
    return amount_minor / _SCALES[digits]


def percent(value: float) -> float:
    """A percentage as published: four decimals."""
    return floor(abs(value) * 10**4 + 0.5) / 10**4 * (1 if value >= 0 else -1)
