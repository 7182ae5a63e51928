"""A replay through the live actors: what is decided is what the replay loop decides."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
import trio
from trio.testing import MockClock

from adapters.memory.journal import MemoryJournal
from engine.book import load_book
from engine.domain.account import AccountState
from engine.domain.ids import AccountKey
from engine.domain.records import Encoding, Record
from engine.errors import UserError
from engine.kept import Entry
from engine.live_replay import replay_live, run_live
from engine.marking.feed import Feed
from engine.marking.reference import ReferenceFeed
from engine.marking.ticks import TickBatch, TickStream
from engine.replay import replay
from engine.replay_loop import ReplayLoop
from engine.replay_times import speed_factor
from tests import random_books
from tests.conftest import SOAK


def book_of(
    seed: int, accounts: int = 4, ticks: int = 400
) -> tuple[list[AccountState], random_books.ListStream]:
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


class SlowJournal(MemoryJournal):
    """Takes its time, now and then a lot of it: actors fall behind by many ticks."""

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self._rng = rng

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        await trio.sleep(self._rng.choice([0.0, 0.0, 0.001, 0.3, 20.0]))
        await super().append(key, records, entry)


def lines(records: Sequence[Record]) -> list[bytes]:
    return [Encoding.line(record) for record in records]


@pytest.mark.parametrize("seed", range(30 * max(SOAK, 1)))
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
    assert lines(records) == lines(expected)
    assert outcome.ticks == loop.ticks
    assert outcome.states == loop.states
    for account in range(len(accounts)):
        assert outcome.changes(account) == loop.changes(account)


@pytest.mark.parametrize("seed", range(30 * max(SOAK, 1)))
async def test_how_far_actors_fall_behind_changes_no_record(
    seed: int, autojump_clock: MockClock
) -> None:
    accounts, stream = book_of(1000 + seed)
    expected, loop = looped(accounts, stream)
    rng = Random(seed)
    journal = SlowJournal(rng)
    feed = Feed(stream.symbols) if seed % 2 else ReferenceFeed(stream.symbols)
    records, outcome = await replay_live(
        accounts, stream, speed=10_000.0, feed=feed, journal=journal, tick_limit=256
    )
    assert lines(records) == lines(expected)
    assert outcome.states == loop.states
    for state in accounts:
        kept = await journal.read(state.spec.key, 0, 10_000)
        assert list(kept) == [r for r in expected if r.login == state.spec.key.login]


async def test_a_replay_takes_as_long_as_its_ticks_took_or_so_many_times_less(
    autojump_clock: MockClock,
) -> None:
    accounts, stream = book_of(3)
    span_s = float(stream.whole.time_msc[-1] - stream.whole.time_msc[0]) / 1000.0
    for speed in (1.0, 250.0):
        began = trio.current_time()
        await replay_live(accounts, stream, speed=speed)
        assert trio.current_time() - began == pytest.approx(span_s / speed, abs=0.1)


async def test_progress_is_told_in_ticks(autojump_clock: MockClock) -> None:
    accounts, stream = book_of(3)
    seen: list[int] = []
    await replay_live(accounts, stream, speed=1e6, progress=seen.append)
    assert seen == [400]


async def test_a_stream_without_a_tick_opens_nothing(autojump_clock: MockClock) -> None:
    accounts, stream = book_of(3)
    stream.whole = stream.whole.part(0, 0)
    records, outcome = await replay_live(accounts, stream, speed=1.0)
    assert (records, outcome.ticks, outcome.states) == ([], 0, accounts)


class Torn(random_books.ListStream):
    """A file that turns out to be cut short."""

    def batches(self, max_ticks: int) -> Iterator[TickBatch]:
        yield from super().batches(100)
        raise UserError("the file ends in the middle of a row")


def test_what_goes_wrong_in_a_run_comes_out_plain() -> None:
    accounts, stream = book_of(3)
    torn = Torn(stream.symbols, [(0, 0, 1.0, 1.0)])
    with pytest.raises(UserError, match="middle of a row"):
        run_live(accounts, torn, speed=1.0)


def test_a_run_of_its_own_gives_the_same() -> None:
    accounts, stream = book_of(5)
    records, outcome = run_live(accounts, stream, speed=1e8)
    assert lines(records) == lines(looped(accounts, stream)[0])
    assert outcome.ticks == 400


@pytest.mark.parametrize(("text", "factor"), [("max", None), ("real", 1.0), ("2.5x", 2.5)])
def test_a_speed_is_read(text: str, factor: float | None) -> None:
    assert speed_factor(text) == factor


@pytest.mark.parametrize("text", ["", "fast", "0x", "-1x", "10", "x", "1e3x", "nanx"])
def test_a_speed_that_is_none_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(UserError) as refused:
        speed_factor(text)
    assert refused.value.help is not None
    assert "max, real" in refused.value.help


BOOK = """
[[instrument]]
symbol = "EURUSD"
calc_mode = "forex"
digits = 5
contract_size = 100000.0
base_currency = "EUR"
profit_currency = "USD"

[[ruleset]]
name = "house"
preset = "classic"

[[account]]
login = 1001
server = "Demo-1"
currency = "USD"
balance = 10000.0
ruleset = "house"
[[account.position]]
id = 1
symbol = "EURUSD"
side = "buy"
volume_lots = 1.0
open_price = 1.1
"""


def test_a_replay_at_a_speed_gives_the_result_of_one_at_none(tmp_path: Path) -> None:
    path = tmp_path / "book.toml"
    path.write_text(BOOK)
    rows = [(1000 * k, 0, 1.1 - k / 1000, 1.1 - k / 1000) for k in range(60)]
    stream = random_books.ListStream(("EURUSD",), rows)
    book = load_book(path)
    whole = replay(book, stream)
    live = replay(book, stream, speed="100000x")
    assert lines(live.records) == lines(whole.records)
    assert "position_closed" in b"".join(lines(live.records)).decode()
    assert live.states == whole.states
    assert live.changes(0) == whole.changes(0)
    measured = {"seconds", "ticks_per_second"}
    assert {k: v for k, v in live.summary.items() if k not in measured} == {
        k: v for k, v in whole.summary.items() if k not in measured
    }


def test_a_replay_at_a_speed_without_a_tick_says_so(tmp_path: Path) -> None:
    path = tmp_path / "book.toml"
    path.write_text(BOOK)
    stream = random_books.ListStream(("EURUSD",), [(0, 0, 1.1, 1.1)])
    stream.whole = stream.whole.part(0, 0)
    with pytest.raises(UserError, match="no tick"):
        replay(load_book(path), stream, speed="real")
