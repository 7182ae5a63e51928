"""The order of a flatten, what counts as re-opened, who yields to whom, and how fast it may go."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain import close_pacing
from engine.domain.close_orders import CloseOrder, Kind, State, sent
from engine.domain.close_pacing import Pace
from engine.domain.close_plans import (
    Held,
    Planned,
    Precedence,
    Rule,
    flatten_plan,
    precedence,
    reopened,
    to_send,
)
from engine.domain.reports import OrderReport, PositionReport


def held(name: int, lots: float, side: int = 0, symbol: str = "EURUSD", risk: float = 1.0) -> Held:
    return Held(position_id=name, symbol=symbol, side=side, volume_lots=lots, risk_per_lot=risk)


def closing(name: str, position_id: int, state: State, **changes: object) -> CloseOrder:
    made = CloseOrder(
        intent_id=name,
        epoch=1,
        position_id=position_id,
        symbol="EURUSD",
        kind=Kind.FULL,
        side=0,
        target_volume_lots=0.0,
        current_volume_lots=1.0,
        reason="operator",
        decided_at_ms=0,
        state=state,
        in_flight=state in (State.SENT, State.PLACED, State.UNKNOWN),
    )
    return replace(made, **changes)


def test_a_flatten_cancels_first_then_closes_the_largest_risk_then_pairs_then_what_they_leave() -> (
    None
):
    resting = OrderReport(ticket=9, symbol="EURUSD", type=2, volume_current=1.0, price_open=1.0)
    positions = (
        held(1, 0.5),
        held(2, 1.0),
        held(3, 0.7, side=1),
        held(4, 0.1, symbol="XAUUSD", risk=20.0),
    )
    assert flatten_plan(positions, [resting], netting=False) == (
        Planned(Kind.CANCEL, 9, "EURUSD"),
        Planned(Kind.FULL, 4, "XAUUSD"),
        Planned(Kind.FULL, 1, "EURUSD"),
        Planned(Kind.CLOSE_BY, 3, "EURUSD", 2),
        Planned(Kind.FULL, 2, "EURUSD"),
    )


def test_on_a_netting_account_the_largest_risk_goes_first() -> None:
    plan = flatten_plan((held(1, 1.0), held(2, 0.2, symbol="XAUUSD", risk=9.0)), [], netting=True)
    assert plan == (Planned(Kind.NETTING, 2, "XAUUSD"), Planned(Kind.NETTING, 1, "EURUSD"))


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 300)), min_size=1, max_size=8))
def test_a_plan_carried_out_leaves_nothing_and_never_adds_to_the_net_volume(
    rows: list[tuple[int, int]],
) -> None:
    books = {name: (side, lots) for name, (side, lots) in enumerate(rows, 1)}
    positions = [held(name, lots / 100, side) for name, (side, lots) in books.items()]
    net = abs(sum(lots if side == 0 else -lots for side, lots in books.values()))
    for planned in flatten_plan(positions, [], netting=False):
        side, lots = books.pop(planned.position_id)
        if planned.position_by is not None:
            other_side, other_lots = books[planned.position_by]
            assert other_side != side
            assert other_lots >= lots
            books[planned.position_by] = (other_side, other_lots - lots)
            if other_lots == lots:
                del books[planned.position_by]
        now = abs(sum(v if s == 0 else -v for s, v in books.values()))
        assert now <= net
        net = now
    assert books == {}


def test_one_command_a_position_and_cancels_before_closes() -> None:
    unknown = closing("a", 1, State.UNKNOWN)
    pair = closing("b", 2, State.DURABLE, kind=Kind.CLOSE_BY, position_by=1)
    free = closing("c", 3, State.DURABLE)
    cancel = closing("d", 3, State.DURABLE, kind=Kind.CANCEL)
    assert to_send([unknown, pair, free], 9) == [free]
    assert to_send([pair, free], 9) == [pair, free]
    assert to_send([pair, free], 1) == [pair]
    assert to_send([unknown, pair], 9) == []
    assert to_send([free, cancel], 9) == [cancel, free]
    assert to_send([free, cancel], 1) == [cancel]
    assert len(to_send([replace(unknown, state=State.DURABLE)], 9)) == 1, "its own repeat"


def test_what_is_sent_at_once_is_what_would_be_sent_one_by_one() -> None:
    rng = Random(7)
    kinds = [Kind.FULL, Kind.CLOSE_BY, Kind.CANCEL]
    waited = 0
    for _ in range(2_000):
        orders = []
        for number in range(rng.randrange(1, 7)):
            kind = rng.choice(kinds)
            by = rng.randrange(4) if kind is Kind.CLOSE_BY else None
            state = rng.choice([State.DURABLE, State.DURABLE, State.SENT, State.REFUSED])
            one = closing(str(number), rng.randrange(4), state, kind=kind, position_by=by)
            orders.append(replace(one, in_flight=state is State.SENT or rng.random() < 0.1))
        most, left = rng.randrange(7), list(orders)
        one_by_one: list[str] = []
        while len(one_by_one) < most and (found := first_to_send(left)) is not None:
            one_by_one.append(found.intent_id)
            left = [sent(one, 1)[0] if one is found else one for one in left]
        assert [one.intent_id for one in to_send(orders, most)] == one_by_one
        waited += len(one_by_one) < min(most, sum(o.state is State.DURABLE for o in orders))
    assert waited > 100, "some had to wait for others"


def first_to_send(orders: list[CloseOrder]) -> CloseOrder | None:
    """By the rules, one at a time: the first in order, no close beside a cancel.

    Where two are out for one position, the later one alone may be repeated.
    """

    def touches(order: CloseOrder) -> set[tuple[bool, int | None]]:
        cancel = order.kind is Kind.CANCEL
        return {(cancel, order.position_id), (cancel, order.position_by)} - {(cancel, None)}

    waiting = [order for order in orders if order.state is State.DURABLE]
    cancels = [order for order in waiting if order.kind is Kind.CANCEL]
    for order in cancels or waiting:
        out = [[o for o in orders if o.in_flight and one in touches(o)] for one in touches(order)]
        if all(not of_one or of_one[-1] is order for of_one in out):
            return order
    return None


def test_a_refused_close_does_not_keep_the_others() -> None:
    free = closing("b", 2, State.DURABLE)
    assert to_send([closing("a", 1, State.REFUSED), free], 9) == [free]


@pytest.mark.parametrize(
    ("identifier", "magic", "halted", "expected"),
    [(5, 7, True, True), (5, 7, False, False), (1, 7, True, False), (5, 0, True, False)],
)
def test_only_what_the_strategy_opens_anew_during_a_halt_is_re_opened(
    identifier: int, magic: int, halted: bool, expected: bool
) -> None:
    position = PositionReport(
        identifier=identifier,
        ticket=identifier,
        symbol="EURUSD",
        type=0,
        volume=0.1,
        price_open=1.0,
        magic=magic,
    )
    assert reopened(position, {1}, {7}, halted) is expected


def test_a_money_floor_sacrifices_news_and_minimum_hold_and_yields_to_nothing() -> None:
    both = (Rule.MINIMUM_HOLD, Rule.NEWS)
    assert precedence(Rule.MONEY_FLOOR, both) == Precedence(
        closes=True, sacrificed=(Rule.NEWS, Rule.MINIMUM_HOLD), yields_to=()
    )
    assert precedence(Rule.MINIMUM_HOLD, [Rule.NEWS]) == Precedence(
        closes=False, sacrificed=(), yields_to=(Rule.NEWS,)
    )
    assert precedence(Rule.NEWS, [Rule.MINIMUM_HOLD]).sacrificed == (Rule.MINIMUM_HOLD,)


def test_an_account_sends_ten_commands_in_any_second_and_no_more() -> None:
    pace, times_ms = Pace(), []
    for now_ms in range(0, 3_000, 7):
        if close_pacing.room(pace, now_ms):
            pace = close_pacing.counted(pace, now_ms)
            times_ms.append(now_ms)
    assert len(times_ms) == 30
    pairs = zip(times_ms, times_ms[10:], strict=False)
    assert all(later - first >= 1_000 for first, later in pairs)


def test_too_many_halves_the_rate_and_quiet_gives_it_back() -> None:
    pace = close_pacing.halved(Pace(), 0)
    assert close_pacing.rate_at(pace, 0) == 5
    pace = close_pacing.halved(pace, 10_000)
    assert close_pacing.rate_at(pace, 10_000) == 3
    assert close_pacing.rate_at(pace, 40_000) == 6
    assert close_pacing.rate_at(pace, 10_000_000) == 10
    for _ in range(9):
        pace = close_pacing.halved(pace, 10_000)
    assert close_pacing.rate_at(pace, 10_000) == 1


def test_one_discretionary_close_of_a_symbol_in_30_s_while_a_flatten_is_exempt() -> None:
    pace = close_pacing.decided_on(Pace(), "EURUSD", 1_000)
    assert close_pacing.free_at_ms(pace, "EURUSD") == 31_000
    assert close_pacing.free_at_ms(pace, "XAUUSD") == 0


def test_re_opened_positions_are_closed_ten_times_a_minute_at_most() -> None:
    pace = Pace()
    for now_ms in range(10):
        assert close_pacing.may_chase(pace, now_ms)
        pace = close_pacing.chased(pace, now_ms)
    assert not close_pacing.may_chase(pace, 59_999)
    assert close_pacing.may_chase(pace, 60_000)
