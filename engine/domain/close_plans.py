"""What a flatten closes, in which order; what counts as re-opened; which rule yields to which.

The rules of this file:
1. Pending orders are cancelled first: one that fills would refill the account.
2. Then the largest risk reduction first. Of a hedged symbol that is what is uncovered: closing a
   covered position alone would add risk.
3. Covered pairs go by CLOSE_BY, which needs no price; what one of them leaves is closed last.
4. One command per position: whoever sends takes the first that collides with nothing in flight.
"""

from collections.abc import Collection, Iterable, Sequence
from enum import IntEnum

import msgspec

from engine.domain.close_orders import DUST_LOTS, CloseOrder, Kind, State
from engine.domain.reports import OrderReport, PositionReport


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A position, and what closing it is worth."""

    position_id: int
    symbol: str
    side: int
    """POSITION_TYPE: 0 buy, 1 sell."""
    volume_lots: float
    risk_per_lot: float
    """In any one unit for the whole account: notional in its currency, say."""


class Planned(msgspec.Struct, frozen=True):
    """One command of a flatten, of what will wholly go."""

    kind: Kind
    position_id: int
    """Ticket of the order for a cancel; the smaller of the two for a close-by."""
    symbol: str
    position_by: int | None = None


class Rule(IntEnum):
    """Rules that a close may obey or break, the strongest first."""

    MONEY_FLOOR = 0
    NEWS = 1
    MINIMUM_HOLD = 2
    OTHER = 3
    """What no place is declared for; it asks, and is never broken."""


class Precedence(msgspec.Struct, frozen=True):
    """Whether the close goes ahead, and what is recorded with it."""

    closes: bool
    sacrificed: tuple[Rule, ...]
    """Broken by closing now."""
    yields_to: tuple[Rule, ...]
    """Stronger than what asks for the close, so it waits."""


def flatten_plan(
    positions: Sequence[Held], resting: Iterable[OrderReport], *, netting: bool
) -> tuple[Planned, ...]:
    """Everything that has to go, in the order it has to go in."""
    cancels = [Planned(Kind.CANCEL, order.ticket, order.symbol) for order in resting]
    uncovered: list[tuple[float, int, Planned]] = []
    pairs: list[Planned] = []
    leftovers: list[tuple[float, int, Planned]] = []
    for symbol in sorted({held.symbol for held in positions}):
        of_symbol = [held for held in positions if held.symbol == symbol]
        if netting:
            uncovered += [_whole(held, held.volume_lots, Kind.NETTING) for held in of_symbol]
        else:
            _hedged(of_symbol, uncovered, pairs, leftovers)
    first, last = (
        [planned for _, _, planned in sorted(part, key=lambda entry: entry[:2])]
        for part in (uncovered, leftovers)
    )
    return (*cancels, *first, *pairs, *last)


def _hedged(
    of_symbol: Sequence[Held],
    uncovered: list[tuple[float, int, Planned]],
    pairs: list[Planned],
    leftovers: list[tuple[float, int, Planned]],
) -> None:
    """Sorts a symbol's positions into the three; what is open in part after a pair is closed last.

    Entries are (risk reduction negated, position id, command), so that they sort; pairs, which
    reduce none, stay as made.
    """
    buys = sum(held.volume_lots for held in of_symbol if held.side == 0)
    sells = sum(held.volume_lots for held in of_symbol if held.side == 1)
    larger = 0 if buys >= sells else 1
    free_lots = abs(buys - sells)
    long: list[tuple[Held, float]] = []
    for held in sorted(of_symbol, key=lambda h: (-h.volume_lots, h.position_id)):
        if held.side == larger and held.volume_lots <= free_lots + DUST_LOTS:
            uncovered.append(_whole(held, held.volume_lots, Kind.FULL))
            free_lots -= held.volume_lots
        elif held.side == larger:
            long.append((held, held.volume_lots))
    short = [(held, held.volume_lots) for held in of_symbol if held.side != larger]
    short.sort(key=lambda entry: (-entry[1], entry[0].position_id))
    while long and short:
        (one, one_lots), (other, other_lots) = long[0], short[0]
        if one_lots < other_lots:
            smaller, bigger = one, other
            del long[0]
            short[0] = (other, other_lots - one_lots)
        else:
            smaller, bigger = other, one
            del short[0]
            long[0] = (one, one_lots - other_lots)
        # In the order they are made: each counts on what the one before has left.
        name, symbol = smaller.position_id, smaller.symbol
        pairs.append(Planned(Kind.CLOSE_BY, name, symbol, bigger.position_id))
        long = [entry for entry in long if entry[1] > DUST_LOTS]
        short = [entry for entry in short if entry[1] > DUST_LOTS]
    leftovers += [_whole(held, lots, Kind.FULL) for held, lots in (*long, *short)]


def _whole(held: Held, lots: float, kind: Kind) -> tuple[float, int, Planned]:
    planned = Planned(kind, held.position_id, held.symbol)
    return -lots * held.risk_per_lot, held.position_id, planned


def to_send(orders: Sequence[CloseOrder], most: int) -> list[CloseOrder]:
    """Durable orders that may go now, as planned, each with those before it out; so many at most.

    No other command may be out for their positions. All cancels go before the first close does.
    Nothing is said of pacing: see `close_pacing`.
    """
    if most <= 0:
        return []
    # Of two that are out for one position, both in doubt, the later one may be repeated first: if
    # each waited for the other, none would ever go.
    busy = {name: order.intent_id for order in orders if order.in_flight for name in _names(order)}
    chosen: list[CloseOrder] = []
    durable = [order for order in orders if order.state is State.DURABLE]
    cancels = [order for order in durable if order.kind is Kind.CANCEL]
    closes = [order for order in durable if order.kind is not Kind.CANCEL]
    for waiting in (cancels, closes):
        for order in waiting:
            names, own = _names(order), order.intent_id
            if len(chosen) < most and all(busy.get(name, own) == own for name in names):
                busy.update(dict.fromkeys(names, own))
                chosen.append(order)
        if len(chosen) < len(cancels):
            break
    return chosen


def _names(order: CloseOrder) -> tuple[tuple[bool, int], ...]:
    """What the order touches; tickets of resting orders are numbers of another kind."""
    cancel = order.kind is Kind.CANCEL
    by = () if order.position_by is None else ((cancel, order.position_by),)
    return ((cancel, order.position_id), *by)


def reopened(
    position: PositionReport, known: Collection[int], magics: Collection[int], halted: bool
) -> bool:
    """Whether a strategy opened it again during a halt, so that it has to go too.

    Args:
        known: identifiers of positions that were there when the halt began.
        magics: of what was closed for it. 0, which a manual trade bears, counts only if named.
    """
    return halted and position.identifier not in known and position.magic in magics


def precedence(asks: Rule, breaks: Iterable[Rule]) -> Precedence:
    """What becomes of a close that one rule asks for and that would break others."""
    against = tuple(sorted(set(breaks)))
    stronger = tuple(rule for rule in against if rule < asks)
    closes = not stronger
    return Precedence(closes, tuple(r for r in against if r > asks) if closes else (), stronger)
