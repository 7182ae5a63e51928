"""Which ticks the agent tells: all between two looks, or the newest where they cannot be had."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mt5.agent_package import Package
from adapters.mt5.agent_ticks import BACK_MSC, COPY_S, TICKS_A_COPY, TickReader
from adapters.mt5.frames import QuoteRow
from adapters.mt5.intents import IntentTable
from tests.adapters.agent.stand_in import OFFSET_S, StandIn

NOW_S = 1_767_787_200.0


class Reading:
    """A reader, and the bids it tells."""

    def __init__(self) -> None:
        self.mt5 = StandIn(NOW_S)
        package = Package(self.mt5, lambda: datetime.fromtimestamp(self.mt5.now_s, UTC))
        intents = IntentTable(None)
        self.reader = TickReader(package, intents, OFFSET_S, lambda: NOW_S, lambda: 0.0)

    def read(self) -> list[float]:
        return [row.bid for row in self.reader.read(("EURUSD",))]

    def tick(self, *ticks: tuple[int, float]) -> None:
        for msc, bid in ticks:
            self.mt5.came(msc, bid)


def test_an_extreme_between_two_looks_is_told() -> None:
    reading = Reading()
    reading.tick((10, 1.10))
    assert reading.read() == [1.10]
    reading.tick((20, 1.11), (30, 1.50), (40, 1.12))
    assert reading.read() == [1.11, 1.50, 1.12]
    assert reading.read() == []


def test_a_symbol_begins_where_it_stands_and_history_is_not_told() -> None:
    reading = Reading()
    reading.tick((10, 1.10), (20, 1.20), (30, 1.30))
    assert reading.read() == [1.30]


def test_a_quiet_symbol_costs_no_copy() -> None:
    reading = Reading()
    reading.tick((10, 1.10))
    for _ in range(5):
        reading.read()
    assert reading.mt5.copies == 0


def test_ticks_of_one_millisecond_are_each_told_once() -> None:
    reading = Reading()
    reading.tick((10, 1.10))
    assert reading.read() == [1.10]
    reading.tick((20, 1.20), (20, 1.21))
    assert reading.read() == [1.20, 1.21]
    reading.tick((20, 1.22))
    assert reading.read() == [1.22]
    reading.tick((20, 1.23), (21, 1.24))
    assert reading.read() == [1.23, 1.24]


def test_where_the_copy_fails_the_newest_is_told() -> None:
    reading = Reading()
    reading.tick((10, 1.10))
    reading.read()
    reading.mt5.failing = {"copy_ticks_from"}
    reading.tick((20, 1.20), (30, 1.30))
    assert reading.read() == [1.30]
    reading.mt5.failing = set()
    reading.tick((40, 1.40), (50, 1.50))
    assert reading.read() == [1.40, 1.50], "what the failure cost is not told late"


def test_a_copy_is_bounded_and_the_newest_is_told_nevertheless() -> None:
    reading = Reading()
    reading.tick((0, 1.0))
    reading.read()
    reading.tick(*((1 + at // 4, 2.0 + at) for at in range(TICKS_A_COPY + 500)))
    rows = reading.read()
    assert len(rows) <= TICKS_A_COPY + 1
    assert rows[-1] == 2.0 + TICKS_A_COPY + 499
    assert reading.read() == []


def test_what_is_long_past_is_not_told() -> None:
    reading = Reading()
    reading.tick((0, 1.0))
    reading.read()
    reading.tick((100, 1.1), (200, 1.2), (BACK_MSC + 5_000, 1.3), (BACK_MSC + 5_100, 1.4))
    assert reading.read() == [1.3, 1.4]


def test_a_servers_clock_that_is_set_back_does_not_silence_a_symbol() -> None:
    reading = Reading()
    reading.tick((10, 1.10))
    reading.read()
    reading.mt5.now_s -= 3600.0
    reading.tick((500, 1.20))
    assert reading.read() == [1.20]
    reading.mt5.ticks = reading.mt5.ticks[1:]  # copies are in order of time
    reading.tick((600, 1.21), (700, 1.22))
    assert reading.read() == [1.21, 1.22]


def test_a_tick_that_moves_no_price_is_told_only_as_the_newest() -> None:
    reading = Reading()
    reading.tick((10, 1.10))
    reading.read()
    reading.tick((20, 1.20), (30, 1.20), (40, 1.20), (50, 1.20))
    assert [row.time_msc % 1000 for row in reading.reader.read(("EURUSD",))] == [20, 50]


class Slow(Package):
    """Its copies take longer than those of one look may."""

    clock_s = 0.0

    def ticks(self, symbol: str, since_msc: int, most: int) -> list[QuoteRow] | None:
        self.clock_s += 2 * COPY_S
        return super().ticks(symbol, since_msc, most)


def test_where_copies_take_long_the_symbols_take_turns_and_the_others_tell_their_newest() -> None:
    mt5 = StandIn(NOW_S)
    slow = Slow(mt5, lambda: datetime.fromtimestamp(NOW_S, UTC))
    reader = TickReader(slow, IntentTable(None), OFFSET_S, lambda: NOW_S, lambda: slow.clock_s)

    def read(*ticks: tuple[int, float]) -> list[tuple[str, float]]:
        for msc, bid in ticks:
            mt5.came(msc, bid)
        return [(row.symbol, row.bid) for row in reader.read(("EURUSD", "GBPUSD"))]

    assert read((10, 1.1)) == [("EURUSD", 1.1), ("GBPUSD", 1.1)]
    assert read((20, 1.2), (30, 1.3)) == [("EURUSD", 1.2), ("EURUSD", 1.3), ("GBPUSD", 1.3)]
    assert read((40, 1.4), (50, 1.5)) == [("GBPUSD", 1.4), ("GBPUSD", 1.5), ("EURUSD", 1.5)]
    assert mt5.copies == 2


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=30))
def test_however_looks_fall_between_ticks_each_price_is_told_once_and_in_order(
    steps: list[tuple[int, int]],
) -> None:
    reading = Reading()
    reading.tick((0, 1.0))
    told, came, msc = reading.read(), [1.0], 0
    for after_msc, ticks in steps:
        for _ in range(ticks):
            msc += after_msc
            came.append(came[-1] + 1.0)
            reading.tick((msc, came[-1]))
        told += reading.read()
    assert told == came


@pytest.mark.parametrize("failing", [set(), {"symbol_info_tick"}])
def test_a_symbol_without_a_tick_says_nothing(failing: set[str]) -> None:
    reading = Reading()
    reading.mt5.failing = failing
    assert reading.reader.read(("GBPUSD", "NOSUCH")) == []
    assert reading.reader.unknown == {"NOSUCH"}
