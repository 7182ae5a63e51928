"""Finding the records of a period without reading all of them."""

from collections.abc import Sequence
from typing import Any

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import records
from engine.domain.records import Record
from engine.equity_records import ASIDE_MSC, MOST_RECORDS, records_of_period


def moved(seq: int, time_msc: int) -> Record:
    common: dict[str, Any] = {"seq": seq, "time_msc": time_msc, "login": 1, "server": "Demo-1"}
    if seq % 3 == 0:
        return records.AccountReleased(**common, by="shell:ann", cause="floor", reason="")
    return records.BalanceChanged(**common, amount=1.0, balance=1.0, credit=0.0, kind="deposit")


class Shelf:
    """A journal of one account that counts what is read of it."""

    def __init__(self, kept: Sequence[Record]) -> None:
        self.kept = kept
        self.read_records = 0

    async def read(self, after_seq: int, limit: int) -> Sequence[Record]:
        await trio.lowlevel.checkpoint()
        page = self.kept[after_seq : after_seq + limit]
        self.read_records += len(page)
        return page


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(0, 10**7), max_size=80),
    aside=st.lists(st.integers(-ASIDE_MSC // 2, ASIDE_MSC // 2), min_size=80, max_size=80),
    span=st.tuples(st.integers(-(10**6), 10**7), st.integers(0, 10**7)),
)
def test_every_record_of_the_period_that_counts_is_found(
    times: list[int], aside: list[int], span: tuple[int, int]
) -> None:
    at = zip(sorted(times), aside, strict=False)
    kept = [moved(seq, time + off) for seq, (time, off) in enumerate(at, 1)]
    from_msc, to_msc = span[0], span[0] + span[1]
    shelf = Shelf(kept)

    async def find() -> tuple[list[Record], bool]:
        return await records_of_period(shelf.read, len(kept), from_msc, to_msc)

    found, is_whole = trio.run(find)
    wanted = [
        one
        for one in kept
        if from_msc <= one.time_msc < to_msc and isinstance(one, records.BalanceChanged)
    ]
    assert is_whole
    assert [one for one in found if from_msc <= one.time_msc < to_msc] == wanted


async def test_a_short_period_of_a_long_life_reads_little() -> None:
    shelf = Shelf([moved(seq, seq * 60_000) for seq in range(1, 50_001)])
    found, is_whole = await records_of_period(shelf.read, 50_000, 2_400_000_000, 2_400_600_000)
    assert is_whole
    assert found
    assert shelf.read_records < 100


async def test_of_too_long_a_period_the_latest_are_read_and_that_is_said() -> None:
    shelf = Shelf([moved(seq, seq) for seq in range(1, MOST_RECORDS + 102)])
    found, is_whole = await records_of_period(shelf.read, len(shelf.kept), 0, 10**9)
    assert not is_whole
    assert found[-1].seq == MOST_RECORDS + 101
    assert shelf.read_records <= MOST_RECORDS + 64
