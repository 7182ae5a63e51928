"""A replay through the live actors: what is decided is what the replay loop decides."""

from random import Random

import pytest
from trio.testing import MockClock

from engine.domain.account import AccountState
from engine.domain.records import Encoding, Record
from engine.live_replay import replay_live
from engine.marking.feed import Feed
from engine.marking.ticks import TickStream
from engine.replay_loop import ReplayLoop
from tests import random_books
from tests.conftest import SOAK


def book_of(
    seed: int, accounts: int = 4, ticks: int = 400
) -> tuple[list[AccountState], TickStream]:
    """A random book and path, the same for the same seed."""
    rng = Random(seed)
    listed = random_books.instruments(rng)
    stream = random_books.stream(rng, listed, ticks)
    return [random_books.account(rng, number, listed) for number in range(accounts)], stream


def looped(accounts: list[AccountState], stream: TickStream) -> tuple[list[Record], ReplayLoop]:
    records: list[Record] = []
    loop = ReplayLoop(accounts, Feed(stream.symbols), records.append)
    for batch in stream.batches(64):
        loop.take(batch)
    loop.end()
    return records, loop


@pytest.mark.parametrize("seed", range(40 * max(SOAK, 1)))
async def test_live_actors_decide_what_the_loop_decides_and_in_its_order(
    seed: int, autojump_clock: MockClock
) -> None:
    accounts, stream = book_of(seed)
    expected, loop = looped(accounts, stream)
    rng = Random(seed)
    records, outcome = await replay_live(
        accounts,
        stream,
        speed=rng.choice([1.0, 100.0, 1e5]),
        tick_limit=rng.choice([2, 16, 1024]),
    )
    assert [Encoding.line(r) for r in records] == [Encoding.line(r) for r in expected]
    assert outcome.ticks == loop.ticks
    assert outcome.states == loop.states
    for account in range(len(accounts)):
        assert outcome.changes(account) == loop.changes(account)
