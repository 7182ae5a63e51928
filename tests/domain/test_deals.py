"""Deals on hedging and netting accounts, against a ledger that knows nothing of positions."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.account import MarginMode
from engine.domain.positions import Position, Side
from tests.booked_deals import Deal, DealType, Entry, MoneyMoved, apply, money_of
from tests.domain.accounts import HEDGING, NETTING, START_MSC, buy, sell


def deal(
    side: str, lots: float, price: float, entry: Entry = Entry.IN, position_id: int = 1, **more: Any
) -> Deal:
    fields: dict[str, Any] = {"deal_id": 9, "time_msc": START_MSC, "symbol": "EURUSD"}
    return Deal(
        **fields
        | {
            "type": DealType(side),
            "volume_lots": lots,
            "price": price,
            "entry": entry,
            "position_id": position_id,
        }
        | more
    )


def run(mode: MarginMode, *deals: Deal) -> tuple[Position, ...]:
    positions: tuple[Position, ...] = ()
    for one in deals:
        applied = apply(positions, one, mode)
        assert applied.unexplained is None
        positions = applied.positions
    return positions


def test_a_deal_in_opens_a_position() -> None:
    opened = run(HEDGING, deal("buy", 0.5, 1.1, order=77, magic=5))
    assert opened == (buy("EURUSD", 0.5, 1.1, 1, ticket=77, magic=5, opened_at_msc=START_MSC),)


def test_adding_averages_the_open_price_by_volume() -> None:
    for mode in MarginMode:
        (held,) = run(mode, deal("buy", 1.0, 1.10), deal("buy", 3.0, 1.14))
        assert held.volume_lots == 4.0
        assert held.open_price == pytest.approx(1.13, rel=1e-15)
        assert held.opened_at_msc == START_MSC


def test_a_partial_close_keeps_the_open_price_and_the_rest_of_the_swap() -> None:
    start = (sell("EURUSD", 1.0, 1.2, 1, swap_minor=-100, stop_loss=1.3),)
    applied = apply(start, deal("buy", 0.4, 1.1, Entry.OUT, swap_minor=-40), HEDGING)
    assert applied.closed_lots == 0.4
    assert applied.positions == (sell("EURUSD", 0.6, 1.2, 1, swap_minor=-60, stop_loss=1.3),)


def test_ten_tenths_are_a_whole() -> None:
    positions = run(HEDGING, deal("buy", 1.0, 1.1))
    for _ in range(10):
        positions = apply(positions, deal("sell", 0.1, 1.2, Entry.OUT), HEDGING).positions
    assert positions == ()


def test_a_hedging_account_holds_both_sides_apart() -> None:
    first, second = run(HEDGING, deal("buy", 1.0, 1.1), deal("sell", 1.0, 1.2, position_id=2))
    assert (first.side, second.side) == (Side.BUY, Side.SELL)
    closed = run(
        HEDGING,
        deal("buy", 1.0, 1.1),
        deal("sell", 1.0, 1.2, position_id=2),
        deal("sell", 1.0, 1.15, Entry.OUT_BY, 1),
        deal("buy", 1.0, 1.15, Entry.OUT_BY, 2),
    )
    assert closed == ()


def test_a_netting_reversal_keeps_the_identifier_and_takes_a_new_ticket() -> None:
    start = (buy("EURUSD", 1.0, 1.1, 1, ticket=50, swap_minor=-5, stop_loss=1.0),)
    applied = apply(start, deal("sell", 1.5, 1.2, Entry.INOUT, order=60), NETTING)
    assert (applied.closed_lots, applied.opened_lots) == (1.0, 0.5)
    assert applied.positions == (sell("EURUSD", 0.5, 1.2, 1, ticket=60, opened_at_msc=START_MSC),)


def test_a_netting_account_matches_by_symbol_whatever_identifier_the_deal_names() -> None:
    start = (buy("EURUSD", 1.0, 1.1, 1), buy("XAUUSD", 1.0, 1950.0, 2))
    applied = apply(start, deal("sell", 1.0, 1.2, Entry.OUT, position_id=99), NETTING)
    assert applied.positions == start[1:]


@pytest.mark.parametrize(
    ("one", "mode", "says"),
    [
        (deal("sell", 1.0, 1.2, Entry.OUT, position_id=5), HEDGING, "not open"),
        (deal("buy", 1.0, 1.2, Entry.OUT), HEDGING, "same side"),
        (deal("sell", 1.0, 1.2, Entry.IN), HEDGING, "other side"),
        (deal("sell", 3.0, 1.2, Entry.OUT), HEDGING, "closes 3.0 lots of 1.0"),
        (deal("sell", 3.0, 1.2, Entry.OUT), NETTING, "closes 3.0 lots of 1.0"),
    ],
)
def test_a_deal_that_does_not_fit_is_said_and_never_raises(
    one: Deal, mode: MarginMode, says: str
) -> None:
    applied = apply((buy("EURUSD", 1.0, 1.1),), one, mode)
    assert applied.unexplained is not None
    assert says in applied.unexplained


def test_cancelled_deals_and_money_leave_positions_alone() -> None:
    start = (buy("EURUSD", 1.0, 1.1),)
    for kind in DealType:
        if kind.side is None:
            moved = deal(kind.value, 1.0, 1.2, Entry.OUT, profit_minor=10)
            assert apply(start, moved, HEDGING).positions == start
            assert money_of(moved) != MoneyMoved()


def test_every_kind_of_money_goes_where_the_server_books_it() -> None:
    def moved(kind: DealType) -> MoneyMoved:
        costs: dict[str, Any] = {"swap_minor": -7, "commission_minor": -3, "fee_minor": -1}
        return money_of(deal(kind.value, 0, 0, profit_minor=100, **costs))

    total = 89
    for kind in DealType:
        if kind is DealType.CREDIT:
            assert moved(kind) == MoneyMoved(0, total, total)
        elif kind in (DealType.BALANCE, DealType.BONUS, DealType.CORRECTION):
            assert moved(kind) == MoneyMoved(total, 0, total)
        else:
            assert moved(kind) == MoneyMoved(total, 0, 0)
    bonus = deal("bonus", 0, 0, profit_minor=50)
    assert money_of(bonus, bonus_is_credit=True) == MoneyMoved(0, 50, 50)


Trade = tuple[bool, int, int]
trades = st.lists(
    st.tuples(st.booleans(), st.integers(1, 300), st.integers(-500, 500)), min_size=1, max_size=30
)


def _realised(held: Position | None, one: Deal) -> float:
    """What the broker would book: the closed volume times the distance from the open price."""
    if held is None or held.side is one.type.side:
        return 0.0
    closed = min(held.volume_lots, one.volume_lots)
    return held.side.sign * (one.price - held.open_price) * closed


@settings(max_examples=150)
@given(trades)
def test_netting_conserves_signed_volume_and_profit(made: list[Trade]) -> None:
    positions: tuple[Position, ...] = ()
    volume_steps = 0  # the ledger: signed hundredths of a lot, and cash paid for them
    cash = booked = price = 0.0
    for is_buy, steps, move in made:
        price = 100.0 + move / 10
        one = deal("buy" if is_buy else "sell", steps / 100, price)
        booked += _realised(positions[0] if positions else None, one)
        applied = apply(positions, one, NETTING)
        assert applied.opened_lots + applied.closed_lots == pytest.approx(one.volume_lots)
        positions = applied.positions
        volume_steps += steps if is_buy else -steps
        cash -= (steps if is_buy else -steps) / 100 * price
        signed = sum(p.side.sign * p.volume_lots for p in positions)
        assert round(signed * 100) == volume_steps
        assert len(positions) == (volume_steps != 0)
    floating = sum(p.side.sign * (price - p.open_price) * p.volume_lots for p in positions)
    assert booked + floating == pytest.approx(cash + volume_steps / 100 * price, abs=1e-6)


@settings(max_examples=100)
@given(trades, st.data())
def test_hedging_conserves_signed_volume_and_profit(made: list[Trade], data: st.DataObject) -> None:
    positions: tuple[Position, ...] = ()
    volume_steps, next_id = 0, 1
    cash = booked = price = 0.0
    for is_buy, steps, move in made:
        price = 100.0 + move / 10
        closable = [p for p in positions if (p.side is Side.SELL) is is_buy]
        side = "buy" if is_buy else "sell"
        held = data.draw(st.sampled_from([None, *closable]))
        if held is not None:
            lots = min(steps / 100, held.volume_lots)
            one = deal(side, lots, price, Entry.OUT, held.position_id)
            booked += _realised(held, one)
        else:
            one = deal(side, steps / 100, price, Entry.IN, next_id)
            next_id += 1
        applied = apply(positions, one, HEDGING)
        assert applied.unexplained is None
        positions = applied.positions
        signed_steps = round(one.volume_lots * 100) * (1 if is_buy else -1)
        volume_steps += signed_steps
        cash -= signed_steps / 100 * price
        assert round(sum(p.side.sign * p.volume_lots for p in positions) * 100) == volume_steps
    floating = sum(p.side.sign * (price - p.open_price) * p.volume_lots for p in positions)
    assert booked + floating == pytest.approx(cash + volume_steps / 100 * price, abs=1e-6)
