"""The table of all accounts, and the section of each account that has a chart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.domain.account import Mode
from facade.report import numbers, wording
from facade.report.glyphs import WORDS, glyph, state, stroke
from facade.report.markup import Child, Markup, h
from facade.report.story import BREACHED, UNKNOWN, WARNED, Story
from facade.report.tables import Cell, Column, Row, facts, number_cell, price, table, when

ROWS_MOST = 2_000


@dataclass(frozen=True)
class Detail:
    """How much of each account is written out; the page steps down where there are many."""

    days: int
    closes: int
    drawdowns: int
    cards: int
    """Breaches with a card of their own."""


DETAILS = (Detail(40, 20, 5, 4), Detail(14, 8, 5, 2), Detail(5, 4, 3, 1), Detail(0, 0, 0, 1))


def accounts_table(
    stories: Sequence[Story], measured: frozenset[int], drawn: frozenset[int], *, dated: bool
) -> Markup:
    """All accounts, the worst first.

    Args:
        measured: accounts whose least room is known.
        drawn: accounts that have a section to go to.
    """
    currencies = {story.currency for story in stories}
    only = next(iter(currencies)) if len(currencies) == 1 else None

    def in_head(name: str) -> str:
        return f"{name}, {only}" if only else name

    def amount(value: float | None, story: Story, *, signed: bool = False) -> Cell:
        shown = numbers.money(value, story.digits, signed=signed)
        unit = None if only else [numbers.SPACE, h("small", story.currency, class_="dim")]
        return number_cell([shown, unit], value)

    columns = [
        Column("Account"),
        Column("State"),
        Column("Guard"),
        Column("First warning"),
        Column("Breach"),
        Column(in_head("Equity then"), is_number=True),
        Column(in_head("Floor"), is_number=True),
        Column(in_head("Realised"), is_number=True),
        Column("Max drawdown", is_number=True),
        Column(in_head("Least room"), is_number=True),
    ]
    rows = []
    for rank, story in enumerate(stories[:ROWS_MOST]):
        rows.append(_row(story, rank, amount, story.number in measured, drawn, dated))
    kept = f" The first {numbers.count(ROWS_MOST)} of {numbers.count(len(stories))} are listed; "
    kept += "the machine part of this page has them all."
    caption = "All accounts, the worst first; times are UTC. A column's head sorts by it."
    return table(caption + (kept if len(stories) > ROWS_MOST else ""), columns, rows, sortable=True)


def _row(
    story: Story,
    rank: int,
    amount: Callable[..., Cell],
    measured: bool,
    drawn: frozenset[int],
    dated: bool,
) -> Row:
    breach = story.breaches[0].verdict if story.breaches else None
    warning = story.warnings[0] if story.warnings else None
    closed = story.closed
    valued = closed.equity is not None
    room = story.series.min_room if measured and valued else None
    guard = breach or warning
    fell: Child = None
    if closed.max_drawdown_time_msc is not None:
        at = when(closed.max_drawdown_time_msc, dated=dated, brief=True)
        fell = h("small", at, class_="below")
    login = h("a", story.name, href=f"#{anchor(story)}") if story.number in drawn else story.name
    cells = [
        Cell([login, " ", h("small", story.spec.key.server, class_="below")], story.name),
        Cell(state(story.state), rank),
        Cell(guard.guard if guard else numbers.UNKNOWN, None if guard else ""),
        _time(warning.time_msc if warning else None, dated),
        _time(breach.time_msc if breach else None, dated),
        amount(getattr(breach, "equity", None), story),
        amount(getattr(breach, "floor", None), story),
        amount(story.realised if story.closes else None, story, signed=True),
        number_cell(
            [
                numbers.percent(closed.max_drawdown_percent, breached=True),
                " ",
                fell,
            ],
            closed.max_drawdown_percent if valued else None,
        ),
        amount(None if room is None else room.room, story),
    ]
    return Row(cells, story.state if story.state == BREACHED else None)


def _time(time_msc: int | None, dated: bool) -> Cell:
    return number_cell(when(time_msc, dated=dated, stacked=True), time_msc)


def anchor(story: Story) -> str:
    """The name of an account's section in the page."""
    return f"account-{story.number}"


def section(
    story: Story, chart: int | None, panes: Sequence[Markup], detail: Detail, *, dated: bool
) -> Markup:
    """One account: what happened, its equity over time, its breaches, days, falls and closes.

    Args:
        chart: number of its chart among the charts of the page; None: it was never valued.
    """
    key = story.spec.key
    return h(
        "section",
        h(
            "header",
            h("h2", story.name, " ", h("small", key.server, class_="dim"), id=f"{anchor(story)}-h"),
            state(story.state),
            _halted(story),
            _watched(story),
        ),
        h("p", wording.sentence(story, dated=dated, measured=True), class_="sentence"),
        _facts(story),
        _chart(story, chart) if chart is not None else None,
        panes,
        _days(story, detail),
        _drawdowns(story, detail),
        _closes(story, detail, dated=dated),
        class_="account",
        id=anchor(story),
        aria_labelledby=f"{anchor(story)}-h",
    )


def _halted(story: Story) -> Markup | None:
    if not story.halts:
        return None
    by = ", ".join(story.halts)
    return h("span", glyph("halted"), f"Halted by {by}", class_="state s-halted")


def _watched(story: Story) -> Markup | None:
    if story.spec.mode is not Mode.OBSERVE:
        return None
    return h("span", glyph("observe"), "Observe", class_="state s-halted")


def _facts(story: Story) -> Markup:
    closed = story.closed
    valued = closed.equity is not None

    def sum_of(amount: float | None, signed: bool = False) -> Child:
        shown = numbers.money(amount, story.digits, signed=signed)
        return [shown, " ", h("small", story.currency)] if amount is not None else shown

    fall: Child = numbers.UNKNOWN
    if valued:
        percent = numbers.percent(closed.max_drawdown_percent, breached=True)
        fall = [percent, " ", h("small", numbers.money(closed.max_drawdown, story.digits))]
    room = story.series.min_room if valued else None
    entries: list[tuple[str, Child]] = [
        ("Equity at the end", sum_of(closed.equity)),
        ("Balance at the end", sum_of(closed.balance)),
        ("Realised", sum_of(story.realised if story.closes else None, signed=True)),
        ("High-water mark", sum_of(closed.equity_high_water if valued else None)),
        ("Largest drawdown", fall),
        ("Least room", sum_of(None if room is None else room.room)),
    ]
    return facts(entries)


def _chart(story: Story, chart: int) -> Markup:
    floors = [guard.name for guard in story.limits]
    key: list[tuple[Markup, str]] = [
        (stroke("line"), "equity"),
        (stroke("band"), "lowest to highest"),
        (stroke("balance"), "balance"),
        (stroke("water"), "high-water mark"),
    ]
    if floors:
        key.append((stroke("floor"), "floor" if len(floors) == 1 else "floors"))
    if story.warnings:
        key.append((h("span", glyph(WARNED), class_="s-warned"), "warning"))
    if story.breaches:
        key.append((h("span", glyph(BREACHED), class_="s-breached"), "breach"))
    if story.closes:
        key.append((stroke("close"), "close"))
    if any(guard.reset for guard in story.spec.guards):
        key.append((stroke("reset"), "reset"))
    if any(record.__struct_config__.tag == "balance_changed" for record in story.told):
        key.append((stroke("operation"), "deposit or withdrawal"))
    return figure(
        "equity",
        chart,
        f"Equity of {story.name} over the whole replay, {story.currency}",
        key,
        _alternative(story),
        "Drag across the chart to look closer, or use the arrow keys, plus and minus in it.",
    )


def figure(
    kind: str,
    number: int,
    title: str,
    key: Sequence[tuple[Markup, str]],
    alternative: str,
    hint: str,
) -> Markup:
    """A chart to be drawn when it comes into view, with its key, words and table.

    Its tools are made by the script, without which they do nothing.
    """
    return h(
        "figure",
        h("figcaption", title),
        h("ul", [h("li", sample, name) for sample, name in key], class_="key"),
        h("div", class_="plot", role="img", tabindex=0, aria_label=alternative),
        h("p", hint, class_="readout", aria_live="polite"),
        h("details", h("summary", "Show as table"), class_="twin"),
        class_="chart",
        data_kind=kind,
        data_chart=number,
    )


def _alternative(story: Story) -> str:
    closed = story.closed
    money = numbers.money
    said = [
        (
            f"Equity of account {story.name} over time: from "
            f"{money(story.opened.initial, story.digits)} to {money(closed.equity, story.digits)} "
            f"{story.currency}, largest drawdown "
            f"{numbers.percent(closed.max_drawdown_percent, breached=True)}."
        )
    ]
    for breach in story.breaches[:3]:
        at = numbers.instant(breach.verdict.time_msc)
        said.append(f"{WORDS[BREACHED]} {breach.verdict.guard} at {at}.")
    if not story.breaches and story.warnings:
        said.append(f"Warned {numbers.counted(len(story.warnings), 'time')}.")
    return " ".join(said)


def _days(story: Story, detail: Detail) -> Markup | None:
    days = story.series.days if story.state != UNKNOWN else []
    if not days or not detail.days:
        return None
    columns = [
        Column("Day from, UTC"),
        Column("Guard"),
        Column("Start", is_number=True),
        Column("Floor", is_number=True),
        Column("Lowest", is_number=True),
        Column("At, UTC"),
        Column("Used", is_number=True),
        Column("Result"),
    ]
    words = {"breached": BREACHED, "warned": WARNED}
    rows = []
    for day in days[: detail.days]:
        breached = day.result == "breached"
        shown = state(words[day.result]) if day.result in words else "Kept"
        cells = [
            Cell(when(day.start_msc)),
            Cell(day.guard),
            *(Cell(numbers.money(sum_, story.digits))
              for sum_ in (day.reference, day.floor, day.low)),
            Cell(when(day.low_msc, dated=False)),
            Cell(numbers.percent(day.used_percent, breached=breached)),
            Cell(shown),
        ]  # fmt: skip
        rows.append(Row(cells, BREACHED if breached else None))
    return _titled("Days", f"{_left_out(len(days), detail.days)}Days of {story.name}, from reset "
                   f"to reset, {story.currency}", columns, rows)  # fmt: skip


def _drawdowns(story: Story, detail: Detail) -> Markup | None:
    falls = story.series.drawdowns if story.state != UNKNOWN else []
    if not falls or not detail.drawdowns:
        return None
    columns = [
        Column("Start, UTC"),
        Column("Valley, UTC"),
        Column("End, UTC"),
        Column("Depth", is_number=True),
        Column("Of high-water", is_number=True),
    ]
    rows = [
        Row([
            Cell(when(fall.start_msc)),
            Cell(when(fall.valley_msc)),
            Cell("not recovered" if fall.end_msc is None else when(fall.end_msc)),
            Cell(numbers.money(fall.depth, story.digits)),
            Cell(numbers.percent(fall.percent, breached=True)),
        ])
        for fall in falls[: detail.drawdowns]
    ]  # fmt: skip
    caption = f"The deepest falls of {story.name} from a high-water mark, {story.currency}"
    return _titled("Worst drawdowns", caption, columns, rows)


def _closes(story: Story, detail: Detail, *, dated: bool) -> Markup | None:
    closes = story.closes
    if not closes or not detail.closes:
        return None
    columns = [
        Column("Position"),
        Column("Symbol"),
        Column("Side"),
        Column("Lots", is_number=True),
        Column("Open", is_number=True),
        Column("Close", is_number=True),
        Column("Profit", is_number=True),
        Column("Reason"),
        Column("Closed, UTC"),
    ]
    rows = []
    for close in closes[: detail.closes]:
        priced = story.spec.market.priced.get(close.symbol)
        step = priced.instrument.volume_step if priced else 0.01
        digits = wording.symbol_digits(story, close.symbol)
        cells = [
            Cell(f"{close.position_id}"),
            Cell(close.symbol),
            Cell(close.side),
            Cell(numbers.lots(close.volume_lots, step)),
            Cell(price(close.open_price, digits)),
            Cell(price(close.close_price, digits)),
            Cell(numbers.money(close.profit, story.digits, signed=True)),
            Cell(_reason(close.reason)),
            Cell(when(close.time_msc, dated=dated)),
        ]
        rows.append(Row(cells))
    caption = f"{_left_out(len(closes), detail.closes)}Closes of {story.name}, swap apart, "
    return _titled("Positions closed", caption + story.currency, columns, rows)


def _reason(reason: str) -> str:
    if reason.startswith("guard:"):
        return f"guard {reason.removeprefix('guard:')}"
    return reason.replace("_", " ")


def _left_out(there: int, shown: int) -> str:
    if there <= shown:
        return ""
    return f"The first {numbers.count(shown)} of {numbers.count(there)}. "


def _titled(title: str, caption: str, columns: Sequence[Column], rows: Sequence[Row]) -> Markup:
    return Markup(h("h3", title) + table(caption, columns, rows))
