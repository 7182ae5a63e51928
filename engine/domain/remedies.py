"""What is to be done about discrepancies: asked of the terminal, or by policy of the engine.

Values only; whoever holds the link carries them out.
"""

from collections.abc import Mapping

import msgspec

from engine.domain.discrepancies import (
    ABOUT_MONEY,
    Discrepancy,
    Finding,
    Kind,
    Policies,
    Policy,
    State,
)


class AskReport(msgspec.Struct, frozen=True):
    """A full report is wanted now."""

    why: str


class FetchDeals(msgspec.Struct, frozen=True):
    """The history is wanted: a deal may have been missed."""

    why: str


class ClosePosition(msgspec.Struct, frozen=True):
    """A position goes, by policy. Said at every report that still shows it and has no close on its
    way; the closing machine keeps one command a position."""

    position_id: int
    reason: str


class Halt(msgspec.Struct, frozen=True):
    """No new risk, by policy. Said once a discrepancy."""

    cause: str


Action = AskReport | FetchDeals | ClosePosition | Halt


def questions(changed: tuple[Discrepancy, ...]) -> list[Action]:
    """What would settle a new suspicion sooner than waiting does, each asked once."""
    new = [row.kind for row in changed if row.state is State.SUSPECTED and row.count == 1]
    actions: list[Action] = []
    history = {Kind.MISSING, Kind.VOLUME, Kind.BALANCE_RESIDUAL}
    for kind in new:
        if kind in history:
            actions.append(FetchDeals(kind.value))
            break
    for kind in new:
        if kind not in ABOUT_MONEY:
            actions.append(AskReport(kind.value))
            break
    return actions


def asked_by_policy(
    rows: tuple[Discrepancy, ...],
    changed: tuple[Discrepancy, ...],
    shown: set[tuple[Kind, int | None, str | None, str]],
    closing_lots: Mapping[int, float],
    policies: Policies,
) -> list[Action]:
    """What the policies of confirmed discrepancies ask for.

    Args:
        shown: keys of what this sighting found: a row it did not judge asks for nothing again.
    """
    actions: list[Action] = []
    told = {row.finding.key for row in changed if row.count == policies.needed(row.kind)}
    for row in rows:
        if row.state is not State.CONFIRMED or row.finding.key not in shown:
            continue
        policy, number = policies.of(row.kind), row.finding.position_id
        if policy is Policy.HALT and row.finding.key in told:
            actions.append(Halt(f"discrepancy:{row.kind.value}"))
        if policy is Policy.CLOSE and number is not None and not closing_lots.get(number):
            actions.append(ClosePosition(number, f"discrepancy:{row.kind.value}"))
    return actions


def adoptable(
    rows: tuple[Discrepancy, ...], findings: list[Finding], policies: Policies
) -> tuple[Discrepancy, ...]:
    """Confirmed rows that this sighting shows and whose policy is to believe the broker."""
    shown = {found.key for found in findings}
    return tuple(
        row
        for row in rows
        if row.state is State.CONFIRMED
        and row.finding.key in shown
        and policies.of(row.kind) is Policy.ADOPT
    )
