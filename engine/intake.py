"""Quotes of one feed on their way in: judged, renamed, stamped, and given to its router in batches.

A tick carries the time of the engine's own steady clock: what a terminal takes for the time only
tells whether its ticks go forward. Crossed, zero and malformed quotes, and those that go back in
time, are counted and shown to the guards on the market, never valued.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import trio

from engine.clock import Clock
from engine.domain.instruments import Instrument, Sessions
from engine.domain.market_findings import Finding, Level
from engine.domain.market_guards import (
    AnyMarketGuard,
    SymbolState,
    opening_state,
    watching,
)
from engine.domain.market_watch import elapse, observe
from engine.domain.quotes import Quote, defect
from engine.domain.records import Tick
from engine.link import LinkQuote
from engine.market_pieces import Found
from engine.marking.ticks import TickBatch
from engine.router import Router

BACK_ROWS = 50
"""So many rows in a row that go back in time are a clock that was set, not a row out of order."""


class Intake:
    """Everything between a link's quotes and a feed's router."""

    def __init__(
        self,
        symbols: Sequence[str],
        instruments: Sequence[Instrument],
        guards: Sequence[AnyMarketGuard],
        names: Mapping[str, str],
        router: Router,
        clock: Clock,
        on_batch: Callable[[TickBatch], None] | None = None,
    ) -> None:
        """Args:
        symbols: of the feed, in its order.
        names: broker's symbols to the feed's, in upper case; others are of that name already.
        on_batch: called after each batch the router has taken.
        """
        self.rejected: Counter[str] = Counter()
        """Rows not valued, by cause."""
        self.heard_ns: int | None = None
        """When the last valid tick came, monotonic."""
        self.symbols = tuple(symbols)
        self._rows = {symbol: row for row, symbol in enumerate(self.symbols)}
        self._names = {
            **{symbol.upper(): symbol for symbol in self.symbols},
            **{broker.upper(): symbol for broker, symbol in names.items()},
        }
        self._router = router
        self._clock = clock
        self._on_batch = on_batch
        self._told_msc = dict.fromkeys(self.symbols, 0)
        self._back = dict.fromkeys(self.symbols, 0)
        self._newest: dict[str, tuple[int, Quote]] = {}
        self._last_msc = 0
        self._index = 0
        sessions = {one.symbol: one.sessions for one in instruments}
        self._watched: dict[str, _Watched] = {}
        for symbol in self.symbols:
            held = watching(guards, symbol)
            if held:
                self._watched[symbol] = _Watched(symbol, held, sessions[symbol])
        self._waiting: list[tuple[int, LinkQuote]] = []
        self._turn = trio.Lock()
        """When the leader changes, two links may have quotes at once."""

    def rename(self, names: Mapping[str, str]) -> None:
        """More of the broker's symbols, to the feed's."""
        self._names.update({broker.upper(): symbol for broker, symbol in names.items()})

    async def take(self, quotes: Sequence[LinkQuote]) -> None:
        """Judges the rows in order and hands on what is valid, and what guards found between."""
        # A free lock taken by `async with` costs a round of every task: a quote has no time for it.
        try:
            self._turn.acquire_nowait()
        except trio.WouldBlock:
            await self._turn.acquire()
        try:
            await self._take(quotes)
        finally:
            self._turn.release()
        # Whoever was woken has its turn before the next frame: until then it is told every tick.
        await trio.lowlevel.checkpoint()

    async def _take(self, quotes: Sequence[LinkQuote]) -> None:
        now_msc = self._last_msc = max(self._last_msc, self._clock.wall_msc())
        for quote in quotes:
            symbol = self._names.get(quote.symbol.upper())
            if symbol is None:
                self.rejected["unknown_symbol"] += 1
                continue
            cause = defect(quote.bid, quote.ask) or self._goes_back(symbol, quote.time_msc)
            watched = self._watched.get(symbol)
            if cause is not None:
                self.rejected[cause] += 1
                if watched is not None:
                    bad = quote if cause != "time_back" else None
                    await self._tell(watched.see_bad(bad, now_msc), now_msc, None)
                continue
            found: Sequence[Finding] = ()
            if watched is not None:
                found = watched.see(Quote(quote.bid, quote.ask, now_msc))
                await self._tell([one for one in found if _clears(one)], now_msc, None)
            self._waiting.append((self._rows[symbol], quote))
            others = [one for one in found if not _clears(one)]
            if others:
                tick = Tick(self._index + len(self._waiting) - 1, symbol, quote.bid, quote.ask)
                await self._flush(now_msc)
                await self._tell(others, now_msc, tick)
        await self._flush(now_msc)

    async def pass_time(self) -> None:
        """Shows the guards on the market that time went by, with ticks or without."""
        async with self._turn:
            now_msc = self._last_msc = max(self._last_msc, self._clock.wall_msc())
            for watched in self._watched.values():
                await self._tell(watched.pass_time(now_msc), now_msc, None)

    def newest(self, symbol: str) -> tuple[int, Quote] | None:
        """The last tick all accounts were marked on, and the server's own time of it.

        `symbol` by any of its names; None before the first tick. The time is the wall clock of the
        server, written as if UTC: the clock of fills.
        """
        name = self._names.get(symbol.upper())
        return None if name is None else self._newest.get(name)

    def start_over(self) -> None:
        """Another terminal quotes from here: its clock may be another."""
        self._told_msc = dict.fromkeys(self.symbols, 0)

    def _goes_back(self, symbol: str, time_msc: int) -> str | None:
        if time_msc >= self._told_msc[symbol] or self._back[symbol] >= BACK_ROWS:
            self._told_msc[symbol] = time_msc
            self._back[symbol] = 0
            return None
        self._back[symbol] += 1
        return "time_back"

    async def _tell(self, found: Sequence[Finding], now_msc: int, tick: Tick | None) -> None:
        if found:
            await self._flush(now_msc)
            for finding in found:
                await self._router.on_found(Found(now_msc, finding, tick))

    async def _flush(self, now_msc: int) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        rows = [row for row, _ in waiting]
        batch = TickBatch(
            self.symbols,
            self._index,
            np.full(len(waiting), now_msc, np.int64),
            np.array(rows, np.int32),
            np.array([quote.bid for _, quote in waiting], np.float64),
            np.array([quote.ask for _, quote in waiting], np.float64),
        )
        self._index += len(waiting)
        self.heard_ns = self._clock.monotonic_ns()
        await self._router.mark(batch)
        for row, quote in waiting:
            self._newest[self.symbols[row]] = (
                quote.server_msc,
                Quote(quote.bid, quote.ask, now_msc),
            )
        if self._on_batch is not None:
            self._on_batch(batch)


class _Watched:
    """One symbol and its guards."""

    def __init__(self, symbol: str, guards: tuple[AnyMarketGuard, ...], sessions: Sessions) -> None:
        self._symbol = symbol
        self._guards = guards
        self._sessions = sessions
        self._state: SymbolState = opening_state(guards)

    def see(self, quote: Quote) -> tuple[Finding, ...]:
        self._state, found = observe(self._guards, self._state, self._symbol, self._sessions, quote)
        return found

    def see_bad(self, quote: LinkQuote | None, now_msc: int) -> tuple[Finding, ...]:
        """A row that is not valued; None: its prices are right, its time goes back."""
        if quote is not None:
            return self.see(Quote(quote.bid, quote.ask, now_msc))
        if self._state.last is None:
            return ()
        return self.see(self._state.last._replace(time_msc=self._state.last.time_msc - 1))

    def pass_time(self, now_msc: int) -> tuple[Finding, ...]:
        self._state, found = elapse(
            self._guards, self._state, self._symbol, self._sessions, now_msc
        )
        return found


def _clears(finding: Finding) -> bool:
    """Whether it ends a suspicion: that is told before the tick that ended it."""
    return finding.policy is not None and finding.level is Level.CLEARED
