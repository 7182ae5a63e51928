"""What the page works out by itself, by its own modules: floors as they were, slippage, days."""

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.desk_page import Desk
from tests.browser.fake_api import FakeApi

NOW_MSC = 1_700_000_000_000
CALL = """async ([file, name, given]) => {
  const main = document.querySelector("script[type=module]").src;
  const found = await import(main.replace("main.js", file));
  return found[name](...given);
}"""


class Module:
    """A function of one of the page's modules, called in the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __call__(self, file: str, name: str, *given: Any) -> Any:
        return self._desk.page.evaluate(CALL, [file, name, list(given)])


@pytest.fixture(scope="module")
def call(browser: Browser) -> Any:
    api = FakeApi([])
    api.start()
    desk = Desk(browser, api)
    yield Module(desk)
    desk.close()
    api.stop()


def record(kind: str, age_s: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "time_msc": NOW_MSC - age_s * 1000, **more}


def times(*ages_s: int) -> list[float]:
    return [NOW_MSC / 1000 - age for age in ages_s]


SNAP = {"time_msc": NOW_MSC, "initial": 10_000.0, "equity_high_water": 10_000.0}
DAILY = {"name": "daily", "reference": 10_300.0, "floor": 9_800.0, "next_reset_msc": NOW_MSC + 9}
TRAILING = {"name": "trail", "reference": 10_400.0, "floor": 9_900.0, "next_reset_msc": None}


def test_a_floor_is_drawn_as_it_was_and_not_at_all_before_anything_says(call: Module) -> None:
    past = [
        record("day_reset", 300, guard="daily", reference=10_000.0, floor=9_500.0),
        record("balance_changed", 100, amount=300.0),
    ]
    at = times(400, 200, 50)
    found = call("history.js", "courseOf", DAILY, SNAP, past, at, [9_900.0] * 3)
    assert found["floor"] == [None, 9_500.0, 9_800.0]
    assert found["reference"] == [None, 10_000.0, 10_300.0]
    used = call("history.js", "usedOver", [9_900.0, 9_750.0, None], found)
    assert used == [None, 50.0, None]


def test_a_guard_without_records_has_had_todays_floor_less_what_was_paid_in_since(
    call: Module,
) -> None:
    past = [record("balance_changed", 100, amount=300.0)]
    guard = {**DAILY, "next_reset_msc": None}
    found = call("history.js", "courseOf", guard, SNAP, past, times(200, 50), [9_900.0] * 2)
    assert found["floor"] == [9_500.0, 9_800.0]


def test_a_trailing_floor_follows_the_highs_that_are_shown(call: Module) -> None:
    snap = {**SNAP, "equity_high_water": 10_400.0}
    highs = [10_100.0, 10_400.0, 10_200.0]
    found = call("history.js", "courseOf", TRAILING, snap, [], times(3, 2, 1), highs)
    assert found["floor"] == [9_600.0, 9_900.0, 9_900.0]
    earlier = call("history.js", "courseOf", TRAILING, snap, [], times(3, 2), [10_100.0, 10_200.0])
    assert earlier["floor"] == [9_900.0, 9_900.0]  # its mark is older than what is shown


def test_a_price_is_worth_what_positions_have_gained_by_it_or_nothing_is_said(
    call: Module,
) -> None:
    buy = {"current_price": 1274.0, "open_price": 1284.0, "profit": -2_000.0}
    sell = {"current_price": 1274.0, "open_price": 1264.0, "profit": -1_000.0}
    assert call("history.js", "slopeOf", [buy]) == 200.0
    assert call("history.js", "slopeOf", [buy, sell]) == 100.0
    assert call("history.js", "slopeOf", [buy, {**sell, "open_price": 1274.0}]) is None
    assert call("history.js", "slopeOf", [{**buy, "profit": None}]) is None


def test_a_day_is_judged_against_the_day_before_and_without_money_moved(call: Module) -> None:
    day_ms = 86_400_000
    first = NOW_MSC // day_ms * day_ms
    bucket = {"open": 10_000.0, "low": 9_900.0, "close": 10_050.0}
    later = {"open": 10_060.0, "low": 9_800.0, "close": 10_550.0}
    buckets = [{"start_msc": first, **bucket}, {"start_msc": first + day_ms, **later}]
    records = [
        {"type": "balance_changed", "time_msc": first + day_ms + 5, "amount": 500.0},
        {"type": "guard_breach", "time_msc": first + 7},
        {"type": "position_closed", "time_msc": first + 8},
    ]
    days = call("days_figures.js", "dayRows", buckets, records, first, first + 3 * day_ms)
    assert [day["result"] for day in days] == [50.0, 0.0, None]
    assert [day["worst"] for day in days] == [-100.0, -250.0, None]
    assert [(day["breaches"], day["closed"]) for day in days] == [(1, 1), (0, 0), (0, 0)]


def closed(position: int, side: str, price: float, **more: Any) -> dict[str, Any]:
    return record(
        "position_closed", 0, seq=9, position_id=position, symbol="XAUUSD", side=side,
        volume_lots=1.0, open_price=1280.0, close_price=price, profit=-1_000.0,
        reason="guard:daily", **more,
    )  # fmt: skip


def test_slippage_is_against_the_deciding_quote_and_above_zero_where_it_helped(
    call: Module,
) -> None:
    verdict = {
        "record": record("guard_breach", 1, seq=3, guard="daily"),
        "quotes": {"XAUUSD": {"bid": 1270.0, "ask": 1271.0, "age_ms": 0}},
        "currency": "USD",
    }
    fills = [closed(1, "buy", 1269.5), closed(2, "sell", 1290.0), closed(3, "buy", 1270.0)]
    found = call("incident_story.js", "fillsOf", verdict, fills)
    assert [one["better"] for one in found] == [-0.5, -19.0, 0.0]
    assert [one["money"] for one in found] == [-47.62, -1_900.0, 0]
    assert found[0]["after"] == 1000
    blind = call("incident_story.js", "fillsOf", {**verdict, "quotes": {}}, fills[:1])
    assert (blind[0]["quote"], blind[0]["money"]) == (None, None)


def test_only_what_its_own_guard_did_is_told_of_an_incident(call: Module) -> None:
    mine = record("guard_breach", 9, seq=3, guard="daily")
    later = [
        record("close_intended", 8, seq=4, intent_id="a", position_id=1, reason="guard:daily"),
        record("close_intended", 8, seq=5, intent_id="b", position_id=2, reason="guard:other"),
        record("close_settled", 7, seq=6, intent_id="b", position_id=2),
        record("account_halted", 7, seq=7, cause="other"),
    ]
    came = call("incident_story.js", "cameOf", mine, later)
    assert [one["seq"] for one in came] == [4]
    flat = call("incident_story.js", "flatness", mine, came)
    assert (flat["asked"], flat["settled"], flat["isFlat"]) == (1, 0, False)
    later.append(record("close_settled", 5, seq=8, intent_id="a", position_id=1))
    flat = call("incident_story.js", "flatness", mine, call("incident_story.js", "cameOf", mine,
                                                            later))  # fmt: skip
    assert (flat["isFlat"], flat["after"]) == (True, 4_000)


def test_an_incident_is_not_flat_while_a_close_waits_for_a_stronger_rule(call: Module) -> None:
    mine = record("guard_breach", 9, seq=3, guard="daily")
    reason = "guard:daily"
    came = [
        record("close_intended", 8, seq=4, intent_id="a", position_id=1, reason=reason,
               sacrificed=["minimum_hold"]),
        record("close_waits", 8, seq=5, position_id=2, reason=reason, yields_to=["news"],
               until_msc=None),
        record("close_settled", 7, seq=6, intent_id="a", position_id=1),
    ]  # fmt: skip
    kept = call("incident_story.js", "cameOf", mine, came)
    flat = call("incident_story.js", "flatness", mine, kept)
    assert (flat["asked"], flat["settled"], flat["waits"], flat["isFlat"]) == (1, 1, 1, False)
    said = call("incident_story.js", "outcome", mine, kept, "USD", 0)
    assert "1 not closed yet, waiting for news" in said
    assert "closing broke minimum hold" in said
    went = [*kept, record("position_closed", 5, seq=7, position_id=2, reason=reason, profit=1.0,
                          volume_lots=1.0)]  # fmt: skip
    assert call("incident_story.js", "flatness", mine, went)["isFlat"]
    settled = [*kept, record("close_settled", 5, seq=7, intent_id="b", position_id=2)]
    assert call("incident_story.js", "flatness", mine, settled)["waits"] == 0


def test_clocks_are_put_in_words(call: Module) -> None:
    zones = [call("terminal.js", "zoneWords", one) for one in (10_800, -12_600, 0)]
    assert zones == ["UTC+3", "UTC\u22123:30", "UTC+0"]
    clocks = [call("terminal.js", "clockWords", one) for one in (None, -40, -1_840, 5_000)]
    assert clocks == ["\u2014", "as the engine's", "1.8\u202fs behind the engine's",
                      "5.0\u202fs ahead of the engine's"]  # fmt: skip
