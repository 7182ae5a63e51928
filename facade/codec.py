"""JSON in and out of the API, by msgspec: strict about what comes in, with each fault's path."""

import re
from collections import OrderedDict
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NoReturn, TypeVar, cast, overload
from urllib.parse import parse_qsl

import msgspec

from engine.domain.records import Record
from facade.problems import Problem, unprocessable

T = TypeVar("T")

PARAMETERS_MAX = 20
KEPT_RECORDS = 4096
_encoder = msgspec.json.Encoder()
_PLACE = re.compile(r"(?s)(.*?)(?: - at `(?:key in )?\$\.?([^`]*)`)?")
_FIELD = re.compile(r"(?:unknown field|missing required field) `([^`]*)`")
_of_no_query: dict[type, Any] = {}
"""Most requests have no query, and its struct cannot be changed: one of each is enough."""
_records: OrderedDict[tuple[str, int, int], tuple[Record, bytes]] = OrderedDict()


def encode(value: object) -> bytes:
    """The value as JSON."""
    return _encoder.encode(value)


@overload
def time_text(time_msc: int) -> str: ...
@overload
def time_text(time_msc: None) -> None: ...
@overload
def time_text(time_msc: int | None) -> str | None: ...
def time_text(time_msc: int | None) -> str | None:
    """RFC 3339, UTC, with milliseconds; None stays None."""
    return None if time_msc is None else _time_text(time_msc)


@lru_cache(maxsize=8192)
def _time_text(time_msc: int) -> str:
    when = datetime.fromtimestamp(time_msc / 1000, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode_record(record: Record) -> bytes:
    """A record as in an events file, and `time` by RFC 3339; encoded once for all readers."""
    name = (record.server, record.login, record.seq)
    # Another journal has another record of the same number: the number alone says too little.
    kept = _records.get(name)
    if kept is not None and kept[0] == record:
        return kept[1]
    body = _encoder.encode(record)[:-1] + f',"time":"{time_text(record.time_msc)}"}}'.encode()
    _records[name] = (record, body)
    if len(_records) > KEPT_RECORDS:
        _records.popitem(last=False)
    return body


def decode_body(body: bytes, shape: type[T]) -> T:
    """The body as this struct.

    Raises:
        Problem: 422, with the path of the field.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        _refuse(error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise unprocessable("", "the body is not JSON") from None


def decode_query(query: bytes, shape: type[T]) -> T:
    """The query as this struct; each name once, numbers and booleans as text.

    Raises:
        Problem: 422, with the name of the parameter.
    """
    if not query:
        found = _of_no_query.get(shape)
        if found is None:
            found = _of_no_query[shape] = _named({}, shape)
        return cast(T, found)
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=PARAMETERS_MAX,
            errors="strict",
        )
    except ValueError:
        raise unprocessable("", "the query cannot be read") from None
    named: dict[str, Any] = {}
    for name, value in pairs:
        if name in named:
            raise unprocessable(name[:60], "is given twice")
        named[name] = value
    return _named(named, shape)


def _named(named: dict[str, Any], shape: type[T]) -> T:
    try:
        return msgspec.convert(named, shape, strict=False)
    except msgspec.ValidationError as error:
        _refuse(error)


def _refuse(error: msgspec.ValidationError) -> NoReturn:
    """The path of the field, and what is allowed; the value itself is not repeated."""
    found = _PLACE.fullmatch(str(error))
    message, place = (str(error), "") if found is None else (found[1], found[2] or "")
    named = _FIELD.search(message)
    if named:
        place = f"{place}.{named[1]}" if place else named[1]
    raise unprocessable(place[:200], message[:300]) from None


def refuse_media_type(content_type: str | None) -> None:
    """A body must say that it is JSON: a form of another site cannot.

    Raises:
        Problem: 415.
    """
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "not_json", "Send the body as application/json.")
