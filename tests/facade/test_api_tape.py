"""The ticks of a breach and prices of each second, by the API, the internal socket and a mirror."""

from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from engine.client.async_client import open_client
from engine.client.mirror import Mirror
from engine.tape import PricePoint
from tests.engine.test_tape import START_MSC, tape_of
from tests.facade.api_house import api_house
from tests.facade.fake_desk import key_of
from tests.facade.internal_house import LONG_S, TOKEN, house

ONE = key_of(1001)
TAPE = tape_of("vrd_1")
POINTS = [PricePoint(START_MSC + 1000 * n, 1.1 + n / 1e4, 1.2) for n in range(5)]


async def test_a_tape_is_answered_with_times_in_words(tmp_path: Path) -> None:
    with api_house(tmp_path) as home:
        home.desk.tapes.of["vrd_1"] = TAPE
        found = await home.get("/verdicts/vrd_1/tape")
        [tick] = found["ticks"]
        assert tick["time"] == "2026-01-05T00:00:00.000Z"
        assert (tick["symbol"], tick["bid"], tick["equity"], tick["floor"]) == (
            "EURUSD", 1.1, 1.0, None,
        )  # fmt: skip
        assert found["polls"][0]["missed_percent"] == 12.5
        assert found["broker"][0]["equity"] == 1.01
        assert (found["agrees"], found["is_final"]) == (True, False)


async def test_a_tape_of_somebody_elses_account_is_as_none_at_all(tmp_path: Path) -> None:
    with api_house(tmp_path) as home:
        home.desk.tapes.of["vrd_1"] = TAPE
        home.desk.tapes.of["vrd_2"] = replace(TAPE, login=1002)
        token = home.access.token("viewer", "eve", str(ONE))
        own = await home.ask("GET", "/verdicts/vrd_1/tape", token=token)
        foreign = await home.ask("GET", "/verdicts/vrd_2/tape", token=token)
        missing = await home.ask("GET", "/verdicts/vrd_3/tape", token=token)
        assert own.status_code == 200
        assert foreign.status_code == missing.status_code == 404
        assert foreign.content == missing.content


async def test_prices_are_those_of_the_span_and_of_a_symbol_of_the_server(tmp_path: Path) -> None:
    with api_house(tmp_path) as home:
        home.desk.tapes.seconds["EURUSD"] = POINTS
        path = f"/accounts/{ONE}/prices"
        span = f"&from_msc={START_MSC + 1000}&to_msc={START_MSC + 3000}"
        found = await home.get(f"{path}?symbol=EURUSD{span}")
        assert [one["bid"] for one in found["prices"]] == [1.1001, 1.1002]
        assert found["prices"][0]["start_at"] == "2026-01-05T00:00:01.000Z"
        assert found["quality"] == "known"
        for asked in ("?symbol=EURNOK", ""):
            refused = await home.ask("GET", path + asked)
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["field"] == "symbol"


async def test_both_come_over_the_internal_socket_and_through_a_mirror() -> None:
    async with house() as home:
        home.desk.tapes.of["vrd_1"] = TAPE
        home.desk.tapes.seconds["EURUSD"] = POINTS
        async with open_client(home.path) as client:
            assert await client.tape("vrd_1") == TAPE
            assert await client.tape("vrd_2") is None
            assert await client.prices(ONE, "EURUSD", 0, 2**52) == POINTS
            assert await client.prices(ONE, "EURNOK", 0, 2**52) is None
            with pytest.raises(KeyError):
                await client.prices(key_of(9), "EURUSD", 0, 2**52)
        mirror = Mirror(home.path, TOKEN)
        async with anyio.create_task_group() as group:
            group.start_soon(mirror.run)
            with anyio.fail_after(LONG_S):
                await mirror.ready()
                assert await mirror.tapes.of_verdict("vrd_1") == TAPE
                assert await mirror.tapes.prices(ONE, "EURUSD", 0, START_MSC + 1) == POINTS[:1]
            group.cancel_scope.cancel()
