"""Believing the broker: what a confirmed discrepancy makes of the book where policy is to adopt.

The row itself is resolved by the next report, which then finds nothing.
"""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from engine.domain import intents, residuals
from engine.domain.beliefs import Book, Terms
from engine.domain.discrepancies import Discrepancy, Kind
from engine.domain.intents import Intent
from engine.domain.matching import Fill, side_of
from engine.domain.positions import Position
from engine.domain.reports import AccountReport, Heartbeat, PositionReport, SpecReport
from engine.domain.units import minor


def position_of(report: PositionReport, digits: int) -> Position:
    """The position of a report; its swap in minor units, the symbol as the broker spells it."""
    return Position(
        position_id=report.identifier,
        ticket=report.ticket,
        symbol=report.symbol,
        side=side_of(report),
        volume_lots=report.volume,
        open_price=report.price_open,
        swap_minor=minor(report.swap, digits),
        stop_loss=report.sl or None,
        take_profit=report.tp or None,
        magic=report.magic,
        comment=report.comment,
    )


def with_money(book: Book, account: AccountReport | Heartbeat, digits: int) -> Book:
    """The book whose ledger agrees with what the broker says it has."""
    return replace(book, ledger=residuals.anchored(book.ledger, account, digits))


def with_holdings(
    book: Book,
    rows: Iterable[Discrepancy],
    positions: Mapping[int, PositionReport],
    fills: Mapping[str, Fill],
    specs: Mapping[str, SpecReport],
    terms: Terms,
) -> Book:
    """The book that believes what is held, and the specifications told, where these rows differ.

    Args:
        positions: of the report, by identifier.
        fills: of the report, by intent.
        specs: of the report, by name.
    """
    known = book.intents
    believed = dict(book.specs)
    for row in rows:
        found = row.finding
        if row.kind is Kind.SPEC_CHANGED:
            believed[found.subject] = specs[found.subject]
        elif row.kind in (Kind.UNEXPECTED, Kind.DUPLICATE_FILL):
            held = positions[found.position_id or 0]
            taken = intents.adopted(position_of(held, terms.digits), row.last_seen_msc)
            known = (*(one for one in known if one.intent_id != taken.intent_id), taken)
        elif row.kind is Kind.MISSING:
            known = tuple(one for one in known if one.intent_id != found.intent_id)
        elif found.intent_id is not None and found.intent_id in fills:
            fill = fills[found.intent_id]
            known = tuple(
                _as_held(one, row.kind, fill, positions.get(found.position_id or 0))
                if one.intent_id == found.intent_id
                else one
                for one in known
            )
    return replace(book, intents=known, specs=believed)


def _as_held(intent: Intent, kind: Kind, fill: Fill, position: PositionReport | None) -> Intent:
    """The intent with the one thing that differs as the broker has it."""
    lots = sum(one.volume for one in fill.parts)
    held = tuple(one.identifier for one in fill.parts)
    match kind:
        case Kind.VOLUME | Kind.PARTIAL_FILL if lots:
            return replace(intent, volume_lots=lots, position_ids=held, was_whole=True)
        case Kind.ENTRY_SLIPPAGE if lots:
            entry = sum(one.price_open * one.volume for one in fill.parts) / lots
            return replace(intent, open_price=entry)
        case Kind.SIDE if position is not None:
            return replace(
                intent,
                side=side_of(position),
                volume_lots=position.volume,
                open_price=position.price_open,
                position_ids=(position.identifier,),
                was_whole=True,
            )
        case Kind.STOP_LOSS if position is not None:
            return replace(intent, stop_loss=position.sl or None)
        case Kind.TAKE_PROFIT if position is not None:
            return replace(intent, take_profit=position.tp or None)
        case _:
            return intent
