"""What the comparison of days with the oracle found, told by a handful of inputs each."""

import pytest

from engine.domain import records
from engine.domain.effects import AskReport
from engine.domain.holding import GONE_KEPT_MS
from engine.domain.link_events import ClosesDurable, PositionCame
from engine.domain.reports import PositionReport
from engine.domain.step import step
from tests.live.live_account import QUOTES, START_MSC, Account, deal, held

AT_MSC = START_MSC + 20_000
OTHER = held(1.0, START_MSC, identifier=8, ticket=8, type=1, price_open=1.0990)


def linked(*positions: PositionReport) -> Account:
    account = Account()
    account.link(START_MSC)
    account.report(START_MSC + 10, 10_000.0, *positions)
    return account


def gone(position: PositionReport, at_msc: int = AT_MSC) -> PositionCame:
    return PositionCame(
        time_msc=at_msc, position=position, is_closed=True, gmt_offset_s=0, quotes=QUOTES
    )


def test_between_the_two_deals_of_a_close_by_no_guard_looks() -> None:
    """The first has the profit of both: +600 here, and the other still shows +890 of its own."""
    account = linked(held(1.0, START_MSC), OTHER)
    high = account.state.marks.trackers[0]
    account.take(deal(600.0, 1.0, AT_MSC, entry=3, ticket=91))
    assert not account.state.known
    assert account.state.marks.trackers[0] == high
    account.take(deal(0.0, 1.0, AT_MSC, entry=3, ticket=92, position_id=8, type=0))
    assert account.state.known
    assert account.state.positions == ()
    assert account.state.balance_minor == 1_060_000
    assert account.state.marks.trackers[0] == 10_600.0
    assert [one.position_id for one in account.of(records.PositionClosed)] == [7, 8]


def test_both_deals_of_a_close_by_of_ours_are_ours_though_its_answer_came_last() -> None:
    larger = held(1.5, START_MSC, identifier=8, ticket=8, type=1, price_open=1.0930)
    account = linked(held(1.0, START_MSC), larger)
    account.take(deal(-900.0, 0.0, AT_MSC, type=4, entry=0, position_id=0, symbol=""))
    names = tuple(one.intent_id for one in account.of(records.CloseIntended))
    assert len(names) == 2
    account.take(ClosesDurable(time_msc=AT_MSC, intent_ids=names))
    account.take(deal(0.0, 1.0, AT_MSC, entry=3, ticket=91, reason=3))
    account.take(deal(0.0, 1.0, AT_MSC, entry=3, ticket=92, reason=3, position_id=8, type=0))
    assert {one.reason for one in account.of(records.PositionClosed)} == {"guard:trailing"}


@pytest.mark.parametrize(
    ("reason", "said"), [(0, "external"), (4, "stop_loss"), (5, "take_profit")]
)
def test_who_closed_it_before_our_own_close_arrived_is_said(reason: int, said: str) -> None:
    account = linked(held(1.0, START_MSC))
    account.take(deal(-900.0, 0.0, AT_MSC, type=4, entry=0, position_id=0, symbol=""))
    (intended,) = account.of(records.CloseIntended)
    account.take(ClosesDurable(time_msc=AT_MSC, intent_ids=(intended.intent_id,)))
    account.take(deal(-300.0, 1.0, AT_MSC, ticket=91, order=77, reason=reason))
    (closed,) = account.of(records.PositionClosed)
    assert closed.reason == said


def test_half_of_a_close_by_asks_for_a_report_and_that_ends_the_waiting() -> None:
    account = linked(held(1.0, START_MSC), OTHER)
    first = deal(600.0, 1.0, AT_MSC, entry=3, ticket=91)
    assert any(isinstance(one, AskReport) for one in step(account.state, first).effects)
    account.take(first)
    account.report(AT_MSC + 500, 10_600.0)
    assert account.state.known
    assert account.state.marks.trackers[0] == 10_600.0


def test_what_is_left_of_a_position_keeps_the_swap_that_no_deal_has_booked() -> None:
    """3.50 of swap, a quarter closed: half a cent of it is the broker's to round, not ours."""
    account = linked(held(11.72, START_MSC, swap=3.5))
    account.take(deal(-2.52, 2.93, AT_MSC, swap=0.88))
    (left,) = account.state.positions
    assert (left.volume_lots, left.swap_minor) == (8.79, 262)


def test_a_deal_that_comes_after_its_position_went_says_what_it_closed() -> None:
    account = linked(held(1.0, START_MSC))
    account.take(gone(held(1.0, AT_MSC)))
    assert account.of(records.PositionClosed) == []
    account.take(deal(-300.0, 1.0, AT_MSC, reason=4))
    (closed,) = account.of(records.PositionClosed)
    assert (closed.position_id, closed.profit, closed.reason) == (7, -300.0, "stop_loss")
    account.take(deal(-300.0, 1.0, AT_MSC, reason=4))
    assert len(account.of(records.PositionClosed)) == 1


def test_so_does_one_that_comes_after_a_report_without_its_position() -> None:
    account = linked(held(1.0, START_MSC))
    account.report(AT_MSC, 9_700.0)
    account.take(deal(-300.0, 1.0, AT_MSC, reason=5))
    (closed,) = account.of(records.PositionClosed)
    assert (closed.open_price, closed.reason) == (1.0930, "take_profit")
    assert account.state.balance_minor == 970_000


def test_the_word_that_a_position_is_gone_after_its_deal_closes_nothing_twice() -> None:
    account = linked(held(1.0, START_MSC))
    account.take(deal(-300.0, 1.0, AT_MSC))
    account.take(gone(held(1.0, AT_MSC)))
    assert len(account.of(records.PositionClosed)) == 1
    assert account.state.known


TURNED = held(2.0, AT_MSC, type=1, price_open=1.0900, ticket=60)
TURNING = deal(-300.0, 3.0, AT_MSC, entry=2)
"""A lot that was bought is sold, and two more: one deal of three."""


def put(account: Account, told: PositionReport) -> None:
    account.take(
        PositionCame(time_msc=AT_MSC, position=told, is_closed=False, gmt_offset_s=0, quotes=QUOTES)
    )


def closed_by_turning(account: Account) -> records.PositionClosed:
    closed: records.PositionClosed
    (closed,) = account.of(records.PositionClosed)
    return closed


def test_a_reversal_closes_what_was_held_and_not_all_that_its_deal_traded() -> None:
    account = linked(held(1.0, START_MSC))
    account.take(TURNING)
    assert not account.state.known, "what is open the other way is not told yet"
    put(account, TURNED)
    account.report(AT_MSC + 10, 9_700.0, TURNED)
    closed = closed_by_turning(account)
    assert (closed.side, closed.volume_lots, closed.open_price) == ("buy", 1.0, 1.0930)
    assert [one.volume_lots for one in account.state.positions] == [2.0]


def test_a_reversal_told_before_its_deal_is_valued_with_it_and_not_before() -> None:
    """The loss of what was closed is in no balance yet: an equity without it never was."""
    account = linked(held(1.0, START_MSC, price_open=1.0900))
    high = account.state.marks.trackers[0]
    put(account, TURNED)
    assert not account.state.known
    account.take(TURNING)
    assert account.state.known
    assert account.state.balance_minor == 970_000
    assert account.state.marks.trackers[0] == high
    closed = closed_by_turning(account)
    assert (closed.side, closed.volume_lots, closed.profit) == ("buy", 1.0, -300.0)
    assert [one.side.value for one in account.state.positions] == ["sell"]


def test_a_report_may_tell_of_a_reversal_before_its_deal() -> None:
    account = linked(held(1.0, START_MSC))
    account.report(AT_MSC, 9_700.0, TURNED)
    assert not account.state.known, "the balance moved, and no deal has said why"
    account.take(TURNING)
    account.report(AT_MSC + 100, 9_700.0, TURNED)
    closed = closed_by_turning(account)
    assert (closed.side, closed.volume_lots, closed.open_price) == ("buy", 1.0, 1.0930)
    assert (account.state.known, account.state.balance_minor) == (True, 970_000)


def test_two_reversals_told_by_their_deals_alone_are_unknown_until_a_report() -> None:
    account = linked(held(1.0, START_MSC))
    account.take(TURNING)
    account.take(deal(50.0, 3.0, AT_MSC + 1, entry=2, type=0, ticket=92))
    assert not account.state.known
    account.report(AT_MSC + 10, 9_750.0, held(1.0, AT_MSC + 1, price_open=1.0890))
    assert account.state.known
    assert account.state.balance_minor == 975_000


def test_a_deal_is_not_waited_for_without_end() -> None:
    account = linked(held(1.0, START_MSC))
    account.take(gone(held(1.0, AT_MSC)))
    account.take(deal(-300.0, 1.0, AT_MSC + GONE_KEPT_MS))
    assert account.of(records.PositionClosed) == []
    assert account.state.balance_minor == 970_000
