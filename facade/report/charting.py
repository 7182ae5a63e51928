"""What the page's script draws: an account's envelope, and every tick around a breach.

Heights are whole numbers of `grain` minor units (1, unless the sums are too large for a double to
hold), those of the envelope of `unit`: the least step with which it keeps to its bytes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.domain import records
from engine.equity_envelope import Band, Envelope
from engine.equity_ticks import EquityTicks
from engine.marking.ticks import Floats, Int64s
from facade.report.numbers import SPACE
from facade.report.packing import Ints, pack, steps
from facade.report.story import Breach, Story

Payload = dict[str, Any]
Polls = Sequence[dict[str, Any]]
"""What pollers of each period would have seen of one breach: `summary["compare_poll"]`."""

MARKS_MOST = 80
RESETS_MOST = 60
STEPS_FREE = 250
"""Changes of a step line that are kept whatever their size."""
PIXELS_HIGH = 500
BEFORE_MSC = 20_000
AFTER_MSC = 8_000
TICKS_BEFORE = 360
TICKS_AFTER = 140
SLICES_AFTER = 120
TICKS_LEAST = 12
POLL_MSC = 60_000
"""How far a pane goes on to show when a poller saw the breach."""
EXACT_MOST = 2**51
"""Whole numbers that both sides hold exactly, sums included."""
_UNITS = [1, 2, 5]


def equity_chart(story: Story, envelope: Envelope, bytes_most: int) -> Payload:
    """One account over the whole replay, its envelope in at most about `bytes_most` if it can be.

    The account was valued at least once.
    """
    known = ~np.isnan(envelope.mark.last)
    first = int(np.argmax(known))
    mark = Band(*(side[first:] for side in (envelope.mark.low, envelope.mark.high,
                                            envelope.mark.last)))  # fmt: skip
    floors = {name: band.last for name, band in envelope.floors.items()}
    lines = [envelope.high_water.last, envelope.balance.last, *floors.values()]
    scale = 10.0**story.digits
    grain = _grain([mark.low, mark.high, *(line[first:] for line in lines)], scale)
    span = float(np.max(mark.high) - np.min(mark.low)) * scale / grain
    chart: Payload = {
        "from": envelope.from_msc,
        "to": max(envelope.to_msc, envelope.from_msc + 1),
        "bins": envelope.bins,
        "first": first,
        "known_from": envelope.start_msc(first),
        "digits": story.digits,
        "high_water": _stepped(envelope.high_water.last, first, scale / grain, span),
        "balance": _stepped(envelope.balance.last, first, scale / grain, span),
        "floors": [
            {"name": name, "steps": _stepped(line, first, scale / grain, span)}
            for name, line in floors.items()
        ],
        "marks": _marks(story, envelope),
        "resets": _resets(story),
        "grain": grain,
    }
    return chart | _banded(mark, scale, grain, bytes_most)


def _grain(columns: Sequence[Floats], scale: float) -> int:
    most = max(float(np.nanmax(np.abs(column))) for column in columns) * scale
    grain = 1
    while most / grain > EXACT_MOST:
        grain *= 10
    return grain


def _banded(mark: Band, scale: float, grain: int, bytes_most: int) -> Payload:
    """Lowest, highest and last in the smallest unit that keeps to the bytes."""
    for power in range(16):
        for digit in _UNITS:
            unit = grain * digit * 10**power
            last, low, high = (
                np.rint(side * (scale / unit)).astype(np.int64)
                for side in (mark.last, mark.low, mark.high)
            )
            packed = {
                "last": pack(last),
                "low": pack(np.maximum(last - low, 0)),
                "high": pack(np.maximum(high - last, 0)),
                "unit": unit,
            }
            size = sum(len(packed[name]) for name in ("last", "low", "high"))
            if size <= max(bytes_most, 4 * len(last) + 24):
                return packed
    raise AssertionError("a byte a number is always enough")


def _stepped(line: Floats, first: int, scale: float, span: float) -> list[str]:
    """A line that changes now and then; changes too small to see go when there are many."""
    heights = np.rint(line[first:] * scale).astype(np.int64)
    places, values = steps(heights.tolist())
    if len(places) > STEPS_FREE:
        places, values = _thinned(places, values, span / PIXELS_HIGH)
    return [pack([first + place for place in places]), pack(values)]


def _thinned(places: list[int], values: list[int], least: float) -> tuple[list[int], list[int]]:
    kept = [0]
    for number in range(1, len(places)):
        if abs(values[number] - values[kept[-1]]) >= least or number == len(places) - 1:
            kept.append(number)
    return [places[number] for number in kept], [values[number] for number in kept]


def _marks(story: Story, envelope: Envelope) -> list[list[Any]]:
    """Time, kind and height of what is marked; those of one kind in one bin are one.

    Breaches are kept before closes, closes before warnings, where there are too many.
    """
    kinds: tuple[tuple[str, list[tuple[int, float | None]]], ...] = (
        ("breach", [(b.verdict.time_msc, _height(b.verdict)) for b in story.breaches]),
        ("operation", [(r.time_msc, r.balance) for r in story.told
                       if isinstance(r, records.BalanceChanged)]),
        ("close", [(close.time_msc, None) for close in story.closes]),
        ("warning", [(warning.time_msc, _height(warning)) for warning in story.warnings]),
    )  # fmt: skip
    width = max(envelope.to_msc - envelope.from_msc + 1, 1) / envelope.bins
    found: list[list[Any]] = []
    for kind, moments in kinds:
        bins: set[int] = set()
        for time_msc, height in moments:
            number = min(int((time_msc - envelope.from_msc) / width), envelope.bins - 1)
            if number not in bins and len(found) < MARKS_MOST:
                bins.add(number)
                there = envelope.mark.last[number] if height is None else height
                if not np.isnan(there):
                    found.append([time_msc, kind, round(float(there), story.digits)])
    return found[::-1]  # the gravest is drawn last, on top


def _height(record: records.Record) -> float | None:
    """Equity of a verdict; None where it has none."""
    return getattr(record, "equity", None)


def _resets(story: Story) -> list[int]:
    times = sorted({r.time_msc for r in story.told if isinstance(r, records.DayReset)})
    return times if len(times) <= RESETS_MOST else []


def pane_spans(breach: Breach, polls: Polls) -> list[tuple[int, int]]:
    """Times around a breach to take ticks from, the narrowest first; some may hold too few."""
    at = breach.verdict.time_msc
    closed = breach.closes[-1].time_msc - at if breach.closes else 0
    until = at + _view_end(max(AFTER_MSC, min(closed + AFTER_MSC // 4, POLL_MSC)), polls)
    return [(at - BEFORE_MSC * times, until) for times in (1, 15, 180)]


def enough(ticks: EquityTicks | None, breach: Breach) -> bool:
    """Whether a pane of these ticks shows how it came."""
    if ticks is None:
        return False
    return int(np.searchsorted(ticks.time_msc, breach.verdict.time_msc)) >= TICKS_LEAST


def pane(story: Story, breach: Breach, ticks: EquityTicks, polls: Polls) -> Payload:
    """Every tick around one breach of an equity limit, on the exact equity that decided.

    After the breach only ticks that change equity or floor are kept: an account that was closed
    stays flat, and its line is to reach as far as the pollers need it.
    """
    verdict = breach.verdict
    assert isinstance(verdict, records.GuardBreach), "only an equity limit has a floor to draw"
    at = verdict.time_msc
    decided = _place(ticks, breach)
    start = max(0, decided - TICKS_BEFORE)
    part = ticks.part(start, len(ticks))
    decided -= start
    limit = next(limit for limit in part.limits if limit.guard == verdict.guard)
    values, floors = _whole(limit.measured_minor), _whole(limit.floor_minor)
    worth = verdict.balance if verdict.measured == "balance" else verdict.equity
    # The columns stand after what the tick decided: the deciding height is the verdict's own.
    if isinstance(verdict.tick, records.Tick):
        values[decided] = round(min(max(worth * 10.0**story.digits, -EXACT_MOST), EXACT_MOST))
    kept, thinned = _told_places(part.time_msc, values, floors, decided)
    times = (part.time_msc[kept] - at).astype(np.int64)
    places, heights = steps(floors[kept].tolist())
    warning = breach.warning
    return {
        "at": at,
        "guard": verdict.guard,
        "digits": story.digits,
        "count": len(kept),
        "times": pack(times),
        "values": pack(values[kept]),
        "floor": [pack(places), pack(heights)],
        "decided": worth,
        "warned": [[warning.time_msc - at, warning.equity]]
        if isinstance(warning, records.GuardWarning)
        else [],
        "closed": [
            [time - at, _standing(part, time, story.digits)]
            for time in sorted({close.time_msc for close in breach.closes})
            if part.time_msc[0] <= time <= part.time_msc[-1]
        ],
        "polls": [
            [
                f"{period_in_words(poll['period'])} poll",
                poll["late_median_ms"],
                poll["equity_median"],
            ]
            for poll in polls
            if poll["late_median_ms"] is not None
        ],
        "thinned": thinned,
        "near": _near(breach),
        "view": [int(times[0]), _view_end(int(times[-1]), polls)],
    }


def _told_places(times: Int64s, values: Ints, floors: Ints, decided: int) -> tuple[list[int], bool]:
    """Ticks to show, and whether some are left out that change something.

    All up to the breach and the next few; then those on which equity or floor changes; and when
    those are too many, the lowest and highest of each slice of the time that is left.
    """
    told = list(range(min(decided + TICKS_LEAST, len(values))))
    changed = (np.diff(values) != 0) | (np.diff(floors) != 0)
    later = np.flatnonzero(changed) + 1
    later = later[later >= len(told)]
    exact, rest = later[:TICKS_AFTER], later[TICKS_AFTER:]
    told += exact.tolist()
    if len(rest):
        slices = (times[rest] - times[rest[0]]) * SLICES_AFTER // (times[-1] - times[rest[0]] + 1)
        for part in np.split(rest, np.flatnonzero(np.diff(slices)) + 1):
            ends = {part[0], part[np.argmin(values[part])], part[np.argmax(values[part])], part[-1]}
            told += sorted(int(place) for place in ends)
    if told[-1] != len(values) - 1:
        told.append(len(values) - 1)
    return told, bool(len(rest))


def _near(breach: Breach) -> list[int]:
    """The stretch in which the warning and the breach can be told apart."""
    between = breach.between_msc or 0
    around = min(max(between, 400), 30_000)
    return [-around * 2, around]


def period_in_words(period: str) -> str:
    """`10s` as `10 s`."""
    digits = period.rstrip("hms")
    return f"{digits}{SPACE}{ {'m': 'min'}.get(unit := period[len(digits) :], unit) }"


def _view_end(last: int, polls: Polls) -> int:
    seen = [poll["late_median_ms"] for poll in polls if poll["late_median_ms"] is not None]
    ends: list[int] = [int(late) * 11 // 10 for late in seen]
    return max(last, 1, *(end for end in ends if end <= POLL_MSC))


def _place(ticks: EquityTicks, breach: Breach) -> int:
    """Where the deciding tick is among the ticks; the first at or past its time without one."""
    tick = breach.verdict.tick
    if isinstance(tick, records.Tick):
        return max(0, min(tick.index - ticks.first_index, len(ticks) - 1))
    return min(int(np.searchsorted(ticks.time_msc, breach.verdict.time_msc)), len(ticks) - 1)


def _standing(ticks: EquityTicks, time_msc: int, digits: int) -> float:
    """Equity as of a time among the ticks."""
    place = int(np.searchsorted(ticks.time_msc, time_msc, side="right")) - 1
    return float(ticks.equity_minor[max(place, 0)]) / 10.0**digits


def _whole(column: Floats) -> Ints:
    return np.rint(np.clip(column, -EXACT_MOST, EXACT_MOST)).astype(np.int64)
