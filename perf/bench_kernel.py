"""Measures the marking kernel against a C loop of the same work and against its plain twin.

    python -m perf.bench_kernel

N accounts x 5 positions over 10 symbols, guarded by lines 4-10 % away; the price path of every
symbol is another piece of real gold ticks where those are at hand, else a seeded random walk.
All figures are of one run, so that their ratios mean something; nanoseconds per account and tick.
"""

import ctypes
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from adapters.tick_files.front import open_ticks
from engine.domain.watch import Exposure, Line, Marks, Watch
from engine.marking.feed import MAX_TICKS, Feed
from engine.marking.reference import ReferenceFeed
from engine.marking.ticks import TickBatch
from engine.marking.wakes import MarkingFeed
from engine.marking.warming import warm_up

ROOT = Path(__file__).resolve().parents[1]
GOLD = ROOT.parent / "shared" / "ticks" / "lean_xauusd_oanda_tick"
SYMBOLS = tuple(f"SYM{number}" for number in range(10))
POSITIONS = 5
EQUITY = 100_000.0
TICKS = {1_000: 102_400, 10_000: 20_480, 100_000: 4_096}
"""Ticks of one repeat, by number of accounts."""
REPEATS = 5
TWIN_ACCOUNTS, TWIN_TICKS = 1_000, 100
LIVE_ACCOUNTS, LIVE_AFTER_TICKS, LIVE_TICKS = 1_000, 51_200, 2_000

Floats = npt.NDArray[np.float64]


def path_of_prices() -> tuple[Floats, Floats, str]:
    """Bids and asks of one long path, and where they come from."""
    files = sorted(GOLD.glob("*.zip")) if GOLD.is_dir() else []
    if files:
        batches = list(open_ticks([("XAUUSD", files)]).batches(1 << 20))
        bids = np.concatenate([batch.bid for batch in batches])
        asks = np.concatenate([batch.ask for batch in batches])
        return bids, asks, "real XAUUSD ticks"
    random = np.random.default_rng(20140502)
    bids = 1290.0 * np.exp(np.cumsum(random.standard_t(3, 750_000) * 6e-6))
    return bids, bids + random.uniform(0.3, 0.5, len(bids)), "synthetic random walk"


def stream_of(bids: Floats, asks: Floats, ticks: int) -> TickBatch:
    """That many ticks of ten symbols, each on a piece of the path of its own, in seeded order."""
    random = np.random.default_rng(7)
    symbol = random.integers(0, len(SYMBOLS), ticks).astype(np.int32)
    symbol[: len(SYMBOLS)] = np.arange(len(SYMBOLS))
    bid, ask = np.empty(ticks), np.empty(ticks)
    for number in range(len(SYMBOLS)):
        at = np.flatnonzero(symbol == number)
        rows = (number * (len(bids) // len(SYMBOLS)) + np.arange(len(at))) % len(bids)
        bid[at], ask[at] = bids[rows], asks[rows]
    return TickBatch(SYMBOLS, 0, 20 * np.arange(ticks, dtype=np.int64), symbol, bid, ask)


def watches_of(stream: TickBatch, accounts: int) -> Iterator[Watch]:
    """Accounts as they stand after the first ticks: two fixed floors and a trailing one, with a
    warning line above each; half of them at their high-water mark, half up to 2 % below."""
    random = np.random.default_rng(11)
    for _ in range(accounts):
        exposures, worth = [], 0.0
        for number in random.permutation(len(SYMBOLS))[:POSITIONS].tolist():
            bid, ask = float(stream.bid[number]), float(stream.ask[number])
            units = EQUITY * random.uniform(0.1, 1.0) / bid
            buy = random.random() < 0.5
            opened = ask if buy else bid
            worth += units * (bid - ask)
            exposures.append(
                Exposure(
                    symbol=SYMBOLS[number],
                    long_units=units if buy else 0.0,
                    short_units=0.0 if buy else units,
                    cost=units * opened if buy else -units * opened,
                )
            )
        equity = EQUITY + worth
        high_water = equity * max(1.0, random.uniform(0.98, 1.02))
        away = random.uniform(0.04, 0.10, 3) * EQUITY
        lines = [
            Line(wakes_above=False, b=equity - share * gap, slack=0.01)
            for gap in away[:2]
            for share in (1.0, 0.75)
        ]
        lines += [
            Line(wakes_above=False, tracker=0, a=1.0, b=-share * (away[2] + 0.02 * EQUITY))
            for share in (1.0, 0.75)
        ]
        yield Watch(
            base=EQUITY,
            exposures=tuple(exposures),
            lines=tuple(lines),
            marks=Marks(trackers=(high_water, high_water)),
            rounding_bound=0.03,
        )


def segments(stream: TickBatch, ticks: int) -> list[TickBatch]:
    """One a repeat, each going on where the last one ended, after the first ticks of all."""
    starts = [len(SYMBOLS) + repeat * ticks for repeat in range(REPEATS)]
    return [stream.part(start, start + ticks) for start in starts]


def walk_through(feed: MarkingFeed, segment: TickBatch, held: list[Watch]) -> int:
    """Walk a segment; a woken account lets go of its lines, as one does that breached. Wakes."""
    wakes = 0
    for start in range(0, len(segment), MAX_TICKS):
        for wake in feed.walk(segment.part(start, min(start + MAX_TICKS, len(segment)))):
            wakes += 1
            feed.put(
                wake.slot, msgspec.structs.replace(held[wake.slot], lines=(), marks=wake.marks)
            )
    return wakes


def spread_of(times_s: Sequence[float], pairs: int) -> dict[str, float]:
    """Median, least and largest, in nanoseconds per account and tick."""
    each = [1e9 * seconds / pairs for seconds in times_s]
    return {"median": median(each), "min": min(each), "max": max(each)}


def timed(work: Callable[[], object]) -> float:
    """Seconds the work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_feed(
    make: Callable[[], MarkingFeed], stream: TickBatch, accounts: int, ticks: int
) -> dict[str, Any]:
    """The kernel, or its twin, on all repeats."""
    feed = make()
    held = list(watches_of(stream, accounts))
    for _ in feed.walk(stream.part(0, len(SYMBOLS))):
        pass
    for watch in held:
        feed.add(watch)
    wakes: list[int] = []
    times_s = [
        timed(lambda segment=segment: wakes.append(walk_through(feed, segment, held)))  # type: ignore[misc]
        for segment in segments(stream, ticks)
    ]
    return {**spread_of(times_s, accounts * ticks), "wakes": sum(wakes)}


def measure_live(stream: TickBatch, accounts: int) -> dict[str, float]:
    """Microseconds of a walk of one tick, as a live feed brings them."""
    feed = Feed(SYMBOLS)
    for _ in feed.walk(stream.part(0, len(SYMBOLS))):
        pass
    held = list(watches_of(stream, accounts))
    for watch in held:
        feed.add(watch)
    settled = len(SYMBOLS) + LIVE_AFTER_TICKS
    walk_through(feed, stream.part(len(SYMBOLS), settled), held)
    ticks = [stream.part(start, start + 1) for start in range(settled, settled + LIVE_TICKS)]
    each = sorted(1e6 * timed(lambda tick=tick: walk_through(feed, tick, held)) for tick in ticks)  # type: ignore[misc]
    return {"median": median(each), "p99": each[99 * len(each) // 100], "max": each[-1]}


def compile_loop(folder: Path) -> Any:
    """The C loop, compiled into `folder`; None without gcc."""
    if shutil.which("gcc") is None:
        return None
    target = folder / "kernel_loop.so"
    source = Path(__file__).with_name("kernel_loop.c")
    flags = ["-O3", "-march=native", "-ffp-contract=off", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", str(target), str(source)], check=True)
    return ctypes.CDLL(str(target)).kernel_loop


def measure_loop(loop: Any, stream: TickBatch, accounts: int, ticks: int) -> dict[str, float]:
    """The C loop on the same accounts, ticks and batches."""
    longs, shorts = np.zeros((2, len(SYMBOLS), accounts))
    equity, high_water, floor = np.empty((3, accounts))
    drawdown = np.zeros(accounts)
    for number, watch in enumerate(watches_of(stream, accounts)):
        for exposure in watch.exposures:
            row = SYMBOLS.index(exposure.symbol)
            longs[row, number], shorts[row, number] = exposure.long_units, exposure.short_units
        equity[number], high_water[number] = watch.base, watch.marks.trackers[0]
        floor[number] = max(line.b for line in watch.lines[:4])
    bid_move, ask_move = np.zeros(len(stream)), np.zeros(len(stream))
    for number in range(len(SYMBOLS)):
        at = np.flatnonzero(stream.symbol == number)
        bid_move[at[1:]] = np.diff(stream.bid[at])
        ask_move[at[1:]] = np.diff(stream.ask[at])
    columns = [longs, shorts, floor, equity, high_water, drawdown]

    def address(array: npt.NDArray[Any]) -> ctypes.c_void_p:
        return ctypes.c_void_p(array.ctypes.data)

    def walk(start: int) -> None:
        for first in range(start, start + ticks, MAX_TICKS):
            last = min(first + MAX_TICKS, start + ticks)
            rows = [column[first:last] for column in (stream.symbol, bid_move, ask_move)]
            loop(
                ctypes.c_int64(accounts),
                ctypes.c_int64(last - first),
                *(address(array) for array in (*rows, *columns)),
            )

    starts = [len(SYMBOLS) + repeat * ticks for repeat in range(REPEATS)]
    return spread_of([timed(lambda at=at: walk(at)) for at in starts], accounts * ticks)  # type: ignore[misc]


def measure(ticks_by_accounts: dict[int, int] = TICKS) -> dict[str, Any]:
    """Everything, as plain data: nanoseconds per account and tick, and ratios of medians."""
    warm_up()
    bids, asks, source = path_of_prices()
    longest = max(ticks_by_accounts.values())
    longest = max(REPEATS * longest, LIVE_AFTER_TICKS + LIVE_TICKS)
    stream = stream_of(bids, asks, len(SYMBOLS) + longest)
    found: dict[str, Any] = {"path": source, "unit": "ns per account and tick", "accounts": {}}
    twin = measure_feed(lambda: ReferenceFeed(SYMBOLS), stream, TWIN_ACCOUNTS, TWIN_TICKS)
    found["twin"] = twin
    found["live_tick_us"] = measure_live(stream, LIVE_ACCOUNTS)
    with tempfile.TemporaryDirectory() as folder:
        loop = compile_loop(Path(folder))
        if loop is None:
            found["c_skipped"] = "gcc is not installed"
        for accounts, ticks in ticks_by_accounts.items():
            row: dict[str, Any] = {"ticks": ticks * REPEATS}
            row["settling"] = measure_feed(lambda: Feed(SYMBOLS), stream, accounts, ticks)
            row["walking"] = measure_feed(
                lambda: Feed(SYMBOLS, settle=False), stream, accounts, ticks
            )
            row["twin_over_settling"] = twin["median"] / row["settling"]["median"]
            if loop is not None:
                row["c"] = measure_loop(loop, stream, accounts, ticks)
                row["settling_over_c"] = row["settling"]["median"] / row["c"]["median"]
                row["walking_over_c"] = row["walking"]["median"] / row["c"]["median"]
            found["accounts"][str(accounts)] = row
    return found


def main() -> None:
    """Print the measurements as JSON."""
    json.dump(measure(), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
