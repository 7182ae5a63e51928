"""Two lanes: deals and commands are never lost and come first, ticks conflate or are waited for."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.domain.commands import Halt, Refused
from engine.domain.events import DealReported, QuoteMarked, TimeReached
from engine.domain.link_events import DealCame, TimePassed
from engine.domain.records import Tick
from engine.domain.reports import DealReport
from engine.inbox import Asked, Inbox, Noted, Reported, Told


def tick(number: int, *, begins: bool = False) -> Told:
    return Told(
        QuoteMarked(number, Tick(number, "EURUSD", 1.0, 1.0), {}), number=number, begins=begins
    )


def instant(number: int) -> Told:
    return Told(TimeReached(number, {}), number=number)


def deal(number: int) -> Reported:
    return Reported(DealReported(number, number, 1.0, 1.0, 0, "external"))


def noted() -> Noted:
    made = DealReport(
        ticket=1, order=1, position_id=1, symbol="EURUSD", type=0, entry=0, volume=1.0, price=1.0
    )
    return Noted(DealCame(time_msc=0, deal=made, deal_msc=0, quotes={}))


def taken(inbox: Inbox) -> list[int]:
    """Numbers of everything in it, deals negative."""
    numbers = []
    while (item := inbox.take_nowait()) is not None:
        if isinstance(item, Told):
            numbers.append(item.number)
        elif isinstance(item, Reported):
            numbers.append(-item.deal.position_id)
    return numbers


async def test_deals_are_taken_before_ticks_and_each_lane_keeps_its_order() -> None:
    inbox = Inbox(conflates=False)
    inbox.tell(tick(1))
    await inbox.put(deal(1))
    inbox.tell(tick(2))
    await inbox.put(deal(2))
    assert taken(inbox) == [-1, -2, 1, 2]


async def test_what_changes_the_holdings_is_taken_after_the_ticks_told_before_it() -> None:
    """On an older tick the account would be valued as what it was not yet."""
    inbox = Inbox(conflates=True)
    inbox.tell(tick(1))
    inbox.tell(tick(2))
    await inbox.put(noted())
    await inbox.put(noted())
    inbox.tell(tick(3))
    order = [inbox.take_nowait() for _ in range(5)]
    ticks = [one.number if isinstance(one, Told) else None for one in order]
    assert ticks == [1, 2, None, None, 3]


async def test_commands_and_heartbeats_overtake_every_tick() -> None:
    inbox = Inbox(conflates=True)
    inbox.tell(tick(1))
    await inbox.put(Asked(Halt(0, "x", "y")))
    await inbox.put(Noted(TimePassed(time_msc=0)))
    assert isinstance(inbox.take_nowait(), Asked)
    assert isinstance(inbox.take_nowait(), Noted)


async def test_a_deal_waits_for_no_more_ticks_than_were_left_of_a_full_lane() -> None:
    inbox = Inbox(conflates=True, tick_limit=3)
    for number in range(1, 4):
        inbox.tell(tick(number))
    await inbox.put(noted())
    for number in range(4, 8):
        inbox.tell(tick(number))
    first = inbox.take_nowait()
    assert isinstance(first, Noted), "the ticks before it gave way to newer ones"


async def test_a_full_live_lane_conflates_to_the_newest_tick() -> None:
    inbox = Inbox(conflates=True, tick_limit=3)
    for number in range(1, 8):
        inbox.tell(tick(number, begins=number == 1))
    left = []
    while (item := inbox.take_nowait()) is not None:
        assert isinstance(item, Told)
        left.append(item)
    assert [item.number for item in left] == [7]
    assert left[0].conflated == 6
    assert left[0].begins, "that the account was just held is not forgotten"
    assert inbox.statistics().conflated == 6


async def test_conflation_keeps_instants_in_their_place() -> None:
    inbox = Inbox(conflates=True, tick_limit=4)
    for told in (tick(1), tick(2), instant(3), tick(4), tick(5)):
        inbox.tell(told)
    first = inbox.take_nowait()
    assert isinstance(first, Told)
    assert (first.number, first.conflated) == (3, 2)
    last = inbox.take_nowait()
    assert isinstance(last, Told)
    assert (last.number, last.conflated) == (5, 1)
    assert not inbox


async def test_conflating_ticks_leaves_every_deal(autojump_clock: MockClock) -> None:
    inbox = Inbox(conflates=True, tick_limit=2, urgent_limit=8)
    for number in range(1, 9):
        await inbox.put(deal(number))
        for k in range(10):
            inbox.tell(tick(10 * number + k))
    assert taken(inbox)[:8] == [-n for n in range(1, 9)]


async def test_a_full_urgent_lane_holds_back_who_puts_and_loses_nothing(
    autojump_clock: MockClock,
) -> None:
    inbox = Inbox(conflates=True, urgent_limit=4)

    async def link() -> None:
        for number in range(1, 101):
            await inbox.put(deal(number))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(link)
        await wait_all_tasks_blocked()
        assert inbox.statistics().urgent == 4
        assert inbox.statistics().tasks_waiting_to_put == 1
        seen: list[int] = []
        while len(seen) < 100:
            await inbox.wait()
            assert inbox.statistics().urgent <= 4
            seen += taken(inbox)
    assert seen == [-n for n in range(1, 101)]
    assert inbox.statistics().deepest == 4


async def test_a_replay_waits_for_room_instead_of_losing_a_tick(autojump_clock: MockClock) -> None:
    inbox = Inbox(conflates=False, tick_limit=4)
    seen: list[int] = []

    async def router() -> None:
        for start in range(1, 101, 2):
            await inbox.wait_for_room(2)
            inbox.tell(tick(start))
            inbox.tell(tick(start + 1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(router)
        while len(seen) < 100:
            await inbox.wait()
            seen += taken(inbox)
    assert seen == list(range(1, 101))
    assert inbox.statistics().conflated == 0


async def test_telling_a_full_replay_lane_is_a_broken_promise_not_a_lost_tick() -> None:
    inbox = Inbox(conflates=False, tick_limit=1)
    inbox.tell(tick(1))
    with pytest.raises(AssertionError, match="without room"):
        inbox.tell(tick(2))


async def test_a_closed_inbox_refuses_commands_and_frees_who_waits(
    autojump_clock: MockClock,
) -> None:
    inbox = Inbox(conflates=False, urgent_limit=2)
    waiting, late = Asked(Halt(1, "ops", "test")), Asked(Halt(2, "ops", "test"))
    await inbox.put(waiting)
    await inbox.put(deal(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.put, late)
        await wait_all_tasks_blocked()
        inbox.close("gone")
    assert await waiting.reply.wait() == Refused("gone")
    assert await late.reply.wait() == Refused("gone")
    await inbox.put(deal(2))
    inbox.tell(tick(1))
    assert len(inbox) == 0
    assert inbox.statistics().turned_away == 2


async def test_waiting_is_a_checkpoint_even_when_there_is_something() -> None:
    inbox = Inbox(conflates=False)
    inbox.tell(tick(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await inbox.wait()
    assert scope.cancelled_caught
    assert taken(inbox) == [1], "and nothing is taken by being cancelled"
