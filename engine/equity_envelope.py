"""An account over a whole replay, small enough to draw: extremes in bins of equal time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.equity_ticks import EquityTicks
from engine.marking.ticks import Floats, Int64s


@dataclass(frozen=True, slots=True)
class Band:
    """A value over time: its extremes inside each bin, and what it was at the bin's end."""

    low: Floats
    high: Floats
    last: Floats


@dataclass(frozen=True, slots=True)
class Envelope:
    """An account over the whole stream in bins of equal time, money in major units.

    nan before the account was known. A bin without a tick holds what still stood.
    """

    from_msc: int
    """Of the stream's first tick: where bin 0 begins."""
    to_msc: int
    """Of its last tick: in the last bin."""
    ticks: Int64s
    """Ticks in each bin on which the account was valued."""
    mark: Band
    high_water: Band
    balance: Band
    floors: dict[str, Band]
    """By the guard's name, every equity limit."""

    @property
    def bins(self) -> int:
        """How many there are."""
        return len(self.ticks)

    def start_msc(self, number: int) -> int:
        """When a bin begins, in UTC milliseconds."""
        return self.from_msc + -(-number * (self.to_msc - self.from_msc + 1) // self.bins)


class EnvelopeGatherer:
    """Makes an `Envelope`."""

    def __init__(self, bins: int, from_msc: int, to_msc: int, guards: Sequence[str]) -> None:
        assert bins > 0, "an envelope has at least one bin"
        self._bins = bins
        self._from_msc = from_msc
        self._to_msc = to_msc
        self._guards = list(guards)
        self._ticks = np.zeros(bins, np.int64)
        shape = (3 + len(self._guards), bins)
        self._low = np.full(shape, np.nan)
        self._high = np.full(shape, np.nan)
        self._last = np.full(shape, np.nan)

    def take(self, ticks: EquityTicks) -> None:
        """Adds ticks that follow those taken before."""
        bins = (ticks.time_msc - self._from_msc) * self._bins
        bins //= self._to_msc - self._from_msc + 1
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        ends = np.append(starts[1:], len(bins)) - 1
        touched = bins[starts]
        self._ticks[touched] += ends - starts + 1
        scale = 10.0**ticks.digits
        columns = [ticks.mark, ticks.high_water, ticks.balance_minor]
        columns += [limit.floor_minor for limit in ticks.limits]
        for row, column in enumerate(columns):
            lows = np.minimum.reduceat(column, starts)
            highs = np.maximum.reduceat(column, starts)
            lasts = column[ends]
            if row >= 2:
                lows, highs, lasts = lows / scale, highs / scale, lasts / scale
            self._low[row, touched] = np.fmin(self._low[row, touched], lows)
            self._high[row, touched] = np.fmax(self._high[row, touched], highs)
            self._last[row, touched] = lasts

    def envelope(self) -> Envelope:
        """What was gathered; bins without a tick are filled from the one before."""
        filled = np.maximum.accumulate(np.where(self._ticks > 0, np.arange(self._bins), 0))
        quiet = self._ticks == 0
        last = self._last[:, filled]
        low, high = np.where(quiet, last, self._low), np.where(quiet, last, self._high)
        bands = [Band(*rows) for rows in zip(low, high, last, strict=True)]
        return Envelope(
            from_msc=self._from_msc,
            to_msc=self._to_msc,
            ticks=self._ticks,
            mark=bands[0],
            high_water=bands[1],
            balance=bands[2],
            floors=dict(zip(self._guards, bands[3:], strict=True)),
        )
