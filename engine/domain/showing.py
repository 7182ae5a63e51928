"""What a full report shows of what is meant: by position, or by symbol on a netting account.

Both look alike from outside: the intents with what is now known to be theirs, and the findings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from engine.domain.discrepancies import Finding
from engine.domain.fills import findings_of, linked
from engine.domain.intents import Intent
from engine.domain.matching import Fill, Tolerances, match
from engine.domain.netting import Net, findings_of_net, linked_net, nets_of
from engine.domain.reports import FullReport, PositionReport


class Shown(NamedTuple):
    """What a report shows of the intents."""

    intents: tuple[Intent, ...]
    """With the positions now known to be theirs, in the order registered."""
    matched: int
    """Positions that fill some intent."""
    findings: list[Finding]
    strangers: tuple[PositionReport, ...]
    """That no intent means."""
    fills: tuple[Fill, ...] = ()
    """On a hedging account."""
    nets: tuple[Net, ...] = ()
    """On a netting account."""


def matched(
    intents: Sequence[Intent],
    report: FullReport,
    closing_lots: Mapping[int, float],
    tolerances: Callable[[str], Tolerances],
    name: Callable[[str], str],
) -> Shown:
    """Position by position, on a hedging account.

    Args:
        closing_lots: volume of closes sent and not settled, by position.
        tolerances: of a symbol, as `name` spells it.
        name: how a symbol is spelled to be compared.
    """
    found = match(intents, report.positions, tolerances, name)
    findings: list[Finding] = []
    known: list[Intent] = []
    for fill in found.fills:
        allowed = tolerances(name(fill.intent.symbol))
        findings += findings_of(fill, allowed, closing_lots, _opening_lots(fill.intent, report))
        known.append(linked(fill, allowed))
    filling = sum(len(fill.parts) for fill in found.fills)
    return Shown(tuple(known), filling, findings, found.strangers, fills=found.fills)


def netted(
    intents: Sequence[Intent],
    report: FullReport,
    closing_lots: Mapping[int, float],
    tolerances: Callable[[str], Tolerances],
    name: Callable[[str], str],
) -> Shown:
    """The same, symbol by symbol, on a netting account."""
    nets, strangers = nets_of(intents, report.positions, tolerances, name)
    opening = {one.intent_id: _opening_lots(one, report) for one in intents}
    findings: list[Finding] = []
    known: dict[str, Intent] = {}
    for net in nets:
        findings += findings_of_net(net, closing_lots, opening)
        known |= {one.intent_id: one for one in linked_net(net)}
    filling = len(report.positions) - len(strangers)
    ordered = tuple(known[one.intent_id] for one in intents)
    return Shown(ordered, filling, findings, strangers, nets=nets)


def _opening_lots(intent: Intent, report: FullReport) -> float:
    """Volume of the intent that was sent, or rests as an order that bears its tag."""
    resting = sum(
        order.volume_current
        for order in report.orders
        if intent.tag and intent.tag in order.comment
    )
    return max(intent.in_flight_lots, resting)
