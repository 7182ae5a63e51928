"""What a full report shows of intents and positions: every kind, at its edge."""

from msgspec.structs import replace

from engine.domain.discrepancies import Kind
from engine.domain.intents import tag_of
from engine.domain.reconcile import Comparison, silent
from engine.domain.remedies import AskReport, FetchDeals
from engine.domain.reports import (
    OrderReport,
)
from tests.domain.desk import (
    SPEC,
    TERMS,
    Desk,
    closing_deal,
    held,
    meant,
    words,
)


def test_what_nobody_holds_is_missing_and_comes_to_be_resolved_when_it_arrives() -> None:
    desk = Desk(meant())
    assert desk.report() == ["missing suspected"]
    assert list(desk.last.actions) == [FetchDeals("missing"), AskReport("missing")]
    assert desk.report() == ["missing confirmed"]
    assert list(desk.last.actions) == []
    assert desk.report() == []
    assert desk.row(Kind.MISSING).count == 3
    assert desk.report(held()) == ["missing resolved"]
    assert desk.book.status() == "healthy"


def test_volume_on_its_way_by_word_or_as_a_resting_order_is_not_missing() -> None:
    assert Desk(meant(in_flight_lots=1.0)).report() == []
    order = OrderReport(
        ticket=8,
        symbol="EURUSD",
        type=2,
        volume_current=1.0,
        price_open=1.1,
        comment=tag_of("a"),
    )
    assert Desk(meant()).report(orders=(order,)) == []
    assert Desk(meant()).report(orders=(replace(order, comment="other"),)) == ["missing suspected"]


def test_a_fill_in_pieces_is_told_until_it_is_whole() -> None:
    desk = Desk(meant())
    assert desk.report(held(1, 0.6)) == ["partial_fill suspected"]
    assert desk.report(held(1, 0.6)) == ["partial_fill confirmed"]
    found = desk.row(Kind.PARTIAL_FILL).finding
    assert (found.expected, found.actual) == ("1", "0.6")
    assert desk.report(held(1, 0.6), held(2, 0.4)) == ["partial_fill resolved"]
    assert desk.book.intents[0].position_ids == (1, 2)


def test_the_rest_of_a_fill_that_is_on_its_way_is_no_discrepancy() -> None:
    assert Desk(meant(in_flight_lots=0.4)).report(held(1, 0.6)) == []
    assert Desk(meant(in_flight_lots=0.3)).report(held(1, 0.6)) == ["partial_fill suspected"]


def test_a_manual_trade_is_unexpected_and_its_end_resolves_it() -> None:
    desk = Desk()
    assert desk.report(held()) == ["unexpected suspected"]
    assert desk.report(held()) == ["unexpected confirmed"]
    assert desk.row(Kind.UNEXPECTED).finding.actual == "buy 1 EURUSD"
    assert desk.report() == ["unexpected resolved"]


def test_a_volume_more_than_ten_percent_off_is_told_and_exactly_ten_is_not() -> None:
    tag = tag_of("a")
    assert Desk(meant()).report(held(lots=1.10, comment=tag)) == []
    assert Desk(meant()).report(held(lots=1.11, comment=tag)) == ["volume suspected"]
    desk = Desk(meant())
    desk.report(held())
    assert desk.report(held(lots=0.90)) == []
    assert desk.report(held(lots=0.89)) == ["volume suspected"]


def test_a_close_in_part_on_its_way_explains_its_own_volume_and_no_more() -> None:
    desk = Desk(meant())
    desk.report(held())
    assert desk.report(held(lots=0.6), closing_lots={1: 0.4}) == []
    assert desk.report(held(lots=0.3), closing_lots={1: 0.4}) == ["volume suspected"]
    assert desk.report(closing_lots={1: 0.4}) == ["volume confirmed"]


def test_the_wrong_side_is_told_and_is_not_missing_too() -> None:
    assert Desk(meant()).report(held(type=1, comment=tag_of("a"))) == ["side suspected"]


def test_an_entry_beyond_five_pips_is_slippage_and_at_five_is_none() -> None:
    assert Desk(meant()).report(held(price=1.10050)) == []
    assert Desk(meant()).report(held(price=1.10051)) == ["entry_slippage suspected"]
    gold = meant(symbol="XAUUSD", price=1950.0)
    assert Desk(gold).report(held(symbol="XAUUSD", price=1950.5)) == []
    assert Desk(gold).report(held(symbol="XAUUSD", price=1950.51)) == ["entry_slippage suspected"]


def test_stop_and_target_more_than_ten_pips_off_or_removed_are_told() -> None:
    both = meant(stop_loss=1.09, take_profit=1.12)
    assert Desk(both).report(held(sl=1.0890, tp=1.1210)) == []
    assert Desk(both).report(held(sl=1.08899, tp=1.12101)) == [
        "stop_loss suspected",
        "take_profit suspected",
    ]
    desk = Desk(both)
    assert desk.report(held()) == ["stop_loss suspected", "take_profit suspected"]
    assert desk.row(Kind.STOP_LOSS).finding.actual is None
    assert Desk(meant()).report(held(sl=1.0)) == []


def test_the_deal_that_comes_after_the_report_explains_what_was_missing() -> None:
    desk = Desk(meant())
    desk.report(held())
    assert desk.report() == ["missing suspected"]
    assert desk.deals(closing_deal(reason=2)) == [
        "missing resolved",
        "closed_externally confirmed",
    ]


def test_a_second_position_of_one_intent_is_a_duplicate_fill() -> None:
    desk = Desk(meant())
    desk.report(held(1, comment=tag_of("a")))
    told = desk.report(held(1, comment=tag_of("a")), held(2, comment=tag_of("a")))
    assert told == ["duplicate_fill suspected"]
    assert desk.row(Kind.DUPLICATE_FILL).finding.position_id == 2


def test_a_changed_specification_is_told_until_it_is_as_before() -> None:
    desk = Desk()
    desk.report(specs=(SPEC,))
    changed = replace(SPEC, trade_contract_size=1000.0, trade_tick_value=3.0)
    assert desk.report(specs=(changed,)) == ["spec_changed suspected"]
    found = desk.row(Kind.SPEC_CHANGED).finding
    assert (found.subject, found.actual) == ("EURUSD", "trade_contract_size 1000.0")
    assert desk.report() == []
    assert desk.open == ["spec_changed suspected"]
    assert desk.report(specs=(replace(SPEC, trade_tick_value=3.0),)) == ["spec_changed resolved"]


def test_a_silent_terminal_is_told_once_and_resolved_by_its_next_word() -> None:
    desk = Desk()
    desk.report()
    done = silent(desk.book, 5000, TERMS)
    assert words(done.changed) == ["stale_terminal confirmed"]
    assert done.book.status() == "degraded"
    assert silent(done.book, 6000, TERMS) == Comparison(book=done.book)
    desk.book = done.book
    assert desk.beat() == ["stale_terminal resolved"]
