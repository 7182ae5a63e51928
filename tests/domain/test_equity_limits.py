"""One rule for every equity limit: comparators, amounts, locks, warnings, and what wakes them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain.account import AccountState, GuardState
from engine.domain.equity_limits import evaluate, floor_minor, share_of, wakes
from engine.domain.guards import (
    Action,
    Comparator,
    EquityLimit,
    FixedFloor,
    Measured,
    Money,
    Percent,
    Reference,
)
from engine.domain.marks import advance
from engine.domain.outcomes import LimitBreached, LimitWarned, Outcome, View
from engine.domain.watch import Line, Marks
from tests.domain.accounts import START_MSC, unopened


def limit(**more: Any) -> EquityLimit:
    fields: dict[str, Any] = {
        "name": "limit",
        "action": Action.ALERT,
        "reference": Reference.INITIAL,
        "amount": Percent(percent=10.0),
    }
    return EquityLimit(**fields | more)


CLASSIC = (
    limit(
        name="max_drawdown",
        action=Action.CLOSE_AND_HALT,
        reference=Reference.EQUITY_HIGH_WATER,
        amount=Percent(percent=20.0, of_reference=True),
        comparator=Comparator.AT_OR_BELOW,
        warn_percent=None,
        warn_drawdown_percent=15.0,
        notice_s=10.0,
    ),
    limit(
        name="min_equity",
        action=Action.CLOSE_AND_HALT,
        amount=FixedFloor(floor_minor=100_00),
        warn_percent=None,
    ),
)


def at(state: AccountState, equity: float) -> View:
    return View(state, START_MSC, {}, round(equity * 100))


def valued(*guards: EquityLimit, high_water: float = 10_000.0, **more: Any) -> AccountState:
    """An account valued once, with the trackers at `high_water`."""
    state = unopened(guards, **more)
    trackers = (high_water,) * (1 + len(guards))
    return replace(
        state,
        marks=Marks(trackers=trackers),
        guards=tuple(GuardState() for _ in guards),
        balance_high_water_minor=round(high_water * 100),
        credited_high_water_minor=round(high_water * 100),
    )


def judge(equity: float, known: GuardState | None = None, place: int = 0) -> Outcome | None:
    state = valued(*CLASSIC)
    return evaluate(CLASSIC[place], place, known or GuardState(), at(state, equity))[1]


@pytest.mark.parametrize(("equity", "drawdown_percent"), [(8_500.0, 15.0), (8_001.0, 19.99)])
def test_classic_warns(equity: float, drawdown_percent: float) -> None:
    found = judge(equity)
    assert isinstance(found, LimitWarned)
    assert (found.floor_minor, found.reference_minor) == (8_000_00, 10_000_00)
    assert found.used_percent == pytest.approx(drawdown_percent / 20.0 * 100.0)


def test_classic_worked_cases() -> None:
    assert judge(8_501.0) is None
    assert isinstance(judge(8_500.0), LimitWarned)
    assert isinstance(judge(8_001.0), LimitWarned)
    breach = judge(8_000.0)
    assert breach == LimitBreached(8_000_00, 10_000_00, "equity", "at_or_below")
    assert judge(99.99, place=1) == LimitBreached(100_00, 10_000_00, "equity", "below")
    assert judge(100.00, place=1) is None
    assert judge(8_000.0, place=1) is None


def test_classic_at_a_new_high_has_no_drawdown() -> None:
    marks = advance(Marks(trackers=(10_000.0,)), 11_000.0, START_MSC)
    assert (marks.trackers[0], marks.max_drawdown) == (11_000.0, 0.0)
    state = valued(CLASSIC[0], high_water=11_000.0)
    after, found = evaluate(CLASSIC[0], 0, GuardState(), at(state, 11_000.0))
    assert found is None
    assert after.distance_minor == 2_200_00
    assert isinstance(evaluate(CLASSIC[0], 0, after, at(state, 8_800.0))[1], LimitBreached)


def test_below_and_at_or_below_differ_by_the_floor_itself() -> None:
    below, at_or_below = limit(), limit(comparator=Comparator.AT_OR_BELOW)
    state = valued(below)
    assert not isinstance(evaluate(below, 0, GuardState(), at(state, 9000.0))[1], LimitBreached)
    assert isinstance(evaluate(below, 0, GuardState(), at(state, 8999.99))[1], LimitBreached)
    assert isinstance(evaluate(at_or_below, 0, GuardState(), at(state, 9000.0))[1], LimitBreached)
    assert not isinstance(
        evaluate(at_or_below, 0, GuardState(), at(state, 9000.01))[1], LimitBreached
    )


def test_a_breach_is_found_once_and_without_a_warning() -> None:
    guard = limit()
    state = valued(guard)
    after, found = evaluate(guard, 0, GuardState(), at(state, 8000.0))
    assert isinstance(found, LimitBreached)
    assert after.breached
    assert not after.warned
    again, nothing = evaluate(guard, 0, after, at(state, 7000.0))
    assert nothing is None
    assert again.breached
    assert again.distance_minor == -2000_00
    assert again.evaluated_at_msc == START_MSC


def test_the_amount_is_rounded_before_it_is_taken_away() -> None:
    spec = unopened(initial=10_000.01).spec
    third = limit(amount=Percent(percent=33.333))
    assert floor_minor(third, spec.initial_minor, spec) == 10_000_01 - 3_333_30
    of_reference = limit(amount=Percent(percent=4.0, of_reference=True))
    assert floor_minor(of_reference, 10_000_12, spec) == 10_000_12 - 400_00
    assert floor_minor(of_reference, 10_000_13, spec) == 10_000_13 - 400_01  # 400.0052
    assert share_of(0.5, 100) == 1  # half a cent, away from zero
    assert share_of(10.0, -100) == 0  # a debt has no amount


def test_money_and_fixed_floors() -> None:
    spec = unopened().spec
    assert floor_minor(limit(amount=Money(amount_minor=500_00)), 9_900_00, spec) == 9_400_00
    assert floor_minor(limit(amount=FixedFloor(floor_minor=1)), 9_900_00, spec) == 1


@pytest.mark.parametrize(
    "lock", [Money(amount_minor=10_100_00), Percent(percent=101.0)], ids=["money", "percent"]
)
def test_a_locked_floor_rises_no_more(lock: Money | Percent) -> None:
    trailing = limit(
        reference=Reference.EQUITY_HIGH_WATER,
        amount=Percent(percent=4.0),
        comparator=Comparator.AT_OR_BELOW,
        lock_at=lock,
    )
    spec = unopened().spec
    heights = [
        floor_minor(trailing, high_water, spec)
        for high_water in (10_000_00, 10_499_99, 10_500_00, 10_500_01, 12_000_00)
    ]
    assert heights == [9_600_00, 10_099_99, 10_100_00, 10_100_00, 10_100_00]


def test_used_percent_is_of_the_amount_after_the_lock() -> None:
    guard = limit(
        reference=Reference.EQUITY_HIGH_WATER,
        amount=Percent(percent=4.0),
        lock_at=Money(amount_minor=10_100_00),
        warn_percent=75.0,
    )
    state = valued(guard, high_water=12_000.0)
    # floor 10,100: 1,900 to use, 75 % of it at 10,575
    assert evaluate(guard, 0, GuardState(), at(state, 10_575.01))[1] is None
    found = evaluate(guard, 0, GuardState(), at(state, 10_575.0))[1]
    assert found == LimitWarned(10_100_00, 12_000_00, 75.0)


def test_a_warning_re_arms_strictly_above_a_tenth_of_the_amount() -> None:
    guard = limit(warn_percent=75.0)  # floor 9,000, line 9,250, re-armed above 9,350
    state = valued(guard)
    known, found = evaluate(guard, 0, GuardState(), at(state, 9250.0))
    assert isinstance(found, LimitWarned)
    for equity in (9_240.0, 9_300.0, 9_350.0):
        known, found = evaluate(guard, 0, known, at(state, equity))
        assert found is None
        assert known.warned
    armed, found = evaluate(guard, 0, known, at(state, 9350.01))
    assert not armed.warned
    assert found is None
    assert isinstance(evaluate(guard, 0, armed, at(state, 9250.0))[1], LimitWarned)


def test_a_drawdown_warning_re_arms_likewise() -> None:
    state = valued(CLASSIC[0])  # line 8,500, amount 2,000: re-armed above 8,700
    warned = GuardState(warned=True)
    assert evaluate(CLASSIC[0], 0, warned, at(state, 8_700.0))[0].warned
    assert not evaluate(CLASSIC[0], 0, warned, at(state, 8_700.01))[0].warned


def test_a_fixed_floor_warns_only_where_a_warning_is_given() -> None:
    silent = limit(amount=FixedFloor(floor_minor=100_00), warn_percent=None)
    loud = replace(silent, warn_percent=50.0)
    state = valued(silent)
    assert evaluate(silent, 0, GuardState(), at(state, 100.0))[1] is None
    assert isinstance(evaluate(loud, 0, GuardState(), at(state, 5_050.0))[1], LimitWarned)


def test_a_limit_on_the_balance_looks_at_nothing_else() -> None:
    guard = limit(measured=Measured.BALANCE)
    low = valued(guard, balance=8_999.99)
    assert isinstance(evaluate(guard, 0, GuardState(), at(low, 20_000.0))[1], LimitBreached)
    high = valued(guard, balance=9_500.0)
    assert not isinstance(evaluate(guard, 0, GuardState(), at(high, 1.0))[1], LimitBreached)
    assert wakes(guard, 0, GuardState(), high).lines == ()


# -- wakes: a plain reading of a line, against what evaluation finds -------------------------------


def height(line: Line, trackers: tuple[float, ...]) -> float:
    reference = trackers[line.tracker] if line.tracker >= 0 else 0.0
    return line.p * reference + line.q * min(line.a * reference + line.b, line.cap)


def flagged(
    lines: tuple[Line, ...], trackers: tuple[float, ...], mark: float, bound: float
) -> bool:
    """Whether any line may be reached by an exact equity within `bound` of the mark."""
    return any(
        mark + bound >= height(line, trackers) - line.slack
        if line.wakes_above
        else mark - bound <= height(line, trackers) + line.slack
        for line in lines
    )


amounts = st.one_of(
    st.builds(
        lambda share, of: Percent(percent=share, of_reference=of),
        st.sampled_from([0.5, 1.0, 3.333, 4.0, 5.0, 20.0]),
        st.booleans(),
    ),
    st.builds(lambda cents: Money(amount_minor=cents), st.integers(1, 1_000_00)),
    st.builds(lambda cents: FixedFloor(floor_minor=cents), st.integers(9_000_00, 10_100_00)),
)
warnings = st.sampled_from(
    [(None, None), (75.0, None), (33.3, None), (100.0, None), (None, 0.4), (None, 2.0)]
)
locks = st.sampled_from([None, None, Money(amount_minor=9_990_00), Percent(percent=100.5)])


@st.composite
def limits(draw: st.DrawFn) -> EquityLimit:
    share, drawdown = draw(warnings)
    return limit(
        reference=draw(st.sampled_from([*Reference, *[Reference.EQUITY_HIGH_WATER] * 6])),
        amount=draw(amounts),
        measured=draw(st.sampled_from([*[Measured.EQUITY] * 5, Measured.BALANCE])),
        comparator=draw(st.sampled_from(list(Comparator))),
        lock_at=draw(locks),
        warn_percent=share,
        warn_drawdown_percent=drawdown,
    )


thousandths = st.integers(-20, 20).map(lambda n: n / 1000 + (n % 3) * 0.0003)
moves_and_aims = st.lists(
    st.tuples(st.integers(-120_000, 120_000), st.integers(0, 2), thousandths),
    min_size=4,
    max_size=40,
)
"""Steps of a mark: away by so much, or (aim below 2) to within two cents of that line."""


@settings(max_examples=500)
@given(limits(), thousandths, moves_and_aims)
def test_a_limit_wakes_no_later_than_it_decides(
    guard: EquityLimit, odd_cents: float, moves: list[tuple[int, int, float]]
) -> None:
    state = replace(
        valued(guard, balance=9_990.0),
        guards=(GuardState(reference_minor=10_020_00),),
    )
    mark = 10_000.0 + odd_cents
    state = replace(state, marks=Marks(trackers=(mark, mark)))
    untested = True  # as at the opening and after a release
    for move, aim, off in moves:
        before = state.guards[0]
        lines = wakes(guard, 0, before, state).lines
        if aim < len(lines):
            mark = height(lines[aim], state.marks.trackers) + off
        else:
            mark += move / 1000
        marks = advance(state.marks, mark, START_MSC)
        # The equity is the mark, rounded: half a cent away at most.
        woken = untested or flagged(lines, marks.trackers, mark, 0.005)
        state = replace(state, marks=marks)
        after, found = evaluate(guard, 0, before, at(state, mark))
        decided = found is not None or after.warned != before.warned
        assert woken or not decided
        if woken:  # like the kernel's caller: what is remembered changes only when woken
            released = replace(after, breached=False)  # at once, to go on
            state = replace(state, guards=(released,))
            untested = after.breached


def test_a_warning_at_all_of_the_amount_wakes_on_the_floor_where_the_breach_is_below_it() -> None:
    guard = limit(warn_percent=100.0)
    state = valued(guard)
    known, found = evaluate(guard, 0, GuardState(), at(state, 9_000.0))
    assert isinstance(found, LimitWarned)
    assert flagged(wakes(guard, 0, GuardState(), state).lines, (), 9_000.0, 0.0)
    assert not flagged(wakes(guard, 0, GuardState(), state).lines, (), 9_000.01, 0.0)
    below = [line for line in wakes(guard, 0, known, state).lines if not line.wakes_above]
    assert [line.b for line in below] == [8_999.99]


@pytest.mark.parametrize("equity", [9_999.0, 9_000.0, 8_501.0, 8_499.0, 8_001.0])
def test_between_its_lines_a_limit_sleeps(equity: float) -> None:
    state = valued(CLASSIC[0])
    known, _ = evaluate(CLASSIC[0], 0, GuardState(), at(state, equity))
    lines = wakes(CLASSIC[0], 0, known, state).lines
    assert lines
    assert not flagged(lines, state.marks.trackers, equity, 0.01)


def test_a_breached_limit_without_a_warning_asks_for_nothing() -> None:
    state = valued(CLASSIC[1])
    assert wakes(CLASSIC[1], 0, GuardState(breached=True), state).lines == ()


def test_a_fixed_floor_under_the_balance_is_reached_by_no_reference() -> None:
    for reference in (Reference.EQUITY_HIGH_WATER, Reference.DAY_HIGH_EQUITY):
        guard = limit(
            reference=reference,
            amount=FixedFloor(floor_minor=9_000_00),
            measured=Measured.BALANCE,
            warn_percent=None,
        )
        assert wakes(guard, 0, GuardState(), valued(guard)).lines == ()


def test_a_trailing_line_allows_for_the_rounding_of_its_reference() -> None:
    guard = limit(
        reference=Reference.EQUITY_HIGH_WATER,
        amount=Money(amount_minor=500_00),
        comparator=Comparator.AT_OR_BELOW,
    )
    # The high-water mark is published as 10,000.00 and the equity as 9,500.00: a breach, although
    # mark and line, not rounded, lie almost a cent apart.
    state = valued(guard, high_water=9_999.9951)
    mark = 9_500.0045
    assert isinstance(evaluate(guard, 0, GuardState(), at(state, mark))[1], LimitBreached)
    assert flagged(wakes(guard, 0, GuardState(), state).lines[:1], (9_999.9951,), mark, 0.005)
