"""Rings of rows: first, lowest, highest and last mark of every account, a row a span of time."""

from collections.abc import Sequence
from operator import itemgetter

import numpy as np

from engine.marking.extremes import FIRST, HIGHEST, LAST, LOWEST
from engine.marking.ticks import Floats, Int64s


class Level:
    """A ring of rows for all accounts: a row a bucket in which anything ticked."""

    def __init__(self, bucket_s: int, rows: int, accounts: int) -> None:
        self.bucket_msc = bucket_s * 1000
        self.starts: Int64s = np.full(rows, -1, np.int64)
        self._rows: Floats = np.empty((rows, accounts, 4))
        self._newest = rows - 1

    def widen(self, accounts: int) -> None:
        """Has room for so many more accounts, of which nothing is known. Copies all there is."""
        rows, _, marks = self._rows.shape
        self._rows = np.concatenate([self._rows, np.full((rows, accounts, marks), np.nan)], axis=1)

    def row_of(self, time_msc: int, *, make: bool) -> Floats | None:
        """(accounts, 4) of that time; None where there is none any more, or not yet."""
        start = time_msc - time_msc % self.bucket_msc
        if make and start > self.starts[self._newest]:
            self._newest = (self._newest + 1) % len(self.starts)
            self.starts[self._newest] = start
            self._rows[self._newest] = np.nan
        at = self._newest
        for _ in range(len(self.starts)):
            if self.starts[at] == start:
                row: Floats = self._rows[at]
                return row
            if self.starts[at] < start:
                return None
            at -= 1  # below zero counts from the end, as a ring does
        return None

    def restore(self, earlier: Sequence[tuple[int, Floats]]) -> None:
        """Takes rows of before those that are here; of one span, the marks here are the later.

        `earlier`: (start, row of all accounts), in order.
        """
        here = [(start, row.copy()) for start, row in self.ended_after(-self.bucket_msc)]
        self.starts[:] = -1
        self._newest = len(self.starts) - 1
        for start, row in sorted([*earlier, *here], key=itemgetter(0)):
            into = self.row_of(start, make=True)
            assert into is not None, "they are in order"
            fold(into, row)

    def of(self, place: int, from_msc: int, to_msc: int) -> list[tuple[int, list[float]]]:
        """(start, row) of one account that overlap the span, in order, without gaps' rows."""
        kept = self._within(from_msc - self.bucket_msc, to_msc)
        values = self._rows[kept, place]
        found = zip(self.starts[kept].tolist(), values.tolist(), strict=True)
        return [(start, row) for start, row in found if row[FIRST] == row[FIRST]]

    def ended_after(self, time_msc: int) -> list[tuple[int, Floats]]:
        """(start, row of all accounts) of what went on at that time or later, in order; views."""
        kept = self._within(time_msc - self.bucket_msc, 2**62)
        return [(int(self.starts[at]), self._rows[at]) for at in kept.tolist()]

    def _within(self, after_msc: int, before_msc: int) -> Int64s:
        """The places of rows that start between the two, oldest first."""
        rows = len(self.starts)
        order = (np.arange(rows) + self._newest + 1) % rows
        starts = self.starts[order]
        kept: Int64s = order[(starts >= 0) & (starts > after_msc) & (starts < before_msc)]
        return kept


def fold(row: Floats, more: Floats) -> None:
    """Takes later marks into a row, of one account or of all; NaN: none."""
    row[..., FIRST] = np.where(np.isnan(row[..., FIRST]), more[..., FIRST], row[..., FIRST])
    row[..., LOWEST] = np.fmin(row[..., LOWEST], more[..., LOWEST])
    row[..., HIGHEST] = np.fmax(row[..., HIGHEST], more[..., HIGHEST])
    row[..., LAST] = np.where(np.isnan(more[..., LAST]), row[..., LAST], more[..., LAST])
