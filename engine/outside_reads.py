"""What is read of the journal for those outside, in such pieces that it holds up nobody inside.

Appends and reads take turns at one disk, and what was read is parsed on the loop that guards. So
one reads at a time, whoever they are, and a piece at a time: a close waits for one piece at most.
"""

from collections.abc import Sequence
from functools import partial

import trio

from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.equity_records import Read
from engine.ports import Journal

PIECE = 256
"""Records: some 0.3 ms of the journal's thread, and as much of the loop."""


class OutsideReads:
    """Of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._turn = trio.Lock()

    async def read(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """See `Journal.read`."""
        found: list[Record] = []
        while len(found) < limit:
            wanted = min(PIECE, limit - len(found))
            async with self._turn:
                piece = await self._journal.read(key, after_seq + len(found), wanted)
            found += piece
            if len(piece) < wanted:
                break
        return found

    def of(self, key: AccountKey) -> Read:
        """Reads of one account."""
        return partial(self.read, key)
