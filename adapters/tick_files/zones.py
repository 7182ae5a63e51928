"""Wall clock of a zone to UTC, for whole columns."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from engine.errors import UserError
from engine.marking.ticks import Int64s

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_S = 86_400

ToUtc = Callable[[Int64s], Int64s]


def to_utc(zone: str) -> ToUtc:
    """What turns wall-clock ms of `zone` (an IANA name) into UTC ms.

    A wall time that occurs twice is the first; one that does not exist takes the offset before the
    change. The work is a look-up among the zone's changes, found once a year of data. Raises
    UserError for a zone nobody knows.
    """
    if zone == "UTC":
        return _unchanged
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UserError(
            f"unknown zone `{zone}`", help="an IANA name is wanted, such as Europe/Athens"
        ) from error

    def convert(wall_msc: Int64s) -> Int64s:
        if not len(wall_msc):
            return wall_msc
        low, high = int(wall_msc.min()), int(wall_msc.max())
        edges, offsets = _changes(zone, _year(low), _year(high))
        spans = np.searchsorted(edges, [low, high], side="right")
        if spans[0] == spans[1]:
            moved: Int64s = wall_msc - offsets[spans[0]]
        else:
            moved = wall_msc - offsets[np.searchsorted(edges, wall_msc, side="right")]
        return moved

    return convert


def offset_msc(zone: str, utc_s: int) -> int:
    """How far the wall clock of `zone` is ahead of UTC at this UTC second, in ms."""
    offset = (EPOCH + timedelta(seconds=utc_s)).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None, "an aware time has an offset"
    return offset // timedelta(milliseconds=1)


def _unchanged(wall_msc: Int64s) -> Int64s:
    return wall_msc


def _year(msc: int) -> int:
    return (EPOCH + timedelta(milliseconds=msc)).year


@lru_cache(maxsize=64)
def _changes(zone: str, first_year: int, last_year: int) -> tuple[Int64s, Int64s]:
    """Wall times from which a new offset holds, and the offsets before, between and after them.

    A change at UTC instant t from offset a to b takes hold at wall time t + max(a, b): in an
    overlap the earlier reading (a) wins up to its end, in a gap a holds up to the gap's end.
    """
    start = int(datetime(max(first_year - 1, 1), 12, 1, tzinfo=UTC).timestamp())
    stop = int(datetime(last_year + 1, 2, 1, tzinfo=UTC).timestamp())
    before = offset_msc(zone, start)
    edges: list[int] = []
    offsets = [before]
    for end in range(start + DAY_S, stop, DAY_S):
        after = offset_msc(zone, end)
        if after != before:
            change = _bisect(zone, end - DAY_S, end)
            edges.append(change * 1000 + max(before, after))
            offsets.append(after)
            before = after
    return np.array(edges, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _bisect(zone: str, low_s: int, high_s: int) -> int:
    """The first UTC second after `low_s` at which the offset is that of `high_s`."""
    after = offset_msc(zone, high_s)
    while high_s - low_s > 1:
        middle = (low_s + high_s) // 2
        if offset_msc(zone, middle) == after:
            high_s = middle
        else:
            low_s = middle
    return high_s
