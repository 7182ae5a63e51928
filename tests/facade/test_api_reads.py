"""Reads of the API: fields as the contract lists them, and what is refused."""

import re
from pathlib import Path

import pytest
import trio

from engine.domain.ids import AccountKey
from facade.access_policy import undeclared
from facade.call import LOOKING_BACK, Options
from tests.facade.api_house import BASE, ApiHouse, api_house
from tests.facade.fake_desk import FakeDesk

MOMENT = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z")


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    with api_house(tmp_path) as found:
        return found


async def test_reconciliation_status_has_the_fields_of_the_contract(house: ApiHouse) -> None:
    found = await house.get("/reconciliation/status")
    assert {
        "user_id", "status", "last_sync_at", "total_syncs", "last_sync_duration_ms",
        "open_positions_count", "matched_positions", "divergences_detected", "recent_events",
        "error_message",
    } <= found.keys()  # fmt: skip
    assert found["user_id"] == "ann"
    assert found["open_positions_count"] == 2
    assert found["quality"] == "known"


async def test_open_positions_have_the_fields_of_the_contract(house: ApiHouse) -> None:
    found = await house.get("/positions/open?account=Demo-1/1001")
    assert found["total_positions"] == 1
    (one,) = found["positions"]
    assert {
        "position_id", "ticket", "symbol", "direction", "volume", "entry_price", "entry_time",
        "current_price", "unrealized_pnl", "unrealized_pnl_pct", "take_profit", "stop_loss",
        "status", "matched_with_bot", "last_updated_at",
    } <= one.keys()  # fmt: skip
    assert (one["direction"], one["volume"], one["current_price"]) == ("buy", 1.0, 1.101)
    assert one["unrealized_pnl"] == found["total_unrealized_pnl"] == 100.0
    assert found["total_unrealized_pnl_pct"] == 1.0
    assert MOMENT.fullmatch(found["last_updated_at"])


async def test_no_open_position_is_an_empty_list(house: ApiHouse) -> None:
    found = await house.get("/positions/open?symbol=XAUUSD")
    assert (found["total_positions"], found["positions"]) == (0, [])
    assert found["total_unrealized_pnl"] == 0


async def test_guards_status_has_the_fields_of_the_contract(house: ApiHouse) -> None:
    found = await house.get("/guards/status?account=Demo-1/1001")
    assert {
        "user_id", "system_status", "drawdown_guard", "guards", "market_guard_alerts",
        "any_positions_should_close", "last_evaluated_at",
    } <= found.keys()  # fmt: skip
    assert found["drawdown_guard"].keys() >= {
        "current_equity", "peak_equity", "current_drawdown_pct", "alert_type",
        "alert_threshold_pct", "should_close_all", "time_to_liquidation_seconds",
        "last_checked_at",
    }  # fmt: skip
    assert found["drawdown_guard"]["current_equity"] == 10_100.0
    assert found["guards"][0]["floor"] == 9_000.0
    assert found["guards"][0]["distance"] == 1_100.0


async def test_a_blown_account_is_an_ordinary_answer(house: ApiHouse) -> None:
    house.desk.tick(0.9)
    for path in ("/guards/status", "/positions/open", "/accounts", "/accounts/Demo-1/1001"):
        assert (await house.ask("GET", path)).status_code == 200
    found = await house.get("/guards/status?account=Demo-1/1001")
    assert found["drawdown_guard"]["current_equity"] < 0
    assert found["drawdown_guard"]["alert_type"] == "critical"
    assert found["any_positions_should_close"]


async def test_a_page_of_accounts_counts_states_and_sums_currencies(house: ApiHouse) -> None:
    found = await house.get("/accounts?limit=1&sort=-login")
    assert [one["login"] for one in found["accounts"]] == [1002]
    assert found["total"] == 2
    assert found["counts"]["known"] == 2
    assert found["totals"][0]["currency"] == "USD"
    assert found["totals"][0]["equity"] == 20_200.0
    rest = await house.get(f"/accounts?limit=1&sort=-login&cursor={found['next_cursor']}")
    assert [one["login"] for one in rest["accounts"]] == [1001]
    assert rest["next_cursor"] is None


async def test_a_filter_says_which_word_took_everything(house: ApiHouse) -> None:
    found = await house.get("/accounts?filter=server:Demo-1 room<5")
    assert (found["total"], found["culprit"]) == (0, "room<5")
    refused = await house.ask("GET", "/accounts?filter=colour:red")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "filter"


async def test_an_account_says_its_room_and_the_age_of_its_quotes(house: ApiHouse) -> None:
    found = await house.get("/accounts/Demo-1/1001")
    assert (found["room"], found["quality"], found["age_ms"]) == (1_100.0, "known", 0)
    assert {"floor_after_reset", "next_reset_at", "state", "positions", "guards"} <= found.keys()
    assert MOMENT.fullmatch(found["time"])


async def test_an_answer_that_is_known_is_not_sent_again(house: ApiHouse) -> None:
    for path in ("/accounts", "/accounts/Demo-1/1001", "/guards/status", "/positions/open"):
        first = await house.ask("GET", path)
        known = {"If-None-Match": first.headers["etag"]}
        assert (await house.ask("GET", path, headers=known)).status_code == 304
        house.desk.tick(1.1011)
        assert (await house.ask("GET", path, headers=known)).status_code == 200


async def test_a_foreign_account_and_none_at_all_are_one_answer(house: ApiHouse) -> None:
    token = house.token("viewer", "bob", "Demo-1/1001")
    foreign = await house.ask("GET", "/accounts/Demo-1/1002", token=token)
    missing = await house.ask("GET", "/accounts/Demo-1/9999", token=token)
    assert foreign.status_code == missing.status_code == 404
    assert foreign.content == missing.content
    listed = await house.get("/accounts", token=token)
    assert [one["login"] for one in listed["accounts"]] == [1001]


async def test_numbers_that_would_mix_currencies_are_refused(tmp_path: Path) -> None:
    from msgspec.structs import replace

    from tests.domain.accounts import Life, market, unopened
    from tests.facade.fake_desk import FLOOR, SERVER

    desk = FakeDesk()
    euro = unopened([FLOOR], [], of=market("EUR"))
    key = AccountKey(SERVER, 1003)
    desk.lives[key] = Life(replace(euro, spec=replace(euro.spec, key=key)))
    desk.steps[key] = 1
    desk.tick(1.1)
    with api_house(tmp_path, desk) as house:
        refused = await house.ask("GET", "/guards/status")
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
        assert (await house.ask("GET", "/guards/status?currency=EUR")).status_code == 200
        assert {one["currency"] for one in (await house.get("/accounts"))["totals"]} == {
            "EUR",
            "USD",
        }


async def test_events_come_in_pages_with_their_times(house: ApiHouse) -> None:
    house.desk.say(1001, 5)
    first = await house.get("/accounts/Demo-1/1001/events?limit=4")
    assert [one["seq"] for one in first["events"]] == [1, 2, 3, 4]
    assert first["has_more"]
    assert MOMENT.fullmatch(first["events"][0]["time"])
    rest = await house.get(f"/accounts/Demo-1/1001/events?after={first['next_after']}")
    assert not rest["has_more"]
    assert rest["events"][-1]["seq"] == rest["last_seq"]


async def test_what_is_not_understood_names_its_field(house: ApiHouse) -> None:
    for query, field in (("limit=0", "limit"), ("limit=x", "limit"), ("colour=red", "colour")):
        refused = await house.ask("GET", f"/accounts/Demo-1/1001/events?{query}")
        assert refused.status_code == 422, refused.text
        assert refused.json()["errors"][0]["field"] == field


async def test_probes_need_no_token_and_tell_when_nothing_is_ready(house: ApiHouse) -> None:
    for path in ("./healthz", "./readyz", "./version", "/trading/health"):
        assert (await house.ask("GET", path, token="")).status_code == 200
    house.desk.is_ready = False
    assert (await house.ask("GET", "./readyz", token="")).status_code == 503
    assert (await house.ask("GET", "./healthz", token="")).status_code == 200
    assert (await house.get("/trading/health", token=""))["status"] == "down"
    refused = await house.ask("GET", "/accounts")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_metrics_need_a_service_or_an_admin(house: ApiHouse) -> None:
    assert (await house.ask("GET", "./metrics")).status_code == 403
    found = await house.ask("GET", "./metrics", token=house.token("admin"))
    assert found.status_code == 200
    assert 'http_requests_total{route="/metrics",status="403"} 1.0' in found.text


async def test_every_answer_has_the_headers_of_a_careful_server(house: ApiHouse) -> None:
    for path in ("/accounts", "/accounts/Demo-1/9", "/nowhere", "./", "./docs", "./healthz"):
        headers = (await house.ask("GET", path)).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "access-control-allow-origin" not in headers


async def test_every_route_has_a_policy_and_every_policy_a_route(house: ApiHouse) -> None:
    served = []
    for route in house.app.routes:
        methods = getattr(route, "methods", None) or {"GET"}
        served += [(method, route.path) for method in methods]  # type: ignore[attr-defined]
    assert undeclared(served) == ([], [])


async def test_a_period_is_answered_in_figures(house: ApiHouse) -> None:
    house.desk.tick(1.08)  # breached: everything is closed
    path = "/accounts/Demo-1/1001/statistics"
    found = await house.get(path)
    assert {"server", "login", "currency", "period", "quality", "age_ms"} == found.keys()
    period = found["period"]
    assert period["trade_days"] == 0 if period["closed_positions"] == 0 else 1
    assert (period["trades"]["wins"], period["trades"]["profit_factor"]) == (0, None)
    assert period["from_at"] == "1970-01-01T00:00:00.000Z"
    assert period["to_msc"] == house.desk.time_msc + 1, "never beyond now"
    assert (period["max_drawdown"], period["is_exact"]) == (None, False)
    later = await house.get(f"{path}?from_msc={2**52}")
    assert later["period"]["from_msc"] == later["period"]["to_msc"]
    refused = await house.ask("GET", f"{path}?from_msc=5&to_msc=4")
    assert refused.status_code == 422


async def test_a_client_behind_a_proxy_cannot_choose_the_address_it_is_counted_by(
    tmp_path: Path,
) -> None:
    with api_house(tmp_path, options=Options(behind_proxy=True)) as house:
        async with house.client("no token") as client:
            for told in (
                [("X-Forwarded-For", "10.0.0.1, 192.0.2.7")],
                [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "192.0.2.7")],
            ):
                assert (await client.get(f"{BASE}/accounts", headers=told)).status_code == 401
        rows = await house.trail.read(0, 10)
        assert [entry.origin for _, entry in rows] == ["192.0.2.7"], "one, and its repeat counted"


async def test_the_same_counts_after_another_start_of_the_engine_are_not_the_same_answer(
    tmp_path: Path,
) -> None:
    before, after = FakeDesk(), FakeDesk()
    before.tick(1.101)
    after.tick(1.102)
    tags = []
    for number, desk in enumerate((before, after)):
        with api_house(tmp_path / str(number), desk) as house:
            found = await house.ask("GET", "/accounts/Demo-1/1001")
            tags.append(found.headers["etag"])
    assert before.version(before.keys()[0]) == after.version(after.keys()[0])
    assert tags[0] != tags[1]


async def test_a_subject_reads_far_back_a_few_times_at_once_and_no_more(tmp_path: Path) -> None:
    desk = FakeDesk()
    desk.tick(1.101)
    desk.hold = trio.Event()
    statuses: list[int] = []
    with api_house(tmp_path, desk) as house:

        async def read(subject: str) -> None:
            token = house.token("viewer", subject)
            found = await house.ask("GET", "/reconciliation/logs", token=token)
            statuses.append(found.status_code)
            if found.status_code == 429:
                assert found.headers["retry-after"] == "1"

        async with trio.open_nursery() as nursery:
            for _ in range(LOOKING_BACK + 2):
                nursery.start_soon(read, "ann")
            while len(statuses) < 2:
                await trio.sleep(0)
            assert statuses == [429, 429]
            nursery.start_soon(read, "bob")
            desk.hold.set()
        assert statuses.count(200) == LOOKING_BACK + 1
        assert not house.parts.looking_back
