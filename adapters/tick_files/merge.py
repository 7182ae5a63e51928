"""Several symbols' columns merged by time, a window after the other; ties keep the order given."""

from collections.abc import Iterator

import numpy as np

from engine.marking.compiling import compiled
from engine.marking.ticks import FileQuality, Floats, Int32s, Int64s, TickBatch

WINDOW_ROWS = 1 << 18
"""About how many rows are merged at a time: some megabytes, whatever the streams' length."""
STEP_LEAST = 1024

Columns = tuple[Int64s, Floats, Floats]


class MergedTicks:
    """A `TickStream` over columns in memory or mapped from disk."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        columns: tuple[Columns, ...],
        quality: tuple[FileQuality, ...],
    ) -> None:
        """One entry of `columns` a symbol: times (never falling), bids and asks."""
        self._symbols = symbols
        self._columns = columns
        self._quality = quality

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol, in the order given."""
        return self._symbols

    def quality(self) -> tuple[FileQuality, ...]:
        """One entry a file, in the order given."""
        return self._quality

    def __len__(self) -> int:
        """How many ticks there are in all."""
        return sum(len(times) for times, _, _ in self._columns)

    def batches(self, max_ticks: int) -> Iterator[TickBatch]:
        """The whole stream in batches of 1 to `max_ticks`; views only where there is one symbol."""
        assert max_ticks > 0, "a batch holds at least one tick"
        if len(self._columns) == 1:
            return self._single(max_ticks)
        return self._merged(max_ticks)

    def _single(self, max_ticks: int) -> Iterator[TickBatch]:
        times, bids, asks = self._columns[0]
        zeros = np.zeros(min(max_ticks, len(times)), np.int32)
        for start in range(0, len(times), max_ticks):
            stop = min(start + max_ticks, len(times))
            yield TickBatch(
                self._symbols, start, times[start:stop], zeros[: stop - start],
                bids[start:stop], asks[start:stop],
            )  # fmt: skip

    def _merged(self, max_ticks: int) -> Iterator[TickBatch]:
        first_index = 0
        for times, symbol, bids, asks in _windows(self._columns):
            window = TickBatch(self._symbols, first_index, times, symbol, bids, asks)
            for start in range(0, len(times), max_ticks):
                yield window.part(start, min(start + max_ticks, len(times)))
            first_index += len(times)


def _windows(columns: tuple[Columns, ...]) -> Iterator[tuple[Int64s, Int32s, Floats, Floats]]:
    """The merged stream cut at instants, so that all ticks of one instant are in one window.

    Each window ends at the earliest of the times that lie `step` rows ahead in the symbols: every
    symbol then gives at most `step` rows and the ties of the last instant.
    """
    step = max(WINDOW_ROWS // max(len(columns), 1), STEP_LEAST)
    positions = [0] * len(columns)
    while True:
        edges = [
            int(times[min(at + step, len(times)) - 1])
            for at, (times, _, _) in zip(positions, columns, strict=True)
            if at < len(times)
        ]
        if not edges:
            return
        edge = min(edges)
        stops = [
            at + int(np.searchsorted(times[at : at + step + 1], edge, side="right"))
            for at, (times, _, _) in zip(positions, columns, strict=True)
        ]
        for k, (times, _, _) in enumerate(columns):
            if stops[k] == positions[k] + step + 1:  # the ties go on beyond the step
                stops[k] = int(np.searchsorted(times, edge, side="right"))
        runs = [
            tuple(column[at:stop] for column in parts)
            for at, stop, parts in zip(positions, stops, columns, strict=True)
        ]
        times, bids, asks = (np.concatenate([run[c] for run in runs]) for c in range(3))
        bounds = np.zeros(len(columns) + 1, np.int64)
        np.cumsum([len(run[0]) for run in runs], out=bounds[1:])
        symbol = np.empty(len(times), np.int32)
        out = (np.empty_like(times), symbol, np.empty_like(bids), np.empty_like(asks))
        merge_runs(times, bids, asks, bounds, bounds[:-1].copy(), np.empty_like(bounds), *out)
        yield out
        positions = stops


@compiled
def merge_runs(
    times: Int64s,
    bids: Floats,
    asks: Floats,
    bounds: Int64s,
    at: Int64s,
    heap: Int64s,
    out_times: Int64s,
    out_symbol: Int32s,
    out_bids: Floats,
    out_asks: Floats,
) -> None:
    """Merge the runs `bounds[k]:bounds[k + 1]`, each sorted by time; at equal times lower k first.

    `at` holds each run's first row, and is moved on; `heap` is room to work in.

    A binary heap of the runs' heads; while the first run stays ahead of the others its rows are
    taken without touching the heap. O(rows * log runs).
    """
    runs = len(bounds) - 1
    size = 0
    for k in range(runs):
        if at[k] < bounds[k + 1]:
            i = size
            size += 1
            while i > 0:
                parent = (i - 1) // 2
                # Runs come in rising k, so an equal time never moves up: ties keep their order.
                if times[at[heap[parent]]] <= times[at[k]]:
                    break
                heap[i] = heap[parent]
                i = parent
            heap[i] = k
    n = 0
    while size > 0:
        k = heap[0]
        j = at[k]
        out_times[n] = times[j]
        out_symbol[n] = k
        out_bids[n] = bids[j]
        out_asks[n] = asks[j]
        n += 1
        at[k] = j + 1
        if j + 1 == bounds[k + 1]:
            size -= 1
            k = heap[size]
        i = 0
        while True:
            child = 2 * i + 1
            if child >= size:
                break
            right = child + 1
            if right < size:
                a, b = heap[child], heap[right]
                ta, tb = times[at[a]], times[at[b]]
                if tb < ta or (tb == ta and b < a):
                    child = right
            c = heap[child]
            tc, tk = times[at[c]], times[at[k]]
            if tk < tc or (tk == tc and k < c):
                break
            heap[i] = c
            i = child
        heap[i] = k
