"""What a feed does with one tick after another."""

from math import inf, nan

import numpy as np
import pytest

from engine.domain.quotes import Quote
from engine.domain.watch import Exposure, Leg, Line, Marks, Watch
from engine.marking.feed import Feed
from engine.marking.reference import ReferenceFeed
from engine.marking.ticks import TickBatch
from engine.marking.wakes import MarkingFeed, Wake

FEEDS = pytest.mark.parametrize("kind", [Feed, ReferenceFeed])
Kind = type[Feed] | type[ReferenceFeed]


def gold(*prices: tuple[float, float], first_index: int = 0) -> TickBatch:
    """Ticks of one symbol, a millisecond apart."""
    return TickBatch(
        ("XAUUSD",),
        first_index,
        np.arange(len(prices), dtype=np.int64) + 1_000 + first_index,
        np.zeros(len(prices), np.int32),
        np.array([bid for bid, _ in prices]),
        np.array([ask for _, ask in prices]),
    )


def started(kind: Kind) -> MarkingFeed:
    """A feed of gold at 1,000 bid, 1,001 ask."""
    feed = kind(("XAUUSD",))
    assert list(feed.walk(gold((1000.0, 1001.0)))) == []
    return feed


def bought(*lines: Line, marks: Marks | None = None, wake_at_msc: int = 2**62) -> Watch:
    """One ounce of gold bought at 1,000, on a balance of 500."""
    return Watch(
        base=500.0,
        exposures=(Exposure(symbol="XAUUSD", long_units=1.0, cost=1000.0),),
        lines=lines,
        marks=marks or Marks(trackers=(500.0,)),
        rounding_bound=0.0,
        wake_at_msc=wake_at_msc,
    )


@FEEDS
def test_a_line_wakes_at_the_tick_that_reaches_it_with_the_marks_of_the_tick_before(
    kind: Kind,
) -> None:
    feed = started(kind)
    slot = feed.add(bought(Line(wakes_above=False, b=490.0)))
    ticks = gold((1005.0, 1006.0), (990.5, 991.0), (990.0, 991.0), (980.0, 981.0), first_index=1)
    wakes = feed.walk(ticks)
    wake = next(wakes)
    assert (wake.slot, wake.offset, wake.index, wake.time_msc) == (slot, 2, 3, 1_003)
    assert (wake.symbol, wake.bid, wake.ask) == ("XAUUSD", 990.0, 991.0)
    assert wake.marks == Marks(
        trackers=(505.0,),
        max_drawdown=14.5,
        max_drawdown_high_water=505.0,
        max_drawdown_time_msc=1_002,
        ticks=2,
    )
    assert feed.marks(slot) == wake.marks
    assert feed.mark(slot) == 490.0
    feed.put(slot, bought(marks=wake.marks))
    assert list(wakes) == []
    assert feed.marks(slot).ticks == 3
    assert feed.marks(slot).max_drawdown == 25.0


@FEEDS
def test_an_account_left_alone_goes_on_and_wakes_again(kind: Kind) -> None:
    feed = started(kind)
    slot = feed.add(bought(Line(wakes_above=False, b=490.0)))
    ticks = gold((990.0, 991.0), (989.0, 991.0), (995.0, 996.0), (970.0, 971.0), first_index=1)
    assert [wake.offset for wake in feed.walk(ticks)] == [0, 1, 3]
    assert feed.marks(slot).ticks == 4
    assert feed.marks(slot).max_drawdown == 30.0


@FEEDS
def test_a_trailing_line_rises_with_the_mark_and_stops_at_its_cap(kind: Kind) -> None:
    feed = started(kind)
    feed.add(bought(Line(wakes_above=False, tracker=0, a=1.0, b=-20.0, cap=510.0)))
    ticks = gold(
        (1025.0, 1026.0), (1005.5, 1006.0), (1050.0, 1051.0), (1010.5, 1011.0), (1010.0, 1011.0),
        first_index=1,
    )  # fmt: skip
    assert [wake.offset for wake in feed.walk(ticks)] == [4]


@FEEDS
def test_the_high_water_mark_of_a_hedged_account_is_that_of_both_legs_at_once(kind: Kind) -> None:
    feed = started(kind)
    both = Exposure(symbol="XAUUSD", long_units=2.0, short_units=2.0, cost=-10.0)
    watch = Watch(
        base=500.0,
        exposures=(both,),
        lines=(),
        marks=Marks(trackers=(0.0,)),
        rounding_bound=0.0,
    )
    slot = feed.add(watch)
    assert list(feed.walk(gold((1200.0, 1203.0), (800.0, 802.0), first_index=1))) == []
    assert feed.marks(slot).trackers == (506.0,)
    assert feed.marks(slot).max_drawdown == 0.0


@FEEDS
def test_price_levels_and_wake_times_are_inclusive(kind: Kind) -> None:
    feed = started(kind)
    level = Exposure(symbol="XAUUSD", wake_bid_at_or_below=995.0, wake_ask_at_or_above=1010.0)
    marks = Marks(trackers=(500.0,))
    feed.add(Watch(base=1.0, exposures=(level,), lines=(), marks=marks, rounding_bound=0.0))
    feed.add(bought(wake_at_msc=1_004))
    ticks = gold((995.1, 1009.9), (995.0, 996.0), (1000.0, 1010.0), (1000.0, 1009.0), first_index=1)
    assert [(wake.offset, wake.slot) for wake in feed.walk(ticks)] == [(1, 0), (2, 0), (3, 1)]


@FEEDS
def test_an_account_added_during_a_walk_is_valued_from_the_next_tick(kind: Kind) -> None:
    feed = started(kind)
    feed.add(bought(wake_at_msc=1_002))
    added: list[int] = []
    ticks = gold((1001.0, 1002.0), (1002.0, 1003.0), (1003.0, 1004.0), first_index=1)
    for wake in feed.walk(ticks):
        if wake.slot == 0 and not added:
            feed.put(0, bought(marks=wake.marks))
            added.append(feed.add(bought(wake_at_msc=0)))
            assert feed.marks(added[0]).ticks == 0
            assert feed.quote("XAUUSD") == Quote(1002.0, 1003.0, 1_002)
        else:
            assert (wake.slot, wake.offset) == (added[0], 2)
    assert feed.marks(added[0]).ticks == 1


@FEEDS
def test_a_removed_account_wakes_nobody_and_its_slot_is_given_again(kind: Kind) -> None:
    feed = started(kind)
    first, second = feed.add(bought(wake_at_msc=0)), feed.add(bought(wake_at_msc=0))
    for wake in feed.walk(gold((1001.0, 1002.0), (1001.0, 1002.0), first_index=1)):
        assert wake.slot == first
        feed.remove(first)
        feed.remove(second)
    assert feed.add(bought()) == second
    assert list(feed.walk(gold((1001.0, 1002.0), first_index=3))) == []


@FEEDS
def test_conversion_by_side_widens_the_bound_at_which_a_line_wakes(kind: Kind) -> None:
    feed = kind(("GBPUSD",))
    ticks = TickBatch(
        ("GBPUSD",), 0, np.array([1, 2]), np.zeros(2, np.int32), np.array([1.2, 1.2]),
        np.array([1.2, 1.3]),
    )  # fmt: skip
    assert list(feed.walk(ticks.part(0, 1))) == []
    exposure = Exposure(
        symbol="GBPUSD",
        long_units=1000.0,
        cost=1100.0,
        long_open_min=1.1,
        long_open_max=1.1,
        conversion=(Leg("GBPUSD", inverse=True),),
    )
    marks = Marks(trackers=(500.0,))
    # At mid 100 USD are 80 GBP, by side 76.92 to 83.33: a line at 576.8 lies within the bound.
    for height, woken in ((576.8, True), (576.5, False)):
        line = Line(wakes_above=False, b=height)
        watch = Watch(
            base=500.0, exposures=(exposure,), lines=(line,), marks=marks, rounding_bound=0.0
        )
        other = kind(("GBPUSD",))
        assert list(other.walk(ticks.part(0, 1))) == []
        other.add(watch)
        assert bool(list(other.walk(ticks.part(1, 2)))) is woken


def test_accounts_and_positions_come_and_go_and_leave_no_room_behind() -> None:
    feed = Feed(("XAUUSD",))
    assert list(feed.walk(gold((1000.0, 1001.0)))) == []
    slots = [feed.add(bought()) for _ in range(50)]
    rows = 0
    for turn in range(40):
        for slot in slots[turn % 2 :: 2]:
            feed.remove(slot)
        for number in range(len(slots[turn % 2 :: 2])):
            lines = tuple(Line(wakes_above=False, b=1.0) for _ in range((turn + number) % 7))
            feed.add(bought(*lines))
        if turn == 10:
            rows = feed.rows
    assert feed.rows == rows


@pytest.mark.parametrize(
    "tick", [(nan, 1.0), (1.0, nan), (1.0, inf), (0.0, 1.0), (-1.0, 1.0), (1001.0, 1000.0)]
)
def test_a_tick_that_may_not_be_valued_is_refused_and_changes_nothing(
    tick: tuple[float, float],
) -> None:
    feed = started(Feed)
    slot = feed.add(bought())
    with pytest.raises(AssertionError, match="tick 1 of the batch"):
        list(feed.walk(gold((1001.0, 1002.0), tick, first_index=1)))
    assert feed.quote("XAUUSD") == Quote(1000.0, 1001.0, 1_000)
    assert feed.marks(slot).ticks == 0
    assert list(feed.walk(gold((1010.0, 1011.0), first_index=1))) == []
    assert feed.marks(slot).trackers == (510.0,)


def test_time_that_goes_back_is_refused() -> None:
    feed = started(Feed)
    ticks = gold((1001.0, 1002.0))
    ticks.time_msc[0] = 999
    with pytest.raises(AssertionError, match="tick 0 of the batch"):
        list(feed.walk(ticks))


def test_a_symbol_without_a_quote_is_not_watched() -> None:
    feed = Feed(("XAUUSD",))
    assert feed.quote("XAUUSD") is None
    assert feed.quotes(["XAUUSD"]) == {}
    with pytest.raises(AssertionError, match="no quote yet"):
        feed.add(bought())


@pytest.mark.parametrize(
    "line",
    [
        Line(wakes_above=False, b=nan),
        Line(wakes_above=False, b=1.0, slack=-1.0),
        Line(wakes_above=False, tracker=3),
        Line(wakes_above=False, cap=nan),
    ],
)
def test_a_line_that_could_hide_a_crossing_is_refused(line: Line) -> None:
    feed = started(Feed)
    with pytest.raises(AssertionError):
        feed.add(bought(line))


def test_a_walk_is_drained_before_the_next() -> None:
    feed = started(Feed)
    feed.add(bought(wake_at_msc=0))
    walk = feed.walk(gold((1001.0, 1002.0), first_index=1))
    assert isinstance(next(walk), Wake)
    with pytest.raises(AssertionError, match="not drained"):
        next(feed.walk(gold((1001.0, 1002.0), first_index=2)))


def test_more_conversions_than_there_was_room_for() -> None:
    symbols = tuple(f"S{number}" for number in range(9))
    feed = Feed(symbols)
    ticks = TickBatch(
        symbols,
        0,
        np.zeros(9, np.int64),
        np.arange(9, dtype=np.int32),
        np.full(9, 2.0),
        np.full(9, 2.0),
    )
    assert list(feed.walk(ticks)) == []
    for number in range(9):
        exposure = Exposure(
            symbol="S0",
            long_units=1.0,
            long_open_min=2.0,
            long_open_max=2.0,
            conversion=(Leg(symbols[number], inverse=number % 2 == 1),),
        )
        marks = Marks(trackers=(0.0,))
        slot = feed.add(
            Watch(base=0.0, exposures=(exposure,), lines=(), marks=marks, rounding_bound=0.0)
        )
        assert feed.mark(slot) == (1.0 if number % 2 else 4.0)
