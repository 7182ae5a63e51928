"""What deals and a believed report make of intents on a netting account.

There a sell may be the fill of one intent or the close of another: an entry and an exit look
alike. Its tag tells, then whose command it was.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from engine.domain import intents
from engine.domain.adoption import position_of
from engine.domain.beliefs import Terms
from engine.domain.discrepancies import Discrepancy, Kind
from engine.domain.intents import Intent, IntentError
from engine.domain.netting import Net, shares_of, sign_of, signed_steps
from engine.domain.positions import Position, Side
from engine.domain.reports import DealReport, PositionReport
from engine.domain.residuals import BUY

_LOT_DIGITS = 8
_OF_THE_SUM = frozenset({Kind.MISSING, Kind.VOLUME, Kind.PARTIAL_FILL, Kind.SIDE, Kind.UNEXPECTED})


def filled_by(known: Sequence[Intent], deal: DealReport, terms: Terms) -> Intent | None:
    """The intent that the deal fills: it bears its tag and trades its way."""
    side = Side.BUY if deal.type == BUY else Side.SELL
    bearing = [one for one in _of_symbol(known, deal, terms) if one.tag and one.tag in deal.comment]
    owner = max(bearing, key=lambda one: len(one.tag), default=None)
    return owner if owner is not None and owner.side is side else None


def after_fill(known: Sequence[Intent], owner: Intent, deal: DealReport) -> tuple[Intent, ...]:
    """The intents once the deal has filled one of them: it is on its way no longer."""
    flying = max(0.0, round(owner.in_flight_lots - deal.volume, _LOT_DIGITS))
    ids = tuple(dict.fromkeys((*owner.position_ids, deal.position_id)))
    return intents.put(known, replace(owner, position_ids=ids, in_flight_lots=flying))


def closed_by(known: Sequence[Intent], deal: DealReport, terms: Terms) -> tuple[Intent, ...]:
    """The intents that a closing deal takes from, in the order it does.

    Those with a share of the position that trade the other way: first the one whose tag the deal
    bears, then those with its magic number, then the youngest.
    """
    closes = Side.SELL if deal.type == BUY else Side.BUY
    held = [
        one
        for one in reversed(_of_symbol(known, deal, terms))
        if one.side is closes and deal.position_id in one.position_ids
    ]
    return tuple(
        sorted(
            held,
            key=lambda one: (
                not (one.tag and one.tag in deal.comment),
                not (one.magic and one.magic == deal.magic),
            ),
        )
    )


def after_close(
    known: Sequence[Intent], owners: Iterable[Intent], deal: DealReport, terms: Terms
) -> tuple[Intent, ...]:
    """The intents less what the deal closed; once nothing remains in sum, all with a share end."""
    left, volume = tuple(known), deal.volume
    for one in owners:
        taken = min(one.volume_lots, volume)
        volume = round(volume - taken, _LOT_DIGITS)
        smaller = intents.reduced(one, taken)
        left = (
            tuple(other for other in left if other.intent_id != one.intent_id)
            if smaller is None
            else intents.put(left, smaller)
        )
        if volume <= 0.0:
            break
    sharing = [one for one in _of_symbol(left, deal, terms) if deal.position_id in one.position_ids]
    if round(sum(one.volume_lots * sign_of(one.side) for one in sharing), _LOT_DIGITS) == 0.0:
        ended = {one.intent_id for one in sharing}
        left = tuple(one for one in left if one.intent_id not in ended)
    return left


def believed(
    known: Sequence[Intent], rows: Iterable[Discrepancy], nets: Sequence[Net], terms: Terms
) -> tuple[tuple[Intent, ...], tuple[Discrepancy, ...]]:
    """The intents that believe the broker where these rows of nets differ, and the other rows.

    Volumes become the shares, and what no intent explains is adopted.
    """
    left: list[Discrepancy] = []
    now = tuple(known)
    for row in sorted(rows, key=lambda row: row.kind not in _OF_THE_SUM):
        net = _net_of(row, nets)
        if net is None:
            left.append(row)
        elif row.kind in _OF_THE_SUM:
            now = _with_shares(now, net, row.last_seen_msc, terms)
        elif net.positions:
            own = {one.intent_id for one in net.intents}
            now = tuple(
                _priced(one, row.kind, net.positions[0]) if one.intent_id in own else one
                for one in now
            )
    return now, tuple(left)


def unmeant(
    known: Sequence[Intent], position: Position, terms: Terms, step_lots: float, at_msc: int
) -> Intent:
    """The part of a position that no other intent of its symbol means, as an intent to hold it.

    It takes the place of what was adopted of that position before.

    Raises:
        IntentError: every step of it is meant.
    """
    taken = intents.adopted(position, at_msc)
    alike = [one for one in known if terms.name(one.symbol) == terms.name(position.symbol)]
    others = [one for one in alike if one.intent_id != taken.intent_id]
    meant = sum(one.volume_lots * sign_of(one.side) for one in alike)
    lots = position.volume_lots * sign_of(position.side) - meant
    if abs(lots) < step_lots / 2:
        raise IntentError(f"position {position.position_id} is meant already, in sum")
    lots += sum(one.volume_lots * sign_of(one.side) for one in alike if one not in others)
    side = Side.BUY if lots > 0 else Side.SELL
    return replace(taken, side=side, volume_lots=round(abs(lots), _LOT_DIGITS))


def _net_of(row: Discrepancy, nets: Iterable[Net]) -> Net | None:
    found = row.finding
    for net in nets:
        if found.intent_id is not None:
            if any(one.intent_id == found.intent_id for one in net.intents):
                return net
        elif row.kind is Kind.UNEXPECTED:
            if any(one.identifier == found.position_id for one in net.positions):
                return net
        elif row.kind is not Kind.SPEC_CHANGED and found.subject == net.symbol:
            return net
    return None


def _with_shares(
    known: Sequence[Intent], net: Net, at_msc: int, terms: Terms
) -> tuple[Intent, ...]:
    shares = shares_of(net)
    own = {one.intent_id for one in net.intents}
    held = tuple(one.identifier for one in net.positions)
    kept: list[Intent] = []
    for one, share in zip(net.intents, shares.steps, strict=True):
        if share:
            lots = one.volume_lots
            if share != signed_steps(one, net.allowed):
                lots = round(abs(share) * net.allowed.volume_step, _LOT_DIGITS)
            kept.append(replace(one, volume_lots=lots, position_ids=held, was_whole=True))
    if shares.nobodys and net.positions:
        taken = intents.adopted(position_of(net.positions[0], terms.digits), at_msc)
        lots = shares.nobodys * net.allowed.volume_step
        before = next((one for one in kept if one.intent_id == taken.intent_id), None)
        if before is not None:
            lots += before.volume_lots * sign_of(before.side)
            kept.remove(before)
        side = Side.BUY if lots > 0 else Side.SELL
        kept.append(replace(taken, side=side, volume_lots=round(abs(lots), _LOT_DIGITS)))
    return (*(one for one in known if one.intent_id not in own), *kept)


def _priced(intent: Intent, kind: Kind, held: PositionReport) -> Intent:
    match kind:
        case Kind.ENTRY_SLIPPAGE if intent.open_price is not None:
            return replace(intent, open_price=held.price_open)
        case Kind.STOP_LOSS if intent.stop_loss is not None:
            return replace(intent, stop_loss=held.sl or None)
        case Kind.TAKE_PROFIT if intent.take_profit is not None:
            return replace(intent, take_profit=held.tp or None)
        case _:
            return intent


def _of_symbol(known: Sequence[Intent], deal: DealReport, terms: Terms) -> list[Intent]:
    return [one for one in known if terms.name(one.symbol) == terms.name(deal.symbol)]
