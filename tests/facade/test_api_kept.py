"""Answers given again whole: the same head each time, and access asked each time."""

from pathlib import Path

import pytest

from engine.domain.ids import AccountKey
from engine.domain.snapshot import Snapshot
from facade.app import HEADERS
from facade.call import Options
from tests.facade.api_house import BASE, ApiHouse, api_house
from tests.facade.fake_desk import FakeDesk

STATUS = ("/positions/open", "/guards/status", "/reconciliation/status")


class StillDesk(FakeDesk):
    """Gives the same snapshot until something changes, as a board and a mirror do."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[AccountKey, tuple[tuple[int, int], Snapshot]] = {}

    def snapshot(self, key: AccountKey) -> Snapshot:
        version = self.version(key)
        if key not in self.known or self.known[key][0] != version:
            self.known[key] = (version, super().snapshot(key))
        return self.known[key][1]


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    desk = StillDesk()
    desk.tick(1.1010)
    with api_house(tmp_path, desk, Options(is_secure=True)) as found:
        return found


@pytest.mark.parametrize("path", STATUS)
async def test_an_answer_given_again_has_every_header_once(house: ApiHouse, path: str) -> None:
    first, second, third = [await house.ask("GET", path) for _ in range(3)]
    assert first.headers.multi_items() == second.headers.multi_items()
    assert second.headers.multi_items() == third.headers.multi_items()
    assert first.content == third.content
    named = [name for name, _ in third.headers.multi_items()]
    assert sorted(named) == sorted({*named})
    expected = {name.lower(): value for name, value in HEADERS.items()}
    assert expected.items() <= dict(third.headers).items()
    assert third.headers["strict-transport-security"].startswith("max-age=")
    assert third.headers["cache-control"] == "private, no-cache"
    known = {"If-None-Match": first.headers["etag"]}
    for _ in range(2):
        unchanged = await house.ask("GET", path, headers=known)
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert expected.items() <= dict(unchanged.headers).items()
        assert "content-length" not in unchanged.headers


async def test_an_answer_that_is_kept_is_for_whoever_asked_alone(house: ApiHouse) -> None:
    path = "/guards/status"
    for _ in range(2):
        both = await house.get(path)
    assert {one["login"] for one in both["guards"]} == {1001, 1002}
    narrow = await house.get(path, token=house.token("viewer", "ann", "Demo-1/1001"))
    assert {one["login"] for one in narrow["guards"]} == {1001}
    assert (await house.get(path, token=house.token("viewer", "bob")))["user_id"] == "bob"
    assert {one["login"] for one in (await house.get(path))["guards"]} == {1001, 1002}
    assert (await house.ask("GET", path, token="no.such.token")).status_code == 401
    refused = await house.ask("GET", path, token="")
    assert refused.status_code == 401
    assert "etag" not in refused.headers


async def test_a_tick_makes_an_answer_anew(house: ApiHouse) -> None:
    before = [await house.ask("GET", "/positions/open") for _ in range(2)]
    house.desk.tick(1.1020)
    after = await house.ask("GET", "/positions/open")
    assert before[0].headers["etag"] == before[1].headers["etag"] != after.headers["etag"]
    assert after.json()["total_unrealized_pnl"] != before[0].json()["total_unrealized_pnl"]


async def test_requests_answered_again_are_counted_as_all_others(house: ApiHouse) -> None:
    for _ in range(3):
        await house.ask("GET", "/guards/status")
    labels = {"route": f"{BASE}/guards/status", "status": "200"}
    read = house.metrics.registry.get_sample_value
    assert read("http_requests_total", labels) == 3.0
    assert read("request_duration_seconds_count", {"route": f"{BASE}/guards/status"}) == 3.0
