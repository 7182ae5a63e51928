"""Commands of the API: taken, once, by who may, with a second person where one is needed."""

from pathlib import Path
from typing import Any

import pytest

from engine.domain.commands import Flatten, Halt, Register, Release, Respec
from engine.errors import AdapterError
from facade.call import Options
from tests.facade.api_house import ApiHouse, api_house
from tests.facade.fake_desk import key_of

ONE = "/accounts/Demo-1/1001"


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    with api_house(tmp_path) as found:
        return found


async def said(house: ApiHouse) -> list[tuple[str, str, str]]:
    rows = await house.trail.read(0, 100)
    return [(entry.by, entry.asked, entry.outcome) for _, entry in rows]


async def post(house: ApiHouse, path: str, body: Any = None, **more: Any) -> Any:
    return await house.ask("POST", path, json=body or {}, **more)


async def test_a_halt_is_taken_and_written_to_the_trail(house: ApiHouse) -> None:
    answer = await post(house, f"{ONE}/halt", {"reason": "news"})
    assert answer.status_code == 202
    assert answer.json()["seq"] > 1
    ((key, command),) = house.desk.given
    assert key == key_of(1001)
    assert isinstance(command, Halt)
    assert (command.by, command.reason) == ("api:ann", "news")
    assert ("api:ann", "halt", "accepted") in await said(house)


async def test_a_flatten_needs_a_reason_and_names_its_closes(house: ApiHouse) -> None:
    refused = await post(house, f"{ONE}/flatten", {"reason": "  "})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "reason"
    taken = await post(house, f"{ONE}/flatten", {"reason": "end of day"})
    assert taken.status_code == 202
    assert len(taken.json()["intent_ids"]) == 1
    assert isinstance(house.desk.given[-1][1], Flatten)


async def test_a_viewer_commands_nothing(house: ApiHouse) -> None:
    for path in (f"{ONE}/halt", f"{ONE}/flatten", "/halt?scope=all"):
        refused = await post(house, path, {"reason": "x"}, token=house.token("viewer"))
        assert refused.status_code == 403
    assert house.desk.given == []


async def test_the_kill_switch_reaches_every_account_of_the_caller(house: ApiHouse) -> None:
    answer = await post(house, "/halt?scope=all", {"reason": "storm"})
    assert answer.status_code == 202
    assert answer.json()["accounts"] == 2
    assert {key for key, _ in house.desk.given} == {key_of(1001), key_of(1002)}
    assert house.killed == [("api:ann", "halt", 2, "storm")]
    own = house.token("operator", "bob", "Demo-1/1002")
    assert (await post(house, "/flatten?scope=all", {"reason": "x"}, token=own)).json()[
        "accounts"
    ] == 1


async def test_a_kill_switch_that_does_not_say_all_is_none(house: ApiHouse) -> None:
    assert (await post(house, "/halt", {"reason": "x"})).status_code == 422
    assert house.desk.given == []


async def test_the_kill_switch_is_not_rate_limited_out(house: ApiHouse) -> None:
    token = house.token("admin", "kim")
    statuses = {(await house.ask("GET", "/accounts", token=token)).status_code for _ in range(650)}
    assert statuses == {200, 429}
    assert (await post(house, "/halt?scope=all", token=token)).status_code == 202


async def test_one_key_is_one_effect(house: ApiHouse) -> None:
    keyed = {"Idempotency-Key": "k1"}
    first = await post(house, f"{ONE}/halt", {"reason": "a"}, headers=keyed)
    again = await post(house, f"{ONE}/halt", {"reason": "a"}, headers=keyed)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert len(house.desk.given) == 1
    other = await post(house, f"{ONE}/halt", {"reason": "b"}, headers=keyed)
    assert other.status_code == 409


async def breached(house: ApiHouse) -> None:
    house.desk.tick(1.08)
    assert house.desk.snapshot(key_of(1001)).halts == ("floor",)


async def test_a_breach_is_released_by_two(house: ApiHouse) -> None:
    await breached(house)
    house.desk.tick(1.2)
    asked = await post(house, f"{ONE}/release", {"reason": "checked"})
    assert asked.status_code == 202
    waiting = asked.json()
    assert waiting["status"] == "waiting"
    assert house.desk.given == []
    decision = {"approval_id": waiting["approval_id"], "decision": "approve"}
    assert (await post(house, "/approvals", decision)).status_code == 403
    listed = await house.get("/approvals", token=house.token("operator", "bob"))
    assert listed["approvals"][0]["asked"] == {"cause": "floor", "reason": "checked"}
    done = await post(house, "/approvals", decision, token=house.token("operator", "bob"))
    assert done.status_code == 202, done.text
    ((_, command),) = house.desk.given
    assert isinstance(command, Release)
    assert command.by == "api:ann+bob"
    spent = await post(house, "/approvals", decision, token=house.token("operator", "cat"))
    assert spent.status_code == 409


async def test_a_persons_own_halt_is_released_by_one(house: ApiHouse) -> None:
    await post(house, f"{ONE}/halt", {"reason": "lunch"})
    done = await post(house, f"{ONE}/release", {"reason": "back"})
    assert done.json()["status"] == "accepted"
    assert house.desk.snapshot(key_of(1001)).halts == ()


async def test_tighter_rules_come_at_once_and_looser_ones_by_two(house: ApiHouse) -> None:
    admin = house.token("admin", "kim")

    async def put(name: str) -> Any:
        body = {"ruleset": name, "reason": "review"}
        return await house.ask("PUT", f"{ONE}/ruleset", json=body, token=admin)

    tight = await put("tight")
    assert tight.json()["status"] == "accepted"
    assert isinstance(house.desk.given[-1][1], Respec)
    assert house.desk.snapshot(key_of(1001)).ruleset == "tight"
    loose = await put("loose")
    assert loose.json()["status"] == "waiting"
    assert house.desk.snapshot(key_of(1001)).ruleset == "tight"
    unknown = await put("nonsense")
    assert unknown.json()["errors"][0]["field"] == "ruleset"


async def test_a_full_report_is_asked_once_in_ten_seconds(house: ApiHouse) -> None:
    body = {"account": "Demo-1/1001"}
    assert (await post(house, "/reconciliation/sync", body)).status_code == 202
    refused = await post(house, "/reconciliation/sync", body)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    other = await post(house, "/reconciliation/sync", {"account": "Demo-1/1002"})
    assert other.status_code == 202
    assert house.desk.asked == [key_of(1001), key_of(1002)]


async def test_a_strategy_registers_what_it_means_to_hold(house: ApiHouse) -> None:
    body = {
        "account": "Demo-1/1001",
        "intent_id": "s-1",
        "symbol": "EURUSD",
        "side": "buy",
        "volume_lots": 0.5,
    }
    assert (await post(house, "/intents", body)).status_code == 403
    service = house.token("service", "bot")
    wrong = await post(house, "/intents", {**body, "volume_lots": -1}, token=service)
    assert wrong.json()["errors"][0]["field"] == "volume_lots"
    await post(house, "/intents", body, token=service)
    assert isinstance(house.desk.given[-1][1], Register)
    await post(house, "/intents", {**body, "in_flight_lots": 0.5}, token=service)
    given = house.desk.given[-1][1]
    assert isinstance(given, Register)
    assert given.intent.in_flight_lots == 0.5


async def test_what_raises_risk_waits_for_the_trail(house: ApiHouse) -> None:
    from engine.errors import AdapterError

    async def broken(entry: Any) -> int:
        raise AdapterError("the disk is full", system="audit", retry=False)

    await post(house, f"{ONE}/halt", {"reason": "lunch"})
    house.trail.append = broken  # type: ignore[method-assign]
    assert (await post(house, f"{ONE}/release", {"reason": "back"})).status_code == 503
    assert (await post(house, f"{ONE}/halt", {"reason": "still"})).status_code == 202


async def test_a_session_carries_a_page_and_ends(house: ApiHouse) -> None:
    token = house.token()
    async with house.client() as page:
        signed = {"Authorization": f"Bearer {token}"}
        opened = await page.post("/api/v1/session", headers=signed)
        assert opened.status_code == 200
        csrf = opened.json()["csrf_token"]
        assert all("SameSite=Strict" in c for c in opened.headers.get_list("set-cookie"))
        assert (await page.get("/api/v1/accounts")).status_code == 200
        assert (await page.post(f"/api/v1{ONE}/halt", json={})).status_code == 403
        ours = {"X-CSRF-Token": csrf, "Origin": "http://desk"}
        done = await page.post(f"/api/v1{ONE}/halt", json={}, headers=ours)
        assert done.status_code == 202
        assert (await page.delete("/api/v1/session", headers=ours)).status_code == 204
        assert (await page.get("/api/v1/accounts")).status_code == 401


async def test_where_cookies_are_off_nobody_signs_in(tmp_path: Path) -> None:
    with api_house(tmp_path, options=Options(cookies=False)) as house:
        assert (await post(house, "/session")).status_code == 403


async def test_the_trail_is_for_admins_and_shows_no_token(house: ApiHouse) -> None:
    await post(house, f"{ONE}/halt", {"reason": "x"})
    await house.ask("GET", "/accounts", token="nonsense")
    assert (await house.ask("GET", "/audit")).status_code == 403
    found = await house.get("/audit", token=house.token("admin"))
    asked = [row["asked"] for row in found["entries"]]
    assert "halt" in asked
    assert "GET /api/v1/accounts" in asked
    assert found["head"].startswith(f"{found['entries'][-1]['number']}:")
    assert "nonsense" not in str(found)


async def test_a_body_that_is_too_long_or_no_json_is_refused(house: ApiHouse) -> None:
    long = await house.ask("POST", f"{ONE}/halt", content=b"x" * 70_000)
    assert long.status_code == 413
    form = await house.ask("POST", f"{ONE}/halt", content=b"reason=x")
    assert form.status_code == 415
    unknown = await post(house, f"{ONE}/halt", {"colour": "red"})
    assert unknown.json()["errors"][0]["field"] == "colour"


async def test_a_kill_switch_nobody_can_be_told_of_stops_everything_all_the_same(
    house: ApiHouse,
) -> None:
    async def broken(*_: Any) -> None:
        raise AdapterError("it is away", system="engine", retry=True)

    object.__setattr__(house.parts, "on_kill", broken)
    answer = await post(house, "/halt?scope=all", {"reason": "storm"})
    assert answer.status_code == 202
    assert len(house.desk.given) == 2
