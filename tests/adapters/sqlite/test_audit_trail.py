from pathlib import Path
from random import Random

import anyio
import apsw
import pytest
import trio

from adapters.memory.audit import MemoryAuditTrail
from adapters.sqlite.audit import open_audit, verify_audit
from engine.audit import (
    DETAIL_CHARACTERS,
    EMPTY,
    FIELD_CHARACTERS,
    AuditEntry,
    AuditHead,
    AuditRow,
    AuditTrail,
    Kind,
    bounded,
    first_fault,
    parse_head,
    row_hash,
)
from engine.errors import AdapterError, UserError


def entry(number: int, **more: str) -> AuditEntry:
    kind: Kind = "approval" if number % 5 == 0 else "command"
    return AuditEntry(
        time_msc=number, by="api:ann", asked=f"halt {number}", outcome="taken", kind=kind, **more
    )


async def filled(trail: AuditTrail, count: int) -> AuditHead:
    for number in range(1, count + 1):
        assert await trail.append(entry(number)) == number
    return await trail.head()


async def test_both_trails_keep_the_same_rows(tmp_path: Path) -> None:
    memory = MemoryAuditTrail()
    assert await memory.head() == EMPTY
    async with open_audit(tmp_path / "audit.db") as trail:
        assert await trail.head() == EMPTY
        for one in (memory, trail):
            head = await filled(one, 12)
            assert [number for number, _ in await one.read(2, 3)] == [3, 4, 5]
            assert [number for number, _ in await one.read(0, 9, "approval")] == [5, 10]
            assert (await one.read(11, 9))[0][1] == entry(12)
        assert head == await memory.head()
    assert verify_audit(tmp_path / "audit.db") == head
    async with open_audit(tmp_path / "audit.db") as trail:
        assert await trail.head() == head
        assert await trail.append(entry(13)) == 13
    assert (tmp_path / "audit.db").stat().st_mode & 0o077 == 0


async def test_what_is_kept_is_on_the_disk_before_it_is_answered(tmp_path: Path) -> None:
    full = 2
    async with open_audit(tmp_path / "audit.db") as trail:
        assert trail._connection.pragma("synchronous") == full
        assert trail._connection.pragma("journal_mode") == "wal"


async def test_many_at_once_are_all_kept_in_one_chain(tmp_path: Path) -> None:
    numbers: list[int] = []

    async def append(trail: AuditTrail, number: int) -> None:
        numbers.append(await trail.append(entry(number)))

    async with open_audit(tmp_path / "audit.db", waiting_max=700) as trail:
        async with trio.open_nursery() as nursery:
            for number in range(1500):
                nursery.start_soon(append, trail, number)
        head = await trail.head()
    assert sorted(numbers) == list(range(1, 1501))
    assert verify_audit(tmp_path / "audit.db", head) == head


async def test_a_thousand_changes_are_all_seen() -> None:
    trail, random = MemoryAuditTrail(), Random(7)
    head = await filled(trail, 40)
    assert first_fault(trail.rows, head) == head
    kinds = dict.fromkeys(("edit", "delete", "swap", "truncate", "insert", "recompute"), 0)
    for number in range(1000):
        rows = list(trail.rows)
        what = list(kinds)[number % len(kinds)]
        at = random.randrange(len(rows))
        row = rows[at]
        if what == "edit":
            place = random.randrange(len(row.body))
            body = bytearray(row.body)
            body[place] ^= 1 << random.randrange(8)
            rows[at] = row._replace(body=bytes(body))
        elif what == "delete":
            del rows[at]
        elif what == "swap":
            other = (at + 1 + random.randrange(len(rows) - 1)) % len(rows)
            rows[at], rows[other] = rows[other], rows[at]
            if random.random() < 0.5:  # and numbered in order again
                rows = [one._replace(number=n) for n, one in enumerate(rows, 1)]
        elif what == "truncate":
            del rows[at:]
        elif what == "insert":
            rows.insert(at, row._replace(body=row.body.replace(b"ann", b"bob")))
        else:
            rows = recomputed(rows, at)
        kinds[what] += 1
        assert isinstance(first_fault(rows, head), str), what
    assert min(kinds.values()) > 100


def recomputed(rows: list[AuditRow], at: int) -> list[AuditRow]:
    """With one row changed and a sound chain after it: only a head kept elsewhere shows it."""
    before = rows[at - 1].hash if at else EMPTY.hash
    made = rows[:at]
    for row in rows[at:]:
        body = row.body.replace(b"ann", b"eve") if row.number == at + 1 else row.body
        before = row_hash(before, row.number, row.kind, body)
        made.append(row._replace(body=body, hash=before))
    assert isinstance(first_fault(made), AuditHead)
    return made


async def test_changes_in_the_file_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with open_audit(path) as trail:
        head = await filled(trail, 9)
    for change, words in (
        ("UPDATE audit SET kind = 'denied' WHERE number = 4", "row 4 is not as it was"),
        (
            "UPDATE audit SET body = CAST(replace(body, 'ann', 'bob') AS BLOB) WHERE number = 5",
            "row 5",
        ),
        ("DELETE FROM audit WHERE number = 3", "row 4 where 3 should follow"),
        ("DELETE FROM audit WHERE number > 7", "a head kept elsewhere is of row 9"),
    ):
        copy = tmp_path / "copy.db"
        copy.write_bytes(path.read_bytes())
        connection = apsw.Connection(str(copy))
        connection.execute(change)
        connection.close()
        found = verify_audit(copy, head)
        assert isinstance(found, str)
        assert words in found


async def test_two_writers_make_one_chain_and_decide_nothing_twice(tmp_path: Path) -> None:
    path, won = tmp_path / "audit.db", list[int]()

    async def write(trail: AuditTrail) -> None:
        for number in range(1, 40):
            await trail.append(entry(1))
            last = (await trail.read(0, 1000, "approval"))[-1:]
            seen = last[0][0] if last else 0
            if await trail.append_after(entry(5), seen) is not None:
                won.append(number)

    async with open_audit(path) as one, open_audit(path) as two:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write, one)
            nursery.start_soon(write, two)
        head = await one.head()
        assert head == await two.head()
        assert head.number == 78 + len(won)
        newest = (await one.read(0, 1000, "approval"))[-1][0]
        assert await two.append_after(entry(5), newest - 1) is None
        assert await two.append_after(entry(5), newest) == head.number + 1
    found = verify_audit(path, head)
    assert isinstance(found, AuditHead)
    assert found.number == head.number + 1


def test_it_works_under_asyncio_too(tmp_path: Path) -> None:
    async def keep() -> AuditHead:
        async with open_audit(tmp_path / "audit.db") as trail:
            return await filled(trail, 3)

    assert anyio.run(keep, backend="asyncio").number == 3


async def test_a_trail_is_told_from_other_files(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = apsw.Connection(str(other))
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    for path in (other, tmp_path / "none.db"):
        with pytest.raises(UserError):
            verify_audit(path)
    with pytest.raises(UserError, match="no audit trail"):
        async with open_audit(other):
            pass


async def test_after_an_error_of_the_disk_nothing_more_is_kept(tmp_path: Path) -> None:
    async with open_audit(tmp_path / "audit.db") as trail:
        await trail.append(entry(1))
        trail._connection.execute("DROP TABLE audit")
        for _ in range(2):
            with pytest.raises(AdapterError):
                await trail.append(entry(2))
        assert trail.failure is not None


async def test_fields_are_bounded_and_print_on_one_line() -> None:
    trail = MemoryAuditTrail()
    await trail.append(entry(1, reason="a\nb\x1b[31m\u202ec", origin="x" * 9999))
    kept = (await trail.read(0, 1))[0][1]
    assert kept.reason == "a\\x0ab\\x1b[31m\\x202ec"
    assert len(kept.origin) == FIELD_CHARACTERS
    assert bounded("\ud800") == "\\xd800"
    with pytest.raises(ValueError, match="detail"):
        await trail.append(entry(2, detail="x" * (DETAIL_CHARACTERS + 1)))
    assert (await trail.head()).number == 1


async def test_a_head_is_read_back_as_it_was_written() -> None:
    trail = MemoryAuditTrail()
    head = await filled(trail, 3)
    assert parse_head(str(head)) == head
    for text in ("", "3", f"{head}0", str(head).replace("3:", "x:")):
        assert parse_head(text) is None
