"""What ticked since the agent's last look, and the server's clock, read off fresh ticks.

The package has no event of a tick: the newest one of each symbol is looked at, and where it is new
the ones before it are copied, so that an extreme between two looks is not lost. That may take the
terminal long (it fetches what it does not have); then the newest alone is told.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from adapters.mt5.agent_package import Package
from adapters.mt5.frames import QuoteRow
from adapters.mt5.intents import IntentTable

OFFSET_STEP_S = 900
OFFSET_MOST_S = 14 * 3600
FRESH_S = 2.0
CLOCK_SYMBOLS = 20
"""Whose ticks tell the server's clock before the engine wants any."""
TICKS_A_COPY = 1000
"""Of one symbol at one look: what is over, up to the newest, is not told."""
BACK_MSC = 10_000
"""Ticks so much older than the newest are history. A server's clock may also be set back."""
COPY_S = 0.05
"""What all copies of one look may take; symbols that come after it tell their newest tick."""


@dataclass(slots=True)
class _Told:
    """How far a symbol's ticks were told, and how many of the last one's millisecond were."""

    row: QuoteRow
    count: int = 1


class TickReader:
    """The ticks to be told, look by look. One thread's."""

    def __init__(
        self,
        package: Package,
        intents: IntentTable,
        gmt_offset_s: int | None,
        wall_s: Callable[[], float],
        timer_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`gmt_offset_s`: None: estimated from fresh ticks, else as it was last estimated."""
        self.gmt_offset_s = gmt_offset_s if gmt_offset_s is not None else intents.gmt_offset_s
        """Server's wall clock minus UTC; None: no tick has told it yet."""
        self.unknown: frozenset[str] = frozenset()
        """Wanted symbols that the broker does not have."""
        self._is_fixed = gmt_offset_s is not None
        self._package = package
        self._intents = intents
        self._wall_s = wall_s
        self._timer_s = timer_s
        self._selected: tuple[str, ...] = ()
        self._first = 0
        self._newest: dict[str, QuoteRow] = {}
        self._told: dict[str, _Told] = {}
        self._clock_symbols: tuple[str, ...] = ()

    def read(self, wanted: tuple[str, ...]) -> list[QuoteRow]:
        """What is new of these symbols, oldest first of each; a symbol begins with its newest."""
        if wanted != self._selected:
            self.unknown = frozenset(self._package.select(wanted))
            self._selected = wanted
            self._first = 0
        rows: list[QuoteRow] = []
        until_s = self._timer_s() + COPY_S
        # Whose copy did not fit begins the next look, else the first symbols would have it all.
        first, count = self._first, len(self._selected)
        short = None
        for at in (*range(first, count), *range(first)):
            newest, is_known = self._look(self._selected[at])
            if newest is None:
                continue
            may_copy = is_known and self._timer_s() <= until_s
            rows += self._since(newest, may_copy)
            if is_known and not may_copy and short is None:
                short = at
        self._first = first if short is None else short
        if self.gmt_offset_s is None:
            self._clock_symbols = self._clock_symbols or (self._package.watched() or ())
            for symbol in self._clock_symbols[:CLOCK_SYMBOLS]:
                self._look(symbol)
        return rows

    def _look(self, symbol: str) -> tuple[QuoteRow | None, bool]:
        """The newest tick if it was not seen, and whether it follows one: then it came just now."""
        row, before = self._package.tick(symbol), self._newest.get(symbol)
        if row is None or row == before:
            return None, False
        self._newest[symbol] = row
        if before is not None:
            self._estimate_offset(row.time_msc)
        return row, before is not None

    def _since(self, newest: QuoteRow, may_copy: bool) -> list[QuoteRow]:
        """The ticks to tell up to this one, which is the last of them."""
        told = self._told.get(newest.symbol)
        if told is None or newest.time_msc < told.row.time_msc - BACK_MSC:
            may_copy, told = False, None
        fresh: list[QuoteRow] = []
        count = 1
        if may_copy and told is not None:
            since_msc = max(told.row.time_msc, newest.time_msc - BACK_MSC)
            found = self._package.ticks(newest.symbol, since_msc, TICKS_A_COPY) or []
            seen = sum(row.time_msc == told.row.time_msc for row in found)
            skipped = min(seen, told.count)
            fresh = [row for row in found if row.time_msc >= told.row.time_msc][skipped:]
            if fresh:
                count = sum(row.time_msc == fresh[-1].time_msc for row in found)
        last = fresh[-1] if fresh else None if told is None else told.row
        # The copy failed, was cut short, or is behind: the newest is better than none.
        if last is None or newest.time_msc > last.time_msc or (not fresh and newest != last):
            fresh.append(newest)
            count = 1
        if fresh:
            self._told[newest.symbol] = _Told(fresh[-1], count)
        return _moves(fresh)

    def _estimate_offset(self, server_msc: int) -> None:
        """A tick that just came was made just now: its wall clock less ours is the offset.

        Rounded to a quarter of an hour; a tick that fits none is too old to tell. The first one
        seen of a symbol never tells: after the close it fits by chance for 4 s in each 900.
        """
        if self._is_fixed:
            return
        apart_s = server_msc / 1000.0 - self._wall_s()
        steps = round(apart_s / OFFSET_STEP_S)
        offset_s = steps * OFFSET_STEP_S
        if abs(apart_s - offset_s) <= FRESH_S and abs(offset_s) <= OFFSET_MOST_S:
            self.gmt_offset_s = offset_s
            self._intents.note_offset(offset_s)


def _moves(rows: list[QuoteRow]) -> list[QuoteRow]:
    """Without those that repeat the prices before them (a trade ticks too), but for the last."""
    last = len(rows) - 1
    return [
        row
        for at, row in enumerate(rows)
        if at in (0, last) or (row.bid, row.ask) != (rows[at - 1].bid, rows[at - 1].ask)
    ]
