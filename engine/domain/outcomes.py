"""What evaluating one guard can find, and the view of the account it is evaluated on."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from engine.domain.account import AccountState
from engine.domain.quotes import Quote
from engine.domain.watch import NEVER_MSC, Line


@dataclass(frozen=True, slots=True)
class View:
    """A known account at one instant: everything a guard may look at."""

    state: AccountState
    time_msc: int
    quotes: Mapping[str, Quote]
    equity_minor: int
    """MT5-exact, on these quotes."""


@dataclass(frozen=True, slots=True)
class LimitWarned:
    """An equity limit's warning line is reached."""

    floor_minor: int
    reference_minor: int
    used_percent: float


@dataclass(frozen=True, slots=True)
class LimitBreached:
    """An equity limit's floor is crossed."""

    floor_minor: int
    reference_minor: int
    measured: str
    comparator: str


@dataclass(frozen=True, slots=True)
class RuleFound:
    """A guard without an equity floor warns or is breached."""

    breach: bool
    measured: str
    """What was measured: `positions`, `lots`, `net_notional`, `margin_level_percent` ..."""
    value: float | None
    limit: float | None
    subject: str = ""
    """A symbol, a position id, a news event; empty for the whole account."""
    only_positions: tuple[int, ...] | None = None
    """Close just these; None: the whole account."""


@dataclass(frozen=True, slots=True)
class Reached:
    """An objective is met."""

    value: float
    target: float


Outcome = LimitWarned | LimitBreached | RuleFound | Reached


@dataclass(frozen=True, slots=True)
class PriceBand:
    """Wake when the symbol's bid leaves (low, high) or its ask does; inclusive."""

    symbol: str
    low: float = -inf
    high: float = inf


@dataclass(frozen=True, slots=True)
class Wakes:
    """What a guard must be woken for, beyond the account's other reasons."""

    lines: tuple[Line, ...] = ()
    bands: tuple[PriceBand, ...] = ()
    at_msc: int = NEVER_MSC
