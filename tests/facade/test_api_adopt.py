"""Positions that nobody here opened are adopted: meant from then on, and in the audit trail."""

import time
from pathlib import Path
from typing import Any

import httpx

from engine.domain import records
from facade.app import make_app
from facade.call import Parts
from tests.facade.access_desk import AccessDesk
from tests.facade.api_house import ApiHouse, api_house
from tests.facade.test_api_live import parts_around
from tests.live.live_house import LiveHouse, live_house, spec_of

ONE = "/api/v1/accounts/Demo-1/1001"
KEY = {"Idempotency-Key": "adopt-once"}


class Floor:
    """The API over a running engine, asked in process."""

    def __init__(self, folder: Path, house: LiveHouse) -> None:
        self.access = AccessDesk(folder)
        self.access.now_s = time.time()
        self.parts: Parts = parts_around(house, self.access)
        self.app = make_app(house.engine, self.parts)

    async def adopt(self, *positions: int, role: Any = "operator", **more: Any) -> httpx.Response:
        token = self.access.token(role, "ann", "*")
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        body = {"position_ids": positions, "reason": "opened by hand", **more}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
            return await client.post(f"{ONE}/adopt", json=body, headers=headers)


def states(house: LiveHouse) -> list[tuple[str, str]]:
    return [(one.kind, one.state) for one in house.records(records.Discrepancy)]


async def test_a_discrepancy_is_resolved_by_adopting_what_is_held(tmp_path: Path) -> None:
    async with live_house([spec_of(1001)], expects=True) as house:
        floor = Floor(tmp_path, house)
        by_hand = house.open(1001, lots=0.1)
        other = house.open(1001, lots=0.2)
        await house.until(lambda: states(house).count(("unexpected", "confirmed")) >= 2)
        taken = await floor.adopt(by_hand, 999_999, headers=KEY)
        again = await floor.adopt(by_hand, 999_999, headers=KEY)
        assert taken.status_code == 202, taken.text
        assert taken.content == again.content, "a key is carried out once"
        said = taken.json()
        assert said["intent_ids"] == [f"adopted-{by_hand}"]
        assert said["failed"] == [{"position_id": 999_999, "reason": "position 999999 is not held"}]
        await house.until(lambda: ("unexpected", "resolved") in states(house))
        live = house.engine.snapshot(house.engine.keys()[0]).live
        assert live is not None
        [intent] = live.intents
        assert (intent.volume_lots, intent.position_ids) == (0.1, (by_hand,))
        left = [row.position_id for row in live.discrepancies if row.kind == "unexpected"]
        assert left == [other], "the other one stays"
        assert house.held(1001), "nothing is traded"
        twice = await floor.adopt(by_hand)
        assert (twice.status_code, "is meant already" in twice.text) == (409, True)
        trail = await floor.parts.audit.trail.read(0, 100)
        told = [(one.asked, one.reason) for _, one in trail if one.asked.startswith("adopt")]
        assert told[:2] == [
            (f"adopt {by_hand}", "opened by hand"),
            ("adopt 999999", "opened by hand"),
        ]


async def test_adopting_needs_a_reason_and_positions_and_a_role(tmp_path: Path) -> None:
    with api_house(tmp_path) as house:
        token = house.token("operator")
        for body, field in (
            ({"position_ids": [1]}, "reason"),
            ({"position_ids": [1], "reason": " "}, "reason"),
            ({"position_ids": [], "reason": "mine"}, "position_ids"),
            ({"position_ids": list(range(101)), "reason": "mine"}, "position_ids"),
        ):
            refused = await _post(house, body, token)
            assert refused.status_code == 422, body
            assert field in refused.text
        for role in ("viewer", "service"):
            refused = await _post(house, {"position_ids": [1], "reason": "m"}, house.token(role))
            assert refused.status_code == 403
        assert house.desk.given == []


async def test_an_account_without_a_link_has_nothing_to_adopt(tmp_path: Path) -> None:
    with api_house(tmp_path) as house:
        body = {"position_ids": [1001, 1001], "reason": "mine"}
        refused = await _post(house, body, house.token("admin"))
        assert refused.status_code == 409
        assert "no link" in refused.json()["detail"]
        assert len(house.desk.given) == 1, "a position that is named twice is asked for once"


async def _post(house: ApiHouse, body: dict[str, Any], token: str) -> httpx.Response:
    return await house.ask("POST", "/accounts/Demo-1/1001/adopt", json=body, token=token)
