"""One broker server's quotes and the accounts marked on them: the host of the kernel."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush

import numpy as np

from engine.domain.quotes import Quote
from engine.domain.watch import Leg, Marks, Watch
from engine.marking.accounts import Accounts
from engine.marking.columns import SINCE, WALK, Columns, recall
from engine.marking.kernel import run, run_all
from engine.marking.prices import (
    NEVER_TICKED,
    ROWS,
    SMALL,
    Prices,
    aligned,
    empty_prices,
    empty_tape,
    last_tick_of,
    take_batch,
    take_rate,
    with_conversions,
)
from engine.marking.ticks import TickBatch
from engine.marking.wakes import Wake
from engine.marking.walk import mark_at, value_tick

MAX_TICKS = 1024


class Feed:
    """`MarkingFeed` on the compiled kernel.

    A walk costs a step an account for the whole batch, and more only for accounts that come near
    something they watch for; so batches should be as long as the caller can wait. `settle=False`
    walks every account through every tick (for tests and the benchmark).
    """

    def __init__(
        self, symbols: Sequence[str], max_ticks: int = MAX_TICKS, *, settle: bool = True
    ) -> None:
        self.symbols = tuple(symbols)
        self.max_ticks = max_ticks
        self.seatings = 0
        """How often an account came or went: while it stays, slots are the same accounts'."""
        self._settle = settle
        self._seats = {symbol: row for row, symbol in enumerate(self.symbols)}
        self._prices = empty_prices(len(self.symbols), 4, max_ticks)
        self._tape = empty_tape(len(self.symbols), 4)
        self._rates: dict[tuple[Leg, ...], int] = {}
        self._accounts = Accounts(self._seat, self._rate)
        # By slot: ticks in the marks it was put with; ticks walked by then; how often it was put
        # or removed; the offset of a wake that is not handled yet, or -1.
        self._ticks_given: list[int] = []
        self._walked_then: list[int] = []
        self._version: list[int] = []
        self._pending: list[int] = []
        # The walk going on, or else the last one.
        self._times = np.empty(0, np.int64)
        self._ticks = np.empty(0, np.int32)
        self._walk = 0
        self._walking = False
        self._walked_before = 0
        self._now = -1
        self._quoted: dict[str, Quote] = {}
        """Quotes asked for as of `_quoted_at`: many accounts ask for the same ones."""
        self._quoted_at = -1
        self._heap: list[tuple[int, int, int]] = []
        self._woken = np.empty((16, 2), np.int64)
        self._marks = aligned((SMALL,))

    @property
    def rows(self) -> int:
        """Rows there is room for in all columns, used or not: it grows only while accounts do."""
        return sum(len(column) for column in self._accounts.columns)

    @property
    def laid_out(self) -> tuple[Columns, Prices, int]:
        """The accounts, the prices of the last batch, and how many slots there are: to be read."""
        return self._accounts.columns, self._prices, self._accounts.slots

    def add(self, watch: Watch) -> int:
        """See `MarkingFeed.add`."""
        slot = self._accounts.take()
        self.seatings += 1
        if slot == len(self._version):
            for column in (self._ticks_given, self._walked_then, self._version, self._pending):
                column.append(0)
        self._write(slot, watch)
        return slot

    def put(self, slot: int, watch: Watch) -> None:
        """See `MarkingFeed.put`."""
        assert self._accounts.in_use(slot), f"slot {slot} holds no account"
        self._write(slot, watch)

    def remove(self, slot: int) -> None:
        """See `MarkingFeed.remove`."""
        self._accounts.leave(slot)
        self.seatings += 1
        self._version[slot] += 1
        self._pending[slot] = -1

    def marks(self, slot: int) -> Marks:
        """See `MarkingFeed.marks`.

        Costs a few microseconds; while a wake is handled, more for the other accounts: the kernel
        has run those ahead of now and has to go back.
        """
        assert self._accounts.in_use(slot), f"slot {slot} holds no account"
        waiting = self._walking and self._pending[slot] == self._now
        ticks = self._ticks_given[slot] + self._walked() - self._walked_then[slot] - waiting
        columns = self._accounts.columns
        if not self._walking or waiting or columns.whole[slot, WALK] != self._walk:
            return self._accounts.marks(slot, ticks)
        recall(columns.reals, columns.whole, columns.trackers, slot)
        self._run(slot, int(columns.whole[slot, SINCE]), self._now + 1)
        marks = self._accounts.marks(slot, ticks)
        self._run(slot, self._now + 1, len(self._times))
        return marks

    def mark(self, slot: int) -> float:
        """See `MarkingFeed.mark`."""
        assert self._accounts.in_use(slot), f"slot {slot} holds no account"
        return float(mark_at(self._accounts.columns, self._prices, slot, max(self._now, 0)))

    def quote(self, symbol: str) -> Quote | None:
        """See `MarkingFeed.quote`."""
        row = self._seats.get(symbol)
        if row is None:  # a symbol of the book without tick files: never quoted
            return None
        time_msc = self._quoted_msc(row)
        if time_msc == NEVER_TICKED:
            return None
        block, column = divmod(self._now, SMALL)
        bid, ask, _ = self._prices.quotes[block, ROWS * row : ROWS * (row + 1), column].tolist()
        return Quote(bid, ask, time_msc)

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """See `MarkingFeed.quotes`."""
        if self._quoted_at != self._walked():
            self._quoted_at = self._walked()
            self._quoted = {}
        quoted, found = self._quoted, {}
        for symbol in symbols:
            quote = quoted.get(symbol)
            if quote is None:
                quote = self.quote(symbol)
                if quote is None:
                    continue
                quoted[symbol] = quote
            found[symbol] = quote
        return found

    def walk(self, batch: TickBatch) -> Iterator[Wake]:
        """See `MarkingFeed.walk`. Asserts that every tick may be valued: a reader sees to that."""
        assert not self._walking, "the walk before this one was not drained"
        assert len(batch) <= self.max_ticks, f"{len(batch)} ticks, room for {self.max_ticks}"
        assert batch.symbols == self.symbols, "the batch is of another stream"
        if len(batch) == 0:
            return
        # Copies, for the kernel is compiled for arrays that are contiguous and may be written.
        times, ticks = np.array(batch.time_msc, np.int64), np.array(batch.symbol, np.int32)
        bids, asks = np.array(batch.bid, np.float64), np.array(batch.ask, np.float64)
        refused = take_batch(self._prices, self._tape, times, ticks, bids, asks)
        assert refused < 0, f"tick {refused} of the batch may not be valued"
        self._walked_before += len(self._times)
        self._times, self._ticks = times, ticks
        self._walk += 1
        self._run_all()
        self._walking = True
        try:
            while self._heap:
                offset, slot, version = heappop(self._heap)
                if version != self._version[slot]:
                    continue  # put or removed since
                self._now = offset
                yield Wake(
                    slot,
                    offset,
                    int(times[offset]),
                    self.symbols[ticks[offset]],
                    float(bids[offset]),
                    float(asks[offset]),
                    batch.first_index + offset,
                    self.marks(slot),
                )
                if version == self._version[slot]:
                    self._value_woken(slot)
        finally:
            self._walking = False
            self._heap.clear()
            self._now = len(times) - 1

    def _run_all(self) -> None:
        slots = self._accounts.slots
        if slots > len(self._woken):
            self._woken = np.empty((2 * slots, 2), np.int64)
        count = run_all(
            self._accounts.columns,
            self._prices,
            self._times,
            int(self._tape.clock[3]),
            slots,
            self._walk,
            self._settle,
            self._marks,
            self._woken,
        )
        for offset, slot in self._woken[:count].tolist():
            self._pending[slot] = offset
            self._heap.append((offset, slot, self._version[slot]))
        heapify(self._heap)

    def _run(self, slot: int, start: int, stop: int) -> int:
        return run(
            self._accounts.columns,
            self._prices,
            self._times,
            slot,
            start,
            stop,
            self._walk,
            self._settle,
            self._marks,
        )

    def _run_on(self, slot: int) -> None:
        """Run the account from the tick after now to its next wake in this batch."""
        offset = self._run(slot, self._now + 1, len(self._times))
        self._pending[slot] = offset
        if offset >= 0:
            heappush(self._heap, (offset, slot, self._version[slot]))

    def _value_woken(self, slot: int) -> None:
        """An account that was woken and left as it is: this tick is as any other."""
        columns, now = self._accounts.columns, self._now
        mark = mark_at(columns, self._prices, slot, now)
        value_tick(columns, slot, mark, self._times[now], self._walk)
        columns.whole[slot, SINCE] = now + 1
        columns.whole[slot, WALK] = -self._walk
        self._run_on(slot)

    def _write(self, slot: int, watch: Watch) -> None:
        self._accounts.put(slot, watch, self._walk, self._now + 1)
        self._ticks_given[slot] = watch.marks.ticks
        self._walked_then[slot] = self._walked()
        self._version[slot] += 1
        self._pending[slot] = -1
        if self._walking:
            self._run_on(slot)

    def _walked(self) -> int:
        """Ticks of the stream up to and with the one of now."""
        return self._walked_before + self._now + 1

    def _quoted_msc(self, row: int) -> int:
        """The time of the quote of now, `NEVER_TICKED` when there is none."""
        tick = last_tick_of(self._ticks, row, self._now)
        return int(self._times[tick]) if tick >= 0 else int(self._tape.before_msc[row])

    def _seat(self, symbol: str) -> int:
        row = self._seats[symbol]
        quoted = self._tape.before_msc[row] != NEVER_TICKED
        assert quoted or self._quoted_msc(row) != NEVER_TICKED, f"{symbol} has no quote yet"
        return row

    def _rate(self, conversion: tuple[Leg, ...]) -> int:
        row = self._rates.get(conversion)
        if row is not None:
            return row
        seats = [(self._seat(leg.symbol), int(leg.inverse)) for leg in conversion]
        row = len(self._rates)
        if row == len(self._prices.legs):
            self._prices, self._tape = with_conversions(self._prices, self._tape, 2 * row)
        self._prices.legs[row, : 2 * len(seats)] = np.array(seats).ravel()
        self._tape.clock[2] = row + 1
        take_rate(self._prices, self._tape, row, self._ticks)
        self._rates[conversion] = row
        return row
