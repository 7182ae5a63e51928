"""What a script that polls would have seen of each breach: never, or how late, and at what cost.

A poller of period P asks at `phase + k * P` and sees the latest quotes of that moment; every phase
from 0 to P - 1 milliseconds is counted. It is given the engine's own high-water marks and floors,
and the breached account as it stood before the breach: no stop, target or close acts on it
afterwards. That is kinder to the poller than real life, where it would also keep its high-water
mark from what it polled.

Nothing is simulated poll by poll. Between two ticks the account is in breach or it is not; the
polls that fall into such an interval are those of a run of phases.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from msgspec import UNSET

from engine.domain.account import AccountState
from engine.domain.equity_limits import follows_day_high, tracker_index
from engine.domain.guards import Comparator, EquityLimit, Measured, Reference
from engine.domain.ids import AccountKey
from engine.domain.marks import base_of
from engine.domain.records import GuardBreach
from engine.domain.resets import next_reset_msc
from engine.domain.valuation import symbols_needed
from engine.domain.watch import NEVER_MSC
from engine.domain.watching import holding_of
from engine.equity_columns import LatestQuotes, equity_column, mark_column, minor_of_marks
from engine.equity_ticks import Bools, floors_minor
from engine.marking.ticks import Floats, Int64s, TickBatch
from engine.poll_phases import Phases, PollComparison, poll_comparison
from engine.replay_times import period_msc

if TYPE_CHECKING:
    from engine.replay_result import Replay

BATCH_TICKS = 65_536


def compare(replay: "Replay", period: str) -> list[PollComparison]:
    """Every breach of an equity limit as pollers of this period would have seen it.

    Raises:
        UserError: the period is not one (`10s`, `500ms`, `1m`).
    """
    return _compare(replay, [period])


def compare_all(replay: "Replay") -> list[dict[str, Any]]:
    """`compare` for every period the replay was asked to compare with, by breach and period."""
    return [asdict(found) for found in _compare(replay, replay.compare_poll)]


class Stood(NamedTuple):
    """Spans of time in a row in which nothing changed."""

    starts: Int64s
    ends: Int64s
    """Exclusive."""
    equity: Floats
    """Exact, in minor units."""
    in_breach: Bools


def joined(parts: Sequence[Stood]) -> Stood:
    """Spans that follow each other, as one."""
    return Stood(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


@dataclass(slots=True)
class PolledBreach:
    """One breach being compared: `take` the ticks from it on, `finish`, then read `results`."""

    record: GuardBreach
    state: AccountState
    """As it stood at the verdict: nothing closed yet."""
    guard: EquityLimit
    until_msc: int
    """The guard's reset, at which its limit becomes another."""
    phases: list[Phases]
    tracker: int | None
    high: float
    standing: tuple[int, float, bool]
    """Since when, the equity, whether it is in breach: as of the last tick taken."""

    @property
    def left(self) -> bool:
        """Whether more ticks can change anything."""
        return any(phases.left for phases in self.phases)

    def take(self, batch: TickBatch, latest: LatestQuotes, start: int) -> None:
        """Goes on with the ticks of the batch from offset `start`."""
        self._see(*self.stood(batch, latest, start))

    def stood(self, batch: TickBatch, latest: LatestQuotes, start: int) -> Stood:
        """What stood between those ticks, from the last one before them on."""
        span = slice(start, len(batch))
        times = batch.time_msc[span]
        equity, in_breach = self._columns(latest, span)
        since, stood, was = self.standing
        self.standing = int(times[-1]), float(equity[-1]), bool(in_breach[-1])
        return Stood(
            np.concatenate(([since], times[:-1])),
            times,
            np.concatenate(([stood], equity[:-1])),
            np.concatenate(([was], in_breach[:-1])),
        )

    def last(self, until_msc: int) -> Stood:
        """What stands after the last tick, up to that moment."""
        since, equity, in_breach = self.standing
        ends = np.array([max(since, until_msc)])
        return Stood(np.array([since]), ends, np.array([equity], float), np.array([in_breach]))

    def finish(self, last_msc: int) -> None:
        """No tick comes any more; the last one is still seen by a poll at its own moment."""
        self._see(*self.last(last_msc + 1))

    def _see(self, starts: Int64s, ends: Int64s, equity: Floats, in_breach: Bools) -> None:
        for place in np.flatnonzero((ends > starts) & in_breach):
            if not self.left:
                return
            self._see_one(int(starts[place]), int(ends[place]), float(equity[place]))

    def _see_one(self, from_msc: int, to_msc: int, equity: float) -> None:
        to_msc = min(to_msc, self.until_msc)
        if from_msc < to_msc:
            for phases in self.phases:
                if phases.left:
                    phases.see(from_msc, to_msc, equity)

    def _columns(self, latest: LatestQuotes, span: slice) -> tuple[Floats, Any]:
        """Exact equity in minor units, and whether it is in breach, on every tick of the span."""
        state, guard, spec = self.state, self.guard, self.state.spec
        settled = state.balance_minor + state.credit_minor
        equity = equity_column(spec.market, settled, state.positions, latest, span)
        floors: Floats | int = round(self.record.floor * 10**spec.digits)
        if self.tracker is not None:
            needs = symbols_needed(spec.market, state.positions)
            holding = holding_of(state, latest.quotes(needs, span.start))
            mark = mark_column(base_of(state), holding.exposures, latest, span)
            highs = np.maximum(np.maximum.accumulate(mark), self.high)
            self.high = float(highs[-1])
            floors = floors_minor(guard, minor_of_marks(highs, spec.digits), spec)
        measured = equity
        if guard.measured is Measured.BALANCE:
            measured = np.full(len(equity), float(state.balance_minor))
        if guard.comparator is Comparator.BELOW:
            return equity, measured < floors
        return equity, measured <= floors

    def results(self, periods: Sequence[str]) -> Iterator[PollComparison]:
        """One for each period."""
        for period, phases in zip(periods, self.phases, strict=True):
            yield poll_comparison(period, self.record, phases, self.state.spec.digits)


def _compare(replay: "Replay", periods: Sequence[str]) -> list[PollComparison]:
    lengths = [period_msc(period) for period in periods]
    breaches = _breaches(replay, lengths) if lengths else []
    waiting = sorted(breaches, key=lambda breach: breach.record.time_msc)
    active: list[PolledBreach] = []
    latest = LatestQuotes(replay.stream.symbols)
    last_msc = 0
    for batch in replay.stream.batches(BATCH_TICKS) if waiting else ():
        latest.take(batch)
        for breach in active:
            breach.take(batch, latest, 0)
        while waiting and (start := _offset(waiting[0].record, batch)) < len(batch):
            active.append(waiting.pop(0))
            active[-1].take(batch, latest, start)
        last_msc = int(batch.time_msc[-1])
        active = [breach for breach in active if breach.left and breach.until_msc > last_msc]
        if not active and not waiting:
            break
    for breach in active:
        breach.finish(last_msc)
    return [result for breach in breaches for result in breach.results(periods)]


def _breaches(replay: "Replay", lengths: Sequence[int]) -> list[PolledBreach]:
    numbers = {account.spec.key: number for number, account in enumerate(replay.book.accounts)}
    found = []
    for record in replay.records:
        if not isinstance(record, GuardBreach):
            continue
        changes = replay.changes(numbers[AccountKey(record.server, record.login)])
        at = bisect_left(changes, record.seq, key=lambda change: change.state.seq)
        found.append(polled_breach(record, changes[at].state, lengths))
    return found


def polled_breach(
    record: GuardBreach, state: AccountState, lengths_ms: Sequence[int]
) -> PolledBreach:
    """A breach that nobody has polled yet; `state`: as it stood at the verdict."""
    guards = state.spec.guards
    place = next(n for n, guard in enumerate(guards) if guard.name == record.guard)
    guard = guards[place]
    assert isinstance(guard, EquityLimit), "only equity limits have floors"
    tracker: int | None = None
    if guard.reference is Reference.EQUITY_HIGH_WATER:
        tracker = 0
    elif follows_day_high(guard):
        tracker = tracker_index(guards, place)
    reset, time_msc = guard.reset, record.time_msc
    return PolledBreach(
        record=record,
        state=state,
        guard=guard,
        until_msc=NEVER_MSC if reset is None else next_reset_msc(reset, time_msc),
        phases=[Phases(length, time_msc) for length in lengths_ms],
        tracker=tracker,
        high=0.0 if tracker is None else state.marks.trackers[tracker],
        standing=(time_msc, round(record.equity * 10**state.spec.digits), True),
    )


def _offset(record: GuardBreach, batch: TickBatch) -> int:
    """Where the ticks from the breach on begin in the batch; its length when in a later one."""
    if record.tick is UNSET:  # at a reset, before any tick of that moment
        return int(np.searchsorted(batch.time_msc, record.time_msc))
    return min(record.tick.index - batch.first_index, len(batch))
