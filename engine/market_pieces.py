"""Guards on a feed's quotes, over whole batches: where a batch must stop for a finding.

The guards themselves are pure and see one row at a time (`domain/market_watch.py`). Only rows on
which they could say anything are shown to them: wide spreads, quiet spells and bad rows are found
in columns first, so that a calm feed costs nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from engine.domain.instruments import Instrument, Sessions
from engine.domain.market_findings import Finding, Level
from engine.domain.market_guards import (
    AnyMarketGuard,
    Gap,
    Spread,
    Stale,
    Suspect,
    SymbolState,
    opening_state,
    watching,
)
from engine.domain.market_watch import elapse, next_elapse_msc, observe
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.watch import NEVER_MSC
from engine.marking.ticks import FileQuality, InvalidRun, TickBatch

CLOSED_STEP_MSC = 60_000
"""While a symbol is closed nobody can say when it will be stale: it is asked again a minute on."""
_JUST_BELOW = 1.0 - 1e-9

Offsets = npt.NDArray[np.intp]
"""Of ticks in a batch, ascending."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a market guard found, between two ticks."""

    time_msc: int
    finding: Finding
    tick: Tick | None
    """The tick that showed it, just taken; None where no tick did."""


Piece = TickBatch | Found


class MarketPieces:
    """Cuts batches into ticks to walk and findings to act on in between, in order."""

    def __init__(
        self,
        guards: Sequence[AnyMarketGuard],
        instruments: Sequence[Instrument],
        quality: Sequence[FileQuality],
    ) -> None:
        """`quality`: of the stream's files; tells where their bad rows were."""
        sessions = {i.symbol: i.sessions for i in instruments}
        runs: dict[str, list[InvalidRun]] = {}
        for file in quality:
            runs.setdefault(file.symbol, []).extend(file.invalid_runs)
        self._watched: dict[str, _Watched] = {}
        for symbol, own in sessions.items():
            held = watching(guards, symbol)
            if held:
                self._watched[symbol] = _Watched(symbol, held, own, runs.get(symbol, []))
        self._last_msc = 0

    def pieces(self, batch: TickBatch) -> Iterator[Piece]:
        """The batch in order: ticks to take, and findings between them."""
        found: list[tuple[int, Found]] = []
        for row, symbol in enumerate(batch.symbols):
            watched = self._watched.get(symbol)
            if watched is not None:
                found.extend(watched.look(batch, row, self._last_msc))
        found.sort(key=lambda one: (one[0], one[1].tick is None))  # what a tick showed, first
        start = 0
        for stop, one in found:
            if stop > start:
                yield batch.part(start, stop)
                start = stop
            yield one
        if start < len(batch):
            yield batch.part(start, len(batch))
        self._last_msc = int(batch.time_msc[-1])


def pieces_of(market: MarketPieces | None, batch: TickBatch) -> Iterator[Piece]:
    """The pieces of a batch; the batch itself where no guard is on the feed."""
    if market is None:
        yield batch
    else:
        yield from market.pieces(batch)


def market_pieces(
    guards: Sequence[AnyMarketGuard],
    instruments: Sequence[Instrument],
    quality: Sequence[FileQuality],
) -> MarketPieces | None:
    """The pieces of a book's feed guards; None when it has none."""
    return MarketPieces(guards, instruments, quality) if guards else None


class _Watched:
    """One symbol and its guards."""

    def __init__(
        self,
        symbol: str,
        guards: tuple[AnyMarketGuard, ...],
        sessions: Sessions,
        runs: list[InvalidRun],
    ) -> None:
        self.symbol = symbol
        self._guards = guards
        self._sessions = sessions
        self._runs = runs if any(isinstance(guard, Suspect) for guard in guards) else []
        self._next_run = 0
        self._state: SymbolState = opening_state(guards)
        self._ticks = 0
        quiet_s = [g.quiet_s if isinstance(g, Gap) else g.max_age_s for g in guards
                   if isinstance(g, Gap | Stale)]  # fmt: skip
        self._quiet_msc = int(min(quiet_s) * 1000) if quiet_s else NEVER_MSC
        self._is_ageing = any(isinstance(guard, Stale) for guard in guards)
        wide = [min(g.warn_percent, g.act_percent) for g in guards if isinstance(g, Spread)]
        self._wide_percent = min(wide) * _JUST_BELOW if wide else np.inf
        self._was_wide = False

    def look(self, batch: TickBatch, row: int, before_msc: int) -> Iterator[tuple[int, Found]]:
        """Every finding of the batch: where it must be cut (so many ticks first), and what."""
        own = np.flatnonzero(batch.symbol == row)
        bad = self._bad_rows(own, len(batch))
        shown = self._worth_showing(batch, own, {int(j) for _, j, _ in bad})
        work: list[tuple[int, int, int, InvalidRun | None]] = [
            (stop, 0, j, run) for stop, j, run in bad
        ]
        work += [(int(own[j]), 2, j, None) for j in shown.tolist()]
        if self._is_ageing:
            work += [(start, 1, end, None) for start, end in self._quiet(batch, own)]
        for at, kind, j, run in sorted(work, key=lambda one: one[:3]):
            if run is not None:
                time_msc = int(batch.time_msc[at - 1]) if at else before_msc
                yield from self._show_bad(batch, own, j, at, run, time_msc)
            elif kind == 1:
                yield from self._age(batch, own, at, j)
            else:
                yield from self._show(batch, own, j)
        if len(own):
            self._remember(batch, own, len(own))
            self._ticks += len(own)

    def _bad_rows(self, own: Offsets, size: int) -> list[tuple[int, int, InvalidRun]]:
        """Bad rows that come right after a tick of this batch, or before its first."""
        bad = []
        while self._next_run < len(self._runs):
            run = self._runs[self._next_run]
            j = run.after_ticks - self._ticks
            if j > len(own):
                break
            at = 0 if j <= 0 else int(own[j - 1]) + 1
            if at >= size:
                break  # nothing of this batch comes after them
            bad.append((at, max(j, 0), run))
            self._next_run += 1
        return bad

    def _worth_showing(self, batch: TickBatch, own: Offsets, after_bad: set[int]) -> Offsets:
        """The symbol's ticks on which a guard could say something."""
        times, bids, asks = batch.time_msc[own], batch.bid[own], batch.ask[own]
        wide = 100.0 * (asks - bids) / bids >= self._wide_percent
        before = np.concatenate(([self._was_wide], wide[:-1])) if len(own) else wide
        last = self._state.last
        quiet = np.zeros(len(own), bool)
        if len(own):
            quiet[1:] = times[1:] - times[:-1] >= self._quiet_msc
            quiet[0] = last is not None and times[0] - last.time_msc >= self._quiet_msc
            self._was_wide = bool(wide[-1])
        chosen = wide | before | quiet
        if self._state.invalid_in_a_row and len(own):
            chosen[0] = True  # the bad rows came in an earlier batch
        for j in after_bad:
            if j < len(own):
                chosen[j] = True
        return np.flatnonzero(chosen)

    def _quiet(self, batch: TickBatch, own: Offsets) -> Iterator[tuple[int, int]]:
        """Stretches of the batch without a tick of the symbol, as offsets, the end excluded."""
        edges = [-1, *own.tolist(), len(batch)]
        for before, after in pairwise(edges):
            if after - before > 1:
                since = int(batch.time_msc[before]) if before >= 0 else None
                last = self._state.last
                since = since if since is not None else (last.time_msc if last else None)
                if since is not None and batch.time_msc[after - 1] - since >= self._quiet_msc:
                    yield before + 1, after

    def _remember(self, batch: TickBatch, own: Offsets, count: int) -> None:
        """The last valid quote is that of the `count`-th own tick of the batch."""
        if count:
            at = int(own[count - 1])
            quote = Quote(float(batch.bid[at]), float(batch.ask[at]), int(batch.time_msc[at]))
            self._state = replace(self._state, last=quote)

    def _show(self, batch: TickBatch, own: Offsets, j: int) -> Iterator[tuple[int, Found]]:
        self._remember(batch, own, j)
        at = int(own[j])
        bid, ask, time_msc = float(batch.bid[at]), float(batch.ask[at]), int(batch.time_msc[at])
        tick = Tick(batch.first_index + at, self.symbol, bid, ask)
        yield from self._observe(Quote(bid, ask, time_msc), at + 1, time_msc, tick)

    def _show_bad(
        self,
        batch: TickBatch,
        own: Offsets,
        j: int,
        at: int,
        run: InvalidRun,
        time_msc: int,
    ) -> Iterator[tuple[int, Found]]:
        """Bad rows keep no prices: rows of the same defect stand for them."""
        self._remember(batch, own, j)
        last = self._state.last
        stand_ins = {
            "crossed": Quote(2.0, 1.0, time_msc),
            "not_positive": Quote(0.0, 0.0, time_msc),
            "out_of_order": Quote(1.0, 1.0, (last.time_msc if last else time_msc) - 1),
        }
        quote = stand_ins.get(run.cause, Quote(float("nan"), float("nan"), time_msc))
        most = max(guard.in_a_row for guard in self._guards if isinstance(guard, Suspect))
        for _ in range(min(run.rows, most)):
            yield from self._observe(quote, at, time_msc, None)

    def _observe(
        self, quote: Quote, cut: int, time_msc: int, tick: Tick | None
    ) -> Iterator[tuple[int, Found]]:
        self._state, findings = observe(
            self._guards, self._state, self.symbol, self._sessions, quote
        )
        for finding in findings:
            if finding.policy is not None and finding.level is Level.CLEARED:
                yield cut - 1, Found(time_msc, finding, None)  # before the tick that clears it
            else:
                yield cut, Found(time_msc, finding, tick)

    def _age(
        self, batch: TickBatch, own: Offsets, start: int, end: int
    ) -> Iterator[tuple[int, Found]]:
        """Goes through a stretch without a tick of the symbol, to where it is stale."""
        self._remember(batch, own, int(np.searchsorted(own, start)))
        times = batch.time_msc
        at = start
        while at < end:
            now = int(times[at])
            self._state, findings = elapse(
                self._guards, self._state, self.symbol, self._sessions, now
            )
            for finding in findings:
                yield at, Found(now, finding, None)
            due = next_elapse_msc(self._guards, self._state, self._sessions, now)
            if findings and due == NEVER_MSC:
                return
            at = int(np.searchsorted(times, max(min(due, now + CLOSED_STEP_MSC), now + 1)))
