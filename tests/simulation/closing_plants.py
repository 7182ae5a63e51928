"""Bugs put into the closing machine; the simulation must find each within the seeds named here."""

from dataclasses import dataclass

from tests.simulation.closing_machine import Planting

_REPEATABLE: tuple[Planting, ...] = (
    (
        "close_orders",
        "REPEATABLE = frozenset({Kind.FULL, Kind.CLOSE_BY, Kind.CANCEL})",
        "REPEATABLE = frozenset(Kind)",
    ),
    (
        "close_orders",
        "assert order.kind not in REPEATABLE or order.target_volume_lots == 0.0",
        "assert True",
    ),
)
_DELTA: Planting = (
    "close_evidence",
    "current_volume_lots=volume_lots, known_at_ms=taken_at_ms), report)",
    "known_at_ms=taken_at_ms), report)",
)


@dataclass(frozen=True)
class Bug:
    """What is wrong, what shows it, and how many seeds it takes at most."""

    name: str
    plantings: tuple[Planting, ...]
    shows: str
    """A field of `Findings`."""
    seeds: int = 600
    first: int = 0
    """Where to begin: rare bugs need not be looked for from the start each time."""


BLIND_RETRY = Bug(
    "whatever is unknown is sent again at once, the volume as first decided",
    (
        *_REPEATABLE,
        (
            "close_orders",
            "    if order.answered_at_ms is not None:\n        order, actions = again",
            "    if True:\n        order, actions = again",
        ),
        _DELTA,
    ),
    "over_closed",
)

BUGS = (
    BLIND_RETRY,
    Bug("a delta is sent, not what is there less what must remain", (_DELTA,), "over_closed"),
    Bug("partials are repeated at once", _REPEATABLE, "over_closed"),
    Bug(
        "placed is taken as flat",
        (
            (
                "close_answers",
                "if order.kind is not Kind.CANCEL and order.need_lots(by_deals(order)) == 0.0:",
                "if True:",
            ),
        ),
        "wrongly_settled",
    ),
    Bug(
        "a failed report is taken as flat",
        (("close_evidence", "if not report.complete or taken_at_ms", "if taken_at_ms"),),
        "wrongly_settled",
    ),
    Bug(
        "two reports agree before the hold is over",
        (
            (
                "close_evidence",
                "held = taken_at_ms > order.sent_at_ms + order.terms.hold_ms",
                "held = True",
            ),
        ),
        "over_closed",
    ),
    Bug(
        "a deal told twice counts twice",
        (("close_evidence", " or deal.ticket in (d[0] for d in order.deals)", ""),),
        "wrongly_settled",
    ),
    Bug(
        "a repeat counts the deals of the first send again",
        (
            (
                "close_orders",
                "if order.sent_at_ms is None else order.before_lots",
                "",
            ),
        ),
        "wrongly_settled",
        first=4_300,
    ),
    Bug(
        "a restart believes that nothing was sent",
        (
            (
                "close_orders",
                "before_lots=_before(order))\n    return doubt(known, now_ms)",
                "before_lots=_before(order))\n    return again(known)",
            ),
        ),
        "opened",
    ),
    Bug(
        "a lost link is taken as not done",
        (
            (
                "close_orders",
                "(State.SENT, State.PLACED):\n        return doubt(order, now_ms)",
                "(State.SENT, State.PLACED):\n        return again(order)",
            ),
        ),
        "over_closed",
        first=1_500,
    ),
    Bug(
        "a code that is not proof is taken as a refusal",
        (
            (
                "close_answers",
                "if kind in (RetcodeClass.ALREADY_SO, RetcodeClass.UNKNOWN):",
                "if kind is RetcodeClass.ALREADY_SO:",
            ),
        ),
        "over_closed",
    ),
    Bug(
        "a position that was turned around is closed on",
        (
            (
                "close_evidence",
                "== 0.0 or side != order.side:\n        order, more",
                "== 0.0:\n        order, more",
            ),
        ),
        "opened",
    ),
    Bug(
        "a report asked for before the decision counts",
        (
            (
                "close_orders",
                "known_at_ms=max(order.known_at_ms, order.decided_at_ms)",
                "known_at_ms=order.known_at_ms",
            ),
        ),
        "wrongly_settled",
        first=9_400,
    ),
    Bug(
        "what waits is forgotten",
        (
            (
                "close_orders",
                "elif due and order.state in (State.WAITING, State.ESCALATED):",
                "elif False:",
            ),
        ),
        "stuck",
    ),
    Bug(
        "nobody is told that it is not flat",
        (
            ("close_orders", "    if age_ms >= terms.late_ms:", "    if False:"),
            ("close_orders", "if age_ms >= terms.escalate_ms and", "if False and"),
        ),
        "silent",
    ),
)
