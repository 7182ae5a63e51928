"""Limits on what is open: positions, lots, notional, and the margin level.

Notional is lots * contract size * mid, in the account currency at mid: what the market moves, not
what was paid. Comparisons are between integers: volume steps, or minor units.
"""

from collections.abc import Iterator, Mapping
from math import floor, inf

from msgspec.structs import replace

from engine.domain.account import AccountState, GuardState
from engine.domain.conversion import mid_rate
from engine.domain.guards import Exposure, MarginLevel
from engine.domain.margin import conversion_legs, margin_minor
from engine.domain.outcomes import Outcome, PriceBand, RuleFound, View, Wakes
from engine.domain.positions import Position
from engine.domain.quotes import Quote
from engine.domain.units import major, minor_of_mark
from engine.domain.valuation import Quotes
from engine.domain.watch import Line

REARM_SHARE = 10
"""A margin warning re-arms a tenth of (warning level - floor level) above its level."""

_MARGIN_ROOM = 1.002
"""How far a conversion may move margin before the account is woken to compute its lines anew."""

_ROUNDING = 1e-9
"""Of a notional: more than the order of its sum and its rounding to minor units can make."""

_STEP_DUST = 1e-6
"""Of a volume step: a limit written 0.3 is three steps of 0.1."""


def evaluate(
    guard: Exposure | MarginLevel, known: GuardState, view: View
) -> tuple[GuardState, tuple[Outcome, ...]]:
    """Tests one limit on what is open; breaches once per latch."""
    if isinstance(guard, MarginLevel):
        return _margin_level(guard, known, view)
    found = next(_exceeded(guard, view.state, view.quotes), None)
    fresh = found is not None and not known.breached
    after = replace(
        known,
        breached=known.breached or fresh,
        evaluated_at_msc=view.time_msc,
        distance_minor=_room_minor(guard, view.state, view.quotes),
    )
    return after, (found,) if found is not None and fresh else ()


def wakes(
    guard: Exposure | MarginLevel,
    known: GuardState,
    state: AccountState,
    quotes: Mapping[str, Quote],
) -> Wakes:
    """What can make the limit exceeded before the next step: prices only; deals are steps."""
    if isinstance(guard, MarginLevel):
        return _margin_wakes(guard, known, state, quotes)
    if known.breached or not state.positions:
        return Wakes()
    net, gross = notional(state, quotes)
    bands: list[PriceBand] = []
    for value, limit in ((net, guard.max_net_notional), (gross, guard.max_gross_notional)):
        if limit is not None and value > 0.0:
            bands.extend(_bands(state, quotes, limit / value))
    return Wakes(bands=tuple(bands))


def notional(state: AccountState, quotes: Quotes) -> tuple[float, float]:
    """Net and gross notional of everything open, at mid, major units of the account currency."""
    market = state.spec.market
    units: dict[str, tuple[float, float]] = {}
    for position in state.positions:
        per_lot = market.priced[position.symbol].instrument.units_per_lot
        net, gross = units.get(position.symbol, (0.0, 0.0))
        own = per_lot * position.volume_lots
        units[position.symbol] = (net + position.side.sign * own, gross + own)
    total_net = total_gross = 0.0
    for symbol, (net, gross) in units.items():
        worth = quotes[symbol].mid * mid_rate(market.priced[symbol].path, quotes)
        total_net += abs(net) * worth
        total_gross += gross * worth
    return total_net, total_gross


def _exceeded(guard: Exposure, state: AccountState, quotes: Quotes) -> Iterator[RuleFound]:
    count = len(state.positions)
    if guard.max_positions is not None and count > guard.max_positions:
        yield _over("positions", float(count), float(guard.max_positions))
    if guard.max_lots_per_symbol is not None:
        yield from _too_many_lots(guard.max_lots_per_symbol, state)
    net, gross = notional(state, quotes)
    digits = state.spec.digits
    for name, value, limit in (
        ("net_notional", net, guard.max_net_notional),
        ("gross_notional", gross, guard.max_gross_notional),
    ):
        if limit is not None:
            value_minor = minor_of_mark(value, digits)
            if value_minor > minor_of_mark(limit, digits):
                yield _over(name, major(value_minor, digits), limit)


def _too_many_lots(limit_lots: float, state: AccountState) -> Iterator[RuleFound]:
    held: dict[str, list[Position]] = {}
    for position in state.positions:
        held.setdefault(position.symbol, []).append(position)
    for symbol, positions in held.items():
        step = state.spec.market.priced[symbol].instrument.volume_step
        steps = sum(floor(p.volume_lots / step + 0.5) for p in positions)
        if steps > floor(limit_lots / step + _STEP_DUST):
            lots = sum(p.volume_lots for p in positions)
            yield _over("lots", lots, limit_lots, symbol)


def _over(measured: str, value: float, limit: float, subject: str = "") -> RuleFound:
    return RuleFound(breach=True, measured=measured, value=value, limit=limit, subject=subject)


def _room_minor(guard: Exposure, state: AccountState, quotes: Quotes) -> int | None:
    """Notional left before the nearest limit; None where no limit is on notional."""
    net, gross = notional(state, quotes)
    digits = state.spec.digits
    rooms = [
        minor_of_mark(limit, digits) - minor_of_mark(value, digits)
        for value, limit in ((net, guard.max_net_notional), (gross, guard.max_gross_notional))
        if limit is not None
    ]
    return min(rooms, default=None)


def _bands(state: AccountState, quotes: Quotes, room: float) -> Iterator[PriceBand]:
    """Bands within which a sum of products of prices grows by less than `room`.

    A term is a price times at most two rates. While every factor stays within the k-th root of
    the room, k the most factors a term has, no term and so no sum can grow by the whole of it.
    """
    market = state.spec.market
    symbols = {position.symbol for position in state.positions}
    factors = 1 + max(len(market.priced[symbol].path) for symbol in symbols)
    growth = max(room * (1.0 - _ROUNDING), 1.0) ** (1.0 / factors)
    for symbol in sorted(symbols):
        yield PriceBand(symbol, high=quotes[symbol].mid * growth)
        for leg in market.priced[symbol].path:
            middle = quotes[leg.symbol].mid
            if leg.inverse:
                yield PriceBand(leg.symbol, low=middle / growth)
            else:
                yield PriceBand(leg.symbol, high=middle * growth)


def _margin_level(
    guard: MarginLevel, known: GuardState, view: View
) -> tuple[GuardState, tuple[Outcome, ...]]:
    try:
        margin = _margin(view.state, view.quotes)
    except KeyError:
        return _margin_unknown(known)
    after = replace(known, evaluated_at_msc=view.time_msc, distance_minor=None, acted_on=())
    if margin <= 0:
        return replace(after, warned=False), ()
    equity, warn = view.equity_minor, guard.warn_level_percent
    level = 100.0 * equity / margin
    after = replace(
        after, distance_minor=equity - floor(guard.floor_percent * margin / 100.0 + 0.5)
    )
    warned = known.warned and warn is not None and not level > _rearm_level(guard, warn)
    if known.breached:
        return replace(after, warned=warned), ()
    if level < guard.floor_percent:
        found = _over("margin_level_percent", level, guard.floor_percent)
        return replace(after, warned=warned, breached=True), (found,)
    if warn is not None and not warned and level <= warn:
        found = RuleFound(breach=False, measured="margin_level_percent", value=level, limit=warn)
        return replace(after, warned=True), (found,)
    return replace(after, warned=warned), ()


def _margin_unknown(known: GuardState) -> tuple[GuardState, tuple[Outcome, ...]]:
    """The guard cannot be tested: said once, and `evaluated_at_msc` stands still."""
    if known.acted_on:
        return known, ()
    found = RuleFound(breach=False, measured="margin_unknown", value=None, limit=None)
    return replace(known, acted_on=((0, 0),)), (found,)


def _rearm_level(guard: MarginLevel, warn: float) -> float:
    return warn + max(warn - guard.floor_percent, 0.0) / REARM_SHARE


def _margin(state: AccountState, quotes: Quotes) -> int:
    spec = state.spec
    return margin_minor(
        spec.market, spec.leverage, state.positions, quotes, margin_mode=spec.margin_mode
    )


def _margin_wakes(
    guard: MarginLevel, known: GuardState, state: AccountState, quotes: Quotes
) -> Wakes:
    """A line on equity at each level, for the margin as it may become within a band of rates."""
    try:
        margin = _margin(state, quotes)
    except KeyError:
        return Wakes()  # no quote the account is woken for can make it known
    if margin <= 0:
        return Wakes()
    bands = tuple(_rate_bands(state, quotes))
    room = _MARGIN_ROOM if bands else 1.0
    digits = state.spec.digits
    most, least = major(margin, digits) * room, major(margin, digits) / room
    # Each component of the margin was rounded: two a symbol at most.
    slack = major(1 + 2 * len(state.positions), digits)
    warn = guard.warn_level_percent
    lines = []
    if not known.breached:
        lines.append(_line(guard.floor_percent, most, least, slack, wakes_above=False))
    if warn is not None and known.warned:
        level = _rearm_level(guard, warn)
        lines.append(_line(level, most, least, slack, wakes_above=True))
    elif warn is not None and not known.breached:
        lines.append(_line(warn, most, least, slack, wakes_above=False))
    return Wakes(lines=tuple(lines), bands=bands if lines else ())


def _line(level: float, most: float, least: float, slack: float, *, wakes_above: bool) -> Line:
    margin = least if wakes_above else most
    slack *= 1.0 + level / 100.0
    return Line(wakes_above=wakes_above, b=level * margin / 100.0, slack=slack)


def _rate_bands(state: AccountState, quotes: Quotes) -> Iterator[PriceBand]:
    """Within these, no conversion moves margin further than `_MARGIN_ROOM` allows."""
    market = state.spec.market
    legs = {
        leg
        for position in state.positions
        for leg in conversion_legs(market, position.symbol, quotes)
    }
    growth = (1.0 + (_MARGIN_ROOM - 1.0) * 0.9) ** 0.5 if legs else inf
    for leg in sorted(legs, key=lambda leg: leg.symbol):
        middle = quotes[leg.symbol].mid
        yield PriceBand(leg.symbol, low=middle / growth, high=middle * growth)
