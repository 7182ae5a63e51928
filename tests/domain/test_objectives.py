"""Profit target, trading days, consistency: reached by deals and days, never by a price alone."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.domain import records
from engine.domain.account import Days, GuardState, Operation, OperationKind
from engine.domain.events import DealReported, TimeReached
from engine.domain.guards import (
    AccountGuard,
    Action,
    Consistency,
    MinDays,
    Money,
    Percent,
    ProfitTarget,
    Reset,
)
from engine.domain.objectives import evaluate, on_deal, on_reset
from engine.domain.outcomes import Reached, RuleFound, View
from engine.domain.resets import next_reset_msc
from engine.domain.step import step
from tests.domain.accounts import START_MSC, Life, buy, kinds, unopened

DAILY = Reset(zone="Europe/Prague", at_minute=0)


def target(**more: Any) -> ProfitTarget:
    fields: dict[str, Any] = {
        "name": "target",
        "action": Action.ALERT,
        "target": Percent(percent=10.0),
    }
    return ProfitTarget(**fields | more)


def days(count: int) -> MinDays:
    return MinDays(name="days", action=Action.ALERT, reset=DAILY, days=count)


def even(max_percent: float, after_days: int = 2) -> Consistency:
    return Consistency(
        name="even",
        action=Action.ALERT,
        reset=DAILY,
        max_percent=max_percent,
        after_days=after_days,
    )


def close(one: Life, position_id: int, profit: float) -> list[records.Record]:
    deal = DealReported(
        one.state.time_msc, position_id, 1.0, 1000.0, round(profit * 100), "external"
    )
    return one.take(step(one.state, deal))


def found_on(state: Any, guard: Any) -> Any:
    found = evaluate(guard, GuardState(), View(state, START_MSC, {}, 0))[1]
    return found[0] if found else None


@pytest.mark.parametrize("guard", [target(), target(target=Money(amount_minor=1_000_00))])
def test_a_target_is_reached_at_it_and_flat(guard: ProfitTarget) -> None:
    assert found_on(unopened([guard], balance=10_999.99), guard) is None
    assert found_on(unopened([guard], balance=11_000.0), guard) == Reached(1000.0, 1000.0)
    holding = unopened([guard], [buy("XAUUSD", 1.0, 1000.0)], balance=11_000.0)
    assert found_on(holding, guard) is None


def test_a_target_is_said_once_and_tells_how_far_it_is() -> None:
    guard = target()
    at = View(unopened([guard], balance=10_400.0), START_MSC, {}, 0)
    assert evaluate(guard, GuardState(), at)[0].distance_minor == -600_00
    at = View(unopened([guard], balance=11_000.0), START_MSC, {}, 0)
    known, _ = evaluate(guard, GuardState(), at)
    assert known.breached
    assert evaluate(guard, known, at)[1] == ()


def test_a_deposit_reaches_no_target_and_a_withdrawal_undoes_none() -> None:
    moves = (
        Operation(at_msc=START_MSC + 1, kind=OperationKind.DEPOSIT, amount_minor=5_000_00),
        Operation(at_msc=START_MSC + 3, kind=OperationKind.WITHDRAWAL, amount_minor=-5_500_00),
    )
    one = Life(unopened([target()], [buy("XAUUSD", 1.0, 1000.0)], operations=moves))
    one.tick(START_MSC, "XAUUSD", 1000.0)
    assert kinds(one.tick(START_MSC + 1, "XAUUSD", 1000.0)) == ["balance_changed"]
    close(one, 1, 1_000.0)
    published = one.tick(START_MSC + 3, "XAUUSD", 1000.0)
    assert kinds(published) == ["balance_changed", "objective_reached"]
    reached = published[1]
    assert isinstance(reached, records.ObjectiveReached)
    assert (reached.value, reached.target, reached.kind) == (1000.0, 1000.0, "profit_target")


def test_days_count_once_each_from_their_first_deal() -> None:
    guard = days(2)
    known = on_deal(guard, on_deal(guard, GuardState(), 5), -7)
    assert known.days == Days(traded=1, today_minor=-2, today_traded=True)
    state = unopened([guard])
    assert evaluate(guard, known, View(state, START_MSC, {}, 0))[1] == ()
    known = on_reset(guard, on_reset(guard, known))  # a day without a deal
    assert known.days == Days(traded=1, total_minor=-2)
    known = on_deal(guard, known, 1)
    assert evaluate(guard, known, View(state, START_MSC, {}, 0))[1] == (Reached(2.0, 2.0),)


def shares(guard: Consistency, *results: float) -> list[Any]:
    """What is found at the end of each day with these results."""
    known, found = GuardState(), []
    state = unopened([guard])
    for result in results:
        known = on_deal(guard, known, round(result * 100))
        assert evaluate(guard, known, View(state, START_MSC, {}, 0))[1] == ()  # not before a reset
        known = replace(on_reset(guard, known), breached=False)  # a latch until the reset
        known, said = evaluate(guard, known, View(state, START_MSC, {}, 0))
        found.append(said[0] if said else None)
    return found


def test_the_best_day_is_weighed_against_the_total_at_a_reset() -> None:
    assert shares(even(50.0), 100.0, 100.0) == [None, None]  # exactly half is not more
    assert shares(even(50.0), 100.0, 99.0)[1] == RuleFound(
        breach=True, measured="best_day_percent", value=50.2513, limit=50.0
    )
    assert [f and f.value for f in shares(even(50.0), 300.0, -100.0, 600.0, 300.0)] == [
        None,
        150.0,
        75.0,
        54.5455,
    ]


def test_without_a_total_profit_there_is_no_share() -> None:
    assert shares(even(50.0), 100.0, -100.0) == [None, None]
    assert shares(even(50.0), 100.0, -300.0) == [None, None]


def test_one_day_alone_is_not_judged_unless_asked_for() -> None:
    assert shares(even(50.0), 100.0) == [None]
    assert shares(even(50.0, after_days=1), 100.0)[0].value == 100.0


def test_a_day_ends_in_its_own_zone() -> None:
    guards: list[AccountGuard] = [days(2), even(60.0)]
    held = [buy("XAUUSD", 1.0, 1000.0, n) for n in (1, 2, 3)]
    one = Life(unopened(guards, held))
    one.tick(START_MSC, "XAUUSD", 1000.0)
    close(one, 1, 100.0)
    reset_msc = next_reset_msc(DAILY, START_MSC)
    one.take(step(one.state, TimeReached(reset_msc, one.quotes)))
    one.tick(reset_msc, "XAUUSD", 1000.0)
    close(one, 2, 50.0)
    assert kinds(one.tick(reset_msc + 1, "XAUUSD", 1000.0)) == ["objective_reached"]
    later = next_reset_msc(DAILY, reset_msc)
    published = one.take(step(one.state, TimeReached(later, one.quotes)))
    assert kinds(published) == ["day_reset", "day_reset", "rule_breach"]
    breach = published[2]
    assert isinstance(breach, records.RuleBreach)
    assert (breach.measured, breach.value, breach.limit) == ("best_day_percent", 66.6667, 60.0)
