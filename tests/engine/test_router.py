"""Who is told what: the unknown, the woken, the held; time by the clock; who is held back."""

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.domain.account import Operation, OperationKind
from engine.domain.events import DealReported
from engine.domain.guards import (
    Action,
    EquityLimit,
    MaxHolding,
    Measured,
    Money,
    Percent,
    Reference,
    Reset,
)
from engine.domain.ids import AccountKey
from tests.domain.accounts import START_MSC, buy, kinds
from tests.engine.live_floor import GatedJournal, LaterOutbox, account, floor_of

KEY = AccountKey("Demo-1", 1001)
HOUR_MSC = 3_600_000


def limit(percent: float = 5.0, **more: object) -> EquityLimit:
    """Daily loss from the balance at midnight in Prague."""
    fields: dict[str, object] = {
        "name": "daily",
        "action": Action.CLOSE_AND_HALT,
        "reference": Reference.BALANCE_AT_RESET,
        "amount": Percent(percent=percent),
        "reset": Reset(zone="Europe/Prague", at_minute=0),
        "warn_percent": None,
    }
    return EquityLimit(**(fields | more))  # type: ignore[arg-type]


async def test_an_account_is_told_nothing_that_cannot_concern_it() -> None:
    states = [account(1001, [buy("EURUSD", 1.0, 1.1)], [limit()]), account(1002)]
    async with floor_of(states) as floor:
        await floor.settled_tick(("EURUSD", 1.1), ("GBPUSD", 1.3))
        before = [actor.inbox.statistics().taken for actor in floor.supervisor.actors]
        await floor.settled_tick(*[("EURUSD", 1.1 + k / 1000) for k in range(20)])
        after = [actor.inbox.statistics().taken for actor in floor.supervisor.actors]
        assert after == before
        assert floor.board.snapshot(KEY).ticks == 22


async def test_an_account_becomes_known_on_the_tick_that_brings_its_last_quote() -> None:
    positions = [buy("EURUSD", 1.0, 1.1, 1), buy("GBPUSD", 1.0, 1.3, 2)]
    async with floor_of([account(1001, positions, [limit()])]) as floor:
        await floor.settled_tick(("EURUSD", 1.0), ("XAUUSD", 1900.0), ("EURUSD", 1.0))
        assert floor.board.snapshot(KEY).equity is None
        assert await floor.kinds() == ["account_opened"]
        await floor.settled_tick(("GBPUSD", 1.3))
        records = await floor.records()
        assert kinds(records)[1] == "guard_breach"
        assert floor.board.snapshot(KEY).ticks == 1


async def test_a_held_account_is_told_every_tick_until_its_actor_has_caught_up() -> None:
    journal = GatedJournal()
    guard = limit(reset=None, reference=Reference.INITIAL, action=Action.ALERT)
    async with floor_of([account(1001, [buy("EURUSD", 1.0, 1.1)], [guard])], journal=journal) as f:
        await f.settled_tick(("EURUSD", 1.1))
        journal.shut()
        await f.tick(("EURUSD", 1.09), ("EURUSD", 1.095))
        await f.tick(("EURUSD", 1.2), ("XAUUSD", 1900.0))
        await wait_all_tasks_blocked()
        assert f.actor().inbox.statistics().ticks == 3
        assert f.actor().seat.is_held
        journal.gate.set()
        await f.supervisor.settle()
        assert not f.actor().seat.is_held
        seen = f.board.snapshot(KEY)
        assert (seen.ticks, seen.equity_high_water) == (5, 20_000.0)


async def test_one_stuck_account_does_not_keep_live_ticks_from_the_others(
    autojump_clock: MockClock,
) -> None:
    journal = GatedJournal()
    guard = limit(reset=None, reference=Reference.INITIAL)
    states = [account(n, [buy("EURUSD", 1.0, 1.1)], [guard]) for n in (1001, 1002)]
    async with floor_of(states, journal=journal, conflates=True, tick_limit=8) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        journal.shut(1001)
        await floor.tick(("EURUSD", 1.09))
        await floor.tick(*[("EURUSD", 1.09)] * 100)
        await wait_all_tasks_blocked()
        assert (await floor.kinds(1002))[-1] == "position_closed"
        assert await floor.kinds(1001) == ["account_opened"]
        assert floor.actor().inbox.statistics().ticks <= 8
        journal.gate.set()
        await floor.supervisor.settle()
        assert (await floor.kinds(1001))[-1] == "position_closed"


async def test_a_replay_holds_the_feed_back_for_a_stuck_account(autojump_clock: MockClock) -> None:
    journal = GatedJournal()
    guard = limit(reset=None, reference=Reference.INITIAL)
    states = [account(1001, [buy("EURUSD", 1.0, 1.1)], [guard])]
    async with floor_of(states, journal=journal, tick_limit=8) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        journal.shut()
        await floor.tick(("EURUSD", 1.09))
        with trio.move_on_after(60) as scope:
            await floor.tick(*[("EURUSD", 1.09)] * 100)
        assert scope.cancelled_caught
        assert floor.supervisor.router.ticks < 20
        journal.gate.set()
        await floor.supervisor.settle()
        assert floor.actor().inbox.statistics().conflated == 0


async def test_the_clock_brings_a_reset_where_no_tick_does() -> None:
    async with floor_of([account(1001, [buy("EURUSD", 1.0, 1.1)], [limit()])]) as floor:
        await floor.settled_tick(("EURUSD", 1.1))
        await floor.supervisor.router.on_time(START_MSC + 22 * HOUR_MSC)
        await floor.supervisor.settle()
        assert await floor.kinds() == ["account_opened"]
        await floor.supervisor.router.on_time(START_MSC + 23 * HOUR_MSC)
        await floor.supervisor.settle()
        assert await floor.kinds() == ["account_opened", "day_reset"]
        assert (await floor.records())[-1].time_msc == START_MSC + 23 * HOUR_MSC
        await floor.settled_tick(("EURUSD", 1.1), time_msc=START_MSC + 23 * HOUR_MSC)
        assert await floor.kinds() == ["account_opened", "day_reset"], "not a second time"


async def test_the_clock_ends_a_notice_and_a_holding_time_where_no_tick_does() -> None:
    noticed = limit(reset=None, reference=Reference.INITIAL, notice_s=10.0)
    held = MaxHolding(name="holding", action=Action.CLOSE, seconds=60.0)
    states = [
        account(1001, [buy("EURUSD", 1.0, 1.1)], [noticed]),
        account(1002, [buy("EURUSD", 0.1, 1.1, opened_at_msc=START_MSC)], [held]),
    ]
    async with floor_of(states) as floor:
        await floor.settled_tick(("EURUSD", 1.1), ("EURUSD", 1.09))
        router = floor.supervisor.router
        await router.on_time(START_MSC + 10_999)
        await floor.supervisor.settle()
        assert len(floor.state(1001).positions) == 1
        await router.on_time(START_MSC + 11_000)
        await floor.supervisor.settle()
        assert floor.state(1001).positions == ()
        assert len(floor.state(1002).positions) == 1
        await router.on_time(START_MSC + 61_000)
        await floor.supervisor.settle()
        assert floor.state(1002).positions == ()


@pytest.mark.parametrize("known", [False, True])
async def test_the_clock_books_an_operation_known_or_not(known: bool) -> None:
    state = account(1001, [buy("EURUSD", 1.0, 1.1)], [limit()])
    deposit = Operation(at_msc=START_MSC + 5000, kind=OperationKind.DEPOSIT, amount_minor=100_00)
    state = replace(state, spec=replace(state.spec, operations=(deposit,)))
    async with floor_of([state]) as floor:
        await floor.settled_tick(("EURUSD" if known else "GBPUSD", 1.1))
        await floor.supervisor.router.on_time(START_MSC + 4999)
        await floor.supervisor.settle()
        assert floor.state().balance_minor == 10_000_00
        for _ in range(2):
            await floor.supervisor.router.on_time(START_MSC + 5000)
            await floor.supervisor.settle()
        assert floor.state().balance_minor == 10_100_00
        assert floor.board.snapshot(KEY).equity == (10_100.0 if known else None)


async def test_after_a_deal_the_clock_tests_the_guards_where_no_tick_does() -> None:
    positions = [buy("EURUSD", 1.0, 1.1, 1)]
    guard = limit(
        reset=None,
        reference=Reference.INITIAL,
        amount=Money(amount_minor=100_00),
        measured=Measured.BALANCE,
        action=Action.ALERT,
    )
    outbox = LaterOutbox()
    async with floor_of([account(1001, positions, [guard])], outbox=outbox) as floor:
        await floor.settled_tick(("EURUSD", 1.09))
        assert await floor.kinds() == ["account_opened"]
        deal = DealReported(START_MSC + 10, 1, 1.0, 1.09, -1000_00, "client")
        await floor.supervisor.report(KEY, deal)
        await floor.supervisor.settle()
        assert await floor.kinds() == ["account_opened", "position_closed"]
        await floor.supervisor.router.on_time(START_MSC + 20)
        await floor.supervisor.settle()
        assert await floor.kinds() == ["account_opened", "position_closed", "guard_breach"]
