"""Which rules a close breaks at its moment, whether it goes or waits, and for how long.

The declared order (`close_plans.Rule`) is money floor > news > minimum hold. What is not in it (a
person's close of one position, the policy of a discrepancy, every other guard) yields to all
three. A close that goes and breaks a weaker rule names it in its first record; one that would break
a stronger rule waits, in the account's state, until that rule allows it. Cancelling a pending order
is no close and breaks nothing.

Nothing of this is looked at for a specification without `minimum_hold_s`: a journal from before
there was this file is stepped again as it was.
"""

from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import records, schedules
from engine.domain.account import AccountSpec, AccountState, WaitingClose
from engine.domain.close_plans import Rule, precedence
from engine.domain.drafts import Draft
from engine.domain.guards import EquityLimit, MarginLevel, NewsWindow
from engine.domain.positions import Position
from engine.domain.watch import NEVER_MSC

WORDS = {
    Rule.MONEY_FLOOR: "money_floor",
    Rule.NEWS: "news_window",
    Rule.MINIMUM_HOLD: "minimum_hold",
}
"""Rules as published."""
PACE = "close_throttle"
"""What a policy's close waits for where another one of the symbol was decided lately."""
BY_POLICY = "discrepancy:"
"""Reasons of closes that a policy decides begin so."""

Going = Mapping[int, tuple[str, ...]]
"""Positions that may be closed now: to each the rules that this sacrifices, the strongest first."""


class Judged(NamedTuple):
    """What becomes of closing one position now."""

    sacrificed: tuple[str, ...]
    yields_to: tuple[str, ...]
    """Not empty: it waits."""
    until_msc: int
    """When the last of the stronger rules allows it; `NEVER_MSC`: nobody knows."""


def rank_of(spec: AccountSpec, guard: str) -> Rule:
    """The place of what a guard asks for; a guard of the feed has none."""
    found = next((one for one in spec.guards if one.name == guard), None)
    if isinstance(found, EquityLimit | MarginLevel):
        return Rule.MONEY_FLOOR
    return Rule.NEWS if isinstance(found, NewsWindow) else Rule.OTHER


def rank_of_flatten(spec: AccountSpec, reason: str) -> Rule:
    """The place of a flatten by what it was asked for; a person's is the kill switch."""
    kind, _, name = reason.partition(":")
    if kind == "guard":
        return rank_of(spec, name)
    return Rule.MONEY_FLOOR if kind == "manual" else Rule.OTHER


def broken_by(state: AccountState, position: Position, time_msc: int) -> dict[Rule, int]:
    """The rules that closing the position at a time breaks, to each when it allows it again.

    Every news window of the rule set counts, whatever its own action is.
    """
    spec = state.spec
    broken: dict[Rule, int] = {}
    if spec.minimum_hold_s is UNSET:
        return broken
    for guard in spec.guards:
        if isinstance(guard, NewsWindow):
            priced = spec.market.priced.get(position.symbol)
            instrument = None if priced is None else priced.instrument
            until = schedules.news_until(guard, instrument, time_msc)
            if until is not None:
                broken[Rule.NEWS] = max(until, broken.get(Rule.NEWS, 0))
    if position.opened_at_msc is not None:
        until = position.opened_at_msc + ceil(spec.minimum_hold_s * 1000)
        if time_msc < until:
            broken[Rule.MINIMUM_HOLD] = until
    return broken


def _may_break(state: AccountState) -> bool:
    """Whether a close of the account can break a rule, or waits for one: most never do."""
    if state.spec.minimum_hold_s is UNSET:
        return False
    windows = any(isinstance(guard, NewsWindow) for guard in state.spec.guards)
    return windows or state.spec.minimum_hold_s > 0 or bool(state.waiting)


def judge(state: AccountState, positions: Iterable[Position], asks: Rule, time_msc: int) -> Judged:
    """What becomes of closing these positions together, for what has this place."""
    broken: dict[Rule, int] = {}
    for position in positions:
        for rule, until in broken_by(state, position, time_msc).items():
            broken[rule] = max(until, broken.get(rule, 0))
    found = precedence(asks, broken)
    return Judged(
        tuple(WORDS[rule] for rule in found.sacrificed),
        tuple(WORDS[rule] for rule in found.yields_to),
        max((broken[rule] for rule in found.yields_to), default=0),
    )


def divide(
    draft: Draft,
    positions: Iterable[Position],
    reason: str,
    asks: Rule,
    is_asked: Callable[[int], bool],
) -> Going:
    """Which of the positions go now; the others wait, and that is said.

    A symbol whose one position must wait waits as a whole: half of a hedge is a risk.

    Args:
        is_asked: whether a position's close was decided already; it neither waits nor sacrifices.
    """
    if not _may_break(draft.state):
        return {position.position_id: () for position in positions}
    going: dict[int, tuple[str, ...]] = {}
    of_symbol: dict[str, list[Position]] = {}
    for position in positions:
        if is_asked(position.position_id):
            going[position.position_id] = ()
        else:
            of_symbol.setdefault(position.symbol, []).append(position)
    for together in of_symbol.values():
        all_of_it = judge(draft.state, together, asks, draft.time_msc)
        for position in together:
            if all_of_it.yields_to:
                _wait(draft, position, reason, asks, all_of_it)
            else:
                own = judge(draft.state, (position,), asks, draft.time_msc)
                going[position.position_id] = own.sacrificed
    for position_id in going:
        forget(draft, position_id)
    return going


def waiting(state: AccountState) -> tuple[WaitingClose, ...]:
    """The closes that wait, oldest first."""
    return state.waiting or ()


def forget(draft: Draft, position_id: int) -> None:
    """It waits no more."""
    known = waiting(draft.state)
    kept = tuple(one for one in known if one.position_id != position_id)
    if len(kept) < len(known):
        draft.state = replace(draft.state, waiting=kept or UNSET)


def next_due_msc(state: AccountState) -> int:
    """When the first of those that wait may go."""
    if not state.waiting:
        return NEVER_MSC
    return min(one.until_msc for one in state.waiting)


def wait_for_pace(draft: Draft, position: Position, reason: str, asks: Rule, free_msc: int) -> None:
    """Waits because a policy has closed a position of the symbol lately (`close_pacing`)."""
    _wait(draft, position, reason, asks, Judged((), (PACE,), free_msc))


def _wait(draft: Draft, position: Position, reason: str, asks: Rule, why: Judged) -> None:
    """Waits, for the strongest that asked; said again only where that or the end changes."""
    now = WaitingClose(
        position_id=position.position_id,
        reason=reason,
        asks=asks.value,
        yields_to=why.yields_to,
        until_msc=why.until_msc,
    )
    known = waiting(draft.state)
    before = next((one for one in known if one.position_id == now.position_id), None)
    if before is not None and asks >= before.asks:
        now = replace(now, reason=before.reason, asks=before.asks)
    if now == before:
        return
    others = tuple(one for one in known if one is not before)
    draft.state = replace(draft.state, waiting=(*others, now))
    draft.publish(
        records.CloseWaits,
        position_id=now.position_id,
        reason=now.reason,
        yields_to=now.yields_to,
        until_msc=None if now.until_msc == NEVER_MSC else now.until_msc,
    )
