"""The replay against an evaluator that shares no code with it, on seeded random worlds."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.tick_files.front import open_ticks
from engine.domain.records import Encoding
from engine.replay import run
from tests.engine.oracle_books import World
from tests.oracle import evaluate
from tests.oracle_guards import OracleGuard

Events = dict[int, list[dict[str, Any]]]
SEEDS = 40
TYPES = {
    "account_opened",
    "guard_warning",
    "guard_breach",
    "day_reset",
    "account_halted",
    "account_released",
    "position_closed",
    "account_closed",
}
FREE = {"seq", "max_drawdown_time_msc"}


def replayed(world: World) -> Events:
    """What the engine makes of it."""
    result = run(world.book, world.ticks)
    return by_login([json.loads(Encoding.line(record)) for record in result.records])


def evaluated(world: World) -> Events:
    """What the oracle makes of it."""
    stream = open_ticks(list(world.ticks.items()))

    def ticks() -> Iterator[tuple[int, int, float, float]]:
        for batch in stream.batches(65536):
            columns = (batch.time_msc, batch.symbol, batch.bid, batch.ask)
            yield from zip(*(column.tolist() for column in columns), strict=True)

    book = tomllib.loads(world.book.read_text())
    return by_login(list(evaluate(book, list(stream.symbols), ticks())))


def by_login(events: list[dict[str, Any]]) -> Events:
    """Events of the types compared, per account; the closes of one flatten in order of position."""
    found: Events = {}
    for event in events:
        if event["type"] in TYPES:
            found.setdefault(event["login"], []).append(event)
    for login, own in found.items():
        flatten, order = 0, []
        for place, event in enumerate(own):
            closed = event["type"] == "position_closed"
            before = own[place - 1] if place else {}
            if not (closed and before.get("reason") == event["reason"]):
                flatten += 1
            order.append((flatten, event["position_id"] if closed else 0, place))
        found[login] = [own[place] for _, _, place in sorted(order)]
    return found


def differences(wanted: Events, got: Events) -> list[str]:
    """Where the engine's events are not the oracle's, by the equality of the worked cases."""
    found = [] if wanted.keys() == got.keys() else [f"logins {wanted.keys()} and {got.keys()}"]
    for login in wanted.keys() & got.keys():
        for event, our in zip(wanted[login], got[login], strict=False):
            fields = event.keys() - FREE
            bad = {f: (event[f], our.get(f)) for f in fields if not _equal(f, event[f], our.get(f))}
            if bad:
                found.append(f"{login} {event['type']} at {event['time_msc']}: {bad}")
        if len(wanted[login]) != len(got[login]):
            found.append(f"{login}: {len(wanted[login])} events wanted, {len(got[login])} got")
    return found


def _equal(field: str, value: object, our: object) -> bool:
    if "percent" in field and isinstance(value, float) and isinstance(our, float):
        return abs(value - our) <= 1.0001e-4  # four decimals, one apart, as doubles
    return value == our


def test_the_worlds_meet_every_kind_of_event_and_a_changed_rule_is_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the worlds are not idle, and a cent at one comparison shows."""
    world = World(5, tmp_path)
    wanted, got = evaluated(world), replayed(world)
    assert {event["type"] for events in wanted.values() for event in events} == TYPES
    assert differences(wanted, got) == []
    floor_of = OracleGuard._draw

    def a_cent_higher(guard: OracleGuard, reference: int) -> None:
        floor_of(guard, reference)
        guard.floor += 1

    with monkeypatch.context() as changed:
        changed.setattr(OracleGuard, "_draw", a_cent_higher)
        assert differences(evaluated(world), got)
    wanted[1001][-1]["ticks"] += 1
    assert len(differences(wanted, got)) == 1


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_replay_is_what_the_written_rules_say(seed: int, tmp_path: Path) -> None:
    world = World(seed, tmp_path)
    assert differences(evaluated(world), replayed(world)) == []
