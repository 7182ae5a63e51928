"""A journal held to itself: its entries, stepped again from nothing, make its records and digests.

Nothing of the kernel's is used: the marks that led to an input are in it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from engine.domain.account import AccountState
from engine.domain.asking import blank
from engine.domain.ids import AccountKey
from engine.domain.records import VERDICTS, Encoding, Record
from engine.errors import JournalError
from engine.kept import Entry
from engine.recovery import Replayed, replayed
from engine.verdicts import made_of


class JournalReader(Protocol):
    """One moment of a journal, read only."""

    def accounts(self) -> list[AccountKey]:
        """Every account with a record or an entry, in the order of their names."""

    def entries(self, key: AccountKey) -> Iterator[Entry]:
        """All of the account, in order."""

    def lines(self, key: AccountKey) -> Iterator[bytes]:
        """Its records as they stand, without newline, in order."""


class AccountReplay(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an account's entries."""

    server: str
    login: int
    entries: int
    """Stepped again, up to the first that came out otherwise."""
    records: int
    """They made, all of them as they were kept."""
    unmade: int = 0
    """Records of an account without entries: there is nothing to make them from."""
    difference: str | None = None
    """The first place where it comes out otherwise; None: nowhere."""
    verdict: Mapping[str, Any] | None = None
    """What was asked for, with all it was decided on."""


class _Lines:
    """The kept records, taken one by one."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.taken = 0

    def differing(self, records: Iterable[Record]) -> str | None:
        """The first of these records that is not the next one kept."""
        for record in records:
            kept = next(self._lines, None)
            if kept is None:
                return f"record {record.seq} ({_kind(record)}) was not kept"
            if Encoding.line(record)[:-1] != kept:
                return f"record {record.seq}: {Encoding.line(record)[:-1]!r} instead of {kept!r}"
            self.taken += 1
        return None

    def left(self) -> int:
        """How many are left; they are taken."""
        return sum(1 for _ in self._lines)


def replay_account(
    key: AccountKey, reader: JournalReader, verdict_id: str | None = None
) -> AccountReplay:
    """Steps all entries of an account from zero, up to the first difference or the verdict.

    Costs a step and a digest of the whole state an entry, 20 to 100 us with few positions; constant
    memory.
    """
    lines = _Lines(reader.lines(key))
    done, difference, verdict = 0, None, None
    state = blank(key)
    try:
        for one in replayed(key, reader.entries(key), state):
            difference = _difference(one, lines)
            if difference is not None:
                break
            if verdict_id is not None:
                verdict = _verdict(verdict_id, one, state)
                if verdict is not None:
                    break
            done, state = one.entry.number, one.state
    except JournalError as error:
        difference = str(error)
    except Exception as error:  # noqa: BLE001  the step itself broke: that is what is looked for
        difference = f"entry {done + 1} cannot be stepped: {type(error).__name__}: {error}"
    unmade = 0
    if difference is None and verdict is None:
        left = lines.left()
        if left and done:
            difference = f"record {lines.taken + 1}, and {left - 1} after it, are of no entry"
        elif left:
            unmade = left
    return AccountReplay(
        server=key.server,
        login=key.login,
        entries=done + (verdict is not None),
        records=lines.taken,
        unmade=unmade,
        difference=difference,
        verdict=verdict,
    )


def find_verdict(
    verdict_id: str, keys: Iterable[AccountKey], reader: JournalReader
) -> AccountKey | None:
    """Whose verdict it is; None: nobody's. Reads every record until it is found."""
    needle = verdict_id.encode()
    for key in keys:
        for line in reader.lines(key):
            if needle in line and _is_verdict(Encoding.parse(line), verdict_id):
                return key
    return None


def _difference(one: Replayed, lines: _Lines) -> str | None:
    number = one.entry.number
    if not one.agrees:
        return f"entry {number}: the state's digest is {one.digest} instead of {one.entry.digest}"
    wrong = lines.differing(one.records)
    return None if wrong is None else f"entry {number}: {wrong}"


def _verdict(verdict_id: str, one: Replayed, before: AccountState) -> Mapping[str, Any] | None:
    for record in one.records:
        if _is_verdict(record, verdict_id):
            told = made_of(record, before, one.entry.body, one.digest, agrees=one.agrees)
            return {"entry": one.entry.number, **told}
    return None


def _is_verdict(record: Record, verdict_id: str) -> bool:
    return isinstance(record, VERDICTS) and record.verdict_id == verdict_id


def _kind(record: Record) -> str:
    return type(record).__name__
