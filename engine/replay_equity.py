"""Equity over time of a replayed account, computed when asked for by a second pass over the ticks.

The pass does not step the account: between two of its states everything is a fixed function of the
quotes, so a batch of ticks is a handful of array operations. What agrees with what is in
`equity_columns.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.domain import records
from engine.domain.guards import EquityLimit
from engine.equity_columns import LatestQuotes
from engine.equity_days import Day, DayGatherer, Room, RoomGatherer
from engine.equity_drawdowns import Drawdown, DrawdownGatherer
from engine.equity_envelope import Envelope, EnvelopeGatherer
from engine.equity_ticks import AccountWalk, EquityTicks, LimitTicks, Standing
from engine.marking.ticks import TickBatch

if TYPE_CHECKING:
    from engine.replay_result import Replay

BATCH_TICKS = 65_536
BINS = 1200


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """Where a pass stood before one batch, to go on from there another time."""

    quotes: list[tuple[float, float, int]]
    account: Standing


class EquitySeries:
    """One account of a replay on every tick. Nothing is computed before it is asked for.

    The first question costs a pass over the whole stream (about 0.1 us a tick, reading apart);
    `windows` afterwards only computes the batches it needs. `gather` shares one pass.
    """

    def __init__(self, replay: "Replay", account_number: int) -> None:
        self.replay = replay
        self.account_number = account_number
        self.spec = replay.book.accounts[account_number].spec
        self.limits = [g for g in self.spec.guards if isinstance(g, EquityLimit)]
        self._checkpoints: dict[int, _Checkpoint] = {}
        self._envelopes: dict[int, Envelope] = {}
        self._room: Room | None = None
        self._drawdowns: list[Drawdown] = []
        self._days: list[Day] = []

    @property
    def span_msc(self) -> tuple[int, int]:
        """Times of the stream's first and last tick."""
        own = self.replay.records_of(self.account_number)
        return own[0].time_msc, own[-1].time_msc

    def batches(self) -> Iterator[EquityTicks]:
        """Every tick on which the account was valued, in order, at most 65,536 at a time."""
        latest = LatestQuotes(self.replay.stream.symbols)
        walk = self._walk(latest)
        for batch in self.replay.stream.batches(BATCH_TICKS):
            latest.take(batch)
            ticks = walk.take(batch)
            if ticks is not None:
                yield ticks

    def envelope(self, bins: int = BINS) -> Envelope:
        """Lowest, highest and last value in bins of equal time; see `Envelope`."""
        if bins not in self._envelopes:
            gather([self], bins)
        return self._envelopes[bins]

    @property
    def min_room(self) -> Room | None:
        """The smallest distance to the nearest unbreached floor; None where there was none."""
        self.envelope()
        return self._room

    @property
    def drawdowns(self) -> list[Drawdown]:
        """The worst five, the deepest first; the first is the account's largest drawdown."""
        self.envelope()
        return self._drawdowns

    @property
    def days(self) -> list[Day]:
        """The days of every equity limit that has a reset."""
        self.envelope()
        return self._days

    def window(self, from_msc: int, to_msc: int) -> EquityTicks | None:
        """Every tick from a time (inclusive) to a time (exclusive); None where there is none."""
        return self.windows([(from_msc, to_msc)])[0]

    def windows(self, spans_msc: Sequence[tuple[int, int]]) -> list[EquityTicks | None]:
        """`window` of several spans in one pass; batches without any are not computed again."""
        if not self._checkpoints:
            gather([self])
        latest = LatestQuotes(self.replay.stream.symbols)
        walk = self._walk(latest)
        found: list[list[EquityTicks]] = [[] for _ in spans_msc]
        end_msc = max((to for _, to in spans_msc), default=0)
        for batch in self.replay.stream.batches(BATCH_TICKS):
            first, last = int(batch.time_msc[0]), int(batch.time_msc[-1])
            if first >= end_msc:
                break
            wanted = [n for n, (at, to) in enumerate(spans_msc) if at <= last and first < to]
            if not wanted:
                continue
            checkpoint = self._checkpoints[batch.first_index]
            latest.restore(checkpoint.quotes)
            walk.restore(checkpoint.account)
            latest.take(batch)
            ticks = walk.take(batch)
            if ticks is not None:
                for number in wanted:
                    found[number].append(_between(ticks, *spans_msc[number]))
        return [_whole([part for part in parts if len(part)]) for parts in found]

    def _walk(self, latest: LatestQuotes) -> AccountWalk:
        return AccountWalk(self.spec, self.replay.changes(self.account_number), latest)

    def _warned_msc(self) -> dict[str, list[int]]:
        warned: dict[str, list[int]] = {}
        for record in self.replay.records_of(self.account_number):
            if isinstance(record, records.GuardWarning):
                warned.setdefault(record.guard, []).append(record.time_msc)
        return warned

    def _begin(self, bins: int, latest: LatestQuotes) -> "_Gathering":
        names = [guard.name for guard in self.limits]
        return _Gathering(
            self,
            self._walk(latest),
            EnvelopeGatherer(bins, *self.span_msc, names),
            RoomGatherer(),
            DrawdownGatherer(),
            DayGatherer({g.name: g.reset for g in self.limits if g.reset is not None}),
        )

    def _take(self, bins: int, gathered: "_Gathering") -> None:
        self._envelopes[bins] = gathered.envelope.envelope()
        self._room = gathered.room.room
        self._drawdowns = gathered.drawdowns.worst()
        self._days = gathered.days.days(self._warned_msc())
        self._checkpoints = gathered.checkpoints


@dataclass(slots=True)
class _Gathering:
    """One account of a pass that goes on."""

    series: EquitySeries
    walk: AccountWalk
    envelope: EnvelopeGatherer
    room: RoomGatherer
    drawdowns: DrawdownGatherer
    days: DayGatherer
    checkpoints: dict[int, _Checkpoint] = field(default_factory=dict)

    def take(self, batch: TickBatch, quotes: list[tuple[float, float, int]]) -> None:
        """Adds a batch, which the quotes of the walk have taken; `quotes` stood before it."""
        self.checkpoints[batch.first_index] = _Checkpoint(quotes, self.walk.standing)
        ticks = self.walk.take(batch)
        if ticks is not None:
            self.envelope.take(ticks)
            self.room.take(ticks)
            self.drawdowns.take(ticks)
            self.days.take(ticks)


def equity_series(replay: "Replay", account_number: int) -> EquitySeries:
    """The equity over time of one account of a replay."""
    return EquitySeries(replay, account_number)


def gather(series: Sequence[EquitySeries], bins: int = BINS) -> None:
    """Computes what several accounts of one replay will be asked for, in one pass over its ticks.

    Holds some 250 kB an account; the caller takes hundreds at a time, not a hundred thousand.
    """
    if not series:
        return
    stream = series[0].replay.stream
    latest = LatestQuotes(stream.symbols)
    gatherings = [one._begin(bins, latest) for one in series]
    for batch in stream.batches(BATCH_TICKS):
        quotes = latest.standing_after()
        latest.take(batch)
        for gathering in gatherings:
            gathering.take(batch, quotes)
    for gathering in gatherings:
        gathering.series._take(bins, gathering)


def _between(ticks: EquityTicks, from_msc: int, to_msc: int) -> EquityTicks:
    start, stop = np.searchsorted(ticks.time_msc, (from_msc, to_msc))
    return ticks.part(int(start), int(stop))


def _whole(parts: Sequence[EquityTicks]) -> EquityTicks | None:
    """Consecutive parts as one."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return EquityTicks(
        parts[0].first_index,
        parts[0].digits,
        np.concatenate([part.time_msc for part in parts]),
        np.concatenate([part.mark for part in parts]),
        np.concatenate([part.high_water for part in parts]),
        np.concatenate([part.equity_minor for part in parts]),
        np.concatenate([part.balance_minor for part in parts]),
        tuple(
            LimitTicks(
                same[0].guard,
                np.concatenate([limit.floor_minor for limit in same]),
                np.concatenate([limit.reference_minor for limit in same]),
                np.concatenate([limit.measured_minor for limit in same]),
                np.concatenate([limit.breached for limit in same]),
            )
            for same in zip(*(part.limits for part in parts), strict=True)
        ),
    )
