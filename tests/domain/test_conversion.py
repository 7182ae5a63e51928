"""Which pairs convert a profit, and which side of them."""

import pytest

from engine.domain.conversion import converts_at_ask, find_path, mid_rate, rate
from engine.domain.instruments import ConversionRule
from engine.domain.positions import Side
from engine.domain.units import minor
from engine.domain.valuation import market_of, profit_minor
from engine.domain.watch import Leg
from tests.domain.accounts import MAJORS, buy, fx, gold, quote, sell


def test_the_same_currency_needs_no_leg() -> None:
    assert find_path(gold(), "USD", MAJORS) == ()


def test_a_direct_pair_multiplies_by_its_own_side() -> None:
    path = find_path(fx("EURGBP"), "USD", [*MAJORS, fx("EURGBP")])
    assert path == (Leg("GBPUSD", inverse=False),)
    quotes = {"GBPUSD": quote(1.2500, 1.2510)}
    assert rate(path, quotes, at_ask=False) == 1.2500
    assert rate(path, quotes, at_ask=True) == 1.2510


def test_an_inverse_pair_gives_its_ask_from_its_bid() -> None:
    path = find_path(gold(), "GBP", MAJORS)
    assert path == (Leg("GBPUSD", inverse=True),)
    quotes = {"GBPUSD": quote(1.2500, 1.2510)}
    assert rate(path, quotes, at_ask=True) == 1 / 1.2500
    assert rate(path, quotes, at_ask=False) == 1 / 1.2510
    assert mid_rate(path, quotes) == pytest.approx(1 / 1.2505)


def test_two_legs_go_through_the_dollar_each_on_the_same_side() -> None:
    listed = [*MAJORS, fx("GBPJPY")]
    path = find_path(fx("GBPJPY"), "EUR", listed)
    assert path == (Leg("USDJPY", inverse=True), Leg("EURUSD", inverse=True))
    quotes = {"USDJPY": quote(150.0, 150.1), "EURUSD": quote(1.10, 1.11)}
    assert rate(path, quotes, at_ask=True) == (1 / 150.0) * (1 / 1.10)
    assert rate(path, quotes, at_ask=False) == (1 / 150.1) * (1 / 1.11)
    assert find_path(fx("EURUSD"), "JPY", MAJORS) == (Leg("USDJPY", inverse=False),)


def test_without_a_pair_there_is_no_path() -> None:
    assert find_path(gold(), "CHF", MAJORS) is None
    assert find_path(fx("GBPJPY"), "CHF", [*MAJORS, fx("GBPJPY")]) is None
    # A CFD that happens to be named by the two currencies is no currency pair.
    assert find_path(gold(), "XAU", MAJORS) is None


def test_the_traded_symbols_postfix_is_preferred_and_then_the_alphabet() -> None:
    plain, micro, pro = fx("EURUSD"), fx("EURUSD.m"), fx("EURUSD-pro")
    assert (plain.postfix, micro.postfix, pro.postfix) == ("", ".m", "-pro")
    listed = [plain, micro, pro, fx("GBPUSD.m"), fx("GBPUSD"), fx("GBPUSD-pro")]

    def pair_for(symbol: str) -> str:
        path = find_path(fx(symbol), "EUR", listed)
        assert path is not None
        return path[0].symbol

    assert pair_for("GBPUSD.m") == "EURUSD.m"
    assert pair_for("GBPUSD") == "EURUSD"
    assert pair_for("GBPUSD-pro") == "EURUSD-pro"
    without = [i for i in listed if i.symbol != "EURUSD.m"]
    path = find_path(fx("GBPUSD.m"), "EUR", without)
    assert path is not None
    assert path[0].symbol == "EURUSD"  # no pair has the postfix: the first by name
    dotted = gold(symbol="XAUUSD.m")
    path = find_path(dotted, "EUR", listed)
    assert path is not None
    assert path[0].symbol == "EURUSD.m"


def test_a_pair_that_joins_the_two_itself_is_its_own_conversion() -> None:
    listed = [fx("USDJPY"), fx("USDJPY.a")]
    assert find_path(fx("USDJPY.a"), "USD", listed) == (Leg("USDJPY.a", inverse=True),)


def test_by_deal_looks_at_the_side_alone_and_by_market_at_the_sign() -> None:
    by_deal, by_market = fx("EURGBP"), fx("EURGBP", conversion=ConversionRule.BY_MARKET)
    for profit in (1.0, -1.0):
        assert converts_at_ask(by_deal, Side.BUY, profit)
        assert not converts_at_ask(by_deal, Side.SELL, profit)
        for side in Side:
            assert converts_at_ask(by_market, side, profit) == (profit < 0)
            assert converts_at_ask(gold(), side, profit) == (profit < 0)


def test_gold_takes_bid_when_it_gains_and_ask_when_it_loses() -> None:
    of = market_of([*MAJORS, gold(symbol="XAUGBP", profit_currency="GBP")], "USD")
    quotes = {"XAUGBP": quote(1500.0), "GBPUSD": quote(1.2500, 1.2600)}
    assert profit_minor(of, buy("XAUGBP", 1.0, 1490.0), quotes) == 1250_00
    assert profit_minor(of, buy("XAUGBP", 1.0, 1510.0), quotes) == -1260_00
    assert profit_minor(of, sell("XAUGBP", 1.0, 1510.0), quotes) == 1250_00


def test_the_rounded_profit_is_converted_and_rounded_again() -> None:
    of = market_of([*MAJORS, fx("EURGBP")], "USD")
    quotes = {"EURGBP": quote(0.85456), "GBPUSD": quote(1.25, 1.37)}
    # 100 units: 85.456 -> 85.46 and 85.444 -> 85.44: 0.02 pounds, at the ask of a buy.
    assert profit_minor(of, buy("EURGBP", 0.001, 0.85444), quotes) == minor(0.02 * 1.37, 2) == 3
    assert profit_minor(of, sell("EURGBP", 0.001, 0.85444), quotes) == -minor(0.02 * 1.25, 2)


def test_a_yen_profit_is_converted_from_whole_yen() -> None:
    of = market_of([*MAJORS, fx("EURJPY")], "USD")
    quotes = {"EURJPY": quote(160.004), "USDJPY": quote(150.0)}
    # 100 units: 16000.4 -> 16000 and 15999.6 -> 16000: no yen, though the difference is 0.8.
    assert profit_minor(of, buy("EURJPY", 0.001, 159.996), quotes) == 0
