"""What the closes of a period say of how it was traded, from records alone."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from engine.domain import records
from engine.domain.records import Record

_PLACES = 8
"""Money is rounded to so many decimals: sums of published amounts, without the noise of floats."""


class TradeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Of the deals that closed a position, wholly or in part; profits without swap and fees.

    What needs a close, a gain or a loss that is not there is None.
    """

    wins: int = 0
    """Closes with a profit above 0."""
    losses: int = 0
    """Closes with a profit below 0."""
    gains_sum: float = 0.0
    losses_sum: float = 0.0
    """At most 0."""
    profit_factor: float | None = None
    """Gains divided by losses."""
    win_percent: float | None = None
    """Of all closes."""
    average_win: float | None = None
    average_loss: float | None = None
    best: float | None = None
    worst: float | None = None
    longest_losing_run: int = 0
    """Losses one after the other."""
    volume_lots: float = 0.0
    average_hold_ms: int | None = None
    """From opening to close, of those whose opening is in the period too."""
    timed: int = 0
    """How many those were."""
    by_guards: int = 0
    """Closes that a guard asked for."""


def figures_of(period: Sequence[Record]) -> TradeFigures:
    """The figures of these records, which are in order."""
    closed = [one for one in period if isinstance(one, records.PositionClosed)]
    opened = {
        one.position_id: one.time_msc for one in period if isinstance(one, records.PositionOpened)
    }
    profits = [one.profit for one in closed]
    gains = [profit for profit in profits if profit > 0]
    losses = [profit for profit in profits if profit < 0]
    held_ms = [
        one.time_msc - opened[one.position_id] for one in closed if one.position_id in opened
    ]
    return TradeFigures(
        wins=len(gains),
        losses=len(losses),
        gains_sum=round(sum(gains), _PLACES),
        losses_sum=round(sum(losses), _PLACES),
        profit_factor=round(sum(gains) / -sum(losses), 4) if losses else None,
        win_percent=round(100.0 * len(gains) / len(closed), 4) if closed else None,
        average_win=_mean(gains),
        average_loss=_mean(losses),
        best=max(profits, default=None),
        worst=min(profits, default=None),
        longest_losing_run=_longest_run(profits),
        volume_lots=round(sum(one.volume_lots for one in closed), _PLACES),
        average_hold_ms=sum(held_ms) // len(held_ms) if held_ms else None,
        timed=len(held_ms),
        by_guards=sum(one.reason.startswith("guard:") for one in closed),
    )


def _mean(amounts: Sequence[float]) -> float | None:
    return round(sum(amounts) / len(amounts), _PLACES) if amounts else None


def _longest_run(profits: Sequence[float]) -> int:
    """How many losses came one after the other, at most."""
    others = [place for place, profit in enumerate(profits) if profit >= 0]
    return max(after - before - 1 for before, after in pairwise([-1, *others, len(profits)]))
