"""The latest ticks of one feed, and the price of each second: what an incident is shown by.

Memory is bounded, a feed: `MOST_BLOCKS` blocks of `BLOCK_TICKS` ticks at 28 bytes, 14.7 MB, and
`SECONDS` rows of 24 bytes, 86 KB, for each symbol that ever ticked. A tick older than `KEEP_MSC`
goes with its block, and so does the oldest block when all are full: then the tape reaches less far
back, and says so. A batch costs four copies of arrays, about a microsecond; only a live feed has a
tape.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from engine.marking.ticks import Floats, Int32s, Int64s, TickBatch

BLOCK_TICKS = 4096
MOST_BLOCKS = 128
KEEP_MSC = 300_000
SECONDS = 3600

Standing = list[tuple[float, float, int]]
"""Bid, ask and time of every symbol, as `LatestQuotes` has them; nan: none yet."""


class Stretch(NamedTuple):
    """The ticks of some symbols from a moment on, and what stood before them."""

    standing: Standing
    batch: TickBatch
    """Numbered from 0: ticks of other symbols are left out."""
    indices: Int64s
    """Of each, in the feed."""


class _Block:
    """Consecutive ticks."""

    __slots__ = ("ask", "bid", "first_index", "standing", "symbol", "time_msc", "used")

    def __init__(self, first_index: int, standing: Standing) -> None:
        self.first_index = first_index
        self.standing = standing
        self.used = 0
        self.time_msc: Int64s = np.empty(BLOCK_TICKS, np.int64)
        self.symbol: Int32s = np.empty(BLOCK_TICKS, np.int32)
        self.bid: Floats = np.empty(BLOCK_TICKS)
        self.ask: Floats = np.empty(BLOCK_TICKS)

    def standing_after(self) -> Standing:
        """What stands after its last tick."""
        found = list(self.standing)
        used = self.used
        rows, firsts = np.unique(self.symbol[:used][::-1], return_index=True)
        for row, back in zip(rows.tolist(), firsts.tolist(), strict=True):
            at = used - 1 - back
            found[row] = (float(self.bid[at]), float(self.ask[at]), int(self.time_msc[at]))
        return found


class Tape:
    """See the top. Nothing here waits."""

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.symbols = symbols
        self.next_index = 0
        """Of the tick that comes next."""
        nothing: Standing = [(np.nan, np.nan, 0)] * len(symbols)
        self._block = _Block(0, nothing)
        self._blocks = deque([self._block])
        self._rows = {symbol: row for row, symbol in enumerate(symbols)}

    @property
    def reaches_msc(self) -> int | None:
        """The time of its first tick: from there on it has them all; None before any."""
        return int(self._blocks[0].time_msc[0]) if self._blocks[0].used else None

    def take(self, batch: TickBatch) -> None:
        """Goes on with the next ticks."""
        block, start = self._block, 0
        stop = block.used + len(batch)
        while stop > BLOCK_TICKS:
            room = BLOCK_TICKS - block.used
            self._write(block, batch.part(start, start + room), BLOCK_TICKS)
            start += room
            block = self._next_block(int(batch.time_msc[-1]))
            stop = len(batch) - start
        self._write(block, batch.part(start, len(batch)) if start else batch, stop)
        self.next_index = block.first_index + stop

    def since(self, symbols: Iterable[str], from_msc: int) -> Stretch:
        """The ticks of these symbols from `from_msc` on, and perhaps some of before it.

        Costs some 20 us for each block that is looked through.
        """
        blocks = list(self._blocks)
        while len(blocks) > 1 and blocks[1].used and int(blocks[1].time_msc[0]) < from_msc:
            del blocks[0]
        wanted = np.zeros(len(self.symbols), np.bool_)
        wanted[[self._rows[symbol] for symbol in symbols]] = True
        pairs = [(one, np.flatnonzero(wanted[one.symbol[: one.used]])) for one in blocks]
        batch = TickBatch(
            self.symbols,
            0,
            np.concatenate([one.time_msc[at] for one, at in pairs]),
            np.concatenate([one.symbol[at] for one, at in pairs]),
            np.concatenate([one.bid[at] for one, at in pairs]),
            np.concatenate([one.ask[at] for one, at in pairs]),
        )
        indices = np.concatenate([one.first_index + at for one, at in pairs])
        return Stretch(blocks[0].standing, batch, indices)

    def after(self, index: int) -> list[tuple[Int64s, Int32s, Floats, Floats]]:
        """Times, symbols, bids and asks from this index on, as views, oldest first."""
        found = []
        for one in reversed(self._blocks):
            at = max(0, index - one.first_index)
            if at < one.used:
                cut = slice(at, one.used)
                found.append((one.time_msc[cut], one.symbol[cut], one.bid[cut], one.ask[cut]))
            if one.first_index <= index:
                break
        return found[::-1]

    def _write(self, block: _Block, batch: TickBatch, stop: int) -> None:
        cut = slice(block.used, stop)
        block.time_msc[cut] = batch.time_msc
        block.symbol[cut] = batch.symbol
        block.bid[cut] = batch.bid
        block.ask[cut] = batch.ask
        block.used = stop

    def _next_block(self, now_msc: int) -> _Block:
        before = self._block
        self._block = _Block(before.first_index + BLOCK_TICKS, before.standing_after())
        self._blocks.append(self._block)
        oldest_msc = now_msc - KEEP_MSC
        while len(self._blocks) > MOST_BLOCKS or (
            len(self._blocks) > 2 and int(self._blocks[1].time_msc[0]) < oldest_msc
        ):
            self._blocks.popleft()
        return self._block


class PricePoint(msgspec.Struct, frozen=True, array_like=True):
    """The last bid and ask of a second."""

    start_msc: int
    bid: float
    ask: float


class Prices:
    """The last price of each second with a tick, of every symbol; read off a tape."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._next_index = 0
        # Zeros of the system's own: pages of memory are touched as a symbol first ticks.
        self._starts: Int64s = np.zeros((len(tape.symbols), SECONDS), np.int64)
        self._quotes: Floats = np.zeros((len(tape.symbols), SECONDS, 2))

    def catch_up(self) -> None:
        """Takes the ticks since the last time; to be called about once a second."""
        for times, symbols, bids, asks in self._tape.after(self._next_index):
            seconds = times // 1000
            rows = seconds % SECONDS
            # Of several ticks of a second the last one written stays: the latest.
            self._starts[symbols, rows] = seconds * 1000
            self._quotes[symbols, rows, 0] = bids
            self._quotes[symbols, rows, 1] = asks
        self._next_index = self._tape.next_index

    def of(self, symbol: str, from_msc: int, to_msc: int) -> list[PricePoint] | None:
        """The seconds that begin in the span, in order; None: it is no symbol of this feed."""
        if symbol not in self._tape.symbols:
            return None
        self.catch_up()
        row = self._tape.symbols.index(symbol)
        starts, quotes = self._starts[row], self._quotes[row]
        held = np.flatnonzero((starts > 0) & (starts >= from_msc) & (starts < to_msc))
        held = held[np.argsort(starts[held])]
        found = zip(starts[held].tolist(), quotes[held].tolist(), strict=True)
        return [PricePoint(start_msc, *quote) for start_msc, quote in found]
