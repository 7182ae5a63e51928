"""Weekend, news, holding time and missing stop: position by position, once an occasion."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.domain.account import GuardState
from engine.domain.guards import (
    AccountGuard,
    Action,
    MaxHolding,
    NewsEvent,
    NewsWindow,
    OnMissingCalendar,
    StopLossRequired,
    WeekendFlat,
)
from engine.domain.instruments import Sessions, SessionSpan
from engine.domain.outcomes import RuleFound, View
from engine.domain.positions import Position
from engine.domain.schedules import Schedule, evaluate, wakes
from engine.domain.sessions import Closed, is_open, opened_at, weekend_at
from engine.domain.valuation import Market, market_of
from engine.domain.watch import NEVER_MSC
from tests.domain.accounts import MAJORS, START_MSC, Life, buy, fx, gold, kinds, sell, unopened

MINUTE = 60_000
ALWAYS = Sessions(
    zone="UTC", spans=(SessionSpan(open_day=0, open_minute=0, close_day=0, close_minute=0),)
)
DAILY_BREAK = Sessions(
    zone="America/New_York",
    spans=tuple(
        SessionSpan(
            open_day=day, open_minute=18 * 60, close_day=(day + 1) % 7, close_minute=17 * 60
        )
        for day in (6, 0, 1, 2, 3)
    ),
)


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class Watch:
    """One guard and its memory, fed with times and positions."""

    def __init__(self, guard: Schedule, of: Market | None = None) -> None:
        self.guard, self.known, self.of = guard, GuardState(), of

    def at(self, time_msc: int, *positions: Position) -> list[RuleFound]:
        state = unopened([self.guard], positions, of=self.of)
        view = View(state, time_msc, {}, 0)
        self.known, found = evaluate(self.guard, self.known, view)
        rules = [one for one in found if isinstance(one, RuleFound)]
        assert len(rules) == len(found)
        return rules

    def next_wake(self, time_msc: int, *positions: Position) -> int:
        state = unopened([self.guard], positions, of=self.of)
        state = type(state)(
            spec=state.spec,
            balance_minor=0,
            marks=state.marks,
            positions=state.positions,
            time_msc=time_msc,
        )
        return wakes(self.guard, self.known, state, {}).at_msc


def about(found: list[RuleFound]) -> list[tuple[int, ...] | None]:
    return [one.only_positions for one in found]


# -- sessions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("monday", "closes", "opens"),
    [
        ("2026-01-05", "2026-01-09 22:00", "2026-01-11 22:00"),
        ("2026-03-02", "2026-03-06 22:00", "2026-03-08 21:00"),  # the clock changes in between
        ("2026-03-09", "2026-03-13 21:00", "2026-03-15 21:00"),
        ("2026-10-26", "2026-10-30 21:00", "2026-11-01 22:00"),
    ],
)
def test_the_week_ends_on_the_wall_clock_of_new_york(monday: str, closes: str, opens: str) -> None:
    weekend = Closed(utc(closes), utc(opens))
    assert weekend_at(Sessions(), utc(f"{monday} 12:00")) == weekend
    assert weekend_at(Sessions(), weekend.to_msc - 1) == weekend
    following = weekend_at(Sessions(), weekend.to_msc)
    assert following is not None
    assert following.from_msc > weekend.to_msc
    assert is_open(Sessions(), weekend.from_msc - 1)
    assert not is_open(Sessions(), weekend.from_msc)
    assert not is_open(Sessions(), weekend.to_msc - 1)
    assert is_open(Sessions(), weekend.to_msc)
    assert opened_at(Sessions(), weekend.to_msc + MINUTE) == weekend.to_msc
    assert opened_at(Sessions(), weekend.from_msc) is None


def test_a_daily_break_is_no_weekend() -> None:
    weekend = weekend_at(DAILY_BREAK, utc("2026-01-06 12:00"))
    assert weekend == Closed(utc("2026-01-09 22:00"), utc("2026-01-11 23:00"))
    assert not is_open(DAILY_BREAK, utc("2026-01-06 22:30"))
    assert opened_at(DAILY_BREAK, utc("2026-01-07 12:00")) == utc("2026-01-06 23:00")


def test_what_always_trades_has_no_weekend() -> None:
    assert weekend_at(ALWAYS, START_MSC) is None
    assert all(is_open(ALWAYS, START_MSC + hour * 3_600_000) for hour in range(24 * 8))
    assert weekend_at(Sessions(spans=()), START_MSC) is None


def test_spans_that_adjoin_are_one() -> None:
    by_day = Sessions(
        zone="UTC",
        spans=tuple(
            SessionSpan(open_day=d, open_minute=0, close_day=(d + 1) % 7, close_minute=0)
            for d in range(5)
        ),
    )
    weekend = weekend_at(by_day, START_MSC)
    assert weekend == Closed(utc("2026-01-10 00:00"), utc("2026-01-12 00:00"))
    assert opened_at(by_day, utc("2026-01-07 03:00")) == utc("2026-01-05 00:00")


# -- weekend flat ----------------------------------------------------------------------------------

FRIDAY_CLOSE = utc("2026-01-09 22:00")
WEEKEND = WeekendFlat(name="weekend", action=Action.CLOSE, minutes_before=15)


def test_a_position_open_fifteen_minutes_before_the_close_is_found_once() -> None:
    watch = Watch(WEEKEND)
    one, two = buy("EURUSD", 1.0, 1.1, 1), sell("XAUUSD", 1.0, 2000.0, 2)
    due = FRIDAY_CLOSE - 15 * MINUTE
    assert watch.at(due - 1, one) == []
    (found,) = watch.at(due, one)
    assert found.breach
    assert (found.value, found.limit, found.only_positions) == (15.0, 15.0, (1,))
    assert watch.at(due + MINUTE, one) == []
    assert about(watch.at(due + MINUTE, one, two)) == [(2,)]  # opened meanwhile
    assert watch.at(FRIDAY_CLOSE + MINUTE, one, two) == []


def test_a_position_kept_over_the_weekend_is_found_again_the_next() -> None:
    watch, one = Watch(WEEKEND), buy("EURUSD", 1.0, 1.1, 1)
    week = 7 * 24 * 60 * MINUTE
    assert about(watch.at(FRIDAY_CLOSE, one)) == [(1,)]
    assert watch.at(FRIDAY_CLOSE + week - 16 * MINUTE, one) == []
    assert about(watch.at(FRIDAY_CLOSE + week - 15 * MINUTE, one)) == [(1,)]


def test_the_weekend_wakes_once_and_what_always_trades_never() -> None:
    of = market_of([*MAJORS, gold(symbol="BTCUSD", sessions=ALWAYS)], "USD")
    watch, one = Watch(WEEKEND, of), buy("EURUSD", 1.0, 1.1, 1)
    due = FRIDAY_CLOSE - 15 * MINUTE
    coin = buy("BTCUSD", 1.0, 90_000.0, 3)
    assert watch.next_wake(START_MSC, coin) == NEVER_MSC
    assert watch.next_wake(START_MSC) == NEVER_MSC
    assert watch.next_wake(START_MSC, coin, one) == due
    assert about(watch.at(due, one, coin)) == [(1,)]
    assert watch.next_wake(due, one) == due + 7 * 24 * 60 * MINUTE


# -- news ------------------------------------------------------------------------------------------

NFP = utc("2026-01-09 13:30")


def news(*events: tuple[int, str], **more: Any) -> NewsWindow:
    fields: dict[str, Any] = {
        "name": "news",
        "action": Action.CLOSE,
        "before_s": 120.0,
        "after_s": 60.0,
        "events": tuple(NewsEvent(time_msc=t, currency=c, title="x") for t, c in events),
    }
    return NewsWindow(**fields | more)


def test_positions_in_an_affected_currency_are_found_inside_the_window() -> None:
    of = market_of([*MAJORS, fx("EURGBP")], "USD")
    dollar, yen, cross = (
        buy("XAUUSD", 1.0, 2000.0, 1),
        sell("USDJPY", 1.0, 150.0, 2),
        buy("EURGBP", 1.0, 0.88, 3),
    )
    before, after = NFP - 120_000, NFP + 60_000
    for at, ids in ((before - 1, []), (before, [(1,), (2,)]), (after, [(1,), (2,)])):
        assert about(Watch(news((NFP, "USD")), of).at(at, dollar, yen, cross)) == ids
    assert Watch(news((NFP, "USD")), of).at(after + 1, dollar, yen, cross) == []
    assert about(Watch(news((NFP, "GBP")), of).at(NFP, dollar, yen, cross)) == [(3,)]
    (found,) = Watch(news((NFP, "USD")), of).at(NFP - 30_000, dollar)
    assert (found.value, found.limit, found.subject) == (30.0, 120.0, "1 USD x")


def test_a_position_is_found_once_an_event_and_again_at_the_next() -> None:
    watch, one = Watch(news((NFP, "USD"), (NFP + 50_000, "USD"))), buy("XAUUSD", 1.0, 2000.0, 1)
    assert len(watch.at(NFP - 71_000, one)) == 1
    assert len(watch.at(NFP - 70_000, one)) == 1  # the second event's window opens
    assert watch.at(NFP, one) == []


def test_news_wakes_at_the_next_window_of_a_held_currency() -> None:
    calendar = news((START_MSC, "USD"), (NFP - 10, "JPY"), (NFP, "USD"), (NFP + 10, "USD"))
    watch, one = Watch(calendar), buy("XAUUSD", 1.0, 2000.0, 1)
    assert watch.next_wake(START_MSC + 60_001, one) == NFP - 120_000
    watch.at(NFP - 120_000, one)
    assert watch.next_wake(NFP - 120_000, one) == NFP + 10 - 120_000


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        (OnMissingCalendar.ALLOW, [(False, None)]),
        (OnMissingCalendar.ALERT, [(False, None), (False, None)]),
        (OnMissingCalendar.BLOCK, [(True, (1,)), (True, (2,))]),
    ],
)
@pytest.mark.parametrize("runs_out", [False, True])
def test_a_missing_calendar_follows_its_policy_and_is_never_silent(
    policy: OnMissingCalendar, found: list[Any], runs_out: bool
) -> None:
    held = (buy("XAUUSD", 1.0, 2000.0, 1), buy("EURUSD", 1.0, 1.1, 2))
    if runs_out:
        watch = Watch(news(on_missing=policy, covers_until_msc=NFP))
        assert watch.at(NFP, *held) == []
        assert watch.next_wake(NFP, *held) == NFP + 1
    else:
        watch = Watch(news(events=None, on_missing=policy))
    said = watch.at(NFP + 1, *held)
    assert [(one.breach, one.only_positions) for one in said] == found
    assert {one.measured for one in said} == {"calendar_missing"}
    assert watch.at(NFP + 2, *held) == []


def test_a_calendar_that_ran_out_still_knows_the_window_it_was_in() -> None:
    watch = Watch(news((NFP, "USD"), covers_until_msc=NFP, on_missing=OnMissingCalendar.ALLOW))
    said = watch.at(NFP + 30_000, buy("XAUUSD", 1.0, 2000.0, 1))
    assert [one.measured for one in said] == ["calendar_missing", "seconds_to_news"]


# -- holding time and stop loss --------------------------------------------------------------------


def test_a_position_held_as_long_as_allowed_is_found_and_the_others_are_not() -> None:
    watch = Watch(MaxHolding(name="hold", action=Action.CLOSE, seconds=60.0))
    old = buy("XAUUSD", 1.0, 2000.0, 1, opened_at_msc=START_MSC - 59_000)
    new = buy("XAUUSD", 1.0, 2000.0, 2)  # opened unknown when: seen first now
    assert watch.at(START_MSC, old, new) == []
    assert watch.next_wake(START_MSC, old, new) == START_MSC + 1_000
    (found,) = watch.at(START_MSC + 1_000, old, new)
    assert (found.only_positions, found.value, found.limit) == ((1,), 60.0, 60.0)
    assert watch.at(START_MSC + 2_000, old, new) == []
    assert watch.next_wake(START_MSC + 2_000, old, new) == START_MSC + 60_000
    assert watch.at(START_MSC + 59_999, new) == []
    assert about(watch.at(START_MSC + 60_000, new)) == [(2,)]
    assert watch.next_wake(START_MSC + 60_000, new) == NEVER_MSC
    watch.at(START_MSC + 60_001)
    assert (watch.known.acted_on, watch.known.since) == ((), ())


def test_a_position_without_a_stop_has_its_grace() -> None:
    watch = Watch(StopLossRequired(name="stop", action=Action.CLOSE, grace_s=30.0))
    bare = buy("XAUUSD", 1.0, 2000.0, 1)
    safe = buy("XAUUSD", 1.0, 2000.0, 2, stop_loss=1900.0)
    assert watch.at(START_MSC, bare, safe) == []
    assert watch.next_wake(START_MSC, bare, safe) == START_MSC + 30_000
    assert watch.at(START_MSC + 29_999, bare, safe) == []
    assert about(watch.at(START_MSC + 30_000, bare, safe)) == [(1,)]
    assert watch.next_wake(START_MSC + 30_000, bare, safe) == NEVER_MSC


def test_a_stop_that_is_taken_away_starts_the_grace_anew() -> None:
    watch = Watch(StopLossRequired(name="stop", action=Action.CLOSE, grace_s=30.0))
    safe = buy("XAUUSD", 1.0, 2000.0, 1, stop_loss=1900.0, opened_at_msc=START_MSC)
    bare = buy("XAUUSD", 1.0, 2000.0, 1, opened_at_msc=START_MSC)
    later = START_MSC + 3_600_000
    assert watch.at(START_MSC, safe) == []
    assert watch.at(later, bare) == []
    assert watch.next_wake(later, bare) == later + 30_000
    assert about(watch.at(later + 30_000, bare)) == [(1,)]


def test_a_stop_of_zero_is_none() -> None:
    watch = Watch(StopLossRequired(name="stop", action=Action.CLOSE, grace_s=0.0))
    assert about(watch.at(START_MSC, buy("XAUUSD", 1.0, 2000.0, 1, stop_loss=0.0))) == [(1,)]


def test_one_position_closes_alone_and_a_halt_is_said_once() -> None:
    guard = MaxHolding(name="hold", action=Action.CLOSE_AND_HALT, seconds=60.0)
    held = [
        buy("XAUUSD", 1.0, 2000.0, 1, opened_at_msc=START_MSC - 30_000),
        buy("XAUUSD", 1.0, 2000.0, 2, opened_at_msc=START_MSC),
    ]
    one = Life(unopened([guard], held))
    assert one.tick(START_MSC, "XAUUSD", 2000.0) == []
    published = one.tick(START_MSC + 30_000, "XAUUSD", 2000.0)
    assert kinds(published) == ["rule_breach", "account_halted", "close_intended"]
    assert [c.position_id for c in one.closes] == [1]
    published = one.tick(START_MSC + 60_000, "XAUUSD", 2000.0)
    assert kinds(published) == ["rule_breach", "close_intended"]
    assert [c.position_id for c in one.closes] == [1, 2]


def test_two_guards_ask_for_one_close() -> None:
    guards: list[AccountGuard] = [
        MaxHolding(name="hold", action=Action.CLOSE, seconds=0.0),
        StopLossRequired(name="stop", action=Action.CLOSE, grace_s=0.0),
    ]
    one = Life(unopened(guards, [buy("XAUUSD", 1.0, 2000.0)]))
    published = one.tick(START_MSC, "XAUUSD", 2000.0)
    assert kinds(published) == ["rule_breach", "close_intended", "rule_breach"]
    assert [c.reason for c in one.closes] == ["guard:hold"]
