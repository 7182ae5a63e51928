"""What pollers would have seen of one breach within a minute: all phases of a period at once.

The same as `polling.PolledBreach` with `poll_phases` make of it, which follow a breach for as long
as it takes; here a period is two passes over a minute of milliseconds, a millisecond of work, for
it is done in the thread that guards.
"""

from collections.abc import Iterator
from math import ceil

import msgspec
import numpy as np

from engine.domain.records import GuardBreach
from engine.domain.units import percent
from engine.equity_ticks import Bools
from engine.marking.ticks import Floats, Int64s
from engine.polling import Stood
from engine.replay_times import period_msc


class PollSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What pollers of one period would have seen of the breach, had nobody closed."""

    period: str
    phases: int
    """One a millisecond of the period."""
    missed_percent: float
    """Of the phases: had seen nothing by `polled_until_msc`."""
    late_min_ms: int | None
    """After the engine, over the phases that saw it; null: none did."""
    late_median_ms: int | None
    late_p95_ms: int | None
    late_max_ms: int | None
    equity_median: float | None
    """At the poll that saw it."""
    equity_worst: float | None
    cost_median: float | None
    """The engine's equity less the poller's; negative where waiting gained."""
    cost_worst: float | None


def poll_all(
    periods: tuple[str, ...], record: GuardBreach, stood: Stood, until_msc: int, digits: int
) -> Iterator[PollSeen]:
    """Each period in turn; polls from the breach on up to `until_msc`, exclusive."""
    ends = np.minimum(stood.ends, until_msc)
    lengths = np.maximum(ends - np.maximum(stood.starts, record.time_msc), 0)
    is_seen = np.repeat(stood.in_breach, lengths)
    equity = np.repeat(stood.equity, lengths)
    for period in periods:
        yield _poll(period, record, is_seen, equity, digits)


def _poll(
    period: str, record: GuardBreach, is_seen: Bools, equity: Floats, digits: int
) -> PollSeen:
    length, scale = period_msc(period), 10**digits
    rounds = np.zeros((max(1, ceil(len(is_seen) / length)), length), np.bool_)
    rounds.ravel()[: len(is_seen)] = is_seen
    seeing = np.flatnonzero(rounds.any(axis=0))
    late: Int64s = rounds.argmax(axis=0)[seeing] * length + seeing
    seen = len(late)
    share = percent(100.0 * (length - seen) / length)
    if not seen:
        return PollSeen(
            period=period, phases=length, missed_percent=share,
            late_min_ms=None, late_median_ms=None, late_p95_ms=None, late_max_ms=None,
            equity_median=None, equity_worst=None, cost_median=None, cost_worst=None,
        )  # fmt: skip
    decided = round(record.equity * scale)
    worst, median = float(equity[late].min()), _ranked(equity[late], 0.5)
    return PollSeen(
        period=period,
        phases=length,
        missed_percent=share,
        late_min_ms=int(late.min()),
        late_median_ms=int(_ranked(late, 0.5)),
        late_p95_ms=int(_ranked(late, 0.95)),
        late_max_ms=int(late.max()),
        equity_median=median / scale,
        equity_worst=worst / scale,
        cost_median=(decided - median) / scale,
        cost_worst=(decided - worst) / scale,
    )


def _ranked(values: Floats | Int64s, share: float) -> float:
    """The value of that rank, the nearest: never one between two."""
    rank = ceil(len(values) * share) - 1
    return float(np.partition(values, rank)[rank])
