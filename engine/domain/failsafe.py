"""The floor a terminal enforces by itself while the engine is silent."""

from engine.domain.account import AccountState, Mode
from engine.domain.equity_limits import floor_minor, reference_minor
from engine.domain.guards import EquityLimit, Measured

WORTH_PERCENT = 0.05
"""Of the floor: a smaller move is not worth a command."""


def failsafe_floor(state: AccountState) -> float | None:
    """The highest floor at which a guard would close now, major units; 0: none would.

    None while the account is not valued: what the terminal was left stays in force.
    """
    if state.spec.mode is Mode.OBSERVE:
        return 0.0
    if not state.known:
        return None
    floors = [
        floor_minor(guard, reference_minor(guard, place, known, state, state.marks), state.spec)
        for place, (guard, known) in enumerate(zip(state.spec.guards, state.guards, strict=True))
        if isinstance(guard, EquityLimit)
        and guard.action.closes
        and guard.measured is Measured.EQUITY
        and not known.breached
    ]
    return state.spec.major(max(floors)) if floors else 0.0


def is_worth_sending(floor: float, sent: float | None) -> bool:
    """Whether it differs enough from what the terminal was last given."""
    if sent is None:
        return True
    if (floor == 0.0) is not (sent == 0.0):
        return True
    return abs(floor - sent) * 100.0 > abs(sent) * WORTH_PERCENT
