"""Lines of keys in TOML, held against what tomllib reads from the same text."""

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.toml_places import KeyPath, line_of, lines_of_keys, non_finite, written

AWKWARD = '''\
# [not.a.head]
title = "a # no comment, [no] head = 3"
dotted.key."with dots.in" = 1
'single quoted' = """
[[looks.like]]
a = "head"\\"""
"""
literal = \'\'\'
[again]
\'\'\'
list = [ # a comment ]
  1,
  { a = 1, b = { c = [2, "}"] } },

  [ 3,
    4 ],
]
when = 2014-05-01 08:00:00
[plain]
x=1
[plain.below.deeper]
y = -inf
[[many]]
[[many.inner]]
z = 1
[[many.inner]]
z = 2
[many.inner.table]
q = true
[[many]]
[[many.inner]]
z = 3
[[ spaced . "out" ]]   # trailing
k = 1
'''


def paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    """Every path of parsed TOML, inner ones too."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, part in value.items():
            found += paths(part, (*path, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            found += paths(part, (*path, number))
    return found


def test_every_key_and_item_that_tomllib_reads_has_a_line() -> None:
    lines = lines_of_keys(AWKWARD)
    found = paths(tomllib.loads(AWKWARD))
    lists = {("many",), ("many", 0, "inner"), ("many", 1, "inner"), ("spaced", "out")}
    heads_only = {*lists, ("spaced",), ("plain", "below")}
    assert {path for path in found if path not in lines} == heads_only
    assert set(lines) <= set(found)


@pytest.mark.parametrize(
    ("path", "start"),
    [
        (("title",), "title ="),
        (("dotted", "key", "with dots.in"), "dotted.key"),
        (("single quoted",), "'single"),
        (("literal",), "literal"),
        (("list", 0), "1,"),
        (("list", 1, "b", "c"), "{ a = 1"),
        (("list", 2), "[ 3,"),
        (("list", 2, 1), "4 ]"),
        (("when",), "when"),
        (("plain", "x"), "x=1"),
        (("plain", "below", "deeper", "y"), "y = -inf"),
        (("many", 0), "[[many]]"),
        (("many", 0, "inner", 1, "z"), "z = 2"),
        (("many", 0, "inner", 1, "table", "q"), "q = true"),
        (("many", 1, "inner", 0, "z"), "z = 3"),
        (("spaced", "out", 0, "k"), "k = 1"),
    ],
)
def test_the_line_of_a_path_is_the_one_it_is_written_on(path: KeyPath, start: str) -> None:
    line = lines_of_keys(AWKWARD)[path]
    assert AWKWARD.splitlines()[line - 1].strip().startswith(start)


def test_what_has_no_line_has_that_of_what_is_around_it() -> None:
    lines = lines_of_keys("a = 1\n[b]\nc = 2\n")
    assert line_of(lines, ("b", "missing", 3)) == 2
    assert line_of(lines, ("nowhere",)) is None


def test_a_path_is_written_as_people_do() -> None:
    assert written(("account", 3, "position", 0, "symbol")) == "account[3].position[0].symbol"


def test_a_number_that_is_not_finite_is_found_where_it_is() -> None:
    assert non_finite({"a": [1.0, {"b": float("inf")}]}) == ("a", 1, "b")
    assert non_finite({"a": [float("nan")]}) == ("a", 0)
    assert non_finite({"a": [1, "nan", 1e308, True]}) is None


KEYS = st.text("abc", min_size=1, max_size=3)
SCALARS = st.sampled_from(["1", '"x = [1"', "'}'", "true", "[]", "{}", '"""\n[a]\n"""'])
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda v: "[" + ",\n ".join(v) + "\n]")
        | st.dictionaries(KEYS, inner, max_size=3).map(
            lambda v: "{ " + ", ".join(f"{k} = {w}" for k, w in v.items()) + " }"
        )
    ),
    max_leaves=8,
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=3).map(
    lambda table: "".join(f"{k} = {v} # c\n" for k, v in table.items())
)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.sampled_from("pqr"), TABLES), max_size=5))
def test_any_text_tomllib_takes_is_walked_to_the_same_paths(
    parts: list[tuple[str, str]],
) -> None:
    text = "".join(f"[[{name}]]\n{table}\n" for name, table in parts)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a multi-line value in an inline table
        return
    lines = lines_of_keys(text)
    assert set(lines) | {(name,) for name, _ in parts} == set(paths(raw))
    rows = text.splitlines()
    for path, line in lines.items():
        key = path[-1]
        if isinstance(key, str):
            assert f"{key} = " in rows[line - 1]
