"""Whole replays: read, mark, guard and record, at one account and at a hundred thousand."""

import argparse
import json
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from adapters.tick_files.front import open_ticks
from adapters.tick_files.store import StoreHeader, write_store
from engine.domain.account import AccountState
from engine.domain.records import Record
from engine.marking.feed import Feed
from engine.marking.reference import ReferenceFeed
from engine.marking.ticks import TickStream
from engine.marking.wakes import MarkingFeed
from engine.marking.warming import warm_up
from engine.replay_loop import ReplayLoop
from perf.workload import DerivedStream, accounts, price_path

BATCH_TICKS = 1024


def drive(
    states: list[AccountState], stream: TickStream, feed: MarkingFeed
) -> tuple[float, list[Record]]:
    """Seconds of one replay from the first batch to the last record, and the records."""
    records: list[Record] = []
    loop = ReplayLoop(states, feed, records.append)
    began = time.perf_counter()
    for batch in stream.batches(BATCH_TICKS):
        loop.take(batch)
    loop.end()
    return time.perf_counter() - began, records


def measure(count: int, ticks: int, repeats: int) -> dict[str, Any]:
    """Ticks per second of whole replays of `count` accounts, the ticks read from the store."""
    derived = DerivedStream(price_path(), ticks)
    states = accounts(count, derived)
    with tempfile.TemporaryDirectory() as folder:
        sources = _stored(derived, Path(folder))
        seconds = []
        for _ in range(repeats):
            began = time.perf_counter()
            stream = open_ticks(sources)
            reading = time.perf_counter() - began
            spent, records = drive(states, stream, Feed(stream.symbols))
            seconds.append(reading + spent)
    kinds = Counter(type(record).__name__ for record in records)
    return {
        "accounts": count,
        "ticks": ticks,
        "source": price_path().source,
        "seconds": seconds,
        "ticks_per_second": [ticks / s for s in seconds],
        "records": dict(kinds),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_twin(count: int, ticks: int) -> dict[str, Any]:
    """Ticks per second of the plain twin that values every account on every tick.

    The opening of the accounts is left out: it would flatter the kernel's ratio.
    """
    derived = DerivedStream(price_path(), 64 + ticks)
    records: list[Record] = []
    feed = ReferenceFeed(derived.symbols)
    loop = ReplayLoop(accounts(count, derived), feed, records.append)
    first = next(derived.batches(64 + ticks))
    loop.take(first.part(0, 64))
    began = time.perf_counter()
    loop.take(first.part(64, 64 + ticks))
    seconds = time.perf_counter() - began
    return {"accounts": count, "ticks": ticks, "ticks_per_second": [ticks / seconds]}


def _stored(derived: DerivedStream, folder: Path) -> list[tuple[str, list[Path]]]:
    """The derived symbols as converted stores, one each."""
    batch = derived.whole
    sources = []
    for number, symbol in enumerate(derived.symbols):
        chosen = batch.symbol == number
        path = folder / f"{symbol}.ticks"
        header = StoreHeader(symbol=symbol, digits=3)
        write_store(path, header, batch.time_msc[chosen], batch.bid[chosen], batch.ask[chosen])
        sources.append((symbol, [path]))
    return sources


def main() -> None:
    """Prints one measurement as JSON: a process of its own, so that peak memory is its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--ticks", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--twin", action="store_true")
    options = parser.parse_args()
    if options.twin:
        print(json.dumps(measure_twin(options.accounts, options.ticks)))
        return
    warm_up()
    print(json.dumps(measure(options.accounts, options.ticks, options.repeats)))


if __name__ == "__main__":
    main()
