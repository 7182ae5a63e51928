"""Compiles the kernel ahead of time, so that no live tick waits for a compiler."""

from collections.abc import Callable, Iterator

import numpy as np

from engine.domain.watch import Exposure, Leg, Line, Marks, Watch
from engine.marking.extremes import Extremes
from engine.marking.feed import Feed
from engine.marking.ticks import TickBatch

Progress = Callable[[int, int, str], None]
"""Told, before each step, how many are done, of how many, and what comes next."""


def warm_up(progress: Progress | None = None) -> None:
    """Compile every entry of the kernel, or load it from numba's cache.

    Takes about twenty seconds when nothing is cached and well under one when all is.
    """
    names = ("reading ticks", "conversions", "marking", "waking", "asking", "extremes")
    steps = _steps()
    for done, name in enumerate(names):
        if progress is not None:
            progress(done, len(names), name)
        next(steps)
    if progress is not None:
        progress(len(names), len(names), "done")


def _steps() -> Iterator[None]:
    feed = Feed(("EURUSD",), max_ticks=2)
    ticks = TickBatch(
        feed.symbols,
        0,
        np.array([1, 2], np.int64),
        np.zeros(2, np.int32),
        np.array([1.1, 1.2]),
        np.array([1.1, 1.2]),
    )
    for _ in feed.walk(ticks):
        pass
    yield
    watch = Watch(
        base=1.0,
        exposures=(
            Exposure(
                symbol="EURUSD",
                long_units=1.0,
                long_open_min=1.0,
                long_open_max=1.0,
                conversion=(Leg("EURUSD", inverse=True),),
            ),
        ),
        lines=(Line(wakes_above=False, b=10.0),),
        marks=Marks(trackers=(1.0,)),
        rounding_bound=0.0,
    )
    slot = feed.add(watch)
    yield
    for wake in feed.walk(ticks.part(1, 2)):
        feed.quotes(feed.symbols)
        feed.put(wake.slot, watch)
    yield
    for wake in feed.walk(ticks.part(1, 2)):
        feed.quote(wake.symbol)
    yield
    feed.marks(slot)
    feed.mark(slot)
    yield
    extremes = Extremes(feed)
    extremes.begin()
    extremes.take(0, 1)
    yield
