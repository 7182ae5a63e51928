"""A TOML file read into msgspec structs, with refusals that say where, what and what is allowed."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from enum import Enum
from functools import cached_property
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from engine.errors import UserError
from engine.toml_places import KeyPath, line_of, lines_of_keys, non_finite, written

S = TypeVar("S", bound=msgspec.Struct)

_TYPES = {
    "float": "a number",
    "int": "a whole number",
    "str": "a string",
    "bool": "true or false",
    "datetime": "a time such as 2014-05-02T12:30:00Z",
    "date": "a date without a time",
    "time": "a time without a date",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
}


class Document:
    """A TOML text with its name, and where everything in it stands."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text

    @cached_property
    def _lines(self) -> dict[KeyPath, int]:
        return lines_of_keys(self.text)

    def refusal(self, path: KeyPath, message: str, *, help: str | None = None) -> UserError:  # noqa: A002
        """The error for something at this path, to be raised by the caller."""
        line = line_of(self._lines, path)
        return self._refusal(line, message, written(path) or None, help)

    def _refusal(
        self,
        line: int | None,
        message: str,
        path: str | None = None,
        help: str | None = None,  # noqa: A002
    ) -> UserError:
        source = None
        rows = self.text.split("\n")
        if line is not None and line <= len(rows):
            source = rows[line - 1].strip() or None
        place = self.name if line is None else f"{self.name}:{line}"
        return UserError(message, place=place, path=path, source=source, help=help)

    def read(self, shape: type[S]) -> S:
        """The file as `shape`.

        Raises:
            UserError: not TOML, or an unknown key, a wrong type or a value out of range.
        """
        raw = self._parsed()
        place = non_finite(raw)
        if place is not None:
            raise self.refusal(place, f"`{_last(place)}` is not a finite number")
        try:
            return msgspec.convert(raw, shape)
        except msgspec.ValidationError as error:
            raise self._translated(str(error), shape, raw) from None

    def _parsed(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            found = re.fullmatch(
                r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)", str(error)
            )
            what, line = (found[1], found[2]) if found else (str(error), None)
            row = int(line) if line else self.text.count("\n") + 1
            message = f"not valid TOML: {what[0].lower()}{what[1:]}"
            raise self._refusal(row, message, help=_toml_help(what)) from None
        except RecursionError:
            raise UserError("not valid TOML: nested too deeply", place=self.name) from None

    def _translated(self, said: str, shape: Any, raw: Any) -> UserError:
        """msgspec's message in our words, with the place and what is allowed."""
        what, _, where = said.partition(" - at ")
        path = _path_of(where.strip("`"), raw)
        owner = _type_at(shape, path, raw)
        if found := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
            key = found[1]
            message = f"unknown key `{key}` in {_noun(owner)}"
            return self.refusal((*path, key), message, help=_help_for_key(key, owner))
        if found := re.fullmatch(r"Object missing required field `(.*)`", what):
            message = f"`{found[1]}` is missing in {_noun(owner)}"
            return self.refusal(path, message, help=_help_for_missing(found[1], owner))
        key = _last(path)
        if re.match("Invalid (enum )?value", what):
            allowed = _choices(owner) or _tags(_type_at(shape, path[:-1], None))
            value = _value_at(raw, path)
            remark = getattr(_type_at(shape, path[:-1], raw), "remarks", {}).get(key)
            hint = one_of(str(value), allowed) + (f" ({remark})" if remark else "")
            return self.refusal(path, f"`{key}` cannot be {_shown(value)}", help=hint)
        return self.refusal(path, _wrong_type(key, what, _value_at(raw, path)))


class Spot(NamedTuple):
    """A place in a document."""

    document: Document
    path: KeyPath

    def __truediv__(self, part: str | int) -> "Spot":
        return Spot(self.document, (*self.path, part))

    def __str__(self) -> str:
        return f"{self.document.name}, {written(self.path)}"

    def refusal(self, message: str, help: str | None = None) -> UserError:  # noqa: A002
        """The error for what stands here, to be raised by the caller."""
        return self.document.refusal(self.path, message, help=help)


def one_of(word: str, allowed: Iterable[str]) -> str:
    """Help for a word that is none of the allowed: the closest, then all (or the first 40)."""
    listed = list(allowed)
    near = difflib.get_close_matches(word, listed, n=1, cutoff=0.6)
    shown = ", ".join(listed[:40]) + (f" and {len(listed) - 40} more" if len(listed) > 40 else "")
    hint = f"did you mean `{near[0]}`? " if near else ""
    return f"{hint}allowed: {shown or 'none'}"


def _wrong_type(key: str, what: str, value: Any) -> str:
    """What is wrong with a value that has the wrong type or range."""
    if "matching regex" in what:
        if "[01]" in what:
            return f"`{key}` is {_shown(value)}, which is not a time of day: write HH:MM"
        return f"`{key}` is {_shown(value)}: it must not be empty or hold stray blanks"
    if found := re.fullmatch(r"Expected `\w+` (>|>=|<|<=) (\S+)", what):
        limit = re.sub(r"\.0$", "", found[2])
        return f"`{key}` is {_shown(value)}, and must be {found[1]} {limit}"
    if "of length" in what:
        return f"`{key}` must not be empty"
    if what.startswith("Invalid RFC3339"):
        return f"`{key}` is {_shown(value)}, which is not {_TYPES['datetime']}"
    if found := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        wanted = [_TYPES.get(w, w) for w in found[1].split(" | ") if w != "null"]
        return f"`{key}` must be {' or '.join(wanted)}, not {_TYPES.get(found[2], found[2])}"
    return f"`{key}`: {what[0].lower()}{what[1:]}"


def _toml_help(what: str) -> str | None:
    if "Cannot overwrite" in what or "Cannot declare" in what:
        return "a key or table may be given once; write [[...]] for one more of a list"
    return None


def _path_of(where: str, raw: Any) -> KeyPath:
    """`$.account[3].login` as a path; `[...]` stands for a key of a free table: the first wrong."""
    path: list[str | int] = []
    for key, number in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", where):
        if number == "...":
            table = _value_at(raw, tuple(path))
            path.append(next((k for k, v in table.items() if not isinstance(v, str)), "..."))
        else:
            path.append(int(number) if number else key)
    return tuple(path)


def _value_at(raw: Any, path: KeyPath) -> Any:
    for part in path:
        raw = _inner(raw, part)
    return raw


def _type_at(shape: Any, path: KeyPath, raw: Any) -> Any:
    """The type a path leads to; a union of structs is decided by the tag in `raw`."""
    shape = _decided(shape, raw)
    for part in path:
        raw = _inner(raw, part)
        if isinstance(part, int):
            (shape,) = get_args(shape)
        elif isinstance(shape, type) and issubclass(shape, msgspec.Struct):
            shape = get_type_hints(shape, include_extras=True).get(part)
        else:
            return None
        shape = _decided(shape, raw)
    return shape


def _inner(raw: Any, part: str | int) -> Any:
    if isinstance(raw, list) and isinstance(part, int) and part < len(raw):
        return raw[part]
    return raw.get(part) if isinstance(raw, dict) else None


def _decided(shape: Any, raw: Any) -> Any:
    if get_origin(shape) is Annotated:
        return _decided(get_args(shape)[0], raw)
    if get_origin(shape) in (Union, UnionType):
        members = [m for m in get_args(shape) if m is not type(None)]
        if len(members) == 1:
            return _decided(members[0], raw)
        for member in members:
            kind = raw.get("kind") if isinstance(raw, dict) else None
            if kind is not None and _tag(member) == kind:
                return member
    return shape


def _tag(shape: Any) -> Any:
    return getattr(getattr(shape, "__struct_config__", None), "tag", None)


def _tags(shape: Any) -> list[str]:
    """The kinds a union of structs is told apart by."""
    return [_tag(member) for member in get_args(shape) if _tag(member)]


def _choices(shape: Any) -> list[str]:
    """The words a key allows, where it allows but a few."""
    if isinstance(shape, type) and issubclass(shape, Enum):
        return [member.value for member in shape]
    if get_origin(shape) is Literal:
        return list(get_args(shape))
    return []


def _keys(shape: Any) -> list[str]:
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return []
    config = shape.__struct_config__
    tag = [config.tag_field] if config.tag_field else []
    return tag + [field.encode_name for field in msgspec.structs.fields(shape)]


def _noun(shape: Any) -> str:
    if _tags(shape):
        shape = get_args(shape)[0]
    return str(getattr(shape, "noun", "this table"))


def _help_for_key(key: str, owner: Any) -> str | None:
    keys = _keys(owner)
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.6)
    if near:
        values = _choices(_type_at(owner, (near[0],), None))
        if values:
            return f"did you mean `{near[0]}`? allowed: {', '.join(values)}"
    return one_of(key, keys) if keys else None


def _help_for_missing(key: str, owner: Any) -> str | None:
    values = _tags(owner) if key == "kind" else _choices(_type_at(owner, (key,), None))
    return f"allowed: {', '.join(values)}" if values else None


def _last(path: KeyPath) -> str:
    """The innermost name of a path; numbers are places in a list of that name."""
    return next((part for part in reversed(path) if isinstance(part, str)), "the file")


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= 60 else text[:57] + "..."
