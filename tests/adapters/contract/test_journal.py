"""Every journal keeps to one contract, whatever it is made of."""

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock

from adapters.memory.journal import MemoryJournal
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted
from engine.errors import JournalError
from engine.ports import Journal

JOURNALS: dict[str, Callable[[], Journal]] = {"memory": MemoryJournal}
"""How to open an empty one of each kind."""

KEY = AccountKey("Demo-1", 1001)


@pytest.fixture(params=sorted(JOURNALS))
def journal(request: pytest.FixtureRequest) -> Journal:
    """An empty journal of each kind."""
    return JOURNALS[request.param]()


def halted(seq: int, key: AccountKey = KEY) -> AccountHalted:
    return AccountHalted(seq=seq, time_msc=seq, login=key.login, server=key.server, cause="x")


async def test_what_was_appended_is_read_in_order(journal: Journal) -> None:
    await journal.append(KEY, [halted(1), halted(2)])
    await journal.append(KEY, [halted(3)])
    assert [r.seq for r in await journal.read(KEY, 0, 100)] == [1, 2, 3]


async def test_reading_goes_on_after_a_seq_and_stops_at_a_limit(journal: Journal) -> None:
    await journal.append(KEY, [halted(seq) for seq in range(1, 6)])
    assert [r.seq for r in await journal.read(KEY, 2, 2)] == [3, 4]
    assert list(await journal.read(KEY, 5, 10)) == []


async def test_accounts_do_not_see_each_other(journal: Journal) -> None:
    other = AccountKey("Demo-2", 1001)
    await journal.append(KEY, [halted(1)])
    assert list(await journal.read(other, 0, 10)) == []
    await journal.append(other, [halted(1, other)])
    assert len(await journal.read(KEY, 0, 10)) == 1


@pytest.mark.parametrize("wrong", [[2], [1, 3], [1, 1]])
async def test_a_gap_or_a_repeat_is_refused_wholly(journal: Journal, wrong: list[int]) -> None:
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(seq) for seq in wrong])
    assert list(await journal.read(KEY, 0, 10)) == []


async def test_a_record_of_another_account_is_refused(journal: Journal) -> None:
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(1, AccountKey("Demo-2", 1001))])
    assert list(await journal.read(KEY, 0, 10)) == []


async def test_a_cancelled_append_is_all_or_nothing(
    journal: Journal, autojump_clock: MockClock
) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await journal.append(KEY, [halted(1), halted(2)])
    assert len(await journal.read(KEY, 0, 10)) in (0, 2)
