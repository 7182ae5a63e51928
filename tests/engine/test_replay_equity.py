"""Equity over time: every tick equal to plain steps, and everything gathered equal to a search."""

import itertools
from collections.abc import Iterator
from dataclasses import replace as replaced

import numpy as np
import pytest
from msgspec.structs import replace

from engine import replay_equity
from engine.domain.equity_limits import floor_minor
from engine.domain.guards import (
    Action,
    Comparator,
    EquityLimit,
    Money,
    Percent,
    Reference,
    Reset,
)
from engine.domain.market_guards import Spread
from engine.domain.records import AccountClosed, GuardBreach, GuardWarning
from engine.domain.units import minor_of_mark
from engine.equity_ticks import EquityTicks, floors_minor
from engine.replay_equity import EquitySeries, equity_series, gather
from engine.replay_result import Replay
from tests.conftest import SOAK
from tests.domain.accounts import START_MSC, buy, sell
from tests.engine.replays import Seen, gold_ticks, one_account, plain, random_replay, replayed
from tests.random_books import ListStream

SEEDS = range(16 * max(SOAK, 1))
HOUR_MSC = 3_600_000


def all_series(replay: Replay) -> Iterator[EquitySeries]:
    """Every account's, nothing gathered yet."""
    for number in range(len(replay.book.accounts)):
        yield equity_series(replay, number)


def whole(series: EquitySeries) -> EquityTicks | None:
    """Every valued tick at once."""
    return series.window(0, 2**62)


def by_steps(series: EquitySeries) -> list[Seen]:
    """The same by plain steps."""
    [stream] = series.replay.stream.batches(1_000_000)
    return plain(series.replay.book.accounts[series.account_number], stream)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_tick_is_what_plain_steps_make_it(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_equity, "BATCH_TICKS", (7, 64, 1000)[seed % 3])
    for series in all_series(random_replay(seed)):
        ticks, seen = whole(series), by_steps(series)
        if ticks is None:
            assert not seen
            continue
        digits = ticks.digits
        assert ticks.first_index == seen[0].index
        assert ticks.time_msc.tolist() == [one.time_msc for one in seen]
        assert ticks.equity_minor.tolist() == [one.equity_minor for one in seen]
        assert ticks.balance_minor.tolist() == [one.state.balance_minor for one in seen]
        assert ticks.mark == pytest.approx([one.mark for one in seen], rel=1e-12, abs=1e-7)
        assert [minor_of_mark(float(high), digits) for high in ticks.high_water] == [
            minor_of_mark(one.state.marks.trackers[0], digits) for one in seen
        ]
        for limit, theirs in zip(
            ticks.limits, zip(*(one.limits() for one in seen), strict=True), strict=True
        ):
            references, floors, breached = zip(*theirs, strict=True)
            assert limit.reference_minor.tolist() == list(references)
            assert limit.floor_minor.tolist() == list(floors)
            assert limit.breached.tolist() == list(breached)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_end_agrees_with_the_account_that_closes(seed: int) -> None:
    replay = random_replay(seed)
    for series in all_series(replay):
        closed = replay.records_of(series.account_number)[-1]
        assert isinstance(closed, AccountClosed)
        envelope = series.envelope(50)
        assert int(envelope.ticks.sum()) == closed.ticks
        if closed.equity is None:
            assert np.isnan(envelope.mark.last).all()
            assert series.min_room is None
            assert series.drawdowns == []
            continue
        digits = series.spec.digits
        high = minor_of_mark(float(envelope.high_water.last[-1]), digits)
        assert series.spec.major(high) == closed.equity_high_water
        deepest = series.drawdowns[0].depth if series.drawdowns else 0.0
        assert series.spec.major(minor_of_mark(deepest, digits)) == closed.max_drawdown
        assert envelope.balance.last[-1] * 10**digits == pytest.approx(closed.balance * 10**digits)


def test_the_random_books_reach_what_is_tested_here() -> None:
    kinds, falls, warned = set(), 0, set()
    for seed in SEEDS:
        replay = random_replay(seed)
        kinds |= {type(record).__name__ for record in replay.records}
        for series in all_series(replay):
            falls += len(series.drawdowns)
            warned |= {day.result for day in series.days}
    assert kinds >= {"GuardBreach", "GuardWarning", "DayReset", "PositionClosed", "BalanceChanged"}
    assert falls > 100
    assert warned == {"kept", "warned", "breached"}


@pytest.mark.parametrize("bins", [1, 13, 400])
def test_an_envelope_holds_the_extremes_of_every_bin(bins: int) -> None:
    for series in all_series(random_replay(3)):
        ticks, envelope = whole(series), series.envelope(bins)
        assert ticks is not None
        edges = [envelope.start_msc(number) for number in range(bins)] + [envelope.to_msc + 1]
        last: float | None = None
        for number, (start, end) in enumerate(itertools.pairwise(edges)):
            inside = (ticks.time_msc >= start) & (ticks.time_msc < end)
            assert envelope.ticks[number] == inside.sum()
            bands = [(envelope.mark, ticks.mark), (envelope.high_water, ticks.high_water)]
            bands += [
                (envelope.floors[limit.guard], limit.floor_minor / 10**ticks.digits)
                for limit in ticks.limits
            ]
            if inside.any():
                last = float(ticks.mark[inside][-1])
                for band, column in bands:
                    assert band.low[number] == column[inside].min()
                    assert band.high[number] == column[inside].max()
                    assert band.last[number] == column[inside][-1]
            elif last is None:
                assert np.isnan(envelope.mark.low[number])
            else:  # what still stood
                assert envelope.mark.low[number] == envelope.mark.high[number] == last


@pytest.mark.parametrize("seed", SEEDS)
def test_the_smallest_room_is_that_of_the_nearest_unbreached_floor(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_equity, "BATCH_TICKS", 64)
    for series in all_series(random_replay(seed)):
        ticks, room = whole(series), series.min_room
        rooms = []
        for place, limit in enumerate(ticks.limits if ticks is not None else ()):
            for at in np.flatnonzero(~limit.breached):
                left = limit.measured_minor[at] - limit.floor_minor[at]
                rooms.append((left, at // 64, place, at))
        if not rooms:
            assert room is None
            continue
        assert room is not None
        assert ticks is not None
        assert room.room * 10**ticks.digits == pytest.approx(min(rooms)[0])
        place = room.index - ticks.first_index
        nearest = next(limit for limit in ticks.limits if limit.guard == room.guard)
        assert nearest.measured_minor[place] - nearest.floor_minor[place] == min(rooms)[0]
        assert room.time_msc == ticks.time_msc[place]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_worst_drawdowns_are_the_deepest_falls(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_equity, "BATCH_TICKS", 32)
    for series in all_series(random_replay(seed)):
        ticks = whole(series)
        falls: list[list[int]] = [[]]
        for at in range(0 if ticks is None else len(ticks)):
            assert ticks is not None
            if ticks.high_water[at] - ticks.mark[at] < 0.5 / 10**ticks.digits:
                falls.append([])
            else:
                falls[-1].append(at)
        found = []
        for fall in filter(None, falls):
            assert ticks is not None
            depths = [float(ticks.high_water[at] - ticks.mark[at]) for at in fall]
            valley = fall[depths.index(max(depths))]
            end = fall[-1] + 1
            found.append(
                (
                    max(depths),
                    int(ticks.time_msc[max(fall[0] - 1, 0)]),
                    int(ticks.time_msc[valley]),
                    int(ticks.time_msc[end]) if end < len(ticks) else None,
                )
            )
        found.sort(key=lambda fall: -fall[0])
        assert [(d.depth, d.start_msc, d.valley_msc, d.end_msc) for d in series.drawdowns] == (
            found[:5]
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_days_end_at_resets_and_say_what_became_of_them(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_equity, "BATCH_TICKS", 100)
    replay = random_replay(seed)
    for series in all_series(replay):
        ticks, own = whole(series), replay.records_of(series.account_number)
        for guard in series.limits:
            days = [day for day in series.days if day.guard == guard.name]
            assert bool(days) == (guard.reset is not None and ticks is not None)
            begin = 0
            for day in days:
                assert ticks is not None
                limit = next(limit for limit in ticks.limits if limit.guard == guard.name)
                inside = (ticks.time_msc >= begin) & (ticks.time_msc < day.end_msc)
                assert day.start_msc == ticks.time_msc[inside][0]
                assert day.low * 10**ticks.digits == pytest.approx(
                    limit.measured_minor[inside].min()
                )
                within = [
                    type(record)
                    for record in own
                    if isinstance(record, GuardWarning | GuardBreach)
                    and record.guard == guard.name
                    and begin <= record.time_msc < day.end_msc
                ]
                assert (day.result == "breached") == bool(limit.breached[inside].any())
                if day.result != "breached":
                    assert (day.result == "warned") == (GuardWarning in within)
                begin = day.end_msc


def test_a_window_holds_its_ticks_and_no_others() -> None:
    replay = random_replay(5)
    for series in all_series(replay):
        ticks = whole(series)
        assert ticks is not None
        times = ticks.time_msc.tolist()
        spans = [(times[10], times[200]), (0, times[0]), (times[50] + 1, times[50] + 1)]
        first, before, empty = series.windows(spans)
        assert first is not None
        assert first.time_msc.tolist() == [t for t in times if times[10] <= t < times[200]]
        assert before is None
        assert empty is None


def test_a_window_needs_no_more_than_the_batches_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_equity, "BATCH_TICKS", 16)
    replay = random_replay(5)
    for series in all_series(replay):
        ticks = whole(series)
        assert ticks is not None
        again = series.window(int(ticks.time_msc[333]), int(ticks.time_msc[350]))
        assert again is not None
        start = again.first_index - ticks.first_index
        part = ticks.part(start, start + len(again))
        assert again.high_water.tolist() == part.high_water.tolist()
        assert [limit.floor_minor.tolist() for limit in again.limits] == [
            limit.floor_minor.tolist() for limit in part.limits
        ]


def test_one_pass_for_many_accounts_gives_what_each_gets_alone() -> None:
    replay = random_replay(8)
    together = list(all_series(replay))
    gather(together, 20)
    for series, alone in zip(together, all_series(replay), strict=True):
        assert series.min_room == alone.min_room
        assert series.days == alone.days
        assert series.drawdowns == alone.drawdowns


TRAILING = EquityLimit(
    name="trailing",
    action=Action.CLOSE_AND_HALT,
    reference=Reference.EQUITY_HIGH_WATER,
    amount=Percent(percent=4.0),
    comparator=Comparator.AT_OR_BELOW,
    lock_at=Money(amount_minor=10_000_00),
)


def test_a_trailing_floor_follows_the_high_water_mark_up_to_its_lock() -> None:
    book = one_account([TRAILING], [buy("XAUUSD", 1.0, 1900.0)])
    prices = [1900.0, 1902.0, 1901.0, 1905.0, 1903.0]
    replay = replayed(book, gold_ticks(*((START_MSC + n, p) for n, p in enumerate(prices))))
    ticks = whole(equity_series(replay, 0))
    assert ticks is not None
    assert ticks.high_water.tolist() == [10_000.0, 10_200.0, 10_200.0, 10_500.0, 10_500.0]
    assert ticks.limits[0].floor_minor.tolist() == [
        9_600_00.0, 9_800_00.0, 9_800_00.0, 10_000_00.0, 10_000_00.0
    ]  # fmt: skip


@pytest.mark.parametrize(
    "amount", [Percent(percent=4.0, of_reference=True), Percent(percent=4.0), Money(amount_minor=7)]
)
def test_floors_in_columns_are_those_of_the_guard_also_below_zero(amount: Percent | Money) -> None:
    [account] = one_account([], []).accounts
    guard = replace(TRAILING, amount=amount)
    references = [-1_000_000, -1, 0, 1, 12, 13, 1_000_050, 1_062_501]
    columns = floors_minor(guard, np.array(references, np.float64), account.spec)
    assert columns.tolist() == [floor_minor(guard, one, account.spec) for one in references]


def test_the_tick_of_a_breach_still_shows_what_was_closed_on_it() -> None:
    book = one_account([TRAILING], [buy("XAUUSD", 1.0, 1900.0)])
    ticks = gold_ticks((START_MSC, 1900.0), (START_MSC + 5, 1895.5), (START_MSC + 9, 1800.0))
    shown = whole(equity_series(replayed(book, ticks), 0))
    assert shown is not None
    assert shown.mark.tolist() == [10_000.0, 9_550.0, 9_550.0]
    assert shown.balance_minor.tolist() == [10_000_00.0, 10_000_00.0, 9_550_00.0]
    assert shown.limits[0].breached.tolist() == [False, True, True]


def test_what_a_market_guard_closes_is_closed_from_the_next_tick_on() -> None:
    wide = Spread(name="spread", action=Action.CLOSE, act_percent=1.0, for_s=0.0)
    book = replaced(one_account([], [buy("XAUUSD", 1.0, 1900.0)]), feed_guards=(wide,))
    rows = [(START_MSC, 0, 1900.0, 1900.0), (START_MSC + 5, 0, 1890.0, 1920.0)]
    rows += [(START_MSC + 5 * n, 0, 1880.0, 1880.0) for n in (2, 3)]
    replay = replayed(book, ListStream(("XAUUSD",), rows))
    ticks = whole(equity_series(replay, 0))
    assert ticks is not None
    assert ticks.mark.tolist() == [10_000.0, 9_000.0, 9_000.0, 9_000.0]
    assert ticks.balance_minor.tolist() == [10_000_00.0, 10_000_00.0, 9_000_00.0, 9_000_00.0]


def test_a_hedged_account_has_no_phantom_peak() -> None:
    book = one_account([TRAILING], [buy("XAUUSD", 1.0, 1900.0), sell("XAUUSD", 1.0, 1900.0)])
    prices = [1900.0, 1990.0, 1800.0]
    replay = replayed(book, gold_ticks(*((START_MSC + n, p) for n, p in enumerate(prices))))
    envelope = equity_series(replay, 0).envelope(3)
    assert envelope.high_water.high.tolist() == [10_000.0] * 3


def test_nothing_is_known_before_every_symbol_has_a_quote() -> None:
    book = one_account([TRAILING], [buy("XAUUSD", 1.0, 1900.0), buy("EURUSD", 1.0, 1.1, 3)])
    stream = gold_ticks((START_MSC, 1900.0), (START_MSC + HOUR_MSC, 1901.0))
    series = equity_series(replayed(book, stream), 0)
    assert whole(series) is None
    assert np.isnan(series.envelope(4).mark.last).all()
    assert series.min_room is None


def test_a_day_says_its_reference_floor_and_what_was_used() -> None:
    daily = EquityLimit(
        name="daily",
        action=Action.CLOSE_AND_HALT,
        reference=Reference.BALANCE_AT_RESET,
        amount=Percent(percent=5.0),
        reset=Reset(zone="UTC", at_minute=60),
    )
    book = one_account([daily], [buy("XAUUSD", 1.0, 1900.0)])
    stream = gold_ticks(
        (START_MSC, 1900.0),
        (START_MSC + HOUR_MSC // 2, 1896.2),  # 380 of 500: the warning line is 375
        (START_MSC + 2 * HOUR_MSC, 1899.0),
        (START_MSC + 3 * HOUR_MSC, 1894.0),
    )
    first, second = equity_series(replayed(book, stream), 0).days
    assert (first.reference, first.floor, first.low) == (10_000.0, 9_500.0, 9_620.0)
    assert first.used_percent == 76.0
    assert (first.result, second.result) == ("warned", "breached")
    assert second.low_msc == START_MSC + 3 * HOUR_MSC
    assert second.used_percent == 120.0
