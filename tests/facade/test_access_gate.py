from itertools import product
from pathlib import Path
from typing import Any

import pytest

from facade.access import ROLES, Denied, Role
from facade.access_gate import Asked
from facade.access_policy import API, ROUTES, STEP_UP_S, Bucket, policy_of, undeclared
from tests.facade.access_desk import DESK, FOREIGN, OWN, AccessDesk

ACCOUNTS = f"{API}/accounts"
RELEASE = f"{API}/accounts/{{server}}/{{login}}/release"
HALT = f"{API}/halt"


@pytest.fixture
def desk(tmp_path: Path) -> AccessDesk:
    return AccessDesk(tmp_path)


def asked(method: str, path: str, token: str | None = None, **more: Any) -> Asked:
    bearer = None if token is None else f"Bearer {token}"
    return Asked(method, path, more.pop("address", "192.0.2.1"), bearer, **more)


def refusal(desk: AccessDesk, request: Asked) -> tuple[int, str]:
    with pytest.raises(Denied) as caught:
        desk.gate.admit(request)
    assert (caught.value.status == 429) == (caught.value.retry_after_s is not None)
    return caught.value.status, caught.value.reason


def test_every_route_lets_in_the_roles_of_its_policy_and_nobody_else(desk: AccessDesk) -> None:
    for (method, path), role in product(ROUTES, ROLES):
        policy = policy_of(method, path)
        token = desk.token(role, f"p-{role}", "Demo-1/1001")
        desk.now_s += 1
        if policy.scope == "all" and role in policy.roles:
            assert refusal(desk, asked(method, path, token)) == (403, "not_every_account")
            every = desk.token(role, f"e-{role}", "*")
            assert desk.gate.admit(asked(method, path, every)).scope.is_every
        elif policy.is_public or role in policy.roles:
            admitted = desk.gate.admit(asked(method, path, token))
            if not policy.is_public:
                assert admitted.who.subject == f"p-{role}"
                assert admitted.scope.named(str(OWN)) == OWN
                assert admitted.scope.named(str(FOREIGN)) is None
                assert admitted.scope.named("Demo-9/9") is None
        else:
            assert refusal(desk, asked(method, path, token)) == (403, "role")


def test_every_route_that_is_not_public_needs_a_token(desk: AccessDesk) -> None:
    public = set()
    for method, path in ROUTES:
        desk.now_s += 60
        if policy_of(method, path).is_public:
            public.add(path)
            assert desk.gate.admit(asked(method, path)).scope.keys() == ()
            continue
        assert refusal(desk, asked(method, path)) == (401, "token_missing")
        assert refusal(desk, asked(method, path, "nonsense")) == (401, "token_malformed")
    probes = {"/healthz", "/readyz", "/version", "/openapi.json", "/docs"}
    page = {"/", "/a/{server}/{login}", "/v/{id}", "/static/{path}"}
    assert public == {f"{API}/trading/health", *probes, *page}


def test_the_table_says_what_the_contract_says() -> None:
    writes = {route: policy for route, policy in ROUTES.items() if route[0] != "GET"}
    watchers: set[Role] = {"viewer", "service"}
    may = {path for (_, path), policy in writes.items() if policy.roles & watchers}
    assert may == {f"{API}/intents", f"{API}/session"}
    stepped = {path for (_, path), policy in writes.items() if policy.step_up}
    ruleset = f"{API}/accounts/{{server}}/{{login}}/ruleset"
    assert stepped == {RELEASE, ruleset, f"{API}/approvals"}
    assert policy_of("PUT", ruleset).roles == {"admin"}
    assert policy_of("GET", f"{API}/audit").roles == {"admin"}
    assert policy_of("HEAD", f"{API}/accounts") == policy_of("GET", f"{API}/accounts")


def test_a_route_without_a_policy_is_not_served(desk: AccessDesk) -> None:
    with pytest.raises(LookupError):
        desk.gate.admit(asked("POST", f"{API}/accounts/{{server}}/{{login}}/delete", desk.token()))
    served = [*ROUTES, ("HEAD", "/healthz"), ("GET", "/secret/{name:str}")]
    served.remove(("GET", "/static/{path}"))
    served.append(("GET", "/static/{path:path}"))
    assert undeclared(served) == (["GET /secret/{name}"], [])
    assert undeclared([]) == ([], sorted(f"{method} {path}" for method, path in ROUTES))


def test_what_raises_risk_needs_a_fresh_token(desk: AccessDesk) -> None:
    token = desk.token("operator")
    desk.now_s += STEP_UP_S
    desk.gate.admit(asked("POST", RELEASE, token))
    desk.now_s += 1
    assert refusal(desk, asked("POST", RELEASE, token)) == (403, "fresh_token_needed")
    desk.gate.admit(asked("GET", ACCOUNTS, token))


def test_the_token_decides_where_a_cookie_came_too(desk: AccessDesk) -> None:
    cookie = desk.sessions.open(desk.person("admin", "zoe")).cookies[0].partition(";")[0]
    request = asked("GET", ACCOUNTS, desk.token("viewer", "ann"), cookie=cookie)
    assert desk.gate.admit(request).who.subject == "ann"
    assert refusal(desk, asked("GET", ACCOUNTS, "bad", cookie=cookie))[0] == 401
    basic = Asked("GET", ACCOUNTS, "192.0.2.1", "Basic YTpi", cookie)
    assert refusal(desk, basic) == (401, "token_malformed")


def test_a_flood_of_bad_tokens_stops_being_verified_and_kills_nobodys_switch(
    desk: AccessDesk,
) -> None:
    known, fresh = desk.token("operator", "ann"), desk.token("operator", "bob")
    desk.gate.admit(asked("GET", ACCOUNTS, known))
    for _ in range(60):
        assert refusal(desk, asked("GET", ACCOUNTS, "x.y.z"))[0] == 401
    assert refusal(desk, asked("GET", ACCOUNTS, "x.y.z")) == (429, "rate_limited")
    assert refusal(desk, asked("POST", HALT, "x.y.z")) == (429, "rate_limited")
    assert refusal(desk, asked("GET", ACCOUNTS, fresh)) == (429, "rate_limited")
    desk.gate.admit(asked("GET", ACCOUNTS, known))  # verified before the flood
    assert desk.gate.admit(asked("POST", HALT, fresh)).policy.bucket is Bucket.KILL
    desk.gate.admit(asked("GET", ACCOUNTS, fresh, address="192.0.2.2"))


def test_a_subject_has_an_allowance_and_the_kill_switch_its_own(desk: AccessDesk) -> None:
    token = desk.token("operator", "ann")
    for number in range(600):
        desk.gate.admit(asked("GET", ACCOUNTS, token, address=f"192.0.2.{number % 200}"))
    assert refusal(desk, asked("GET", ACCOUNTS, token)) == (429, "rate_limited")
    for _ in range(120):
        desk.gate.admit(asked("POST", HALT, token))
    assert refusal(desk, asked("POST", HALT, token)) == (429, "rate_limited")
    desk.gate.admit(asked("POST", HALT, token, address="198.51.100.7"))  # at their own desk
    desk.gate.admit(asked("POST", HALT, desk.token("operator", "bob")))
    desk.now_s += 0.2
    desk.gate.admit(asked("GET", ACCOUNTS, token))


def test_a_request_shows_no_secret(desk: AccessDesk) -> None:
    token = desk.token()
    request = asked("GET", ACCOUNTS, token, cookie="tidegate=abc", csrf="def")
    assert repr(request) == f"Asked(GET {ACCOUNTS} from 192.0.2.1)"
    assert token not in repr(desk.gate.admit(request))
    assert len(DESK) == 3


def test_what_goes_on_for_long_learns_that_its_token_session_or_key_was_withdrawn(
    desk: AccessDesk,
) -> None:
    person, other = desk.person(), desk.person()
    cookie = desk.sessions.open(other).cookies[0].partition(";")[0]
    session = desk.sessions.read(cookie)
    assert session is not None
    assert not any(map(desk.gate.is_withdrawn, (person, session)))
    desk.keys.deny(person.token_id, int(desk.now_s) + 900, int(desk.now_s))
    assert desk.gate.is_withdrawn(person)
    assert not desk.gate.is_withdrawn(session)
    desk.sessions.close(session)
    assert desk.gate.is_withdrawn(session)
    assert not desk.gate.is_withdrawn(other), "only the session has ended"
    (desk.keys.directory / f"{desk.kid}.key").unlink()
    assert desk.gate.is_withdrawn(other)
