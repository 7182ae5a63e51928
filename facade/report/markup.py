"""HTML made of elements, so that no text reaches the page unescaped.

Text becomes `Markup` only by going through `h` (which escapes it) or by being ours from the start.
"""

from collections.abc import Iterable
from html import escape
from typing import Any

import orjson


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None

_VOID = frozenset({"meta", "br", "col", "hr", "rect", "path", "circle", "use", "line"})


def h(tag: str, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """An element. A trailing underscore of an attribute goes, others become hyphens.

    An attribute that is None or False is left out; True stands without a value.
    """
    parts = [f"<{tag}"]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.rstrip("_").replace("_", "-")
        parts.append(f" {written}" if value is True else f' {written}="{escape(str(value))}"')
    parts.append(">")
    if tag not in _VOID:
        parts.append(joined(children))
        parts.append(f"</{tag}>")
    return Markup("".join(parts))


def joined(children: Child) -> Markup:
    """Children as HTML, one after the other, whatever is not HTML yet escaped."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(escape(children))
    return Markup("".join(joined(child) for child in children))


def embedded_json(value: Any, name: str) -> Markup:
    """A value as JSON in the page, out of reach of the HTML parser, to be found by its `name`."""
    text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    # Inside strings only, where these are the same characters to a JSON parser.
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(f'<script type="application/json" id="{escape(name)}">{text}</script>')
