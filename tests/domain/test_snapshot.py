"""What a reader sees of an account, computed by hand."""

from typing import Any

import pytest
from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.guard_views import Sight
from engine.domain.guards import (
    AccountGuard,
    Action,
    EquityLimit,
    Exposure,
    FixedFloor,
    Money,
    Percent,
    Reference,
    Reset,
)
from engine.domain.marks import opening_marks
from engine.domain.snapshot import Quality, Snapshot, Standing, snapshot_of
from tests.domain.accounts import START_MSC, Life, buy, fx, gold, market, sell, unopened

PRAGUE = Reset(zone="Europe/Prague", at_minute=0)
NEXT_MSC = START_MSC + 23 * 3_600_000


def limit(name: str = "daily", **more: Any) -> EquityLimit:
    fields: dict[str, Any] = {
        "name": name,
        "action": Action.CLOSE_AND_HALT,
        "reference": Reference.BALANCE_AT_RESET,
        "amount": Percent(percent=5.0),
        "reset": PRAGUE,
    }
    return EquityLimit(**(fields | more))


def opened(state: AccountState) -> Life:
    return Life(replace(state, marks=opening_marks(state.spec)))


def seen(life: Life, **more: Any) -> Snapshot:
    fields: dict[str, Any] = {
        "time_msc": START_MSC + 5000,
        "quotes": life.quotes,
        "ages_ms": dict.fromkeys(life.quotes, 1000),
        "stale_after_ms": 60_000,
        "feed_version": 7,
        "marks": life.state.marks,
    }
    return snapshot_of(life.state, Sight(**(fields | more)))


def test_money_and_margin_of_a_valued_account() -> None:
    positions = [buy("EURUSD", 1.0, 1.1, swap_minor=-250), sell("XAUUSD", 0.5, 1900.0)]
    life = opened(unopened([limit()], positions))
    life.tick(START_MSC, "XAUUSD", 1899.0, 1899.5)
    life.tick(START_MSC + 1, "EURUSD", 1.0990, 1.0992)
    view = seen(life)
    assert (view.quality, view.reason, view.age_ms) == (Quality.KNOWN, None, 1000)
    assert (view.balance, view.credit, view.initial) == (10_000.0, 0.0, 10_000.0)
    assert view.profit == -77.5  # -100 + 25 and -2.50 of swap
    assert view.equity == 9922.5
    assert view.margin == 96_100.0  # 100,000 * 1.1 / 100 and, without leverage, 0.5 * 100 * 1900
    assert view.free_margin == -86_177.5
    assert view.margin_level == 10.3252
    assert (view.drawdown, view.drawdown_percent) == (77.5, 0.775)
    assert (view.equity_high_water, view.max_drawdown, view.ticks) == (10_000.0, 77.5, 1)
    assert [p.current_price for p in view.positions] == [1.0990, 1899.5]
    assert [p.profit for p in view.positions] == [-100.0, 25.0]
    assert [p.swap for p in view.positions] == [-2.5, 0.0]
    assert [p.ticket for p in view.positions] == [1, 2]


def test_a_guard_shows_where_it_stands_now_not_where_it_last_decided() -> None:
    life = opened(unopened([limit()], [buy("EURUSD", 1.0, 1.1)]))
    life.tick(START_MSC, "EURUSD", 1.1)
    guard = seen(life).guards[0]
    assert (guard.reference, guard.floor, guard.distance) == (10_000.0, 9_500.0, 500.0)
    life.quotes["EURUSD"] = life.quotes["EURUSD"]._replace(bid=1.0975)
    guard = seen(life).guards[0]
    assert (guard.distance, guard.used_percent) == (250.0, 50.0)
    assert guard.evaluated_at_msc == START_MSC
    assert (guard.kind, guard.warn_percent, guard.age_ms) == ("equity_limit", 75.0, 1000)


@pytest.mark.parametrize(
    ("reference", "floor_", "after"),
    [
        (Reference.BALANCE_AT_RESET, 9_500.0, 9_500.0),
        (Reference.EQUITY_AT_RESET, 9_500.0, 9_300.0),
        (Reference.HIGHER_AT_RESET, 9_500.0, 9_500.0),
        (Reference.DAY_HIGH_EQUITY, 9_700.0, 9_300.0),
        (Reference.EQUITY_HIGH_WATER, 9_700.0, 9_700.0),
    ],
)
def test_the_floor_after_the_reset_is_what_the_reset_will_make_of_it(
    reference: Reference, floor_: float, after: float
) -> None:
    guard = limit(reference=reference, action=Action.ALERT)
    life = opened(unopened([guard], [buy("EURUSD", 1.0, 1.1)]))
    for step, price in enumerate((1.1, 1.102, 1.098)):
        life.tick(START_MSC + step, "EURUSD", price)
    view = seen(life).guards[0]
    assert (view.floor, view.floor_after_reset) == (floor_, after)
    assert view.next_reset_msc == NEXT_MSC


def test_the_nearest_guard_is_the_one_with_least_of_its_amount_left() -> None:
    guards: list[AccountGuard] = [
        limit("wide", amount=Money(amount_minor=3000_00), warn_percent=None),
        limit("narrow", amount=Money(amount_minor=2000_00), warn_percent=None),
        limit("gone", amount=Money(amount_minor=500_00), warn_percent=None, action=Action.ALERT),
        Exposure(name="lots", action=Action.ALERT, max_positions=3),
    ]
    life = opened(unopened(guards, [buy("EURUSD", 1.0, 1.1)]))
    life.tick(START_MSC, "EURUSD", 1.09)
    view = seen(life)
    assert [g.breached for g in view.guards] == [False, False, True, False]
    assert (view.nearest_guard, view.room, view.room_percent) == ("narrow", 1000.0, 50.0)
    lots = view.guards[3]
    assert (lots.floor, lots.used_percent, lots.evaluated_at_msc) == (None, None, START_MSC)


def test_a_pending_close_and_a_warning_are_seen() -> None:
    life = opened(unopened([limit(notice_s=10.0)], [buy("EURUSD", 1.0, 1.1)]))
    life.tick(START_MSC, "EURUSD", 1.096)
    assert seen(life).guards[0].warned
    life.tick(START_MSC + 1, "EURUSD", 1.09)
    guard = seen(life).guards[0]
    assert (guard.breached, guard.breached_at_msc) == (True, START_MSC + 1)
    assert guard.close_due_msc == START_MSC + 10_001
    assert seen(life).halts == ("daily",)


def test_what_cannot_be_valued_is_none_and_says_why() -> None:
    traded = market("EUR", [fx("EURUSD"), gold()])
    guards = [limit(), limit("fixed", amount=FixedFloor(floor_minor=100_00))]
    life = opened(unopened(guards, [buy("XAUUSD", 1.0, 1900.0)], of=traded))
    life.tick(START_MSC, "XAUUSD", 1901.0)
    view = seen(life)
    assert (view.quality, view.reason) == (Quality.UNKNOWN, "EURUSD has no quote yet")
    assert (view.equity, view.profit, view.margin, view.margin_level) == (None,) * 4
    assert (view.drawdown, view.room, view.nearest_guard) == (None,) * 3
    assert (view.positions[0].current_price, view.positions[0].profit) == (1901.0, None)
    assert [g.floor for g in view.guards] == [None, None]
    assert view.balance == 10_000.0


def test_an_old_quote_makes_a_valuation_stale_not_unknown() -> None:
    life = opened(unopened([], [buy("EURUSD", 1.0, 1.1), sell("XAUUSD", 0.1, 1900.0)]))
    life.tick(START_MSC, "EURUSD", 1.1)
    life.tick(START_MSC, "XAUUSD", 1900.0)
    view = seen(life, ages_ms={"EURUSD": 60_001, "XAUUSD": 5})
    assert (view.quality, view.reason) == (Quality.STALE, "no quote of EURUSD for 60 s")
    assert (view.age_ms, view.equity) == (60_001, 10_000.0)
    assert seen(life, ages_ms={"EURUSD": 60_000, "XAUUSD": 5}).quality is Quality.KNOWN


def test_an_account_given_up_says_so_before_all_else() -> None:
    life = opened(unopened([], [buy("EURUSD", 1.0, 1.1)]))
    view = seen(life, crashed="AssertionError: no such deal")
    assert view.quality is Quality.UNKNOWN
    assert view.reason == "crashed: AssertionError: no such deal"


def test_a_flat_account_is_known_without_a_quote_and_has_no_margin_level() -> None:
    life = opened(unopened([limit()], []))
    life.tick(START_MSC, "EURUSD", 1.1)
    view = seen(life, quotes={}, ages_ms={})
    assert (view.quality, view.age_ms) == (Quality.KNOWN, None)
    assert (view.equity, view.margin, view.free_margin) == (10_000.0, 0.0, 10_000.0)
    assert view.margin_level is None


def test_what_stands_between_two_steps_is_kept_and_the_view_is_as_if_it_were_not() -> None:
    guards = [
        limit(),
        limit("high", reference=Reference.EQUITY_HIGH_WATER),
        limit("day", reference=Reference.DAY_HIGH_EQUITY),
        limit("higher", reference=Reference.HIGHER_AT_RESET),
    ]
    positions = [buy("EURUSD", 1.0, 1.1, swap_minor=-250), sell("XAUUSD", 0.5, 1900.0)]
    life = opened(unopened(guards, positions))
    standing = Standing(life.state)
    views = []
    for number in range(12):
        price = 1899.0 + 3.0 * (number % 5) - number
        life.tick(START_MSC + 2 * number, "XAUUSD", price, price + 0.5)
        if number != 3:  # before, the account is not valued
            life.tick(START_MSC + 2 * number + 1, "EURUSD", 1.0990, 1.0992)
        if standing.state is not life.state:
            standing = Standing(life.state)
        for later_ms in (0, 90_000):
            sight = Sight(
                time_msc=START_MSC + 5000 + later_ms,
                quotes={
                    symbol: quote._replace(bid=quote.bid - later_ms / 1e6)
                    for symbol, quote in life.quotes.items()
                },
                ages_ms=dict.fromkeys(life.quotes, later_ms),
                stale_after_ms=60_000,
                feed_version=number,
                marks=life.state.marks,
            )
            views.append(snapshot_of(life.state, sight, standing))
            assert views[-1] == snapshot_of(life.state, sight)
    assert len({view.equity for view in views}) > 10
    assert {view.margin for view in views} == {96_100.0}
