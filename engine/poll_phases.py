"""The phases a poller can have, and what those that saw a breach and those that missed it make.

A median or percentile is that of the nearest rank: the value of one of the phases, never between.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from engine.domain.records import GuardBreach
from engine.domain.units import percent


@dataclass(frozen=True, slots=True)
class PollComparison:
    """One breach, as pollers of one period would have seen it. Money in the account currency."""

    period: str
    """As asked for: `10s`."""
    server: str
    login: int
    guard: str
    verdict_id: str
    time_msc: int
    """When the engine saw it."""
    phases: int
    """One a millisecond of the period."""
    missed_percent: float
    """Of the phases: no poll saw it before the guard's reset or the end of the data."""
    late_min_ms: int | None
    """After the engine, over the phases that saw it; None: none did."""
    late_median_ms: int | None
    late_p95_ms: int | None
    late_max_ms: int | None
    equity: float
    """On which the engine decided."""
    equity_median: float | None
    """At the poll that saw it, over the phases that did."""
    equity_worst: float | None
    cost_median: float | None
    """The engine's equity less the poller's: what lateness lost, negative if it gained."""
    cost_worst: float | None


class Phases:
    """The phases of one period that have not seen a breach yet, and how the others saw it."""

    def __init__(self, period_ms: int, breach_msc: int) -> None:
        self.period_ms = period_ms
        self._breach_msc = breach_msc
        self._starts = [0]
        self._ends = [period_ms]
        self.runs: list[tuple[int, int, float]] = []
        """Phases in a row: lateness of the first in ms (the next is one later), how many, equity.
        No two phases are equally late, and the runs are by lateness."""

    @property
    def left(self) -> bool:
        """Whether any phase has not seen it."""
        return bool(self._starts)

    def see(self, from_msc: int, to_msc: int, equity: float) -> None:
        """Lets every poll from a time (inclusive) to a time (exclusive) see this equity."""
        length = min(to_msc - from_msc, self.period_ms)
        low = from_msc % self.period_ms
        high = low + length
        self._see(low, min(high, self.period_ms), from_msc, equity)
        if high > self.period_ms:
            self._see(0, high - self.period_ms, from_msc + self.period_ms - low, equity)

    def _see(self, low: int, high: int, low_msc: int, equity: float) -> None:
        """Takes the phases from `low` up to `high`, of which the first polls at `low_msc`."""
        begin = bisect_right(self._starts, low) - 1
        if begin < 0 or self._ends[begin] <= low:
            begin += 1
        kept: list[tuple[int, int]] = []
        end = begin
        while end < len(self._starts) and self._starts[end] < high:
            start, stop = self._starts[end], self._ends[end]
            first, last = max(start, low), min(stop, high)
            late = low_msc + first - low - self._breach_msc
            self.runs.append((late, last - first, equity))
            kept += [piece for piece in ((start, first), (last, stop)) if piece[0] < piece[1]]
            end += 1
        self._starts[begin:end] = [start for start, _ in kept]
        self._ends[begin:end] = [stop for _, stop in kept]


def poll_comparison(
    period: str, record: GuardBreach, phases: Phases, digits: int
) -> PollComparison:
    """What the phases of one period made of one breach."""
    runs = phases.runs
    seen = sum(length for _, length, _ in runs)
    late = [_late(runs, ceil(seen * share)) for share in (0.5, 0.95)] if runs else [None, None]
    median_minor = worst_minor = None
    if runs:
        by_equity = sorted((equity, length) for _, length, equity in runs)
        worst_minor = by_equity[0][0]
        median_minor = _ranked(by_equity, ceil(seen * 0.5))
    scale = 10**digits
    decided_minor = round(record.equity * scale)

    def cost(equity_minor: float | None) -> float | None:
        return None if equity_minor is None else (decided_minor - equity_minor) / scale

    return PollComparison(
        period=period,
        server=record.server,
        login=record.login,
        guard=record.guard,
        verdict_id=record.verdict_id,
        time_msc=record.time_msc,
        phases=phases.period_ms,
        missed_percent=percent(100.0 * (phases.period_ms - seen) / phases.period_ms),
        late_min_ms=runs[0][0] if runs else None,
        late_median_ms=late[0],
        late_p95_ms=late[1],
        late_max_ms=runs[-1][0] + runs[-1][1] - 1 if runs else None,
        equity=record.equity,
        equity_median=None if median_minor is None else median_minor / scale,
        equity_worst=None if worst_minor is None else worst_minor / scale,
        cost_median=cost(median_minor),
        cost_worst=cost(worst_minor),
    )


def _late(runs: Sequence[tuple[int, int, float]], rank: int) -> int:
    """The lateness of that rank, from 1, the least late first."""
    for late, length, _ in runs:
        if rank <= length:
            return late + rank - 1
        rank -= length
    raise AssertionError("the rank is that of no phase")


def _ranked(weighted: Sequence[tuple[float, int]], rank: int) -> float:
    for value, weight in weighted:
        if rank <= weight:
            return value
        rank -= weight
    raise AssertionError("the rank is that of no phase")
