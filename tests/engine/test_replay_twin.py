"""The kernel-driven replay against plain `step` on every tick of every account: equal records."""

from random import Random
from typing import Any

import msgspec
import pytest

from engine.domain.records import AccountClosed, Encoding, Record
from engine.marking.feed import Feed
from engine.marking.reference import ReferenceFeed
from engine.marking.wakes import MarkingFeed
from engine.replay_loop import ReplayLoop
from tests import random_books
from tests.conftest import SOAK


def records_of(seed: int, feed_kind: str, batch_ticks: int, ticks: int = 400) -> list[Record]:
    """Every record of a random book, driven by one kind of feed."""
    rng = Random(seed)
    listed = random_books.instruments(rng)
    stream = random_books.stream(rng, listed, ticks)
    accounts = [random_books.account(rng, number, listed) for number in range(4)]
    feed: MarkingFeed = (
        Feed(stream.symbols)
        if feed_kind == "kernel"
        else ReferenceFeed(stream.symbols, every_tick=True)
    )
    records: list[Record] = []
    loop = ReplayLoop(accounts, feed, records.append)
    for batch in stream.batches(batch_ticks):
        loop.take(batch)
    loop.end()
    return records


def by_account(records: list[Record]) -> dict[int, list[dict[str, Any]]]:
    """Records as plain data, by login; the time of a deepest drawdown may differ on a tie."""
    found: dict[int, list[dict[str, Any]]] = {}
    for record in records:
        plain = msgspec.to_builtins(record)
        if isinstance(record, AccountClosed):
            del plain["max_drawdown_time_msc"]
        found.setdefault(record.login, []).append(plain)
    return found


@pytest.mark.parametrize("seed", range(60 * max(SOAK, 1)))
def test_the_kernel_decides_what_plain_steps_on_every_tick_decide(seed: int) -> None:
    plain = by_account(records_of(seed, "plain", 1024))
    kernel = by_account(records_of(seed, "kernel", Random(seed).choice([1, 7, 64, 1024])))
    assert kernel == plain


def test_random_books_are_worth_comparing_on() -> None:
    """The control: the books above do warn, breach, close, reset and release."""
    kinds = {
        type(record).__name__ for seed in range(40) for record in records_of(seed, "kernel", 1024)
    }
    assert kinds >= {
        "GuardWarning",
        "GuardBreach",
        "RuleBreach",
        "PositionClosed",
        "DayReset",
        "AccountReleased",
        "BalanceChanged",
        "ObjectiveReached",
    }


@pytest.mark.parametrize("seed", range(3))
def test_the_same_input_twice_gives_the_same_bytes(seed: int) -> None:
    first = b"".join(Encoding.line(r) for r in records_of(seed, "kernel", 256))
    second = b"".join(Encoding.line(r) for r in records_of(seed, "kernel", 256))
    assert first == second
