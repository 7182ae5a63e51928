"""Who asked for what."""

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a person, as it was understood, and what became of it."""

    time_msc: int
    by: str
    """`telegram:4711`: how they came in, and as whom."""
    asked: str
    """The command as it was understood, never what else the person wrote."""
    outcome: str
