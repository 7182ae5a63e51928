"""The records of a period that its figures are made of, found among all of an account's.

Records of one account are nearly in order of time: the clock of a tick and that of the engine may
differ a little, so it looks somewhat beyond both ends.
"""

from collections.abc import Awaitable, Callable, Sequence

from engine.domain import records
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.equity_history import EquityHistory, PeriodStatistics

PAGE = 500
MOST_RECORDS = 20_000
"""Read for one period; of a longer one, the latest."""
ASIDE_MSC = 60_000
"""How far a record's time may be out of order."""

Read = Callable[[int, int], Awaitable[Sequence[Record]]]
"""(after_seq, limit) -> durable records, in order."""
_COUNTED = (records.PositionClosed, records.PositionOpened, records.BalanceChanged)


async def statistics_of(
    history: EquityHistory, key: AccountKey, read: Read, last_seq: int, from_msc: int, to_msc: int
) -> PeriodStatistics:
    """The period in figures; one that ends before it begins is empty, at its end."""
    from_msc = min(from_msc, to_msc)
    durable, is_whole = await records_of_period(read, last_seq, from_msc, to_msc)
    return history.statistics(key, durable, from_msc, to_msc, is_whole=is_whole)


async def records_of_period(
    read: Read, last_seq: int, from_msc: int, to_msc: int
) -> tuple[list[Record], bool]:
    """(the period's records that count in its figures, whether all were looked at), in order.

    Costs one read of one record for each halving of `last_seq`, twice, and one for each `PAGE`.
    """
    first = await _before(read, last_seq, from_msc - ASIDE_MSC)
    last = await _before(read, last_seq, to_msc + ASIDE_MSC)
    after = max(first, last - MOST_RECORDS)
    is_whole = after == first
    found: list[Record] = []
    while after < last:
        page = await read(after, min(PAGE, last - after))
        if not page:
            break
        found += [one for one in page if isinstance(one, _COUNTED)]
        after = page[-1].seq
    return found, is_whole


async def _before(read: Read, last_seq: int, time_msc: int) -> int:
    """How many records are of before that time: the `seq` of the last of them, or 0."""
    low, high = 0, last_seq
    while low < high:
        middle = (low + high) // 2
        page = await read(middle, 1)
        if page and page[0].time_msc < time_msc:
            low = middle + 1
        else:
            high = middle
    return low
