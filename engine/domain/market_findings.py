"""What a guard on a feed's quotes says of a symbol."""

from enum import Enum

import msgspec

from engine.domain.guards import Action


class OnSuspect(Enum):
    """What guards do on a symbol whose quotes cannot be trusted."""

    HOLD = "hold"
    """They are not tested: they fail open, and the finding says so."""
    ALERT = "alert"
    """They go on, on the last valid quote."""
    CORROBORATE = "corroborate"
    """They act only where the broker's own equity agrees."""


class Level(Enum):
    """How far a finding goes."""

    WARN = "warn"
    ACT = "act"
    CLEARED = "cleared"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a market guard says of a symbol."""

    guard: str
    kind: str
    symbol: str
    level: Level
    measured: str
    value: float
    limit: float
    action: Action
    policy: OnSuspect | None = None
    """Of a suspect symbol: what its guards do from here."""
    cause: str = ""
    """Of a suspect symbol: what was wrong with the last quote."""
