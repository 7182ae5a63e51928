"""Which rows of a symbol's files may be valued: each bad one counted, the first one located."""

from math import isfinite

import numpy as np

from adapters.tick_files.plain import utc_text
from adapters.tick_files.rows import Bytes, Rows
from engine.errors import UserError
from engine.marking.compiling import compiled
from engine.marking.ticks import MOST_INVALID_RUNS, FileQuality, Floats, Int64s, InvalidRun

CAUSES = ("", "malformed", "not_positive", "crossed", "out_of_order")
LONG_AGO = -(2**62)


@compiled
def judge(
    time_msc: Int64s, bid: Floats, ask: Floats, causes: Bytes, last_msc: int
) -> tuple[int, int]:
    """Put into `causes` (1 where malformed already) why each row is bad, 0 if it is not.

    Gives how many are bad and the time of the last good row, `last_msc` if there is none. The
    order of the tests is that of `engine.domain.quotes.defect`.
    """
    bad = 0
    for i in range(len(time_msc)):
        cause = causes[i]
        if cause == 0:
            if not (np.isfinite(bid[i]) and np.isfinite(ask[i])):
                cause = 1
            elif bid[i] <= 0.0 or ask[i] <= 0.0:
                cause = 2
            elif ask[i] < bid[i]:
                cause = 3
            elif time_msc[i] < last_msc:
                cause = 4
            else:
                last_msc = time_msc[i]
        if cause != 0:
            causes[i] = cause
            bad += 1
    return bad, last_msc


class Column:
    """The good rows of one symbol, over all its files, kept as they come."""

    def __init__(self) -> None:
        """Empty."""
        self.last_msc = LONG_AGO
        """Time of the last good row: what comes with an earlier one is out of order."""
        self.count = 0
        """Good rows so far."""
        self.times: list[Int64s] = []
        self.bids: list[Floats] = []
        self.asks: list[Floats] = []

    def joined(self) -> tuple[Int64s, Floats, Floats]:
        """Times, bids, asks; views of what was added if it came in one piece. Empties this."""
        times = _joined(self.times, np.int64)
        bids = _joined(self.bids, np.float64)
        return times, bids, _joined(self.asks, np.float64)


class Sieve:
    """Takes the rows of one file, keeps the good ones in a column, remembers the bad ones."""

    def __init__(self, path: str, symbol: str, column: Column, locate_most: int = 1) -> None:
        """For one file; `column` is the symbol's, with the files before this one in it.

        Of the bad rows the first `locate_most` are located.
        """
        self.path = path
        self.symbol = symbol
        self.column = column
        self.rows = 0
        self.counts = [0] * len(CAUSES)
        self.locate_most = locate_most
        self.located: list[str] = []
        """Where bad rows are and why, the first of the file first."""
        self.runs: list[InvalidRun] = []
        """Bad rows in a row, counted from the symbol's first good row of all its files."""
        self.first_msc: int | None = None
        self.last_msc: int | None = None

    def add(self, rows: Rows) -> None:
        """Judge these rows, the next of the file; the good ones are kept without copying."""
        column = self.column
        before = column.last_msc
        times, bids, asks = rows.time_msc, rows.bid, rows.ask
        bad, column.last_msc = judge(times, bids, asks, rows.malformed, before)
        self.rows += len(times)
        if bad:
            self._note_runs(rows)
            for cause, count in enumerate(np.bincount(rows.malformed, minlength=len(CAUSES))):
                self.counts[cause] += int(count) if cause else 0
            for i in np.flatnonzero(rows.malformed)[
                : self.locate_most - len(self.located)
            ].tolist():
                good = np.flatnonzero(rows.malformed[:i] == 0)
                latest = int(times[good[-1]]) if len(good) else before
                self.located.append(f"{rows.place(i)}: {_reason(rows, i, latest)}")
            good_rows = rows.malformed == 0
            times, bids, asks = times[good_rows], bids[good_rows], asks[good_rows]
        column.count += len(times)
        if len(times):
            if self.first_msc is None:
                self.first_msc = int(times[0])
            self.last_msc = int(times[-1])
            column.times.append(times)
            column.bids.append(bids)
            column.asks.append(asks)

    def _note_runs(self, rows: Rows) -> None:
        """Remember between which good rows of the symbol the bad ones stood."""
        at = np.flatnonzero(rows.malformed)
        after = self.column.count + at - np.arange(len(at))
        starts = np.flatnonzero(np.diff(after, prepend=-1))
        stops = np.append(starts[1:], len(at))
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            cause = CAUSES[rows.malformed[at[stop - 1]]]
            count, after_ticks = stop - start, int(after[start])
            if self.runs and self.runs[-1].after_ticks == after_ticks:
                count += self.runs.pop().rows
            if len(self.runs) == MOST_INVALID_RUNS:
                return
            self.runs.append(InvalidRun(after_ticks, count, cause))

    @property
    def invalid_rows(self) -> int:
        """How many rows were bad so far."""
        return sum(self.counts)

    def refuse_mostly_bad(self) -> None:
        """Raise UserError if more than half the rows were bad."""
        causes = self.by_cause()
        if 2 * self.invalid_rows > self.rows:
            counted = ", ".join(f"{n} {name}" for name, n in causes.items())
            raise UserError(
                f"{self.invalid_rows} of {self.rows} rows are bad ({counted}); "
                f"the first: {self.located[0]}",
                place=self.path,
                help=_remedy(causes, self.symbol),
            )

    def by_cause(self) -> dict[str, int]:
        """How many rows were bad for each cause that occurred."""
        return {name: n for name, n in zip(CAUSES, self.counts, strict=True) if n}

    def quality(self, form: str, sha256: str) -> FileQuality:
        """What the file held."""
        return FileQuality(
            path=self.path,
            symbol=self.symbol,
            format=form,
            sha256=sha256,
            rows=self.rows,
            invalid_rows=self.invalid_rows,
            invalid_by_cause=self.by_cause(),
            first_invalid=self.located[0] if self.located else None,
            first_msc=self.first_msc,
            last_msc=self.last_msc,
            invalid_runs=tuple(self.runs),
        )


def _reason(rows: Rows, i: int, latest_msc: int) -> str:
    cause = CAUSES[rows.malformed[i]]
    bid, ask = float(rows.bid[i]), float(rows.ask[i])
    if cause == "crossed":
        return f"crossed, ask {ask} below bid {bid}"
    if cause == "not_positive":
        return f"not positive, bid {bid}, ask {ask}"
    if cause == "out_of_order":
        at = utc_text(int(rows.time_msc[i]))
        return f"out of order, {at} is before {utc_text(latest_msc)}"
    why = rows.why(i)
    if not why and not (isfinite(bid) and isfinite(ask)):
        why = f"bid {bid}, ask {ask}"
    return f"malformed, {why}"


def _remedy(causes: dict[str, int], symbol: str) -> str:
    worst = max(causes, key=lambda name: causes[name])
    if worst == "out_of_order":
        return f"give the files of {symbol} oldest first, and each only once"
    if worst == "crossed":
        return "are the columns bid and ask the other way round? At most half the rows may be bad"
    return f"at most half the rows may be bad; is this a file of {symbol}, and whole?"


def _joined(parts: list, kind: type) -> np.ndarray:  # type: ignore[type-arg]
    if len(parts) == 1:
        return parts.pop()  # type: ignore[no-any-return]
    whole = np.concatenate(parts) if parts else np.empty(0, kind)
    parts.clear()
    return whole
