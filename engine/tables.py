"""Records and equity as tables that pandas, polars and duckdb read, without depending on them.

Each table gives the Arrow PyCapsule stream (`__arrow_c_stream__`): `polars.DataFrame(t)`,
`pyarrow.table(t).to_pandas()`, `duckdb.sql("select * from t")`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
import nanoarrow
import numpy as np
from nanoarrow.c_array_stream import CArrayStream

from engine.domain.records import VERDICTS, AnyRecord, Record, Tick
from engine.equity_ticks import EquityTicks
from engine.marking.ticks import Floats, Int64s
from engine.replay_equity import EquitySeries

Kind = Literal["time", "integer", "number", "text"]
"""Of a column."""

Columns = dict[str, Any]
"""By name: an Arrow array."""

_TYPES: dict[Kind, Any] = {
    "time": nanoarrow.timestamp("ms", timezone="UTC"),
    "integer": nanoarrow.int64(),
    "number": nanoarrow.float64(),
    "text": nanoarrow.string(),
}
_KINDS: dict[Any, Kind] = {bool: "integer", int: "integer", float: "number", str: "text"}


class Table:
    """Columns of equal length, in chunks; read only.

    Times are `timestamp[ms, UTC]` under the same names as in the events file, what is unknown or
    does not apply is null.
    """

    def __init__(self, schema: Mapping[str, Kind], chunks: Iterable[tuple[int, Columns]]) -> None:
        """`chunks`: rows and columns of each, the columns those of the schema in its order."""
        types = {name: _TYPES[kind] for name, kind in schema.items()}
        self._schema = nanoarrow.c_schema(nanoarrow.struct(types))
        self.column_names = tuple(schema)
        self._rows = 0
        self._chunks = []
        for rows, columns in chunks:
            assert tuple(columns) == self.column_names, "a chunk has other columns"
            self._rows += rows
            self._chunks.append(
                nanoarrow.c_array_from_buffers(
                    self._schema, rows, [None], null_count=0, children=list(columns.values())
                )
            )

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"<Table of {self._rows} rows: {', '.join(self.column_names)}>"

    def __arrow_c_schema__(self) -> object:
        """The Arrow PyCapsule of the schema."""
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow PyCapsule of a new stream over the chunks; the arrays are shared."""
        stream = CArrayStream.from_c_arrays(self._chunks, self._schema)
        return stream.__arrow_c_stream__(requested_schema=requested_schema)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows as dictionaries, for those who have none of the libraries."""
        for chunk in self._chunks:
            yield from nanoarrow.Array(chunk).iter_py()


def events_table(records: Sequence[Record]) -> Table:
    """Every record, one row each; the columns are all fields any type of record has."""
    return _records_table(records, get_args(AnyRecord))


def verdicts_table(records: Sequence[Record]) -> Table:
    """The warnings and breaches among the records, one row each, numbered as `Replay.verdict`."""
    return _records_table([r for r in records if isinstance(r, VERDICTS)], VERDICTS)


def equity_table(series: EquitySeries, bucket_msc: int | None = None) -> Table:
    """One account over time: every tick, or open, high, low and close of every bucket.

    Buckets are aligned to the UTC epoch; those without a tick are absent. `equity` is the
    MT5-exact one that decides, `mark` the unrounded one. Every tick takes about 60 bytes.
    """
    floors = [f"floor_{guard.name}" for guard in series.limits]
    if bucket_msc is None:
        names = ["tick_index", "equity", "mark", "high_water", "balance", *floors]
        chunks = [_every_tick(ticks, names) for ticks in series.batches()]
    else:
        names = ["ticks", *(f"equity_{part}" for part in ("open", "high", "low", "close"))]
        names += ["high_water", "balance", *floors]
        chunks = [
            (len(times), _columns(times, names, values))
            for times, values in _buckets(series.batches(), bucket_msc)
        ]
    schema: dict[str, Kind] = {"time_msc": "time", names[0]: "integer"}
    schema.update(dict.fromkeys(names[1:], "number"))
    return Table(schema, chunks)


def _every_tick(ticks: EquityTicks, names: list[str]) -> tuple[int, Columns]:
    scale = 10.0**ticks.digits
    values: list[Floats | Int64s] = [
        np.arange(ticks.first_index, ticks.first_index + len(ticks), dtype=np.int64),
        ticks.equity_minor / scale,
        ticks.mark.copy(),
        ticks.high_water.copy(),
        ticks.balance_minor / scale,
        *(limit.floor_minor / scale for limit in ticks.limits),
    ]
    return len(ticks), _columns(ticks.time_msc.copy(), names, values)


def _columns(times: Int64s, names: list[str], values: Sequence[Floats | Int64s]) -> Columns:
    columns = {"time_msc": _array("time", times)}
    for name, column in zip(names, values, strict=True):
        columns[name] = _array("integer" if column.dtype == np.int64 else "number", column)
    return columns


def _buckets(
    batches: Iterable[EquityTicks], bucket_msc: int
) -> Iterator[tuple[Int64s, list[Floats | Int64s]]]:
    """Bucket starts and their columns; the last bucket of a batch may go on in the next."""
    held: tuple[Int64s, list[Any]] | None = None
    for ticks in batches:
        times, values = _bucketed(ticks, bucket_msc)
        if held is not None:
            before, kept = held
            if before[-1] == times[0]:
                count, opened, high, low = (column[-1] for column in kept[:4])
                values[0][0] += count
                values[1][0] = opened
                values[2][0] = max(high, values[2][0])
                values[3][0] = min(low, values[3][0])
                before, kept = before[:-1], [column[:-1].copy() for column in kept]
            yield before.copy(), kept
        held = times, values
    if held is not None:
        yield held


def _bucketed(ticks: EquityTicks, bucket_msc: int) -> tuple[Int64s, list[Any]]:
    scale = 10.0**ticks.digits
    buckets = ticks.time_msc // bucket_msc
    starts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
    ends = np.append(starts[1:], len(buckets)) - 1
    equity = ticks.equity_minor
    return buckets[starts] * bucket_msc, [
        ends - starts + 1,
        equity[starts] / scale,
        np.maximum.reduceat(equity, starts) / scale,
        np.minimum.reduceat(equity, starts) / scale,
        equity[ends] / scale,
        ticks.high_water[ends],
        ticks.balance_minor[ends] / scale,
        *(limit.floor_minor[ends] / scale for limit in ticks.limits),
    ]


def _records_table(records: Sequence[Record], kinds: Iterable[type]) -> Table:
    schema = _record_schema(kinds)
    values: dict[str, list[Any]] = {name: [None] * len(records) for name in schema}
    for row, record in enumerate(records):
        values["type"][row] = record.__struct_config__.tag
        for name in record.__struct_fields__:
            value = getattr(record, name)
            if isinstance(value, Tick):
                for part in value.__struct_fields__:
                    values[f"tick_{part}"][row] = getattr(value, part)
            elif isinstance(value, tuple):
                values[name][row] = ", ".join(value)
            elif value is not msgspec.UNSET:
                values[name][row] = value
    columns = {name: _nullable(schema[name], column) for name, column in values.items()}
    return Table(schema, [(len(records), columns)])


def _record_schema(records: Iterable[type]) -> dict[str, Kind]:
    """Column kinds of every field of these structs; `tick` becomes four columns."""
    schema: dict[str, Kind] = {}
    for record in records:
        for field in msgspec.structs.fields(record):
            if field.name == "tick":
                for part in msgspec.structs.fields(Tick):
                    schema[f"tick_{part.name}"] = _KINDS[part.type]
            else:
                schema.setdefault(field.name, _kind(field.name, field.type))
                if field.name == "seq":
                    schema.setdefault("type", "text")
    return schema


def _kind(name: str, annotation: Any) -> Kind:
    if name.endswith("time_msc"):
        return "time"
    if get_origin(annotation) in (Union, UnionType):
        absent = (type(None), msgspec.UnsetType)
        [annotation] = [part for part in get_args(annotation) if part not in absent]
    return "text" if get_origin(annotation) is tuple else _KINDS[annotation]


def _nullable(kind: Kind, values: list[Any]) -> Any:
    """An array of Python values, None for null."""
    missing = np.array([value is None for value in values], np.bool_)
    validity = np.packbits(~missing, bitorder="little") if missing.any() else None
    if kind == "text":
        encoded = [b"" if value is None else value.encode() for value in values]
        offsets = np.zeros(len(values) + 1, np.int32)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        buffers: list[Any] = [validity, offsets, b"".join(encoded)]
    else:
        dtype = np.float64 if kind == "number" else np.int64
        buffers = [validity, np.array([0 if v is None else v for v in values], dtype)]
    return nanoarrow.c_array_from_buffers(
        _TYPES[kind], len(values), buffers, null_count=int(missing.sum())
    )


def _array(kind: Kind, values: Floats | Int64s) -> Any:
    buffers: list[Any] = [None, np.ascontiguousarray(values)]
    return nanoarrow.c_array_from_buffers(_TYPES[kind], len(values), buffers, null_count=0)
