"""Reading is a look-up: built on read, encoded once a version, never in an account's way."""

import json

import pytest
import trio
from trio.testing import MockClock

from engine.domain.account import AccountState
from engine.domain.commands import Halt
from engine.domain.ids import AccountKey
from engine.domain.snapshot import Quality
from tests.domain.accounts import START_MSC, buy
from tests.engine.live_floor import account, floor_of

KEY = AccountKey("Demo-1", 1001)


def one() -> list[AccountState]:
    return [account(1001, [buy("EURUSD", 1.0, 1.1)])]


async def test_a_snapshot_is_encoded_once_a_version() -> None:
    async with floor_of(one()) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        bodies = {floor.board.encoded(KEY).body for _ in range(100)}
        assert (len(bodies), floor.board.built, floor.board.encoded_count) == (1, 1, 1)
        await floor.settled_tick(("EURUSD", 1.2))
        assert floor.board.encoded(KEY).body not in bodies
        assert floor.board.encoded_count == 2


async def test_a_step_without_a_tick_is_a_new_version() -> None:
    async with floor_of(one()) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        before = floor.board.encoded(KEY)
        await floor.supervisor.ask(KEY, Halt(START_MSC, "ops", "test"))
        after = floor.board.encoded(KEY)
        assert (after.seq, after.feed_version) == (before.seq + 1, before.feed_version)
        assert json.loads(after.body)["halts"] == ["ops"]


async def test_equity_moves_with_the_quotes_of_now_and_asks_nobody() -> None:
    async with floor_of(one()) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        taken = floor.actor().inbox.statistics().taken
        for price in (1.11, 1.12, 1.13):
            await floor.settled_tick(("EURUSD", price))
            assert floor.board.snapshot(KEY).equity == pytest.approx(
                10_000 + 100_000 * (price - 1.1)
            )
        assert floor.actor().inbox.statistics().taken == taken
        assert floor.board.snapshot(KEY).equity_high_water == 13_000.0


async def test_an_account_goes_stale_by_the_clock_alone(autojump_clock: MockClock) -> None:
    async with floor_of(one()) as floor:
        assert floor.board.snapshot(KEY).quality is Quality.UNKNOWN
        await floor.settled_tick(("EURUSD", 1.1))
        assert floor.board.snapshot(KEY).quality is Quality.KNOWN
        await trio.sleep(59)
        aged = floor.board.snapshot(KEY)
        assert (aged.quality, aged.age_ms) == (Quality.KNOWN, 59_000)
        await trio.sleep(2)
        stale = floor.board.snapshot(KEY)
        assert (stale.quality, stale.reason) == (Quality.STALE, "no quote of EURUSD for 61 s")
        assert stale.equity == 10_000.0, "shown, and said to be old"
        assert stale.time_msc == START_MSC + 61_000
        await floor.settled_tick(("EURUSD", 1.1))
        assert floor.board.snapshot(KEY).quality is Quality.KNOWN


async def test_between_two_ticks_the_age_is_at_most_a_second_out_of_date(
    autojump_clock: MockClock,
) -> None:
    async with floor_of(one()) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        for _ in range(50):
            floor.board.encoded(KEY)
            await trio.sleep(0.1)
        assert 5 <= floor.board.encoded_count <= 6


async def test_reading_is_possible_before_anything_was_opened() -> None:
    async with floor_of(one()) as floor:
        seen = floor.board.snapshot(KEY)
        assert (seen.quality, seen.reason) == (Quality.UNKNOWN, "EURUSD has no quote yet")
        assert (seen.balance, seen.equity, seen.seq) == (10_000.0, None, 0)
        assert floor.board.keys() == (KEY,)


async def test_an_account_nobody_has_is_not_there() -> None:
    async with floor_of(one()) as floor:
        with pytest.raises(KeyError):
            floor.board.snapshot(AccountKey("Demo-2", 1001))
