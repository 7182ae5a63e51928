"""First, lowest, highest and last mark of a bucket, against the plain twin on every tick."""

from dataclasses import dataclass
from math import isnan
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain.quotes import Quote
from engine.domain.watch import Marks, Watch
from engine.marking.extremes import HELD_MSC, Extremes
from engine.marking.feed import Feed
from engine.marking.reference import mark_of
from engine.marking.ticks import TickBatch
from tests.marking.worlds import SYMBOLS, World, watch_of, world_of

Rows = dict[int, list[float]]


@dataclass
class Twin:
    """Every account on every tick, in plain Python."""

    world: World
    quotes: dict[str, Quote]
    rows: Rows

    def take(self, part: TickBatch, watches: dict[int, Watch], start: int, stop: int) -> None:
        for offset in range(start, stop):
            symbol = SYMBOLS[part.symbol[offset]]
            bid, ask = float(part.bid[offset]), float(part.ask[offset])
            self.quotes[symbol] = Quote(bid, ask, int(part.time_msc[offset]))
            for slot, watch in watches.items():
                mark = mark_of(watch, self.quotes)
                row = self.rows.setdefault(slot, [mark] * 4)
                row[:] = [row[0], min(row[1], mark), max(row[2], mark), mark]


def walk(feed: Feed, part: TickBatch, random: Random, watches: dict[int, Watch]) -> set[int]:
    """Drains a walk; some who wake are held, as a router holds them. Who is held in the end."""
    held = set()
    for wake in feed.walk(part):
        if wake.slot not in held and random.random() < 0.5:
            held.add(wake.slot)
            watch = replace(watches[wake.slot], marks=wake.marks, wake_at_msc=HELD_MSC)
            feed.put(wake.slot, watch)
    return held


def rows_of(closed: np.ndarray) -> Rows:
    return {slot: row for slot, row in enumerate(closed.tolist()) if not isnan(row[0])}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.sampled_from((1, 3, 16, 17, 64, 200, 700)), min_size=1, max_size=4),
)
def test_buckets_have_the_twins_extremes_to_the_last_bit(seed: int, sizes: list[int]) -> None:
    world, random = world_of(seed), Random(seed)
    feed = Feed(SYMBOLS)
    extremes = Extremes(feed)
    opening = world.path.part(0, len(SYMBOLS))
    for _ in feed.walk(opening):
        raise AssertionError("nobody is there")
    twin = Twin(world, {}, {})
    twin.take(opening, {}, 0, len(opening))
    watches: dict[int, Watch] = {}
    for _ in range(random.choice((1, 4, 20))):
        watch = watch_of(random, world)
        watches[feed.add(watch)] = watch
    held: set[int] = set()
    at, turn = len(SYMBOLS), 0
    while at < len(world.path):
        part = world.path.part(at, min(at + sizes[turn % len(sizes)], len(world.path)))
        at, turn = at + len(part), turn + 1
        extremes.begin()
        held |= walk(feed, part, random, watches)
        cut = random.randrange(len(part) + 1)
        for start, stop in ((0, cut), (cut, len(part))):
            extremes.take(start, stop)
            twin.take(part, watches, start, stop)
            if random.random() < 0.3:
                assert rows_of(extremes.close_bucket()) == twin.rows
                twin.rows.clear()
        if random.random() < 0.3:  # an actor has done its work: the account is as new
            for slot in list(held):
                watches[slot] = watch_of(random, world)
                feed.put(slot, watches[slot])
            held.clear()
        if random.random() < 0.2:
            slot = random.choice(list(watches))
            feed.remove(slot)
            del watches[slot]
            held.discard(slot)
            row = twin.rows.pop(slot, None)
            picked = extremes.pick(slot).tolist()
            assert isnan(picked[0]) if row is None else picked == row
            watch = watch_of(random, world)
            watches[feed.add(watch)] = watch
    assert rows_of(extremes.close_bucket()) == twin.rows


def test_an_account_that_was_never_put_has_no_row_and_no_zero() -> None:
    world = world_of(1)
    feed = Feed(SYMBOLS)
    extremes = Extremes(feed)
    list(feed.walk(world.path.part(0, 5)))
    bare = Watch(
        base=0.0,
        exposures=(),
        lines=(),
        marks=Marks(trackers=(0.0,)),
        rounding_bound=0.0,
        wake_at_msc=HELD_MSC,
    )
    slot = feed.add(bare)
    extremes.begin()
    for wake in feed.walk(world.path.part(5, 30)):
        assert wake.slot == slot
    extremes.take(0, 25)
    assert rows_of(extremes.close_bucket()) == {}
