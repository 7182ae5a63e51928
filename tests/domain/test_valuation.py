"""What positions are worth: the worked numbers, and rounding leg by leg."""

from random import Random

import pytest

from engine.domain.instruments import CalcMode, ConversionRule, Instrument
from engine.domain.positions import Side
from engine.domain.quotes import defect
from engine.domain.units import minor
from engine.domain.valuation import (
    floating_minor,
    mark_of_positions,
    market_of,
    missing_quote,
    profit_in_profit_currency,
    profit_minor,
    symbols_needed,
)
from tests.domain.accounts import MAJORS, Life, buy, fx, gold, market, quote, sell, unopened


def test_a_sold_euro_gains_five_pips() -> None:
    quotes = {"EURUSD": quote(1.0943, 1.0945)}
    assert profit_minor(market(), sell("EURUSD", 1.0, 1.0950), quotes) == 50_00


def test_bought_gold_gains_and_a_pound_account_books_it_in_pounds() -> None:
    quotes = {"XAUUSD": quote(1955.75, 1956.0), "GBPUSD": quote(1.25)}
    position = buy("XAUUSD", 0.10, 1950.50)
    assert profit_minor(market("USD"), position, quotes) == 52_50
    assert profit_minor(market("GBP"), position, quotes) == 42_00


def test_yen_profit_in_dollars_at_its_own_close_price() -> None:
    quotes = {"USDJPY": quote(150.500)}
    position = buy("USDJPY", 1.0, 150.000)
    assert profit_in_profit_currency(fx("USDJPY"), Side.BUY, 1.0, 150.0, 150.5) == 50_000
    assert profit_minor(market(), position, quotes) == 332_23


def test_a_yen_account_has_no_hundredths() -> None:
    quotes = {"USDJPY": quote(150.500), "XAUUSD": quote(1955.75, 1955.85)}
    of = market("JPY")
    assert of.digits == 0
    assert profit_minor(of, buy("USDJPY", 0.01, 150.0), quotes) == 500
    assert profit_minor(of, buy("XAUUSD", 0.01, 1950.50), quotes) == minor(5.25 * 150.5, 0)


# Found by search: the two legs round apart by a cent where their difference rounds otherwise.
@pytest.mark.parametrize("contract_size", [100_000.0, 1_000.0])
def test_each_forex_leg_is_rounded_by_itself(contract_size: float) -> None:
    lots = 0.001 if contract_size == 100_000.0 else 0.1
    pair = fx("EURUSD", contract_size=contract_size)
    # 100 units: 110.457 -> 110.46 and 110.441 -> 110.44, though the difference is 0.016 -> 0.02.
    assert profit_in_profit_currency(pair, Side.BUY, lots, 1.10441, 1.10457) == 2
    # 110.455 and 110.444 round to 110.46 and 110.44: two cents; the difference is 1.1 cents.
    assert profit_in_profit_currency(pair, Side.BUY, lots, 1.10444, 1.10456) == 2
    assert profit_in_profit_currency(pair, Side.SELL, lots, 1.10444, 1.10456) == -2
    joint = minor((1.10456 - 1.10444) * contract_size * lots, 2)
    assert joint == 1


def test_separate_and_joint_rounding_differ_in_about_a_quarter_of_small_trades() -> None:
    draw = Random(20261005)
    pair, differ, trades = fx("EURUSD"), 0, 4000
    for _ in range(trades):
        opened = round(draw.uniform(1.0, 1.2), 5)
        closed = round(opened + draw.uniform(-0.01, 0.01), 5)
        lots = draw.randint(1, 9) / 1000
        joint = minor((closed - opened) * 100_000.0 * lots, 2)
        differ += profit_in_profit_currency(pair, Side.BUY, lots, opened, closed) != joint
    assert 0.15 < differ / trades < 0.35


def test_a_hundredth_of_a_standard_lot_never_rounds_apart() -> None:
    draw, pair = Random(7), fx("EURUSD")
    for _ in range(2000):
        opened, closed = (round(draw.uniform(1.0, 1.2), 5) for _ in range(2))
        joint = minor((closed - opened) * 100_000.0 * 0.01, 2)
        assert profit_in_profit_currency(pair, Side.BUY, 0.01, opened, closed) == joint


@pytest.mark.parametrize(
    "mode", [CalcMode.CFD, CalcMode.CFD_INDEX, CalcMode.CFD_LEVERAGE, CalcMode.STOCK]
)
def test_cfds_and_stocks_round_the_difference(mode: CalcMode) -> None:
    instrument = gold(calc_mode=mode, contract_size=1.0)
    # 1.104 and 1.116 would round apart to 1.10 and 1.12; their difference is 0.012.
    assert profit_in_profit_currency(instrument, Side.BUY, 1.0, 1.104, 1.116) == 1
    assert profit_in_profit_currency(instrument, Side.SELL, 1.0, 1.104, 1.116) == -1


def test_futures_go_by_tick_value_over_tick_size() -> None:
    future = gold(
        symbol="ES", calc_mode=CalcMode.FUTURES, tick_size=0.25, tick_value=12.5, contract_size=9.0
    )
    assert profit_in_profit_currency(future, Side.BUY, 2.0, 5000.0, 5001.5) == 150_00
    assert profit_in_profit_currency(future, Side.SELL, 2.0, 5000.0, 5001.5) == -150_00
    quotes = {"ES": quote(5001.5)}
    assert mark_of_positions(market_of([future], "USD"), [buy("ES", 2.0, 5000.0)], quotes) == 150.0


def test_floating_is_the_sum_of_rounded_profits_and_swaps() -> None:
    quotes = {"EURUSD": quote(1.10456)}
    small = [buy("EURUSD", 0.001, 1.10444, n, swap_minor=-3) for n in range(1, 4)]
    assert floating_minor(market(), small, quotes) == 3 * (2 - 3)


def test_the_mark_is_not_rounded_and_converts_at_mid() -> None:
    quotes = {"XAUUSD": quote(1955.75, 1956.0), "GBPUSD": quote(1.20, 1.30)}
    mark = mark_of_positions(market("GBP"), [buy("XAUUSD", 0.10, 1950.50)], quotes)
    assert mark == pytest.approx(52.5 / 1.25, rel=1e-15)


def test_a_buy_closes_at_bid_and_a_sell_at_ask() -> None:
    quotes = {"XAUUSD": quote(1900.0, 1901.5)}
    hedge = [buy("XAUUSD", 1.0, 1900.0), sell("XAUUSD", 1.0, 1900.0)]
    assert floating_minor(market(), hedge, quotes) == -150_00


def test_part_of_a_position_is_worth_its_part() -> None:
    quotes = {"XAUUSD": quote(1955.75)}
    position = buy("XAUUSD", 0.10, 1950.50)
    assert profit_minor(market(), position, quotes, volume_lots=0.04) == 21_00
    assert profit_minor(market(), position, quotes, close_price=1951.50) == 10_00


def test_a_missing_conversion_is_unknown_and_never_zero() -> None:
    only_gold = {"XAUUSD": quote(1955.75)}
    position = buy("XAUUSD", 0.10, 1950.50)
    assert missing_quote(market("GBP"), [position], only_gold) == "GBPUSD"
    with pytest.raises(KeyError):
        profit_minor(market("GBP"), position, only_gold)
    assert symbols_needed(market("GBP"), [position]) == ("XAUUSD", "GBPUSD")
    assert market_of([gold()], "GBP").unconvertible == ("XAUUSD",)


def test_an_account_without_a_conversion_quote_is_not_valued() -> None:
    life = Life(unopened((), [buy("XAUUSD", 0.10, 1950.50)], of=market("GBP")))
    life.tick(life.state.time_msc, "XAUUSD", 1955.75)
    assert not life.state.known
    assert life.state.marks.ticks == 0
    life.tick(life.state.time_msc, "GBPUSD", 1.25)
    assert life.state.known
    assert life.equity_minor == 10_042_00


def test_a_crossed_quote_is_never_valued() -> None:
    nan, infinity = float("nan"), float("inf")
    assert defect(1.1001, 1.1000) == "crossed"
    assert defect(0.0, 1.1) == "not_positive"
    assert defect(-1.0, 1.1) == "not_positive"
    assert defect(1.1, 0.0) == "not_positive"
    assert defect(nan, 1.1) == defect(1.1, nan) == defect(1.1, infinity) == "malformed"
    assert defect(1.1, 1.1) is None
    assert defect(1.1, 1.2) is None


def test_by_market_is_a_switch_of_the_instrument() -> None:
    ruled = fx("USDJPY", conversion=ConversionRule.BY_MARKET)
    of = market_of([*(i for i in MAJORS if i.symbol != "USDJPY"), ruled], "USD")
    quotes = {"USDJPY": quote(150.4, 150.6)}
    loss = buy("USDJPY", 1.0, 150.9)  # closes at 150.4 for 50,000 yen less
    # by market a loss takes the ask of JPY->USD, which is 1 / (USDJPY bid)
    assert profit_minor(of, loss, quotes) == minor(-50_000 / 150.4, 2)
    gain = buy("USDJPY", 1.0, 149.9)
    assert profit_minor(of, gain, quotes) == minor(50_000 / 150.6, 2)
    # by deal a buy takes the ask whatever its sign: its own close price
    assert profit_minor(market(), gain, quotes) == minor(50_000 / 150.4, 2)
    assert profit_minor(market(), loss, quotes) == minor(-50_000 / 150.4, 2)


def test_every_calc_mode_is_worth_what_a_point_of_it_is() -> None:
    every = [
        Instrument(
            symbol=mode.value.upper(),
            calc_mode=mode,
            digits=2,
            contract_size=10.0,
            base_currency="USD",
            profit_currency="USD",
            tick_size=0.01,
            tick_value=0.1,
        )
        for mode in CalcMode
    ]
    of = market_of(every, "USD")
    worth = {
        i.symbol: profit_minor(of, buy(i.symbol, 2.0, 100.0), {i.symbol: quote(101.0)})
        for i in every
    }
    assert set(worth.values()) == {20_00}
