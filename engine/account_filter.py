"""The filter language of a list of accounts, shared by the shell, the API and the page.

Terms stand apart by spaces and must all hold; a comma within a term means "or":
`1007`, `server:Demo-1`, `state:warn,unknown`, `guard:daily_loss`, `room<500`, `used>80`,
`symbol:XAUUSD`, `tag:funded`. Case does not matter. What an account does not have (room while
nothing is valued) never holds.
"""

import re
from collections.abc import Callable, Sequence
from math import isfinite
from typing import NamedTuple

from engine.domain.guard_views import GuardView
from engine.domain.severity import Severity, severity_of
from engine.domain.snapshot import Snapshot

LENGTH_MAX = 500
TERMS_MAX = 20
ALLOWED = (
    "1007, server:NAME, state:warn,unknown, guard:NAME, ruleset:NAME, room<500, used>80,"
    " symbol:NAME, tag:NAME"
)
_COMPARED = re.compile(r"(room|used|equity)(<=|>=|<|>)(.*)")

Test = Callable[[Snapshot], bool]


class FilterError(ValueError):
    """A term that cannot be: which, why, and what is allowed."""

    def __init__(self, term: str, message: str) -> None:
        super().__init__(f"`{term}`: {message}")
        self.term = term
        self.message = message


class Term(NamedTuple):
    """One term as it was written, and what it asks."""

    text: str
    holds: Test


class AccountFilter(NamedTuple):
    """All terms of a filter; without any it holds for every account."""

    terms: tuple[Term, ...]

    def __call__(self, snapshot: Snapshot) -> bool:
        return all(term.holds(snapshot) for term in self.terms)

    def emptied_by(self, snapshots: Sequence[Snapshot]) -> str | None:
        """The term without which something would be left; None: no single one."""
        for left_out in self.terms:
            others = AccountFilter(tuple(term for term in self.terms if term is not left_out))
            if any(others(one) for one in snapshots):
                return left_out.text
        return None


def parse_filter(text: str) -> AccountFilter:
    """The filter of a text.

    Raises:
        FilterError: names the first term that cannot be.
    """
    if len(text) > LENGTH_MAX:
        raise FilterError(text[:20] + "…", f"a filter has at most {LENGTH_MAX} characters")
    words = text.split()
    if len(words) > TERMS_MAX:
        raise FilterError(words[TERMS_MAX], f"a filter has at most {TERMS_MAX} terms")
    return AccountFilter(tuple(Term(word, _test_of(word)) for word in words))


def worst_guard(snapshot: Snapshot) -> GuardView | None:
    """The guard with most of its amount used, breached ones included; None: none has a floor."""
    found = [guard for guard in snapshot.guards if guard.used_percent is not None]
    return max(found, key=lambda guard: guard.used_percent or 0.0, default=None)


def _test_of(word: str) -> Test:
    compared = _COMPARED.fullmatch(word.lower())
    if compared:
        return _comparison(word, *compared.groups())
    name, colon, rest = word.partition(":")
    if not colon:
        return _logins(word)
    wanted = frozenset(part.casefold() for part in rest.split(",") if part)
    if not wanted:
        raise FilterError(word, "nothing follows the colon")
    match name.lower():
        case "state":
            states = frozenset(_state(word, part) for part in wanted)
            return lambda one: severity_of(one) in states
        case "server":
            return lambda one: one.server.casefold() in wanted
        case "guard":
            return lambda one: any(guard.name.casefold() in wanted for guard in one.guards)
        case "ruleset":
            return lambda one: one.ruleset.casefold() in wanted
        case "symbol":
            return lambda one: any(held.symbol.casefold() in wanted for held in one.positions)
        case "tag":
            return lambda one: (
                one.live is not None
                and any(intent.tag.casefold() in wanted for intent in one.live.intents)
            )
    raise FilterError(word, f"no such name; allowed: {ALLOWED}")


def _logins(word: str) -> Test:
    parts = word.split(",")
    if not all(part.isascii() and part.isdigit() and len(part) <= 19 for part in parts):
        raise FilterError(word, f"is no login; allowed: {ALLOWED}")
    logins = frozenset(map(int, parts))
    return lambda one: one.login in logins


def _state(word: str, part: str) -> Severity:
    """`warn` is `warning`: any beginning that only one state has."""
    if part == "ok":
        return Severity.KNOWN
    found = [state for state in Severity if state.value.startswith(part)]
    if len(found) != 1:
        raise FilterError(word, f"no such state; allowed: {', '.join(Severity)}")
    return found[0]


def _comparison(word: str, name: str, sign: str, rest: str) -> Test:
    try:
        limit = float(rest)
    except ValueError:
        limit = float("nan")
    if not isfinite(limit):
        raise FilterError(word, f"`{rest}` is no number")
    measure = _MEASURES[name]

    def holds(one: Snapshot) -> bool:
        value = measure(one)
        if value is None:
            return False
        if sign == "<":
            return value < limit
        if sign == ">":
            return value > limit
        return value <= limit if sign == "<=" else value >= limit

    return holds


def room_of(snapshot: Snapshot) -> float | None:
    """Money left to the floor of the worst guard, below 0 beyond it; None: not known."""
    guard = worst_guard(snapshot)
    return None if guard is None else guard.distance


def used_of(snapshot: Snapshot) -> float | None:
    """Percent of its amount that the worst guard has used; None: not known."""
    guard = worst_guard(snapshot)
    return None if guard is None else guard.used_percent


_MEASURES: dict[str, Callable[[Snapshot], float | None]] = {
    "room": room_of,
    "used": used_of,
    "equity": lambda one: one.equity,
}
