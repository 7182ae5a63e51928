"""Fills told before the quote they were made on are told apart from those that are not."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.beliefs import Terms
from engine.domain.early import Fill, fills_in, is_early
from engine.domain.link_events import DealCame, PositionCame, ReportCame
from engine.domain.live import Live
from engine.domain.quotes import Quote
from engine.domain.reports import AccountReport, DealReport, FullReport, PositionReport

QUOTE = Quote(1.1000, 1.1001, 0)
T_MSC = 1_767_826_800_000
LIVE = Live(terms=Terms(digits=2))


def bought(price: float) -> Fill:
    return Fill("EURUSD", T_MSC, is_buy=True, price=price)


def sold(price: float) -> Fill:
    return Fill("EURUSD", T_MSC, is_buy=False, price=price)


def position(**more: Any) -> PositionReport:
    fields: dict[str, Any] = {
        "identifier": 7,
        "ticket": 7,
        "symbol": "EURUSD",
        "type": 0,
        "volume": 1.0,
        "price_open": 1.1020,
        "time_msc": T_MSC,
        "time_update_msc": T_MSC,
    }
    return PositionReport(**fields | more)


def came(told: PositionReport, *, is_closed: bool = False) -> PositionCame:
    return PositionCame(time_msc=0, position=told, is_closed=is_closed, gmt_offset_s=0, quotes={})


def deal(**more: Any) -> DealCame:
    fields: dict[str, Any] = {
        "ticket": 1,
        "order": 1,
        "position_id": 7,
        "symbol": "EURUSD",
        "type": 1,
        "entry": 1,
        "volume": 1.0,
        "price": 1.0980,
        "time_msc": T_MSC,
    }
    return DealCame(time_msc=0, deal=DealReport(**fields | more), deal_msc=0, quotes={})


def holding(told: PositionReport) -> Live:
    return Live(terms=Terms(digits=2), holdings=(told,))


def test_a_fill_newer_than_the_quote_and_away_from_it_is_early() -> None:
    assert is_early(bought(1.1020), T_MSC - 1, QUOTE)
    assert is_early(sold(1.0980), T_MSC - 1, QUOTE)


def test_a_fill_no_newer_than_the_quote_never_waits() -> None:
    assert not is_early(bought(1.1020), T_MSC, QUOTE)
    assert not is_early(bought(1.1020), T_MSC + 500, QUOTE)


def test_a_fill_of_a_quiet_market_at_the_price_that_stands_never_waits() -> None:
    for price in (1.1000, 1.1001, 1.1002):
        assert not is_early(bought(price), T_MSC - 60_000, QUOTE)
    assert is_early(bought(1.10021), T_MSC - 60_000, QUOTE)


@given(st.floats(-0.01, 0.01), st.floats(0.0, 0.0005), st.booleans())
@settings(deadline=None, max_examples=200)
def test_what_does_not_wait_is_worth_two_spreads_at_most(
    away: float, spread: float, is_buy: bool
) -> None:
    """So much an equity may be off that is made of a fill and the quote before it."""
    quote = Quote(1.1, 1.1 + spread, 0)
    price = 1.1 + away
    if is_early(bought(price) if is_buy else sold(price), 0, quote):
        return
    worth = quote.bid - price if is_buy else price - quote.ask
    assert abs(worth) <= 2 * spread + 1e-8


def test_a_position_that_is_new_was_filled_at_its_open_price() -> None:
    assert list(fills_in(LIVE, came(position()))) == [bought(1.1020)]


def test_what_was_added_to_a_position_was_filled_off_its_average() -> None:
    live = holding(position(volume=1.0, price_open=1.1000, time_update_msc=T_MSC - 5))
    (fill,) = fills_in(live, came(position(volume=3.0, price_open=1.1020)))
    assert (fill.symbol, fill.server_msc, fill.is_buy) == ("EURUSD", T_MSC, True)
    assert abs(fill.price - 1.1030) < 1e-9


def test_a_position_turned_round_was_filled_at_its_open_price() -> None:
    live = holding(position(type=1, price_open=1.2))
    (fill,) = fills_in(live, came(position(type=0, price_open=1.1020)))
    assert fill == bought(1.1020)


def test_new_stops_and_smaller_volumes_are_no_fills() -> None:
    live = holding(position())
    assert list(fills_in(live, came(position(sl=1.0)))) == []
    assert list(fills_in(live, came(position(volume=0.4)))) == []
    assert list(fills_in(live, came(position(), is_closed=True))) == []


def test_a_deal_at_the_market_is_a_fill_and_no_other() -> None:
    assert list(fills_in(LIVE, deal())) == [sold(1.0980)]
    assert list(fills_in(LIVE, deal(entry=3))) == [], "a close by: at the other's open price"
    assert list(fills_in(LIVE, deal(type=2, symbol="", price=0.0))) == [], "a deposit"


def test_a_report_tells_the_fills_of_what_is_not_held_yet() -> None:
    account = AccountReport(balance=1.0, credit=0.0, equity=1.0, margin=0.0)
    both = (position(), position(identifier=8, type=1))
    report = FullReport(account=account, positions=both, complete=True)
    event = ReportCame(time_msc=0, report=report, asked_msc=0, gmt_offset_s=0, quotes={})
    assert [fill.is_buy for fill in fills_in(holding(position()), event)] == [False]
    failed = FullReport(account=account, positions=both, complete=False)
    event = ReportCame(time_msc=0, report=failed, asked_msc=0, gmt_offset_s=0, quotes={})
    assert list(fills_in(LIVE, event)) == []
