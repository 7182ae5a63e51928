"""Money that does not add up: every type of deal, every digit, and a ledger that forgets none."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import residuals
from engine.domain.discrepancies import Kind
from engine.domain.reconcile import Sighting
from engine.domain.remedies import FetchDeals
from engine.domain.reports import AccountReport, DealReport
from engine.domain.residuals import Ledger, Residual
from tests.booked_deals import Deal, DealType, money_of
from tests.domain.desk import Desk, closing_deal

NAMES = {
    0: DealType.BUY,
    1: DealType.SELL,
    2: DealType.BALANCE,
    3: DealType.CREDIT,
    4: DealType.CHARGE,
    5: DealType.CORRECTION,
    6: DealType.BONUS,
    7: DealType.COMMISSION,
    8: DealType.COMMISSION_DAILY,
    9: DealType.COMMISSION_MONTHLY,
    10: DealType.COMMISSION_AGENT_DAILY,
    11: DealType.COMMISSION_AGENT_MONTHLY,
    12: DealType.INTEREST,
    13: DealType.BUY_CANCELED,
    14: DealType.SELL_CANCELED,
    15: DealType.DIVIDEND,
    16: DealType.DIVIDEND_FRANKED,
    17: DealType.TAX,
    19: DealType.SO_COMPENSATION,
}


def deal(ticket: int, deal_type: int = 0, profit: float = 0.0, **more: Any) -> DealReport:
    fields: dict[str, Any] = {"order": ticket, "position_id": 0, "symbol": "", "entry": 0}
    fields |= {"volume": 0.0, "price": 0.0}
    return DealReport(ticket=ticket, type=deal_type, profit=profit, **fields | more)


def account(balance: float, credit: float = 0.0, equity: float | None = None) -> AccountReport:
    own = balance + credit if equity is None else equity
    return AccountReport(balance=balance, credit=credit, equity=own, margin=0.0)


def start(balance: float = 0.0) -> Ledger:
    return residuals.anchored(Ledger(), account(balance), 2)


def residual(before: float, deals: list[DealReport], after: AccountReport) -> Residual:
    ledger = residuals.booked(start(before), deals, 2)
    return residuals.money_residual(ledger, after, 2)


@pytest.mark.parametrize("deal_type", range(21))
def test_every_type_of_deal_moves_the_balance_or_the_credit(deal_type: int) -> None:
    one = deal(1, deal_type, 10.0, swap=-1.0, commission=-0.5, fee=-0.25)
    credit = deal_type in (3, 20)
    after = account(1000.0 + 8.25 * (not credit), 8.25 * credit)
    assert residual(1000.0, [one], after).is_zero
    assert not residual(1000.0, [], after).is_zero


@pytest.mark.parametrize("number", NAMES)
@pytest.mark.parametrize("bonus_is_credit", [False, True])
def test_a_deal_moves_the_same_money_as_where_it_is_booked(
    number: int, bonus_is_credit: bool
) -> None:
    booking = money_of(
        Deal(deal_id=1, type=NAMES[number], time_msc=0, profit_minor=700, fee_minor=-7),
        bonus_is_credit=bonus_is_credit,
    )
    known = residuals.booked(
        start(),
        [deal(1, number, 7.0, fee=-0.07)],
        2,
        bonus_is_credit=bonus_is_credit,
    )
    assert (known.balance_minor, known.credit_minor) == (
        booking.balance_minor,
        booking.credit_minor,
    )


def test_a_missed_deal_and_an_unknown_charge_are_the_residual() -> None:
    assert residual(1000.0, [deal(1, profit=50.0)], account(1035.0)) == Residual(-1500, 0)
    assert residual(1000.0, [], account(1000.0, 5.0)) == Residual(0, 500)


def test_a_deal_of_a_type_no_list_has_is_counted_and_named() -> None:
    ledger = residuals.booked(start(), [deal(4, 99, 1.0), deal(5, 2, 1.0)], 2)
    assert (ledger.balance_minor, ledger.unlisted) == (200, (4,))


def test_a_deal_that_came_with_the_first_report_is_in_its_balance() -> None:
    first = [deal(1, 2, 1000.0)]
    early = residuals.booked(Ledger(), first, 2)
    ledger = residuals.booked(residuals.anchored(early, account(1000.0), 2), first, 2)
    assert residuals.money_residual(ledger, account(1000.0), 2).is_zero


def test_amounts_are_rounded_one_by_one_half_away_from_zero() -> None:
    ledger = residuals.booked(start(), [deal(1, 0, 0.005, swap=-0.005)], 2)
    assert ledger.balance_minor == 0
    one = residuals.booked(start(), [deal(1, 0, 0.125)], 2)
    assert one.balance_minor == 13


DEALS = st.lists(
    st.builds(
        lambda ticket, kind, cents: deal(ticket, kind, cents / 100),
        st.integers(1, 40),
        st.integers(0, 22),
        st.integers(-(10**6), 10**6),
    ),
    unique_by=lambda one: one.ticket,
    max_size=12,
)


@settings(deadline=None, max_examples=150)
@given(DEALS, st.data())
def test_deals_sent_again_and_in_any_order_book_once(
    deals: list[DealReport], draws: st.DataObject
) -> None:
    first = Ledger(balance_minor=5, credit_minor=6, is_anchored=True)
    whole = residuals.booked(first, deals, 2)
    mixed = draws.draw(st.permutations([*deals, *deals]))
    cut = draws.draw(st.integers(0, len(mixed)))
    apart = residuals.booked(residuals.booked(first, mixed[:cut], 2), mixed[cut:], 2)
    assert are_equal(apart, whole)
    total = sum(round(one.profit * 100) for one in deals)
    assert whole.balance_minor + whole.credit_minor == 11 + total


def are_equal(one: Ledger, other: Ledger) -> bool:
    """Equal but for the order in which unlisted deals came."""
    return (one.balance_minor, one.credit_minor, one.booked, sorted(one.unlisted)) == (
        other.balance_minor,
        other.credit_minor,
        other.booked,
        sorted(other.unlisted),
    )


def test_a_long_life_keeps_a_bounded_list_of_tickets_and_still_books_once() -> None:
    deals = [deal(ticket, 2, 0.01) for ticket in range(1, 10_001)]
    ledger = residuals.booked(start(), deals, 2)
    assert len(ledger.booked) < 5_000
    assert residuals.booked(ledger, deals, 2) == ledger
    assert ledger.balance_minor == 10_000


def test_an_accepted_residual_is_gone_and_its_deals_are_still_booked() -> None:
    ledger = residuals.booked(start(10.0), [deal(1, 2, 1.0)], 2)
    mended = residuals.anchored(ledger, account(25.0, 3.0), 2)
    assert residuals.money_residual(mended, account(25.0, 3.0), 2).is_zero
    assert residuals.booked(mended, [deal(1, 2, 1.0)], 2) == mended


def test_our_mark_is_compared_with_their_equity_in_minor_units() -> None:
    assert residuals.equity_residual_minor(account(100.0, equity=98.5), 10_000, 2) == -150
    assert residuals.equity_residual_minor(account(100.0, equity=98.0), 100, 0) == -2


# Told by comparing


def test_a_balance_that_moved_without_a_deal_is_told_before_any_volume_differs() -> None:
    desk = Desk()
    desk.report()
    desk.balance -= 5.0
    assert desk.beat() == ["balance_residual suspected"]
    assert desk.last.actions == (FetchDeals("balance_residual"),)
    assert desk.beat() == ["balance_residual confirmed"]
    found = desk.row(Kind.BALANCE_RESIDUAL).finding
    assert (found.expected, found.actual) == ("1000.00", "995.00")


def test_the_deal_that_was_missed_resolves_the_residual() -> None:
    desk = Desk()
    desk.report()
    desk.balance += 50.0
    assert desk.beat() == ["balance_residual suspected"]
    late = Sighting(at_msc=9000, deals=(closing_deal(profit=50.0),))
    assert desk.see(late) == []
    assert desk.see(late) == []
    assert desk.beat() == ["balance_residual resolved"]


def test_credit_has_a_row_of_its_own() -> None:
    desk = Desk()
    desk.report()
    desk.credit = 10.0
    assert desk.beat() == ["balance_residual suspected"]
    assert desk.row(Kind.BALANCE_RESIDUAL).finding.subject == "credit"


def test_one_absurd_equity_report_is_suspected_and_k_of_them_are_confirmed() -> None:
    desk = Desk()
    desk.report(mark_minor=100_000)
    assert desk.beat(equity=10.0, mark_minor=100_000) == ["equity_residual suspected"]
    assert desk.beat(mark_minor=100_000) == ["equity_residual resolved"]
    told = [desk.beat(equity=10.0, mark_minor=100_000) for _ in range(4)]
    assert told == [["equity_residual suspected"], [], ["equity_residual confirmed"], []]


def test_an_equity_exactly_at_the_tolerance_agrees_and_without_a_mark_is_not_judged() -> None:
    desk = Desk()
    desk.report(mark_minor=100_000)
    assert desk.beat(equity=1001.0, mark_minor=100_000) == []
    assert desk.beat(equity=1001.01, mark_minor=100_000) == ["equity_residual suspected"]
    assert desk.beat(equity=1000.0) == []
    assert desk.open == ["equity_residual suspected"]
