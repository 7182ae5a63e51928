"""A breach tick by tick: what is cut from the tape of a running engine, on a virtual clock."""

import random
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from engine.domain.ids import AccountKey
from engine.domain.records import GuardBreach, GuardWarning
from engine.domain.reports import PositionReport
from engine.errors import AdapterError
from engine.tape_cut import AFTER_MSC, BEFORE_MSC, POLLED_MSC, VerdictTape, cut_of, cutting
from engine.tapes import SETTLE_MSC
from tests.live.live_house import DEPOSIT, SERVER, spec_of, trailing
from tests.live.taped_engine import Counts, TapedEngine, held, taped_engine

KEY = AccountKey(SERVER, 1001)
LOT = held("EURUSD", 1.0, 1.1000)
YEN = held("USDJPY", 0.5, 150.0, number=2, type=1)


async def quiet(house: TapedEngine, seconds: int, seed: int = 1) -> None:
    """Two ticks a second that breach nothing, of what is held and of what is not."""
    dice = random.Random(seed)
    for _ in range(seconds):
        price = round(1.1 + dice.uniform(-2e-3, 2e-3), 5)
        await house.tick("EURUSD", price, price + 1e-4)
        yen = round(150.0 + dice.uniform(-0.3, 0.3), 3)
        await trio.sleep(0.4)
        await house.tick("USDJPY", yen, round(yen + 0.01, 3))
        await house.tick("GBPUSD", 1.25, 1.2502)
        await trio.sleep(0.6)


async def crash(house: TapedEngine, bid: float = 1.0890) -> GuardBreach:
    """EURUSD falls until the trailing guard of a lot, ten percent, breaches."""
    await house.tick("EURUSD", bid, bid + 1e-4)
    await house.settle()
    [breach] = house.breaches()
    return breach


async def breached(house: TapedEngine, *held: PositionReport) -> GuardBreach:
    await house.report(KEY, *(held or (LOT, YEN)))
    await quiet(house, 30)
    return await crash(house)


async def test_the_equity_of_the_deciding_tick_is_the_verdicts_own(
    autojump_clock: MockClock,
) -> None:
    async with taped_engine() as house:
        breach = await breached(house)
        await quiet(house, 10)
        tape = await house.tape(breach.verdict_id)
        assert tape.agrees is True
        assert tape.is_whole
        [decided] = [one for one in tape.ticks if one.index == tape.decided_index]
        assert decided.equity == decided.equity_held == tape.equity == breach.equity
        assert decided.floor == breach.floor
        assert (decided.symbol, decided.bid) == ("EURUSD", 1.0890)
        assert {one.symbol for one in tape.ticks} == {"EURUSD", "USDJPY"}
        said = [
            one
            for one in house.ticks
            if one[1] != "GBPUSD"
            and breach.time_msc - BEFORE_MSC <= one[0] <= breach.time_msc + AFTER_MSC
        ]
        inside = [one for one in tape.ticks if one.time_msc >= tape.from_msc]
        assert [(t.time_msc, t.symbol, t.bid, t.ask) for t in inside] == said
        assert len(tape.ticks) == len(inside) + 1, "what stood when the span began"


async def test_a_tape_of_other_positions_does_not_agree(autojump_clock: MockClock) -> None:
    async with taped_engine() as house:
        cuts: list[Any] = []
        await house.report(KEY, LOT, YEN)
        house.engine.tapes._feeds[SERVER]._on_breach = lambda *told: cuts.append(told)
        await quiet(house, 30)
        await crash(house)
        [(feed, one)] = cuts
        assert cut_of(feed, one, house.now_msc).agrees is True
        fewer = replace(one.state, positions=one.state.positions[:1])
        assert cut_of(feed, one._replace(state=fewer), house.now_msc).agrees is False


async def test_however_small_the_turns_are_the_tape_is_the_same(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with taped_engine() as house:
        breach = await breached(house)
        for turn in range(5):
            await trio.sleep(0.3)
            await house.report(KEY, LOT, replace(YEN, volume=0.4 - turn / 20))
            await quiet(house, 1, turn)
        await house.closed(KEY, LOT, 1.0890, -1100.0)
        await quiet(house, 3)
        feed, one, _ = house.engine.tapes._waiting[breach.verdict_id]
        whole = cut_of(feed, one, house.now_msc)
        parts = sum(1 for _ in cutting(feed, one, house.now_msc))
        for name, size in (("TICKS", 7), ("CHANGES", 1), ("ROWS", 3)):
            monkeypatch.setattr(f"engine.tape_cut.{name}_A_TURN", size)
        assert cut_of(feed, one, house.now_msc) == whole
        assert sum(1 for _ in cutting(feed, one, house.now_msc)) > 2 * parts
        assert len({tick.floor for tick in whole.ticks}) > 1


async def test_what_was_closed_no_longer_moves_and_what_is_held_does(
    autojump_clock: MockClock,
) -> None:
    async with taped_engine() as house:
        breach = await breached(house, LOT)
        await trio.sleep(1.0)
        await house.closed(KEY, LOT, 1.0890, -1100.0)
        await trio.sleep(0.5)
        await house.tick("EURUSD", 1.0700)
        await trio.sleep(8.0)
        tape = await house.tape(breach.verdict_id)
        last = tape.ticks[-1]
        assert last.bid == 1.0700
        assert last.equity == 8900.0
        assert last.equity_held is not None
        assert breach.equity - last.equity_held == pytest.approx(1900.0)
        before = [one for one in tape.ticks if one.time_msc < breach.time_msc]
        assert all(one.equity == one.equity_held for one in before)
        assert len({one.equity for one in before}) > 20


async def test_ticks_on_which_nobody_could_value_the_account_have_no_equity(
    autojump_clock: MockClock,
) -> None:
    async with taped_engine() as house:
        breach = await breached(house)
        await trio.sleep(1.0)
        await house.report(KEY, balance=8900.0)  # 1,100 less than its deals make
        await house.tick("EURUSD", 1.0700)
        await trio.sleep(8.0)
        tape = await house.tape(breach.verdict_id)
        assert (tape.ticks[-1].equity, tape.ticks[-1].floor) == (None, None)
        assert tape.ticks[-1].equity_held is not None
        assert tape.ticks[-2].equity == breach.equity


async def test_a_floor_that_trails_rises_on_the_tick_of_the_new_high(
    autojump_clock: MockClock,
) -> None:
    async with taped_engine() as house:
        await house.report(KEY, LOT)
        await quiet(house, 25)
        await trio.sleep(15)
        await house.tick("EURUSD", 1.1100)
        high_msc = house.now_msc
        await trio.sleep(5)
        await house.tick("EURUSD", 1.1090)
        await trio.sleep(3)
        breach = await crash(house, 1.0980)
        await trio.sleep(9)
        tape = await house.tape(breach.verdict_id)
        before = {one.floor for one in tape.ticks if one.time_msc < high_msc}
        after = {one.floor for one in tape.ticks if one.time_msc >= high_msc}
        assert after == {breach.floor} == {9900.0}
        assert len(before) == 1
        assert before.pop() < 9300.0  # type: ignore[operator]


async def test_the_brokers_own_equity_is_beside_it(autojump_clock: MockClock) -> None:
    async with taped_engine() as house:
        await house.report(KEY, LOT)
        for second in range(200):
            await house.beat(KEY, 9000.0 + second)
            await trio.sleep(1.0)
        breach = await crash(house)
        await trio.sleep(2.0)
        await house.beat(KEY, 1.0)
        await trio.sleep(30.0)
        await house.beat(KEY, 2.0)
        tape = await house.tape(breach.verdict_id)
        expected = [9000.0 + second for second in range(180, 200)]
        assert [one.equity for one in tape.broker] == [*expected, 1.0]
        assert tape.broker[0].time_msc == breach.time_msc - BEFORE_MSC


def polled(tape: VerdictTape, ticks: list[tuple[int, float]], period: int) -> list[int | None]:
    """Each phase asks by itself: how late it saw equity below the floor, None if not by the end."""
    floor = tape.ticks[-1].floor
    assert floor is not None
    seen: list[int | None] = []
    for phase in range(0, period, 100):
        at = tape.time_msc + (phase - tape.time_msc) % period
        found = None
        while at <= tape.polled_until_msc:
            now = [equity for time_msc, equity in ticks if time_msc <= at][-1]
            if now < floor:
                found = at - tape.time_msc
                break
            at += period
        seen.append(found)
    return seen


async def test_slow_polls_are_followed_for_a_minute_and_counted_exactly(
    autojump_clock: MockClock,
) -> None:
    async with taped_engine() as house:
        breach = await breached(house, LOT)
        ticks = [(breach.time_msc, breach.equity)]
        dice = random.Random(3)
        for _ in range(55):
            await trio.sleep(1.0)
            bid = dice.choice([1.0880, 1.0960, 1.1000])
            await house.tick("EURUSD", bid, bid + 1e-4)
            ticks.append((house.now_msc, round(DEPOSIT + (bid - 1.1) * 100_000, 2)))
        early = await house.tape(breach.verdict_id)
        assert not early.is_final
        await trio.sleep(20)
        tape = await house.tape(breach.verdict_id)
        assert tape.is_final
        assert tape.polled_until_msc == breach.time_msc + POLLED_MSC
        assert [one.period for one in tape.polls] == ["10s", "30s", "60s"]
        for one in tape.polls:
            seen = polled(tape, ticks, one.phases)
            late = [value for value in seen if value is not None]
            share = 100.0 * (len(seen) - len(late)) / len(seen)
            assert one.missed_percent == pytest.approx(share, abs=0.01)
            assert one.late_min_ms == min(late)
            assert one.late_max_ms is not None
            assert 0 <= one.late_max_ms - max(late) < 100
        assert tape.polls[2].missed_percent > 20.0


async def test_a_breach_that_is_over_before_a_poll_is_missed_by_nearly_all(
    autojump_clock: MockClock,
) -> None:
    async with taped_engine() as house:
        breach = await breached(house, LOT)
        await trio.sleep(0.1)
        await house.tick("EURUSD", 1.1000, 1.1001)
        await trio.sleep(70)
        tape = await house.tape(breach.verdict_id)
        assert [one.missed_percent for one in tape.polls] == [99.0, 99.6667, 99.8333]


async def test_it_is_kept_after_eight_seconds_and_once_more_after_a_minute(
    autojump_clock: MockClock,
) -> None:
    meter = Counts()
    async with taped_engine(meter=meter) as house:
        breach = await breached(house)
        assert await house.store.find(breach.verdict_id) is None
        await trio.sleep((AFTER_MSC + SETTLE_MSC) / 1000 + 2.0)  # cutting takes its time
        early = await house.store.find(breach.verdict_id)
        assert early is not None
        assert early.to_msc == breach.time_msc + AFTER_MSC
        assert not early.is_final
        await trio.sleep(60)
        last = await house.store.find(breach.verdict_id)
        assert last is not None
        assert last.is_final
        assert last.ticks == early.ticks
        assert meter.of["tapes", "kept"] == 2
        assert await house.tape(breach.verdict_id) == last, "it is made no longer: read again"


async def test_an_engine_that_stops_first_keeps_what_there_is(autojump_clock: MockClock) -> None:
    async with taped_engine() as house:
        breach = await breached(house)
        await trio.sleep(2.0)
        stopped_msc = house.now_msc
        await house.engine.tapes.flush()
        tape = await house.store.find(breach.verdict_id)
        assert tape is not None
        assert (tape.to_msc, tape.is_whole, tape.is_final) == (stopped_msc, False, False)
        assert tape.agrees is True
        assert tape.polled_until_msc == stopped_msc


async def test_an_engine_younger_than_the_span_says_from_where_it_knows(
    autojump_clock: MockClock,
) -> None:
    async with taped_engine() as house:
        await house.report(KEY, LOT)
        began_msc = house.now_msc
        await trio.sleep(5)
        breach = await crash(house)
        await trio.sleep(10)
        tape = await house.tape(breach.verdict_id)
        assert not tape.is_whole
        assert tape.from_msc == began_msc
        assert tape.agrees is True


class BrokenStore:
    """A disk that takes nothing."""

    def __init__(self) -> None:
        self.tries = 0

    async def keep(self, tape: VerdictTape) -> None:
        await trio.lowlevel.checkpoint()
        self.tries += 1
        raise AdapterError("disk full", system="tapes", retry=True)

    async def find(self, verdict_id: str) -> VerdictTape | None:
        await trio.lowlevel.checkpoint()
        return None


async def test_a_tape_that_cannot_be_kept_is_counted_and_told_once(
    autojump_clock: MockClock,
) -> None:
    meter = Counts()
    told: list[str] = []
    async with taped_engine([spec_of(1001), spec_of(1002)], meter) as house:
        house.engine.tapes.store = broken = BrokenStore()
        house.engine.tapes.on_failure = told.append
        for login in (1001, 1002):
            await house.report(AccountKey(SERVER, login), LOT)
        await house.tick("EURUSD", 1.0890)
        await house.settle()
        assert len(house.breaches()) == 2, "and closes are not waited for by it"
        await trio.sleep(70)
        assert (broken.tries, meter.of["tapes", "failed"], len(told)) == (4, 4, 1)
        assert house.engine.health().is_ready


async def test_a_cut_that_goes_wrong_ends_no_engine(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Counts()

    def wrong(*_told: object) -> VerdictTape:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("engine.tapes.cutting", wrong)
    async with taped_engine(meter=meter) as house:
        await breached(house)
        await trio.sleep(70)
        assert meter.of["tapes", "failed"] == 2
        assert house.engine.health().is_ready


async def test_a_warning_has_no_tape(autojump_clock: MockClock) -> None:
    spec = spec_of(1001, [trailing(percent=10.0, warn_percent=50.0)])
    async with taped_engine([spec]) as house:
        await house.report(KEY, LOT)
        await house.tick("EURUSD", 1.0940)
        await house.settle()
        [warning] = [one for one in house.listener.take() if isinstance(one, GuardWarning)]
        await trio.sleep(20)
        assert await house.engine.tapes.of_verdict(warning.verdict_id) is None


async def test_the_price_of_each_second_is_there(autojump_clock: MockClock) -> None:
    async with taped_engine() as house:
        began_msc = house.now_msc
        for step in range(10):
            await house.tick("EURUSD", 1.1 + step * 1e-4, 1.2)
            await trio.sleep(0.5)
        found = await house.engine.tapes.prices(KEY, "EURUSD", began_msc, 2**52)
        assert found is not None
        assert [one.start_msc - began_msc for one in found] == [0, 1000, 2000, 3000, 4000]
        assert [round(one.bid, 4) for one in found] == [1.1001, 1.1003, 1.1005, 1.1007, 1.1009]
        assert await house.engine.tapes.prices(KEY, "EURNOK", 0, 2**52) is None


@pytest.mark.parametrize("part", ["tape", "accounts"])
async def test_a_fault_of_the_tape_is_told_and_guards_go_on(
    part: str, autojump_clock: MockClock
) -> None:
    def fail(*_: object) -> None:
        raise IndexError("a fault of ours")

    told: list[str] = []
    async with taped_engine() as house:
        house.engine.tapes.on_failure = told.append
        await house.report(KEY, LOT, YEN)
        await quiet(house, 2)
        feed: Any = house.engine.tapes._feeds[SERVER]
        if part == "tape":
            feed.tape.take = fail
        else:
            feed._note = fail
        await quiet(house, 2)
        breach = await crash(house)
        assert breach.guard == "trailing"
        assert told == ["no tape from here on: IndexError: a fault of ours"]
