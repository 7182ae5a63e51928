"""A journal in memory: as ordered and as strict as a durable one, and gone with the program."""

from collections.abc import Sequence

import trio

from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.errors import JournalError
from engine.kept import KeptState


class MemoryJournal:
    """`Journal` in a dictionary of lists, and `StateStore` beside it."""

    def __init__(self) -> None:
        self._kept: dict[AccountKey, list[Record]] = {}
        self._states: dict[AccountKey, KeptState] = {}

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

    async def accounts(self) -> Sequence[AccountKey]:
        """See `StateStore.accounts`."""
        await trio.lowlevel.checkpoint()
        return sorted(key for key, kept in self._kept.items() if kept)

    async def last_seq(self, key: AccountKey) -> int:
        """See `StateStore.last_seq`."""
        await trio.lowlevel.checkpoint()
        return len(self._kept.get(key, ()))

    async def keep_state(self, key: AccountKey, state: KeptState) -> None:
        """See `StateStore.keep_state`. The newest by `seq` stays."""
        await trio.lowlevel.checkpoint()
        last = len(self._kept.get(key, ()))
        if not 1 <= state.seq <= last:
            raise JournalError(f"{key}: a state of record {state.seq}, and the last is {last}")
        old = self._states.get(key)
        if old is None or old.seq <= state.seq:
            self._states[key] = state

    async def kept_state(self, key: AccountKey) -> KeptState | None:
        """See `StateStore.kept_state`."""
        await trio.lowlevel.checkpoint()
        return self._states.get(key)
