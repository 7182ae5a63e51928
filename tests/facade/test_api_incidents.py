"""Incidents of the API: newest first, with what they led to, and never another's."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.domain.records import CloseIntended, CloseSettled, CloseWaits
from facade.queries_incidents import incidents_of
from tests.facade.api_house import ApiHouse, api_house
from tests.facade.fake_desk import key_of


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    with api_house(tmp_path) as found:
        return found


async def test_a_warning_and_a_breach_are_listed_the_newest_first(house: ApiHouse) -> None:
    house.desk.tick(1.0920)
    house.desk.tick(1.0899)
    found = await house.get("/incidents?account=Demo-1/1001")
    assert [one["type"] for one in found["incidents"]] == ["guard_breach", "guard_warning"]
    breach, warning = found["incidents"]
    assert (breach["guard"], breach["equity"], breach["floor"]) == ("floor", 8990.0, 9000.0)
    assert breach["used_percent"] == 101.0
    assert breach["closes"] == 1
    assert (breach["settled"], breach["flat_after_ms"]) == (0, None)
    assert (warning["closes"], warning["used_percent"]) == (0, 80.0)
    assert breach["verdict_id"].startswith("vrd_")
    assert found["is_complete"]
    only = await house.get("/incidents?kind=breach")
    assert [one["login"] for one in only["incidents"]] == [1002, 1001]


async def test_one_who_owns_one_account_sees_its_incidents_alone(house: ApiHouse) -> None:
    house.desk.tick(1.0899)
    mine = house.token("viewer", "vic", "Demo-1/1002")
    found = await house.get("/incidents", token=mine)
    assert {one["login"] for one in found["incidents"]} == {1002}
    refused = await house.ask("GET", "/incidents?account=Demo-1/1001", token=mine)
    assert refused.status_code == 404
    wrong = await house.ask("GET", "/incidents?kind=thunder")
    assert wrong.status_code == 422


async def test_a_breach_is_not_flat_while_a_close_waits_for_a_stronger_rule(
    house: ApiHouse,
) -> None:
    house.desk.tick(1.0899)
    one = house.desk.snapshot(key_of(1001))
    after = await house.desk.records(key_of(1001), 0, 100)
    (asked,) = (record for record in after if isinstance(record, CloseIntended))
    place: dict[str, Any] = {"time_msc": asked.time_msc + 90, "login": 1001, "server": "Demo-1"}
    settled = CloseSettled(seq=90, intent_id=asked.intent_id, position_id=1001, kind="close",
                           attempts=1, took_ms=90, **place)  # fmt: skip
    waits = CloseWaits(seq=91, position_id=7, reason=asked.reason, yields_to=("news",),
                       until_msc=None, **place)  # fmt: skip
    (held,) = incidents_of(one, [*after, settled, waits])
    assert (held.closes, held.settled, held.waits, held.flat_after_ms) == (1, 1, 1, None)
    (flat,) = incidents_of(one, [*after, settled])
    assert (flat.waits, flat.flat_after_ms) == (0, 90)
    market = replace(waits, seq=89, position_id=1001, yields_to=("market_closed",))
    (flat,) = incidents_of(one, [*after, market, settled])
    assert (flat.waits, flat.flat_after_ms) == (0, 90), "settled, whoever closed it"
