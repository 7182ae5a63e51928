"""What `tidegate replay` prints: a line an account, the totals, the files, what pollers missed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.domain import records
from engine.replay_equity import equity_series, gather
from engine.replay_result import Replay
from facade.report.numbers import count, counted, instant, money, percent
from facade.report.story import BREACHED, KNOWN, SEVERITY, UNKNOWN, WARNED, Story, stories_of

ACCOUNTS_MOST = 40
"""Lines of single accounts; of more, those that matter most."""
POLLS_MOST = 20
MEASURED_WORK = 40_000_000
"""Ticks times accounts that the least rooms may cost: a second or two."""

_GLYPHS = {BREACHED: "✕", WARNED: "▲", KNOWN: "●", UNKNOWN: "?"}
_WORDS = {BREACHED: "breach", WARNED: "warned", KNOWN: "known", UNKNOWN: "unknown"}
_COMPARED = {"below": "<", "at_or_below": "<="}


def lines_of(replay: Replay, outputs: Mapping[str, tuple[Path, int]]) -> Iterator[str]:
    """The lines, in order.

    Args:
        outputs: what was written: name to its path and how many events it holds.
    """
    series = {n: equity_series(replay, n) for n in range(len(replay.book.accounts))}
    stories = stories_of(replay, series)
    shown = _chosen(stories)
    quiet = [s.number for s in shown if s.state in (KNOWN, WARNED)]
    measured = frozenset(quiet[: MEASURED_WORK // max(replay.ticks, 1)])
    gather([series[number] for number in sorted(measured)])
    width = max(len(story.name) for story in shown)
    guards = max((len(s.breaches[0].verdict.guard) for s in shown if s.breaches), default=0)
    for story in shown:
        yield f" {story.name:>{width}}  {_account(story, guards, story.number in measured)}"
    if len(shown) < len(stories):
        yield f" {count(len(stories) - len(shown))} more accounts, none of them worse"
    yield from _polls(replay.summary.get("compare_poll", ()))
    yield _totals(replay, stories)
    if outputs:
        yield "   ".join(_output(name, *found) for name, found in outputs.items())


def _chosen(stories: Sequence[Story]) -> list[Story]:
    """All in the book's order, or of very many the worst."""
    if len(stories) <= ACCOUNTS_MOST:
        return list(stories)
    return sorted(stories, key=lambda s: SEVERITY.index(s.state))[:ACCOUNTS_MOST]


def _account(story: Story, width: int, measured: bool) -> str:
    lead = f"{_GLYPHS[story.state]} {_WORDS[story.state]:<7}"
    if story.breaches:
        verdict = story.breaches[0].verdict
        more = len(story.breaches) - 1
        also = f" (+{more})" if more else ""
        return f"{lead} {verdict.guard:<{width}}  {instant(verdict.time_msc)}  " + (
            _limit(story, verdict) + also
        )
    if story.state == UNKNOWN:
        missing = ", ".join(story.missing)
        return f"{lead} never valued: " + (f"no tick of {missing}" if missing else "no quote")
    parts = []
    if story.warnings:
        first = story.warnings[0]
        parts.append(f"{first.guard} {instant(first.time_msc)}")
    room = story.series.min_room if measured else None
    if room is not None:
        parts.append(
            f"min room {money(room.room, story.digits)} {story.currency} "
            f"({percent(room.left_percent)} left)"
            + ("" if story.warnings else f" at {instant(room.time_msc)}")
        )
    elif not parts:
        parts.append(f"equity {money(story.closed.equity, story.digits)} {story.currency}")
    return f"{lead} {'  '.join(parts)}"


def _limit(story: Story, verdict: records.GuardBreach | records.RuleBreach) -> str:
    if isinstance(verdict, records.RuleBreach):
        value = "" if verdict.value is None else f" {verdict.value:g}"
        limit = "" if verdict.limit is None else f" (limit {verdict.limit:g})"
        about = f" of {verdict.subject}" if verdict.subject else ""
        return f"{verdict.measured}{value}{limit}{about}"
    measured = verdict.balance if verdict.measured == "balance" else verdict.equity
    return (
        f"{money(measured, story.digits)} {_COMPARED[verdict.comparator]} "
        f"{money(verdict.floor, story.digits)} {story.currency}"
    )


def _polls(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for poll in found[:POLLS_MOST]:
        missed = poll["missed_percent"]
        said = f" {poll['login']}  a poll each {poll['period']}"
        if poll["late_median_ms"] is None:
            yield f"{said} never sees {poll['guard']}"
            continue
        median, most = poll["late_median_ms"] / 1000, poll["late_max_ms"] / 1000
        seen = f"{said} sees {poll['guard']} {median:.1f} s late (median), {most:.1f} s at most"
        yield seen + (f"; {percent(missed)} of phases miss it" if missed else "")
    if len(found) > POLLS_MOST:
        yield f" {count(len(found) - POLLS_MOST)} more comparisons with polls are in the summary"


def _totals(replay: Replay, stories: Sequence[Story]) -> str:
    states = Counter(story.state for story in stories)
    said = f"{count(states[BREACHED])} of {counted(len(stories), 'account')} breached"
    for state in (WARNED, UNKNOWN):
        if states[state]:
            said += f", {count(states[state])} {_WORDS[state]}"
    speed = replay.summary["ticks_per_second"]
    pace = "" if speed is None else f" ({_speed(speed)})"
    invalid = count(replay.summary["invalid_rows"])
    return f"{count(replay.ticks)} ticks, {invalid} invalid, {replay.seconds:.2f} s{pace}; {said}"


def _speed(ticks_per_second: float) -> str:
    if ticks_per_second >= 1e6:
        return f"{ticks_per_second / 1e6:.1f} M/s"
    if ticks_per_second >= 1e3:
        return f"{ticks_per_second / 1e3:.0f} k/s"
    return f"{ticks_per_second:.0f}/s"


def _output(name: str, path: Path, events: int) -> str:
    if name == "events":
        return f"events: {path} ({count(events)})"
    size = path.stat().st_size
    return f"{name}: {path} ({count(max(round(size / 1000), 1))} kB)"
