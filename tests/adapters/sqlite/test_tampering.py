"""Whatever is done to kept rows shows: edited, deleted, swapped, put in, cut off at the end."""

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any, Protocol

import apsw
import pytest

from adapters.sqlite.chain import Head, parse_head, row_hash
from adapters.sqlite.journal import open_journal
from adapters.sqlite.schema import connect
from adapters.sqlite.store import Addition, Store
from adapters.sqlite.verification import export, verify
from engine.domain.ids import AccountKey
from engine.domain.records import Encoding
from engine.errors import AdapterError
from engine.kept import Entry
from tests.adapters.sqlite.workload import KEYS, batches, halted
from tests.conftest import SOAK

TAMPERINGS = 100 * max(SOAK, 1)
ROWS = 60
ENTRIES = 0.7
"""Share of the appends that have an entry, where entries are tampered with."""

Row = list[Any]
"""number, account_id, seq, body, hash"""


class Change(Protocol):
    """One way of tampering with rows."""

    __name__: str

    def __call__(self, rows: list[Row], rng: Random) -> list[Row]:
        """The rows as they are left."""


def filled(path: Path, entries: float = 0.0) -> Head:
    """A journal of some accounts with ROWS rows, and its head; entries with a share of appends."""
    store = Store(connect(path), 1000)
    rng, last = Random(7), dict.fromkeys(KEYS, 0)
    while store.head.number < ROWS:
        key = rng.choice(KEYS)
        batch = next(batches(rng, last[key] + 1, 1))
        bodies = [Encoding.line(halted(seq, key))[:-1] for seq in batch]
        number = store.last_entry(key) + 1
        entry = Entry(number, b"input %d" % rng.randrange(10**9), f"digest {number}")
        addition = Addition(key, batch[0], bodies, entry if rng.random() < entries else None)
        assert store.append([addition]) == [None]
        last[key] = batch[-1]
    head = store.head
    store.close(sound=True)
    return head


def rewrite(path: Path, change: Callable[[list[Row]], Sequence[Row]]) -> None:
    """Does to the rows what somebody with the file and a SQLite shell can do."""
    connection = apsw.Connection(str(path))
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        connection.execute(f"DROP TRIGGER {name}")
    rows = [list(row) for row in connection.execute("SELECT * FROM event ORDER BY number")]
    changed = change(rows)
    with connection:
        connection.execute("DELETE FROM event")
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", changed)
    connection.close()


def edit(rows: list[Row], rng: Random) -> list[Row]:
    row = rng.choice(rows)
    body = row[3]
    row[3] = body.replace(b'"time_msc":', b'"time_msc":1')
    return rows


def edit_seq(rows: list[Row], rng: Random) -> list[Row]:
    rng.choice(rows)[2] = 999
    return rows


def edit_account(rows: list[Row], rng: Random) -> list[Row]:
    last: dict[object, Row] = {row[1]: row for row in rows}
    row = rng.choice(list(last.values()))
    row[1], row[2] = 1 + row[1] % len(KEYS), 900
    return rows


def delete(rows: list[Row], rng: Random) -> list[Row]:
    del rows[rng.randrange(len(rows))]
    return rows


def delete_and_number_anew(rows: list[Row], rng: Random) -> list[Row]:
    return [[number, *row[1:]] for number, row in enumerate(delete(rows, rng), 1)]


def swap(rows: list[Row], rng: Random) -> list[Row]:
    one, other = rng.sample(rows, 2)
    one[0], other[0] = other[0], one[0]
    return rows


def swap_bodies(rows: list[Row], rng: Random) -> list[Row]:
    one, other = rng.sample(rows, 2)
    one[3], other[3] = other[3], one[3]
    return rows


def truncate(rows: list[Row], rng: Random) -> list[Row]:
    return rows[: rng.randrange(len(rows))]


def put_in(rows: list[Row], rng: Random) -> list[Row]:
    last = rows[-1]
    seq = 1 + max(row[2] for row in rows if row[1] == last[1])
    return [*rows, [len(rows) + 1, last[1], seq, last[3], rng.randbytes(32)]]


KINDS: tuple[Change, ...] = (
    edit,
    edit_seq,
    edit_account,
    delete,
    delete_and_number_anew,
    swap,
    swap_bodies,
    truncate,
    put_in,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Head]:
    """The content of a whole journal, and its head."""
    path = tmp_path_factory.mktemp("sound") / "journal.db"
    head = filled(path)
    found = verify(path, [head])
    assert (found.fault, found.records, found.accounts) == (None, head.number, len(KEYS))
    assert parse_head(found.head) == head
    return path.read_bytes(), head


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_tampering_is_always_found(kind: Change, sound: tuple[bytes, Head], tmp_path: Path) -> None:
    path, rng = tmp_path / "journal.db", Random(kind.__name__ if not SOAK else None)
    for _ in range(-(-TAMPERINGS // len(KINDS))):
        path.write_bytes(sound[0])
        rewrite(path, lambda rows: kind(rows, rng))
        fault = verify(path).fault
        assert fault is not None
        assert "row" in fault


def test_rows_left_as_they_are_are_whole(sound: tuple[bytes, Head], tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(sound[0])
    rewrite(path, lambda rows: rows)
    assert verify(path, [sound[1]]).fault is None


def test_the_first_bad_row_is_named(sound: tuple[bytes, Head], tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(sound[0])

    def change(rows: list[Row]) -> list[Row]:
        rows[16][3] = rows[30][3] = b"{}"
        return rows

    rewrite(path, change)
    found = verify(path)
    assert found.fault is not None
    assert found.fault.startswith("row 17 (Demo-1/")
    assert found.records == 16
    assert found.head.startswith("16:")


def computed_anew(rows: list[Row], keys: dict[object, AccountKey]) -> list[Row]:
    """The chain of somebody who knows how it is made."""
    before = bytes(32)
    for row in rows:
        body, seq = row[3], row[2]
        row[4] = before = row_hash(before, keys[row[1]], seq, body)
    return rows


@pytest.mark.parametrize("kept", [ROWS, 20])
def test_a_chain_made_anew_is_found_by_a_head_kept_elsewhere(
    sound: tuple[bytes, Head], tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(sound[0])
    connection = apsw.Connection(str(path))
    keys: dict[object, AccountKey] = {
        number: AccountKey(str(server), int(str(login)))
        for number, server, login in connection.execute("SELECT * FROM account")
    }
    connection.close()
    made: list[Row] = []

    def change(rows: list[Row]) -> list[Row]:
        made[:] = computed_anew(edit(rows[:kept], Random(8)), keys)
        return made

    rewrite(path, change)
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE head SET number = ?, hash = ?", (len(made), made[-1][4]))
    connection.close()
    assert verify(path).fault is None, "nothing in the file itself can show this"
    assert verify(path, [sound[1]]).fault is not None


def test_a_damaged_page_is_found_and_export_says_so(
    sound: tuple[bytes, Head], tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    content = bytearray(sound[0])
    place = content.index(b'"seq":5,')
    page = place // 4096 * 4096
    content[page : page + 4096] = bytes(4096)
    path.write_bytes(content)
    assert verify(path).fault is not None
    with pytest.raises(AdapterError, match="cannot be read"):
        export(path, BytesIO())


async def test_what_is_exported_is_what_was_kept_in_order(tmp_path: Path) -> None:
    path, out = tmp_path / "journal.db", BytesIO()
    async with open_journal(path) as journal:
        await journal.append(KEYS[1], [halted(1, KEYS[1]), halted(2, KEYS[1])])
        await journal.append(KEYS[0], [halted(1)])
        await journal.append(KEYS[1], [halted(3, KEYS[1])])
        assert export(path, out) == 4, "an engine may be running on it"
    wanted = [halted(1, KEYS[1]), halted(2, KEYS[1]), halted(1), halted(3, KEYS[1])]
    assert out.getvalue() == b"".join(Encoding.line(record) for record in wanted)


@pytest.mark.parametrize("text", ["", "12", "12:zz", "-1:" + "0" * 64, "1:" + "0" * 63])
def test_what_is_no_head_is_no_head(text: str) -> None:
    assert parse_head(text) is None


def edit_entry(rows: list[Row], rng: Random) -> list[Row]:
    rng.choice(rows)[4] += b"!"
    return rows


def edit_state_digest(rows: list[Row], rng: Random) -> list[Row]:
    rng.choice(rows)[3] += "!"
    return rows


def delete_entry(rows: list[Row], rng: Random) -> list[Row]:
    del rows[rng.randrange(len(rows))]
    return rows


def swap_entries(rows: list[Row], rng: Random) -> list[Row]:
    one, other = rng.sample(range(len(rows)), 2)
    rows[one][4], rows[other][4] = rows[other][4], rows[one][4]
    return rows


def cut_off_entries(rows: list[Row], rng: Random) -> list[Row]:
    return rows[: rng.randrange(len(rows))]


ENTRY_KINDS: tuple[Change, ...] = (
    edit_entry,
    edit_state_digest,
    delete_entry,
    swap_entries,
    cut_off_entries,
)


def rewrite_entries(path: Path, change: Callable[[list[Row]], Sequence[Row]]) -> None:
    """As `rewrite`, of entries."""
    connection = apsw.Connection(str(path))
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        connection.execute(f"DROP TRIGGER {name}")
    rows = [list(row) for row in connection.execute("SELECT * FROM entry ORDER BY number")]
    with connection:
        connection.execute("DELETE FROM entry")
        connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", change(rows))
    connection.close()


@pytest.mark.parametrize("change", ENTRY_KINDS, ids=lambda kind: kind.__name__)
def test_whatever_is_done_to_entries_shows(change: Change, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    filled(path, ENTRIES)
    whole = verify(path)
    assert whole.fault is None, "the control: untouched, the chain holds"
    assert whole.entries > 10
    for seed in range(max(TAMPERINGS // 10, 5)):
        copy = tmp_path / f"{seed}.db"
        copy.write_bytes(path.read_bytes())
        rewrite_entries(copy, partial(change, rng=Random(seed)))
        assert verify(copy).fault is not None, seed
        copy.unlink()
