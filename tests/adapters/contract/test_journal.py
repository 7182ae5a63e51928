"""Every journal keeps to one contract, whatever it is made of."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from adapters.memory.journal import MemoryJournal
from adapters.sqlite.chain import parse_head
from adapters.sqlite.journal import open_journal
from adapters.sqlite.verification import verify
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted
from engine.errors import JournalError
from engine.kept import Entry, KeptState
from engine.ports import Journal, StateStore

KEY = AccountKey("Demo-1", 1001)


class Kept(Journal, StateStore, Protocol):
    """Both ports, as every journal here has them."""


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """An empty journal of each kind."""
    if request.param == "memory":
        yield MemoryJournal()
    else:
        async with open_journal(tmp_path / "journal.db") as opened:
            yield opened


def halted(seq: int, key: AccountKey = KEY) -> AccountHalted:
    return AccountHalted(seq=seq, time_msc=seq, login=key.login, server=key.server, cause="x")


async def test_what_was_appended_is_read_in_order(journal: Kept) -> None:
    await journal.append(KEY, [halted(1), halted(2)])
    await journal.append(KEY, [halted(3)])
    assert [r.seq for r in await journal.read(KEY, 0, 100)] == [1, 2, 3]


async def test_a_pin_vouches_for_a_file_and_finds_another_made_in_its_place(
    tmp_path: Path,
) -> None:
    pins = []
    for name, cause in (("one.db", "x"), ("other.db", "y")):
        async with open_journal(tmp_path / name) as opened:
            await opened.append(KEY, [replace(halted(1), cause=cause)])
            pin = parse_head(await opened.pin() or "")
            assert pin is not None
            pins.append(pin)
            await opened.append(KEY, [halted(2)])
    assert verify(tmp_path / "one.db", [pins[0]]).fault is None
    assert verify(tmp_path / "other.db", [pins[0]]).fault is not None


async def test_what_outlives_no_program_has_no_pin() -> None:
    assert await MemoryJournal().pin() is None


async def test_reading_goes_on_after_a_seq_and_stops_at_a_limit(journal: Kept) -> None:
    await journal.append(KEY, [halted(seq) for seq in range(1, 6)])
    assert [r.seq for r in await journal.read(KEY, 2, 2)] == [3, 4]
    assert list(await journal.read(KEY, 5, 10)) == []


async def test_accounts_do_not_see_each_other(journal: Kept) -> None:
    other = AccountKey("Demo-2", 1001)
    await journal.append(KEY, [halted(1)])
    assert list(await journal.read(other, 0, 10)) == []
    await journal.append(other, [halted(1, other)])
    assert len(await journal.read(KEY, 0, 10)) == 1


@pytest.mark.parametrize("wrong", [[2], [1, 3], [1, 1]])
async def test_a_gap_or_a_repeat_is_refused_wholly(journal: Kept, wrong: list[int]) -> None:
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(seq) for seq in wrong])
    assert list(await journal.read(KEY, 0, 10)) == []


async def test_a_record_of_another_account_is_refused(journal: Kept) -> None:
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(1, AccountKey("Demo-2", 1001))])
    assert list(await journal.read(KEY, 0, 10)) == []


async def test_a_cancelled_append_is_all_or_nothing(
    journal: Kept, autojump_clock: MockClock
) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await journal.append(KEY, [halted(1), halted(2)])
    assert len(await journal.read(KEY, 0, 10)) in (0, 2)


async def test_after_a_refusal_the_journal_goes_on(journal: Kept) -> None:
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(7)])
    await journal.append(KEY, [halted(1)])
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(1)])
    await journal.append(KEY, [halted(2)])
    assert [r.seq for r in await journal.read(KEY, 0, 9)] == [1, 2]


async def test_nothing_to_append_is_nothing(journal: Kept) -> None:
    await journal.append(KEY, [])
    assert list(await journal.accounts()) == []
    assert await journal.last_seq(KEY) == 0


async def test_many_appends_at_once_are_each_kept_whole(journal: Kept) -> None:
    keys = [AccountKey("Demo-1", login) for login in range(1, 41)]

    async def fill(key: AccountKey) -> None:
        for first in (1, 4, 7):
            await journal.append(key, [halted(first + i, key) for i in range(3)])

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(fill, key)
    for key in keys:
        kept = await journal.read(key, 0, 100)
        assert kept == tuple(halted(seq, key) for seq in range(1, 10))


async def test_the_accounts_are_those_with_a_record_in_order(journal: Kept) -> None:
    keys = [AccountKey("B", 2), AccountKey("A", 10), AccountKey("A", 9)]
    for key in keys:
        await journal.append(key, [halted(1, key)])
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(2)])
    assert list(await journal.accounts()) == sorted(keys)
    assert await journal.last_seq(keys[0]) == 1
    assert await journal.last_seq(KEY) == 0


async def test_the_newest_state_is_the_one_that_is_kept(journal: Kept) -> None:
    assert await journal.kept_state(KEY) is None
    await journal.append(KEY, [halted(seq) for seq in range(1, 6)])
    assert await journal.kept_state(KEY) is None
    for seq in (1, 3, 5, 4):
        await journal.keep_state(KEY, KeptState(seq, 0, f"d{seq}", bytes([0, seq, 255])))
    assert await journal.kept_state(KEY) == KeptState(5, 0, "d5", bytes([0, 5, 255]))
    await journal.keep_state(KEY, KeptState(5, 0, "again", b""))
    assert await journal.kept_state(KEY) == KeptState(5, 0, "again", b"")


@pytest.mark.parametrize("seq", [0, 3, -1])
async def test_a_state_of_a_record_that_is_not_durable_is_refused(journal: Kept, seq: int) -> None:
    await journal.append(KEY, [halted(1), halted(2)])
    with pytest.raises(JournalError):
        await journal.keep_state(KEY, KeptState(seq, 0, "d", b"s"))
    assert await journal.kept_state(KEY) is None


def entry(number: int) -> Entry:
    return Entry(number, bytes([0, number, 255]) * 100, f"d{number}")


async def test_entries_are_kept_with_the_records_they_led_to_or_without_any(journal: Kept) -> None:
    await journal.append(KEY, [halted(1)], entry(1))
    await journal.append(KEY, [], entry(2))
    await journal.append(KEY, [halted(2), halted(3)])
    await journal.append(KEY, [halted(4)], entry(3))
    assert list(await journal.entries(KEY, 0, 10)) == [entry(1), entry(2), entry(3)]
    assert list(await journal.entries(KEY, 1, 1)) == [entry(2)]
    assert (await journal.last_entry(KEY), await journal.last_seq(KEY)) == (3, 4)
    assert await journal.last_entry(AccountKey("Demo-1", 9)) == 0


@pytest.mark.parametrize("number", [0, 1, 3])
async def test_an_entry_out_of_line_keeps_nothing_of_its_append(journal: Kept, number: int) -> None:
    await journal.append(KEY, [halted(1)], entry(1))
    with pytest.raises(JournalError):
        await journal.append(KEY, [halted(2)], entry(number))
    assert (await journal.last_entry(KEY), await journal.last_seq(KEY)) == (1, 1)


async def test_an_account_with_only_entries_is_an_account(journal: Kept) -> None:
    await journal.append(KEY, [], entry(1))
    assert list(await journal.accounts()) == [KEY]
    await journal.keep_state(KEY, KeptState(0, 1, "d", b"s"))
    assert await journal.kept_state(KEY) == KeptState(0, 1, "d", b"s")
    with pytest.raises(JournalError):
        await journal.keep_state(KEY, KeptState(0, 2, "d", b"s"))


async def test_states_of_one_record_are_told_apart_by_their_entries(journal: Kept) -> None:
    await journal.append(KEY, [halted(1)], entry(1))
    for number in (2, 3, 4):
        await journal.append(KEY, [], entry(number))
    for number in (2, 4, 3):
        await journal.keep_state(KEY, KeptState(1, number, f"d{number}", bytes([number])))
    assert await journal.kept_state(KEY) == KeptState(1, 4, "d4", b"\x04")


async def test_a_long_entry_is_kept_as_it_is(journal: Kept) -> None:
    long = Entry(1, bytes(range(256)) * 800, "d")
    await journal.append(KEY, [halted(1)], long)
    assert list(await journal.entries(KEY, 0, 1)) == [long]


async def test_entries_of_many_accounts_at_once_are_each_kept_in_order(journal: Kept) -> None:
    keys = [AccountKey("Demo-1", login) for login in range(1, 31)]

    async def fill(key: AccountKey) -> None:
        for number in range(1, 6):
            await journal.append(key, [halted(number, key)] * (number < 4), entry(number))

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(fill, key)
    for key in keys:
        assert list(await journal.entries(key, 0, 9)) == [entry(number) for number in range(1, 6)]
        assert await journal.last_seq(key) == 3
