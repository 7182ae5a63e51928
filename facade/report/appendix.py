"""The end of the page: how it was computed, the rules in words, the book, whose code this is."""

from collections.abc import Sequence

from engine.domain.market_guards import AnyMarketGuard
from facade.report import numbers, rules
from facade.report.markup import Child, Markup, h
from facade.report.provenance import ZERO_LATENCY, Provenance
from facade.report.story import Story

LOGINS_MOST = 12
BOOK_BYTES_MOST = 60_000

_COMPUTED = """
Equity that decides: balance, credit and swap, and each open position's profit by MetaTrader 5's
arithmetic on the quotes as of that tick: buys at the bid, sells at the ask, every position rounded
to the currency's digits by itself, then summed.

High-water marks, drawdowns and the envelope of the charts: the same positions not rounded and
netted by symbol, conversion at the middle price. The two may differ by rounding and by the spread
of a conversion. The lines around a breach are on the equity that decides.

One tick: resets that fall before it, on the quotes before it; then the quote; stops and targets
that it reaches; the high-water mark; all guards in the order of the book, on one equity; last the
notices that have run out.

A floor: reference less amount, the amount rounded to the currency's digits, not above the height at
which it is locked. It is compared with equity as whole numbers of minor units.

Used: reference less equity, as percent of reference less floor. It never reads 100 % before the
breach.

A day: from reset to reset on the wall clock of the guard's zone: 23, 24 or 25 hours. Its start and
floor are those of the first tick on which the account was valued in it; a day is breached while the
breach stays latched.

Least room: the smallest distance between equity and a floor that was not breached, over every tick.

Realised: what the balance gained, deposits and withdrawals apart; profits of single closes are
without swap, which settles with them.

Rows that are no quote: crossed, zero, malformed, or earlier than the row before: counted, shown,
never valued.

A dash: unknown, or there was none. It is never a zero.
"""

_POLLED = """
Pollers: every phase of the period was counted, one a millisecond, on the engine's own high-water
marks and floors, with the account as it stood before the breach. Median and worst are over the
phases that saw the breach at all, before the guard's reset or the end of the data.
"""

_CHARTS = (
    "1,200 equal spans of time, each with the lowest, the highest and the last mark in it. "
    "Every tick is in one of them, so no extreme is lost."
)


def computed(
    stories: Sequence[Story],
    feed_guards: Sequence[AnyMarketGuard],
    *,
    polled: bool,
    rounded: Sequence[str],
) -> Markup:
    """How the figures came about, and the rules in words.

    Args:
        rounded: accounts whose envelope is drawn to less than the currency's digits, and to what.
    """
    text = _COMPUTED + (_POLLED if polled else "")
    entries = [paragraph.split(": ", 1) for paragraph in text.strip().split("\n\n")]
    entries.insert(-1, ["Fills", f"{ZERO_LATENCY}. A live broker is slower and slips."])
    small = f" To keep the page small, heights are rounded: {'; '.join(rounded)}."
    entries.append(["A chart over the whole replay", _CHARTS + (small if rounded else "")])
    return h(
        "section",
        h("h2", "How it was computed", id="computed-h"),
        h("ul", [h("li", h("b", name), ": ", said) for name, said in entries], class_="prose"),
        h("h3", "The rules in words"),
        [_group(stories, members, words) for members, words in _groups(stories)],
        _feed(feed_guards),
        id="computed",
        aria_labelledby="computed-h",
    )


def _feed(guards: Sequence[AnyMarketGuard]) -> Markup | None:
    if not guards:
        return None
    items = [h("li", h("b", one.name), ": ", rules.market_in_words(one)) for one in guards]
    return Markup(h("p", h("b", "On the quotes themselves"), class_="note")
                  + h("ul", items, class_="prose"))  # fmt: skip


def _groups(stories: Sequence[Story]) -> list[tuple[list[str], list[tuple[str, str]]]]:
    by_book = sorted(stories, key=lambda story: story.number)
    return [
        ([str(spec.key.login) for spec in members], words)
        for members, words in rules.grouped([story.spec for story in by_book])
    ]


def _group(
    stories: Sequence[Story], logins: Sequence[str], words: Sequence[tuple[str, str]]
) -> Markup:
    if len(logins) == len(stories) > 1:
        named = "All accounts"
    else:
        named = ", ".join(logins[:LOGINS_MOST])
        if len(logins) > LOGINS_MOST:
            named += f" and {numbers.count(len(logins) - LOGINS_MOST)} more"
    items: Child = [h("li", h("b", name), ": ", said) for name, said in words]
    if not words:
        items = h("li", "No guard.")
    return Markup(h("p", h("b", named), class_="note") + h("ul", items, class_="prose"))


def appendix(sources: Provenance, licence: str) -> Markup:
    """The book as text, and whose code draws the charts."""
    text = sources.book_text
    cut = len(text) > BOOK_BYTES_MOST
    book: Child = (
        h("pre", h("code", text[:BOOK_BYTES_MOST]), class_="book", tabindex=0, role="region",
          aria_label="The book")
        if text
        else h("p", "The book was made in Python and has no text.", class_="note")
    )  # fmt: skip
    return h(
        "section",
        h("h2", "Appendix: the book", id="appendix-h"),
        h("p", f"{sources.book_name}, SHA-256 ", h("span", sources.book_sha256, class_="id"),
          " (cut after its first 60,000 characters)" if cut else None, class_="note"),
        book,
        h("h3", "For machines"),
        h("p", "The summary and the events are in this page too: ",
          h("code", "tidegate report open FILE --json"), " gives them back.", class_="note"),
        h("footer",
          h("p", f"Made by {sources.program}. This page loads nothing from anywhere."),
          h("details", h("summary", "Licence of uPlot, which draws the charts"),
            h("pre", licence))),
        id="appendix",
        aria_labelledby="appendix-h",
    )  # fmt: skip
