"""The engine with real terminals at the other end of a real link, from quote to flat."""

from adapters.broker.requests import Kind
from engine.domain import records
from engine.domain.positions import Side
from tests.live.live_house import live_house, spec_of, trailing


async def test_a_breach_closes_at_the_broker_and_settles() -> None:
    async with live_house([spec_of(1001)]) as house:
        position = house.open(1001)
        await house.valued(1001, 1)
        house.quote("EURUSD", 1.0890, 1.0891)
        await house.until(lambda: not house.held(1001))
        await house.until(lambda: house.records(records.CloseSettled))
        [breach] = house.records(records.GuardBreach)
        assert breach.guard == "trailing"
        [closed] = house.records(records.PositionClosed)
        assert (closed.position_id, closed.reason) == (position, "guard:trailing")
        assert [r.cause for r in house.records(records.AccountHalted)] == ["trailing"]
        await house.until(lambda: house.state(1001).positions == ())
        told = house.server.accounts[1001].balance_minor
        await house.until(lambda: house.state(1001).balance_minor == told)
