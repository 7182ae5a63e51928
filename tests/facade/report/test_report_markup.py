"""No text becomes HTML, and packed numbers come back."""

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from facade.report.markup import Markup, embedded_json, h, joined
from facade.report.packing import pack, steps, unpack


@given(st.text(), st.text())
@settings(max_examples=100, deadline=None)
def test_text_and_attributes_are_escaped(text: str, value: str) -> None:
    made = h("p", text, title=value)
    inside = re.fullmatch(r'<p title="([^"<>]*)">([^<>]*)</p>', made, re.DOTALL)
    assert inside


def test_markup_is_not_escaped_twice_and_what_is_absent_is_left_out() -> None:
    made = h("td", h("b", "a & b"), None, ["<", Markup("<br>")], class_="num", title=None)
    assert made == '<td class="num"><b>a &amp; b</b>&lt;<br></td>'
    assert h("button", hidden=True, disabled=False) == "<button hidden></button>"
    assert joined(None) == ""


@given(
    st.recursive(
        st.text() | st.integers(-(2**53), 2**53) | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=100, deadline=None)  # fmt: skip
def test_embedded_json_is_the_same_and_never_ends_its_element(value: object) -> None:
    made = embedded_json({"</script>": value}, "name")
    text = made.removeprefix('<script type="application/json" id="name">')
    text = text.removesuffix("</script>")
    assert not set(text) & {"<", ">", "&", "\u2028", "\u2029"}
    assert json.loads(text) == {"</script>": value}


@given(st.lists(st.integers(-(2**60), 2**60), max_size=50))
@settings(max_examples=200, deadline=None)
def test_packed_numbers_come_back(values: list[int]) -> None:
    assert unpack(pack(values)) == values


def test_a_line_that_rests_is_kept_as_its_changes() -> None:
    assert steps([5, 5, 5, 7, 7, 5]) == ([0, 3, 5], [5, 7, 5])
    assert steps([]) == ([], [])
