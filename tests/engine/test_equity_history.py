"""Buckets of equity and balance, against every tick looked at one by one."""

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain import records
from engine.domain.ids import AccountKey
from engine.domain.quotes import Quote
from engine.domain.watch import Exposure, Marks, Watch
from engine.equity_history import LEVELS, EquityHistory
from engine.marking.extremes import HELD_MSC
from engine.marking.feed import Feed
from engine.marking.reference import mark_of
from engine.marking.ticks import TickBatch

KEYS = (AccountKey("Demo-1", 1), AccountKey("Demo-1", 2))
SYMBOLS = ("EURUSD",)
START_MSC = 1_767_571_200_000
Row = tuple[int, float, float, float, float]


def batch(*rows: tuple[int, float]) -> TickBatch:
    """Ticks of (milliseconds after the start, price), without a spread."""
    prices = np.array([price for _, price in rows])
    times = np.array([START_MSC + after for after, _ in rows], np.int64)
    return TickBatch(SYMBOLS, 0, times, np.zeros(len(rows), np.int32), prices, prices)


def holding(units: float, base: float = 0.0) -> Watch:
    return Watch(
        base=base,
        exposures=(
            Exposure(symbol="EURUSD", long_units=units, long_open_min=1.0, long_open_max=1.0),
        ),
        lines=(),
        marks=Marks(trackers=(1e9,)),
        rounding_bound=0.0,
    )


class House:
    """A feed, its history, and accounts by place."""

    def __init__(self) -> None:
        self.feed = Feed(SYMBOLS)
        self.by_slot: dict[int, int] = {}
        self.history = EquityHistory(KEYS, self.feed, self.by_slot)
        self.walk((0, 1.0))

    def add(self, place: int, watch: Watch) -> int:
        slot = self.feed.add(watch)
        self.by_slot[slot] = place
        return slot

    def remove(self, slot: int) -> None:
        self.feed.remove(slot)
        del self.by_slot[slot]

    def walk(self, *rows: tuple[int, float]) -> None:
        part = batch(*rows)
        self.history.before_walk()
        for _ in self.feed.walk(part):
            pass
        self.history.after_walk(part)

    def ohlc(self, place: int = 0, bucket_s: int = 1) -> list[Row]:
        found = self.history.buckets(KEYS[place], bucket_s, 0, 2**62)
        return [(b.start_msc - START_MSC, b.open, b.high, b.low, b.close) for b in found]


def test_a_bucket_has_first_highest_lowest_and_last() -> None:
    house = House()
    house.add(0, holding(100.0))
    house.walk((10, 2.0), (20, 5.0), (900, 1.0), (999, 3.0), (1000, 4.0))
    assert house.ohlc() == [(0, 200.0, 500.0, 100.0, 300.0), (1000, 400.0, 400.0, 400.0, 400.0)]
    assert house.ohlc(bucket_s=60) == [(0, 200.0, 500.0, 100.0, 400.0)]


def test_reading_a_bucket_that_goes_on_changes_nothing_of_it() -> None:
    house = House()
    house.add(0, holding(100.0))
    house.walk((10, 2.0))
    assert house.ohlc() == [(0, 200.0, 200.0, 200.0, 200.0)]
    house.walk((20, 5.0), (30, 1.0))
    assert house.ohlc() == [(0, 200.0, 500.0, 100.0, 100.0)]


def test_a_second_without_a_tick_or_an_account_nobody_values_is_a_gap_and_no_zero() -> None:
    house = House()
    house.add(0, holding(1.0))
    house.walk((10, 2.0))
    house.walk((5000, 2.0))
    assert [start for start, *_ in house.ohlc()] == [0, 5000]
    assert house.ohlc(1) == []


def test_an_account_that_takes_anothers_slot_in_mid_bucket_gets_nothing_of_it() -> None:
    house = House()
    slot = house.add(0, holding(1.0))
    house.walk((10, 7.0))
    house.remove(slot)
    assert house.add(1, holding(1000.0)) == slot
    house.walk((20, 2.0))
    assert house.ohlc(0) == [(0, 7.0, 7.0, 7.0, 7.0)]
    assert house.ohlc(1) == [(0, 2000.0, 2000.0, 2000.0, 2000.0)]


def test_a_held_account_is_marked_on_what_was_last_put() -> None:
    house = House()
    slot = house.add(0, holding(1.0))
    house.walk((10, 5.0))
    house.feed.put(slot, replace(holding(1.0), wake_at_msc=HELD_MSC))
    house.walk((20, 9.0), (30, 8.0))
    house.feed.put(slot, holding(2.0))
    house.walk((40, 4.0))
    assert house.ohlc() == [(0, 5.0, 9.0, 5.0, 8.0)]


def test_the_balance_of_a_bucket_is_what_it_was_at_its_start_and_all_it_became() -> None:
    house = House()
    house.add(0, holding(1.0))
    house.history.balance(KEYS[0], START_MSC, 100.0)
    house.walk((10, 2.0))
    house.history.balance(KEYS[0], START_MSC + 1200, 300.0)
    house.history.balance(KEYS[0], START_MSC + 1300, 50.0)
    house.walk((1500, 2.0))
    house.walk((2500, 2.0))
    found = house.history.buckets(KEYS[0], 1, START_MSC, START_MSC + 3000)
    told = [(b.balance_open, b.balance_high, b.balance_low, b.balance_close) for b in found]
    assert told == [(100, 100, 100, 100), (100, 300, 50, 50), (50, 50, 50, 50)]


def test_old_rows_go_and_levels_are_bounded() -> None:
    house = House()
    house.add(0, holding(1.0))
    for second in range(LEVELS[1] + 7):
        house.walk((1000 * second + 1, 1.0 + second))
    assert len(house.ohlc()) == LEVELS[1]
    assert house.ohlc()[0][0] == 7000
    assert house.ohlc(bucket_s=86_400)[0][1:3] == (1.0, LEVELS[1] + 7.0)


def test_a_length_that_is_not_kept_is_refused() -> None:
    with pytest.raises(KeyError):
        House().history.buckets(KEYS[0], 7, 0, 1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_level_has_the_extremes_of_every_tick(seed: int) -> None:
    random, house = Random(seed), House()
    watch = holding(1.0, base=10.0)
    house.add(0, watch)
    marks: list[tuple[int, float]] = []
    at_ms = 0
    for _ in range(random.choice((1, 5, 40))):
        rows = []
        for _ in range(random.choice((1, 3, 30))):
            at_ms += random.choice((0, 1, 300, 2500))
            rows.append((at_ms, random.uniform(0.5, 1.5)))
        house.walk(*rows)
        for after, price in rows:
            quotes = {"EURUSD": Quote(price, price, START_MSC + after)}
            marks.append((after, mark_of(watch, quotes)))
    for bucket_s in LEVELS:
        expected: dict[int, list[float]] = {}
        for after, mark in marks:
            expected.setdefault(after - after % (1000 * bucket_s), []).append(mark)
        rows_of = [(s, m[0], max(m), min(m), m[-1]) for s, m in expected.items()]
        assert house.ohlc(bucket_s=bucket_s) == rows_of[-LEVELS[bucket_s] :]


def closed(after_ms: int, profit: float) -> records.Record:
    fields: dict[str, Any] = {
        "position_id": 1,
        "symbol": "EURUSD",
        "side": "buy",
        "volume_lots": 1.0,
        "open_price": 1.0,
        "close_price": 1.0,
        "reason": "external",
    }
    common: dict[str, Any] = {
        "seq": 1,
        "time_msc": START_MSC + after_ms,
        "login": 1,
        "server": "Demo-1",
    }
    return records.PositionClosed(**common, **fields, profit=profit)


def test_statistics_of_a_period() -> None:
    house = House()
    house.add(0, holding(1.0))
    house.walk((10, 100.0), (1000, 120.0), (2000, 90.0), (3000, 110.0))
    day = 86_400_000
    durable = [closed(-5, 99.0), closed(5, 10.5), closed(6, -3.0), closed(day, 1.0)]
    found = house.history.statistics(KEYS[0], durable, START_MSC, START_MSC + 2 * day)
    assert (found.profit, found.closed_positions, found.trade_days) == (8.5, 3, 2)
    assert (found.trades.wins, found.trades.losses) == (2, 1)
    assert (found.max_drawdown, found.max_drawdown_percent) == (30.0, 25.0)
    assert found.max_drawdown_msc == START_MSC + 2000
    assert found.is_exact


def test_a_fall_inside_of_one_bucket_is_said_to_be_a_bound() -> None:
    house = House()
    house.add(0, holding(1.0))
    house.walk((10, 100.0), (20, 90.0), (30, 130.0))
    found = house.history.statistics(KEYS[0], [], START_MSC, START_MSC + 1000)
    assert (found.max_drawdown, found.is_exact) == (40.0, False)


def test_nothing_valued_has_no_drawdown() -> None:
    found = House().history.statistics(KEYS[0], [], START_MSC, START_MSC + 1000)
    assert (found.max_drawdown, found.max_drawdown_percent, found.is_exact) == (None, None, False)


def test_a_period_from_before_the_history_began_is_looked_at_finely_and_not_called_exact() -> None:
    house = House()
    house.add(0, holding(1.0))
    house.walk((10, 100.0), (1000, 120.0), (2000, 90.0))
    found = house.history.statistics(KEYS[0], [], 0, START_MSC + 5000)
    assert (found.max_drawdown, found.max_drawdown_msc) == (30.0, START_MSC + 2000)
    assert not found.is_exact
