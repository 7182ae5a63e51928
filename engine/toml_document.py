"""A TOML file read into msgspec structs, with refusals that say where, what and what is allowed."""

import difflib
import re
import tomllib
from collections.abc import Iterable
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import msgspec

from engine.errors import UserError
from engine.toml_places import KeyPath, line_of, lines_of_keys, non_finite, written
from engine.toml_shapes import choices_of, keys_of, noun_of, path_of, tags_of, type_at, value_at

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
        path = path_of(where.strip("`"), raw)
        owner = type_at(shape, path, raw)
        if found := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
            key = found[1]
            message = f"unknown key `{key}` in {noun_of(owner)}"
            return self.refusal((*path, key), message, help=_help_for_key(key, owner))
        if found := re.fullmatch(r"Object missing required field `(.*)`", what):
            message = f"`{found[1]}` is missing in {noun_of(owner)}"
            return self.refusal(path, message, help=_help_for_missing(found[1], owner))
        key = _last(path)
        if re.match("Invalid (enum )?value", what):
            allowed = choices_of(owner) or tags_of(type_at(shape, path[:-1], None))
            value = value_at(raw, path)
            remark = getattr(type_at(shape, path[:-1], raw), "remarks", {}).get(key)
            choices = one_of(str(value), allowed) + (f" ({remark})" if remark else "")
            return self.refusal(path, f"`{key}` cannot be {_shown(value)}", help=choices)
        listed = what.startswith("Expected `array`, got `object`")
        hint = f"write [[{key}]] for each one of the list" if listed else None
        return self.refusal(path, _wrong_type(key, what, value_at(raw, path)), help=hint)


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
        scalar = isinstance(value, bool | int | float | str)
        got = _shown(value) if scalar else _TYPES.get(found[2], found[2])
        return f"`{key}` must be {' or '.join(wanted)}, not {got}"
    return f"`{key}`: {what[0].lower()}{what[1:]}"


def _toml_help(what: str) -> str | None:
    if "Cannot overwrite" in what or "Cannot declare" in what:
        return "a key or table may be given once; write [[...]] for one more of a list"
    return None


def _help_for_key(key: str, owner: Any) -> str | None:
    keys = keys_of(owner)
    near = difflib.get_close_matches(key, keys, n=1, cutoff=0.6)
    if near:
        values = choices_of(type_at(owner, (near[0],), None))
        if values:
            return f"did you mean `{near[0]}`? allowed: {', '.join(values)}"
    return one_of(key, keys) if keys else None


def _help_for_missing(key: str, owner: Any) -> str | None:
    values = tags_of(owner) if key == "kind" else choices_of(type_at(owner, (key,), None))
    return f"allowed: {', '.join(values)}" if values else None


def _last(path: KeyPath) -> str:
    """The innermost name of a path; numbers are places in a list of that name."""
    return next((part for part in reversed(path) if isinstance(part, str)), "the file")


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    if isinstance(value, bool):
        text = text.lower()
    return text if len(text) <= 60 else text[:57] + "..."
