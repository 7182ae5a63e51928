"""From frames to the engine's records: refuses what a frame's types alone cannot rule out.

Times stay twice: MT5 writes the server's wall clock as if it were UTC, and the terminal says how
far that is from UTC.
"""

from collections.abc import Sequence
from typing import get_type_hints

import msgspec

from adapters.mt5 import frames
from adapters.mt5.constants import TICK_FLAGS, OrderType, PositionType
from adapters.mt5.frames import BadFrameError
from engine.domain.ids import AccountKey
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    IntentReport,
    OrderReport,
    PositionReport,
    SpecReport,
)
from engine.link import LinkQuote, PositionChange, TerminalFacts

INT_LOW, INT_HIGH = -(2**63), 2**64 - 1
"""MQL5's long and ulong: a magic number may be either."""
TEXT_LENGTH = 256
MAX_DIGITS = 16

_Record = PositionReport | OrderReport | DealReport | SpecReport | IntentReport
_FIELDS: dict[type[msgspec.Struct], tuple[tuple[str, type], ...]] = {
    record: tuple(
        (name, hint) for name, hint in get_type_hints(record).items() if hint in (int, str)
    )
    for record in (PositionReport, OrderReport, DealReport, SpecReport, IntentReport)
}


def terminal_facts(
    hello: frames.Hello, epoch: int, *, resumed: bool, handshake_ms: float | None = None
) -> TerminalFacts:
    """The hello, once its proof is accepted, with the epoch of the link."""
    return TerminalFacts(
        key=AccountKey(hello.server, hello.login),
        session=hello.session,
        epoch=epoch,
        build=hello.build,
        company=hello.company,
        currency=hello.currency,
        currency_digits=hello.currency_digits,
        margin_mode=hello.margin_mode,
        leverage=hello.leverage,
        gmt_offset_s=hello.gmt_offset_s,
        resumed=resumed,
        handshake_ms=handshake_ms,
    )


def full_report(parts: Sequence[frames.Report]) -> FullReport:
    """All parts of a report as one; complete only if every part is.

    Raises:
        BadFrameError: the first part has no account, or a record cannot be.
    """
    account = parts[0].account
    if account is None:
        raise BadFrameError("wrong at $.account")
    report = FullReport(
        account=account,
        positions=tuple(record for part in parts for record in part.positions),
        orders=tuple(record for part in parts for record in part.orders),
        specs=tuple(record for part in parts for record in part.specs),
        recent_intents=tuple(record for part in parts for record in part.recent_intents),
        floor=parts[0].floor,
        complete=all(part.complete for part in parts),
    )
    for position in report.positions:
        check_position(position, "$.positions")
    for order in report.orders:
        _check_fields(order, "$.orders")
        if not (order.ticket > 0 and order.volume_current >= 0 and order.type in _ORDER_TYPES):
            raise BadFrameError("wrong at $.orders")
    for spec in report.specs:
        _check_fields(spec, "$.specs")
        if not (spec.name and 0 <= spec.digits <= MAX_DIGITS and spec.trade_contract_size >= 0):
            raise BadFrameError("wrong at $.specs")
    for intent in report.recent_intents:
        _check_fields(intent, "$.recent_intents")
    _check_unique([position.identifier for position in report.positions], "$.positions")
    _check_unique([order.ticket for order in report.orders], "$.orders")
    _check_unique([spec.name for spec in report.specs], "$.specs")
    return report


def check_position(
    position: PositionReport, place: str, change: PositionChange | None = None
) -> None:
    """Refuses what no position can be. A closed one may have no volume left.

    Raises:
        BadFrameError: names the place.
    """
    _check_fields(position, place)
    possible = (
        position.identifier > 0
        and bool(position.symbol)
        and position.type in _POSITION_TYPES
        and position.price_open >= 0
        and (position.volume > 0 or (change is PositionChange.CLOSED and position.volume == 0))
    )
    if not possible:
        raise BadFrameError(f"wrong at {place}")


def check_deal(deal: DealReport) -> None:
    """Refuses what no deal can be; types and reasons of newer builds pass.

    Raises:
        BadFrameError: names the place.
    """
    _check_fields(deal, "$.deal")
    if not (deal.ticket > 0 and deal.volume >= 0 and deal.position_id >= 0 and deal.price >= 0):
        raise BadFrameError("wrong at $.deal")


def link_quotes(rows: Sequence[frames.QuoteRow], gmt_offset_s: int) -> list[LinkQuote]:
    """The ticks in UTC, with the documented bits of their flags; none is judged here."""
    offset_msc = gmt_offset_s * 1000
    return [
        LinkQuote(
            row.symbol,
            row.time_msc - offset_msc,
            row.time_msc,
            row.bid,
            row.ask,
            row.flags & TICK_FLAGS,
        )
        for row in rows
    ]


def heartbeat(beat: frames.Beat) -> Heartbeat:
    """The heartbeat without its numbers."""
    return Heartbeat(
        balance=beat.balance,
        credit=beat.credit,
        equity=beat.equity,
        margin=beat.margin,
        digest=beat.digest,
    )


def command_result(result: frames.Result) -> CommandResult:
    """The result without its numbers."""
    return CommandResult(
        intent_id=result.intent_id,
        retcode=result.retcode,
        deal=result.deal,
        order=result.order,
        volume=result.volume,
        price=result.price,
        comment=result.comment,
    )


_POSITION_TYPES = frozenset(int(kind) for kind in PositionType)
_ORDER_TYPES = frozenset(int(kind) for kind in OrderType)


def _check_fields(record: _Record, place: str) -> None:
    for name, hint in _FIELDS[type(record)]:
        value = getattr(record, name)
        fits = INT_LOW <= value <= INT_HIGH if hint is int else len(value) <= TEXT_LENGTH
        if not fits:
            raise BadFrameError(f"wrong at {place}.{name}")


def _check_unique(names: Sequence[int | str], place: str) -> None:
    if len(set(names)) != len(names):
        raise BadFrameError(f"twice the same at {place}")
