"""A live account as its journal has it: the newest kept state, and the inputs after it, again.

Every input's digest is compared: a state that comes out otherwise than it was is no state to guard
an account on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata

import msgspec

from engine.domain.account import AccountState
from engine.domain.asking import blank
from engine.domain.digest import state_digest
from engine.domain.ids import AccountKey
from engine.domain.journaled import again, decode_entry, decode_state, encode_state
from engine.domain.records import Record
from engine.errors import JournalError
from engine.kept import Entry, KeptState
from engine.ports import StateStore

PAGE = 1000
VERSION = metadata.version("tidegate")
"""A kept state of another version may have other fields: it is read, its digest is not compared."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a journal has of one account."""

    state: AccountState
    entries: int
    """Kept of it so far; 0: it is new."""
    replayed: int
    """Of those, stepped again now."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One kept input, stepped again."""

    entry: Entry
    state: AccountState
    records: tuple[Record, ...]
    digest: str
    """Of that state; what the entry says of it should be the same."""

    @property
    def agrees(self) -> bool:
        """Whether it is the state that was."""
        return self.digest == self.entry.digest


def replayed(
    key: AccountKey, entries: Iterable[Entry], state: AccountState | None = None
) -> Iterator[Replayed]:
    """Every entry, stepped again, from the very first or from a later state.

    Raises:
        JournalError: an entry cannot be read, or what it holds can no longer be done.
    """
    state = blank(key) if state is None else state
    for entry in entries:
        try:
            state, records = again(state, decode_entry(entry.body))
        except (msgspec.MsgspecError, ValueError) as error:
            raise JournalError(
                f"{key}: entry {entry.number} cannot be replayed: {error}"
            ) from error
        yield Replayed(entry, state, records, state_digest(state))


async def recover(key: AccountKey, store: StateStore) -> Recovery:
    """The account as it was when the last thing of it became durable.

    Raises:
        JournalError: it cannot be read, or comes out otherwise than it was.
    """
    kept = await store.kept_state(key)
    state, number = blank(key), 0
    if kept is not None:
        try:
            version, body = msgspec.msgpack.decode(kept.body, type=tuple[str, msgspec.Raw])
            state, number = decode_state(bytes(body)), kept.number
        except msgspec.MsgspecError as error:
            raise JournalError(f"{key}: the state kept cannot be read: {error}") from error
        if version == VERSION and state_digest(state) != kept.digest:
            raise JournalError(f"{key}: the state kept at entry {number} is not what it was")
    start = number
    while page := await store.entries(key, number, PAGE):
        for one in replayed(key, page, state):
            if not one.agrees:
                raise JournalError(
                    f"{key}: entry {one.entry.number} comes out otherwise than it was:"
                    f" {one.digest} instead of {one.entry.digest}; after an upgrade: start and"
                    " stop the version that wrote it once, it leaves a state to go on from"
                )
            state, number = one.state, one.entry.number
    return Recovery(state, number, number - start)


def kept_state_of(state: AccountState, entries: int) -> KeptState:
    """A state, to go on from at the next start."""
    body = msgspec.msgpack.encode((VERSION, msgspec.Raw(encode_state(state))))
    return KeptState(state.seq, entries, state_digest(state), body)
