"""Every route, by every role, on an account of the caller, of somebody else and of nobody.

Generated from the table of policies, so that a route that is new is in it, or the test fails.
"""

from pathlib import Path
from typing import Any

import pytest

from facade.access import ROLES
from facade.access_policy import API, ROUTES, Policy, undeclared
from tests.facade.api_house import ApiHouse, api_house
from tests.facade.fake_desk import FakeDesk

OWN, FOREIGN, MISSING = "Demo-1/1001", "Demo-1/1002", "Demo-9/9009"
NOT_HTTP = {("GET", f"{API}/ws")}
"""A WebSocket: tests/security/test_attacks.py and tests/facade/test_stream.py."""
ENDLESS = {("GET", f"{API}/stream")}
"""Once let in, it goes on: tried as far as it is refused."""
BODIES: dict[str, dict[str, Any]] = {
    f"{API}/intents": {
        "account": OWN,
        "intent_id": "i-1",
        "symbol": "EURUSD",
        "side": "buy",
        "volume_lots": 0.1,
    },
    f"{API}/reconciliation/sync": {"account": OWN},
    f"{API}/approvals": {"approval_id": "apr_none", "decision": "approve"},
    f"{API}/accounts/{{server}}/{{login}}/adopt": {"position_ids": [1001], "reason": "matrix"},
    f"{API}/accounts/{{server}}/{{login}}/flatten": {"reason": "matrix"},
    f"{API}/accounts/{{server}}/{{login}}/halt": {"reason": "matrix"},
    f"{API}/accounts/{{server}}/{{login}}/release": {"cause": "floor", "reason": "matrix"},
    f"{API}/accounts/{{server}}/{{login}}/ruleset": {"ruleset": "tight", "reason": "matrix"},
    f"{API}/flatten": {"reason": "matrix"},
    f"{API}/halt": {"reason": "matrix"},
}
NAMED_IN_QUERY = {
    f"{API}/reconciliation/status",
    f"{API}/reconciliation/logs",
    f"{API}/positions/open",
    f"{API}/guards/status",
    f"{API}/incidents",
    f"{API}/stream",
}
CASES = [
    (method, path, policy)
    for (method, path), policy in ROUTES.items()
    if (method, path) not in NOT_HTTP
]


class Asking:
    """Asks for a route about an account, as somebody of a role who owns 1001 alone."""

    def __init__(self, house: ApiHouse, method: str, path: str) -> None:
        self.house, self.method, self.path = house, method, path

    async def __call__(self, role: str | None, account: str = OWN) -> Any:
        server, _, login = account.partition("/")
        url = self.path.replace("{server}", server).replace("{login}", login)
        url = url.replace("{id}", "vrd_none").replace("{path}", "none.js")
        body = BODIES.get(self.path)
        more: dict[str, Any] = {}
        if body is not None:
            more["json"] = body | ({"account": account} if "account" in body else {})
        if self.path in NAMED_IN_QUERY:
            more["params"] = {"account": account}
        elif (self.method, self.path) == ("GET", f"{API}/accounts/{{server}}/{{login}}/ruleset"):
            more["params"] = {"ruleset": "tight"}
        elif self.path in (f"{API}/halt", f"{API}/flatten"):
            more["params"] = {"scope": "all"}
        token = "" if role is None else self.house.access.token(role, f"m-{role}", OWN)  # type: ignore[arg-type]
        if self.method == "POST" and self.path == f"{API}/intents":
            more["headers"] = {"Idempotency-Key": f"{role}-{account}"}
        return await self.house.ask(self.method, f".{url}", token=token, **more)

    @property
    def names_an_account(self) -> bool:
        body = BODIES.get(self.path, {})
        return "{server}" in self.path or self.path in NAMED_IN_QUERY or "account" in body


def _desk() -> FakeDesk:
    desk = FakeDesk()
    desk.tick(1.1010)
    return desk


def test_every_route_of_the_application_has_a_policy_and_every_policy_a_route(
    tmp_path: Path,
) -> None:
    with api_house(tmp_path) as house:
        served = [
            (method, str(getattr(route, "path", "")))
            for route in house.app.routes
            for method in (getattr(route, "methods", None) or {"GET"})
        ]
        missing, unused = undeclared(served)
        assert not missing
        pages = {"GET /", "GET /static/{path}", "GET /a/{server}/{login}", "GET /v/{id}"}
        assert set(unused) <= pages


@pytest.mark.parametrize(("method", "path", "policy"), CASES)
async def test_a_route_is_open_to_exactly_whom_its_policy_names(
    method: str, path: str, policy: Policy, tmp_path: Path
) -> None:
    with api_house(tmp_path, _desk()) as house:
        ask = Asking(house, method, path)
        found = await ask(None)
        assert (found.status_code == 401) is not policy.is_public, found.text
        if policy.is_public:
            assert found.status_code != 403
            return
        assert found.headers["www-authenticate"].startswith("Bearer")
        for role in ROLES:
            if role in policy.roles and (method, path) in ENDLESS:
                continue
            found = await ask(role)
            if role not in policy.roles:
                assert found.status_code == 403, (role, found.text)
                assert not house.desk.given, role
            else:
                is_refused_as_role = "problem:role" in found.text
                assert found.status_code not in (401, 500), (role, found.text)
                assert not is_refused_as_role, (role, found.text)
                house.desk.given.clear()


@pytest.mark.parametrize(
    ("method", "path", "policy"), [case for case in CASES if case[2].scope == "all"]
)
async def test_what_is_of_all_accounts_is_for_who_may_see_them_all(
    method: str, path: str, policy: Policy, tmp_path: Path
) -> None:
    with api_house(tmp_path, _desk()) as house:
        for role in sorted(policy.roles):
            some = house.access.token(role, f"s-{role}", OWN, "Demo-1/1002")
            found = await house.ask(method, f".{path}", token=some)
            assert (found.status_code, "not_every_account" in found.text) == (403, True)
            every = house.access.token(role, f"e-{role}", "*")
            assert (await house.ask(method, f".{path}", token=every)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "policy"), [case for case in CASES if not case[2].is_public]
)
async def test_a_foreign_account_and_none_are_one_answer(
    method: str, path: str, policy: Policy, tmp_path: Path
) -> None:
    with api_house(tmp_path, _desk()) as house:
        ask = Asking(house, method, path)
        for role in sorted(policy.roles):
            if not ask.names_an_account:
                if (method, path) not in ENDLESS:
                    found = await ask(role)
                    assert "1002" not in found.text, role
                continue
            foreign, missing = await ask(role, FOREIGN), await ask(role, MISSING)
            assert foreign.status_code == missing.status_code == 404, (role, foreign.text)
            assert foreign.content == missing.content
            assert dict(foreign.headers) == dict(missing.headers)
            if (method, path) not in ENDLESS:
                own = await ask(role, OWN)
                assert own.status_code != 404, (role, own.text)
        assert all(key.login == 1001 for key, _ in house.desk.given)
        assert all(key.login == 1001 for key in house.desk.asked)
