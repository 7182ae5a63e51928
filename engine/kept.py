"""A state of one account as a journal keeps it: a restart replays only the records after it."""

from typing import NamedTuple


class KeptState(NamedTuple):
    """Opaque to the journal; what it is made of is the engine's."""

    seq: int
    """Of the last record that is in it."""
    digest: str
    """`state_digest` of the state, to compare after decoding."""
    body: bytes
