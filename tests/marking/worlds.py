"""Seeded worlds for the kernel: prices, accounts on them, and somebody who handles the wakes."""

from dataclasses import dataclass
from math import inf
from random import Random

import numpy as np

from engine.domain.quotes import Quote
from engine.domain.watch import NEVER_MSC, Exposure, Leg, Line, Marks, Watch
from engine.marking.reference import mark_of
from engine.marking.ticks import TickBatch
from engine.marking.wakes import MarkingFeed

SYMBOLS = ("EURUSD", "USDJPY", "XAUUSD", "GBPUSD", "US500")
OPENING = {"EURUSD": 1.1, "USDJPY": 150.0, "XAUUSD": 1950.0, "GBPUSD": 1.25, "US500": 5000.0}
UNITS = {"EURUSD": 1e5, "USDJPY": 1e5, "XAUUSD": 1e2, "GBPUSD": 1e5, "US500": 1e1}
CONVERSIONS = (
    (),
    (Leg("EURUSD", inverse=True),),
    (Leg("EURUSD", inverse=False),),
    (Leg("USDJPY", inverse=True), Leg("GBPUSD", inverse=True)),
)

Quotes = dict[str, Quote]


def batch_of(rows: list[tuple[int, str, float, float]], first_index: int = 0) -> TickBatch:
    """A batch from (time, symbol, bid, ask) rows."""
    return TickBatch(
        SYMBOLS,
        first_index,
        np.array([row[0] for row in rows], np.int64),
        np.array([SYMBOLS.index(row[1]) for row in rows], np.int32),
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]),
    )


@dataclass(frozen=True)
class World:
    """A path of prices: every symbol once, then whatever the seed brings."""

    seed: int
    path: TickBatch
    seen: list[Quotes]
    """The quotes as of some ticks, for lines and levels to be set exactly there."""


def world_of(seed: int) -> World:
    """Quiet, jumpy or trending, with equal times, wide spreads and prices that come back."""
    random = Random(seed)
    bids = dict(OPENING)
    jump = random.choice((1e-5, 1e-4, 2e-3))
    trend = random.choice((-1, 0, 0, 1)) * jump / 4
    rows: list[tuple[int, str, float, float]] = []
    quotes: Quotes = {}
    seen: list[Quotes] = []
    time_msc = 1_000
    for number in range(random.choice((40, 300, 700))):
        symbol = SYMBOLS[number] if number < len(SYMBOLS) else random.choice(SYMBOLS)
        bids[symbol] *= 1.0 + trend + random.gauss(0.0, jump)
        ask = bids[symbol] * (1.0 + random.choice((0.0, 1e-5, 1e-5, 1e-3)))
        time_msc += random.choice((0, 0, 5, 1_000))
        rows.append((time_msc, symbol, bids[symbol], ask))
        quotes[symbol] = Quote(bids[symbol], ask, time_msc)
        if number >= len(SYMBOLS) and random.random() < 0.1:
            seen.append(dict(quotes))
    return World(seed, batch_of(rows), seen or [dict(quotes)])


def exposure_of(random: Random, symbol: str, world: World) -> Exposure:
    """Long, short, hedged in part or in full, or nothing at all; some with price levels."""
    unit = UNITS[symbol]
    longs = random.choice((0.0, 0.0, 0.5, 1.0, 2.0)) * unit
    shorts = random.choice((0.0, 0.0, 1.0, 1.0, 1.7)) * unit
    opened = OPENING[symbol] * random.uniform(0.99, 1.01)
    apart = OPENING[symbol] * random.choice((0.0, 0.001))
    quote = random.choice(world.seen)[symbol]
    levels = [-inf, inf, -inf, inf]
    if random.random() < 0.15:
        levels[random.randrange(4)] = random.choice((quote.bid, quote.ask))
    return Exposure(
        symbol=symbol,
        long_units=longs,
        short_units=shorts,
        cost=longs * opened - shorts * opened,
        long_open_min=opened - apart if longs else inf,
        long_open_max=opened + apart if longs else -inf,
        short_open_min=opened - apart if shorts else inf,
        short_open_max=opened + apart if shorts else -inf,
        conversion=random.choice(CONVERSIONS) if random.random() < 0.5 else (),
        wake_bid_at_or_below=levels[0],
        wake_bid_at_or_above=levels[1],
        wake_ask_at_or_below=levels[2],
        wake_ask_at_or_above=levels[3],
    )


def watch_of(random: Random, world: World, marks: Marks | None = None) -> Watch:
    """An account whose lines lie exactly where its mark will be at some tick, or near there."""
    held = random.sample(SYMBOLS, random.choice((0, 1, 1, 2, 3, 5)))
    bare = Watch(
        base=10_000.0 * random.choice((1.0, 5.0)),
        exposures=tuple(exposure_of(random, symbol, world) for symbol in held),
        lines=(),
        marks=marks or Marks(trackers=(0.0,)),
        rounding_bound=random.choice((0.0, 0.01, 0.05)),
        wake_at_msc=random.choice((NEVER_MSC, NEVER_MSC, NEVER_MSC, 50_000, 200_000)),
    )
    if marks is None:
        start = mark_of(bare, world.seen[0]) + random.choice((-200.0, 0.0, 0.0, 300.0))
        marks = Marks(trackers=(start,) * random.choice((1, 2)), ticks=random.choice((0, 7)))
    lines = tuple(line_of(random, world, bare, marks) for _ in range(random.choice((0, 1, 2, 4))))
    return Watch(
        base=bare.base,
        exposures=bare.exposures,
        lines=lines,
        marks=marks,
        rounding_bound=bare.rounding_bound,
        wake_at_msc=bare.wake_at_msc,
    )


def line_of(random: Random, world: World, watch: Watch, marks: Marks) -> Line:
    """A fixed, trailing, capped or warning line, below or above."""
    there = mark_of(watch, random.choice(world.seen))
    above = random.random() < 0.3
    slack = random.choice((0.0, 0.0, 0.02))
    away = random.choice((0.0, 0.0, 1.0, 50.0)) * (1 if above else -1)
    if random.random() < 0.5:
        return Line(wakes_above=above, b=there + away, slack=slack)
    tracker = random.randrange(len(marks.trackers))
    return Line(
        wakes_above=above,
        tracker=tracker,
        p=random.choice((0.0, 0.25, 1.05)),
        q=random.choice((1.0, 0.75, -0.05)),
        a=random.choice((1.0, 0.96)),
        b=random.choice((-5.0, -40.0, -400.0)),
        cap=random.choice((inf, there - 10.0, marks.trackers[0])),
        slack=slack,
    )


def drive(feed: MarkingFeed, world: World, sizes: list[int]) -> list[object]:
    """Walk the world in batches of those sizes, doing all a caller may do; what was seen.

    What is done depends on the seed and on what came before: two feeds see the same only as long
    as they yield the same.
    """
    random = Random(world.seed + 1)
    log: list[object] = []
    slots: list[int] = []
    start = 0
    for number in range(len(world.path)):
        if start == len(world.path):
            break
        size = len(SYMBOLS) if start == 0 else sizes[number % len(sizes)]
        part = world.path.part(start, min(start + size, len(world.path)))
        for wake in feed.walk(part):
            log.append(wake)
            handle(feed, world, random, slots, wake.slot, log)
        if start == 0:
            slots += [feed.add(watch_of(random, world)) for _ in range(6)]
        start += len(part)
    log += [(feed.marks(slot), feed.mark(slot)) for slot in slots]
    log.append(feed.quotes(SYMBOLS))
    return log


def handle(
    feed: MarkingFeed,
    world: World,
    random: Random,
    slots: list[int],
    woken: int,
    log: list[object],
) -> None:
    """Leave the woken account, change it, let it go, change another, add one; and look around."""
    deed = random.choice(("leave", "leave", "put", "put", "remove", "add", "other", "look"))
    if deed == "put":
        feed.put(woken, watch_of(random, world, after(feed, woken)))
    elif deed == "remove" and len(slots) > 3:
        feed.remove(woken)
        slots.remove(woken)
    elif deed == "add" and len(slots) < 10:
        slots.append(feed.add(watch_of(random, world)))
    elif deed == "other":
        other = random.choice(slots)
        feed.put(other, watch_of(random, world, after(feed, other)))
    elif deed == "look":
        log += [(slot, feed.marks(slot), feed.mark(slot)) for slot in slots]
        log.append(feed.quotes(SYMBOLS))


def after(feed: MarkingFeed, slot: int) -> Marks:
    """Marks as a step would leave them; what they say of this tick does not matter here."""
    marks = feed.marks(slot)
    trackers = tuple(max(tracker, feed.mark(slot)) for tracker in marks.trackers)
    return Marks(
        trackers=trackers,
        max_drawdown=marks.max_drawdown,
        max_drawdown_high_water=marks.max_drawdown_high_water,
        max_drawdown_time_msc=marks.max_drawdown_time_msc,
        ticks=marks.ticks + 1,
    )
