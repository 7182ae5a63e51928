"""A replay as one self-contained page that stays small whatever the replay was.

The tables come first: they are always there. What is left of the budget goes to charts, then to
the panes of single breaches, then to the events for machines; what does not fit is said to be left
out, where a person would look for it.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import msgspec
import orjson

from engine.domain import records
from engine.replay_equity import equity_series, gather
from engine.replay_result import Replay
from facade.report import accounts, appendix, charting, glyphs, head, numbers, quality, verdicts
from facade.report.accounts import DETAILS, Detail
from facade.report.charting import Payload
from facade.report.markup import Markup, embedded_json, h, joined
from facade.report.provenance import Provenance, provenance_of
from facade.report.reading import CHARTS_JSON, REPORT_JSON
from facade.report.story import UNKNOWN, Breach, Story, by_severity, stories_of
from facade.report.tables import table

PAGE_BYTES = 300_000
ACCOUNT_BYTES = 12_000
SECTIONS_MOST = 50
SECTIONS_LEAST = 6
MEASURED_WORK = 60_000_000
"""Ticks times accounts that a pass for least rooms and charts may cost: some seconds."""
MEASURED_MOST = 400
"""Accounts whose equity is held at once, a quarter of a megabyte each."""
CHART_BYTES = 11_000
CHART_BYTES_LEAST = 3_000
PANES_MOST = 60
FIGURE_BYTES = 1_500
"""Of a figure's own HTML."""
SPARE_BYTES = 4_000
BREACHES_MOST = 300

_Key = tuple[int, int]
"""An account's number and which of its breaches."""


@dataclass
class Plan:
    """What goes on the page."""

    stories: list[Story]
    """The worst first."""
    measured: frozenset[int]
    polls: dict[str, list[dict[str, Any]]]
    """What pollers saw, by verdict."""
    charts: list[Payload] = field(default_factory=list)
    chart_of: dict[int, int] = field(default_factory=dict)
    panes: list[Payload] = field(default_factory=list)
    pane_of: dict[_Key, int] = field(default_factory=dict)
    quiet: set[_Key] = field(default_factory=set)
    """Breaches without a tick near them."""
    events: list[Any] = field(default_factory=list)
    events_left_out: int = 0
    detail: Detail = DETAILS[0]

    @property
    def sectioned(self) -> list[Story]:
        """Accounts that have a section of their own."""
        most = max(SECTIONS_LEAST, min(SECTIONS_MOST, len(self.measured)))
        return self.stories[:most]


def render(replay: Replay) -> str:
    """The whole page as text; write it as UTF-8.

    Costs passes over the ticks: one for the equity of the accounts shown, one for the quality of
    the data, and parts of one for each account with a breach.
    """
    sources = provenance_of(replay)
    plan = _plan(replay)
    allowed = PAGE_BYTES + ACCOUNT_BYTES * len(plan.stories) - SPARE_BYTES
    data = quality.section(replay, plan.stories)

    def left() -> int:
        return allowed - len(_compose(replay, plan, sources, data).encode())

    for plan.detail in DETAILS:
        room = left()
        if room > (CHART_BYTES_LEAST + FIGURE_BYTES) * len(plan.sectioned):
            break
    _add_charts(plan, room)
    _add_panes(plan, left() * 5 // 6)
    _add_events(replay, plan, left())
    return _compose(replay, plan, sources, data)


def _plan(replay: Replay) -> Plan:
    """Which accounts are shown and measured: the worst first, no more than a pass can bear."""
    series = {n: equity_series(replay, n) for n in range(len(replay.book.accounts))}
    stories = by_severity(stories_of(replay, series), frozenset())
    most = min(MEASURED_MOST, max(SECTIONS_LEAST, MEASURED_WORK // max(replay.ticks, 1)))
    valued = [story.number for story in stories if story.state != UNKNOWN][:most]
    gather([series[number] for number in valued])
    measured = frozenset(valued)
    polls: dict[str, list[dict[str, Any]]] = {}
    for poll in replay.summary.get("compare_poll", ()):
        polls.setdefault(poll["verdict_id"], []).append(poll)
    return Plan(by_severity(stories, measured), measured, polls)


def _add_charts(plan: Plan, left: int) -> None:
    """Adds a chart for every account shown that was valued."""
    shown = [s for s in plan.sectioned if s.number in plan.measured]
    each = min(CHART_BYTES, left // 2 // max(len(shown), 1) - FIGURE_BYTES)
    for story in shown:
        plan.chart_of[story.number] = len(plan.charts)
        envelope = story.series.envelope()
        plan.charts.append(
            charting.equity_chart(story, envelope, max(each, CHART_BYTES_LEAST) * 7 // 8)
        )


def _add_panes(plan: Plan, left: int) -> None:
    """Adds panes of breaches, each account's first ones first, while they fit."""
    wanted = [
        (number, story, breach)
        for story in plan.sectioned
        for number, breach in enumerate(story.breaches[: plan.detail.cards])
        if isinstance(breach.verdict, records.GuardBreach) and story.number in plan.measured
    ]
    for number, story, breach in sorted(wanted, key=lambda found: found[0])[:PANES_MOST]:
        payload = _pane(story, breach, plan.polls.get(breach.verdict.verdict_id, []))
        if payload is None:
            plan.quiet.add((story.number, number))
            continue
        size = len(orjson.dumps(payload)) + FIGURE_BYTES
        if size <= left:
            plan.pane_of[story.number, number] = len(plan.panes)
            plan.panes.append(payload)
            left -= size


def _pane(story: Story, breach: Breach, polls: Sequence[dict[str, Any]]) -> Payload | None:
    spans = charting.pane_spans(breach, polls)
    found = story.series.windows(spans)
    ticks = next((t for t in found if charting.enough(t, breach)), found[-1])
    if ticks is None or not len(ticks):
        return None
    return charting.pane(story, breach, ticks, polls)


def _add_events(replay: Replay, plan: Plan, left: int) -> None:
    """Adds the events in order, as many as fit."""
    for record in replay.records:
        event = msgspec.to_builtins(record)
        left -= len(embedded_json(event, "")) - len(embedded_json(None, "")) + 4
        if left < 0:
            break
        plan.events.append(event)
    plan.events_left_out = len(replay.records) - len(plan.events)


def _compose(replay: Replay, plan: Plan, sources: Provenance, data: Markup) -> str:
    dated = not sources.one_day
    stories, sectioned = plan.stories, plan.sectioned
    drawn = frozenset(story.number for story in sectioned)
    polled = bool(plan.polls)
    sheet = h(
        "div",
        head.head(stories, plan.measured, sources),
        _contents(stories),
        h(
            "main",
            _overview(plan, drawn, dated=dated),
            [_section(plan, story, dated=dated) for story in sectioned],
            data,
            appendix.computed(
                stories, replay.book.feed_guards, polled=polled, rounded=_rounded(plan)
            ),
            appendix.appendix(sources, _asset("vendor/LICENSE")),
            id="main",
        ),
        class_="sheet",
    )
    machine = {
        "format": REPORT_JSON,
        "version": 1,
        "headline": head.headline(stories),
        "provenance": sources.as_json(),
        "summary": replay.summary,
        "events": plan.events,
        "events_left_out": plan.events_left_out,
    }
    return _document(
        head.headline(stories),
        joined([
            glyphs.sprite(),
            h("a", "To the accounts", href="#accounts", class_="skip"),
            sheet,
            h("noscript", h("p", "Charts and sorting need scripts; every table is here without.",
              class_="sheet note")),
            embedded_json(machine, REPORT_JSON),
            embedded_json({"equity": plan.charts, "ticks": plan.panes}, CHARTS_JSON),
        ]),
    )  # fmt: skip


def _contents(stories: Sequence[Story]) -> Markup:
    links = [("accounts", "Accounts"), ("quality", "Data quality"),
             ("computed", "How it was computed"), ("appendix", "Appendix")]  # fmt: skip
    if any(story.breaches for story in stories):
        links.insert(1, ("breaches", "Breaches"))
    items = [h("li", h("a", name, href=f"#{anchor}")) for anchor, name in links]
    return h("nav", h("ul", items, class_="contents"), aria_label="Contents")


def _overview(plan: Plan, drawn: frozenset[int], *, dated: bool) -> Markup:
    stories = plan.stories
    notes = []
    if len(drawn) < len(stories):
        notes.append(f"The {len(drawn)} at the top have a section with a chart below.")
    unmeasured = [s for s in stories if s.number not in plan.measured and s.state != UNKNOWN]
    if unmeasured:
        other = numbers.count(len(unmeasured))
        notes.append(f"The least room of {other} accounts was not measured.")
    parts = [
        h("h2", "Accounts", id="accounts-h"),
        accounts.accounts_table(stories, plan.measured, drawn, dated=dated),
        h("p", " ".join(notes), class_="note") if notes else None,
    ]
    out = h("section", parts, id="accounts", aria_labelledby="accounts-h")
    if any(story.breaches for story in stories):
        listed = table(*verdicts.breaches_table(stories, BREACHES_MOST, dated=dated), sortable=True)
        title = h("h2", "Breaches", id="breaches-h")
        out = Markup(out + h("section", title, listed, id="breaches",
                             aria_labelledby="breaches-h"))  # fmt: skip
    return out


def _section(plan: Plan, story: Story, *, dated: bool) -> Markup:
    cards = [
        verdicts.breach_of(
            story,
            breach,
            _pane_at(plan, plan.pane_of.get((story.number, number))),
            plan.polls.get(breach.verdict.verdict_id, []),
            quiet=(story.number, number) in plan.quiet,
            dated=dated,
        )
        for number, breach in enumerate(story.breaches[: plan.detail.cards])
    ]
    left = len(story.breaches) - len(cards)
    if left:
        later = numbers.counted(left, "later breach", "later breaches")
        said = f"{later} of this account: see the table of breaches."
        cards.append(h("p", said, class_="note"))
    return accounts.section(story, plan.chart_of.get(story.number), cards, plan.detail, dated=dated)


def _pane_at(plan: Plan, number: int | None) -> verdicts.Pane | None:
    return None if number is None else (number, plan.panes[number]["thinned"])


def _rounded(plan: Plan) -> list[str]:
    said = []
    for story in plan.sectioned:
        number = plan.chart_of.get(story.number)
        unit = 1 if number is None else plan.charts[number]["unit"]
        if unit > 1:
            step = f"{unit / 10**story.digits:g}"
            said.append(f"{story.name} to {step} {story.currency}")
    return said


def _document(title: str, body: Markup) -> str:
    style = _asset("vendor/uplot.css") + _asset("report.css")
    script = "\n".join(
        _asset(name) for name in ("vendor/uplot.js", "charts.js", "drawing.js", "page.js")
    )
    policy = (
        f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    top = joined([
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=policy),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", name="referrer", content="no-referrer"),
        h("title", f"{title} · Tidegate"),
        Markup('<link rel="icon" href="data:,">'),
        Markup(f"<style>{style}</style>"),
    ])  # fmt: skip
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{top}</head>\n'
        f"<body>{body}<script>{script}</script></body>\n</html>\n"
    )


@cache
def _asset(name: str) -> str:
    """A file of this package, as the page has it."""
    text = (files("facade.report") / name).read_text(encoding="utf-8")
    assert "</script" not in text, "an asset would end the element that holds it"
    assert "</style" not in text, "an asset would end the element that holds it"
    return text


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
