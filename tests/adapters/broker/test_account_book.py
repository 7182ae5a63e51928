"""What trades make of an account on the server: positions, deals, money."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.broker.requests import Kind
from adapters.mt5.constants import DealEntry, DealType
from engine.domain.account import MarginMode
from engine.domain.positions import Position, Side
from engine.domain.reports import DealReport
from engine.domain.units import minor
from tests.adapters.broker.server_world import (
    HEDGING,
    LOGIN,
    NETTING,
    World,
    close_request,
    symbol,
)
from tests.booked_deals import Deal, Entry, apply, money_of
from tests.booked_deals import DealType as BookedType

BUY, SELL = Side.BUY, Side.SELL
ENTRIES = {0: Entry.IN, 1: Entry.OUT, 2: Entry.INOUT, 3: Entry.OUT_BY}


def booked(deal: DealReport) -> Deal:
    """The deal as the engine books it."""
    return Deal(
        deal_id=deal.ticket,
        type=BookedType(DealType(deal.type).name.lower()),
        time_msc=deal.time_msc,
        entry=ENTRIES[deal.entry],
        position_id=deal.position_id,
        order=deal.order,
        symbol=deal.symbol,
        volume_lots=deal.volume,
        price=deal.price,
        profit_minor=minor(deal.profit, 2),
        swap_minor=minor(deal.swap, 2),
        commission_minor=minor(deal.commission, 2),
        fee_minor=minor(deal.fee, 2),
    )


def replayed(world: World) -> tuple[Position, ...]:
    """What the engine makes of the account's deals."""
    positions: tuple[Position, ...] = ()
    for deal in world.account.deals:
        done = apply(positions, booked(deal), world.account.terms.margin_mode)
        assert done.unexplained is None, done.unexplained
        positions = done.positions
    return positions


def test_a_close_that_names_no_position_opens_the_opposite_side_on_a_hedging_account() -> None:
    world = World()
    first = world.open(BUY, 1.0)
    second = world.open(SELL, 1.0)
    assert world.held() == [(first, BUY, 1.0), (second, SELL, 1.0)]


def test_a_close_that_names_its_position_closes_it() -> None:
    world = World()
    position = world.open(BUY, 1.0)
    world.deal(SELL, 1.0, position=position)
    assert world.held() == []
    assert world.account.deals[-1].entry == DealEntry.OUT
    assert world.account.deals[-1].profit == -10.0
    assert world.account.balance_minor == 999_000


def test_a_partial_close_leaves_the_rest_at_its_open_price() -> None:
    world = World()
    position = world.open(BUY, 1.0)
    world.deal(SELL, 0.4, position=position)
    assert world.held() == [(position, BUY, 0.6)]
    assert world.account.held()[0].open_price == 1.1001


def test_a_netting_account_adds_reduces_and_turns_around() -> None:
    world = World(margin_mode=NETTING)
    position = world.open(BUY, 1.0)
    world.quote("EURUSD", 1.1020)
    world.deal(BUY, 1.0)
    assert world.held() == [(position, BUY, 2.0)]
    assert world.account.held()[0].open_price == pytest.approx(1.10105)
    world.deal(SELL, 0.5)
    assert world.held() == [(position, BUY, 1.5)]
    turned = world.deal(SELL, 2.0)
    assert world.held() == [(position, SELL, 0.5)]
    deal = world.account.deals[-1]
    assert (deal.entry, deal.volume) == (DealEntry.INOUT, 2.0)
    assert world.account.held()[0].ticket == turned.order != position


def test_close_by_closes_the_smaller_and_leaves_the_rest_of_the_larger() -> None:
    world = World()
    long = world.open(BUY, 1.0)
    short = world.open(SELL, 0.4)
    answer = world.do(Kind.CLOSE_BY, position=long, position_by=short)
    assert answer.volume == 0.4
    assert world.held() == [(long, BUY, 0.6)]
    first, second = world.account.deals[-2:]
    assert {first.entry, second.entry} == {DealEntry.OUT_BY}
    assert (first.position_id, first.profit) == (long, -4.0)
    assert (second.position_id, second.profit) == (short, 0.0)


def test_swap_is_charged_at_the_servers_midnight_and_paid_with_the_close() -> None:
    world = World()
    world.server.change_symbol(symbol("EURUSD", swap_long_points=-5.0))
    position = world.open(BUY, 1.0)
    world.wait(8 * 3_600_000)
    assert world.account.held()[0].swap_minor == 0
    world.wait(4 * 3_600_000)
    assert world.account.held()[0].swap_minor == -1500, "Wednesday counts three nights"
    world.wait(24 * 3_600_000)
    assert world.account.held()[0].swap_minor == -2000
    world.deal(SELL, 0.5, position=position)
    assert world.account.deals[-1].swap == -10.0
    assert world.account.held()[0].swap_minor == -1000


def test_credit_is_not_balance_and_commission_is() -> None:
    world = World()
    world.server.change_symbol(symbol("EURUSD", commission_per_lot=3.5))
    world.server.move_money(LOGIN, DealType.CREDIT, 500.0, world.now_msc)
    world.server.move_money(LOGIN, DealType.BALANCE, -1000.0, world.now_msc)
    assert (world.account.balance_minor, world.account.credit_minor) == (900_000, 50_000)
    world.open(BUY, 2.0)
    assert world.account.deals[-1].commission == -7.0
    assert world.account.balance_minor == 899_300


moves = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "close", "close_by", "deposit", "price", "night"]),
        st.integers(1, 60),
        st.integers(0, 7),
    ),
    max_size=40,
)


@pytest.mark.parametrize("mode", [HEDGING, NETTING])
@settings(deadline=None, max_examples=60)
@given(moves=moves)
def test_whatever_is_traded_the_deals_explain_the_money_and_the_positions(
    mode: MarginMode, moves: list[tuple[str, int, int]]
) -> None:
    world = World(deposit=200_000.0, margin_mode=mode)
    for name in ("EURUSD", "USDJPY"):
        world.server.change_symbol(
            symbol(name, swap_long_points=-3.3, swap_short_points=1.7, commission_per_lot=2.35)
        )
    for what, size, which in moves:
        trade(world, what, size, which)
        account = world.account
        balance = sum(money_of(booked(deal)).balance_minor for deal in account.deals)
        credit = sum(money_of(booked(deal)).credit_minor for deal in account.deals)
        assert (account.balance_minor, account.credit_minor) == (balance, credit)
        mine = [(p.position_id, p.ticket, p.side, p.volume_lots) for p in account.held()]
        theirs = [(p.position_id, p.ticket, p.side, p.volume_lots) for p in replayed(world)]
        assert sorted(mine, key=str) == sorted(theirs, key=str)
        prices = {p.position_id: p.open_price for p in replayed(world)}
        for position in account.held():
            assert position.open_price == pytest.approx(prices[position.position_id])
        assert len({deal.ticket for deal in account.deals}) == len(account.deals)
        if mode is NETTING:
            symbols = [p.symbol for p in account.held()]
            assert len(set(symbols)) == len(symbols)


def trade(world: World, what: str, size: int, which: int) -> None:
    """One move of the property above; moves that do not apply do nothing."""
    name, lots = ("EURUSD", "USDJPY")[which % 2], size / 100
    held = world.account.held()
    if what in ("buy", "sell"):
        world.deal(Side(what), lots, name)
    elif what == "close" and held:
        position = held[which % len(held)]
        part = min(lots, position.volume_lots)
        request = close_request(position.position_id, position.side, part)
        assert world.server.execute_now(LOGIN, request, world.now_msc).is_done
    elif what == "close_by" and len(held) > 1:
        one, other = held[which % len(held)], held[(which + 1) % len(held)]
        world.do(Kind.CLOSE_BY, position=one.position_id, position_by=other.position_id)
    elif what == "deposit":
        kind = DealType.CREDIT if which == 0 else DealType.BALANCE
        world.server.move_money(LOGIN, kind, float(size), world.now_msc)
    elif what == "price":
        middle = {"EURUSD": 1.1, "USDJPY": 150.0}[name]
        world.quote(name, round(middle * (1 + (size - 30) / 10_000), 5))
    elif what == "night":
        world.wait(4 * 3_600_000)
