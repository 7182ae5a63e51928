"""The tables in pandas, polars and duckdb, with their types and nulls."""

from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec
import polars as pl
import pyarrow as pa
import pytest

from engine import replay_equity
from engine.domain.guards import Action, EquityLimit, Percent, Reference
from engine.domain.records import VERDICTS, AccountClosed
from engine.errors import UserError
from engine.replay_equity import equity_series
from engine.replay_result import Replay
from engine.tables import Table, equity_table, events_table, verdicts_table
from tests.domain.accounts import START_MSC, buy
from tests.engine.replays import gold_ticks, one_account, random_replay, replayed

MAX_LOSS = EquityLimit(
    name="max_loss",
    action=Action.CLOSE_AND_HALT,
    reference=Reference.INITIAL,
    amount=Percent(percent=5.0),
)


@pytest.fixture
def small() -> Replay:
    """One lot of gold: a warning and a breach within three seconds."""
    book = one_account([MAX_LOSS], [buy("XAUUSD", 1.0, 1900.0)])
    prices = [(0, 1900.0), (400, 1902.0), (900, 1899.0), (1000, 1896.0), (3500, 1894.0)]
    return replayed(book, gold_ticks(*((START_MSC + at, price) for at, price in prices)))


def rows(query: str, told: Table) -> list[Any]:
    """What duckdb answers; it finds `told` among the caller's names."""
    found: Any = duckdb.sql(query)
    answer: list[Any] = found.fetchall()
    return answer


def test_polars_reads_the_events(small: Replay) -> None:
    frame = pl.DataFrame(small.events)
    assert frame["type"].to_list()[:3] == ["account_opened", "guard_warning", "guard_breach"]
    assert frame.schema["time_msc"] == pl.Datetime("ms", "UTC")
    assert frame.schema["login"] == frame.schema["tick_index"] == pl.Int64()
    assert frame.schema["equity"] == pl.Float64()
    assert frame["equity"].to_list()[:3] == [None, 9_600.0, 9_400.0]
    assert frame["tick_index"].to_list()[:3] == [None, 3, 4]
    assert frame["time_msc"][2] == datetime(2026, 1, 5, 0, 0, 3, 500_000, UTC)


def test_pandas_reads_the_events_through_pyarrow(small: Replay) -> None:
    frame = pa.table(small.events).to_pandas()
    assert len(frame) == len(small.records)
    assert str(frame["time_msc"].dtype) == "datetime64[ms, UTC]"
    assert frame["guard"].isna().tolist()[:3] == [True, False, False]
    assert frame["floor"].tolist()[1] == 9_500.0


def test_duckdb_reads_the_events(small: Replay) -> None:
    told = small.events  # duckdb finds it by this name, and reads its stream alone
    assert told is not None
    equities = sum(getattr(record, "equity", None) is not None for record in small.records)
    assert rows("select count(*), count(equity) from told", told) == [(len(told), equities)]
    kinds = "select type from told where verdict_id is not null order by seq"
    assert rows(kinds, told) == [("guard_warning",), ("guard_breach",)]
    types = dict(rows("select column_name, column_type from (describe told)", told))
    assert types["time_msc"] == "TIMESTAMP WITH TIME ZONE"
    assert (types["seq"], types["floor"], types["guard"]) == ("BIGINT", "DOUBLE", "VARCHAR")


def test_a_table_can_be_read_again_and_again(small: Replay) -> None:
    first, second = pl.DataFrame(small.events), pl.DataFrame(small.events)
    assert first.equals(second)
    assert len(first) == len(small.events) == len(small.records)


@pytest.mark.parametrize("seed", range(4))
def test_every_field_of_every_record_is_in_the_events(seed: int) -> None:
    replay = random_replay(seed)
    for record, row in zip(replay.records, events_table(replay.records).rows(), strict=True):
        for name in record.__struct_fields__:
            if name == "tick":
                continue
            value = row.pop(name)
            if name.endswith("time_msc") and value is not None:
                value = round(value.timestamp() * 1000)
            told = getattr(record, name)
            assert value == (None if told is msgspec.UNSET else told)
        assert row.pop("type") == record.__struct_config__.tag
        parts = [row.pop(f"tick_{part}") for part in ("index", "symbol", "bid", "ask")]
        tick: Any = record.tick
        assert parts == ([tick.index, tick.symbol, tick.bid, tick.ask] if tick else [None] * 4)
        assert not any(value is not None for value in row.values())


def test_no_record_is_a_table_without_rows() -> None:
    frame = pl.DataFrame(events_table([]))
    assert len(frame) == 0
    assert frame.schema["time_msc"] == pl.Datetime("ms", "UTC")


def test_the_verdicts_are_the_warnings_and_breaches_by_number(small: Replay) -> None:
    frame = pl.DataFrame(small.verdicts)
    assert frame["verdict_id"].to_list() == [small.verdict(n).record.verdict_id for n in (0, 1)]
    assert frame["used_percent"].to_list() == [80.0, None]
    assert frame["comparator"].to_list() == [None, "below"]
    assert "volume_lots" not in frame.columns
    replay = random_replay(1)
    assert len(verdicts_table(replay.records)) == sum(
        isinstance(record, VERDICTS) for record in replay.records
    )


def test_a_verdict_that_is_not_there_is_refused(small: Replay) -> None:
    assert small.verdict(-1).record is small.verdict(1).record
    with pytest.raises(UserError, match="no verdict 2"):
        small.verdict(2)


def test_equity_holds_every_tick(small: Replay) -> None:
    frame = pl.DataFrame(small.equity(1001))
    assert frame["tick_index"].to_list() == [0, 1, 2, 3, 4]
    assert frame["equity"].to_list() == [10_000.0, 10_200.0, 9_900.0, 9_600.0, 9_400.0]
    assert frame["mark"].to_list() == frame["equity"].to_list()
    assert frame["floor_max_loss"].to_list() == [9_500.0] * 5
    assert frame.schema["time_msc"] == pl.Datetime("ms", "UTC")


def test_equity_in_buckets_has_exact_extremes(small: Replay) -> None:
    frame = pl.DataFrame(small.equity(1001, bucket="1s"))
    assert [t.timestamp() * 1000 - START_MSC for t in frame["time_msc"]] == [0, 1000, 3000]
    assert frame["ticks"].to_list() == [3, 1, 1]
    assert frame["equity_open"].to_list() == [10_000.0, 9_600.0, 9_400.0]
    assert frame["equity_high"].to_list() == [10_200.0, 9_600.0, 9_400.0]
    assert frame["equity_low"].to_list() == [9_900.0, 9_600.0, 9_400.0]
    assert frame["equity_close"].to_list() == [9_900.0, 9_600.0, 9_400.0]


@pytest.mark.parametrize("batch_ticks", [1, 3, 50])
def test_a_bucket_may_go_on_in_the_next_batch(
    batch_ticks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = random_replay(2)
    moves = [
        pl.DataFrame(equity_table(equity_series(replay, n)))["equity"].n_unique() for n in range(4)
    ]
    number = moves.index(max(moves))
    assert moves[number] > 50
    whole = pl.DataFrame(equity_table(equity_series(replay, number), 7_200_000))
    monkeypatch.setattr(replay_equity, "BATCH_TICKS", batch_ticks)
    series = equity_series(replay, number)
    assert pl.DataFrame(equity_table(series, 7_200_000)).equals(whole)
    ticks = pl.DataFrame(equity_table(series))
    grouped = ticks.group_by_dynamic("time_msc", every="2h").agg(
        pl.len().cast(pl.Int64).alias("ticks"),
        pl.col("equity").first().alias("equity_open"),
        pl.col("equity").max().alias("equity_high"),
        pl.col("equity").min().alias("equity_low"),
        pl.col("equity").last().alias("equity_close"),
        pl.col("high_water", "balance", f"floor_{series.limits[0].name}").last(),
    )
    assert whole.select(grouped.columns).equals(grouped)


def test_equity_of_an_account_never_known_is_empty() -> None:
    book = one_account([MAX_LOSS], [buy("EURUSD", 1.0, 1.1)])
    replay = replayed(book, gold_ticks((START_MSC, 1900.0)))
    assert isinstance(replay.records[-1], AccountClosed)
    assert len(pl.DataFrame(replay.equity(1001))) == len(replay.equity(1001, "1m")) == 0


def test_an_account_or_bucket_that_is_none_is_refused(small: Replay) -> None:
    with pytest.raises(UserError, match="0 accounts"):
        small.equity(7)
    with pytest.raises(UserError, match="not a period"):
        small.equity(1001, bucket="week")


def test_a_table_says_what_it_is(small: Replay) -> None:
    assert isinstance(small.verdicts, Table)
    assert repr(small.verdicts).startswith("<Table of 2 rows: seq, type, time_msc")
