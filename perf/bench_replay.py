"""Whole replays: read, mark, guard and record, at one account and at a hundred thousand."""

import argparse
import json
import resource
import time
from collections import Counter
from typing import Any

from engine.domain.records import Record
from engine.marking.feed import Feed
from engine.marking.reference import ReferenceFeed
from engine.marking.warming import warm_up
from engine.replay_loop import ReplayLoop
from perf.workload import DerivedStream, accounts, price_path

BATCH_TICKS = 1024


def measure(count: int, ticks: int, *, twin: bool = False, repeats: int = 1) -> dict[str, Any]:
    """Ticks per second of one whole replay of `count` accounts over `ticks` ticks."""
    stream = DerivedStream(price_path(), ticks)
    seconds: list[float] = []
    for _ in range(repeats):
        states = accounts(count, stream)
        records: list[Record] = []
        feed = ReferenceFeed(stream.symbols) if twin else Feed(stream.symbols)
        loop = ReplayLoop(states, feed, records.append)
        began = time.perf_counter()
        for batch in stream.batches(BATCH_TICKS):
            loop.take(batch)
        loop.end()
        seconds.append(time.perf_counter() - began)
    kinds = Counter(type(record).__name__ for record in records)
    return {
        "accounts": count,
        "ticks": ticks,
        "seconds": seconds,
        "ticks_per_second": [round(ticks / s) for s in seconds],
        "records": dict(kinds),
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Prints one measurement as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--ticks", type=int, default=1_000_000)
    parser.add_argument("--twin", action="store_true")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    warm_up()
    result = measure(options.accounts, options.ticks, twin=options.twin, repeats=options.repeats)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
