"""How equity and balance went: buckets from a second to a day, with the exact extremes of the mark.

One history a server, in memory; `equity_kept.py` has minutes and coarser survive a restart. What
nobody valued is a gap, never zero, and a bucket in which the engine was away for a while says so.
What it needs of whoever drives a feed (`router.Router`, `actor.Actor`):

- `before_walk()` and `after_walk(part)` around each `feed.walk`, before anything is put;
- `balance(key, time_msc, balance)` at the start and whenever it may have changed: said
  late, it counts from then.

A change of what is held counts from the next tick after it was put. An account that leaves in
mid-bucket keeps what it had; whoever gets its slot begins anew.

Memory: 32 bytes an account and row, 2,164 rows in all: 69 MB for 1,000 accounts once every level
is full. Pages are touched as rows come. Balance: its last 4,096 changes.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec
import numpy as np

from engine.domain import records
from engine.domain.ids import AccountKey
from engine.equity_kept import KEPT_FROM_S, KeptBalance, KeptEquity, KeptRow, Watched
from engine.equity_levels import Level, fold
from engine.marking.extremes import FIRST, HIGHEST, LAST, LOWEST, Extremes
from engine.marking.feed import Feed
from engine.marking.ticks import Floats, Int64s, TickBatch
from engine.trade_figures import TradeFigures, figures_of

DAY_S = 86_400
LEVELS = {1: 300, 10: 360, 60: 480, 900: 288, 3600: 336, DAY_S: 400}
"""Rows kept, by the seconds of a bucket: 5 min, 1 h, 8 h, 3 days, 2 weeks, 400 days."""
BALANCE_CHANGES = 4096
UNKEPT_BALANCES = 16 * BALANCE_CHANGES
"""Remembered one by one until they are kept."""
RUNS = 1000
"""Of the engine, that it remembers."""


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """One span of time; money in major units, the equity unrounded as the mark is."""

    start_msc: int
    """A multiple of the bucket's length since 1970, UTC."""
    open: float
    high: float
    low: float
    close: float
    balance_open: float | None
    balance_high: float | None
    balance_low: float | None
    balance_close: float | None
    """None: not known then."""
    is_whole: bool = True
    """False: for a part of it the engine was not running; nothing is known of that part."""


class PeriodStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A period in figures."""

    from_msc: int
    to_msc: int
    profit: float
    """Of closed positions, as recorded."""
    moved: float
    """Deposits and credits less withdrawals."""
    closed_positions: int
    trade_days: int
    """UTC days with a position opened or closed."""
    max_drawdown: float | None
    """Largest fall from an earlier high; None: nothing was valued."""
    max_drawdown_percent: float | None
    """Of that high."""
    max_drawdown_msc: int | None
    """Start of the bucket of the low."""
    is_exact: bool
    """False: high and low fell into one bucket, whose order of them is not kept: at most so deep;
    or the buckets do not reach back to the start of the period; or the engine was away in it."""
    is_complete: bool
    """False: it has more records than are looked at; profit and the counts are of the latest."""
    trades: TradeFigures


class EquityHistory:
    """See the top. Nothing here waits; a second's end costs some 150 us for 1,000 accounts."""

    def __init__(self, keys: Sequence[AccountKey], feed: Feed, by_slot: Mapping[int, int]) -> None:
        """`keys` by place, `by_slot`: from the slots of the feed to places (`Seats.by_slot`)."""
        self._places = {key: place for place, key in enumerate(keys)}
        self._feed = feed
        self._by_slot = by_slot
        self._extremes = Extremes(feed)
        self._levels = {s: Level(s, rows, len(keys)) for s, rows in LEVELS.items()}
        self._balances: list[deque[tuple[int, float]]] = [
            deque(maxlen=BALANCE_CHANGES) for _ in keys
        ]
        self._owners: dict[int, int] = {}
        """The accounts of slots as of the last look, by place."""
        self._seated: Int64s = np.empty((0, 2), np.int64)
        """(accounts, 2): slot and place."""
        self._seatings = -1
        self._logins: Int64s = np.array([key.login for key in keys], np.int64)
        self._second_msc = self._began_msc = self._kept_msc = -1
        self._runs: list[Watched] = []
        """Of the engine before this one, oldest first."""
        self._unkept: list[KeptBalance] = []
        self.beside: dict[AccountKey, Callable[[], None]] = {}
        """Accounts with a feed of their own: each takes in what that has of the going second."""
        self._unkept_overflowed = False
        """So many were not kept that all there are are given again."""

    def admit(self, keys: Sequence[AccountKey]) -> None:
        """Goes on with more accounts, at the next places; 50 ms where 1,000 have a year's rows."""
        for key in keys:
            assert key not in self._places, "two accounts have one name"
            self._places[key] = len(self._places)
            self._balances.append(deque(maxlen=BALANCE_CHANGES))
        self._logins = np.array([key.login for key in self._places], np.int64)
        for level in self._levels.values():
            level.widen(len(keys))

    def before_walk(self) -> None:
        """The feed is about to be walked."""
        if self._feed.seatings != self._seatings:
            self._seatings = self._feed.seatings
            for slot, place in self._owners.items():
                if self._by_slot.get(slot) != place:
                    self._keep(place, self._extremes.pick(slot))
            self._owners = dict(self._by_slot)
            self._seated = np.array(list(self._owners.items()), np.int64).reshape(-1, 2)
        self._extremes.begin()

    def after_walk(self, part: TickBatch) -> None:
        """It was walked, and nothing was put since."""
        if not len(part):
            return
        seconds = part.time_msc // 1000
        bounds = [0, *(np.flatnonzero(np.diff(seconds)) + 1).tolist(), len(part)]
        for start, stop in pairwise(bounds):
            second_msc = int(seconds[start]) * 1000
            self.reach(second_msc)
            self._extremes.take(start, stop)

    def reach(self, second_msc: int) -> None:
        """Something ticks in this second: what is before it is over."""
        if self._began_msc < 0:
            self._began_msc = self._kept_msc = second_msc
        if second_msc != self._second_msc:
            self._settle()
            self._second_msc = second_msc
            for level in self._levels.values():
                level.row_of(second_msc, make=True)

    def let_go(self, slot: int | None) -> None:
        """The account of the slot goes to another feed: what it had comes before what it gets."""
        place = None if slot is None else self._owners.pop(slot, None)
        if slot is not None and place is not None:
            self._keep(place, self._extremes.pick(slot))

    def fold_in(self, key: AccountKey, second_msc: int, more: Floats) -> None:
        """Takes marks of an account from another feed in; NaN: there are none."""
        if more[FIRST] == more[FIRST]:
            self._fold_at(self._places[key], second_msc, more)

    def balance(self, key: AccountKey, time_msc: int, balance: float) -> None:
        """The account's balance from now on, in major units."""
        changes = self._balances[self._places[key]]
        if not changes or changes[-1][1] != balance:
            since_msc = max(time_msc, changes[-1][0]) if changes else time_msc
            changes.append((since_msc, balance))
            self._remember([KeptBalance(key.login, since_msc, balance)])

    def buckets(self, key: AccountKey, bucket_s: int, from_msc: int, to_msc: int) -> list[Bucket]:
        """Those that overlap the span, in order; the last one may be going on.

        Raises:
            KeyError: no such account, or no such length: see `LEVELS`.
        """
        place, level = self._places[key], self._levels[bucket_s]
        self._settle()
        if key in self.beside:
            self.beside[key]()
        changes = list(self._balances[place])
        times = [time_msc for time_msc, _ in changes]
        found = []
        for start, row in level.of(place, from_msc, to_msc):
            first = bisect_right(times, start) - 1
            last = bisect_right(times, start + level.bucket_msc - 1)
            held = [amount for _, amount in changes[max(0, first) : last]]
            found.append(
                Bucket(
                    start_msc=start,
                    open=row[FIRST],
                    high=row[HIGHEST],
                    low=row[LOWEST],
                    close=row[LAST],
                    balance_open=held[0] if held else None,
                    balance_high=max(held, default=None),
                    balance_low=min(held, default=None),
                    balance_close=held[-1] if held else None,
                    is_whole=self._was_watched(start, start + level.bucket_msc),
                )
            )
        return found

    def statistics(
        self,
        key: AccountKey,
        durable: Iterable[records.Record],
        from_msc: int,
        to_msc: int,
        *,
        is_whole: bool = True,
    ) -> PeriodStatistics:
        """The period in figures; `durable`: the account's records, at least those of the period;
        `is_whole`: all of those.

        The drawdown is that of the finest buckets that reach back to the start.

        Raises:
            KeyError: no such account.
        """
        finest: list[Bucket] = []
        reaches = False
        first_msc = self._runs[0].began_msc if self._runs else self._began_msc
        for bucket_s in LEVELS:
            finest = self.buckets(key, bucket_s, from_msc, to_msc)
            oldest = self._levels[bucket_s].starts
            known = oldest[oldest >= 0]
            reaches = bool(len(known)) and int(known.min()) <= max(from_msc, first_msc)
            if reaches:
                break
        depth, high, at_msc, is_exact = _deepest(finest)
        within = [one for one in durable if from_msc <= one.time_msc < to_msc]
        closed = [one for one in within if isinstance(one, records.PositionClosed)]
        moved = [one.amount for one in within if isinstance(one, records.BalanceChanged)]
        traded = [
            one.time_msc // (1000 * DAY_S)
            for one in within
            if isinstance(one, records.PositionClosed | records.PositionOpened)
        ]
        share = None if depth is None or high <= 0.0 else round(100.0 * depth / high, 4)
        return PeriodStatistics(
            from_msc=from_msc,
            to_msc=to_msc,
            profit=round(sum(one.profit for one in closed), 8),
            moved=round(sum(moved), 8),
            closed_positions=len(closed),
            trade_days=len(set(traded)),
            max_drawdown=depth,
            max_drawdown_percent=share,
            max_drawdown_msc=at_msc,
            is_exact=is_exact and reaches and self._was_watched(from_msc + 999, to_msc),
            is_complete=is_whole,
            trades=figures_of(within),
        )

    def restore(self, kept: KeptEquity, until_msc: int) -> None:
        """Goes on from what was kept before this run; of later than `until_msc` nothing.

        At the start, or later where it could not be read then. Costs some 60 ms for 1,000 accounts
        once every bucket is there.
        """
        places = {key.login: place for key, place in self._places.items()}
        known: dict[bytes, Int64s] = {}
        earlier: dict[int, list[tuple[int, Floats]]] = {}
        for row in sorted(kept.rows, key=lambda row: row.start_msc):
            if row.bucket_s not in self._levels or row.start_msc > until_msc:
                continue
            name = row.logins.tobytes()
            if name not in known:  # nearly all rows are of the same accounts
                pairs = [(places[x], at) for at, x in enumerate(row.logins.tolist()) if x in places]
                known[name] = np.array(pairs, np.int64).reshape(-1, 2)
            dense = np.full((len(self._places), 4), np.nan)
            dense[known[name][:, 0]] = row.marks[known[name][:, 1]]
            earlier.setdefault(row.bucket_s, []).append((row.start_msc, dense))
        for bucket_s, of_level in earlier.items():
            self._levels[bucket_s].restore(of_level)
        before: dict[int, list[tuple[int, float]]] = {}
        for login, time_msc, balance in sorted(kept.balances, key=lambda one: one.time_msc):
            if login in places and time_msc <= until_msc:
                before.setdefault(places[login], []).append((time_msc, balance))
        for place, changes in before.items():
            since = list(self._balances[place])
            known_before = [one for one in changes if not since or one[0] < since[0][0]]
            self._balances[place] = deque([*known_before, *since], BALANCE_CHANGES)
        self._runs = [run for run in sorted(kept.runs) if run.until_msc <= until_msc][-RUNS:]

    def fresh(self) -> KeptEquity | None:
        """What was not kept yet, or may have changed since; None: nothing. Say what became of it.

        For 1,000 accounts it costs what a second's end does and a copy of some 100 KB.
        """
        if self._second_msc < 0:
            return None
        self._settle()
        for settle in self.beside.values():
            settle()
        rows = [
            KeptRow(bucket_s, start_msc, self._logins, marks.copy())
            for bucket_s, level in self._levels.items()
            if bucket_s >= KEPT_FROM_S
            for start_msc, marks in level.ended_after(self._kept_msc)
        ]
        balances, self._unkept = self._unkept, []
        if self._unkept_overflowed:
            self._unkept_overflowed = False
            balances = [
                KeptBalance(key.login, *one)
                for key, place in self._places.items()
                for one in self._balances[place]
            ]
        # The going second is not over: what is kept of it may be a part.
        return KeptEquity(rows, balances, [Watched(self._began_msc, self._second_msc)])

    def was_kept(self, kept: KeptEquity) -> None:
        """What `fresh` gave is safe now."""
        self._kept_msc = kept.runs[-1].until_msc

    def was_not_kept(self, kept: KeptEquity) -> None:
        """It is not, so `fresh` gives it again."""
        self._remember(kept.balances)

    def _remember(self, balances: Sequence[KeptBalance]) -> None:
        """For the next `fresh`; a bounded number of them, however long a disk is full."""
        if self._unkept_overflowed or len(self._unkept) + len(balances) > UNKEPT_BALANCES:
            self._unkept, self._unkept_overflowed = [], True
        else:
            self._unkept += balances

    def _was_watched(self, from_msc: int, to_msc: int) -> bool:
        """Whether one run of the engine covers all of it; this one goes on."""
        if 0 <= self._began_msc <= from_msc:
            return True
        return any(run.began_msc <= from_msc and to_msc <= run.until_msc for run in self._runs)

    def _settle(self) -> None:
        """Takes what is known of the going second into all levels."""
        closed = self._extremes.close_bucket()
        if self._second_msc >= 0 and len(self._seated):
            within = self._seated[self._seated[:, 0] < len(closed)]
            self._fold_all(self._second_msc, within[:, 1], closed[within[:, 0]])

    def _fold_all(self, second_msc: int, places: Int64s, rows: Floats) -> None:
        dense = np.full((len(self._places), 4), np.nan)
        dense[places] = rows
        for level in self._levels.values():
            row = level.row_of(second_msc, make=True)
            if row is not None:
                fold(row, dense)

    def _keep(self, place: int, more: Floats) -> None:
        """What an account that left its slot had of the going second."""
        if more[FIRST] == more[FIRST]:
            self._fold_at(place, self._second_msc, more)

    def _fold_at(self, place: int, time_msc: int, more: Floats) -> None:
        for level in self._levels.values():
            row = level.row_of(time_msc, make=True)
            if row is not None:
                fold(row[place], more)


def _deepest(buckets: Sequence[Bucket]) -> tuple[float | None, float, int | None, bool]:
    """(depth, from which high, start of the low's bucket, is it exact)."""
    if not buckets:
        return None, 0.0, None, False
    peak = buckets[0].open
    depth, high, at_msc, is_exact = 0.0, peak, buckets[0].start_msc, True
    for one in buckets:
        top = max(peak, one.high)
        if top - one.low > depth:
            depth, high, at_msc, is_exact = top - one.low, top, one.start_msc, top == peak
        peak = top
    return depth, high, at_msc, is_exact
