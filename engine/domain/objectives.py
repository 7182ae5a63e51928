"""What an evaluation account must reach: a profit, a number of trading days, a consistent result.

They depend on deals, resets and balance operations alone, so no price wakes an account for them.
"""

from msgspec.structs import replace

from engine.domain.account import Days, GuardState
from engine.domain.equity_limits import share_of
from engine.domain.guards import Consistency, MinDays, Money, Percent, ProfitTarget
from engine.domain.outcomes import Outcome, Reached, RuleFound, View
from engine.domain.units import percent

Objective = ProfitTarget | MinDays | Consistency


def evaluate(
    guard: Objective, known: GuardState, view: View
) -> tuple[GuardState, tuple[Outcome, ...]]:
    """Tests one objective; what is reached (or, for consistency, broken) is said once a latch."""
    found: Outcome | None
    match guard:
        case ProfitTarget():
            after, found = _profit_target(guard, known, view)
        case MinDays():
            after, found = known, _min_days(guard, known)
        case Consistency():
            after, found = known, _consistency(guard, known)
    after = replace(
        after,
        breached=known.breached or found is not None,
        evaluated_at_msc=view.time_msc,
    )
    return after, () if found is None or known.breached else (found,)


def target_minor(guard: ProfitTarget, initial_minor: int) -> int:
    """The profit asked for; a percent is of the initial balance, which is the only reference."""
    match guard.target:
        case Money(amount_minor=amount):
            return amount
        case Percent(percent=share):
            return share_of(share, initial_minor)


def on_deal(guard: Objective, known: GuardState, profit_minor: int) -> GuardState:
    """The guard's days after a deal; `profit_minor` is what the deal did to the balance."""
    if isinstance(guard, ProfitTarget):
        return known
    days = known.days or Days()
    return replace(
        known,
        days=Days(
            traded=days.traded + (not days.today_traded),
            best_minor=days.best_minor,
            total_minor=days.total_minor,
            today_minor=days.today_minor + profit_minor,
            today_traded=True,
        ),
    )


def on_reset(guard: Objective, known: GuardState) -> GuardState:
    """The guard's days after one ended: today's result goes into the best and the total."""
    days = known.days
    if days is None or isinstance(guard, ProfitTarget):
        return known
    return replace(
        known,
        days=Days(
            traded=days.traded,
            best_minor=max(days.best_minor, days.today_minor),
            total_minor=days.total_minor + days.today_minor,
        ),
    )


def _profit_target(
    guard: ProfitTarget, known: GuardState, view: View
) -> tuple[GuardState, Reached | None]:
    """Flat, and the balance less net deposits at initial + target: a deposit is never profit."""
    state = view.state
    target = target_minor(guard, state.spec.initial_minor)
    profit = state.balance_minor - state.net_operations_minor - state.spec.initial_minor
    after = replace(known, distance_minor=profit - target)
    if state.positions or profit < target:
        return after, None
    return after, Reached(state.spec.major(profit), state.spec.major(target))


def _min_days(guard: MinDays, known: GuardState) -> Reached | None:
    traded = 0 if known.days is None else known.days.traded
    return Reached(float(traded), float(guard.days)) if traded >= guard.days else None


def _consistency(guard: Consistency, known: GuardState) -> RuleFound | None:
    """Ended days only: the share changes at resets. No total profit, no share and no breach."""
    days = known.days
    if days is None or days.total_minor <= 0:
        return None
    if days.traded - days.today_traded < guard.after_days:
        return None
    if 100.0 * days.best_minor <= guard.max_percent * days.total_minor:
        return None
    share = percent(100.0 * days.best_minor / days.total_minor)
    return RuleFound(breach=True, measured="best_day_percent", value=share, limit=guard.max_percent)
