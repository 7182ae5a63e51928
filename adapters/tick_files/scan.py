"""Rows of text to columns of numbers, compiled: one strict scanner for every text format.

It agrees with `plain.parse_line` on every line (a property test holds them together). A row whose
number it cannot round for certain (exponents, more than 18 digits, a tie) it hands back, and the
plain twin reads that one.
"""

import numpy as np

from adapters.tick_files.fields import (
    BAD,
    GOOD,
    UNSURE,
    Bytes,
    clock_msc,
    day_msc,
    milliseconds_at,
    number_at,
)
from adapters.tick_files.layout import (
    ASK,
    BID,
    CLOCK,
    DATE,
    LABEL,
    NUMBER_OR_BLANK,
    STAMP_SPACED,
    TIME_MSC,
)
from engine.marking.compiling import compiled
from engine.marking.ticks import Floats, Int64s


@compiled
def _row(
    data: Bytes,
    start: int,
    stop: int,
    roles: Int64s,
    separator: int,
    decimal: int,
    label: Bytes,
    limit_msc: int,
    carried: Floats,
) -> tuple[int, int, float, float]:
    """Status, milliseconds, bid and ask of the row between `start` and `stop`.

    A blank price is the one in `carried` (NaN: there is none).
    """
    msc = 0
    bid = carried[0]
    ask = carried[1]
    status = GOOD
    left = start
    for column in range(len(roles)):
        if left > stop:
            return BAD, 0, bid, ask
        right = left
        while right < stop and data[right] != separator:
            right += 1
        role = roles[column]
        if role in (BID, ASK, NUMBER_OR_BLANK):
            if right > left:
                value, sure = number_at(data, left, right, decimal)
                if sure == BAD:
                    return BAD, 0, bid, ask
                status = max(status, sure)
                if role == BID:
                    bid = value
                elif role == ASK:
                    ask = value
        elif role != 0:
            part = -1
            if role == TIME_MSC:
                part = milliseconds_at(data, left, right)
                if part >= limit_msc:
                    part = -1
            elif role == DATE:
                mark = data[left + 4] if right - left == 10 else 0
                if (mark == 46 or mark == 45 or mark == 47) and data[left + 7] == mark:
                    part = day_msc(data, left, 1)
            elif role == CLOCK:
                part = clock_msc(data, left, right, 1)
            elif role == LABEL:
                part = 0 if right - left == len(label) else -1
                for i in range(len(label)):
                    if part == 0 and data[left + i] != label[i]:
                        part = -1
            elif right - left > 9 and data[left + 8] == 32:
                part = day_msc(data, left, 0)
                gap = 1 if role == STAMP_SPACED else 0
                clock = clock_msc(data, left + 9, right, gap)
                part = part + clock if part >= 0 and clock >= 0 else -1
            if part < 0:
                return BAD, 0, bid, ask
            msc += part
        left = right + 1
    if left <= stop or np.isnan(bid) or np.isnan(ask):
        return BAD, 0, bid, ask
    return status, msc, bid, ask


@compiled
def scan(
    data: Bytes,
    position: int,
    row: int,
    roles: Int64s,
    separator: int,
    decimal: int,
    label: Bytes,
    base_msc: int,
    limit_msc: int,
    carried: Floats,
    carries: bool,
    time_msc: Int64s,
    bid: Floats,
    ask: Floats,
    malformed: Bytes,
    begins: Int64s,
) -> tuple[int, int, int]:
    """Read rows from `position` into the columns from `row` on: (row, position, status) reached.

    Status UNSURE: the row at `begins[row]` is for the plain twin to read; `position` is behind it.
    `carried` is what a blank price means: the last bid and ask if `carries`, else NaN.
    Otherwise it stopped because the data or the room in the columns ended. Blank lines are no rows.
    """
    size = len(data)
    while position < size and row < len(time_msc):
        start = position
        while position < size and data[position] != 10:
            position += 1
        stop = position
        position += 1
        while stop > start and data[stop - 1] == 13:
            stop -= 1
        inked = start
        while inked < stop and (data[inked] == 32 or data[inked] == 9 or data[inked] == 13):
            inked += 1
        if inked == stop:
            continue
        status, msc, bid[row], ask[row] = _row(
            data, start, stop, roles, separator, decimal, label, limit_msc, carried
        )
        begins[row] = start
        if status == UNSURE:
            return row, position, UNSURE
        time_msc[row] = msc + base_msc
        malformed[row] = status
        if carries and status == GOOD:
            carried[0] = bid[row]
            carried[1] = ask[row]
        row += 1
    return row, position, GOOD
