"""Money floor before news before minimum hold: what goes names its cost, what must not go waits."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from engine.domain import records
from engine.domain.close_plans import Rule
from engine.domain.guards import (
    AccountGuard,
    Action,
    EquityLimit,
    Exposure,
    MaxHolding,
    NewsEvent,
    NewsWindow,
    OnMissingCalendar,
    Percent,
    Reference,
)
from engine.domain.journaled import decode_state, encode_state
from engine.domain.positions import Position
from engine.domain.watch import NEVER_MSC
from engine.domain.watching import holding_of, watch_of
from engine.domain.yielding import broken_by, judge, rank_of, rank_of_flatten
from tests.domain.accounts import START_MSC, Life, buy, kinds, sell, unopened

SECOND = 1000
NEWS_MSC = START_MSC + 60 * SECOND
FLOOR = EquityLimit(
    name="floor",
    action=Action.CLOSE_AND_HALT,
    reference=Reference.INITIAL,
    amount=Percent(percent=10.0),
)
HOLDING = MaxHolding(name="holding", action=Action.CLOSE, seconds=30.0)


def news(*times_msc: int, currency: str = "USD", **more: Any) -> NewsWindow:
    """Alerts only, two minutes on both sides."""
    events = tuple(NewsEvent(time_msc=one, currency=currency) for one in times_msc)
    fields: dict[str, Any] = {"name": "news", "action": Action.ALERT, "events": events}
    return NewsWindow(**fields | more)


def life(
    guards: Sequence[AccountGuard], positions: Sequence[Position], hold_s: float = 0.0, **more: Any
) -> Life:
    return Life(unopened(guards, positions, minimum_hold_s=hold_s, **more))


def gold(position_id: int = 1, opened_msc: int = START_MSC, **more: Any) -> Position:
    return buy("XAUUSD", 1.0, 2000.0, position_id, opened_at_msc=opened_msc, **more)


def of_closes(found: Sequence[records.Record]) -> list[Any]:
    kinds_ = records.CloseIntended | records.CloseWaits
    return [one for one in found if isinstance(one, kinds_)]


def test_a_money_floor_in_a_news_window_closes_at_once_and_names_what_it_cost() -> None:
    one = life([FLOOR, news(NEWS_MSC)], [gold()])
    one.tick(START_MSC, "XAUUSD", 2000.0)
    [close] = of_closes(one.tick(NEWS_MSC, "XAUUSD", 1980.0))
    assert isinstance(close, records.CloseIntended)
    assert close.sacrificed == ("news_window",)


def test_a_money_floor_names_both_rules_the_stronger_first() -> None:
    one = life([FLOOR, news(NEWS_MSC)], [gold()], hold_s=120.0)
    [close] = of_closes(one.tick(START_MSC + 5, "XAUUSD", 1980.0))
    assert close.sacrificed == ("news_window", "minimum_hold")


def test_a_close_that_breaks_nothing_has_no_such_field_at_all() -> None:
    one = life([FLOOR, news(NEWS_MSC, currency="JPY")], [gold()])
    [close] = of_closes(one.tick(START_MSC + 5, "XAUUSD", 1980.0))
    assert close.sacrificed is UNSET
    assert b"sacrificed" not in records.Encoding.line(close)


def test_a_news_guard_closes_a_position_held_too_short() -> None:
    one = life([news(NEWS_MSC, action=Action.CLOSE)], [gold()], hold_s=120.0)
    [close] = of_closes(one.tick(START_MSC, "XAUUSD", 2000.0))
    assert (close.reason, close.sacrificed) == ("guard:news", ("minimum_hold",))


def test_a_guard_of_no_place_waits_for_the_window_says_so_once_and_closes_after_it() -> None:
    one = life([HOLDING, news(NEWS_MSC)], [gold()])
    one.tick(START_MSC, "XAUUSD", 2000.0)
    [waits] = of_closes(one.tick(START_MSC + 30 * SECOND, "XAUUSD", 2000.0))
    end_msc = NEWS_MSC + 120 * SECOND
    assert isinstance(waits, records.CloseWaits)
    assert (waits.position_id, waits.reason) == (1, "guard:holding")
    assert (waits.yields_to, waits.until_msc) == (("news_window",), end_msc + 1)
    assert not one.closes
    watch = watch_of(one.state, one.quotes, holding_of(one.state, one.quotes))
    assert watch.wake_at_msc <= end_msc + 1, "the kernel wakes it, however little happens"
    assert of_closes(one.tick(end_msc, "XAUUSD", 2000.0)) == [], "the last moment is in it"
    [close] = of_closes(one.tick(end_msc + 1, "XAUUSD", 2000.0))
    assert (close.reason, close.sacrificed) == ("guard:holding", UNSET)
    assert one.state.waiting is UNSET


def test_what_waits_is_kept_with_the_state() -> None:
    one = life([HOLDING, news(NEWS_MSC)], [gold()])
    one.tick(START_MSC + 30 * SECOND, "XAUUSD", 2000.0)
    assert one.state.waiting
    assert decode_state(encode_state(one.state)) == one.state


def test_a_window_that_follows_another_prolongs_the_wait() -> None:
    late_msc = NEWS_MSC + 200 * SECOND
    one = life([HOLDING, news(NEWS_MSC, late_msc)], [gold()])
    [waits] = of_closes(one.tick(START_MSC + 30 * SECOND, "XAUUSD", 2000.0))
    assert waits.until_msc == late_msc + 120 * SECOND + 1


def test_a_money_floor_takes_over_what_waits() -> None:
    one = life([HOLDING, news(NEWS_MSC), FLOOR], [gold()])
    one.tick(START_MSC + 30 * SECOND, "XAUUSD", 2000.0)
    [close] = of_closes(one.tick(NEWS_MSC, "XAUUSD", 1980.0))
    assert (close.reason, close.sacrificed) == ("guard:floor", ("news_window",))
    assert one.state.waiting is UNSET


def test_of_two_guards_due_at_once_the_floor_closes_what_the_first_must_leave() -> None:
    few = Exposure(name="few", action=Action.CLOSE, max_lots_per_symbol=0.5)
    one = life([few, FLOOR, news(NEWS_MSC)], [gold()])
    waits, close = of_closes(one.tick(NEWS_MSC, "XAUUSD", 1980.0))
    assert isinstance(waits, records.CloseWaits)
    assert (close.reason, close.sacrificed) == ("guard:floor", ("news_window",))


def test_half_of_a_hedge_does_not_go_while_the_other_half_must_wait() -> None:
    few = Exposure(name="few", action=Action.CLOSE, max_positions=1)
    young = sell("XAUUSD", 1.0, 2000.0, 2, opened_at_msc=START_MSC)
    other = buy("EURUSD", 0.01, 1.1, 3, opened_at_msc=START_MSC - 999 * SECOND)
    positions = [gold(opened_msc=START_MSC - 999 * SECOND), young, other]
    one = life([few], positions, hold_s=60.0)
    one.tick(START_MSC, "EURUSD", 1.1)
    found = of_closes(one.tick(START_MSC + 1, "XAUUSD", 2000.0))
    assert [(kinds([r])[0], r.position_id) for r in found] == [
        ("close_waits", 1),
        ("close_waits", 2),
        ("close_intended", 3),
    ]
    found = of_closes(one.tick(START_MSC + 60 * SECOND, "XAUUSD", 2000.0))
    assert [r.position_id for r in found] == [1, 2]


def test_a_calendar_that_must_be_there_and_is_not_forbids_until_nobody_knows_when() -> None:
    blind = news(events=None, on_missing=OnMissingCalendar.BLOCK)
    one = life([HOLDING, blind], [gold()])
    [waits] = of_closes(one.tick(START_MSC + 30 * SECOND, "XAUUSD", 2000.0))
    assert (waits.yields_to, waits.until_msc) == (("news_window",), None)
    lenient = life([HOLDING, news(events=None)], [gold()])
    [close] = of_closes(lenient.tick(START_MSC + 30 * SECOND, "XAUUSD", 2000.0))
    assert close.sacrificed is UNSET


def test_a_specification_from_before_there_was_precedence_knows_none() -> None:
    state = unopened([HOLDING, news(NEWS_MSC)], [gold()])
    assert state.spec.minimum_hold_s is UNSET
    one = Life(state)
    [close] = of_closes(one.tick(START_MSC + 30 * SECOND, "XAUUSD", 2000.0))
    assert isinstance(close, records.CloseIntended)
    assert close.sacrificed is UNSET


@pytest.mark.parametrize(
    ("reason", "rank"),
    [
        ("guard:floor", Rule.MONEY_FLOOR),
        ("guard:news", Rule.NEWS),
        ("guard:holding", Rule.OTHER),
        ("guard:gap", Rule.OTHER),
        ("manual:ana", Rule.MONEY_FLOOR),
        ("discrepancy:unexpected", Rule.OTHER),
    ],
)
def test_each_that_asks_has_its_place(reason: str, rank: Rule) -> None:
    spec = unopened([FLOOR, news(), HOLDING]).spec
    assert rank_of_flatten(spec, reason) is rank
    if reason.startswith("guard:"):
        assert rank_of(spec, reason.removeprefix("guard:")) is rank


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["USD", "EUR", "JPY"]))),
    before_s=st.integers(0, 5),
    after_s=st.integers(0, 5),
    held_s=st.integers(0, 40),
    hold_s=st.integers(0, 20),
    now_s=st.integers(0, 40),
    asks=st.sampled_from(list(Rule)),
)
def test_what_waits_and_until_when_is_what_trying_every_moment_says(
    events: list[tuple[int, str]],
    before_s: int,
    after_s: int,
    held_s: int,
    hold_s: int,
    now_s: int,
    asks: Rule,
) -> None:
    listed = tuple(
        NewsEvent(time_msc=START_MSC + at * SECOND, currency=currency)
        for at, currency in sorted(events)
    )
    guard = news(events=listed, before_s=float(before_s), after_s=float(after_s))
    position = buy("XAUUSD", 1.0, 2000.0, opened_at_msc=START_MSC + (now_s - held_s) * SECOND)
    state = unopened([guard], [position], minimum_hold_s=float(hold_s))

    def is_news(at_ms: int) -> bool:
        """Within a window, both ends included, by the plain words of the rule."""
        return any(
            currency in ("XAU", "USD")
            and at * SECOND - before_s * SECOND <= at_ms <= at * SECOND + after_s * SECOND
            for at, currency in events
        )

    now_ms = now_s * SECOND
    expected: dict[Rule, int] = {}
    if is_news(now_ms):
        ends = [(at + after_s) * SECOND + 1 for at, _ in events]
        free = min(end for end in ends if end > now_ms and not is_news(end))
        expected[Rule.NEWS] = START_MSC + free
    if held_s < hold_s:
        expected[Rule.MINIMUM_HOLD] = START_MSC + (now_s - held_s + hold_s) * SECOND
    assert broken_by(state, position, START_MSC + now_ms) == expected
    found = judge(state, [position], asks, START_MSC + now_ms)
    stronger = [rule for rule in expected if rule < asks]
    assert len(found.yields_to) == len(stronger)
    assert found.until_msc == max((expected[rule] for rule in stronger), default=0)
    if stronger:
        assert found.sacrificed == ()
    else:
        assert len(found.sacrificed) == sum(rule > asks for rule in expected)
    assert found.until_msc < NEVER_MSC
