"""Gap, spread, stale and suspect: what a feed's rows show, symbol by symbol."""

from typing import Any

import pytest

from engine.domain.guards import Action
from engine.domain.instruments import Sessions
from engine.domain.market_findings import Finding, Level, OnSuspect
from engine.domain.market_guards import (
    AnyMarketGuard,
    Gap,
    Spread,
    Stale,
    Suspect,
    opening_state,
    outcome_for,
    policy_of,
    watching,
)
from engine.domain.market_watch import elapse, next_elapse_msc, observe
from engine.domain.outcomes import RuleFound
from engine.domain.quotes import Quote
from engine.domain.watch import NEVER_MSC
from tests.domain.accounts import START_MSC, buy, sell, unopened

SECOND = 1_000
FRIDAY_MSC = START_MSC + (4 * 24 + 22) * 3_600 * SECOND
SUNDAY_MSC = FRIDAY_MSC + 2 * 24 * 3_600 * SECOND
"""The close and the next opening of the FX week: 17:00 in New York."""

Said = list[tuple[str, str]]


class Feed:
    """One symbol of a feed with its guards."""

    def __init__(self, *guards: AnyMarketGuard) -> None:
        self.guards = guards
        self.state = opening_state(guards)
        self.now_msc = START_MSC
        self.last: tuple[Finding, ...] = ()

    def row(self, bid: float, ask: float | None = None, *, after_s: float = 1.0) -> Said:
        return self.row_at(self.now_msc + round(after_s * SECOND), bid, ask)

    def row_at(self, time_msc: int, bid: float, ask: float | None = None) -> Said:
        self.now_msc = max(self.now_msc, time_msc)
        quote = Quote(bid, bid if ask is None else ask, time_msc)
        self.state, self.last = observe(self.guards, self.state, "XAUUSD", Sessions(), quote)
        return [(one.kind, one.level.value) for one in self.last]

    def wait_until(self, time_msc: int) -> Said:
        self.now_msc = time_msc
        self.state, self.last = elapse(self.guards, self.state, "XAUUSD", Sessions(), time_msc)
        return [(one.kind, one.level.value) for one in self.last]


# -- gap -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "found"),
    [
        (104.99, []),
        (105.0, [("gap", "warn")]),
        (95.0, [("gap", "warn")]),
        (109.99, [("gap", "warn")]),
        (110.0, [("gap", "act")]),
        (90.0, [("gap", "act")]),
    ],
)
def test_a_gap_is_inclusive_both_ways(price: float, found: Said) -> None:
    feed = Feed(Gap(name="gap", action=Action.CLOSE, quiet_s=60.0))
    assert feed.row(100.0) == []
    assert feed.row(price, after_s=60.0) == found


def test_ten_percent_is_ten_percent_in_doubles_too() -> None:
    feed = Feed(Gap(name="gap"))
    feed.row(1.1)
    assert feed.row(1.21, after_s=60.0) == [("gap", "act")]  # 0.10999999999999988 of 1.1


def test_a_jump_without_a_quiet_spell_is_no_gap() -> None:
    feed = Feed(Gap(name="gap", quiet_s=60.0))
    feed.row(100.0)
    assert feed.row(150.0, after_s=59.999) == []


def test_a_gap_is_from_mid_to_mid_of_valid_quotes() -> None:
    feed = Feed(Gap(name="gap", quiet_s=60.0))
    feed.row(99.0, 101.0)
    feed.row(130.0, 120.0, after_s=59.0)  # crossed: neither a tick nor an end of the quiet
    assert feed.row(104.0, 106.0, after_s=1.0) == [("gap", "warn")]
    (found,) = feed.last
    assert (found.measured, found.value, found.limit) == ("gap_percent", 5.0, 5.0)


@pytest.mark.parametrize("across", [False, True])
def test_a_weekend_gap_is_one_only_across_sessions(across: bool) -> None:
    feed = Feed(Gap(name="gap", across_sessions=across))
    feed.row_at(FRIDAY_MSC - SECOND, 100.0)
    assert feed.row_at(SUNDAY_MSC + SECOND, 110.0) == ([("gap", "act")] if across else [])
    assert feed.row(121.0, after_s=60.0) == [("gap", "act")]  # inside the session again


# -- spread ----------------------------------------------------------------------------------------


def spread(**more: Any) -> Spread:
    return Spread(name="spread", action=Action.CLOSE, **more)


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        (100.5, []),
        (100.51, [("spread", "warn")]),
        (100.99, [("spread", "warn")]),
        (101.0, [("spread", "act")]),
    ],
)
def test_a_spread_warns_above_and_acts_at(ask: float, found: Said) -> None:
    feed = Feed(spread())
    assert feed.row(100.0, ask) == []
    assert feed.row(100.0, ask, after_s=2.0) == found
    assert feed.row(100.0, ask) == []


def test_one_odd_tick_closes_nothing() -> None:
    feed = Feed(spread())
    feed.row(100.0, 100.1)
    assert feed.row(100.0, 150.0) == []
    assert feed.row(100.0, 100.1, after_s=5.0) == []
    assert feed.row(100.0, 102.0) == []
    assert feed.row(100.0, 102.0, after_s=1.999) == []
    assert feed.row(100.0, 100.9, after_s=0.001) == [("spread", "warn")]
    assert feed.row(100.0, 102.0, after_s=0.0) == []  # below the limit once: from the start
    assert feed.row(100.0, 102.0, after_s=2.0) == [("spread", "act")]


def test_a_spread_warns_and_then_acts_and_clears() -> None:
    feed = Feed(spread())
    feed.row(100.0, 100.6)
    assert feed.row(100.0, 100.6, after_s=2.0) == [("spread", "warn")]
    assert feed.row(100.0, 101.2) == []
    assert feed.row(100.0, 101.2, after_s=2.0) == [("spread", "act")]
    assert feed.row(100.0, 100.6) == []  # not below the warning yet
    assert feed.row(100.0, 100.5) == [("spread", "cleared")]
    assert feed.row(100.0, 100.5) == []


def test_a_spread_without_persistence_acts_at_once() -> None:
    assert Feed(spread(for_s=0.0)).row(100.0, 101.0) == [("spread", "act")]


def test_a_crossed_row_does_not_end_a_wide_spread() -> None:
    feed = Feed(spread())
    feed.row(100.0, 102.0)
    feed.row(100.0, 99.0)
    assert feed.row(100.0, 102.0) == [("spread", "act")]


def test_gap_is_tested_before_spread_however_they_are_listed() -> None:
    feed = Feed(spread(for_s=0.0), Gap(name="gap"))
    feed.row(100.0)
    assert feed.row(120.0, 125.0, after_s=60.0) == [("gap", "act"), ("spread", "act")]


# -- stale -----------------------------------------------------------------------------------------


def test_a_symbol_without_a_tick_is_stale_once_until_one_comes() -> None:
    feed = Feed(Stale(name="stale", max_age_s=60.0))
    assert feed.wait_until(START_MSC) == []  # never ticked: unknown, not stale
    feed.row_at(START_MSC, 100.0)
    due = START_MSC + 60 * SECOND
    assert next_elapse_msc(feed.guards, feed.state, Sessions(), START_MSC) == due
    assert feed.wait_until(due - 1) == []
    assert feed.wait_until(due + SECOND) == [("stale", "act")]
    assert (feed.last[0].value, feed.last[0].limit) == (61.0, 60.0)
    assert feed.wait_until(due + 2 * SECOND) == []
    assert next_elapse_msc(feed.guards, feed.state, Sessions(), due) == NEVER_MSC
    assert feed.row(100.0) == [("stale", "cleared")]
    assert feed.wait_until(feed.now_msc + 60 * SECOND) == [("stale", "act")]


def test_a_symbol_is_stale_only_inside_its_session() -> None:
    feed = Feed(Stale(name="stale", max_age_s=60.0))
    feed.row_at(FRIDAY_MSC - SECOND, 100.0)
    assert feed.wait_until(FRIDAY_MSC + 3_600 * SECOND) == []
    assert feed.wait_until(SUNDAY_MSC + 59 * SECOND) == []  # the age runs from the opening
    assert feed.wait_until(SUNDAY_MSC + 60 * SECOND) == [("stale", "act")]


def test_an_invalid_row_does_not_make_a_symbol_fresh() -> None:
    feed = Feed(Stale(name="stale", max_age_s=60.0))
    feed.row_at(START_MSC, 100.0)
    feed.row(100.0, 99.0, after_s=59.0)
    assert feed.wait_until(START_MSC + 60 * SECOND) == [("stale", "act")]


# -- suspect ---------------------------------------------------------------------------------------


def suspect(policy: OnSuspect = OnSuspect.HOLD, in_a_row: int = 3) -> Suspect:
    return Suspect(name=policy.value, policy=policy, in_a_row=in_a_row)


BAD = [
    ("crossed", 100.0, 99.0),
    ("not_positive", 0.0, 1.0),
    ("malformed", float("nan"), 1.0),
]


@pytest.mark.parametrize(("cause", "bid", "ask"), BAD)
def test_so_many_bad_rows_in_a_row_are_suspect_and_a_good_one_clears(
    cause: str, bid: float, ask: float
) -> None:
    feed = Feed(suspect())
    feed.row(100.0)
    assert feed.row(bid, ask) == feed.row(bid, ask) == []
    assert policy_of(feed.guards, feed.state) is None
    assert feed.row(bid, ask) == [("suspect", "act")]
    (found,) = feed.last
    assert (found.cause, found.value, found.policy) == (cause, 3.0, OnSuspect.HOLD)
    assert policy_of(feed.guards, feed.state) is OnSuspect.HOLD
    assert feed.row(bid, ask) == []
    assert feed.state.last is not None
    assert feed.state.last.bid == 100.0
    assert (feed.state.invalid, feed.state.invalid_in_a_row) == (4, 4)
    assert feed.row(101.0) == [("suspect", "cleared")]
    assert policy_of(feed.guards, feed.state) is None
    assert feed.state.invalid_in_a_row == 0


def test_a_good_row_in_between_starts_the_count_anew() -> None:
    feed = Feed(suspect())
    for bid in (0.0, 0.0, 100.0, 0.0, 0.0):
        assert feed.row(bid) == []
    assert feed.row(0.0) == [("suspect", "act")]


def test_time_going_back_is_a_defect() -> None:
    feed = Feed(suspect(in_a_row=1))
    feed.row_at(START_MSC + 5, 100.0)
    assert feed.row_at(START_MSC + 5, 100.0) == []  # equal times are normal
    assert feed.row_at(START_MSC + 4, 101.0) == [("suspect", "act")]
    assert feed.last[0].cause == "time_back"


def test_the_strictest_policy_wins() -> None:
    policies = [OnSuspect.ALERT, OnSuspect.CORROBORATE, OnSuspect.HOLD]
    feed = Feed(*(suspect(policy, place) for place, policy in enumerate(policies, 1)))
    seen = []
    for _ in policies:
        assert len(feed.row(0.0)) == 1  # failing open is never silent
        seen.append(policy_of(feed.guards, feed.state))
    assert seen == policies


# -- what it is to an account ----------------------------------------------------------------------


def test_a_finding_concerns_the_symbols_positions_alone() -> None:
    feed = Feed(spread(for_s=0.0))
    feed.row(100.0, 101.0)
    (acts,) = feed.last
    held = [buy("XAUUSD", 1.0, 1.0, 1), buy("EURUSD", 1.0, 1.0, 2), sell("XAUUSD", 1.0, 1.0, 3)]
    assert outcome_for(acts, unopened((), held)) == RuleFound(
        breach=True,
        measured="spread_percent",
        value=1.0,
        limit=1.0,
        subject="XAUUSD",
        only_positions=(1, 3),
    )
    assert outcome_for(acts, unopened((), held[1:2])) is None
    feed.row(100.0, 100.0)
    (cleared,) = feed.last
    assert cleared.level is Level.CLEARED
    assert outcome_for(cleared, unopened((), held)) is None
    warning = Feed(Gap(name="gap"))
    warning.row(100.0)
    warning.row(106.0, after_s=60.0)
    found = outcome_for(warning.last[0], unopened((), held))
    assert found is not None
    assert (found.breach, found.only_positions) == (False, None)


def test_a_guard_watches_the_symbols_it_names_or_all() -> None:
    everywhere, gold_alone = Gap(name="all"), Gap(name="gold", symbols=("XAUUSD",))
    assert watching([everywhere, gold_alone], "XAUUSD") == (everywhere, gold_alone)
    assert watching([everywhere, gold_alone], "EURUSD") == (everywhere,)


def test_a_guard_that_never_ran_is_visible() -> None:
    feed = Feed(Gap(name="gap"), spread(), Stale(name="stale"), suspect())
    assert {known.checked_msc for known in feed.state.watched} == {None}
    feed.row(100.0)
    assert {known.checked_msc for known in feed.state.watched} == {feed.now_msc}
