"""Accounts appending at once, what was acknowledged to them, and whether a file still has it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import trio

from adapters.sqlite.journal import SqliteJournal, open_journal
from adapters.sqlite.schema import connect
from adapters.sqlite.store import Store
from adapters.sqlite.verification import verify
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted, Encoding
from engine.errors import AdapterError, JournalError, JournalFullError
from engine.kept import Entry, KeptState

KEYS = tuple(AccountKey("Demo-1", login) for login in range(1, 5))
CHECKPOINT_PAGES = 30
"""So few that a short run has several checkpoints."""

Acknowledged = dict[AccountKey, int]
"""The last record each account was told is durable."""


def halted(seq: int, key: AccountKey = KEYS[0]) -> AccountHalted:
    """The record `seq` of an account: the same each time, of some length."""
    cause = f"cause {seq} " * (seq * 7 % 23)
    return AccountHalted(seq=seq, time_msc=seq, login=key.login, server=key.server, cause=cause)


def entry_of(number: int, last_seq: int) -> Entry:
    """The input that led to the records up to that one: some of several pages."""
    return Entry(number, b"%d." % last_seq + bytes(5000 * (number % 5 == 0)), "d")


def batches(rng: Random, first_seq: int, appends: int) -> Iterator[range]:
    """The seqs of each append of one account."""
    for _ in range(appends):
        batch = range(first_seq, first_seq + rng.randint(1, 4))
        yield batch
        first_seq = batch.stop


async def fill(
    journal: SqliteJournal, key: AccountKey, rng: Random, appends: int, acked: Acknowledged
) -> None:
    """Appends until the journal fails; tries again while the disk is full."""
    with suppress(JournalError):
        number = await journal.last_entry(key)
        for batch in batches(rng, await journal.last_seq(key) + 1, appends):
            number += 1
            entry = entry_of(number, batch[-1])
            while True:
                try:
                    await journal.append(key, [halted(seq, key) for seq in batch], entry)
                    break
                except JournalFullError:
                    await trio.sleep(0)
            acked[key] = batch[-1]
            if rng.random() < 0.2:
                with suppress(JournalFullError):
                    await journal.keep_state(key, KeptState(batch[-1], number, "d", bytes(300)))


def run(path: Path, vfs: str, rng: Random, appends: int = 6) -> tuple[Acknowledged, str | None]:
    """Fills a journal from all accounts at once: what was acknowledged, and the failure if any."""
    acked: Acknowledged = {}

    async def work() -> str | None:
        try:
            opened = open_journal(path, checkpoint_pages=CHECKPOINT_PAGES, vfs=vfs)
            async with opened as journal, trio.open_nursery() as nursery:
                for key in KEYS:
                    nursery.start_soon(fill, journal, key, Random(rng.random()), appends, acked)
        except (JournalError, AdapterError) as error:
            return str(error)
        return None

    return acked, trio.run(work)


def lost(path: Path, acked: Acknowledged) -> list[str]:
    """What a restart on this file finds missing or wrong, in words."""
    wrong = []
    store = Store(connect(path), 1000)
    try:
        for key, last in acked.items():
            bodies = store.read(key, 0, 10_000)
            if len(bodies) < last:
                wrong.append(f"{key}: {last} acknowledged, {len(bodies)} there")
            wanted = [Encoding.line(halted(seq, key))[:-1] for seq in range(1, len(bodies) + 1)]
            if bodies != wanted:
                wrong.append(f"{key}: other records than were appended")
            entries = store.entries(key, 0, 10_000)
            if [entry.number for entry in entries] != list(range(1, len(entries) + 1)):
                wrong.append(f"{key}: entries with a gap")
            lasts = [int(entry.body.partition(b".")[0]) for entry in entries]
            if entries != [entry_of(number, seq) for number, seq in enumerate(lasts, 1)]:
                wrong.append(f"{key}: other entries than were appended")
            if lasts[-1:] != [len(bodies)] * bool(bodies):
                wrong.append(f"{key}: an entry of another commit than its records")
            state = store.kept_state(key)
            if state is not None and state.seq > len(bodies):
                wrong.append(f"{key}: a state of a record that is not there")
    finally:
        store.close(sound=False)
    fault = verify(path).fault
    return wrong if fault is None else [*wrong, fault]
