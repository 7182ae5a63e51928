"""A program to be killed: for each path on its input a fork appends there until kill -9.

It prints the pid, then `LOGIN SEQ` for every append that was acknowledged, and `gone` when the
fork has ended. One program for all kills: starting an interpreter takes longer than a kill.
"""

import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import trio

from adapters.sqlite.journal import SqliteJournal, open_journal
from engine.domain.ids import AccountKey
from tests.adapters.sqlite.workload import CHECKPOINT_PAGES, KEYS, batches, entry_of, halted


async def fill_on(journal: SqliteJournal, key: AccountKey, rng: Random) -> None:
    number = await journal.last_entry(key)
    for batch in batches(rng, await journal.last_seq(key) + 1, 10**9):
        number += 1
        records = [halted(seq, key) for seq in batch]
        await journal.append(key, records, entry_of(number, batch[-1]))
        os.write(1, b"%d %d\n" % (key.login, batch[-1]))


async def fill_all(path: Path, rng: Random) -> None:
    opened = open_journal(path, checkpoint_pages=CHECKPOINT_PAGES)
    async with opened as journal, trio.open_nursery() as nursery:
        for key in KEYS:
            nursery.start_soon(fill_on, journal, key, rng)


def main() -> None:
    for number in count():
        path = sys.stdin.readline().strip()
        if not path:
            return
        child = os.fork()
        if child == 0:
            with suppress(KeyboardInterrupt):
                trio.run(fill_all, Path(path), Random(number))
            os._exit(1)
        os.write(1, b"pid %d\n" % child)
        os.waitpid(child, 0)
        os.write(1, b"gone\n")


if __name__ == "__main__":
    main()
