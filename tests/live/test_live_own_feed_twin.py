"""From the move on, an account with a feed of its own is as one that was alone with its quotes.

The twin is alone on its server, its terminal leads, and its quotes are those the other was valued
on: the server's until the move, its own from there on. Whatever comes in between, and however much
of it at once, both are told the same; then both must be the same, but for when they were valued.
"""

from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain import records
from engine.domain.account import AccountState
from engine.domain.commands import Halt
from tests.live.live_house import spec_of, trailing
from tests.live.own_feed_house import LEADER, ODD, Groups, buy, groups

MARKUP = 0.0030
GUARDS = [
    trailing(percent=6.0, name="close", warn_percent=50.0),
    trailing(percent=12.0, name="far"),
]


@dataclass(frozen=True)
class Said:
    """What happens at one moment, at once and in this order."""

    pips: tuple[int, ...]
    """The bids of ticks, in pips from 1.1000."""
    lots: int | None
    """In tenths, of what is held from here on; None: a report of nothing new."""
    beats: bool
    reports: bool
    halts: bool


@dataclass
class Course:
    """What a world was told, so that another can be told the same."""

    moved_at: int | None = None
    asked_at: set[int] = field(default_factory=set)


SAID = st.builds(
    Said,
    pips=st.lists(st.integers(-60, 60), max_size=4).map(tuple),
    lots=st.none() | st.integers(1, 12),
    beats=st.booleans(),
    reports=st.booleans(),
    halts=st.booleans(),
)


async def say(house: Groups, said: Said, number: int) -> None:
    """Tells the account all of it without a pause for it to do anything."""
    for pips in said.pips:
        await house.tick("EURUSD", round(1.1000 + pips / 10_000, 5))
    if said.lots is not None:
        house.held[ODD] = (buy(said.lots / 10),)
    if said.reports or said.lots is not None:
        await house.report(ODD)
    if said.beats:
        await house.beat(ODD)
    if said.halts:
        # A command goes before ticks that wait: whether any does is a matter of whose turn it is.
        await trio.testing.wait_all_tasks_blocked()
        await house.engine.command(ODD, Halt(time_msc=0, by=f"anna-{number}", reason="x"))


async def moment(house: Groups, number: int, course: Course, *, is_twin: bool) -> None:
    """A second at whose end it beats; reports come where, in the first world, they were asked.

    The account moves within such a second: there its twin gets the quotes that it moves to.
    """
    await trio.sleep(1.0)
    if not is_twin and course.moved_at is None and house.is_own(ODD):
        course.moved_at = number
    if is_twin and course.moved_at == number:
        house.is_bare = False
        await house.tick("EURUSD", house.prices["EURUSD"][0])
        await trio.testing.wait_all_tasks_blocked()
    await house.tick("EURUSD", house.prices["EURUSD"][0])
    await house.beat(ODD)
    await trio.testing.wait_all_tasks_blocked()
    if not is_twin and ODD in house.link.asked:
        course.asked_at.add(number)
    if number in course.asked_at:
        await house.report(ODD)
    house.link.asked.clear()
    await trio.testing.wait_all_tasks_blocked()


async def live(script: list[Said], course: Course, *, is_twin: bool) -> tuple[Any, ...]:
    """The account at the end, and what it recorded."""
    specs = [spec_of(key.login, GUARDS) for key in ((ODD,) if is_twin else (LEADER, ODD))]
    async with groups(specs) as house:
        house.markups[ODD] = MARKUP
        house.held[ODD] = (buy(),)
        house.is_bare = is_twin
        await house.lead(ODD if is_twin else LEADER)
        await house.link_up(ODD)
        for number, said in enumerate([*([None] * 11), *script]):
            if said is not None:
                await say(house, said, number)
            await moment(house, number, course, is_twin=is_twin)
        kept = [one for one in await house.engine.records(ODD, 0, 10_000) if not own_alone(one)]
        return told(house.state(ODD)), [shorn(one) for one in kept], house.engine.snapshot(ODD)


def own_alone(record: Any) -> bool:
    """What only one of them can say; and what the clock says of closes, whose breach is earlier by
    the part of a second between the move and the next tick."""
    return isinstance(record, records.FeedChanged | records.CloseAlert)


def shorn(record: Any) -> Any:
    """Without what counts records and ticks, and when: a pulse decides when it moves."""
    record = replace(record, seq=0, time_msc=0, tick=None)
    fields = record.__struct_fields__
    return replace(record, **{one: "" for one in ("verdict_id", "intent_id") if one in fields})


def told(state: AccountState) -> tuple[Any, ...]:
    live = state.live
    assert live is not None
    # The last bits hang on whether the kernel or a step looked at a tick.
    of = state.marks
    marks = [round(one, 6) for one in (*of.trackers, of.max_drawdown, of.max_drawdown_high_water)]
    unlike = {"evaluated_at_msc": None, "breached_at_msc": None, "distance_minor": None}
    guards = [replace(one, **unlike) for one in state.guards]
    return state.positions, state.balance_minor, marks, guards, state.halts, live.holdings


@settings(deadline=None, max_examples=25)
@given(script=st.lists(SAID, min_size=8, max_size=16))
def test_from_the_move_on_it_is_as_one_that_was_alone_with_its_quotes(script: list[Said]) -> None:
    course = Course()
    clock = trio.testing.MockClock(autojump_threshold=0.0)

    async def both() -> tuple[Any, Any]:
        return (
            await live(script, course, is_twin=False),
            await live(script, course, is_twin=True),
        )

    (state, kept, seen), (twin, twin_kept, twin_seen) = trio.run(both, clock=clock)
    assume(course.moved_at is not None)
    assert kept == twin_kept
    assert state == twin
    assert (seen.equity, seen.drawdown) == (twin_seen.equity, twin_seen.drawdown)
    assert seen.equity_high_water == twin_seen.equity_high_water
