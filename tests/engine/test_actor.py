"""One writer, durable before it is handed out, answered once durable, never half a step."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.agenda import Settled
from engine.domain.commands import Flatten, Halt, Refused, Release
from engine.domain.events import DealReported
from engine.domain.guard_views import Sight
from engine.domain.guards import Action, EquityLimit, Money, Reference
from engine.domain.ids import AccountKey
from engine.domain.records import GuardBreach, PositionClosed, Tick
from engine.domain.snapshot import snapshot_of
from engine.domain.step import Step
from tests.domain.accounts import START_MSC, buy, sell
from tests.engine.live_floor import GatedJournal, LaterOutbox, account, floor_of

KEY = AccountKey("Demo-1", 1001)
FLATTEN = Flatten(START_MSC + 5, "ops", "end of day")
POSITIONS = [buy("EURUSD", 1.0, 1.1, 1), buy("EURUSD", 0.5, 1.1, 2), sell("XAUUSD", 1.0, 1900.0, 3)]
OPENED = [("EURUSD", 1.1), ("XAUUSD", 1900.0)]


def trailing(money: float, *, action: Action = Action.CLOSE_AND_HALT) -> EquityLimit:
    """Breaches so much below the high-water mark."""
    return EquityLimit(
        name="trailing",
        action=action,
        reference=Reference.EQUITY_HIGH_WATER,
        amount=Money(amount_minor=round(money * 100)),
        warn_percent=None,
    )


async def test_a_halt_and_its_release_are_recorded_and_answered() -> None:
    async with floor_of([account(1001)]) as floor:
        await floor.settled_tick(*OPENED)
        halted = await floor.supervisor.ask(KEY, Halt(START_MSC + 1, "ops", "news"))
        assert isinstance(halted, Step)
        assert floor.state().halts == ("ops",)
        refused = await floor.supervisor.ask(KEY, Release(START_MSC + 2, "eve", "ops", " "))
        assert refused == Refused("a release needs a reason")
        freed = await floor.supervisor.ask(KEY, Release(START_MSC + 3, "eve", "ops", "over"))
        assert isinstance(freed, Step)
        assert floor.state().halts == ()
        assert await floor.kinds() == ["account_opened", "account_halted", "account_released"]


async def test_a_flatten_closes_everything_at_the_quotes_of_now() -> None:
    async with floor_of([account(1001, POSITIONS)]) as floor:
        await floor.settled_tick(*OPENED, ("EURUSD", 1.2))
        assert isinstance(await floor.supervisor.ask(KEY, FLATTEN), Step)
        await floor.supervisor.settle()
        assert floor.state().positions == ()
        closed = [r for r in await floor.records() if isinstance(r, PositionClosed)]
        assert [(r.position_id, r.close_price) for r in closed] == [(1, 1.2), (2, 1.2), (3, 1900.0)]
        assert {r.reason for r in closed} == {"manual:ops"}
        await floor.settled_tick(("EURUSD", 1.0))
        assert floor.board.snapshot(KEY).equity == 25_000.0, "the kernel has been told"


async def test_a_flatten_of_an_account_that_cannot_be_priced_waits_for_its_price() -> None:
    async with floor_of([account(1001, [buy("GBPUSD", 1.0, 1.3)])]) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        assert isinstance(await floor.supervisor.ask(KEY, FLATTEN), Step)
        await floor.supervisor.settle()
        assert len(floor.state().positions) == 1
        await floor.settled_tick(("GBPUSD", 1.31))
        assert floor.state().positions == ()
        assert not floor.supervisor.crashed


async def test_nothing_is_handed_out_before_it_is_durable(autojump_clock: MockClock) -> None:
    journal, outbox = GatedJournal(), LaterOutbox()
    async with floor_of([account(1001, POSITIONS)], journal=journal, outbox=outbox) as floor:
        await floor.settled_tick(*OPENED)
        journal.shut()
        answers: list[Step | Refused] = []

        async def ask() -> None:
            answers.append(await floor.supervisor.ask(KEY, FLATTEN))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            assert floor.state().intents == 3, "decided"
            assert outbox.sent == []
            assert answers == []
            journal.gate.set()
        await floor.supervisor.settle()
        assert isinstance(answers[0], Step)
        assert [close.position_id for _, close in outbox.sent] == [1, 2, 3]


async def test_deals_of_a_broker_that_answers_later_come_through_the_inbox(
    autojump_clock: MockClock,
) -> None:
    outbox = LaterOutbox()
    guards = [trailing(5000.0)]
    async with floor_of([account(1001, POSITIONS[:1], guards)], outbox=outbox) as floor:
        await floor.settled_tick(*OPENED)
        await floor.settled_tick(("EURUSD", 1.2))
        await floor.settled_tick(("EURUSD", 1.14))
        assert [close.position_id for _, close in outbox.sent] == [1]
        await floor.settled_tick(("EURUSD", 1.13))
        deal = DealReported(START_MSC + 9000, 1, 1.0, 1.13, 300_000, "guard:trailing")
        await floor.supervisor.report(KEY, deal)
        await floor.supervisor.settle()
        assert floor.state().positions == ()
        assert await floor.kinds() == [
            "account_opened",
            "guard_breach",
            "account_halted",
            "close_intended",
            "position_closed",
        ]
        seen = floor.board.snapshot(KEY)
        assert (seen.balance, seen.equity) == (13_000.0, 13_000.0)
        assert seen.equity_high_water == 20_000.0
        assert seen.ticks == 5


async def test_a_deal_is_taken_before_the_ticks_that_wait() -> None:
    journal = GatedJournal()
    order: list[str] = []

    def note(settled: Settled) -> None:
        if settled.state.positions != settled.before.positions:
            order.append("deal")
        elif settled.state.time_msc >= START_MSC + 3000:
            order.append("tick")

    guards = [trailing(1.0, action=Action.ALERT)]
    accounts = [account(1001, POSITIONS[:1], guards)]
    async with floor_of(accounts, journal=journal, outbox=LaterOutbox(), on_settled=note) as floor:
        await floor.settled_tick(*OPENED)
        journal.shut()
        await floor.tick(("EURUSD", 1.09), ("EURUSD", 1.08))
        await wait_all_tasks_blocked()
        await floor.supervisor.report(
            KEY, DealReported(START_MSC + 2500, 1, 1.0, 1.08, -2000, "stop_loss")
        )
        journal.gate.set()
        await floor.supervisor.settle()
    assert order[0] == "deal"
    assert "tick" in order


async def test_a_reader_at_any_moment_sees_a_whole_step(autojump_clock: MockClock) -> None:
    whole: list[int] = []
    kept: list[Settled] = []

    def note(settled: Settled) -> None:
        kept.append(settled)
        whole.append(id(settled.state))

    accounts = [account(1001, POSITIONS, [trailing(4000.0)])]
    async with floor_of(accounts, on_settled=note) as floor:
        await floor.settled_tick(*OPENED)
        looks = 0
        async with trio.open_nursery() as nursery:
            for price in (1.13, 1.12, 1.10):
                nursery.start_soon(floor.tick, ("EURUSD", price))
                for _ in range(60):
                    state = floor.state()
                    assert id(state) in whole
                    seen = floor.board.snapshot(KEY)
                    assert seen.seq == state.seq
                    assert len(seen.positions) == len(state.positions)
                    sight = Sight(0, floor.feed.quotes(("EURUSD", "XAUUSD")), {}, 1, 0, state.marks)
                    assert seen.equity == snapshot_of(state, sight).equity
                    looks += 1
                    await trio.lowlevel.checkpoint()
        await floor.supervisor.settle()
        assert looks == 180
        assert floor.state().positions == (), "and in between, a breach closed all"
        assert len({settled.state.positions for settled in kept}) == 4


@pytest.mark.parametrize("tick_limit", [4, 1024], ids=["told", "deaf"])
@pytest.mark.parametrize("changes", [False, True])
async def test_ticks_that_conflate_are_in_the_marks_unless_the_account_changed_meanwhile(
    autojump_clock: MockClock, changes: bool, tick_limit: int
) -> None:
    journal = GatedJournal()
    guards = [trailing(100.0, action=Action.ALERT)]
    accounts = [account(1001, POSITIONS[:1], guards)]
    async with floor_of(
        accounts, journal=journal, outbox=LaterOutbox(), conflates=True, tick_limit=tick_limit
    ) as floor:
        await floor.settled_tick(*OPENED)
        journal.shut()
        await floor.tick(("EURUSD", 1.09))
        await wait_all_tasks_blocked()
        peak = [1.1 + 0.0001 * (100 - abs(k - 100)) for k in range(201)]
        await floor.tick(*[("EURUSD", price) for price in peak])
        if changes:
            deal = DealReported(START_MSC + 2500, 1, 0.5, 1.09, -50_000, "manual")
            await floor.supervisor.report(KEY, deal)
        journal.gate.set()
        await floor.supervisor.settle()
        actor = floor.actor()
        assert actor.inbox.statistics().conflated > 0
        assert actor.inbox.statistics().deepest < 40
        if changes:
            assert actor.sentry.unmarked_ticks > 0, "what was lost is counted"
        else:
            assert actor.sentry.unmarked_ticks == 0
            assert floor.board.snapshot(KEY).equity_high_water == 11_000.0
            assert floor.board.snapshot(KEY).ticks == floor.index


async def test_who_was_too_late_to_be_told_decides_on_the_newest_tick(
    autojump_clock: MockClock,
) -> None:
    journal = GatedJournal()
    noted, floor_guard = trailing(100.0, action=Action.ALERT), trailing(2500.0)
    guards = [noted, replace(floor_guard, name="floor")]
    accounts = [account(1001, POSITIONS[:1], guards)]
    async with floor_of(
        accounts, journal=journal, outbox=LaterOutbox(), conflates=True, tick_limit=1024
    ) as floor:
        await floor.settled_tick(*OPENED)
        journal.shut()
        await floor.tick(("EURUSD", 1.09))
        await wait_all_tasks_blocked()
        for k in range(50):
            await floor.tick(("EURUSD", 1.09 - 0.0001 * (k % 2)))
        seat = floor.actor().seat
        assert seat.is_deaf
        await floor.tick(("EURUSD", 1.07))
        journal.gate.set()
        await floor.supervisor.settle()
        [_, breach] = [r for r in await floor.records() if isinstance(r, GuardBreach)]
        assert breach.guard == "floor"
        assert isinstance(breach.tick, Tick)
        assert breach.tick.bid == 1.07
        assert breach.tick.index == floor.index - 1
        assert not seat.is_deaf
        assert not seat.is_held
        assert floor.board.snapshot(KEY).ticks == floor.index


async def test_positions_that_go_leave_the_account_valued_on_every_tick() -> None:
    state = account(1001, POSITIONS)
    async with floor_of([replace(state, credit_minor=500)]) as floor:
        await floor.settled_tick(*OPENED)
        await floor.supervisor.ask(KEY, FLATTEN)
        await floor.supervisor.settle()
        await floor.settled_tick(*OPENED * 10)
        assert floor.board.snapshot(KEY).ticks == 21
