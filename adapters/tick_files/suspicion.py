"""Signs that a file's times are some broker's wall clock and not UTC."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

import msgspec
import numpy as np

from adapters.tick_files.mt5_capture import CapturedTick, Item, reason
from adapters.tick_files.sessions import FRIDAY, closing_s
from engine.marking.ticks import Int64s

HOUR_MSC = 3_600_000
WEEKEND_MSC = (30 * HOUR_MSC, 76 * HOUR_MSC)
"""A gap that long may be a weekend."""
STEP_MSC = HOUR_MSC // 2
"""Clocks are apart by whole half hours; the rest is how quiet the market or slow the line was."""


class Suspicion(msgspec.Struct, frozen=True):
    """One sign."""

    ahead_hours: float
    """By how much the file's times seem to be ahead of UTC."""
    evidence: str
    """What was seen, for a person."""
    advice: str


def by_collection(ticks: Sequence[Item]) -> Iterable[Suspicion]:
    """Whether a capture's `time_msc` is hours apart from its own `collected_msc` (which is UTC)."""
    apart = [
        tick.time_msc - tick.collected_msc
        for tick in ticks
        if isinstance(tick, CapturedTick)
        and not reason(tick)
        and type(tick.collected_msc) in (int, float)
        and tick.collected_msc > 0
    ]
    if not apart:
        return
    middle = median(apart)
    ahead = round(middle / STEP_MSC) * STEP_MSC / HOUR_MSC
    if ahead:
        evidence = (
            f"time_msc is {middle / 1000.0:.1f} s ahead of the capturing machine's collected_msc"
        )
        yield Suspicion(ahead, evidence, _advice(ahead))


def by_weekends(times: Int64s) -> Iterable[Suspicion]:
    """Whether weekends do not begin on Friday and end on Sunday at 17:00 New York.

    Both ends must be off to the same side, since a symbol may close early or open late. Only what
    trades in FX hours has weekends at all.
    """
    lengths = np.diff(times)
    low, high = WEEKEND_MSC
    shifts: dict[float, int] = {}
    for i in np.flatnonzero((lengths >= low) & (lengths <= high)).tolist():
        close = _shift(int(times[i]), FRIDAY)
        opening = _shift(int(times[i + 1]), FRIDAY + 2)
        if close * opening > 0:
            nearer = min(close, opening, key=abs)
            shifts[nearer] = shifts.get(nearer, 0) + 1
    for ahead, weekends in sorted(shifts.items()):
        evidence = (
            f"{weekends} weekend{'s' if weekends > 1 else ''} begin and end {abs(ahead):g} h "
            f"{'after' if ahead > 0 else 'before'} 17:00 New York"
        )
        yield Suspicion(ahead, evidence, _advice(ahead))


def _shift(msc: int, weekday: int) -> float:
    """Hours from the nearest 17:00 New York of that weekday to `msc`, by half hours."""
    day = datetime.fromtimestamp(msc // 1000, UTC).date()
    near = [day + timedelta(days=n) for n in range(-3, 4)]
    closes = [closing_s(d) * 1000 for d in near if d.weekday() == weekday]
    nearest = min(closes, key=lambda close: abs(close - msc))
    return round((msc - nearest) / STEP_MSC) * STEP_MSC / HOUR_MSC


def _advice(ahead: float) -> str:
    if ahead in (2.0, 3.0):
        return "many servers keep New York + 7 h (+2 in winter, +3 in summer): try Europe/Athens"
    if ahead == int(ahead) and abs(ahead) <= 12:
        return f"if that holds for the whole file: --zone SYMBOL=Etc/GMT{-int(ahead):+d}"
    return "find out the server's zone and give it with --zone"
