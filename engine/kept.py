"""What a journal keeps of an account beside its records: inputs, and states to go on from.

A restart takes the newest state and steps the entries after it.
"""

from collections.abc import Sequence
from typing import NamedTuple

from engine.domain.records import CloseIntended, Record


class Entry(NamedTuple):
    """One input of `step` that changed something lasting, as a journal keeps it."""

    number: int
    """Of the account's entries, from 1, no gaps."""
    body: bytes
    """Opaque to the journal: `journaled.py` makes and reads it."""
    digest: str
    """Of the state after it."""


class KeptStep(NamedTuple):
    """What a journal keeps of one step: its records, and its input where that is kept."""

    records: Sequence[Record]
    entry: Entry | None = None

    @property
    def closes(self) -> bool:
        """Whether closes wait for it: then it waits for nothing."""
        return any(isinstance(record, CloseIntended) for record in self.records)


class KeptState(NamedTuple):
    """Opaque to the journal; what it is made of is the engine's."""

    seq: int
    """Of the last record that is in it."""
    number: int
    """Of the last entry that is in it."""
    digest: str
    """`state_digest` of the state, to compare after decoding."""
    body: bytes
