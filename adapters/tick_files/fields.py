"""Fields of text to numbers, compiled: what `scan` is made of."""

import numpy as np
import numpy.typing as npt

from adapters.tick_files.layout import DAY_MSC
from engine.marking.compiling import compiled

Bytes = npt.NDArray[np.uint8]

GOOD = 0
BAD = 1
UNSURE = 2

POWERS = np.array([10.0**n for n in range(23)])  # all exact in double precision
DIGITS_LIMIT = 10**17
EXACT_LIMIT = 2**53


@compiled
def digits_at(data: Bytes, start: int, stop: int) -> int:
    """The number written by the bytes from `start` up to `stop`, or -1 if one is no digit."""
    value = 0
    for i in range(start, stop):
        d = np.int64(data[i]) - 48
        if d < 0 or d > 9:
            return -1
        value = value * 10 + d  # type: ignore[assignment]
    return value


@compiled
def quotient(mantissa: int, places: int) -> tuple[float, int]:
    """`mantissa / 10**places`, rounded as `float()` rounds it, and whether that is certain.

    Beyond 2**53 the mantissa is no double, so the division is done in two parts (Dekker's exact
    product gives the remainder) and believed only if an error of 2**-50 of the small part could
    not change the rounding.
    """
    power = POWERS[places]
    if mantissa < EXACT_LIMIT:
        return mantissa / power, GOOD
    high = float(mantissa)
    low = float(mantissa - np.int64(high))
    first = high / power
    splitter = 134217729.0
    a = splitter * first
    a_high = a - (a - first)
    a_low = first - a_high
    b = splitter * power
    b_high = b - (b - power)
    b_low = power - b_high
    product = first * power
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    second = (((high - product) - error) + low) / power
    margin = abs(second) * 2.0**-50
    least = first + (second - margin)
    most = first + (second + margin)
    return least, GOOD if least == most else UNSURE


@compiled
def number_at(data: Bytes, start: int, stop: int, decimal: int) -> tuple[float, int]:
    """The decimal number between `start` and `stop`, and GOOD, BAD or UNSURE."""
    i = start
    negative = i < stop and data[i] == 45
    if negative:
        i += 1
    mantissa = 0
    places = 0
    seen = False
    after_point = False
    for j in range(i, stop):
        c = np.int64(data[j])
        d = c - 48
        if 0 <= d <= 9:
            if mantissa >= DIGITS_LIMIT:
                return 0.0, UNSURE
            mantissa = mantissa * 10 + d  # type: ignore[assignment]
            seen = True
            if after_point:
                places += 1
        elif (c == 46 or c == decimal) and not after_point:
            after_point = True
        elif c == 101 or c == 69:
            return 0.0, UNSURE
        else:
            return 0.0, BAD
    if not seen:
        return 0.0, BAD
    if places > 22:
        return 0.0, UNSURE
    value, status = quotient(mantissa, places)
    return (-value if negative else value), status


@compiled
def milliseconds_at(data: Bytes, start: int, stop: int) -> int:
    """Whole milliseconds of `808.0672`, or -1 if that is no such number."""
    point = start
    while point < stop and data[point] != 46:
        point += 1
    if point == start or point - start > 15 or stop - point > 18:
        return -1
    if digits_at(data, point + 1, stop) < 0:
        return -1
    return digits_at(data, start, point)


@compiled
def day_msc(data: Bytes, start: int, gap: int) -> int:
    """Midnight of the date at `start`, in ms since 1970, or -1; `gap` bytes between its parts.

    Days from the civil date by Howard Hinnant's `days_from_civil`.
    """
    year = digits_at(data, start, start + 4)
    month = digits_at(data, start + 4 + gap, start + 6 + gap)
    day = digits_at(data, start + 6 + 2 * gap, start + 8 + 2 * gap)
    if year < 1970 or year > 2099 or month < 1 or month > 12 or day < 1:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    length = 31
    if month == 2:
        length = 29 if leap else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        length = 30
    if day > length:
        return -1
    y = year - 1 if month <= 2 else year
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return days * DAY_MSC


@compiled
def clock_msc(data: Bytes, start: int, stop: int, gap: int) -> int:
    """Milliseconds since midnight of `15:00:00.017` (`gap` 1) or `150000017` (`gap` 0), or -1."""
    whole = start + 6 + 2 * gap
    if stop < whole:
        return -1
    hour = digits_at(data, start, start + 2)
    minute = digits_at(data, start + 2 + gap, start + 4 + gap)
    second = digits_at(data, start + 4 + 2 * gap, whole)
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1
    if gap == 1 and (data[start + 2] != 58 or data[start + 5] != 58):
        return -1
    fraction = 0
    if stop > whole or gap == 0:
        first = whole + gap
        if (gap == 1 and data[whole] != 46) or first >= stop or stop - first > 17:
            return -1
        if gap == 0 and stop - first != 3:
            return -1
        if digits_at(data, first, stop) < 0:
            return -1
        kept = min(stop - first, 3)
        fraction = digits_at(data, first, first + kept)
        for _ in range(kept, 3):
            fraction *= 10
    return ((hour * 60 + minute) * 60 + second) * 1000 + fraction
