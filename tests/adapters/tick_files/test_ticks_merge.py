"""Merging: by UTC millisecond, ties in the order given; batches, cuts, files out of order."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.tick_files import merge
from adapters.tick_files.front import open_ticks
from adapters.tick_files.merge import MergedTicks
from engine.errors import UserError
from tests.adapters.tick_files.ticks_on_disk import lean_zip, ticks_of

MAY_2 = 1_398_988_800_000

runs = st.lists(st.lists(st.integers(0, 12), max_size=30).map(sorted), min_size=1, max_size=6)


def merged(times: list[list[int]], max_ticks: int) -> list[tuple[int, int, int, float]]:
    """(index, time, run, bid) of every tick; the bid is the row's number in its run."""
    columns = []
    for run in times:
        prices = np.arange(len(run), dtype=np.float64)
        columns.append((np.array(run, np.int64), prices, prices + 1.0))
    stream = MergedTicks(tuple(f"S{k}" for k in range(len(times))), tuple(columns), ())
    found = []
    for batch in stream.batches(max_ticks):
        assert 0 < len(batch) <= max_ticks
        assert (batch.ask == batch.bid + 1.0).all()
        rows = zip(batch.time_msc.tolist(), batch.symbol.tolist(), batch.bid.tolist(), strict=True)
        found += [(batch.first_index + i, *row) for i, row in enumerate(rows)]
    return found


@given(runs, st.integers(1, 40), st.sampled_from([1, 3, 1024]))
@settings(deadline=None, max_examples=300)
def test_any_runs_are_merged_as_a_stable_sort_would(
    times: list[list[int]], max_ticks: int, step: int
) -> None:
    ticks = sorted((t, k, float(i)) for k, run in enumerate(times) for i, t in enumerate(run))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merge, "WINDOW_ROWS", 1)
        patch.setattr(merge, "STEP_LEAST", step)
        assert merged(times, max_ticks) == [(i, *tick) for i, tick in enumerate(ticks)]


def test_a_merge_that_broke_ties_the_other_way_would_be_seen() -> None:
    assert [tick[2] for tick in merged([[5, 5], [5], [4, 5]], 9)] == [2, 0, 0, 1, 2]
    assert [tick[2] for tick in merged([[4, 5], [5], [5, 5]], 9)] == [0, 0, 1, 2, 2]


def test_equal_times_keep_the_order_of_the_symbols_as_given(tmp_path: Path) -> None:
    a = lean_zip(tmp_path, "20140502", "1,1,1\n2,2,2\n2,3,3\n")
    assert [t[2:4] for t in ticks_of(("A", [a]), ("B", [a]))[0]] == [
        ("A", 1.0), ("B", 1.0), ("A", 2.0), ("A", 3.0), ("B", 2.0), ("B", 3.0),
    ]  # fmt: skip
    assert [t[2] for t in ticks_of(("B", [a]), ("A", [a]))[0]] == ["B", "A", "B", "B", "A", "A"]


def test_one_symbol_given_twice_is_one_symbol_with_more_files(tmp_path: Path) -> None:
    first = lean_zip(tmp_path, "20140502", "1,1,1\n")
    second = lean_zip(tmp_path, "20140503", "1,2,2\n")
    ticks, quality = ticks_of(("A", [first]), ("B", [first]), ("A", [second]))
    assert [(t[2], t[3]) for t in ticks] == [("A", 1.0), ("B", 1.0), ("A", 2.0)]
    assert [q.symbol for q in quality] == ["A", "A", "B"]


def test_from_is_inclusive_to_is_exclusive_and_the_index_counts_what_is_left(
    tmp_path: Path,
) -> None:
    path = lean_zip(tmp_path, "20140502", "1,1,1\n2,2,2\n2,3,3\n3,4,4\n")
    ticks, (quality,) = ticks_of(("A", [path]), from_msc=MAY_2 + 2, to_msc=MAY_2 + 3)
    assert [(t[0], t[3]) for t in ticks] == [(0, 2.0), (1, 3.0)]
    assert (quality.rows, quality.first_msc, quality.last_msc) == (4, MAY_2 + 1, MAY_2 + 3)
    assert ticks_of(("A", [path]), from_msc=MAY_2 + 9)[0] == []
    assert ticks_of(("A", [path]), from_msc=MAY_2 + 3, to_msc=MAY_2)[0] == []


def test_files_of_a_symbol_in_the_wrong_order_are_refused_with_the_remedy(tmp_path: Path) -> None:
    early = lean_zip(tmp_path, "20140502", "1,1,1\n2,1,1\n")
    late = lean_zip(tmp_path, "20140503", "1,1,1\n2,1,1\n")
    assert len(ticks_of(("A", [early, late]))[0]) == 4
    with pytest.raises(UserError, match="2 out_of_order") as refused:
        ticks_of(("A", [late, early]))
    assert str(refused.value.place) == str(early)
    assert "oldest first" in str(refused.value.help)


def test_rows_before_the_last_one_of_the_file_before_are_out_of_order(tmp_path: Path) -> None:
    first = lean_zip(tmp_path, "20140502", "1,1,1\n5,1,1\n")
    again = tmp_path / "again"
    again.mkdir()
    second = lean_zip(again, "20140502", "4,1,1\n5,2,2\n6,3,3\n")
    ticks, quality = ticks_of(("A", [first, second]))
    assert [t[1] - MAY_2 for t in ticks] == [1, 5, 5, 6]
    assert [q.invalid_by_cause for q in quality] == [{}, {"out_of_order": 1}]
    assert quality[1].first_invalid == (
        "row 1 (line 1): out of order, 2014-05-02T00:00:00.004Z is before 2014-05-02T00:00:00.005Z"
    )
    assert quality[1].first_msc == MAY_2 + 5


def test_another_symbols_later_ticks_put_nothing_out_of_order(tmp_path: Path) -> None:
    early = lean_zip(tmp_path, "20140502", "1,1,1\n")
    late = lean_zip(tmp_path, "20140503", "1,1,1\n")
    ticks, _ = ticks_of(("B", [late]), ("A", [early]))
    assert [t[2] for t in ticks] == ["A", "B"]


def test_a_zone_or_date_for_a_symbol_without_files_is_refused(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, "20140502", "1,1,1\n")
    with pytest.raises(UserError, match="a zone is given for 'B', which has no tick files"):
        open_ticks([("A", [path])], zones={"B": "UTC"})
    with pytest.raises(UserError, match="a date is given for 'B'"):
        open_ticks([("A", [path])], dates={"B": date(2014, 5, 2)})
    with pytest.raises(UserError, match="unknown zone `Nowhere`"):
        open_ticks([("A", [path])], zones={"A": "Nowhere"})
    assert len(ticks_of(("A", [path]), digits={"B": 5}, zones={"A": "UTC"})[0]) == 1


def test_a_stream_can_be_read_again(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, "20140502", "1,1,1\n2,1,1\n3,1,1\n")
    stream = open_ticks([("A", [path]), ("B", [path])])
    first = [len(batch) for batch in stream.batches(4)]
    assert first == [len(batch) for batch in stream.batches(4)] == [4, 2]
    assert stream.symbols == ("A", "B")


def test_progress_is_told_up_to_the_end_of_every_file(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, "20140502", "1,1,1\n")
    told: list[tuple[str, float]] = []
    open_ticks([("A", [path])], progress=lambda name, part: told.append((name, part)))
    assert told[-1] == (str(path), 1.0)
    assert all(0.0 <= part <= 1.0 for _, part in told)
