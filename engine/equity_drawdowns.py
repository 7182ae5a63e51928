"""The worst drawdowns of an account, gathered from its ticks one batch after another."""

from dataclasses import dataclass

import numpy as np

from engine.equity_ticks import EquityTicks

WORST_DRAWDOWNS = 5


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall of the mark from its high-water mark until it is back there."""

    start_msc: int
    """The last tick at the high-water mark; the first valued one when it began below."""
    valley_msc: int
    end_msc: int | None
    """The first tick back at the high-water mark; None: not before the data ends."""
    depth: float
    percent: float
    """Of the high-water mark at the valley."""


class DrawdownGatherer:
    """Makes the worst `Drawdown`s. A fall of less than half a minor unit is none."""

    def __init__(self) -> None:
        self._open: Drawdown | None = None
        self._last_high_msc: int | None = None
        self._worst: list[Drawdown] = []

    def take(self, ticks: EquityTicks) -> None:
        """Adds ticks that follow those taken before."""
        depth = ticks.high_water - ticks.mark
        above = depth < 0.5 / 10.0**ticks.digits
        starts = np.flatnonzero(np.diff(above, prepend=not above[0]))
        deepest = np.maximum.reduceat(depth, starts)
        ends = np.append(starts[1:], len(depth))
        falls = np.flatnonzero(~above[starts])
        if len(falls) > WORST_DRAWDOWNS + 2:  # the first and last may go on in other batches
            inner = falls[1:-1]
            kept = inner[np.argsort(-deepest[inner], kind="stable")[:WORST_DRAWDOWNS]]
            falls = np.sort(np.concatenate((falls[:1], kept, falls[-1:])))
        if above[0]:
            self._finish(int(ticks.time_msc[0]))
        for fall in falls:
            start, end = int(starts[fall]), int(ends[fall])
            if start > 0:
                self._last_high_msc = int(ticks.time_msc[start - 1])
            valley = start + int(np.argmax(depth[start:end]))
            self._deepen(ticks, valley, float(depth[valley]))
            if end < len(depth):
                self._finish(int(ticks.time_msc[end]))
        if above[-1]:
            self._last_high_msc = int(ticks.time_msc[-1])

    def _deepen(self, ticks: EquityTicks, valley: int, depth: float) -> None:
        first = ticks.time_msc[0] if self._last_high_msc is None else self._last_high_msc
        if self._open is None or depth > self._open.depth:
            high = float(ticks.high_water[valley])
            self._open = Drawdown(
                int(first) if self._open is None else self._open.start_msc,
                int(ticks.time_msc[valley]),
                None,
                depth,
                100.0 * depth / high if high > 0 else 0.0,
            )

    def _finish(self, end_msc: int) -> None:
        fall = self._open
        if fall is not None:
            ended = Drawdown(fall.start_msc, fall.valley_msc, end_msc, fall.depth, fall.percent)
            self._worst = _deepest([*self._worst, ended])
            self._open = None

    def worst(self) -> list[Drawdown]:
        """At most five, the deepest first."""
        return _deepest([*self._worst, self._open] if self._open else self._worst)


def _deepest(drawdowns: list[Drawdown]) -> list[Drawdown]:
    return sorted(drawdowns, key=lambda fall: -fall.depth)[:WORST_DRAWDOWNS]
