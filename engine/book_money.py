"""Money as a book writes it."""

from decimal import Decimal

from engine.domain.units import currency_digits, major
from engine.toml_document import Spot

_LARGEST_MINOR = 2**53
"""Above this, doubles no longer tell minor units apart."""


def money_minor(amount: float, currency: str, spot: Spot) -> int:
    """Money as written, in minor units of `currency`.

    Raises:
        UserError: it has more decimals than the currency, or is too large to be exact.
    """
    digits = currency_digits(currency)
    scaled = Decimal(repr(amount)).scaleb(digits)
    if scaled != scaled.to_integral_value():
        allowed = f"{digits} decimals" if digits else "no decimals"
        raise spot.refusal(
            f"{amount!r} has more decimals than {currency}", f"{currency} has {allowed}"
        )
    if abs(scaled) > _LARGEST_MINOR:
        raise spot.refusal(f"{amount!r} {currency} is more than can be counted exactly")
    return int(scaled)


def money_text(amount_minor: int, currency: str) -> str:
    """Minor units as people read them: `95.00 USD`."""
    digits = currency_digits(currency)
    return f"{major(amount_minor, digits):.{digits}f} {currency}"
