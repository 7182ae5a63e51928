"""What must be so at the end of a whole run, told from the broker's own books and the journal."""

from collections import Counter

import trio
from trio import testing

from engine.domain import records
from engine.domain.close_orders import State
from engine.recovery import replayed
from tests.simulation.whole_world import SLACK_MINOR, World

_EXPERT = 3
NEAR_MS = 2_000


def run_world(seed: int, *, calm: bool = False) -> tuple[World, list[str]]:
    """The world of a seed at its end, and everything that is wrong in it."""
    world = World(seed, calm=calm)
    wrong: list[str] = []

    async def whole() -> None:
        await world.run()

    # The order in which Trio wakes tasks is drawn too; seeded, so that a seed is one run.
    from trio._core import _run

    _run._ALLOW_DETERMINISTIC_SCHEDULING = True
    _run._r.seed(seed)
    trio.run(whole, clock=testing.MockClock(autojump_threshold=0))
    wrong += _beliefs(world)
    wrong += _history(world)
    wrong += _closes(world)
    wrong += _verdicts(world)
    return world, wrong


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
        if not live.is_current:
            wrong.append(f"{key}: not current: {live.link}")
        if any(one.state is not State.SETTLED for one in live.closes):
            wrong.append(f"{key}: closes that are not settled: {live.open_closes}")
        if state.guards and state.guards[0].breached:
            known = {p.magic for p in state.positions}
            if any(magic in live.halted_magics for magic in known):
                wrong.append(f"{key}: breached, and its strategy holds {ours}")
        if live.book.rows:
            wrong.append(f"{key}: open discrepancies {[r.finding for r in live.book.rows]}")
    return wrong


def _history(world: World) -> list[str]:
    """The journal is gapless and makes the same states and records again."""
    wrong = []
    for spec in world.specs:
        kept = world.journal._kept.get(spec.key, [])
        entries = world.journal._entries.get(spec.key, [])
        if [r.seq for r in kept] != list(range(1, len(kept) + 1)):
            wrong.append(f"{spec.key}: a gap in seq")
        made = []
        for one in replayed(spec.key, entries):
            made.extend(one.records)
            if not one.agrees:
                wrong.append(f"{spec.key}: entry {one.entry.number} comes out otherwise")
                break
        if made != kept[: len(made)]:
            wrong.append(f"{spec.key}: other records than were kept")
        breaches = Counter(r.guard for r in kept if isinstance(r, records.GuardBreach))
        if any(number > 1 for number in breaches.values()):
            wrong.append(f"{spec.key}: a latched breach told {breaches}")
    return wrong


def _closes(world: World) -> list[str]:
    """The engine's own deals only ever take away: none opens, none turns a position over."""
    wrong = []
    for spec in world.specs:
        for deal in world.server.accounts[spec.key.login].deals:
            if deal.reason == _EXPERT and deal.entry in (0, 2):
                wrong.append(f"{spec.key}: the engine's deal {deal.ticket} opened something")
    return wrong


def _verdicts(world: World) -> list[str]:
    """No breach missed for long, and none of which the broker's own books know nothing."""
    wrong = [
        f"{key}: below {floor} unseen: {equity}" for key, _, equity, floor in world.seen.missed
    ]
    for spec in world.specs:
        seen = world.seen.equities.get(spec.key, [])
        for record in world.journal._kept.get(spec.key, []):
            if not isinstance(record, records.GuardBreach):
                continue
            near = [
                equity
                for at_msc, equity in seen
                if record.time_msc - NEAR_MS <= at_msc <= record.time_msc + NEAR_MS
            ]
            if near and min(near) > round(record.floor * 100) + SLACK_MINOR:
                wrong.append(f"{spec.key}: breach at {record.equity}, the broker has {min(near)}")
    return wrong
