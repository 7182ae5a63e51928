"""Guards that follow the calendar or the clock: weekend, news, holding time, missing stop loss.

They judge positions one by one: each gives one finding an occasion and closes alone, and the guard
as a whole is not latched. `GuardState.acted_on` remembers (position, occasion); positions that are
gone drop out of it. A notice does not apply to them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from math import ceil

from msgspec.structs import replace

from engine.domain.account import AccountState, GuardState
from engine.domain.guards import (
    MaxHolding,
    NewsEvent,
    NewsWindow,
    OnMissingCalendar,
    StopLossRequired,
    WeekendFlat,
)
from engine.domain.instruments import Instrument
from engine.domain.outcomes import Outcome, RuleFound, View, Wakes
from engine.domain.positions import Position
from engine.domain.quotes import Quote
from engine.domain.sessions import weekend_at
from engine.domain.watch import NEVER_MSC

Schedule = WeekendFlat | NewsWindow | MaxHolding | StopLossRequired

_ONCE = 0
"""The occasion of guards that act on a position but once."""

_NO_POSITION = -1
"""Stands for the account as a whole in `acted_on`."""

_HAS_STOP = NEVER_MSC
"""`since` of a position that has a stop loss: no grace runs."""

Due = tuple[Position, int, RuleFound]
"""A position to act on, the occasion, and what to say."""


def evaluate(
    guard: Schedule, known: GuardState, view: View
) -> tuple[GuardState, tuple[Outcome, ...]]:
    """Finds the positions that are due now and were not acted on for the same occasion."""
    known = replace(known, since=_since(guard, known, view.state.positions, view.time_msc))
    acted = set(known.acted_on)
    found: list[Outcome] = []
    if isinstance(guard, NewsWindow) and _is_blind(guard, view.time_msc):
        pairs, said = _without_calendar(guard, acted, view)
        found.extend(said)
        acted.update(pairs)
    for position, occasion, finding in _due(guard, known, view):
        if (position.position_id, occasion) not in acted:
            acted.add((position.position_id, occasion))
            found.append(finding)
    open_ids = {p.position_id for p in view.state.positions} | {_NO_POSITION}
    kept = tuple(sorted(pair for pair in acted if pair[0] in open_ids))
    return replace(known, acted_on=kept, evaluated_at_msc=view.time_msc), tuple(found)


def wakes(
    guard: Schedule,
    known: GuardState,
    state: AccountState,
    quotes: Mapping[str, Quote],  # noqa: ARG001  one signature for every kind of guard
) -> Wakes:
    """The next time at which a position may be due; deals and changes of a stop are steps."""
    if not state.positions:
        return Wakes()
    acted = set(known.acted_on)
    times: Iterable[int]
    match guard:
        case WeekendFlat():
            times = _weekend_times(guard, state, acted)
        case NewsWindow():
            times = _news_times(guard, state, acted)
        case MaxHolding() | StopLossRequired():
            since = dict(known.since)
            times = [
                since.get(p.position_id, state.time_msc) + _allowed_ms(guard)
                for p in state.positions
                if (p.position_id, _ONCE) not in acted and since.get(p.position_id) != _HAS_STOP
            ]
    return Wakes(at_msc=min(times, default=NEVER_MSC))


def _due(guard: Schedule, known: GuardState, view: View) -> Iterator[Due]:
    match guard:
        case WeekendFlat():
            yield from _before_weekend(guard, view)
        case NewsWindow():
            yield from _in_news(guard, view)
        case MaxHolding() | StopLossRequired():
            yield from _too_long(guard, known, view)


def _before_weekend(guard: WeekendFlat, view: View) -> Iterator[Due]:
    for position in view.state.positions:
        weekend = weekend_at(_instrument(view.state, position).sessions, view.time_msc)
        if weekend is None or view.time_msc < weekend.from_msc - _minutes(guard):
            continue
        left = (weekend.from_msc - view.time_msc) / 60_000
        finding = _about(position, "minutes_to_close", left, float(guard.minutes_before))
        yield position, weekend.from_msc, finding


def _weekend_times(
    guard: WeekendFlat, state: AccountState, acted: set[tuple[int, int]]
) -> Iterator[int]:
    for position in state.positions:
        sessions = _instrument(state, position).sessions
        weekend = weekend_at(sessions, state.time_msc)
        if weekend is not None and (position.position_id, weekend.from_msc) in acted:
            weekend = weekend_at(sessions, weekend.to_msc)
        if weekend is not None:
            yield weekend.from_msc - _minutes(guard)


def _minutes(guard: WeekendFlat) -> int:
    return guard.minutes_before * 60_000


def _in_news(guard: NewsWindow, view: View) -> Iterator[Due]:
    before, after = _milliseconds(guard.before_s), _milliseconds(guard.after_s)
    for event in _events_from(guard, view.time_msc - after):
        if event.time_msc - before > view.time_msc:
            return
        for position in view.state.positions:
            if _concerns(event, _instrument(view.state, position)):
                seconds = (event.time_msc - view.time_msc) / 1000
                yield (
                    position,
                    event.time_msc,
                    RuleFound(
                        breach=True,
                        measured="seconds_to_news",
                        value=seconds,
                        limit=guard.before_s if seconds >= 0 else guard.after_s,
                        subject=f"{position.position_id} {event.currency} {event.title}".rstrip(),
                        only_positions=(position.position_id,),
                    ),
                )


def news_until(guard: NewsWindow, instrument: Instrument | None, time_msc: int) -> int | None:
    """When trading the instrument is allowed again; None where it is allowed now.

    `NEVER_MSC` where the calendar is missing and that blocks. An instrument nobody knows is
    concerned by no event.
    """
    if _is_blind(guard, time_msc) and guard.on_missing is OnMissingCalendar.BLOCK:
        return NEVER_MSC
    before, after = _milliseconds(guard.before_s), _milliseconds(guard.after_s)
    until = time_msc
    for event in _events_from(guard, time_msc - after):
        if event.time_msc - before > until:
            break
        if instrument is not None and _concerns(event, instrument):
            until = event.time_msc + after + 1  # the end of a window is in it
    return until if until > time_msc else None


def _news_times(
    guard: NewsWindow, state: AccountState, acted: set[tuple[int, int]]
) -> Iterator[int]:
    before, after = _milliseconds(guard.before_s), _milliseconds(guard.after_s)
    until = guard.covers_until_msc
    if guard.events is not None and until is not None and state.time_msc <= until:
        yield until + 1
    for event in _events_from(guard, state.time_msc - after):
        for position in state.positions:
            fresh = (position.position_id, event.time_msc) not in acted
            if fresh and _concerns(event, _instrument(state, position)):
                yield event.time_msc - before
                return  # events are by time


def _events_from(guard: NewsWindow, time_msc: int) -> Iterator[NewsEvent]:
    """The calendar from a time on (inclusive); the events are in order of time."""
    events = guard.events or ()
    first = bisect_left(events, time_msc, key=lambda event: event.time_msc)
    return islice(events, first, None)


def _concerns(event: NewsEvent, instrument: Instrument) -> bool:
    return event.currency in (instrument.base_currency, instrument.profit_currency)


def _is_blind(guard: NewsWindow, time_msc: int) -> bool:
    """Whether the calendar could not be read, or says nothing of this time."""
    if guard.events is None:
        return True
    return guard.covers_until_msc is not None and time_msc > guard.covers_until_msc


def _without_calendar(
    guard: NewsWindow, acted: set[tuple[int, int]], view: View
) -> tuple[list[tuple[int, int]], list[Outcome]]:
    """What the declared policy makes of a missing calendar; none of them is silent.

    `allow` warns once, `alert` warns of every position held, `block` treats every position as one
    inside a window.
    """
    if not view.state.positions:
        return [], []
    if guard.on_missing is OnMissingCalendar.ALLOW:
        pairs = [(_NO_POSITION, _ONCE)]
    else:
        pairs = [(p.position_id, _ONCE) for p in view.state.positions]
    pairs = [pair for pair in pairs if pair not in acted]
    breach = guard.on_missing is OnMissingCalendar.BLOCK
    return pairs, [
        RuleFound(
            breach=breach,
            measured="calendar_missing",
            value=None,
            limit=None,
            subject=str(held) if held != _NO_POSITION else "",
            only_positions=(held,) if breach else None,
        )
        for held, _ in pairs
    ]


def _too_long(guard: MaxHolding | StopLossRequired, known: GuardState, view: View) -> Iterator[Due]:
    since = dict(known.since)
    holding = isinstance(guard, MaxHolding)
    for position in view.state.positions:
        started = since[position.position_id]
        held_ms = view.time_msc - started
        if started != _HAS_STOP and held_ms >= _allowed_ms(guard):
            what = "held_seconds" if holding else "seconds_without_stop_loss"
            finding = _about(position, what, held_ms / 1000, _allowed_ms(guard) / 1000)
            yield position, _ONCE, finding


def _since(
    guard: Schedule, known: GuardState, positions: Iterable[Position], now_msc: int
) -> tuple[tuple[int, int], ...]:
    """From when each open position's time runs: its opening, else when it was first seen.

    For a stop loss that was there and was taken away: from when it was seen to be gone.
    """
    if not isinstance(guard, MaxHolding | StopLossRequired):
        return ()
    before = dict(known.since)
    starts = []
    for position in positions:
        started = before.get(position.position_id)
        if isinstance(guard, StopLossRequired) and position.stop_loss:
            started = _HAS_STOP
        elif started == _HAS_STOP:
            started = now_msc
        elif started is None:
            started = now_msc if position.opened_at_msc is None else position.opened_at_msc
        starts.append((position.position_id, started))
    return tuple(starts)


def _allowed_ms(guard: MaxHolding | StopLossRequired) -> int:
    return _milliseconds(guard.seconds if isinstance(guard, MaxHolding) else guard.grace_s)


def _about(position: Position, measured: str, value: float, limit: float) -> RuleFound:
    """A breach of one position alone."""
    identifier = position.position_id
    return RuleFound(
        breach=True,
        measured=measured,
        value=value,
        limit=limit,
        subject=str(identifier),
        only_positions=(identifier,),
    )


def _instrument(state: AccountState, position: Position) -> Instrument:
    return state.spec.market.priced[position.symbol].instrument


def _milliseconds(seconds: float) -> int:
    return ceil(seconds * 1000)
