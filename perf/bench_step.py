"""One account by itself: a step, a watch, a digest, and a record to and from its line."""

import argparse
import json
import time
from collections.abc import Callable

import orjson

from engine.domain.digest import state_digest
from engine.domain.events import Opened, QuoteMarked
from engine.domain.quotes import Quote
from engine.domain.records import AccountClosed, Encoding, Tick
from engine.domain.step import step
from engine.domain.watching import holding_of, watch_of
from perf.workload import DerivedStream, accounts, synthetic_path

CALLS = 5_000


def measure(repeats: int) -> dict[str, list[float]]:
    """Microseconds of each, a list of repeats."""
    stream = DerivedStream(synthetic_path(10_000), 10_000)
    opened = int(stream.whole.time_msc[0])
    state = step(accounts(1, stream)[0], Opened(opened)).state
    quotes = {s: Quote(p, p + 0.3, opened) for s, p in stream.first_prices().items()}
    first = quotes[stream.symbols[0]]
    event = QuoteMarked(opened, Tick(0, stream.symbols[0], first.bid, first.ask), quotes)
    state = step(state, event).state
    holding = holding_of(state, quotes)
    record = AccountClosed(
        seq=9,
        time_msc=opened,
        login=1,
        server="Bench-1",
        balance=98_123.45,
        equity=98_123.45,
        equity_high_water=101_002.11,
        max_drawdown=2_878.66,
        max_drawdown_percent=2.8501,
        max_drawdown_time_msc=opened,
        ticks=468_279,
    )
    line = Encoding.line(record)
    work: dict[str, Callable[[], object]] = {
        "step_us": lambda: step(state, event),
        "watch_us": lambda: watch_of(state, quotes, holding),
        "digest_us": lambda: state_digest(state),
        "record_encode_us": lambda: Encoding.line(record),
        "record_decode_us": lambda: Encoding.parse(line),
        "record_decode_orjson_us": lambda: orjson.loads(line),
    }
    return {name: [_each_us(call) for _ in range(repeats)] for name, call in work.items()}


def _each_us(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6


def main() -> None:
    """Prints the measurements as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    print(json.dumps(measure(parser.parse_args().repeats)))


if __name__ == "__main__":
    main()
