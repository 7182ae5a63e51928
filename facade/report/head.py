"""The top of the page: what came out, in one sentence, and the figures that matter."""

from collections.abc import Sequence

from facade.report import numbers, provenance, wording
from facade.report.glyphs import glyph
from facade.report.markup import Child, Markup, h
from facade.report.provenance import Provenance
from facade.report.story import BREACHED, UNKNOWN, WARNED, Breach, Story
from facade.report.tables import when


def headline(stories: Sequence[Story]) -> str:
    """`Replay: 2 of 5 accounts breached; 1 warned; 0 unknown`."""
    counts = _counts(stories)
    accounts = f"{numbers.count(len(stories))} account{'' if len(stories) == 1 else 's'}"
    return (
        f"Replay: {numbers.count(counts[BREACHED])} of {accounts} breached; "
        f"{numbers.count(counts[WARNED])} warned; {numbers.count(counts[UNKNOWN])} unknown"
    )


def _counts(stories: Sequence[Story]) -> dict[str, int]:
    counts = dict.fromkeys((BREACHED, WARNED, UNKNOWN), 0)
    for story in stories:
        if story.state in counts:
            counts[story.state] += 1
    return counts


def head(stories: Sequence[Story], measured: frozenset[int], sources: Provenance) -> Markup:
    """Masthead, headline, what came first, provenance and tiles."""
    said = headline(stories)
    first, rest = said.split("; ", 1)
    number = numbers.count(_counts(stories)[BREACHED])
    before, after = first.split(f" {number} of ", 1)
    breached = h("span", number, class_="n-breach" if number != "0" else None)
    return h(
        "header",
        h(
            "div",
            glyph("gate"),
            h("b", "Tidegate"),
            h("span", "Replay report"),
            h("span", provenance.span_in_words(sources), " UTC", class_="when"),
            class_="mast",
        ),
        provenance.synthetic_note(sources),
        h(
            "h1",
            h("span", before, " ", breached, " of ", after, "; "),
            h("span", rest, class_="rest"),
        ),
        h("p", wording.lead(stories, dated=not sources.one_day), class_="lead"),
        provenance.line(sources),
        tiles(stories, measured, sources),
    )


def tiles(stories: Sequence[Story], measured: frozenset[int], sources: Provenance) -> Markup:
    """Earliest breach, least room, largest drawdown, ticks and speed."""
    entries = [
        _earliest(stories, sources),
        _least_room(stories, measured, sources),
        _largest_drawdown(stories, sources),
        (
            "Ticks",
            numbers.count(sources.ticks),
            f"{numbers.counted(sources.invalid_rows, 'invalid row')}, never valued",
        ),
        (
            "Speed",
            _speed(sources),
            f"ticks a second; {numbers.duration(sources.seconds * 1000)} in all",
        ),
    ]
    return h(
        "dl",
        [
            h("div", h("dt", name), h("dd", value, class_="value"), h("dd", more, class_="more"))
            for name, value, more in entries
        ],
        class_="tiles",
    )


_Tile = tuple[str, Child, Child]


def _earliest(stories: Sequence[Story], sources: Provenance) -> _Tile:
    found = earliest_breach(stories)
    if found is None:
        return "Earliest breach", "None", "No guard was breached"
    story, breach = found
    at = breach.verdict.time_msc
    more: list[Child] = [f"{story.name}, {breach.verdict.guard}"]
    if not sources.one_day:
        more.append(f", {numbers.day(at)}")
    shown = numbers.clock(at)
    return "Earliest breach", [shown[:8], h("small", shown[8:])], more


def earliest_breach(stories: Sequence[Story]) -> tuple[Story, Breach] | None:
    """The first breach of any account, with that account."""
    found = [(story, story.breaches[0]) for story in stories if story.breaches]
    return min(found, key=lambda pair: pair[1].verdict.time_msc, default=None)


def _least_room(stories: Sequence[Story], measured: frozenset[int], sources: Provenance) -> _Tile:
    rooms = [
        (room.left_percent, story, room)
        for story in stories
        if story.number in measured and story.state not in (BREACHED, UNKNOWN)
        for room in (story.series.min_room,)
        if room is not None
    ]
    title = "Least room without a breach"
    if not rooms:
        return title, numbers.UNKNOWN, "No unbreached account has a floor that was measured"
    left, story, room = min(rooms, key=lambda found: found[0])
    shown = numbers.short_money(room.room, story.digits)
    full = f"{numbers.money(room.room, story.digits)} {story.currency}"
    value = h("span", shown, " ", h("small", story.currency), title=full)
    where = f"{numbers.percent(left)} left: {story.name}, {room.guard}, "
    valued = sum(story.state != UNKNOWN for story in stories)
    if len(measured) < valued:
        where = f"of the {numbers.count(len(measured))} accounts measured; {where}"
    return title, value, [where, when(room.time_msc, dated=not sources.one_day)]


def _largest_drawdown(stories: Sequence[Story], sources: Provenance) -> _Tile:
    known = [story for story in stories if story.closed.equity is not None]
    title = "Largest drawdown"
    if not known:
        return title, numbers.UNKNOWN, "No account was ever valued"
    worst = max(known, key=lambda story: story.closed.max_drawdown_percent)
    closed = worst.closed
    if not closed.max_drawdown:
        return title, numbers.percent(0.0), "Equity never fell below its high-water mark"
    amount = f"{numbers.short_money(closed.max_drawdown, worst.digits)} {worst.currency}"
    shown = numbers.percent(closed.max_drawdown_percent, breached=True)
    at = when(closed.max_drawdown_time_msc, dated=not sources.one_day)
    return title, shown, [f"{amount}: {worst.name}, ", at]


def _speed(sources: Provenance) -> str:
    if not sources.seconds:
        return numbers.UNKNOWN
    return numbers.count(round(sources.ticks / sources.seconds))
