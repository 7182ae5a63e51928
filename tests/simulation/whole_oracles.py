"""What must be so at the end of a whole run, told from the broker's own books and the journal."""

from collections import Counter
from typing import NamedTuple

import trio
from trio import testing

from engine.domain import own_feed, records
from engine.domain.close_orders import State
from engine.domain.discrepancies import PROVED, Kind
from engine.domain.discrepancies import State as Doubt
from engine.domain.ids import AccountKey
from engine.errors import JournalError
from engine.recovery import replayed
from tests.simulation.whole_drift import KINDS
from tests.simulation.whole_eye import DAILY
from tests.simulation.whole_groups import FOUND_MS
from tests.simulation.whole_wire import seed_scheduler
from tests.simulation.whole_world import TROUBLE_S, World

_EXPERT = 3
BLIND_MS = 12_000
"""A terminal that is linked, whatever it does, leaves its account unknown for no longer."""

UNTRUE_MS = 3_500
"""A terminal is silent for 3 s before that is noticed."""
YOUNG_MS = 1_500
"""A difference seen once only, in the last heartbeat and a half, is one that may be none."""


class Ran(NamedTuple):
    """A world at its end, and everything that is wrong in it."""

    world: World
    wrong: list[str]


def run_world(
    seed: int, *, calm: bool = False, trouble_s: float = TROUBLE_S, markup_points: float = 0.0
) -> Ran:
    """The world of a seed at its end, and everything that is wrong in it."""
    made: list[World] = []

    async def live() -> None:
        made.append(World(seed, calm=calm, trouble_s=trouble_s, markup_points=markup_points))
        await made[0].run()

    seed_scheduler(seed)
    broken: list[str] = []
    try:
        trio.run(live, clock=testing.MockClock(autojump_threshold=0))
    except* (JournalError, AssertionError) as crash:
        broken = [f"the engine broke: {crash.exceptions[0]!r}"]
    world = made[0]
    if broken:
        return Ran(world, broken)
    wrong = [*_beliefs(world), *_history(world), *_closes(world), *_verdicts(world)]
    return Ran(world, wrong + _drift(world, whole=trouble_s >= TROUBLE_S))


def tallied(world: World) -> Counter[str]:
    """What happened in a world, counted."""
    kept = [r for found in world.journal._kept.values() for r in found]
    found = Counter(type(record).__name__ for record in kept)
    found["crashes"] = world.seen.crashes
    found["faults"] = sum(world.faults.struck.values())
    found["links"] = sum(t.counts["links"] for t in world.house.terminals.values())
    found["commands"] = sum(t.counts["commands"] for t in world.house.terminals.values())
    found["drifts"] = len(world.drifts.done)
    found["looks"] = sum(eye.clear_looks for eye in world.eyes.values())
    return found


def told(world: World) -> dict[AccountKey, list[object]]:
    """Everything durable of a world, to compare two runs."""
    both: dict[AccountKey, list[object]] = {}
    for key, kept in world.journal._kept.items():
        both[key] = [*kept, *world.journal._entries[key]]
    return both


def _beliefs(world: World) -> list[str]:
    """After the calm the engine holds what the broker holds, to the last lot and cent."""
    engine = world.engine
    if engine is None:
        return ["the engine is not alive after the calm"]
    wrong = []
    for spec in world.specs:
        key = spec.key
        state, account = engine._actor(key).state, world.server.accounts[key.login]
        crashed = engine._actor(key).crashed
        if crashed:
            wrong.append(f"{key}: given up: {crashed}")
            continue
        theirs = {p.position_id: (p.side, p.volume_lots) for p in account.held()}
        ours = {p.position_id: (p.side, p.volume_lots) for p in state.positions}
        if ours != theirs:
            wrong.append(f"{key}: holds {ours}, the broker {theirs}")
        if state.balance_minor != account.balance_minor:
            wrong.append(f"{key}: balance {state.balance_minor}, {account.balance_minor}")
        live = state.live
        assert live is not None
        if own_feed.wants_own(state) and engine._by_key[key].account != key:
            wrong.append(f"{key}: to be on quotes of its own, and is not")
        if not live.is_current:
            wrong.append(f"{key}: not current: {live.link}")
        if any(one.state is not State.SETTLED for one in live.closes):
            wrong.append(f"{key}: closes that are not settled: {live.open_closes}")
        if state.is_halted and any(p.magic in live.halted_magics for p in state.positions):
            wrong.append(f"{key}: breached, and its strategy holds {ours}")
        # What a deal proved stays until the next report: of those that end nothing may be left.
        # And a heartbeat may pass a quote on its way at the very end: the next one would agree.
        rows = [
            r.finding
            for r in live.book.rows
            if r.kind not in PROVED
            and not (
                r.kind is Kind.EQUITY_RESIDUAL
                and not world.groups.is_found(engine, key)
                and state.time_msc - r.first_seen_msc < FOUND_MS
            )
            and not (r.state is Doubt.SUSPECTED and state.time_msc - r.first_seen_msc < YOUNG_MS)
        ]
        if rows:
            wrong.append(f"{key}: open discrepancies {rows}")
    return wrong


def _history(world: World) -> list[str]:
    """The journal is gapless and makes the same states and records again."""
    wrong = []
    for spec in world.specs:
        kept = world.journal._kept.get(spec.key, [])
        entries = world.journal._entries.get(spec.key, [])
        if [r.seq for r in kept] != list(range(1, len(kept) + 1)):
            wrong.append(f"{spec.key}: a gap in seq")
        made: list[records.Record] = []
        for one in replayed(spec.key, entries):
            made.extend(one.records)
            if not one.agrees:
                wrong.append(f"{spec.key}: entry {one.entry.number} comes out otherwise")
                break
        if made != kept[: len(made)]:
            wrong.append(f"{spec.key}: other records than were kept")
    return wrong


def _closes(world: World) -> list[str]:
    """The engine's own deals only ever take away, and what it published is durable."""
    wrong = []
    for spec in world.specs:
        wrong += [
            f"{spec.key}: the engine's deal {deal.ticket} opened something"
            for deal in world.server.accounts[spec.key.login].deals
            if deal.reason == _EXPERT and deal.entry in (0, 2)
        ]
    durable = {id(r) for kept in world.journal._kept.values() for r in kept}
    if any(id(record) not in durable for record in world.seen.published):
        wrong.append("something was published that is not durable")
    return wrong


def _verdicts(world: World) -> list[str]:
    """What the eyes found, one end of the day for each account, and nobody blind for long."""
    wrong = [said for eye in world.eyes.values() for said in eye.wrong]
    for key, eye in world.eyes.items():
        left = eye.doomed & set(eye.account.positions)
        if left:
            wrong.append(f"{key}: breached, and still holds {sorted(left)}")
        ends = [
            record
            for record in world.journal._kept.get(key, ())
            if isinstance(record, records.DayReset) and record.guard == DAILY
        ]
        if len(ends) != 1:
            wrong.append(f"{key}: {len(ends)} ends of the day at midnight in {world.zone}")
    for key, longest_ms in world.seen.untrue_ms.items():
        if longest_ms > UNTRUE_MS:
            wrong.append(f"{key}: said to hold what it did not for {longest_ms} ms")
    for key, longest_ms in world.seen.blind_ms.items():
        if longest_ms > BLIND_MS:
            wrong.append(f"{key}: linked and unknown for {longest_ms} ms")
    return wrong


def _drift(world: World, *, whole: bool) -> list[str]:
    """Every drift found in time; in a whole run, one of each kind."""
    drifts = world.drifts
    wrong = [f"drift not found in time: {one}" for one in drifts.done if one.is_late]
    left = KINDS - {one.kind for one in drifts.done}
    if whole and left:
        wrong.append(f"kinds of drift that never came: {sorted(left)}")
    return wrong
