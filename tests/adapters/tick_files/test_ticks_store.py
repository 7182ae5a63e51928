"""Our own store: views of the file, exact round trips, and no damage that goes unseen."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.tick_files.convert import convert, digits_in, write_ticks
from adapters.tick_files.front import open_ticks
from adapters.tick_files.store import StoreHeader, header_of, write_store
from engine.errors import UserError
from tests.adapters.tick_files.ticks_on_disk import real, ticks_of

N = 50


def store(folder: Path, rows: int = N) -> Path:
    path = folder / "X.ticks"
    times = np.arange(rows, dtype=np.int64) // 2 + 1_700_000_000_000
    bids = 1.0 + np.arange(rows) / 1e5
    write_store(path, StoreHeader(symbol="X", digits=5), times, bids, bids + 1e-5)
    return path


def test_a_store_is_mapped_and_given_out_without_a_copy(tmp_path: Path) -> None:
    stream = open_ticks([("X", [store(tmp_path)])])
    batches = list(stream.batches(20))
    assert [len(batch) for batch in batches] == [20, 20, 10]
    assert batches[0].time_msc.base is not None
    starts = [batch.bid.__array_interface__["data"][0] for batch in batches]
    assert starts[1] - starts[0] == 20 * 8  # one piece of memory, sliced
    assert batches[0].bid.flags.aligned
    (quality,) = stream.quality()
    assert (quality.format, quality.rows, quality.invalid_rows) == ("store", N, 0)


def test_the_sha256_of_a_store_is_that_of_the_file(tmp_path: Path) -> None:
    path = store(tmp_path)
    assert open_ticks([("X", [path])]).quality()[0].sha256 == (
        hashlib.sha256(path.read_bytes()).hexdigest()
    )


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert store(tmp_path).read_bytes() == store(tmp_path / "a").read_bytes()


def test_a_packed_store_is_read_too(tmp_path: Path) -> None:
    packed = tmp_path / "X.ticks.gz"
    packed.write_bytes(gzip.compress(store(tmp_path).read_bytes()))
    assert ticks_of(("X", [packed]))[0] == ticks_of(("X", [tmp_path / "X.ticks"]))[0]
    assert header_of(packed) == header_of(tmp_path / "X.ticks")


def test_a_store_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path)
    whole = path.read_bytes()
    for size in [*range(1, 40), *range(40, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(UserError):
            open_ticks([("X", [path])])
    path.write_bytes(whole + b"\0" * 24)
    with pytest.raises(UserError, match="grown"):
        open_ticks([("X", [path])])
    path.write_bytes(whole)  # the control
    assert len(ticks_of(("X", [path]))[0]) == N


def test_a_store_with_any_byte_changed_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path)
    whole = path.read_bytes()
    for at in range(0, len(whole), 11):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(UserError):
            open_ticks([("X", [path])])


def test_the_refusal_of_a_cut_store_names_file_and_row(tmp_path: Path) -> None:
    path = store(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cut short") as refused:
        open_ticks([("X", [path])])
    assert f"{path}, row " in str(refused.value.place)


def test_rows_of_a_store_that_may_not_be_valued_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "X.ticks"
    times = np.array([1, 2, 1, 3, 4], np.int64)
    bids = np.array([1.0, 1.2, 1.0, np.nan, 2.0])
    write_store(path, StoreHeader(symbol="X", digits=1), times, bids, np.full(5, 1.5))
    with pytest.raises(UserError, match="3 of 5 rows are bad"):
        open_ticks([("X", [path])])
    write_store(path, StoreHeader(symbol="X", digits=1), times[:3], bids[:3], np.full(3, 2.5))
    ticks, (quality,) = ticks_of(("X", [path]))
    assert [tick[1] for tick in ticks] == [1, 2]
    assert quality.first_invalid is not None
    assert quality.first_invalid.startswith("row 3: out of order")


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path)
    before = path.read_bytes()

    def full(_: object, __: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(UserError, match="No space left"):
        store(tmp_path, 60)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["X.ticks"]


def test_a_store_cannot_be_written_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        store(tmp_path / "nowhere")


points = st.lists(
    st.tuples(st.integers(0, 5_000), st.integers(1, 10**7), st.integers(0, 300)), max_size=40
)


@given(points, st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_store_and_tsv_turn_into_each_other_and_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int]], digits: int
) -> None:
    folder = tmp_path_factory.mktemp("round")
    scale = 10.0**digits
    times = np.cumsum([step for step, _, _ in rows], dtype=np.int64) + 1_700_000_000_000
    bids = np.array([bid / scale for _, bid, _ in rows])
    asks = np.array([(bid + spread) / scale for _, bid, spread in rows])
    first, text, back = folder / "a.ticks", folder / "b.tsv", folder / "c.ticks"
    write_ticks(first, "store", "X", digits, times, bids, asks)
    convert([first], text, symbol="X", to="mt5-tsv")
    done = convert([text], back, symbol="X", digits=digits)
    assert done.rows == len(rows)
    assert ticks_of(("X", [text]))[0] == ticks_of(("X", [first]))[0]
    assert ticks_of(("X", [back]))[0] == ticks_of(("X", [first]))[0]
    again = folder / "d.tsv"
    convert([back], again, symbol="X", to="mt5-tsv")
    assert again.read_bytes() == text.read_bytes()


def test_a_real_day_survives_store_and_tsv_to_the_bit(tmp_path: Path) -> None:
    (lean,) = real("lean_xauusd_oanda_tick")[2:3]
    kept, text = tmp_path / "x.ticks", tmp_path / "x.tsv"
    done = convert([lean], kept, symbol="XAUUSD")
    assert (done.rows, done.digits, done.invalid_rows) == (9_889, 3, 0)
    convert([kept], text, symbol="XAUUSD", to="mt5-tsv")
    expected = ticks_of(("XAUUSD", [lean]))[0]
    assert ticks_of(("XAUUSD", [kept]))[0] == expected
    assert ticks_of(("XAUUSD", [text]))[0] == expected
    header = header_of(kept)
    assert header is not None
    assert header.sources == (open_ticks([("X", [lean])]).quality()[0].sha256,)


def test_a_conversion_that_would_lose_digits_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path)
    with pytest.raises(UserError, match="more than 3 digits"):
        convert([path], tmp_path / "x.tsv", symbol="X", to="mt5-tsv", digits=3)
    assert not (tmp_path / "x.tsv").exists()
    with pytest.raises(UserError, match="cannot convert to `parquet`"):
        convert([path], tmp_path / "x", symbol="X", to="parquet")


def test_a_store_of_very_many_files_keeps_one_digest_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = store(tmp_path), tmp_path / "out.ticks"
    convert([path], out, symbol="X")
    header = header_of(out)
    assert header is not None
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    assert header.sources == (own,)
    monkeypatch.setattr("adapters.tick_files.convert.SOURCES_MOST", 0)
    convert([path], out, symbol="X")
    header = header_of(out)
    assert header is not None
    assert header.sources == (hashlib.sha256(own.encode()).hexdigest(),)


def test_the_digits_of_prices_are_the_fewest_that_hold_them() -> None:
    assert digits_in(np.array([1.0, 150.0]), np.array([2.0, 151.0])) == 0
    assert digits_in(np.array([1.08654]), np.array([1.1])) == 5
    assert digits_in(np.array([1 / 3]), np.array([1.0])) == 10
