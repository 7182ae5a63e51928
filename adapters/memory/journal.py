"""A journal in memory: as ordered and as strict as a durable one, and gone with the program."""

from collections.abc import Sequence

import trio

from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.errors import JournalError
from engine.kept import Entry, KeptState, KeptStep
from engine.ports import Begun


class _Done:
    """An append that is kept."""

    is_durable = True

    async def wait(self) -> None:
        await trio.lowlevel.checkpoint()


class MemoryJournal:
    """`Journal` in a dictionary of lists, and `StateStore` beside it."""

    def __init__(self) -> None:
        self._kept: dict[AccountKey, list[Record]] = {}
        self._entries: dict[AccountKey, list[Entry]] = {}
        self._states: dict[AccountKey, KeptState] = {}

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        """See `Journal.append`. A gap in `seq`, or a number given twice, is an error."""
        await trio.lowlevel.checkpoint()
        self._keep(key, records, entry)

    def _keep(self, key: AccountKey, records: Sequence[Record], entry: Entry | None) -> None:
        kept = self._kept.setdefault(key, [])
        for expected, record in enumerate(records, len(kept) + 1):
            if record.seq != expected:
                raise JournalError(f"{key}: record {record.seq} where {expected} should follow")
            if (record.server, record.login) != key:
                raise JournalError(f"{key}: a record of {record.server}/{record.login}")
        entries = self._entries.setdefault(key, [])
        if entry is not None and entry.number != len(entries) + 1:
            wanted = len(entries) + 1
            raise JournalError(f"{key}: entry {entry.number} where {wanted} should follow")
        kept.extend(records)
        if entry is not None:
            entries.append(entry)

    async def append_all(self, key: AccountKey, steps: Sequence[KeptStep]) -> None:
        """See `Journal.append_all`."""
        for records, entry in steps:
            await self.append(key, records, entry)

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> Begun | None:
        """See `Journal.begin`."""
        for records, entry in steps:
            self._keep(key, records, entry)
        return _Done()

    async def read(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """See `Journal.read`."""
        await trio.lowlevel.checkpoint()
        return tuple(self._kept.get(key, ())[after_seq : after_seq + limit])

    async def pin(self) -> str | None:
        """See `Journal.pin`: nothing here outlives the program."""
        await trio.lowlevel.checkpoint()
        return None

    async def accounts(self) -> Sequence[AccountKey]:
        """See `StateStore.accounts`."""
        await trio.lowlevel.checkpoint()
        return sorted(
            {key for key, kept in self._kept.items() if kept}
            | {key for key, kept in self._entries.items() if kept}
        )

    async def last_seq(self, key: AccountKey) -> int:
        """See `StateStore.last_seq`."""
        await trio.lowlevel.checkpoint()
        return len(self._kept.get(key, ()))

    async def entries(self, key: AccountKey, after_number: int, limit: int) -> Sequence[Entry]:
        """See `StateStore.entries`."""
        await trio.lowlevel.checkpoint()
        return tuple(self._entries.get(key, ())[after_number : after_number + limit])

    async def last_entry(self, key: AccountKey) -> int:
        """See `StateStore.last_entry`."""
        await trio.lowlevel.checkpoint()
        return len(self._entries.get(key, ()))

    async def keep_state(self, key: AccountKey, state: KeptState) -> None:
        """See `StateStore.keep_state`. The newest by `seq` stays."""
        await trio.lowlevel.checkpoint()
        seq, number = len(self._kept.get(key, ())), len(self._entries.get(key, ()))
        nothing = not (state.seq or state.number) or min(state.seq, state.number) < 0
        if state.seq > seq or state.number > number or nothing:
            raise JournalError(
                f"{key}: a state of record {state.seq} and entry {state.number}, where the last"
                f" are {seq} and {number}"
            )
        old = self._states.get(key)
        if old is None or (old.number, old.seq) <= (state.number, state.seq):
            self._states[key] = state

    async def kept_state(self, key: AccountKey) -> KeptState | None:
        """See `StateStore.kept_state`."""
        await trio.lowlevel.checkpoint()
        return self._states.get(key)
