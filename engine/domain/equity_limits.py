"""The one rule of every equity limit: floor = reference - amount, breach when measured is past it.

All comparisons are between integers of minor units of the account currency.
"""

from math import floor, inf

from msgspec.structs import replace

from engine.domain.account import AccountSpec, AccountState, GuardState
from engine.domain.guards import (
    AccountGuard,
    Comparator,
    EquityLimit,
    FixedFloor,
    Measured,
    Money,
    Percent,
    Reference,
)
from engine.domain.outcomes import LimitBreached, LimitWarned, Outcome, View, Wakes
from engine.domain.units import major, minor_of_mark, percent
from engine.domain.watch import Line, Marks

REARM_SHARE = 10
"""A warning re-arms a tenth of the amount above its line."""

_EXACT = 1e-6
"""Of a minor unit: slack for a threshold computed in another order than the test's own."""


def tracker_index(guards: tuple[AccountGuard, ...], place: int) -> int:
    """Which of the marks' trackers holds the day high of the guard at `place`."""
    return 1 + sum(1 for guard in guards[:place] if follows_day_high(guard))


def follows_day_high(guard: AccountGuard) -> bool:
    """Whether the guard needs a day high of its own."""
    return isinstance(guard, EquityLimit) and guard.reference is Reference.DAY_HIGH_EQUITY


def follows_marks(guard: EquityLimit) -> bool:
    """Whether its reference rises from tick to tick; every other one stands between two steps."""
    return guard.reference in (Reference.EQUITY_HIGH_WATER, Reference.DAY_HIGH_EQUITY)


def opening_reference(guard: EquityLimit, spec: AccountSpec, balance_minor: int) -> int | None:
    """The reference a reset will move, as it stands at the opening; None: at first valuation."""
    if guard.reference is Reference.BALANCE_AT_RESET:
        return balance_minor
    if guard.reference is Reference.END_OF_DAY_BALANCE_HIGH_WATER:
        return spec.initial_minor
    return None


def reference_at_reset(
    guard: EquityLimit, known: GuardState, balance_minor: int, equity_minor: int
) -> int | None:
    """The reference taken at a reset, or at the first valuation; None where none is kept."""
    match guard.reference:
        case Reference.BALANCE_AT_RESET:
            return balance_minor
        case Reference.EQUITY_AT_RESET:
            return equity_minor
        case Reference.HIGHER_AT_RESET:
            return max(balance_minor, equity_minor)
        case Reference.END_OF_DAY_BALANCE_HIGH_WATER:
            assert known.reference_minor is not None, "opened without a balance high-water mark"
            return max(known.reference_minor, balance_minor)
        case _:
            return None


def reference_minor(
    guard: EquityLimit, place: int, known: GuardState, state: AccountState, marks: Marks
) -> int:
    """What the limit measures from now. Call it on a valued account only."""
    spec = state.spec
    match guard.reference:
        case Reference.INITIAL:
            return spec.initial_minor
        case Reference.EQUITY_HIGH_WATER:
            return minor_of_mark(marks.trackers[0], spec.digits)
        case Reference.DAY_HIGH_EQUITY:
            tracker = tracker_index(spec.guards, place)
            return minor_of_mark(marks.trackers[tracker], spec.digits)
        case Reference.BALANCE_HIGH_WATER:
            return balance_high_water_minor(guard, state)
        case _:
            assert known.reference_minor is not None, "a reference is taken at first valuation"
            return known.reference_minor


def with_balance_highs(state: AccountState) -> AccountState:
    """The state with its highest balances raised to the present one.

    Done before guards are tested, never at a deal: the closes of one flatten come in any order.
    """
    return replace(
        state,
        balance_high_water_minor=max(state.balance_high_water_minor, state.balance_minor),
        credited_high_water_minor=max(state.credited_high_water_minor, state.balance_minor),
    )


def balance_high_water_minor(guard: EquityLimit, state: AccountState) -> int:
    """The highest balance: with the credit since booked where the guard measures equity."""
    if guard.measured is Measured.EQUITY:
        return state.credited_high_water_minor
    return state.balance_high_water_minor


def floor_minor(guard: EquityLimit, reference: int, spec: AccountSpec) -> int:
    """The equity (or balance) at which the guard acts: reference - amount, locked from above."""
    match guard.amount:
        case FixedFloor(floor_minor=fixed):
            height = fixed
        case Money(amount_minor=amount):
            height = reference - amount
        case Percent(percent=share, of_reference=of_reference):
            height = reference - share_of(share, reference if of_reference else spec.initial_minor)
    lock = lock_minor(guard, spec)
    return height if lock is None else min(height, lock)


def share_of(share_percent: float, whole_minor: int) -> int:
    """A percentage of a sum, rounded to minor units; of a debt it is 0, not a negative amount."""
    return floor(share_percent * whole_minor / 100.0 + 0.5) if whole_minor > 0 else 0


def lock_minor(guard: EquityLimit, spec: AccountSpec) -> int | None:
    """The height above which the floor never rises; None when it may."""
    match guard.lock_at:
        case None:
            return None
        case Money(amount_minor=amount):
            return amount
        case Percent(percent=share):
            return share_of(share, spec.initial_minor)


def used_percent(reference: int, floor_: int, measured: int) -> float:
    """How much of the amount between reference and floor is used; more than 100 past the floor.

    Where there is no amount (the reference is a debt), all of it is used at the floor.
    """
    if reference <= floor_:
        return 100.0 if measured <= floor_ else 0.0
    return 100.0 * (reference - measured) / (reference - floor_)


def evaluate(
    guard: EquityLimit, place: int, known: GuardState, view: View
) -> tuple[GuardState, Outcome | None]:
    """Tests one limit on one equity. The marks of `view.state` include this tick already."""
    state = view.state
    reference = reference_minor(guard, place, known, state, state.marks)
    floor_ = floor_minor(guard, reference, state.spec)
    measured = view.equity_minor if guard.measured is Measured.EQUITY else state.balance_minor
    warned = known.warned and not _rearms(guard, reference, floor_, measured)
    breached = known.breached
    outcome: Outcome | None = None
    if not breached:
        if measured < floor_ or (measured == floor_ and guard.comparator is Comparator.AT_OR_BELOW):
            breached = True
            outcome = LimitBreached(floor_, reference, guard.measured.value, guard.comparator.value)
        elif not warned and _warns(guard, reference, floor_, measured):
            warned = True
            used = percent(used_percent(reference, floor_, measured))
            outcome = LimitWarned(floor_, reference, used)
    return (
        GuardState(
            reference_minor=known.reference_minor,
            warned=warned,
            breached=breached,
            breached_at_msc=known.breached_at_msc,
            close_due_msc=known.close_due_msc,
            evaluated_at_msc=view.time_msc,
            distance_minor=measured - floor_,
            is_estimated=known.is_estimated,
        ),
        outcome,
    )


def _warns(guard: EquityLimit, reference: int, floor_: int, measured: int) -> bool:
    if guard.warn_drawdown_percent is not None:
        return reference > 0 and (
            100.0 * (reference - measured) / reference >= guard.warn_drawdown_percent
        )
    if guard.warn_percent is None:
        return False
    return used_percent(reference, floor_, measured) >= guard.warn_percent


def _rearms(guard: EquityLimit, reference: int, floor_: int, measured: int) -> bool:
    amount = reference - floor_
    if guard.warn_drawdown_percent is not None:
        line = reference * (1.0 - guard.warn_drawdown_percent / 100.0)
    elif guard.warn_percent is not None:
        line = reference - amount * guard.warn_percent / 100.0
    else:
        return True
    return measured > line + amount / REARM_SHARE


def wakes(guard: EquityLimit, place: int, known: GuardState, state: AccountState) -> Wakes:
    """The lines at which the limit may breach, warn or re-arm, given what it remembers.

    The balance changes only in steps: a limit on it is reached in between only by a reference
    that rises with the mark.
    """
    below, above = _shares(guard, known)
    if guard.reference is Reference.EQUITY_HIGH_WATER or follows_day_high(guard):
        tracker = (
            0
            if guard.reference is Reference.EQUITY_HIGH_WATER
            else (tracker_index(state.spec.guards, place))
        )
        if guard.measured is Measured.BALANCE:
            lines = [
                _trailing(guard, tracker, state.spec, p, q, wakes_above=False) for p, q, _ in below
            ]
            balance = major(state.balance_minor, state.spec.digits)
            return Wakes(tuple(r for line in lines if (r := _risen_to(line, balance))))
        return Wakes(
            tuple(
                _trailing(guard, tracker, state.spec, p, q, wakes_above)
                for p, q, wakes_above in (*below, *above)
            )
        )
    if guard.measured is Measured.BALANCE:
        return Wakes()
    reference = reference_minor(guard, place, known, state, state.marks)
    floor_ = floor_minor(guard, reference, state.spec)
    digits = state.spec.digits
    lines = []
    for number, (p, q, wakes_above) in enumerate((*below, *above)):
        height = p * reference + q * floor_
        is_breach = number == 0 and not known.breached  # a warning may lie at the floor as well
        if wakes_above:  # strictly above, in whole minor units
            height = floor(height - _EXACT) + 1
        elif is_breach and guard.comparator is Comparator.BELOW:
            height = floor_ - 1
        else:
            height = floor(height + _EXACT)
        lines.append(Line(wakes_above=wakes_above, b=major(int(height), digits)))
    return Wakes(tuple(lines))


_Share = tuple[float, float, bool]
"""A line as p * reference + q * floor, and whether it wakes from above."""


def _shares(guard: EquityLimit, known: GuardState) -> tuple[list[_Share], list[_Share]]:
    below: list[_Share] = [] if known.breached else [(0.0, 1.0, False)]
    above: list[_Share] = []
    drawdown, share = guard.warn_drawdown_percent, guard.warn_percent
    if drawdown is not None:
        kept = 1.0 - drawdown / 100.0
        if known.warned:
            above.append((kept + 1.0 / REARM_SHARE, -1.0 / REARM_SHARE, True))
        elif not known.breached:
            below.append((kept, 0.0, False))
    elif share is not None:
        used = share / 100.0
        if known.warned:
            used -= 1.0 / REARM_SHARE
            above.append((1.0 - used, used, True))
        elif not known.breached:
            below.append((1.0 - used, used, False))
    return below, above


def _trailing(
    guard: EquityLimit, tracker: int, spec: AccountSpec, p: float, q: float, wakes_above: bool
) -> Line:
    """A line that moves with a tracker; whole-unit rounding of reference and amount is slack."""
    a, b = 1.0, 0.0
    match guard.amount:
        case FixedFloor(floor_minor=fixed):
            a, b = 0.0, major(fixed, spec.digits)
        case Money(amount_minor=amount):
            b = -major(amount, spec.digits)
        case Percent(percent=share, of_reference=True):
            a = 1.0 - share / 100.0
        case Percent(percent=share):
            b = -major(share_of(share, spec.initial_minor), spec.digits)
    lock = lock_minor(guard, spec)
    return Line(
        wakes_above=wakes_above,
        tracker=tracker,
        p=p,
        q=q,
        a=a,
        b=b,
        cap=inf if lock is None else major(lock, spec.digits),
        slack=major(1, spec.digits) * (1.0 + abs(p) + abs(q)),
    )


def _risen_to(line: Line, balance: float) -> Line | None:
    """Where the mark must rise for a trailing line to reach a balance that stands still.

    The line is the lower of two that rise with the mark: one follows the tracker through the
    floor, one has the floor at its cap. It is there when both are; never if the capped one is not.
    """
    height = balance - line.slack
    rise = line.p + line.q * line.a
    if rise <= 0.0:  # a fixed floor
        return None
    reach = (height - line.q * line.b) / rise
    if line.q * line.cap < inf:
        if line.p > 0.0:
            reach = max(reach, (height - line.q * line.cap) / line.p)
        elif line.q * line.cap < height:
            return None
    return Line(wakes_above=True, b=reach)
