"""Every answer the server may give: by itself, where it has a cause, and on request."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.broker.faults import DEFAULTS, Fault
from adapters.broker.requests import Kind, Request
from adapters.broker.server import ServerSettings
from adapters.mt5.constants import OrderFilling
from engine.domain.positions import Side
from engine.domain.retcodes import RETCODES, RetcodeClass, classify
from tests.adapters.broker.server_world import (
    INSTRUMENTS,
    NOON_MSC,
    World,
    close_request,
    symbol,
)

BUY, SELL = Side.BUY, Side.SELL
Cause = Callable[[World], int]


def with_symbol(**more: Any) -> Callable[[World], World]:
    def change(world: World) -> World:
        world.server.change_symbol(symbol("EURUSD", **more))
        return world

    return change


def with_terms(**more: Any) -> Callable[[World], World]:
    def change(world: World) -> World:
        world.server.change_terms(replace(world.account.terms, **more))
        return world

    return change


def buy(lots: float = 0.1, **more: Any) -> Cause:
    return lambda world: world.deal(BUY, lots, **more).retcode


def sell(lots: float = 0.1, **more: Any) -> Cause:
    return lambda world: world.deal(SELL, lots, **more).retcode


def pending(kind: int = 2, price: float = 1.09, lots: float = 0.1) -> Cause:
    return lambda world: (
        world.do(Kind.PENDING, symbol="EURUSD", order_type=kind, price=price, lots=lots).retcode
    )


def closing(lots: float = 0.1, side: Side = SELL) -> Cause:
    def close(world: World) -> int:
        position = world.open(BUY, 0.1)
        return world.deal(side, lots, position=position).retcode

    return close


def after(first: Cause, then: Cause) -> Cause:
    def both(world: World) -> int:
        assert first(world) in (10008, 10009)
        return then(world)

    return both


def requoted(world: World) -> int:
    answer = world.deal(BUY, 0.1, price=1.0995, deviation=3)
    return answer.retcode


def frozen(world: World) -> int:
    order = world.do(Kind.PENDING, symbol="EURUSD", order_type=2, price=1.0999, lots=0.1).order
    return world.do(Kind.CANCEL, order=order).retcode


def unchanged(world: World) -> int:
    position = world.open(BUY, 0.1, stop_loss=1.05)
    return world.do(Kind.MODIFY, position=position, stop_loss=1.05).retcode


def younger_first(world: World) -> int:
    world.open(BUY, 0.1)
    return closing()(world)


def unquoted(world: World) -> int:
    instrument = replace(INSTRUMENTS[0], symbol="EURUSD.x")
    world.server.change_symbol(replace(symbol("EURUSD"), instrument=instrument))
    return world.deal(BUY, 0.1, "EURUSD.x").retcode


def on_saturday(world: World) -> int:
    world.now_msc = NOON_MSC + 3 * 86_400_000
    return world.deal(BUY, 0.1).retcode


def twice_at_once(world: World) -> int:
    position = world.open(BUY, 0.1)
    for _ in range(2):
        world.submit(close_request(position, BUY, 0.1))
    world.wait(100)
    # The refusal needs no execution, so which of the two is answered first is open.
    answers = sorted(answer.retcode for answer in world.answers())
    assert answers[0] == 10009
    assert world.held() == []
    return answers[1]


def too_many(world: World) -> int:
    request = Request(kind=Kind.DEAL, symbol="EURUSD", lots=0.1)
    for _ in range(3):
        world.submit(request)
    world.wait(100)
    return max(answer.retcode for answer in world.answers())


def as_is(world: World) -> World:
    return world


CAUSES: list[tuple[int, Callable[[World], World], Cause]] = [
    (10004, with_symbol(is_instant=True), requoted),
    (10006, with_symbol(depth_lots=0.1), buy(0.2, filling=OrderFilling.FOK)),
    (10008, as_is, pending()),
    (10009, as_is, buy()),
    (10010, with_symbol(depth_lots=0.1), buy(0.2)),
    (10013, as_is, buy(name="NOSUCH")),
    (10013, as_is, closing(side=BUY)),
    (10014, as_is, buy(0.015)),
    (10014, as_is, buy(0.0)),
    (10015, as_is, pending(price=1.2)),
    (10016, as_is, buy(stop_loss=1.2)),
    (10017, with_symbol(trade_mode=0), buy()),
    (10017, with_terms(may_trade=False), buy()),
    (10018, as_is, on_saturday),
    (10019, as_is, buy(50.0)),
    (10021, as_is, unquoted),
    (10024, with_terms(requests_a_second=2), too_many),
    (10025, as_is, unchanged),
    (10026, with_terms(may_run_experts=False), buy(is_expert=True)),
    (10027, with_terms(has_autotrading=False), buy(is_expert=True)),
    (10029, with_symbol(freeze_level=20), frozen),
    (10030, with_symbol(filling_mode=1), buy(filling=OrderFilling.IOC)),
    (10033, with_terms(most_orders=1), after(pending(), pending())),
    (10034, with_symbol(limit_lots=0.15), after(buy(), buy())),
    (10035, as_is, pending(kind=0)),
    (10036, as_is, sell(position=999)),
    (10038, as_is, closing(0.2)),
    (10039, as_is, twice_at_once),
    (10040, with_terms(most_positions=1), after(buy(), buy())),
    (10042, with_symbol(trade_mode=1), sell()),
    (10043, with_symbol(trade_mode=2), buy()),
    (10044, with_symbol(trade_mode=3), buy()),
    (10045, with_terms(is_fifo=True), younger_first),
    (10046, with_terms(may_hedge=False), after(buy(), sell())),
]


@pytest.mark.parametrize(("retcode", "change", "cause"), CAUSES, ids=lambda value: str(value)[:9])
def test_each_answer_has_a_cause(
    retcode: int, change: Callable[[World], World], cause: Cause
) -> None:
    assert cause(change(World())) == retcode


def test_every_class_of_answers_has_a_cause() -> None:
    assert {classify(retcode) for retcode, _, _ in CAUSES} == set(RetcodeClass)


@pytest.mark.parametrize("retcode", RETCODES)
def test_every_answer_can_be_asked_for(retcode: int) -> None:
    world = World()
    world.server.faults.ask(1001, Fault.RETCODE, retcode)
    world.submit(Request(kind=Kind.DEAL, symbol="EURUSD", lots=0.1))
    world.wait(100)
    assert [answer.retcode for answer in world.answers()] == [retcode]
    assert world.held() == []


def test_a_close_only_symbol_and_hedging_forbidden_let_a_close_through() -> None:
    world = World(may_hedge=False)
    position = world.open(BUY, 0.1)
    world.server.change_symbol(symbol("EURUSD", trade_mode=3))
    assert world.deal(SELL, 0.1, position=position).is_done


def faulted(fault: Fault, amount: int = 0) -> World:
    """A world in which a close suffers the fault."""
    world = World(settings=ServerSettings(latency_ms=(10, 10)))
    position = world.open(BUY, 0.1)
    world.server.faults.ask(1001, fault, amount)
    world.submit(close_request(position, BUY, 0.1))
    world.wait(100)
    return world


def test_a_lost_request_is_neither_done_nor_answered() -> None:
    world = faulted(Fault.LOST_REQUEST)
    assert (len(world.held()), world.answers()) == (1, [])


def test_a_lost_reply_is_done_and_not_answered() -> None:
    world = faulted(Fault.LOST_REPLY)
    assert (world.held(), world.answers()) == ([], [])


def test_a_late_execution_is_done_when_nobody_expects_it() -> None:
    world = faulted(Fault.LATE_EXECUTION)
    assert len(world.held()) == 1
    world.wait(DEFAULTS[Fault.LATE_EXECUTION])
    assert world.held() == []


def test_a_false_answer_may_follow_an_execution() -> None:
    world = faulted(Fault.RETCODE_DONE, 10011)
    assert (world.held(), world.answers()[0].retcode) == ([], 10011)


def test_a_fault_strikes_as_often_as_it_was_asked_for() -> None:
    world = World()
    world.server.faults.ask(1001, Fault.LOST_REQUEST, times=2)
    for left in (1, 0, 0):
        world.submit(Request(kind=Kind.DEAL, symbol="EURUSD", lots=0.1))
        assert world.server.faults.waiting(1001, Fault.LOST_REQUEST) == left
    assert world.server.faults.struck[Fault.LOST_REQUEST] == 2


def test_rates_strike_by_the_seed() -> None:
    def lost(seed: int) -> list[bool]:
        rates = {Fault.LOST_REQUEST: 0.5}
        world = World(seed=seed, settings=ServerSettings(fault_rates=rates))
        take = world.server.faults.take
        return [take(1001, Fault.LOST_REQUEST) is not None for _ in range(40)]

    assert lost(3) == lost(3) != lost(4)
    assert 5 < sum(lost(3)) < 35
