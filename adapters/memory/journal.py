"""A journal in memory: as ordered and as strict as a durable one, and gone with the program."""

from collections.abc import Sequence

import trio

from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.errors import JournalError


class MemoryJournal:
    """`Journal` in a dictionary of lists."""

    def __init__(self) -> None:
        self._kept: dict[AccountKey, list[Record]] = {}

    async def append(self, key: AccountKey, records: Sequence[Record]) -> None:
        """See `Journal.append`. A gap in `seq`, or a number given twice, is an error."""
        await trio.lowlevel.checkpoint()
        kept = self._kept.setdefault(key, [])
        for expected, record in enumerate(records, len(kept) + 1):
            if record.seq != expected:
                raise JournalError(f"{key}: record {record.seq} where {expected} should follow")
            if (record.server, record.login) != key:
                raise JournalError(f"{key}: a record of {record.server}/{record.login}")
        kept.extend(records)

    async def read(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """See `Journal.read`."""
        await trio.lowlevel.checkpoint()
        return tuple(self._kept.get(key, ())[after_seq : after_seq + limit])
