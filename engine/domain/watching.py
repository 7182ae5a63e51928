"""Reading a state as a `Watch`: what the kernel must wake this account for, and nothing else."""

from collections.abc import Iterable, Sequence
from math import inf
from typing import assert_never

import msgspec

from engine.domain import equity_limits, exposures, operating, schedules, yielding
from engine.domain.account import AccountState, GuardState
from engine.domain.conversion import mid_rate
from engine.domain.guards import (
    AccountGuard,
    Consistency,
    EquityLimit,
    Exposure,
    MarginLevel,
    MaxHolding,
    MinDays,
    NewsWindow,
    ProfitTarget,
    StopLossRequired,
    WeekendFlat,
)
from engine.domain.marks import base_of
from engine.domain.outcomes import PriceBand, Wakes
from engine.domain.positions import Position, Side
from engine.domain.units import major
from engine.domain.valuation import Priced, Quotes
from engine.domain.watch import Exposure as WatchedExposure
from engine.domain.watch import Line, Watch

_RATE_ROOM = 4.0
"""Rounding in the profit currency is bounded with this many times today's conversion rate."""


class Holding(msgspec.Struct, frozen=True):
    """What positions alone decide of a watch: as long as they stay, it need not be made again."""

    positions: tuple[Position, ...]
    exposures: tuple[WatchedExposure, ...]
    rounding_bound: float
    converts: bool
    """Whether the bound depends on conversion rates, and so on the quotes."""


def holding_of(state: AccountState, quotes: Quotes, last: Holding | None = None) -> Holding:
    """The account's holding; `last` itself when nothing in it has changed."""
    positions = state.positions
    if last is not None and last.positions is positions and not last.converts:
        return last
    market = state.spec.market
    return Holding(
        positions,
        tuple(_exposures(state, ())),
        _rounding_bound(state, quotes),
        any(market.priced[p.symbol].path for p in positions),
    )


def watch_of(state: AccountState, quotes: Quotes, holding: Holding) -> Watch:
    """What to watch for, from the last tick the account was stepped on.

    Args:
        quotes: those of that tick, for every symbol the account needs.
    """
    assert state.known, "an account is watched once it is valued"
    assert holding.positions is state.positions, "the holding is of other positions"
    lines: list[Line] = []
    bands: list[PriceBand] = []
    wake_at = min(operating.next_due_msc(state), yielding.next_due_msc(state))
    if state.untested:
        wake_at = min(wake_at, state.time_msc)
    for place, (guard, known) in enumerate(zip(state.spec.guards, state.guards, strict=True)):
        if known.close_due_msc is not None:
            wake_at = min(wake_at, known.close_due_msc)
        wanted = _wakes(guard, place, known, state, quotes)
        lines.extend(wanted.lines)
        bands.extend(wanted.bands)
        wake_at = min(wake_at, wanted.at_msc)
    return Watch(
        base=base_of(state),
        exposures=tuple(_exposures(state, bands)) if bands else holding.exposures,
        lines=tuple(lines),
        marks=state.marks,
        rounding_bound=holding.rounding_bound,
        wake_at_msc=wake_at,
    )


def _wakes(
    guard: AccountGuard, place: int, known: GuardState, state: AccountState, quotes: Quotes
) -> Wakes:
    match guard:
        case EquityLimit():
            return equity_limits.wakes(guard, place, known, state)
        case Exposure() | MarginLevel():
            return exposures.wakes(guard, known, state, quotes)
        case WeekendFlat() | NewsWindow() | MaxHolding() | StopLossRequired():
            return schedules.wakes(guard, known, state, quotes)
        case ProfitTarget() | MinDays() | Consistency():
            return Wakes()  # they change with deals and resets, which are steps
        case _:
            assert_never(guard)


def _exposures(state: AccountState, bands: Sequence[PriceBand]) -> Iterable[WatchedExposure]:
    held: dict[str, list[Position]] = {}
    for position in state.positions:
        held.setdefault(position.symbol, []).append(position)
    for band in bands:
        held.setdefault(band.symbol, [])
    for symbol, positions in held.items():
        priced = state.spec.market.priced[symbol]
        yield _exposure(symbol, positions, priced, [b for b in bands if b.symbol == symbol])


def _exposure(
    symbol: str, positions: list[Position], priced: Priced, bands: list[PriceBand]
) -> WatchedExposure:
    per_lot = priced.instrument.units_per_lot
    buys = [p for p in positions if p.side is Side.BUY]
    sells = [p for p in positions if p.side is Side.SELL]
    cost = sum(p.open_price * per_lot * p.volume_lots for p in buys)
    cost -= sum(p.open_price * per_lot * p.volume_lots for p in sells)
    low = max((b.low for b in bands), default=-inf)
    high = min((b.high for b in bands), default=inf)
    return WatchedExposure(
        symbol=symbol,
        long_units=sum(per_lot * p.volume_lots for p in buys),
        short_units=sum(per_lot * p.volume_lots for p in sells),
        cost=cost,
        long_open_min=min((p.open_price for p in buys), default=inf),
        long_open_max=max((p.open_price for p in buys), default=-inf),
        short_open_min=min((p.open_price for p in sells), default=inf),
        short_open_max=max((p.open_price for p in sells), default=-inf),
        conversion=priced.path if positions else (),
        wake_bid_at_or_below=max([low, *(p.stop_loss for p in buys if p.stop_loss)]),
        wake_bid_at_or_above=min([high, *(p.take_profit for p in buys if p.take_profit)]),
        wake_ask_at_or_below=max([low, *(p.take_profit for p in sells if p.take_profit)]),
        wake_ask_at_or_above=min([high, *(p.stop_loss for p in sells if p.stop_loss)]),
    )


def _rounding_bound(state: AccountState, quotes: Quotes) -> float:
    """Largest |exact - mark| from rounding: half a unit for each rounding of each position."""
    market = state.spec.market
    own = major(1, market.digits)
    bound = 0.0
    for position in state.positions:
        priced = market.priced[position.symbol]
        roundings = 1.0 if priced.instrument.is_fx else 0.5
        unit = major(1, priced.profit_digits)
        if priced.path:
            bound += roundings * unit * mid_rate(priced.path, quotes) * _RATE_ROOM + 0.5 * own
        else:
            bound += roundings * unit
    return bound
