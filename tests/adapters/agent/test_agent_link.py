"""The agent against the real gateway over loopback TLS, with the package stood in for."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from adapters.mt5.agent import OWED_FRAMES, Agent, AgentSettings, _address_of
from adapters.mt5.terminal_side import TerminalSide
from engine.domain.ids import AccountKey
from engine.errors import AdapterError, UserError
from engine.link import Action, Handed, TerminalCommand
from tests.adapters.agent.stand_in import StandIn
from tests.adapters.mt5.link_house import House, contexts, house
from tests.adapters.mt5.link_samples import KEY

ACCOUNT = AccountKey("Demo-1", 1001)


class _Now(StandIn):
    """A stand-in on the machine's own clock."""

    def server_msc(self) -> int:
        self.now_s = time.time()
        return super().server_msc()


@asynccontextmanager
async def linked(tmp_path: Path) -> AsyncIterator[tuple[House, _Now, Agent]]:
    async with house(heartbeat_ms=100) as open_house:
        open_house.keys[ACCOUNT] = (KEY,)
        open_house.gateway.want_symbols("Demo-1", ["EURUSD"])
        mt5 = _Now(time.time())
        settings = AgentSettings(
            host="127.0.0.1",
            port=open_house.port,
            tls=contexts()[1],
            key=KEY,
            state=tmp_path,
            period_s=0.01,
            settle_s=0.0,
            clock_s=60.0,
        )
        agent = Agent(mt5, settings)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.run)
            yield open_house, mt5, agent
            nursery.cancel_scope.cancel()


def command(open_house: House, action: Action, **more: Any) -> None:
    told = TerminalCommand(action=action, **more)
    assert open_house.gateway.send_nowait(ACCOUNT, told) is Handed.HANDED


async def test_it_links_reports_quotes_and_beats(tmp_path: Path) -> None:
    async with linked(tmp_path) as (open_house, mt5, _):
        [reported] = await open_house.sink.until("reported")
        assert reported[1].complete
        number = mt5.open()
        await open_house.sink.until("quotes")
        await open_house.sink.until("heartbeat")
        [deal] = await open_house.sink.until("deal")
        assert deal[0] == ACCOUNT
        assert deal[1] > number


async def test_it_closes_and_tells_result_deal_and_position(tmp_path: Path) -> None:
    async with linked(tmp_path) as (open_house, mt5, _):
        await open_house.sink.until("reported")
        number = mt5.open()
        await open_house.sink.until("position")
        command(open_house, Action.CLOSE, intent_id="int_1-1", position=number)
        [(_, result)] = await open_house.sink.until("result")
        assert result.retcode == 10009
        changes = await open_house.sink.until("position", 2)
        assert [change.value for _, change, _ in changes] == ["opened", "closed"]
        await open_house.sink.until("deal", 2)


async def test_a_link_that_breaks_is_made_anew_and_a_report_follows(tmp_path: Path) -> None:
    async with linked(tmp_path) as (open_house, _, agent):
        await open_house.sink.until("reported")
        open_house.gateway._links[ACCOUNT]._end("cut by the test")
        await open_house.sink.until("reported", 2)
        assert list(agent.ends)


async def test_a_report_that_is_asked_for_comes(tmp_path: Path) -> None:
    async with linked(tmp_path) as (open_house, mt5, _):
        await open_house.sink.until("reported")
        mt5.failing = {"orders_get"}
        command(open_house, Action.REPORT)
        reports = await open_house.sink.until("reported", 2)
        assert not reports[1][1].complete


def agent_of(tmp_path: Path, **more: Any) -> Agent:
    settings = AgentSettings(
        host="127.0.0.1", port=9, tls=contexts()[1], key=KEY, state=tmp_path, **more
    )
    return Agent(StandIn(time.time()), settings)


async def test_a_quiet_link_is_no_silence_but_an_owed_acknowledgement_is(tmp_path: Path) -> None:
    agent = agent_of(tmp_path)
    agent._heard_s -= 100.0
    assert agent._silent_s() >= 100.0, "without a link every second counts"
    agent._side = cast("TerminalSide", object())
    assert agent._silent_s() == 0.0
    agent._session.next_n = OWED_FRAMES + 2
    agent._say(b"one more\n")
    assert agent._owed_since_s is not None
    agent._owed_since_s -= 31.0
    assert agent._silent_s() >= 31.0
    agent._note_heard()
    assert agent._silent_s() == 0.0


async def test_without_the_servers_clock_no_link_is_made(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, clock_s=0.05, settle_s=0.0, period_s=0.01)
    with pytest.raises(UserError, match="no fresh tick"):
        await agent.run()


async def test_it_ends_when_the_terminal_goes_to_another_account(tmp_path: Path) -> None:
    with pytest.RaisesGroup(AdapterError, flatten_subgroups=True, allow_unwrapped=True):
        async with linked(tmp_path) as (open_house, mt5, _):
            await open_house.sink.until("reported")
            mt5.login = 1002
            await trio.sleep_forever()


def test_where_a_moved_engine_is_is_read_or_left() -> None:
    assert _address_of("guard.example:8444") == ("guard.example", 8444)
    assert _address_of("[::1]:8444") == ("::1", 8444)
    assert _address_of("guard.example") is None
    assert _address_of(None) is None
