"""One account's step does not end: it is cut short, others go on, it is given up in the end."""

import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from adapters.memory.journal import MemoryJournal
from engine import actor as acting
from engine import stuck
from engine.actor import _BURST as BURST
from engine.actor import _GATHERED as GATHERED
from engine.actor import CRASHED
from engine.domain import calm_beats, valuing
from engine.domain import step as deciding
from engine.domain.account import AccountState
from engine.domain.digest import state_digest
from engine.domain.drafts import Draft
from engine.domain.ids import AccountKey
from engine.domain.link_events import HeartbeatCame, LinkEvent, ReportCame, TimePassed
from engine.domain.reports import AccountReport, FullReport
from engine.domain.valuation import Quotes
from engine.recovery import recover
from engine.supervisor import STUCK_REST_S, TRIES
from tests.live import test_live_early as early_fills
from tests.live.live_house import live_house, spec_of
from tests.live.test_live_early import KEY, desk
from tests.live.test_live_trouble import BEAT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="is armed on Linux only")
GIVEN_UP_S = 5.0
"""Of processor time: a test does not hang where nothing is cut short."""
FED = 4000
"""Things an account tells itself: a test does not hang where it never gives way."""


@pytest.fixture
def armed() -> Iterator[None]:
    with stuck.stuck_cut_short() as is_armed:
        assert is_armed
        yield


Loops = Callable[[Draft, LinkEvent], bool]


def plant(monkeypatch: pytest.MonkeyPatch, loops: Loops) -> None:
    """A rule that loops where told to, deep inside of `engine.domain.step`."""
    sound = deciding._on_link_event

    def faulty(draft: Draft, event: LinkEvent) -> None:
        end_s = time.thread_time() + GIVEN_UP_S
        while loops(draft, event) and time.thread_time() < end_s:
            pass
        sound(draft, event)

    monkeypatch.setattr(deciding, "_on_link_event", faulty)
    monkeypatch.setattr(acting, "calm_beat", lambda *_given: None)  # the short way is not looped in


def at_heartbeats(_draft: Draft, event: LinkEvent) -> bool:
    return isinstance(event, HeartbeatCame)


async def settled() -> None:
    await trio.sleep((TRIES + 1) * STUCK_REST_S)


@pytest.mark.usefixtures("armed")
async def test_it_is_given_up_after_three_steps_that_did_not_end_and_says_where(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is in the link's task, the others in the account's own: all of them count."""
    async with desk() as house:
        plant(monkeypatch, at_heartbeats)
        await house.engine.sink.heartbeat(KEY, BEAT, house.sent())
        await settled()
        assert stuck.cuts() == TRIES
        [why] = house.engine.health().crashed.values()
        assert why.startswith("StuckError: its step did not end, and was cut short at test_live_")
        assert house.state.halts == (CRASHED,)


@pytest.mark.usefixtures("armed")
async def test_the_short_way_of_a_heartbeat_is_cut_short_too(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(state: AccountState, quotes: Quotes) -> int:
        end_s = time.thread_time() + GIVEN_UP_S
        while time.thread_time() < end_s:
            pass
        return sound(state, quotes)

    sound = valuing.equity_minor
    async with desk() as house:
        monkeypatch.setattr(calm_beats, "equity_minor", endless)
        await house.engine.sink.heartbeat(KEY, BEAT, house.sent())
        await settled()
        assert stuck.cuts() == TRIES
        [why] = house.engine.health().crashed.values()
        assert " in " in why
        assert "endless" in why


@pytest.mark.usefixtures("armed")
async def test_it_goes_on_where_it_was_and_its_journal_says_the_same(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = MemoryJournal()
    monkeypatch.setattr(early_fills, "MemoryJournal", lambda: journal)
    money = AccountReport(balance=10_500.0, credit=0.0, equity=10_500.0, margin=0.0)
    report = FullReport(account=money, positions=(), complete=True)

    def once(_draft: Draft, event: LinkEvent) -> bool:
        return isinstance(event, ReportCame) and not stuck.cuts()

    async with desk() as house:
        before = state_digest(house.state)
        plant(monkeypatch, once)
        await house.engine.sink.reported(KEY, report, house.sent(), house.receipt("second"))
        await house.settled()
        assert stuck.cuts() == 1
        assert state_digest(house.state) == before, "nothing of it is done"
        await settled()
        assert not house.engine.health().crashed
        assert "second" in house.signed
        assert house.state.live is not None
        assert house.state.live.broker == money
        kept = await recover(KEY, journal)
        assert state_digest(kept.state) == state_digest(house.state)


async def test_after_a_restart_it_is_given_up_again_and_stays_halted(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = MemoryJournal()
    monkeypatch.setattr(early_fills, "MemoryJournal", lambda: journal)
    for halts in ((), (CRASHED,)):
        with monkeypatch.context() as faults, stuck.stuck_cut_short():
            async with desk() as house:
                assert house.state.halts == halts, "the halt outlives the restart"
                assert not house.engine.health().crashed
                plant(faults, at_heartbeats)
                await house.engine.sink.heartbeat(KEY, BEAT, house.sent())
                await settled()
                assert stuck.cuts_of(KEY) == TRIES
                assert str(KEY) in house.engine.health().crashed


@pytest.mark.usefixtures("armed")
async def test_others_go_on_to_close_while_one_does_not_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad, good = AccountKey("Demo-1", 1001), AccountKey("Demo-1", 1002)
    async with live_house([spec_of(bad.login), spec_of(good.login)]) as house:
        house.open(bad.login)
        house.open(good.login, lots=0.5)
        await house.valued(bad.login, 1)
        await house.valued(good.login, 1)
        plant(monkeypatch, lambda draft, _event: draft.state.spec.key == bad)
        await house.until(lambda: stuck.cuts_of(bad))
        house.quote("EURUSD", 1.0660, 1.0661)
        await house.until(lambda: not house.held(good.login))
        await house.until(lambda: str(bad) in house.engine.health().crashed)
        assert house.engine.health().crashed[str(bad)].startswith("StuckError")
        assert stuck.cuts() == stuck.cuts_of(bad) <= TRIES + 1


async def test_an_account_that_always_finds_more_to_do_leaves_the_others_their_turns(
    autojump_clock: MockClock,
) -> None:
    """It tells itself something in all it does. Between two turns of another task it takes few."""
    async with desk() as house:
        actor = house.engine._actor(KEY)
        do, fed = actor._do, 0

        def feed_itself(job: object) -> object:
            nonlocal fed
            fed += 1
            if fed < FED:
                house.engine.note_soon(KEY, TimePassed(time_msc=0))
            return do(job)  # type: ignore[arg-type]

        vars(actor)["_do"] = feed_itself
        taken = [actor.inbox.statistics().taken]

        async def have_turns() -> None:
            while True:
                await trio.lowlevel.checkpoint()
                taken.append(actor.inbox.statistics().taken)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(have_turns)
            while fed < FED:
                await house.opened(1.1, number=fed + 7)  # is kept, and what waits gathered with it
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        most = max(after - before for before, after in pairwise(taken))
        assert 0 < most <= 2 * (BURST + GATHERED), "two turns of it, at most"
