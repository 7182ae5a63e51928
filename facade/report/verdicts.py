"""A breach at a glance: the card that says what decided, and the pane of every tick around it."""

from collections.abc import Sequence

from engine.domain import records
from facade.report import numbers, wording
from facade.report.accounts import figure
from facade.report.charting import Polls, period_in_words
from facade.report.glyphs import glyph, stroke
from facade.report.markup import Child, Markup, h
from facade.report.story import BREACHED, WARNED, Breach, Story
from facade.report.tables import Cell, Column, Row, number_cell, when

Pane = tuple[int, bool]


def breach_of(
    story: Story, breach: Breach, pane: Pane | None, polls: Polls, *, quiet: bool, dated: bool
) -> Markup:
    """One breach.

    Args:
        pane: its pane's number among the panes of the page, and whether ticks past the breach are
            left out of it; None: it has none.
    """
    verdict = breach.verdict
    title = h(
        "h3",
        h("span", glyph(BREACHED), f"Breach of {verdict.guard}", class_="state s-breached"),
    )
    card = h(
        "div",
        title,
        h("p", wording.decided(story, breach, dated=dated), " ",
          wording.consequence(story, breach), class_="said"),
        _between(story, breach),
        _rule(story, breach, dated=dated),
        h("p", "tidegate explain ", verdict.verdict_id, class_="id"),
        class_="card",
    )  # fmt: skip
    right: Child = (
        _figure(story, breach, pane, polls)
        if pane is not None
        else h("p", _no_pane(verdict, quiet=quiet), class_="note apart")
    )
    return h("div", card, h("div", right, _polls(story, polls)), class_="verdict")


def _no_pane(verdict: records.GuardBreach | records.RuleBreach, *, quiet: bool) -> str:
    if quiet:
        return "No tick came near it: it was found at the reset, on quotes from before."
    if isinstance(verdict, records.RuleBreach):
        return "This guard has no floor to draw equity against."
    return (
        "The ticks around this breach are left out to keep the page small; "
        "tidegate explain computes it anew from book, ticks and events."
    )


def _between(story: Story, breach: Breach) -> Markup:
    """How much time and how many ticks lay between the warning and the breach."""
    lapse = breach.between_msc
    if lapse is None:
        return h("p", _unwarned(story, breach), class_="note")
    entries = [(numbers.duration(lapse), "from warning to breach")]
    if breach.between_ticks is not None:
        entries.append((numbers.count(breach.between_ticks), "ticks between"))
    return h(
        "p", [h("span", h("b", shown), " ", name) for shown, name in entries], class_="between"
    )


def _unwarned(story: Story, breach: Breach) -> str:
    """Why no warning stands before a breach."""
    name = breach.verdict.guard
    if not isinstance(breach.verdict.tick, records.Tick):
        return "It was found at the reset, without a tick of its own."
    guard = next((guard for guard in story.limits if guard.name == name), None)
    if guard is None or (guard.warn_percent is None and guard.warn_drawdown_percent is None):
        return "This guard does not warn."
    if any(
        warning.guard == name and warning.seq < breach.verdict.seq for warning in story.warnings
    ):
        return "No new warning came before it."
    return "No warning came before it: one tick crossed both lines."


def _rule(story: Story, breach: Breach, *, dated: bool) -> Markup:
    verdict, warning = breach.verdict, breach.warning

    def money(amount: float) -> str:
        return numbers.money(amount, story.digits)

    lines: list[tuple[str, Child]] = []
    if isinstance(verdict, records.GuardBreach):
        worth = verdict.balance if verdict.measured == "balance" else verdict.equity
        comparison = "at or below" if verdict.comparator == "at_or_below" else "below"
        lines += [
            ("Reference", money(verdict.reference)),
            ("Amount", money(verdict.reference - verdict.floor)),
            (f"Floor, breach {comparison}", money(verdict.floor)),
            (verdict.measured.capitalize(), money(worth)),
        ]
    if warning is not None:
        shown: Child = when(warning.time_msc, dated=dated)
        if isinstance(warning, records.GuardWarning):
            shown = [shown, h("br"), f"{numbers.percent(warning.used_percent)} used"]
        lines.append(("Warning", shown))
    if breach.closes:
        signed = numbers.money(breach.realised, story.digits, signed=True)
        lines.append(("Profit of closing", signed))
    lines.append(("Action", verdict.action.replace("_", " ")))
    rows = [h("tr", h("th", name, scope="row"), h("td", what, class_="num"))
            for name, what in lines]  # fmt: skip
    return h("table", h("caption", f"The rule and its numbers, {story.currency}"), h("tbody", rows))


def _polls(story: Story, polls: Polls) -> Markup | None:
    if not polls:
        return None
    names = ("misses it", "late, median", "late, most", "costs, median", "costs, most")
    rows = []
    for poll in polls:
        shown = [
            numbers.percent(poll["missed_percent"], breached=True),
            *(
                numbers.UNKNOWN if late is None else numbers.duration(late)
                for late in (poll["late_median_ms"], poll["late_max_ms"])
            ),
            *(numbers.money(poll[cost], story.digits) for cost in ("cost_median", "cost_worst")),
        ]
        period = h("th", period_in_words(poll["period"]), scope="row")
        rows.append(h("tr", period, [h("td", text, class_="num") for text in shown]))
    heads = [h("th", name, scope="col", class_="num") for name in names]
    caption = f"What a poller of each period would have seen of it; costs in {story.currency}"
    listed = h(
        "table",
        h("caption", caption),
        h("thead", h("tr", h("th", "Poll every", scope="col"), heads)),
        h("tbody", rows),
    )
    return h("div", listed, class_="polled")


def _figure(story: Story, breach: Breach, pane: Pane, polls: Polls) -> Markup:
    verdict = breach.verdict
    key: list[tuple[Markup, str]] = [
        (stroke("line"), "equity, every tick"),
        (stroke("floor"), f"floor of {verdict.guard}"),
        (h("span", glyph(BREACHED), class_="s-breached"), "deciding tick"),
    ]
    if breach.warning is not None:
        key.append((h("span", glyph(WARNED), class_="s-warned"), "warning"))
    if breach.closes:
        key.append((stroke("close"), "closed"))
    if any(poll["late_median_ms"] is not None for poll in polls):
        key.append((stroke("poll"), "a poller, median: when it sees, and what"))
    number, thinned = pane
    hint = "Times count from the deciding tick."
    if thinned:
        hint += " Some way past it the line is drawn through lows and highs only."
    at = numbers.instant(verdict.time_msc)
    between = breach.between_msc
    lapse = "" if between is None else f" The warning came {numbers.duration(between)} before."
    return figure(
        "ticks",
        number,
        f"Every tick around the breach of {verdict.guard} by {story.name}, {story.currency}",
        key,
        f"Equity of account {story.name} tick by tick around its breach of {verdict.guard} at {at}."
        + lapse,
        hint,
    )


def breaches_table(
    stories: Sequence[Story], most: int, *, dated: bool
) -> tuple[str, Sequence[Column], Sequence[Row]]:
    """Every breach of every account by time: caption, columns and rows."""
    found = sorted(
        ((story, breach) for story in stories for breach in story.breaches),
        key=lambda pair: (pair[1].verdict.time_msc, pair[0].number),
    )
    columns = [
        Column("Breach", first="ascending"),
        Column("Account"),
        Column("Guard"),
        Column("Equity", is_number=True),
        Column("Floor", is_number=True),
        Column("From warning", is_number=True),
        Column("Ticks between", is_number=True),
        Column("Closed", is_number=True),
        Column("Profit", is_number=True),
    ]
    rows = []
    for story, breach in found[:most]:
        verdict = breach.verdict
        equity, floor = getattr(verdict, "equity", None), getattr(verdict, "floor", None)
        lapse, ticks = breach.between_msc, breach.between_ticks
        realised = breach.realised if breach.closes else None
        rows.append(
            Row([
                number_cell(when(verdict.time_msc, dated=dated), verdict.time_msc),
                Cell([story.name, " ", h("span", story.currency, class_="dim")], story.name),
                Cell(verdict.guard),
                number_cell(numbers.money(equity, story.digits), equity),
                number_cell(numbers.money(floor, story.digits), floor),
                number_cell("" if lapse is None else numbers.duration(lapse), lapse),
                number_cell(numbers.count(ticks), ticks),
                number_cell(numbers.count(len(breach.closes)), len(breach.closes)),
                number_cell(numbers.money(realised, story.digits, signed=True), realised),
            ])
        )  # fmt: skip
    left = len(found) - len(rows)
    more = f" {numbers.count(left)} later ones are left out." if left else ""
    return f"Every breach, the earliest first; times are UTC.{more}", columns, rows
