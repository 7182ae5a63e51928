"""Resting orders, stops and targets, stop-out, and what the server does by itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.broker.requests import Kind
from adapters.broker.server import ServerSettings
from adapters.mt5.constants import DealReason, DealType, OrderType
from engine.domain.positions import Side
from tests.adapters.broker.server_world import LOGIN, World, symbol, terms

BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.parametrize(
    ("kind", "price", "before", "reaches"),
    [
        (OrderType.BUY_LIMIT, 1.0990, 1.0991, 1.0990),
        (OrderType.SELL_LIMIT, 1.1010, 1.1009, 1.1010),
        (OrderType.BUY_STOP, 1.1010, 1.1009, 1.1010),
        (OrderType.SELL_STOP, 1.0990, 1.0991, 1.0990),
    ],
)
def test_an_order_rests_until_its_price_comes(
    kind: OrderType, price: float, before: float, reaches: float
) -> None:
    world = World()
    answer = world.do(Kind.PENDING, symbol="EURUSD", order_type=kind, lots=0.5, price=price)
    assert answer.retcode == 10008
    world.quote("EURUSD", before)
    assert list(world.account.orders) == [answer.order]
    world.quote("EURUSD", reaches)
    side = SELL if kind in (OrderType.SELL_LIMIT, OrderType.SELL_STOP) else BUY
    assert world.held() == [(answer.order, side, 0.5)]
    assert world.account.orders == {}


def test_a_limit_is_never_filled_worse_than_its_price() -> None:
    world = World(settings=ServerSettings(slippage_points=20.0))
    for _ in range(20):
        world.quote("EURUSD", 1.1000)
        world.do(Kind.PENDING, symbol="EURUSD", order_type=2, lots=0.01, price=1.0990)
        world.do(Kind.PENDING, symbol="EURUSD", order_type=3, lots=0.01, price=1.1010)
        world.quote("EURUSD", 1.0990)
        world.quote("EURUSD", 1.1010)
    buys = [p.open_price for p in world.account.held() if p.side is BUY]
    sells = [p.open_price for p in world.account.held() if p.side is SELL]
    assert max(buys) == 1.0990 > min(buys)
    assert min(sells) == 1.1010 < max(sells)


def test_a_stop_limit_becomes_a_limit_first() -> None:
    world = World()
    order = world.do(
        Kind.PENDING,
        symbol="EURUSD",
        order_type=OrderType.BUY_STOP_LIMIT,
        lots=0.1,
        price=1.1010,
        stop_limit=1.1005,
    ).order
    world.quote("EURUSD", 1.1012)
    assert world.account.orders[order].order_type == OrderType.BUY_LIMIT
    world.quote("EURUSD", 1.1004)
    assert world.held() == [(order, BUY, 0.1)]


def test_an_order_without_the_money_for_it_goes_unfilled() -> None:
    world = World(deposit=2000.0)
    world.do(Kind.PENDING, symbol="EURUSD", order_type=2, lots=1.5, price=1.0990)
    world.server.move_money(LOGIN, DealType.BALANCE, -1000.0, world.now_msc)
    world.quote("EURUSD", 1.0990)
    assert (world.account.orders, world.account.positions) == ({}, {})


@pytest.mark.parametrize(
    ("stop_loss", "take_profit", "bid", "reason"),
    [(1.0990, 0.0, 1.0990, DealReason.SL), (0.0, 1.1010, 1.1010, DealReason.TP)],
)
def test_a_stop_or_target_closes_with_its_reason(
    stop_loss: float, take_profit: float, bid: float, reason: DealReason
) -> None:
    world = World()
    world.open(BUY, 0.1, stop_loss=stop_loss, take_profit=take_profit)
    world.quote("EURUSD", bid)
    assert world.held() == []
    assert world.account.deals[-1].reason == reason


def test_nothing_is_set_off_while_the_market_is_closed() -> None:
    world = World()
    world.open(BUY, 0.1, stop_loss=1.0990)
    world.quote("EURUSD", 1.0900, after_ms=3 * 86_400_000)
    assert len(world.held()) == 1


def test_a_stop_out_takes_orders_first_and_then_the_largest_loss() -> None:
    world = World(deposit=3000.0)
    small = world.open(BUY, 0.5)
    large = world.open(BUY, 1.5)
    order = world.do(Kind.PENDING, symbol="EURUSD", order_type=2, lots=0.5, price=1.0500).order
    world.quote("EURUSD", 1.0902)
    assert order not in world.account.orders
    assert world.held() == [(small, BUY, 0.5)], f"{large} lost most"
    deal = world.account.deals[-1]
    assert (deal.position_id, deal.reason) == (large, DealReason.SO)


def test_a_balance_below_zero_after_a_stop_out_is_filled_up() -> None:
    world = World(deposit=1500.0)
    world.open(BUY, 1.0)
    world.quote("EURUSD", 1.0500)
    assert world.held() == []
    assert world.account.deals[-1].type == DealType.SO_COMPENSATION
    assert world.account.balance_minor == 0


def test_a_hedge_that_needs_no_margin_is_closed_when_nothing_is_left() -> None:
    world = World(deposit=1000.0)
    free = replace(symbol("EURUSD").instrument, margin_hedged=0.0)
    world.server.change_symbol(replace(symbol("EURUSD"), instrument=free))
    world.quote("EURUSD", 1.1000, 1.1000)
    world.open(BUY, 0.5)
    world.open(SELL, 0.5)
    assert world.account.margin_minor() == 0
    world.quote("EURUSD", 1.0990, 1.1010)
    assert len(world.held()) == 2
    world.quote("EURUSD", 1.0890, 1.1100)
    assert world.held() == []


def test_a_stop_out_may_be_looked_for_less_often() -> None:
    world = World(deposit=2000.0, settings=ServerSettings(stop_out_every_ms=10_000))
    position = world.open(BUY, 1.0)
    world.quote("EURUSD", 1.1000)
    world.quote("EURUSD", 1.0800, after_ms=8_000)
    assert len(world.held()) == 1, "looked at a moment ago"
    world.quote("EURUSD", 1.0800, after_ms=1_000)
    assert world.held() == []
    assert world.account.deals[-2].position_id == position


def test_a_stop_out_waits_for_the_market_to_open() -> None:
    world = World(deposit=1500.0)
    world.open(BUY, 1.0)
    world.quote("EURUSD", 1.0500, after_ms=3 * 86_400_000)
    assert len(world.held()) == 1


@settings(deadline=None, max_examples=60)
@given(
    trades=st.lists(st.tuples(st.booleans(), st.integers(1, 80)), min_size=1, max_size=8),
    path=st.lists(st.integers(-900, 900), min_size=1, max_size=12),
)
def test_after_every_tick_the_margin_is_carried_or_nothing_is_left(
    trades: list[tuple[bool, int]], path: list[int]
) -> None:
    world = World(deposit=3000.0)
    for is_buy, lots in trades:
        world.deal(BUY if is_buy else SELL, lots / 100)
    for points in path:
        world.quote("EURUSD", round(1.1 + points / 10_000, 5))
        account = world.account
        equity, margin = account.equity_minor(), account.margin_minor()
        assert not account.positions or 100 * equity > 50 * margin or (margin == 0 <= equity)
        assert account.balance_minor >= 0 or account.positions


def test_equal_seeds_trade_alike_and_other_seeds_do_not() -> None:
    def fills(seed: int) -> list[float]:
        world = World(seed=seed, settings=ServerSettings(slippage_points=5.0))
        for _ in range(8):
            world.open(BUY, 0.01)
        return [deal.price for deal in world.account.deals]

    assert fills(7) == fills(7) != fills(8)


def test_changed_terms_hold_from_the_next_request() -> None:
    world = World()
    assert world.deal(BUY, 0.1).is_done
    world.server.change_terms(terms(may_trade=False))
    assert world.deal(BUY, 0.1).retcode == 10017
    world.server.change_terms(terms())
    world.server.change_symbol(symbol("EURUSD", trade_mode=3))
    assert world.deal(BUY, 0.1).retcode == 10044
