"""Whose quotes an account is valued on: its server's, which all of them share, or its own."""

from enum import StrEnum

import msgspec


class QuotedBy(StrEnum):
    """Whose terminal quotes what the account is valued on."""

    NOBODY = ""
    """Nobody does now; or a journal of before it was asked."""
    OTHER = "other"
    """Another account's terminal, for the whole server."""
    LEADER = "leader"
    """Its own terminal, for the whole server."""
    OWN = "own"
    """Its own terminal, for this account alone."""


class FeedUse(msgspec.Struct, frozen=True, kw_only=True):
    """Which feed the account is to be valued on, and what was tried."""

    is_own: bool = False
    changed_msc: int = 0
    """When it was last decided."""
    refused_msc: int = 0
    """When it was last seen that its own quotes are no remedy; 0: never."""
    held: tuple[int, ...] = ()
    """The positions it held then, by identifier."""


class FeedDoubt(msgspec.Struct, frozen=True, kw_only=True):
    """Heartbeats in a row, each of which speaks against the quotes the account is valued on."""

    since_msc: int
    last_msc: int
    beats: int = 1
    asked_msc: int = 0
    """When a full report was last asked for to settle it; 0: not yet."""
