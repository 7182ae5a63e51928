"""A book damaged anywhere is read or refused, and never ends in anything else."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book import parse_book
from engine.errors import UserError
from tests.tree import ROOT

_BLOCKS = re.findall(
    r"```toml\n(.*?)```", (ROOT / "docs" / "book.md").read_text(encoding="utf-8"), re.DOTALL
)
LINES = (_BLOCKS[0] + _BLOCKS[1].replace("XAUUSD", "EURUSD")).splitlines()

NUMBERS = ("true", "-1", "0", "1e400", "nan", "1.5", "99999999999999999999")
WORDS = ("''", "'x'", "'EURUSD'", "'é'", '"\\u0000"', "2014-05-01", "10:00:00")
SHAPES = ("[]", "{}", "[1]", "[[1]]", "[{}]", "{a=1}")
VALUES = st.sampled_from((*NUMBERS, *WORDS, *SHAPES))
DAMAGE = st.one_of(
    st.tuples(st.just("value"), VALUES),
    st.tuples(st.just("drop"), st.just("")),
    st.tuples(st.just("repeat"), st.just("")),
    st.tuples(st.just("head"), st.just("")),
    st.tuples(st.just("insert"), st.sampled_from(list("\"[]{}=.#'x\\, \t"))),
)


def damaged(line: str, kind: str, text: str, column: int) -> list[str]:
    """The lines that stand in place of a line."""
    if kind == "value" and "=" in line:
        return [f"{line.split('=')[0]}= {text}"]
    if kind == "drop":
        return []
    if kind == "repeat":
        return [line, line]
    if kind == "head":
        return [line.replace("[[", "[").replace("]]", "]")]
    place = column % (len(line) + 1)
    return [line[:place] + text + line[place:]]


def test_the_book_that_is_damaged_below_is_in_order() -> None:
    assert len(parse_book("\n".join(LINES), "whole.toml").accounts) == 1


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(st.integers(0, len(LINES) - 1), DAMAGE, st.integers(0, 200)),
        min_size=1,
        max_size=2,
    )
)
def test_a_damaged_book_is_read_or_refused(
    changes: list[tuple[int, tuple[str, str], int]],
) -> None:
    lines = list(LINES)
    for number, (kind, text), column in changes:
        place = number % len(lines)
        lines[place : place + 1] = damaged(lines[place], kind, text, column)
    refused = None
    try:
        parse_book("\n".join(lines), "bad.toml")
    except UserError as error:
        refused = error
    if refused is not None:
        assert refused.render().startswith("error: ")
        assert refused.place is not None
