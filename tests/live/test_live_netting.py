"""Two strategies on one symbol of a netting account, over a real link."""

from typing import Any

from adapters.broker.requests import Kind
from engine.domain import records
from engine.domain.account import MarginMode
from engine.domain.beliefs import Terms
from engine.domain.commands import Adopt, Flatten, Refused, Register
from engine.domain.ids import AccountKey
from engine.domain.intents import Intent
from engine.domain.positions import Side
from tests.live.live_house import LiveHouse, live_house, spec_of

LOGIN = 1001
KEY = AccountKey("Demo-1", LOGIN)
NETS = Terms(digits=2, nets=True)


async def means(house: LiveHouse, name: str, lots: float, side: Side, **more: Any) -> None:
    """A strategy says what it means to hold, and trades it."""
    intent = Intent(intent_id=name, symbol="EURUSD", side=side, volume_lots=lots, tag=name, **more)
    taken = await house.engine.command(KEY, Register(0, "test", intent))
    assert not isinstance(taken, Refused)
    house.do(LOGIN, Kind.DEAL, symbol="EURUSD", side=side, lots=lots, comment=name)


def intents(house: LiveHouse) -> list[Any]:
    live = house.engine.snapshot(KEY).live
    assert live is not None
    return list(live.intents)


def discrepancies(house: LiveHouse) -> list[Any]:
    live = house.engine.snapshot(KEY).live
    assert live is not None
    return list(live.discrepancies)


async def test_two_intents_are_one_position_and_no_discrepancy_until_more_is_held() -> None:
    spec = spec_of(LOGIN, margin_mode=MarginMode.NETTING, minimum_hold_s=0.0)
    async with live_house([spec], terms=NETS, expects=True) as house:
        await means(house, "slow", 1.0, Side.BUY, in_flight_lots=1.0)
        await means(house, "fast", 0.4, Side.SELL, in_flight_lots=0.4)
        await house.until(
            lambda: [one.volume_lots for one in house.state(LOGIN).positions] == [0.6]
        )
        await house.until(lambda: all(one.position_ids for one in intents(house)))
        assert discrepancies(house) == []
        house.do(LOGIN, Kind.DEAL, symbol="EURUSD", side=Side.BUY, lots=0.3)
        await house.until(lambda: [one.state for one in discrepancies(house)] == ["confirmed"])
        [found] = discrepancies(house)
        assert (found.kind, found.subject) == ("volume", "EURUSD")
        assert found.expected == "0.6 EURUSD = slow 1 - fast 0.4"
        assert found.actual == "0.9 EURUSD = slow 1 - fast 0.1"
        [position] = house.state(LOGIN).positions
        await house.engine.command(KEY, Adopt(0, "ana", position.position_id, "mine"))
        await house.until(lambda: discrepancies(house) == [])
        await house.engine.command(KEY, Flatten(0, "ana", "the day is over"))
        await house.until(lambda: not house.held(LOGIN))
        await house.until(lambda: not house.state(LOGIN).live.open_closes)  # type: ignore[union-attr]
        await house.until(lambda: not intents(house))
        kinds = {one.kind for one in house.records(records.Discrepancy)}
        assert kinds <= {"volume", "equity_residual", "balance_residual"}
