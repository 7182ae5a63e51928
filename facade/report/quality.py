"""What the tick files were worth: bad rows, silences, repeats, and days that are not 24 hours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from engine.domain import records
from engine.domain.guards import Reset
from engine.domain.resets import next_reset_msc, zone_of
from engine.marking.ticks import FileQuality, Floats, Int64s, TickStream
from engine.replay_result import Replay
from facade.report import numbers
from facade.report.markup import Child, Markup, h
from facade.report.story import Story
from facade.report.tables import Cell, Column, Row, number_cell, table, when

BATCH_TICKS = 65_536
GAP_MSC = 60_000
DAY_MSC = 86_400_000
DAYS_MOST = 4_000


@dataclass
class Traffic:
    """The valid ticks of one symbol inside the replayed range."""

    symbol: str
    ticks: int = 0
    first_msc: int | None = None
    last_msc: int | None = None
    gaps: int = 0
    """Silences of more than a minute."""
    longest_msc: int = 0
    """The longest silence."""
    longest_from_msc: int | None = None
    repeats: int = 0
    """Ticks of the same millisecond, bid and ask as the one before."""
    _bid: float = 0.0
    _ask: float = 0.0

    def take(self, times: Int64s, bids: Floats, asks: Floats) -> None:
        """Adds ticks that follow those taken before; there is at least one."""
        if self.last_msc is None:
            self.first_msc = int(times[0])
        else:
            times = np.concatenate(([self.last_msc], times))
            bids = np.concatenate(([self._bid], bids))
            asks = np.concatenate(([self._ask], asks))
            self.ticks -= 1
        silences = np.diff(times)
        self.ticks += len(times)
        self.gaps += int(np.count_nonzero(silences > GAP_MSC))
        if len(silences):
            at = int(np.argmax(silences))
            if silences[at] > self.longest_msc:
                self.longest_msc = int(silences[at])
                self.longest_from_msc = int(times[at])
            same = (silences == 0) & (np.diff(bids) == 0) & (np.diff(asks) == 0)
            self.repeats += int(np.count_nonzero(same))
        self.last_msc, self._bid, self._ask = int(times[-1]), float(bids[-1]), float(asks[-1])


def traffic_of(stream: TickStream) -> list[Traffic]:
    """Every symbol's traffic, by one pass over the stream."""
    found = [Traffic(symbol) for symbol in stream.symbols]
    for batch in stream.batches(BATCH_TICKS):
        for number, traffic in enumerate(found):
            mine = np.flatnonzero(batch.symbol == number)
            if len(mine):
                traffic.take(batch.time_msc[mine], batch.bid[mine], batch.ask[mine])
    return found


def section(replay: Replay, stories: Sequence[Story]) -> Markup:
    """Files, symbols, resets and odd days."""
    files = replay.stream.quality()
    return h(
        "section",
        h("h2", "Data quality", id="quality-h"),
        _defects(files),
        _files(files),
        _symbols(traffic_of(replay.stream)),
        h("ul", [h("li", said) for said in _calendar(replay, stories)], class_="prose note"),
        id="quality",
        aria_labelledby="quality-h",
    )


def _defects(files: Iterable[FileQuality]) -> Markup:
    bad = [quality for quality in files if quality.invalid_rows]
    if not bad:
        return h("p", "Every row of every file is a valid quote, in order of time.", class_="note")
    said: list[Child] = []
    for quality in bad:
        causes = ", ".join(
            f"{numbers.count(number)} {cause.replace('_', ' ')}"
            for cause, number in quality.invalid_by_cause.items()
            if number
        )
        said.append(
            h("li", h("b", Path(quality.path).name), f": {causes}; the first at ",
              quality.first_invalid or "an unknown row", ".")
        )  # fmt: skip
    return h("ul", said, class_="prose")


def _files(files: Sequence[FileQuality]) -> Markup:
    columns = [
        Column("File"),
        Column("Symbol"),
        Column("Format"),
        Column("Rows", is_number=True),
        Column("Invalid", is_number=True),
        Column("First, UTC"),
        Column("Last, UTC"),
        Column("SHA-256"),
    ]
    rows = [
        Row([
            Cell(Path(quality.path).name),
            Cell(quality.symbol),
            Cell(quality.format),
            number_cell(numbers.count(quality.rows), quality.rows),
            number_cell(numbers.count(quality.invalid_rows), quality.invalid_rows),
            number_cell(when(quality.first_msc), quality.first_msc),
            number_cell(when(quality.last_msc), quality.last_msc),
            Cell(h("span", quality.sha256, class_="id")),
        ])
        for quality in files
    ]  # fmt: skip
    return table("Tick files, whole, before any cut to a range", columns, rows)


def _symbols(traffic: Iterable[Traffic]) -> Markup:
    columns = [
        Column("Symbol"),
        Column("Ticks replayed", is_number=True),
        Column("First, UTC"),
        Column("Last, UTC"),
        Column("Longest silence", is_number=True),
        Column("From, UTC"),
        Column("Silences over 1 min", is_number=True),
        Column("Exact repeats", is_number=True),
    ]
    rows = [
        Row([
            Cell(one.symbol),
            number_cell(numbers.count(one.ticks), one.ticks),
            number_cell(when(one.first_msc), one.first_msc),
            number_cell(when(one.last_msc), one.last_msc),
            number_cell(
                numbers.duration(one.longest_msc), one.longest_msc if one.ticks > 1 else None
            ),
            number_cell(when(one.longest_from_msc), one.longest_from_msc),
            number_cell(numbers.count(one.gaps), one.gaps),
            number_cell(numbers.count(one.repeats), one.repeats),
        ])
        for one in traffic
    ]  # fmt: skip
    return table("Valid ticks by symbol, inside the range", columns, rows)


def _calendar(replay: Replay, stories: Sequence[Story]) -> list[str]:
    resets = sorted(
        {guard.reset for story in stories for guard in story.spec.guards if guard.reset},
        key=lambda reset: (reset.zone, reset.at_minute),
    )
    if not resets:
        return ["No guard of these accounts has a reset."]
    times = [record.time_msc for record in replay.records]
    first, last = min(times), max(times)
    crossed = {r.time_msc for r in replay.records if isinstance(r, records.DayReset)}
    said = [f"{numbers.counted(len(crossed), 'reset instant')} met by a valued account."]
    for reset in resets:
        hour, minute = divmod(reset.at_minute, 60)
        odd = odd_days(reset, first, last)
        days = ", ".join(f"{day} has {hours:g} hours" for day, hours in odd[:6])
        more = f", and {len(odd) - 6} more" if len(odd) > 6 else ""
        said.append(
            f"Days from {hour:02d}:{minute:02d} {reset.zone}: "
            + (f"{days}{more}." if odd else "all of 24 hours in this range.")
        )
    return said


def odd_days(reset: Reset, first_msc: int, last_msc: int) -> list[tuple[date, float]]:
    """Days of a reset that meet the range and are not 24 hours long, with their hours."""
    zone = zone_of(reset.zone)
    start = next_reset_msc(reset, first_msc - 2 * DAY_MSC)
    found: list[tuple[date, float]] = []
    for _ in range(DAYS_MOST):
        end = next_reset_msc(reset, start)
        if end > first_msc and end - start != DAY_MSC:
            opened = datetime.fromtimestamp(start / 1000, zone) + timedelta(minutes=1)
            found.append((opened.date(), (end - start) / 3_600_000))
        if end > last_msc:
            break
        start = end
    return found
