"""The ring of ticks and the prices of each second, against plain lists; and what keeps tapes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.memory.tape import MemoryTapeStore
from adapters.sqlite.equity import open_equity
from adapters.sqlite.tape import open_tapes
from engine.errors import AdapterError, UserError
from engine.marking.ticks import TickBatch
from engine.tape import BLOCK_TICKS, KEEP_MSC, MOST_BLOCKS, SECONDS, Prices, Tape
from engine.tape_accounts import BrokerEquity
from engine.tape_cut import TapeTick, VerdictTape
from engine.tape_polls import PollSeen
from engine.tapes import KEPT_MSC, MOST_TAPES, TapeStore

SYMBOLS = ("EURUSD", "GBPUSD", "XAUUSD")
START_MSC = 1_767_571_200_000
Row = tuple[int, int, float]
"""Time, symbol, bid; the ask is one above."""


def batch(rows: Sequence[Row], first_index: int) -> TickBatch:
    bids = np.array([bid for _, _, bid in rows], np.float64)
    return TickBatch(
        SYMBOLS,
        first_index,
        np.array([START_MSC + at for at, _, _ in rows], np.int64),
        np.array([symbol for _, symbol, _ in rows], np.int32),
        bids,
        bids + 1.0,
    )


def fed(rows: Sequence[Row], sizes: Sequence[int]) -> Tape:
    """A tape that took the rows in batches of these sizes, over and over."""
    tape, at, turn = Tape(SYMBOLS), 0, 0
    while at < len(rows):
        size = sizes[turn % len(sizes)]
        tape.take(batch(rows[at : at + size], at))
        at, turn = at + size, turn + 1
    return tape


@st.composite
def markets(draw: st.DrawFn) -> list[Row]:
    """Some thousands of ticks whose pace differs."""
    seed = draw(st.integers(0, 2**32 - 1))
    dice = np.random.default_rng(seed)
    count = draw(st.integers(0, 3 * BLOCK_TICKS))
    gaps = dice.choice([0, 0, 0, 1, 20], count) if count else np.empty(0, np.int64)
    times = np.cumsum(gaps)
    symbols = dice.choice(len(SYMBOLS), count, p=[0.9, 0.1, 0.0])
    return [
        (int(t), int(s), float(n + 1)) for n, (t, s) in enumerate(zip(times, symbols, strict=True))
    ]


@settings(deadline=None, max_examples=25)
@given(
    markets(),
    st.lists(st.integers(1, 2 * BLOCK_TICKS), min_size=1, max_size=4),
    st.integers(0, 70_000),
    st.sets(st.sampled_from(SYMBOLS)),
)
def test_a_stretch_has_every_tick_of_its_symbols_and_what_stood_before(
    rows: list[Row], sizes: list[int], from_ms: int, symbols: set[str]
) -> None:
    tape = fed(rows, sizes)
    assert tape.next_index == len(rows)
    stretch = tape.since(symbols, START_MSC + from_ms)
    found = stretch.indices.tolist()
    wanted = [
        n for n, (at, symbol, _) in enumerate(rows) if at >= from_ms and SYMBOLS[symbol] in symbols
    ]
    assert found[len(found) - len(wanted) :] == wanted
    assert stretch.batch.bid.tolist() == [rows[n][2] for n in found]
    assert (stretch.batch.time_msc - START_MSC).tolist() == [rows[n][0] for n in found]
    first = next((n for n in range(len(rows)) if n in set(found[:1])), None)
    if first is not None:
        row = rows[first][1]
        before = [bid for _, symbol, bid in rows[:first] if symbol == row]
        stood = stretch.standing[row][0]
        assert stood == before[-1] if before else np.isnan(stood)


@settings(deadline=None, max_examples=25)
@given(markets(), st.lists(st.integers(1, 5000), min_size=1, max_size=4), st.integers(1, 5))
def test_the_price_of_a_second_is_its_last(
    rows: list[Row], sizes: list[int], looks_every: int
) -> None:
    tape, at, turn = Tape(SYMBOLS), 0, 0
    prices = Prices(tape)
    while at < len(rows):
        size = sizes[turn % len(sizes)]
        tape.take(batch(rows[at : at + size], at))
        at, turn = at + size, turn + 1
        if turn % looks_every == 0:
            prices.catch_up()
    for row, symbol in enumerate(SYMBOLS):
        last: dict[int, float] = {}
        for time_ms, of, bid in rows:
            if of == row:
                last[START_MSC + time_ms // 1000 * 1000] = bid
        found = prices.of(symbol, 0, 2**52)
        assert found is not None
        assert {one.start_msc: one.bid for one in found} == last
        assert [one.start_msc for one in found] == sorted(last)
        assert all(one.ask == one.bid + 1.0 for one in found)


def test_prices_are_those_of_the_last_hour() -> None:
    rows = [(second * 1000, 0, float(second + 1)) for second in range(SECONDS + 10)]
    prices = Prices(fed(rows, [1000]))
    found = prices.of("EURUSD", 0, 2**52)
    assert found is not None
    assert [one.bid for one in found] == [float(n + 1) for n in range(10, SECONDS + 10)]
    assert prices.of("EURUSD", START_MSC + 20_000, START_MSC + 22_000) == found[10:12]
    assert prices.of("GBPUSD", 0, 2**52) == []
    assert prices.of("EURNOK", 0, 2**52) is None


def test_its_memory_is_bounded_and_it_says_how_far_back_it_reaches() -> None:
    tape = Tape(SYMBOLS)
    assert tape.reaches_msc is None
    count = (MOST_BLOCKS + 3) * BLOCK_TICKS
    whole = [(n // 4096, 0, float(n)) for n in range(BLOCK_TICKS)]
    for start in range(0, count, BLOCK_TICKS):
        shifted = [(start // BLOCK_TICKS, symbol, bid) for _, symbol, bid in whole]
        tape.take(batch(shifted, start))
    assert len(tape._blocks) == MOST_BLOCKS
    assert tape.reaches_msc == START_MSC + 3
    assert len(tape.since(SYMBOLS, 0).indices) == MOST_BLOCKS * BLOCK_TICKS


def test_what_is_older_than_two_minutes_goes_with_its_block() -> None:
    tape = Tape(SYMBOLS)
    old = [(n, 1, 7.0) for n in range(BLOCK_TICKS)]
    tape.take(batch(old, 0))
    late = KEEP_MSC + 10_000
    tape.take(batch([(late + n, 0, 5.0) for n in range(2 * BLOCK_TICKS)], BLOCK_TICKS))
    tape.take(batch([(late + KEEP_MSC + 1, 0, 5.0)], 3 * BLOCK_TICKS))
    assert tape.reaches_msc == START_MSC + late
    assert tape.since(SYMBOLS, 0).standing[1][0] == 7.0, "the quote itself still stands"


# What keeps them


@asynccontextmanager
async def store_of(kind: str, folder: Path) -> AsyncIterator[TapeStore]:
    if kind == "memory":
        yield MemoryTapeStore()
    else:
        async with open_tapes(folder / "tapes.db") as store:
            yield store


def tape_of(name: str, time_msc: int = START_MSC) -> VerdictTape:
    poll = PollSeen(
        period="10s",
        phases=10_000,
        missed_percent=12.5,
        late_min_ms=0,
        late_median_ms=4000,
        late_p95_ms=9000,
        late_max_ms=9999,
        equity_median=1.0,
        equity_worst=None,
        cost_median=-1.0,
        cost_worst=None,
    )
    return VerdictTape(
        verdict_id=name,
        server="Demo-1",
        login=1001,
        currency="USD",
        guard="daily",
        time_msc=time_msc,
        from_msc=time_msc - 20_000,
        to_msc=time_msc + 8_000,
        is_whole=True,
        is_final=False,
        decided_index=7,
        equity=1.0,
        agrees=True,
        ticks=(TapeTick(7, time_msc, "EURUSD", 1.1, 1.2, 1.0, 1.0, None),),
        broker=(BrokerEquity(time_msc, 1.01),),
        polls=(poll,),
        polled_until_msc=time_msc + 8_000,
    )


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_a_later_cut_takes_the_place_of_the_earlier(kind: str, tmp_path: Path) -> None:
    async with store_of(kind, tmp_path) as store:
        first = tape_of("vrd_1")
        await store.keep(first)
        await store.keep(tape_of("vrd_2"))
        assert await store.find("vrd_1") == first
        last = replace(first, is_final=True)
        await store.keep(last)
        assert await store.find("vrd_1") == last
        assert await store.find("vrd_3") is None


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_only_so_many_are_kept_and_for_so_long(kind: str, tmp_path: Path) -> None:
    async with store_of(kind, tmp_path) as store:
        for number in range(MOST_TAPES + 3):
            await store.keep(tape_of(f"vrd_{number}", START_MSC + number))
        assert [await store.find(f"vrd_{n}") is None for n in range(5)] == [True] * 3 + [False] * 2
        await store.keep(tape_of("vrd_late", START_MSC + MOST_TAPES + KEPT_MSC))
        assert await store.find(f"vrd_{MOST_TAPES - 1}") is None
        assert await store.find(f"vrd_{MOST_TAPES + 1}") is not None


async def test_tapes_survive_a_restart_and_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tapes.db"
    async with open_tapes(path) as store:
        await store.keep(tape_of("vrd_1"))
    assert path.stat().st_mode & 0o777 == 0o600
    async with open_tapes(path) as store:
        assert await store.find("vrd_1") == tape_of("vrd_1")
    async with open_equity(tmp_path / "other.db"):
        pass
    with pytest.raises(UserError, match="no store of tapes"):
        async with open_tapes(tmp_path / "other.db"):
            pass


async def test_a_damaged_file_is_told_at_each_try_until_it_is_put_right(tmp_path: Path) -> None:
    path = tmp_path / "tapes.db"
    path.write_bytes(b"no database at all, and long enough to be taken for one" * 40)
    async with open_tapes(path) as store:
        for _ in range(2):
            with pytest.raises(AdapterError):
                await store.keep(tape_of("vrd_1"))
        path.unlink()
        await store.keep(tape_of("vrd_1"))
        assert await store.find("vrd_1") == tape_of("vrd_1")
