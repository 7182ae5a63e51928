"""An account's state in one word, and the order in which people must see them."""

from enum import StrEnum

from engine.domain.snapshot import Quality, Snapshot


class Severity(StrEnum):
    """The worst first."""

    CLOSING = "closing"
    """Positions are being closed, and are not yet."""
    BREACHED = "breached"
    UNKNOWN = "unknown"
    WARNING = "warning"
    STALE = "stale"
    DISCREPANCY = "discrepancy"
    HALTED = "halted"
    KNOWN = "known"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


def severity_of(snapshot: Snapshot) -> Severity:
    """The worst that is so of the account."""
    live = snapshot.live
    if live is not None and live.closes:
        return Severity.CLOSING
    if any(guard.breached for guard in snapshot.guards):
        return Severity.BREACHED
    if snapshot.quality is Quality.UNKNOWN:
        return Severity.UNKNOWN
    if any(guard.warned for guard in snapshot.guards):
        return Severity.WARNING
    if snapshot.quality is Quality.STALE:
        return Severity.STALE
    if live is not None and live.discrepancies:
        return Severity.DISCREPANCY
    return Severity.HALTED if snapshot.halts else Severity.KNOWN


def sort_key(snapshot: Snapshot) -> tuple[int, float, str, int]:
    """By state, then by room to the nearest floor as percent of its amount, then by name."""
    room = snapshot.room_percent
    rank = severity_of(snapshot).rank
    return (rank, float("inf") if room is None else room, snapshot.server, snapshot.login)
