"""The eight references, in an account's life: openings, ticks, resets, deposits."""

from typing import Any

import pytest
from msgspec import UNSET

from engine.domain import records
from engine.domain.account import Operation, OperationKind
from engine.domain.equity_limits import reference_minor
from engine.domain.events import DealReported, TimeReached
from engine.domain.guards import (
    Action,
    EquityLimit,
    Latch,
    Measured,
    Money,
    Percent,
    Reference,
    Reset,
)
from engine.domain.resets import next_reset_msc
from engine.domain.step import step
from tests.domain.accounts import START_MSC, Life, buy, kinds, unopened

DAILY = Reset(zone="Europe/Prague", at_minute=0)
RESET_MSC = next_reset_msc(DAILY, START_MSC)


def limit(reference: Reference, **more: Any) -> EquityLimit:
    fields: dict[str, Any] = {
        "name": reference.value,
        "action": Action.ALERT,
        "reference": reference,
        "amount": Money(amount_minor=5_000_00),
        "reset": DAILY,
    }
    return EquityLimit(**fields | more)


def life(*guards: EquityLimit, **more: Any) -> Life:
    """One ounce-weight of gold: equity is 10,000 + 100 * (bid - 1,000)."""
    return Life(unopened(guards, [buy("XAUUSD", 1.0, 1000.0)], **more))


def reference_of(one: Life, place: int = 0) -> float:
    guard = one.state.spec.guards[place]
    assert isinstance(guard, EquityLimit)
    known = one.state.guards[place]
    return reference_minor(guard, place, known, one.state, one.state.marks) / 100


def reset(one: Life, time_msc: int = RESET_MSC) -> list[records.Record]:
    return one.take(step(one.state, TimeReached(time_msc, one.quotes)))


def close(one: Life, price: float) -> None:
    """The position is closed at a price."""
    deal = DealReported(
        time_msc=one.state.time_msc,
        position_id=1,
        volume_lots=1.0,
        price=price,
        profit_minor=round((price - 1000.0) * 100_00),
        reason="external",
    )
    one.take(step(one.state, deal))


# Equity at the opening 10,100, then 10,300, 9,900 before the reset at 9,900, then 9,950. The
# balance is 10,050 throughout and `initial` 10,000.
@pytest.mark.parametrize(
    ("reference", "opening", "before", "after"),
    [
        (Reference.INITIAL, 10_000.0, 10_000.0, 10_000.0),
        (Reference.BALANCE_AT_RESET, 10_050.0, 10_050.0, 10_050.0),
        (Reference.EQUITY_AT_RESET, 10_100.0, 10_100.0, 9_900.0),
        (Reference.HIGHER_AT_RESET, 10_100.0, 10_100.0, 10_050.0),
        (Reference.DAY_HIGH_EQUITY, 10_100.0, 10_300.0, 9_950.0),
        (Reference.EQUITY_HIGH_WATER, 10_100.0, 10_300.0, 10_300.0),
        (Reference.BALANCE_HIGH_WATER, 10_050.0, 10_050.0, 10_050.0),
        (Reference.END_OF_DAY_BALANCE_HIGH_WATER, 10_000.0, 10_000.0, 10_050.0),
    ],
)
def test_each_reference_through_a_day(
    reference: Reference, opening: float, before: float, after: float
) -> None:
    one = life(limit(reference), balance=10_050.0)
    one.tick(START_MSC, "XAUUSD", 1000.5)
    assert reference_of(one) == opening
    one.tick(START_MSC + 1, "XAUUSD", 1002.5)
    one.tick(START_MSC + 2, "XAUUSD", 998.5)
    assert reference_of(one) == before
    published = reset(one)
    assert kinds(published) == ["day_reset"]
    one.tick(RESET_MSC + 1, "XAUUSD", 999.0)
    assert reference_of(one) == after


def test_day_high_restarts_at_the_mark_of_the_reset() -> None:
    one = life(limit(Reference.DAY_HIGH_EQUITY))
    one.tick(START_MSC, "XAUUSD", 1003.0)
    one.tick(START_MSC + 1, "XAUUSD", 998.0)
    (published,) = reset(one)
    assert isinstance(published, records.DayReset)
    assert (published.reference, published.floor) == (9_800.0, 4_800.0)
    assert published.local_time == "2026-01-06T00:00:00+01:00"


def test_two_day_highs_are_kept_apart() -> None:
    noon = Reset(zone="Europe/Prague", at_minute=12 * 60)
    one = life(
        limit(Reference.INITIAL),
        limit(Reference.DAY_HIGH_EQUITY, name="midnight"),
        limit(Reference.DAY_HIGH_EQUITY, name="noon", reset=noon),
    )
    one.tick(START_MSC, "XAUUSD", 1003.0)
    one.tick(START_MSC + 1, "XAUUSD", 998.0)
    reset(one, next_reset_msc(noon, START_MSC))
    assert (reference_of(one, 1), reference_of(one, 2)) == (10_300.0, 9_800.0)


def test_high_water_marks_only_rise_and_start_at_the_initial_balance() -> None:
    one = life(
        limit(Reference.EQUITY_HIGH_WATER), limit(Reference.BALANCE_HIGH_WATER), balance=9_000.0
    )
    one.tick(START_MSC, "XAUUSD", 1000.0)
    assert (reference_of(one, 0), reference_of(one, 1)) == (10_000.0, 10_000.0)
    one.tick(START_MSC + 1, "XAUUSD", 1020.0)
    close(one, 1020.0)
    one.tick(START_MSC + 2, "XAUUSD", 1019.0)
    assert (reference_of(one, 0), reference_of(one, 1)) == (11_000.0, 11_000.0)


def test_no_balance_between_the_closes_of_one_flatten_is_a_high_water_mark() -> None:
    """Their order is free (contract), so what lies between two of them decides nothing."""
    one = life(limit(Reference.BALANCE_HIGH_WATER))
    one.tick(START_MSC, "XAUUSD", 1020.0)
    close(one, 1020.0)
    assert reference_of(one) == 10_000.0
    reset(one)
    assert reference_of(one) == 12_000.0


@pytest.mark.parametrize(("measured", "after"), [("equity", 10_500.0), ("balance", 10_000.0)])
def test_a_credit_moves_a_balance_high_water_where_equity_is_measured(
    measured: str, after: float
) -> None:
    credit = Operation(at_msc=START_MSC + 1, kind=OperationKind.CREDIT, amount_minor=500_00)
    guard = limit(Reference.BALANCE_HIGH_WATER, measured=Measured(measured))
    one = life(guard, operations=(credit,))
    one.tick(START_MSC, "XAUUSD", 1000.0)
    one.tick(START_MSC + 1, "XAUUSD", 1000.0)
    assert reference_of(one) == after


def test_an_end_of_day_high_water_never_falls() -> None:
    one = life(limit(Reference.END_OF_DAY_BALANCE_HIGH_WATER))
    one.tick(START_MSC, "XAUUSD", 1010.0)
    close(one, 1010.0)
    one.tick(START_MSC + 1, "XAUUSD", 1010.0)
    assert reference_of(one) == 10_000.0
    reset(one)
    assert reference_of(one) == 11_000.0
    reset(one, next_reset_msc(DAILY, RESET_MSC))
    assert reference_of(one) == 11_000.0


def test_a_reset_reference_can_breach_at_the_instant_from_carried_loss() -> None:
    guard = limit(
        Reference.BALANCE_AT_RESET,
        amount=Percent(percent=5.0),
        action=Action.CLOSE_AND_HALT,
        warn_percent=None,
    )
    carried = buy("XAUUSD", 1.0, 1013.0, 2)
    one = Life(unopened([guard], [buy("XAUUSD", 1.0, 1000.0), carried]))
    one.tick(START_MSC, "XAUUSD", 1007.0)
    close(one, 1007.0)
    one.tick(START_MSC + 1, "XAUUSD", 1007.0)
    # Balance 10,700 and equity 10,100: far above the day's floor of 9,500, below the next one's.
    assert kinds(one.records) == ["account_opened", "position_closed"]
    published = reset(one)
    assert kinds(published) == ["day_reset", "guard_breach", "account_halted", "close_intended"]
    breach = published[1]
    assert isinstance(breach, records.GuardBreach)
    assert (breach.equity, breach.floor, breach.reference) == (10_100.0, 10_200.0, 10_700.0)
    assert breach.tick is UNSET


@pytest.mark.parametrize("reference", [r for r in Reference if r is not Reference.INITIAL])
def test_a_deposit_is_never_profit_and_a_withdrawal_never_a_loss(reference: Reference) -> None:
    moves = (
        Operation(at_msc=START_MSC + 5, kind=OperationKind.DEPOSIT, amount_minor=2_000_00),
        Operation(at_msc=START_MSC + 9, kind=OperationKind.WITHDRAWAL, amount_minor=-3_000_00),
    )
    one = life(limit(reference, warn_percent=None), operations=moves)
    one.tick(START_MSC, "XAUUSD", 1001.0)
    before = reference_of(one)
    room = one.equity_minor / 100 - before
    one.tick(START_MSC + 5, "XAUUSD", 1001.0)
    assert (reference_of(one), one.equity_minor / 100 - reference_of(one)) == (
        before + 2_000.0,
        room,
    )
    one.tick(START_MSC + 9, "XAUUSD", 1001.0)
    assert one.equity_minor / 100 - reference_of(one) == room
    assert one.state.marks.max_drawdown == 0.0
    assert one.state.net_operations_minor == -1_000_00


def test_a_breach_at_the_reset_inside_a_notice_does_not_begin_another() -> None:
    guard = limit(
        Reference.INITIAL,
        amount=Money(amount_minor=100_00),
        action=Action.CLOSE,
        latch=Latch.RESET,
        notice_s=10.0,
        warn_percent=None,
    )
    one = life(guard)
    assert kinds(one.tick(RESET_MSC - 9_000, "XAUUSD", 998.0))[-1] == "guard_breach"
    assert kinds(reset(one)) == ["day_reset", "guard_breach"]
    assert kinds(one.tick(RESET_MSC + 1_000, "XAUUSD", 998.0)) == ["close_intended"]


def test_credit_moves_the_references_of_equity_and_not_the_balance() -> None:
    moves = (Operation(at_msc=START_MSC + 5, kind=OperationKind.CREDIT, amount_minor=500_00),)
    one = life(limit(Reference.EQUITY_HIGH_WATER), operations=moves)
    one.tick(START_MSC, "XAUUSD", 1000.0)
    one.tick(START_MSC + 5, "XAUUSD", 1000.0)
    assert one.state.balance_minor == 10_000_00
    assert one.equity_minor == 10_500_00
    assert reference_of(one) == 10_500.0


def test_a_latch_of_kind_reset_is_released_at_the_reset() -> None:
    guard = limit(
        Reference.EQUITY_AT_RESET,
        amount=Money(amount_minor=100_00),
        action=Action.PAUSE,
        latch=Latch.RESET,
        warn_percent=None,
    )
    one = life(guard)
    one.tick(START_MSC, "XAUUSD", 1000.0)
    assert kinds(one.tick(START_MSC + 1, "XAUUSD", 998.0)) == ["guard_breach", "account_halted"]
    assert one.state.is_halted
    assert kinds(reset(one)) == ["account_released", "day_reset"]
    assert not one.state.is_halted
    assert kinds(one.tick(RESET_MSC + 1, "XAUUSD", 996.9)) == ["guard_breach", "account_halted"]


def test_a_reset_while_unknown_keeps_the_opening_reference_and_says_nothing() -> None:
    one = life(limit(Reference.EQUITY_AT_RESET), limit(Reference.BALANCE_AT_RESET))
    assert reset(one) == []
    one.tick(RESET_MSC + 1, "XAUUSD", 1001.0)
    assert (reference_of(one, 0), reference_of(one, 1)) == (10_100.0, 10_000.0)
