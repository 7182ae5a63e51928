"""Finding one's way in msgspec structs along a path of keys: types, tags, what a key allows."""

import re
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from engine.toml_places import KeyPath


def path_of(where: str, raw: Any) -> KeyPath:
    """`$.account[3].login` as a path; `[...]` stands for a key of a free table: the first wrong."""
    path: list[str | int] = []
    for key, number in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", where):
        if number == "...":
            table = value_at(raw, tuple(path))
            path.append(next((k for k, v in table.items() if not isinstance(v, str)), "..."))
        else:
            path.append(int(number) if number else key)
    return tuple(path)


def value_at(raw: Any, path: KeyPath) -> Any:
    """What stands at a path of parsed TOML; None where nothing does."""
    for part in path:
        raw = _inner(raw, part)
    return raw


def type_at(shape: Any, path: KeyPath, raw: Any) -> Any:
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


def tags_of(shape: Any) -> list[str]:
    """The kinds a union of structs is told apart by."""
    return [_tag(member) for member in get_args(shape) if _tag(member)]


def choices_of(shape: Any) -> list[str]:
    """The words a key allows, where it allows but a few."""
    if isinstance(shape, type) and issubclass(shape, Enum):
        return [member.value for member in shape]
    if get_origin(shape) is Literal:
        return list(get_args(shape))
    return []


def keys_of(shape: Any) -> list[str]:
    """The keys a table may have, in the order they are declared."""
    if not (isinstance(shape, type) and issubclass(shape, msgspec.Struct)):
        return []
    config = shape.__struct_config__
    tag = [config.tag_field] if config.tag_field else []
    return tag + [field.encode_name for field in msgspec.structs.fields(shape)]


def noun_of(shape: Any) -> str:
    """What people call a table of this shape: `an account`."""
    if tags_of(shape):
        shape = get_args(shape)[0]
    return str(getattr(shape, "noun", "this table"))
