"""One account's trouble in a running engine: its link, its engine and the others go on."""

import pytest
import trio
from trio.testing import MockClock

import engine.actor as at_work
from engine.domain.account import AccountState
from engine.domain.inputs import Event
from engine.domain.link_events import HeartbeatCame
from engine.domain.reports import Heartbeat
from engine.domain.step import Step, step
from tests.engine.live_floor import GatedJournal
from tests.live import test_live_early as early_fills
from tests.live.test_live_early import AFTER, KEY, desk

BEAT = Heartbeat(balance=10_000.0, credit=0.0, equity=10_000.0, margin=0.0, digest="")


def breaks_at_heartbeats(state: AccountState, event: Event) -> Step:
    if isinstance(event, HeartbeatCame):
        raise ZeroDivisionError("a fault of ours")
    return step(state, event)


async def test_a_fault_at_a_heartbeat_gives_up_the_account_and_not_its_link(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as house:
        monkeypatch.setattr(at_work, "step", breaks_at_heartbeats)
        await house.engine.sink.heartbeat(KEY, BEAT, house.sent())  # raises nothing
        await house.settled()
        assert house.engine.health().crashed == {str(KEY): "ZeroDivisionError: a fault of ours"}


async def test_an_account_given_up_is_told_no_tick_and_holds_no_stop_up(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk() as house:
        monkeypatch.setattr(at_work, "step", breaks_at_heartbeats)
        await house.engine.sink.heartbeat(KEY, BEAT, house.sent())
        await house.settled()
        seat = house.engine._actor(KEY).seat
        assert seat.slot is None, "the kernel marks it no more"
        await house.quote(AFTER)
        await house.engine.sink.heartbeat(KEY, BEAT, house.sent())
        house.engine.sink.unlinked(KEY, "cut")
        await house.settled()
        before_s = trio.current_time()
        assert await house.engine.stop() == (), "it has nothing to finish"
        assert trio.current_time() == before_s


async def test_an_account_whose_disk_is_full_gathers_no_instants_while_nobody_can_value_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instants never conflate: after a thousand the whole engine would have ended."""
    journal = GatedJournal()
    monkeypatch.setattr(early_fills, "MemoryJournal", lambda: journal)
    async with desk() as house:
        await house.opened(AFTER[1], symbol="USDJPY")  # of which there is no quote
        await house.settled()
        assert not house.state.known
        journal.shut()
        await house.opened(AFTER[1], symbol="USDJPY", number=8)
        await trio.sleep(60.0)
        inbox = house.engine._actor(KEY).inbox
        assert len(inbox) <= 2
        journal.gate.set()
        await house.settled()
        assert len(house.state.positions) == 2
