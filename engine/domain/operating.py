"""Balance operations: a deposit is never profit and a withdrawal never a loss.

They move the balance (or the credit) and, by the same amount, every high-water mark and every
reference taken at a reset. The initial balance, which contracts name, stays.
"""

from msgspec.structs import replace

from engine.domain import records
from engine.domain.account import AccountState, OperationKind
from engine.domain.drafts import Draft
from engine.domain.guards import AccountGuard, EquityLimit, Measured
from engine.domain.marks import moved
from engine.domain.watch import NEVER_MSC


def apply_due(draft: Draft) -> None:
    """Applies the operations known in advance whose time has come, in the order given."""
    operations = draft.state.spec.operations
    while (done := draft.state.operations_done) < len(operations):
        operation = operations[done]
        if operation.at_msc > draft.time_msc:
            return
        draft.state = replace(draft.state, operations_done=done + 1)
        apply(draft, operation.kind, operation.amount_minor)


def next_due_msc(state: AccountState) -> int:
    """When the next operation known in advance is due."""
    operations = state.spec.operations
    done = state.operations_done
    return operations[done].at_msc if done < len(operations) else NEVER_MSC


def apply(draft: Draft, kind: OperationKind, amount_minor: int) -> None:
    """Books money that came (positive) or went, and moves every reference with it."""
    state = draft.state
    spec = state.spec
    credited = kind is OperationKind.CREDIT
    draft.state = replace(
        state,
        balance_minor=state.balance_minor + (0 if credited else amount_minor),
        credit_minor=state.credit_minor + (amount_minor if credited else 0),
        net_operations_minor=state.net_operations_minor + (0 if credited else amount_minor),
        balance_high_water_minor=state.balance_high_water_minor + (0 if credited else amount_minor),
        credited_high_water_minor=state.credited_high_water_minor + amount_minor,
        marks=moved(state.marks, spec.major(amount_minor)),
        guards=tuple(
            known
            if known.reference_minor is None or (credited and _measures_balance(guard))
            else replace(known, reference_minor=known.reference_minor + amount_minor)
            for guard, known in zip(spec.guards, state.guards, strict=True)
        ),
        untested=True,
    )
    draft.publish(
        records.BalanceChanged,
        kind=kind.value,
        amount=spec.major(amount_minor),
        balance=spec.major(draft.state.balance_minor),
        credit=spec.major(draft.state.credit_minor),
    )


def _measures_balance(guard: AccountGuard) -> bool:
    return isinstance(guard, EquityLimit) and guard.measured is Measured.BALANCE
