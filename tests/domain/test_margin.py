"""Margin as MetaTrader projects it: every mode, hedges, pending orders, overrides."""

from typing import Any

import pytest

from engine.domain.instruments import CalcMode, Instrument
from engine.domain.margin import PendingOrder, conversion_legs, margin_currency, margin_minor
from engine.domain.positions import Position, Side
from engine.domain.units import minor
from engine.domain.valuation import Quotes, market_of
from engine.domain.watch import Leg
from tests.domain.accounts import MAJORS, NETTING, buy, fx, gold, quote, sell


def margin_of(
    instrument: Instrument,
    *positions: Position,
    deposit: str = "USD",
    leverage: int = 100,
    quotes: Quotes | None = None,
    **more: Any,
) -> int:
    listed = [instrument, *(i for i in MAJORS if i.symbol != instrument.symbol)]
    return margin_minor(market_of(listed, deposit), leverage, positions, quotes or {}, **more)


def order(symbol: str, side: Side, lots: float, price: float) -> PendingOrder:
    return PendingOrder(symbol=symbol, side=side, volume_lots=lots, price=price)


def test_vector_a_basic_hedge_with_rates() -> None:
    pair = fx("EURUSD", margin_hedged=100_000.0, margin_rate_buy=2.0, margin_rate_sell=4.0)
    sells = [sell("EURUSD", 1.0, 1.11943, n) for n in (1, 2, 3)]
    buys = [buy("EURUSD", 1.0, 1.11953, n) for n in (4, 5)]
    assert margin_of(pair, *sells, *buys, leverage=500) == 2238_90
    covered = minor(2 * 100_000 / 500 * 3.0 * (3 * 1.11943 + 2 * 1.11953) / 5, 2)
    assert (covered, margin_of(pair, sells[0], leverage=500)) == (1343_36, 895_54)


def test_vector_b_larger_leg_with_pending_orders() -> None:
    pair = fx("EURUSD", hedged_use_leg=True)
    longs = [buy("EURUSD", 1.0, 1.16214, 1), buy("EURUSD", 2.0, 1.16207, 2)]
    shorts = [sell("EURUSD", 1.0, 1.16184, 3), sell("EURUSD", 1.0, 1.16189, 4)]
    above = [order("EURUSD", Side.BUY, 1.0, 1.16053)]
    below = [order("EURUSD", Side.SELL, 1.0, 1.15808), order("EURUSD", Side.SELL, 1.0, 1.16067)]
    assert margin_of(pair, *longs, orders=above) == 4646_81
    assert margin_of(pair, *shorts, orders=below) == 4642_48
    assert margin_of(pair, *longs, *shorts, orders=[*above, *below]) == 4646_81


def test_vector_c_leveraged_cfd_at_the_average_open_price() -> None:
    cfd = gold(symbol="XAGUSD", calc_mode=CalcMode.CFD_LEVERAGE, contract_size=5000.0)
    assert margin_of(cfd, buy("XAGUSD", 1.0, 15.436), buy("XAGUSD", 2.0, 15.432, 2)) == 2315_00


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (CalcMode.CFD, 2 * 10 * 50.0),
        (CalcMode.STOCK, 2 * 10 * 50.0),
        (CalcMode.CFD_LEVERAGE, 2 * 10 * 50.0 / 100),
        (CalcMode.CFD_INDEX, 2 * 10 * 50.0 * 0.5 / 0.25),
        (CalcMode.FUTURES, 2 * 700.0),
    ],
)
def test_every_mode_by_its_formula(mode: CalcMode, expected: float) -> None:
    initial = 700.0 if mode is CalcMode.FUTURES else 0.0
    instrument = gold(
        calc_mode=mode, contract_size=10.0, tick_size=0.25, tick_value=0.5, margin_initial=initial
    )
    assert margin_of(instrument, buy("XAUUSD", 2.0, 50.0)) == minor(expected, 2)


def test_forex_without_leverage_takes_the_whole_contract() -> None:
    pair = fx("USDJPY", calc_mode=CalcMode.FOREX_NO_LEVERAGE)
    assert margin_of(pair, buy("USDJPY", 0.1, 150.0)) == 10_000_00
    assert margin_of(fx("USDJPY"), buy("USDJPY", 0.1, 150.0)) == 100_00


def test_initial_margin_overrides_and_is_levered_for_forex_and_leveraged_cfds_alone() -> None:
    assert margin_of(fx("USDJPY", margin_initial=5000.0), buy("USDJPY", 2.0, 150.0)) == 100_00
    for mode, expected in ((CalcMode.CFD_LEVERAGE, 100_00), (CalcMode.CFD, 10_000_00)):
        instrument = gold(calc_mode=mode, margin_initial=5000.0)
        assert margin_of(instrument, buy("XAUUSD", 2.0, 1950.0)) == expected
        hedged = gold(calc_mode=mode, margin_initial=5000.0, margin_hedged=0.0)
        pair = (buy("XAUUSD", 2.0, 1950.0), sell("XAUUSD", 2.0, 1950.0))
        assert margin_of(hedged, *pair) == 0


def test_a_hedge_is_free_where_the_hedged_margin_is_zero() -> None:
    pair = fx("EURUSD", margin_hedged=0.0)
    both = (buy("EURUSD", 1.0, 1.1), sell("EURUSD", 1.0, 1.2))
    assert margin_of(pair, *both) == 0
    assert margin_of(pair, *both, buy("EURUSD", 0.5, 1.3, 3)) == minor(
        0.5 * 1000 * (1.0 * 1.1 + 0.5 * 1.3) / 1.5, 2
    )


def test_a_netting_account_never_hedges() -> None:
    pair = fx("EURUSD", margin_hedged=0.0)
    resting = [order("EURUSD", Side.SELL, 1.0, 1.2)]
    held = buy("EURUSD", 1.0, 1.1)
    assert margin_of(pair, held, orders=resting) == 0
    assert margin_of(pair, held, orders=resting, margin_mode=NETTING) == 1200_00


def test_margin_converts_at_the_open_price_where_the_pair_joins_the_two_currencies() -> None:
    assert margin_currency(fx("EURUSD")) == "EUR"
    assert margin_currency(gold()) == "USD"
    assert margin_of(fx("EURUSD"), buy("EURUSD", 1.0, 1.10)) == 1100_00
    assert margin_of(fx("EURUSD"), buy("EURUSD", 1.0, 1.10), deposit="EUR") == 1000_00
    in_profit_currency = fx("EURUSD", margin_currency="USD")
    assert margin_of(in_profit_currency, buy("EURUSD", 1.0, 1.10), deposit="EUR") == minor(
        1000 / 1.10, 2
    )


def test_a_cross_takes_a_direct_pair_where_it_has_a_quote_else_its_profit_currency() -> None:
    cross = fx("EURGBP")
    held = buy("EURGBP", 1.0, 0.85)
    of = market_of([cross, *MAJORS], "USD")
    through_profit = {"GBPUSD": quote(1.25, 1.27)}
    assert margin_of(cross, held, quotes=through_profit) == minor(1000 * 0.85 * 1.26, 2)
    assert conversion_legs(of, "EURGBP", through_profit) == (Leg("GBPUSD", inverse=False),)
    direct = through_profit | {"EURUSD": quote(1.08)}
    assert margin_of(cross, held, quotes=direct) == 1080_00
    assert conversion_legs(of, "EURGBP", direct) == (Leg("EURUSD", inverse=False),)
    assert conversion_legs(of, "EURUSD", direct) == ()


def test_symbols_add_up_and_nothing_open_needs_nothing() -> None:
    of = market_of(MAJORS, "USD")
    assert margin_minor(of, 100, [], {}) == 0
    both = [buy("EURUSD", 1.0, 1.1), buy("XAUUSD", 0.1, 1950.0, 2)]
    assert margin_minor(of, 100, both, {}) == 1100_00 + 19_500_00


def test_an_unknown_margin_is_an_error_and_not_zero() -> None:
    with pytest.raises(KeyError, match="margin currency CHF"):
        margin_of(gold(margin_currency="CHF"), buy("XAUUSD", 1.0, 1950.0))
