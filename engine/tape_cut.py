"""A breach tick by tick, cut from the tape: equity, floor, the broker's own word, and slow polls.

Equity twice: as the engine knew the account at each tick, and had nobody closed: with the positions
of the verdict held all the time. Both by the columns that a replay's report is made by, which equal
the scalar arithmetic of a verdict to the last bit.
"""

from collections.abc import Generator, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET

from engine.domain.account import AccountSpec, AccountState
from engine.domain.records import GuardBreach
from engine.domain.units import major
from engine.domain.valuation import symbols_needed
from engine.equity_columns import LatestQuotes
from engine.equity_ticks import AccountWalk
from engine.marking.ticks import Floats
from engine.polling import Stood, joined, polled_breach
from engine.replay_loop import Change
from engine.tape import Stretch
from engine.tape_accounts import Breach, BrokerEquity, TapedAccounts
from engine.tape_polls import PollSeen, poll_all

BEFORE_MSC = 20_000
AFTER_MSC = 8_000
"""Ticks are shown so long before and after the verdict."""
POLLED_MSC = 60_000
"""Polls are followed so long after it."""
PERIODS = ("10s", "30s", "60s")
MOST_TICKS = 5_000
"""Shown; of more, those around the verdict."""
ROWS_A_TURN = 200
TICKS_A_TURN = 4_096
CHANGES_A_TURN = 2
"""Each takes about a quarter of a millisecond: no quote is to wait longer for evidence."""


class TapeTick(msgspec.Struct, frozen=True, array_like=True):
    """A tick of a symbol that the account's equity came from, and what it made of the account."""

    index: int
    """In the feed, since the engine's start."""
    time_msc: int
    symbol: str
    bid: float
    ask: float
    equity: float | None
    """As the engine knew the account then; null: nothing could be valued."""
    equity_held: float | None
    """Had nobody closed: with the positions of the verdict, before it and after it."""
    floor: float | None
    """Of the guard, as of this tick; null for a guard without one."""


class VerdictTape(msgspec.Struct, frozen=True, kw_only=True):
    """A breach tick by tick."""

    verdict_id: str
    server: str
    login: int
    currency: str
    guard: str
    time_msc: int
    """Of the verdict."""
    from_msc: int
    to_msc: int
    """All ticks of the account's symbols in this span are in `ticks`, both ends included, and the
    last before it."""
    is_whole: bool
    """False: the span is shorter than it should be: the engine had just started, it stopped, the
    rules were changed in it, or there were too many ticks."""
    is_final: bool
    """False: ticks still come that belong to it, or to the polls."""
    decided_index: int | None
    """Of the tick that decided; null where none did."""
    equity: float | None
    """Of the verdict; null for a guard without a floor."""
    agrees: bool | None
    """Whether `equity_held` is the verdict's own equity at the tick it was decided on."""
    ticks: tuple[TapeTick, ...]
    broker: tuple[BrokerEquity, ...]
    """What the broker said of its own accord, when its terminal's heartbeat came."""
    polls: tuple[PollSeen, ...]
    """None for a guard without a floor."""
    polled_until_msc: int
    """So far polls were followed."""


class _Course(NamedTuple):
    """An account on the ticks of a stretch; nan where it could not be valued."""

    equity_minor: Floats
    floor_minor: Floats


def cut_of(accounts: TapedAccounts, breach: Breach, now_msc: int) -> VerdictTape:
    """The breach as far as it went by now, at one go: see `cutting`."""
    work = cutting(accounts, breach, now_msc)
    while True:
        try:
            next(work)
        except StopIteration as done:
            tape: VerdictTape = done.value
            return tape


def cutting(
    accounts: TapedAccounts, breach: Breach, now_msc: int
) -> Generator[None, None, VerdictTape]:
    """The breach as far as it went by now; yields where others may have a turn.

    About ten milliseconds for a busy minute, in parts of a quarter of one.
    """
    record, spec = breach.record, breach.state.spec
    from_msc, to_msc = record.time_msc - BEFORE_MSC, record.time_msc + AFTER_MSC
    until_msc = min(now_msc, record.time_msc + POLLED_MSC)
    changes = _under_same_rules(accounts.changes(breach.place), breach)
    stretch = accounts.tape.since(_symbols(changes, breach, accounts.tape.symbols), from_msc)
    times = stretch.batch.time_msc
    decided = int(np.searchsorted(stretch.indices, breach.next_index)) - 1
    low = max(0, int(np.searchsorted(times, from_msc)) - 1)
    high = int(np.searchsorted(times, min(to_msc, now_msc), side="right"))
    started = changes[0].index if changes else breach.next_index
    reaches_msc = accounts.tape.reaches_msc
    is_whole = reaches_msc is not None and reaches_msc <= from_msc
    if len(times) and started > int(stretch.indices[low]):
        low, is_whole = int(np.searchsorted(stretch.indices, started)), False
    if high - low > MOST_TICKS:
        low = max(low, decided - MOST_TICKS * 2 // 3)
        high, is_whole = min(high, low + MOST_TICKS), False
    whole_from = max(from_msc, reaches_msc or from_msc) if is_whole else _time_at(stretch, low)
    broker = accounts.broker_equity(breach.place, from_msc, min(to_msc, now_msc))
    yield
    # Equity is shown up to there; what polls would have seen later is in `_polls`.
    shown = stretch._replace(batch=stretch.batch.part(0, high), indices=stretch.indices[:high])
    actual = yield from _course(shown, accounts.tape.symbols, spec, changes, record.guard)
    kept = [Change(0, breach.state)]
    held = yield from _course(shown, accounts.tape.symbols, spec, kept, record.guard)
    polls = yield from _polls(breach, stretch, accounts.tape.symbols, until_msc)
    ticks: list[TapeTick] = []
    for start in range(low, high, ROWS_A_TURN):
        stop = min(high, start + ROWS_A_TURN)
        ticks += _rows(stretch, range(start, stop), spec.digits, actual, held)
        yield
    return VerdictTape(
        verdict_id=record.verdict_id,
        server=record.server,
        login=record.login,
        currency=spec.market.deposit,
        guard=record.guard,
        time_msc=record.time_msc,
        from_msc=whole_from if whole_from is not None else record.time_msc,
        to_msc=min(to_msc, now_msc),
        is_whole=is_whole and now_msc >= to_msc,
        is_final=now_msc >= record.time_msc + POLLED_MSC,
        decided_index=None if record.tick is UNSET else record.tick.index,
        equity=getattr(record, "equity", None),
        agrees=_agrees(breach, held, decided),
        ticks=tuple(ticks),
        broker=broker,
        polls=polls,
        polled_until_msc=until_msc,
    )


def _time_at(stretch: Stretch, at: int) -> int | None:
    times = stretch.batch.time_msc
    return int(times[at]) if at < len(times) else None


def _under_same_rules(changes: list[Change], breach: Breach) -> list[Change]:
    """Those around the verdict up to where the rules were others."""
    spec = breach.state.spec
    at = next((n for n, one in enumerate(changes) if one.state is breach.state), None)
    if at is None:  # more happened since than is remembered
        return []
    start = stop = at
    while start > 0 and changes[start - 1].state.spec is spec:
        start -= 1
    while stop < len(changes) and changes[stop].state.spec is spec:
        stop += 1
    return changes[start:stop]


def _symbols(
    changes: Sequence[Change], breach: Breach, feed_symbols: Sequence[str]
) -> dict[str, None]:
    """What its equity came from at any time of it, and the symbol of the tick that decided."""
    found: dict[str, None] = {}
    if breach.record.tick is not UNSET:
        found[breach.record.tick.symbol] = None
    for state in (breach.state, *(one.state for one in changes)):
        found |= dict.fromkeys(_needs(state))
    return {symbol: None for symbol in found if symbol in feed_symbols}


def _needs(state: AccountState) -> tuple[str, ...]:
    return symbols_needed(state.spec.market, state.positions)


def _course(
    stretch: Stretch,
    symbols: Sequence[str],
    spec: AccountSpec,
    changes: Sequence[Change],
    guard: str,
) -> Generator[None, None, _Course]:
    """The account on every tick, as these changes have it, each from its index in the feed on."""
    size = len(stretch.batch)
    equity, floor = np.full(size, np.nan), np.full(size, np.nan)
    placed: list[Change] = []
    for one in changes:
        at = int(np.searchsorted(stretch.indices, one.index))
        for symbol in _needs(one.state):
            # Nothing is valued before all it needs has a quote.
            at = max(at, _first_quoted(stretch, symbols.index(symbol)))
        placed.append(Change(max(at, placed[-1].index) if placed else at, one.state))
    latest = LatestQuotes(symbols)
    latest.restore(stretch.standing)
    walk = AccountWalk(spec, placed, latest)
    yield
    for start, stop in pairwise(_turns(placed, size)):
        part = stretch.batch.part(start, stop)
        latest.take(part)
        ticks = walk.take(part)
        if ticks is not None:
            cut = slice(ticks.first_index, stop)
            equity[cut] = ticks.equity_minor
            limit = next((one for one in ticks.limits if one.guard == guard), None)
            if limit is not None:
                floor[cut] = limit.floor_minor
        yield
    for one, after in pairwise([*placed, Change(size, placed[-1].state)] if placed else ()):
        if not one.state.known:
            equity[one.index : after.index] = floor[one.index : after.index] = np.nan
    return _Course(equity, floor)


def _turns(placed: Sequence[Change], size: int) -> list[int]:
    """Where to pause on the way over `size` ticks: the first offset, and each that follows."""
    stops = {*range(0, size, TICKS_A_TURN), size}
    stops.update(min(one.index, size) for one in placed[CHANGES_A_TURN::CHANGES_A_TURN])
    return sorted(stops) if placed else []


def _first_quoted(stretch: Stretch, row: int) -> int:
    """The offset of the first tick on which the symbol has a quote; past the end: on none."""
    if stretch.standing[row][0] == stretch.standing[row][0]:
        return 0
    ticks = stretch.batch.symbol == row
    return int(ticks.argmax()) if ticks.any() else len(ticks)


def _rows(
    stretch: Stretch, rows: range, digits: int, actual: _Course, held: _Course
) -> list[TapeTick]:
    batch, cut = stretch.batch, slice(rows.start, rows.stop)

    def money(column: Floats) -> list[float | None]:
        return [None if x != x else major(int(x), digits) for x in column[cut].tolist()]

    columns = zip(
        stretch.indices[cut].tolist(),
        batch.time_msc[cut].tolist(),
        [batch.symbols[row] for row in batch.symbol[cut].tolist()],
        batch.bid[cut].tolist(),
        batch.ask[cut].tolist(),
        money(actual.equity_minor),
        money(held.equity_minor),
        money(actual.floor_minor),
        strict=True,
    )
    return [TapeTick(*one) for one in columns]


def _agrees(breach: Breach, held: _Course, decided: int) -> bool | None:
    equity = getattr(breach.record, "equity", None)
    if equity is None or not 0 <= decided < len(held.equity_minor):
        return None
    again = float(held.equity_minor[decided])
    return again == again and major(int(again), breach.state.spec.digits) == equity


def _polls(
    breach: Breach, stretch: Stretch, symbols: Sequence[str], until_msc: int
) -> Generator[None, None, tuple[PollSeen, ...]]:
    record, found = breach.record, list[PollSeen]()
    if not isinstance(record, GuardBreach):
        return ()
    polled = polled_breach(record, breach.state, [])
    until_msc = min(polled.until_msc, until_msc + 1)
    # The tick that decided is what it stands at: what changes it comes after.
    start = int(np.searchsorted(stretch.indices, breach.next_index))
    before: list[Stood] = []
    latest = LatestQuotes(symbols)
    latest.restore(stretch.standing)
    latest.take(stretch.batch.part(0, start))
    while start < len(stretch.batch):
        part = stretch.batch.part(start, min(len(stretch.batch), start + TICKS_A_TURN))
        latest.take(part)
        before.append(polled.stood(part, latest, 0))
        start += len(part)
        yield
    stood = joined([*before, polled.last(until_msc)])
    for one in poll_all(PERIODS, record, stood, until_msc, breach.state.spec.digits):
        found.append(one)
        yield
    return tuple(found)
