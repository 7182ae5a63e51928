"""Numbers and times as a person reads them: digits, signs, groups, and what is not known.

Groups are parted by a thin no-break space, the point is the decimal sign, minus is U+2212, and what
is unknown is a dash, never 0. Machine output does not come from here.
"""

from datetime import UTC, datetime
from itertools import pairwise
from math import floor, isfinite

GROUP = "\u202f"
MINUS = "\u2212"
SPACE = "\u00a0"
UNKNOWN = "—"

_SHORT_FROM = 1_000_000


def money(amount: float | None, digits: int, *, signed: bool = False) -> str:
    """An amount with the currency's digits; `signed` writes the plus of a change or a profit."""
    if amount is None or not isfinite(amount):
        return UNKNOWN
    text = f"{abs(amount):,.{digits}f}".replace(",", GROUP)
    if float(f"{amount:.{digits}f}") == 0:
        return text
    return (MINUS if amount < 0 else "+" if signed else "") + text


def short_money(amount: float | None, digits: int) -> str:
    """An amount for a tile: from a million on, three figures and an M."""
    if amount is None or not isfinite(amount) or abs(amount) < _SHORT_FROM:
        return money(amount, digits)
    text = f"{floor(abs(amount) / 10_000) / 100:,.2f}".replace(",", GROUP)
    return f"{MINUS if amount < 0 else ''}{text}{SPACE}M"


def count(number: int | None) -> str:
    """A whole number with its groups."""
    return UNKNOWN if number is None else money(float(number), 0)


def percent(value: float | None, *, breached: bool = False) -> str:
    """A percentage with one digit, two below 1 %; under 100 it is never rounded up to 100.

    `breached` says that the limit is crossed, and rounding to 100 therefore misleads nobody.
    """
    if value is None or not isfinite(value):
        return UNKNOWN
    if value == 0:
        return f"0{SPACE}%"
    digits = 2 if abs(value) < 1 else 1
    text = f"{abs(value):,.{digits}f}"
    if not breached and abs(value) < 100 <= float(text.replace(",", "")):
        text = "99.9"
    elif digits == 2 and float(text) >= 1:
        text = "1.0"
    sign = MINUS if value < 0 and float(text.replace(",", "")) else ""
    return f"{sign}{text.replace(',', GROUP)}{SPACE}%"


def price(value: float, digits: int | None) -> str:
    """A price with its symbol's digits, ungrouped; as it is where the symbol is not known."""
    return repr(value) if digits is None else f"{value:.{digits}f}"


def lots(volume_lots: float, step: float = 0.01) -> str:
    """A volume with the digits of the volume step, and more where it is not a whole step."""
    digits = 0
    while digits < 8 and not (_is_whole(step * 10**digits) and _is_whole(volume_lots * 10**digits)):
        digits += 1
    return f"{volume_lots:.{digits}f}"


def _is_whole(number: float) -> bool:
    return abs(number - round(number)) <= 1e-6


def duration(milliseconds: float) -> str:
    """A length of time in its one or two largest units: `153 ms`, `12.4 s`, `4 min 12 s`, `3 h`."""
    if milliseconds < 1000:
        return f"{round(milliseconds)}{SPACE}ms"
    seconds = floor(milliseconds / 1000)
    if milliseconds < 60_000:
        tenths = floor(milliseconds / 100) / 10
        return f"{seconds if tenths == seconds else tenths}{SPACE}s"
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for (size, name), (lower, lower_name) in pairwise(units):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            below = f" {rest // lower}{SPACE}{lower_name}" if rest // lower else ""
            return f"{whole}{SPACE}{name}{below}"
    raise AssertionError("a minute or more has a unit")


def moment(time_msc: int) -> datetime:
    """UTC milliseconds as an aware datetime."""
    return datetime.fromtimestamp(time_msc // 1000, UTC).replace(microsecond=time_msc % 1000 * 1000)


def day(time_msc: int) -> str:
    """The UTC day: `2014-05-02`."""
    return moment(time_msc).strftime("%Y-%m-%d")


def clock(time_msc: int) -> str:
    """The UTC time of day: `12:30:01.690Z`."""
    return moment(time_msc).strftime("%H:%M:%S.") + f"{time_msc % 1000:03d}Z"


def instant(time_msc: int) -> str:
    """RFC 3339 with milliseconds."""
    return f"{day(time_msc)}T{clock(time_msc)}"


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 account`, `2 accounts`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"
