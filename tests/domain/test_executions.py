"""What deals prove: who closed, and which closes were expected."""

import pytest

from engine.domain.discrepancies import Kind
from engine.domain.intents import tag_of
from tests.domain.desk import (
    Desk,
    closing_deal,
    held,
    meant,
)


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (0, "client"),
        (1, "mobile"),
        (2, "web"),
        (3, "expert"),
        (4, "stop_loss"),
        (5, "take_profit"),
        (6, "stop_out"),
        (42, "reason 42"),
    ],
)
def test_an_external_close_tells_the_reason_of_its_deal(reason: int, told: str) -> None:
    desk = Desk(meant())
    desk.report(held())
    assert desk.deals(closing_deal(reason=reason)) == ["closed_externally confirmed"]
    assert desk.row(Kind.CLOSED_EXTERNALLY).finding.actual == told


def test_a_close_of_the_engine_or_of_the_strategy_is_not_external() -> None:
    for more, known in (
        ({"reason": 3, "magic": 7}, {}),
        ({"reason": 3}, {"closing_lots": {1: 1.0}}),
        ({"reason": 0}, {"own_deals": frozenset({500})}),
        ({"reason": 0, "order": 77}, {"own_orders": frozenset({77})}),
    ):
        desk = Desk(meant(magic=7))
        desk.report(held())
        assert desk.deals(closing_deal(**more), **known) == []
        assert desk.report() == []


def test_a_close_by_hand_while_ours_is_on_the_way_is_still_by_hand() -> None:
    desk = Desk(meant())
    desk.report(held())
    told = desk.deals(closing_deal(reason=0), closing_lots={1: 1.0})
    assert told == ["closed_externally confirmed"]


def test_a_close_in_part_by_hand_lowers_what_is_expected() -> None:
    desk = Desk(meant())
    desk.report(held())
    assert desk.deals(closing_deal(lots=0.3)) == ["closed_externally confirmed"]
    assert desk.report(held(lots=0.7)) == ["closed_externally resolved"]
    assert desk.book.intents[0].volume_lots == 0.7


def test_a_rollover_closes_nothing() -> None:
    desk = Desk(meant())
    desk.report(held())
    again = closing_deal(501, type=0, entry=0, reason=7)
    assert desk.deals(closing_deal(reason=7), again) == []
    assert desk.report(held()) == []


def test_a_position_that_opened_and_closed_between_two_reports_is_known_by_its_tag() -> None:
    desk = Desk(meant(in_flight_lots=1.0))
    desk.report()
    entry = closing_deal(499, type=0, entry=0, reason=3, comment=tag_of("a"))
    assert desk.deals(entry) == []
    assert desk.book.intents[0].in_flight_lots == 0.0
    assert desk.deals(closing_deal(reason=6)) == ["closed_externally confirmed"]
    assert desk.report() == ["closed_externally resolved"]


def test_a_result_without_an_order_makes_no_deal_ours() -> None:
    desk = Desk(meant())
    desk.report(held())
    told = desk.deals(closing_deal(order=0), own_orders=frozenset({0}))
    assert told == ["closed_externally confirmed"]
