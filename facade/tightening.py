"""Whether other rules are surely no looser: only then may one person alone put them in force."""

from collections.abc import Sequence

import msgspec

from engine.domain.guards import (
    AccountGuard,
    Action,
    EquityLimit,
    Money,
    NewsWindow,
    Percent,
)

_STRENGTH = {Action.ALERT: 0, Action.PAUSE: 1, Action.CLOSE: 1, Action.CLOSE_AND_HALT: 2}


def is_tightening(old: Sequence[AccountGuard], new: Sequence[AccountGuard]) -> bool:
    """Every guard is still there, the same or with a smaller amount or a stronger action.

    What cannot be compared (another reference, another reset) counts as looser, and so does a new
    news window: closes wait for it.
    """
    named = {guard.name: guard for guard in new}
    if any(isinstance(guard, NewsWindow) and guard not in old for guard in new):
        return False
    return all(guard.name in named and _no_looser(guard, named[guard.name]) for guard in old)


def _no_looser(old: AccountGuard, new: AccountGuard) -> bool:
    if old == new:
        return True
    if type(old) is not type(new):
        return False
    is_stronger = _STRENGTH[new.action] > _STRENGTH[old.action] or old.action is new.action
    if not is_stronger:
        return False
    alike = {"action": old.action}
    if isinstance(old, EquityLimit) and isinstance(new, EquityLimit):
        if not _no_more(old.amount, new.amount):
            return False
        alike["amount"] = old.amount  # type: ignore[assignment]
    return msgspec.structs.replace(new, **alike) == old


def _no_more(old: object, new: object) -> bool:
    """Whether the amount that may be lost is of the same kind and no larger."""
    if isinstance(old, Money) and isinstance(new, Money):
        return new.amount_minor <= old.amount_minor
    if isinstance(old, Percent) and isinstance(new, Percent):
        same = new == msgspec.structs.replace(old, percent=new.percent)
        return same and new.percent <= old.percent
    return old == new
