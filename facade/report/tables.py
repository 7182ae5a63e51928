"""Tables that are tables: a caption, heads with a scope, numbers on the right, sortable."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from facade.report import numbers
from facade.report.markup import Child, Markup, h


class Column(NamedTuple):
    """A head and whether numbers stand below it."""

    head: str
    is_number: bool = False
    first: str | None = None
    """`ascending` or `descending`: the rows come in this order of it."""


class Cell(NamedTuple):
    """What a cell shows and what it is sorted by."""

    shown: Child
    value: float | str | None = None
    """A number; an empty text: unknown, sorted last; None: sorted by what it shows."""
    wraps: bool = False


class Row(NamedTuple):
    """One row; its first cell is its head."""

    cells: Sequence[Cell]
    state: str | None = None


def number_cell(shown: Child, value: float | None) -> Cell:
    """A cell sorted by its number, last where that is unknown."""
    return Cell(numbers.UNKNOWN if value is None else shown, "" if value is None else value)


def table(
    caption: Child, columns: Sequence[Column], rows: Iterable[Row], *, sortable: bool = False
) -> Markup:
    """A table in a box that scrolls sideways by itself where the page is narrow."""
    heads = [
        h(
            "th",
            h("button", column.head, type="button") if sortable else column.head,
            scope="col",
            class_="num" if column.is_number else None,
            aria_sort=column.first,
        )
        for column in columns
    ]
    body = [_row(columns, row) for row in rows]
    # Where it does scroll, the script makes the box reachable by keyboard and names it.
    listed = h("table", h("caption", caption), h("thead", h("tr", heads)), h("tbody", body))
    return h("div", listed, class_="scroll")


def _row(columns: Sequence[Column], row: Row) -> Markup:
    cells = []
    for place, (column, cell) in enumerate(zip(columns, row.cells, strict=True)):
        classes = [name for name, on in (("num", column.is_number), ("wrap", cell.wraps)) if on]
        cells.append(
            h(
                "td" if place else "th",
                cell.shown,
                scope=None if place else "row",
                class_=" ".join(classes) or None,
                data_value=None if cell.value is None else f"{cell.value}",
            )
        )
    return h("tr", cells, class_=f"s-row-{row.state}" if row.state else None)


def when(
    time_msc: int | None, *, dated: bool = True, stacked: bool = False, brief: bool = False
) -> Markup:
    """A time in UTC, the day dimmed; `dated` off where the day goes without saying.

    `stacked` puts the day below the time, for tables of many columns; `brief` leaves
    milliseconds to the tooltip.
    """
    if time_msc is None:
        return Markup(numbers.UNKNOWN)
    clock = numbers.clock(time_msc)
    if brief:
        clock = f"{clock[:8]}Z"
    day = numbers.day(time_msc)
    shown: list[Child] = [clock]
    if dated and stacked:
        shown += [" ", h("small", day, class_="below")]
    elif dated:
        shown = [h("span", day, " ", class_="dim"), clock]
    return h("span", shown, class_="t", title=numbers.instant(time_msc) if brief else None)


def price(value: float, digits: int | None) -> Markup:
    """A price, its last digit small as traders expect."""
    text = numbers.price(value, digits)
    return h("span", text[:-1], h("small", text[-1]), class_="nowrap")


def facts(entries: Iterable[tuple[str, Child]]) -> Markup:
    """A list of names with what they are."""
    return h("dl", [h("div", h("dt", name), h("dd", what)) for name, what in entries],
             class_="facts")  # fmt: skip
