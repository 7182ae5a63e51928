"""What a feed's rows, and time without any, show to the market guards of one symbol.

Every row goes through `observe`, the invalid ones too; `elapse` sees what no row shows: that none
came. Pure: the caller keeps one `SymbolState` for each symbol and hands it back.
"""

from collections.abc import Iterator, Sequence
from math import floor

from msgspec.structs import replace

from engine.domain.instruments import Sessions
from engine.domain.market_findings import Finding, Level
from engine.domain.market_guards import (
    AnyMarketGuard,
    Gap,
    Spread,
    Stale,
    Suspect,
    SymbolState,
    Watched,
)
from engine.domain.quotes import Quote, defect
from engine.domain.sessions import is_open, opened_at
from engine.domain.watch import NEVER_MSC


def observe(
    guards: Sequence[AnyMarketGuard],
    state: SymbolState,
    symbol: str,
    sessions: Sessions,
    quote: Quote,
) -> tuple[SymbolState, tuple[Finding, ...]]:
    """What one row of a feed shows, valid or not; `guards` are those watching this symbol.

    Findings come in the order gap, spread, then the rest, each group as listed. An invalid row
    counts towards suspicion and changes nothing else; a valid one is `last` from here.
    """
    cause = defect(quote.bid, quote.ask)
    if cause is None and state.last is not None and quote.time_msc < state.last.time_msc:
        cause = "time_back"
    watched = list(state.watched)
    found: list[Finding] = []
    invalid_in_a_row = 0 if cause is None else state.invalid_in_a_row + 1
    for place in sorted(range(len(guards)), key=lambda place: _turn(guards[place])):
        guard, known = guards[place], state.watched[place]
        after, said = _observed(guard, known, state, sessions, quote, cause, invalid_in_a_row)
        watched[place] = after
        found.extend(_finding(guard, symbol, *one, cause or "") for one in said)
    return (
        SymbolState(
            watched=tuple(watched),
            last=quote if cause is None else state.last,
            invalid_in_a_row=invalid_in_a_row,
            invalid=state.invalid + (cause is not None),
        ),
        tuple(found),
    )


def elapse(
    guards: Sequence[AnyMarketGuard],
    state: SymbolState,
    symbol: str,
    sessions: Sessions,
    time_msc: int,
) -> tuple[SymbolState, tuple[Finding, ...]]:
    """What a time without a tick shows: a stale symbol, inside its session only, said once."""
    watched = list(state.watched)
    found = []
    for place, guard in enumerate(guards):
        if not isinstance(guard, Stale) or watched[place].level is Level.ACT:
            continue
        due = _stale_at(guard, state, sessions, time_msc)
        said = due is not None and time_msc >= due
        level = Level.ACT if said else watched[place].level
        watched[place] = replace(watched[place], level=level, checked_msc=time_msc)
        if due is not None and said:
            age_s = guard.max_age_s + (time_msc - due) / 1000
            found.append(_finding(guard, symbol, Level.ACT, age_s, guard.max_age_s, ""))
    return replace(state, watched=tuple(watched)), tuple(found)


def next_elapse_msc(
    guards: Sequence[AnyMarketGuard], state: SymbolState, sessions: Sessions, time_msc: int
) -> int:
    """When `elapse` may next have something to say, were there no tick; `NEVER_MSC` when not.

    While the symbol is closed it cannot be told: ask again at the next tick or session.
    """
    times = [
        _stale_at(guard, state, sessions, time_msc)
        for guard, known in zip(guards, state.watched, strict=True)
        if isinstance(guard, Stale) and known.level is not Level.ACT
    ]
    return min((time for time in times if time is not None), default=NEVER_MSC)


_Said = tuple[Level, float, float]
"""A level, what was measured and its limit."""


def _turn(guard: AnyMarketGuard) -> int:
    return 0 if isinstance(guard, Gap) else 1 if isinstance(guard, Spread) else 2


def _observed(
    guard: AnyMarketGuard,
    known: Watched,
    state: SymbolState,
    sessions: Sessions,
    quote: Quote,
    cause: str | None,
    invalid_in_a_row: int,
) -> tuple[Watched, list[_Said]]:
    if isinstance(guard, Suspect):
        return _suspect(guard, known, quote, invalid_in_a_row)
    if cause is not None:
        return known, []
    match guard:
        case Gap():
            said = list(_gap(guard, state.last, sessions, quote))
            return replace(known, checked_msc=quote.time_msc), said
        case Spread():
            return _spread(guard, known, quote)
        case Stale():
            was_stale = known.level is Level.ACT
            after = Watched(checked_msc=quote.time_msc)
            return after, [(Level.CLEARED, 0.0, guard.max_age_s)] if was_stale else []


def _suspect(
    guard: Suspect, known: Watched, quote: Quote, invalid_in_a_row: int
) -> tuple[Watched, list[_Said]]:
    level = known.level
    if invalid_in_a_row == 0:
        level = Level.CLEARED
    elif invalid_in_a_row >= guard.in_a_row:
        level = Level.ACT
    after = replace(known, level=level, checked_msc=quote.time_msc)
    if level is known.level:
        return after, []
    return after, [(level, float(invalid_in_a_row), float(guard.in_a_row))]


def _gap(guard: Gap, last: Quote | None, sessions: Sessions, quote: Quote) -> Iterator[_Said]:
    if last is None or quote.time_msc - last.time_msc < guard.quiet_s * 1000:
        return
    moved = _percent(abs(quote.mid - last.mid), last.mid)
    if moved < guard.warn_percent and moved < guard.act_percent:
        return
    if not guard.across_sessions:
        opened = opened_at(sessions, quote.time_msc)
        if opened is None or opened > last.time_msc:
            return
    if moved >= guard.act_percent:
        yield Level.ACT, moved, guard.act_percent
    else:
        yield Level.WARN, moved, guard.warn_percent


def _spread(guard: Spread, known: Watched, quote: Quote) -> tuple[Watched, list[_Said]]:
    """Says the higher level reached, once, and again only after ticks below the warning."""
    wide = _percent(quote.ask - quote.bid, quote.bid)
    now = quote.time_msc
    warn_since = _still(known.warn_since_msc, now, wide > guard.warn_percent)
    act_since = _still(known.act_since_msc, now, wide >= guard.act_percent)
    level = known.level
    if act_since is not None and now - act_since >= guard.for_s * 1000:
        level = Level.ACT
    elif warn_since is not None and now - warn_since >= guard.for_s * 1000:
        level = Level.WARN if level is Level.CLEARED else level
    elif warn_since is None and act_since is None:
        level = Level.CLEARED
    after = Watched(
        level=level, warn_since_msc=warn_since, act_since_msc=act_since, checked_msc=now
    )
    if level is known.level:
        return after, []
    limit = guard.act_percent if level is Level.ACT else guard.warn_percent
    return after, [(level, wide, limit)]


def _still(since_msc: int | None, now_msc: int, holds: bool) -> int | None:
    if not holds:
        return None
    return now_msc if since_msc is None else since_msc


def _stale_at(guard: Stale, state: SymbolState, sessions: Sessions, time_msc: int) -> int | None:
    """When the symbol is stale if no tick comes; None while closed or before its first tick."""
    if state.last is None or not is_open(sessions, time_msc):
        return None
    opened = opened_at(sessions, time_msc)
    since = state.last.time_msc if opened is None else max(opened, state.last.time_msc)
    return since + int(guard.max_age_s * 1000)


def _percent(part: float, whole: float) -> float:
    """To nine decimals, so that 1.1 against 1.0 is ten percent and not a bit more or less."""
    return floor(100.0 * part / whole * 1e9 + 0.5) / 1e9


_MEASURED = {
    "gap": "gap_percent",
    "spread": "spread_percent",
    "stale": "age_seconds",
    "suspect": "invalid_in_a_row",
}


def _finding(
    guard: AnyMarketGuard, symbol: str, level: Level, value: float, limit: float, cause: str
) -> Finding:
    kind = guard.__struct_config__.tag
    assert isinstance(kind, str)
    return Finding(
        guard=guard.name,
        kind=kind,
        symbol=symbol,
        level=level,
        measured=_MEASURED[kind],
        value=value,
        limit=limit,
        action=guard.action,
        policy=guard.policy if isinstance(guard, Suspect) else None,
        cause=cause,
    )
