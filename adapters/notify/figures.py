"""Numbers and times as alerts write them.

Groups are parted by a thin no-break space, minus is U+2212, and what is not known is a dash. Lines
are read on phones: lengths of time are short, and a whole percentage has no decimals.
"""

from datetime import UTC, datetime
from math import floor, isfinite

from engine.domain.units import currency_digits

UNKNOWN = "—"
_GROUP = "\u202f"
_MINUS = "\u2212"


def money(amount: float | None, currency: str, *, signed: bool = False) -> str:
    """An amount with the currency's digits; `signed` writes the plus of a profit."""
    if amount is None or not isfinite(amount):
        return UNKNOWN
    digits = currency_digits(currency)
    text = f"{abs(amount):,.{digits}f}".replace(",", _GROUP)
    if not any(digit in text for digit in "123456789"):
        return text
    return (_MINUS if amount < 0 else "+" if signed else "") + text


def percent(value: float | None) -> str:
    """A percentage, cut to one decimal: what is under 100 is never shown as 100."""
    if value is None or not isfinite(value):
        return UNKNOWN
    tenths = floor(abs(value) * 10 + 1e-9)
    whole, rest = divmod(tenths, 10)
    sign = _MINUS if value < 0 and tenths else ""
    return f"{sign}{whole}.{rest} %" if rest else f"{sign}{whole} %"


def lots(volume_lots: float) -> str:
    """A volume with two decimals, more where it has them."""
    text = f"{volume_lots:.8f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def number(value: float | None) -> str:
    """A measured value as it is, in few digits."""
    return UNKNOWN if value is None or not isfinite(value) else f"{value:g}"


def seconds(length_ms: int) -> str:
    """`0.41 s`, `12 s`: how long something took."""
    return f"{length_ms / 1000:.2f} s" if length_ms < 10_000 else age(length_ms)


def age(length_ms: int) -> str:
    """`0.2 s`, `12 s`, `4 min`, `9 h 29`, `3 d`: cut, not rounded."""
    whole_s = max(0, length_ms) // 1000
    if whole_s < 10:
        return f"{max(0, length_ms) // 100 / 10:g} s"
    if whole_s < 60:
        return f"{whole_s} s"
    if whole_s < 3600:
        return f"{whole_s // 60} min"
    hours, minutes = divmod(whole_s // 60, 60)
    if hours < 48:
        return f"{hours} h {minutes:02d}"
    return f"{hours // 24} d"


def clock(time_msc: int) -> str:
    """The UTC time of day: `12:30:01.690Z`."""
    moment = datetime.fromtimestamp(time_msc // 1000, UTC)
    return f"{moment:%H:%M:%S}.{time_msc % 1000:03d}Z"


def counted(count: int, one: str) -> str:
    """`1 position`, `3 positions`."""
    return f"{count} {one}{'' if count == 1 else 's'}"
