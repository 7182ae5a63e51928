"""Reads for those outside: one at a time, in pieces, and nothing is left out."""

from collections.abc import Sequence

import trio

from adapters.memory.journal import MemoryJournal
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted, Record
from engine.outside_reads import PIECE, OutsideReads

KEY = AccountKey("Demo-1", 1)


class Counting(MemoryJournal):
    """Notes how much is asked for, and by how many at once."""

    def __init__(self) -> None:
        super().__init__()
        self.limits: list[int] = []
        self.reading = self.most = 0

    async def read(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        self.limits.append(limit)
        self.reading += 1
        self.most = max(self.most, self.reading)
        await trio.lowlevel.checkpoint()
        found = await super().read(key, after_seq, limit)
        self.reading -= 1
        return found


async def counting(records: int) -> Counting:
    journal = Counting()
    made = [
        AccountHalted(seq=seq, time_msc=0, login=1, server="Demo-1", cause="x")
        for seq in range(1, records + 1)
    ]
    await journal.append(KEY, made)
    return journal


async def test_a_long_read_is_made_of_pieces_and_is_whole() -> None:
    journal = await counting(3 * PIECE + 5)
    reads = OutsideReads(journal)
    for after, limit in ((0, 10_000), (7, 2 * PIECE), (0, PIECE), (3 * PIECE, 9), (9999, 5)):
        found = await reads.read(KEY, after, limit)
        last = min(3 * PIECE + 5, after + limit)
        assert [one.seq for one in found] == list(range(after + 1, last + 1))
    assert max(journal.limits) == PIECE
    assert [one.seq for one in await reads.of(KEY)(2, 2)] == [3, 4]


async def test_however_many_read_one_does_at_a_time() -> None:
    journal = await counting(PIECE)
    reads = OutsideReads(journal)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(reads.read, KEY, 0, PIECE)
    assert journal.most == 1
    assert len(journal.limits) == 20
