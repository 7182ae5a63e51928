"""What deals teach about intents: filled, closed by whom, and for how much.

Source of the numbers: MQL5 Reference, Deal Properties
(ENUM_DEAL_ENTRY, ENUM_DEAL_REASON).
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from engine.domain import net_deals, residuals
from engine.domain.beliefs import Terms, money_words
from engine.domain.discrepancies import Finding, Kind
from engine.domain.fills import plain
from engine.domain.intents import Intent, put, reduced
from engine.domain.positions import Side
from engine.domain.reports import DealReport
from engine.domain.residuals import BUY, SELL, Ledger
from engine.domain.units import minor

ENTRY_IN, ENTRY_INOUT = 0, 2
EXPERT = 3
REASONS = {
    0: "client",
    1: "mobile",
    2: "web",
    EXPERT: "expert",
    4: "stop_loss",
    5: "take_profit",
    6: "stop_out",
    7: "rollover",
    8: "variation_margin",
    9: "split",
    10: "corporate_action",
}
"""DEAL_REASON in words."""
REBOOKED = frozenset({7, 8, 9, 10})
"""The broker closes and opens the same position anew: nobody's wish, and nothing is closed."""


class Executions(msgspec.Struct, frozen=True, kw_only=True):
    """Beliefs after deals, and what they prove."""

    ledger: Ledger
    intents: tuple[Intent, ...]
    findings: tuple[Finding, ...] = ()
    ended: frozenset[str] = frozenset()
    """Intents of which nothing remains by these deals."""


def reason_words(reason: int) -> str:
    """A DEAL_REASON as published; one that no list has keeps its number."""
    return REASONS.get(reason, f"reason {reason}")


def learned(
    ledger: Ledger,
    intents: Sequence[Intent],
    deals: Sequence[DealReport],
    terms: Terms,
    *,
    closing_lots: Mapping[int, float],
    own_deals: frozenset[int],
    own_orders: frozenset[int],
    expected_profit_minor: Mapping[int, int],
) -> Executions:
    """The intents after the deals that are new to the ledger, and what those prove.

    A close is expected when the engine made it, or the strategy whose intent it is: by an expert,
    with its magic. All others are external, each deal a finding of its own.
    """
    known = tuple(intents)
    findings: list[Finding] = []
    for deal in residuals.fresh(ledger, deals):
        if deal.type not in (BUY, SELL):
            continue
        filled = None
        if terms.nets and deal.reason not in REBOOKED:
            filled = net_deals.filled_by(known, deal, terms)
        if filled is not None:
            if deal.entry != ENTRY_IN:
                findings += _profit(deal, filled, expected_profit_minor, terms)
            known = net_deals.after_fill(known, filled, deal)
            continue
        if deal.entry == ENTRY_IN:
            known = known if terms.nets else _filled(known, deal, terms)
            continue
        owners = net_deals.closed_by(known, deal, terms) if terms.nets else known
        owner = next((one for one in owners if deal.position_id in one.position_ids), None)
        findings += _profit(deal, owner, expected_profit_minor, terms)
        if owner is None or deal.reason in REBOOKED:
            continue
        # A result without an order says 0, and so does a deal that came from none.
        is_commanded = deal.ticket in own_deals or deal.order in own_orders - {0}
        is_expected = deal.reason == EXPERT and (
            bool(closing_lots.get(deal.position_id))
            or (owner.magic != 0 and deal.magic == owner.magic)
        )
        if not (is_commanded or is_expected):
            findings.append(
                Finding(
                    kind=Kind.CLOSED_EXTERNALLY,
                    position_id=deal.position_id,
                    intent_id=owner.intent_id,
                    subject=str(deal.ticket),
                    expected=plain(owner.volume_lots),
                    actual=reason_words(deal.reason),
                )
            )
        if terms.nets:
            known = net_deals.after_close(known, owners, deal, terms)
            continue
        left = None if deal.entry == ENTRY_INOUT else reduced(owner, deal.volume)
        known = (
            put(known, left)
            if left is not None
            else tuple(one for one in known if one.intent_id != owner.intent_id)
        )
    booked = residuals.booked(ledger, deals, terms.digits, bonus_is_credit=terms.bonus_is_credit)
    ended = {one.intent_id for one in intents} - {one.intent_id for one in known}
    return Executions(
        ledger=booked, intents=known, findings=tuple(findings), ended=frozenset(ended)
    )


def _filled(intents: tuple[Intent, ...], deal: DealReport, terms: Terms) -> tuple[Intent, ...]:
    """An entry that bears an intent's tag links its position, and is no longer on its way."""
    side = Side.BUY if deal.type == BUY else Side.SELL
    bearing = [
        one
        for one in intents
        if one.tag
        and one.tag in deal.comment
        and one.side is side
        and terms.name(one.symbol) == terms.name(deal.symbol)
    ]
    if not bearing or any(deal.position_id in one.position_ids for one in intents):
        return intents
    owner = max(bearing, key=lambda one: len(one.tag))
    flying = max(0.0, round(owner.in_flight_lots - deal.volume, 8))
    ids = (*owner.position_ids, deal.position_id)
    return put(intents, replace(owner, position_ids=ids, in_flight_lots=flying))


def _profit(
    deal: DealReport,
    owner: Intent | None,
    expected_minor: Mapping[int, int],
    terms: Terms,
) -> list[Finding]:
    """The deal's profit against ours, where we have one; what is recorded is both."""
    expected = expected_minor.get(deal.ticket)
    if expected is None:
        return []
    actual = minor(deal.profit, terms.digits)
    if abs(actual - expected) <= terms.profit_tolerance_minor:
        return []
    return [
        Finding(
            kind=Kind.PROFIT,
            position_id=deal.position_id,
            intent_id=None if owner is None else owner.intent_id,
            subject=str(deal.ticket),
            expected=money_words(expected, terms.digits),
            actual=money_words(actual, terms.digits),
        )
    ]
