"""One world of days on both sides, and where they do not agree."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from engine.domain.records import CloseIntended, Encoding, Record
from engine.marking.feed import Feed
from engine.marking.wakes import MarkingFeed
from tests.days.day_books import DAYS, DayWorld
from tests.days.day_oracle import DayAccount, evaluate
from tests.days.day_people import drive

Event = dict[str, Any]

VERDICTS = ("guard_warning", "guard_breach", "day_reset", "close_wanted", "account_released")
TYPES = {*VERDICTS, "account_opened", "account_halted", "position_closed", "account_closed"}
_OF_ONE_CLOSE = {"seq", "intent_id", "position_id", "target_volume_lots"}
FREE = {"seq", "max_drawdown_time_msc", "ticks"}
"""Ticks are counted per valuation, and messages are valued too."""


@dataclass
class Compared:
    """What came of some worlds."""

    seen: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    """The oracle's events that the engine has not."""
    spurious: list[str] = field(default_factory=list)
    """The engine's events that the oracle has not."""
    differing: list[str] = field(default_factory=list)
    """Events both have, of another equity, floor, reference, balance or high-water mark."""

    @property
    def bad(self) -> int:
        return len(self.missed) + len(self.spurious) + len(self.differing)

    def add(self, other: "Compared") -> None:
        """Takes another world in."""
        self.seen.update(other.seen)
        self.missed += other.missed
        self.spurious += other.spurious
        self.differing += other.differing


def compare(seed: int, ticks_a_day: int | None = None, feed: MarkingFeed | None = None) -> Compared:
    """Both sides of one world."""
    world = DayWorld(seed, ticks_a_day)
    driven = drive(world, feed or Feed(tuple(world.symbols)), seed)
    accounts = evaluate(world.table, world.symbols, world.rows, driven.said)
    found = Compared()
    ours = _by_login(driven.records)
    for account in accounts:
        login = account.table["login"]
        _compare_account(f"seed {seed}, {login}", account.out, ours.get(login, []), found)
        if account.doomed:
            found.missed.append(f"seed {seed}, {login}: still open: {account.doomed}")
        _count(account, found.seen)
        found.seen["account-days"] += DAYS
        if account.table.get("margin_mode") == "netting":
            found.seen["netting account-days"] += DAYS
            found.seen["netting reversals"] += sum(
                bool(s.opened and s.closed) for s in account.said
            )
        found.seen["messages"] += len(account.said)
        found.seen["account-ticks"] += len(world.rows)
    found.seen["ticks"] += len(world.rows)
    found.seen["worlds"] += 1
    found.seen["worlds in which clocks change"] += world.changes_clocks
    return found


def _by_login(records: list[Record]) -> dict[int, list[Event]]:
    """The engine's events as the oracle says them: closes decided together are one wish."""
    found: dict[int, list[Event]] = {}
    for record in records:
        event = json.loads(Encoding.line(record))
        own = found.setdefault(event["login"], [])
        if isinstance(record, CloseIntended):
            event = {k: v for k, v in event.items() if k not in _OF_ONE_CLOSE}
            event["type"] = "close_wanted"
            if own and own[-1] == event:
                continue
        if event["type"] in TYPES:
            own.append(event)
    return found


def _name(event: Event) -> tuple[Any, ...]:
    """What makes an event this one and no other."""
    subject = event.get("guard") or event.get("cause") or event.get("reason")
    if event["type"] == "position_closed":
        subject = event["position_id"], event["volume_lots"]
    return event["type"], event["time_msc"], subject


def _compare_account(said: str, wanted: list[Event], ours: list[Event], found: Compared) -> None:
    by_name: dict[tuple[Any, ...], list[Event]] = {}
    for event in ours:
        by_name.setdefault(_name(event), []).append(event)
    for event in wanted:
        same = by_name.get(_name(event))
        if not same:
            found.missed.append(f"{said}: {event}")
            continue
        our = same.pop(0)
        bad = {
            key: (value, our.get(key))
            for key, value in event.items()
            if key not in FREE and not _equal(key, value, our.get(key))
        }
        if bad:
            found.differing.append(f"{said}: {_name(event)}: {bad}")
    found.spurious += [f"{said}: {event}" for same in by_name.values() for event in same]
    if not found.bad and [_name(e) for e in wanted] != [_name(e) for e in ours]:
        found.differing.append(f"{said}: the order of the events")


def _equal(key: str, value: object, our: object) -> bool:
    if "percent" in key and isinstance(value, float) and isinstance(our, float):
        return abs(value - our) <= 1.0001e-4  # four decimals, one apart, as doubles
    return value == our


def _count(account: DayAccount, seen: Counter[str]) -> None:
    references = {guard.name: guard.reference for guard in account.guards}
    for event in account.out:
        seen[event["type"]] += 1
        if event["type"] == "guard_breach":
            seen[f"breaches by {references[event['guard']]}"] += 1
            seen["breaches on the floor to the cent"] += event["equity"] == event["floor"]
