"""Which of the broker's positions fill which intent of a strategy.

By position identifier; else by the intent's tag in comment or magic (a broker may overwrite the
comment); else by symbol, side, volume and entry. The last is an assignment: as many intents as can
be are filled, and among those ways the nearest, whatever the order of either list. What is left is
put together into intents that several positions fill.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

import msgspec

from engine.domain.assignment import least_cost
from engine.domain.instruments import Instrument
from engine.domain.intents import Intent
from engine.domain.positions import Side
from engine.domain.reports import PositionReport, SpecReport

_GOLD_PIP = 0.10
_USUAL_STEP = 0.01
_FX_CALC_MODES = (0, 5)
"""SYMBOL_CALC_MODE_FOREX and _FOREX_NO_LEVERAGE."""
_CLOSE_ENOUGH = 1e-6
"""Of a pip: prices are doubles, and so is their distance."""
_SCALE = 1_000_000
"""What a distance at the very edge of its tolerance costs."""


class Tolerances(msgspec.Struct, frozen=True, kw_only=True):
    """How far a symbol's positions may lie from what is meant, distances in pips."""

    pip: float
    """In price."""
    volume_step: float = 0.01
    match_pips: float = 10.0
    """An entry further off is a stranger's, where neither identifier nor tag says otherwise."""
    slippage_pips: float = 5.0
    """An entry further off is reported. The same for stop and target below."""
    stop_pips: float = 10.0

    def steps(self, lots: float) -> int:
        """Lots in volume steps: volumes are compared as integers."""
        return round(lots / self.volume_step)

    def pips(self, one: float, other: float) -> float:
        """How far two prices lie from each other, never negative."""
        return abs(one - other) / self.pip

    def is_within(self, one: float, other: float, pips: float) -> bool:
        """Whether two prices lie at most so many pips apart, inclusive."""
        return self.pips(one, other) <= pips + _CLOSE_ENOUGH


class How(Enum):
    """What told that a position fills an intent, the surest first."""

    IDENTIFIER = "identifier"
    TAG = "tag"
    LIKENESS = "likeness"
    """Symbol, side, volume and entry."""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One intent and the positions that fill it; none: it is missing, or on its way."""

    intent: Intent
    parts: tuple[PositionReport, ...] = ()
    extras: tuple[PositionReport, ...] = ()
    """Of the intent by identifier or tag, but it is whole without them: filled twice."""
    wrong_side: tuple[PositionReport, ...] = ()
    """Of the intent by identifier or tag, but of the other side."""
    how: How | None = None


class Matching(msgspec.Struct, frozen=True, kw_only=True):
    """Every intent once, in the order given, and every position once."""

    fills: tuple[Fill, ...]
    strangers: tuple[PositionReport, ...] = ()
    """Fill no intent; by identifier."""


def pip_size(instrument: Instrument) -> float:
    """Price of one pip: the book's, else 0.10 for gold, else 10 points, else the point.

    Ten points for whatever is quoted to one digit more than a pip: FX of 3 and 5 digits, and all
    that is not FX; FX of 2 and 4 digits is quoted in pips.
    """
    if instrument.pip_size is not None:
        return instrument.pip_size
    return _pip(
        instrument.symbol, instrument.base_currency, instrument.digits, is_fx=instrument.is_fx
    )


def tolerances_of(instrument: Instrument, match_pips: float | None = None) -> Tolerances:
    """An instrument's tolerances; `match_pips` is the account's, where its book says."""
    known = Tolerances(pip=pip_size(instrument), volume_step=instrument.volume_step)
    return known if match_pips is None else msgspec.structs.replace(known, match_pips=match_pips)


def tolerances_by_spec(spec: SpecReport) -> Tolerances:
    """Those of a symbol that no book has, by what the terminal says of it."""
    is_fx = spec.trade_calc_mode in _FX_CALC_MODES
    pip = _pip(spec.name, spec.currency_base, spec.digits, is_fx=is_fx)
    return Tolerances(pip=pip, volume_step=spec.volume_step or _USUAL_STEP)


def _pip(symbol: str, base_currency: str, digits: int, *, is_fx: bool) -> float:
    if base_currency.upper() == "XAU" or symbol.upper().startswith("XAU"):
        return _GOLD_PIP
    return float(10 ** -(digits if is_fx and digits not in (3, 5) else digits - 1))


def names_of(aliases: Mapping[str, str]) -> Callable[[str], str]:
    """What turns any spelling of a symbol into the one compared: the book's, upper case.

    Args:
        aliases: the broker's symbols to the book's, in any case.
    """
    table = {theirs.upper(): ours.upper() for theirs, ours in aliases.items()}
    return lambda symbol: table.get(symbol.upper(), symbol.upper())


def side_of(position: PositionReport) -> Side:
    """POSITION_TYPE as a side."""
    return Side.BUY if position.type == 0 else Side.SELL


def is_whole(steps: int, intended_steps: int) -> bool:
    """Whether a volume is the intended one: within 5 %, inclusive, in volume steps."""
    return abs(steps - intended_steps) * 20 <= intended_steps


def match(
    intents: Sequence[Intent],
    positions: Sequence[PositionReport],
    tolerances: Callable[[str], Tolerances],
    name: Callable[[str], str] = str.upper,
) -> Matching:
    """Every intent with its positions, and those that are nobody's.

    Costs O(n^3) in the likely few intents and positions of one symbol and side that neither
    identifier nor tag tells apart.

    Args:
        tolerances: of a symbol, as `name` spells it.
        name: how a symbol is spelled to be compared, see `names_of`.
    """
    left = {one.identifier: one for one in sorted(positions, key=lambda one: one.identifier)}
    named: dict[str, Fill] = {}
    claims = _claims(intents, left, name)
    for intent in intents:
        claimed, how = claims[intent.intent_id]
        for one in claimed:
            del left[one.identifier]
        named[intent.intent_id] = _claimed_fill(
            intent, claimed, how, tolerances(name(intent.symbol))
        )
    unfilled = [one for one in intents if claims[one.intent_id][1] is None and not one.position_ids]
    groups: dict[tuple[str, Side], list[Intent]] = {}
    for intent in unfilled:
        groups.setdefault((name(intent.symbol), intent.side), []).append(intent)
    for (symbol, side), group in groups.items():
        alike = [p for p in left.values() if name(p.symbol) == symbol and side_of(p) is side]
        for intent, position in _nearest(group, alike, tolerances(symbol)):
            del left[position.identifier]
            named[intent.intent_id] = Fill(intent=intent, parts=(position,), how=How.LIKENESS)
    _put_together(intents, named, left, tolerances, name)
    return Matching(
        fills=tuple(named[one.intent_id] for one in intents), strangers=tuple(left.values())
    )


def _claims(
    intents: Sequence[Intent], left: Mapping[int, PositionReport], name: Callable[[str], str]
) -> dict[str, tuple[list[PositionReport], How | None]]:
    """What each intent owns by identifier or tag; the identifier of one outdoes another's tag."""
    claims: dict[str, tuple[list[PositionReport], How | None]] = {}
    owners = {number: one.intent_id for one in intents for number in one.position_ids}
    tagged: dict[str, list[PositionReport]] = {one.intent_id: [] for one in intents}
    for position in left.values():
        if position.identifier not in owners:
            owner = _by_tag(intents, position, name)
            if owner is not None:
                tagged[owner.intent_id].append(position)
    for intent in intents:
        linked = [left[n] for n in sorted(set(intent.position_ids)) if n in left]
        more = tagged[intent.intent_id]
        how = How.IDENTIFIER if linked else How.TAG if more else None
        claims[intent.intent_id] = ([*linked, *more], how)
    return claims


def _by_tag(
    intents: Sequence[Intent], position: PositionReport, name: Callable[[str], str]
) -> Intent | None:
    """The intent whose tag the position bears, the longest where one holds another.

    The magic number alone tells only where the comment says nothing and one intent bears it: it
    is a strategy's, not an intent's, and by hand it is 0.
    """
    alike = [one for one in intents if name(one.symbol) == name(position.symbol)]
    spoken = [one for one in alike if one.tag and one.tag in position.comment]
    if spoken:
        return max(spoken, key=lambda one: len(one.tag))
    if not position.magic:
        return None
    same = [one for one in alike if one.magic == position.magic and one.side is side_of(position)]
    return same[0] if len(same) == 1 and not same[0].position_ids else None


def _claimed_fill(
    intent: Intent, claimed: Sequence[PositionReport], how: How | None, allowed: Tolerances
) -> Fill:
    """What is claimed, sorted into what fills the intent and what is too much of it."""
    right = [one for one in claimed if side_of(one) is intent.side]
    wrong = tuple(one for one in claimed if side_of(one) is not intent.side)
    parts = tuple(right)
    extras: tuple[PositionReport, ...] = ()
    aim = allowed.steps(intent.volume_lots)
    if len(right) > 1 and sum(allowed.steps(p.volume) for p in right) * 20 > aim * 21:
        known = set(intent.position_ids)
        chosen = _best_sum(right, aim, allowed, lambda p: 0 if p.identifier in known else 1)
        if chosen is not None and is_whole(sum(allowed.steps(p.volume) for p in chosen), aim):
            parts = tuple(chosen)
            extras = tuple(one for one in right if one not in chosen)
    return Fill(intent=intent, parts=parts, extras=extras, wrong_side=wrong, how=how)


def cost_of(intent: Intent, position: PositionReport, allowed: Tolerances) -> int | None:
    """How unlike they are, 0 the same, to 2,000,000; None where it is too much to be a match.

    Half of it is volume, half entry, each as a part of what is tolerated. Symbol and side are not
    looked at.
    """
    aim, held = allowed.steps(intent.volume_lots), allowed.steps(position.volume)
    if not is_whole(held, aim):
        return None
    off = abs(held - aim) * 20 * _SCALE // aim if aim else 0
    distance = _entry_cost(intent, position, allowed)
    return None if distance is None else off + distance


def _entry_cost(intent: Intent, position: PositionReport, allowed: Tolerances) -> int | None:
    if intent.open_price is None:
        return 0
    if not allowed.is_within(intent.open_price, position.price_open, allowed.match_pips):
        return None
    pips = allowed.pips(intent.open_price, position.price_open)
    return min(_SCALE, round(pips * _SCALE / allowed.match_pips)) if allowed.match_pips else 0


def _nearest(
    intents: Sequence[Intent], positions: Sequence[PositionReport], allowed: Tolerances
) -> list[tuple[Intent, PositionReport]]:
    """The largest assignment of positions to intents, and of those the cheapest."""
    size = max(len(intents), len(positions))
    never = (size + 1) * (2 * _SCALE + 1)
    costs = [[never] * size for _ in range(size)]
    for row, intent in enumerate(intents):
        for column, position in enumerate(positions):
            cost = cost_of(intent, position, allowed)
            if cost is not None:
                costs[row][column] = cost
    return [
        (intents[row], positions[column])
        for row, column in enumerate(least_cost(costs))
        if row < len(intents) and column < len(positions) and costs[row][column] < never
    ]


def _put_together(
    intents: Sequence[Intent],
    named: dict[str, Fill],
    left: dict[int, PositionReport],
    tolerances: Callable[[str], Tolerances],
    name: Callable[[str], str],
) -> None:
    """Puts what is left into intents that lack volume: first where it makes them whole.

    Among intents that want the same pieces the one registered first has them.
    """
    for must_be_whole in (True, False):
        for intent in intents:
            fill, allowed = named[intent.intent_id], tolerances(name(intent.symbol))
            filled = sum(allowed.steps(one.volume) for one in fill.parts)
            lacking = allowed.steps(intent.volume_lots) - filled
            if fill.wrong_side or lacking * 20 <= allowed.steps(intent.volume_lots):
                continue
            if intent.was_whole:
                continue
            alike = [
                one
                for one in left.values()
                if name(one.symbol) == name(intent.symbol)
                and side_of(one) is intent.side
                and _entry_cost(intent, one, allowed) is not None
            ]
            aim = allowed.steps(intent.volume_lots)
            chosen = pieces(alike, lacking, aim, intent, allowed, must_be_whole=must_be_whole)
            if not chosen:
                continue
            for one in chosen:
                del left[one.identifier]
            named[intent.intent_id] = msgspec.structs.replace(
                fill, parts=(*fill.parts, *chosen), how=fill.how or How.LIKENESS
            )


def pieces(
    positions: Sequence[PositionReport],
    lacking_steps: int,
    aim_steps: int,
    intent: Intent,
    allowed: Tolerances,
    *,
    must_be_whole: bool,
) -> list[PositionReport]:
    """The positions that together come nearest to what an intent lacks; none if nothing fits.

    Not whole, they never come to more than is lacking.
    """

    def cost(one: PositionReport) -> int:
        return _entry_cost(intent, one, allowed) or 0

    if must_be_whole:
        chosen = _best_sum(positions, lacking_steps, allowed, cost)
        total = sum(allowed.steps(one.volume) for one in chosen or ())
        fits = abs(total - lacking_steps) * 20 <= aim_steps
        return chosen if chosen and fits else []
    return _best_sum(positions, lacking_steps, allowed, cost, at_most=lacking_steps) or []


def _best_sum(
    positions: Iterable[PositionReport],
    aim: int,
    allowed: Tolerances,
    cost: Callable[[PositionReport], int],
    *,
    at_most: int | None = None,
) -> list[PositionReport] | None:
    """The subset whose volume is nearest to `aim` steps, of those the cheapest, then the fewest.

    Every sum that can be made is kept once, with the best way to it: sums times positions, not
    two to their number. Sums far over the aim are left out.
    """
    limit = aim * 2 if at_most is None else at_most
    ways: dict[int, tuple[int, int, tuple[PositionReport, ...]]] = {0: (0, 0, ())}
    for position in positions:
        volume = allowed.steps(position.volume)
        for total, (price, count, chosen) in list(ways.items()):
            if volume <= 0 or total + volume > limit:
                continue
            way = (price + cost(position), count + 1, (*chosen, position))
            known = ways.get(total + volume)
            if known is None or way[:2] < known[:2]:
                ways[total + volume] = way
    sums = [total for total in ways if total]
    if not sums:
        return None
    best = min(sums, key=lambda total: (abs(total - aim), *ways[total][:2], total))
    return list(ways[best][2])
