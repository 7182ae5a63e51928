"""What one intent and the positions that fill it show: the findings of a report.

Volume on its way is known, so a fill or a close that has not arrived is no finding: what counts is
whether the volume can still become right by what is in flight.
"""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from engine.domain.discrepancies import Finding, Kind
from engine.domain.intents import Intent
from engine.domain.matching import Fill, How, Tolerances, is_whole, side_of
from engine.domain.reports import PositionReport

_PLAIN_DIGITS = 8


def findings_of(
    fill: Fill, allowed: Tolerances, closing_lots: Mapping[int, float], opening_lots: float
) -> Iterator[Finding]:
    """What is wrong with one fill.

    Args:
        closing_lots: volume whose close was sent and is not settled, by position.
        opening_lots: volume of the intent that was sent, or rests as an order.
    """
    intent = fill.intent
    for one in fill.wrong_side:
        yield Finding(
            kind=Kind.SIDE,
            position_id=one.identifier,
            intent_id=intent.intent_id,
            expected=intent.side.value,
            actual=side_of(one).value,
        )
    for one in fill.extras:
        yield Finding(
            kind=Kind.DUPLICATE_FILL,
            position_id=one.identifier,
            intent_id=intent.intent_id,
            actual=position_words(one),
        )
    yield from _volume(fill, allowed, closing_lots, opening_lots)
    if fill.parts:
        yield from entry_findings(fill, allowed)
        for one in fill.parts:
            yield from stop_findings(intent, one, allowed)


def linked(fill: Fill, allowed: Tolerances) -> Intent:
    """The intent with the positions now known to be its own.

    Pieces that are only alike are not: what bears the tag may still come. Positions that vanished
    stay known until it is whole again, so that the deal that closed them is recognised.
    """
    intent = fill.intent
    held = tuple(one.identifier for one in fill.parts)
    if is_whole(_steps(fill, allowed), allowed.steps(intent.volume_lots)):
        # Whatever else was said to be on its way is there: it could hide that this goes again.
        return replace(intent, position_ids=held, was_whole=True, in_flight_lots=0.0)
    if fill.how is None or fill.how is How.LIKENESS:
        return intent
    return replace(intent, position_ids=tuple(dict.fromkeys((*intent.position_ids, *held))))


def _volume(
    fill: Fill, allowed: Tolerances, closing_lots: Mapping[int, float], opening_lots: float
) -> Iterator[Finding]:
    intent = fill.intent
    aim, actual = allowed.steps(intent.volume_lots), _steps(fill, allowed)
    own = {*intent.position_ids, *(one.identifier for one in fill.parts)}
    flying = opening_lots + sum(closing_lots.get(number, 0.0) for number in own)
    reach = actual + allowed.steps(flying)
    lacking = aim - reach
    if not fill.parts:
        if not fill.wrong_side and reach == 0:
            yield Finding(
                kind=Kind.MISSING,
                position_id=_only_part(fill),
                intent_id=intent.intent_id,
                expected=intent_words(intent),
            )
            return
        if fill.wrong_side:
            return
    kind: Kind | None = None
    if (actual - aim) * 10 > aim or (intent.was_whole and lacking * 10 > aim):
        kind = Kind.VOLUME
    elif not intent.was_whole and lacking * 20 > aim:
        kind = Kind.PARTIAL_FILL
    if kind is not None:
        yield Finding(
            kind=kind,
            position_id=_only_part(fill),
            intent_id=intent.intent_id,
            expected=plain(intent.volume_lots),
            actual=plain(sum(one.volume for one in fill.parts)),
        )


def entry_findings(fill: Fill, allowed: Tolerances) -> Iterator[Finding]:
    """The entry of all parts, weighted by their volume, against the one that was meant."""
    meant = fill.intent.open_price
    if meant is None:
        return
    lots = sum(one.volume for one in fill.parts)
    entry = sum(one.price_open * one.volume for one in fill.parts) / lots
    if not allowed.is_within(entry, meant, allowed.slippage_pips):
        yield Finding(
            kind=Kind.ENTRY_SLIPPAGE,
            position_id=_only_part(fill),
            intent_id=fill.intent.intent_id,
            expected=plain(meant),
            actual=plain(entry),
        )


def stop_findings(
    intent: Intent, position: PositionReport, allowed: Tolerances
) -> Iterator[Finding]:
    """The stop and the target of one position against the ones that were meant."""
    for kind, meant, actual in (
        (Kind.STOP_LOSS, intent.stop_loss, position.sl),
        (Kind.TAKE_PROFIT, intent.take_profit, position.tp),
    ):
        if meant is None or (actual and allowed.is_within(meant, actual, allowed.stop_pips)):
            continue
        yield Finding(
            kind=kind,
            position_id=position.identifier,
            intent_id=intent.intent_id,
            expected=plain(meant),
            actual=plain(actual) if actual else None,
        )


def stranger(position: PositionReport) -> Finding:
    """A position that no intent means."""
    return Finding(
        kind=Kind.UNEXPECTED, position_id=position.identifier, actual=position_words(position)
    )


def position_words(position: PositionReport) -> str:
    """`buy 1 EURUSD`."""
    return f"{side_of(position).value} {plain(position.volume)} {position.symbol}"


def intent_words(intent: Intent) -> str:
    """`buy 1 EURUSD`."""
    return f"{intent.side.value} {plain(intent.volume_lots)} {intent.symbol}"


def plain(number: float) -> str:
    """A price or volume as a plain decimal, without a tail of noughts or of binary dust."""
    return f"{number:.{_PLAIN_DIGITS}f}".rstrip("0").rstrip(".")


def _steps(fill: Fill, allowed: Tolerances) -> int:
    return sum(allowed.steps(one.volume) for one in fill.parts)


def _only_part(fill: Fill) -> int | None:
    """The position it is about, where there is but one: held, or known and gone."""
    own = [one.identifier for one in fill.parts] or fill.intent.position_ids
    return own[0] if len(own) == 1 else None
