from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.access import Denied, Principal
from facade.access_gate import WEBSOCKET, Asked
from facade.access_policy import API
from facade.access_sessions import IDLE_S, LONGEST_S, Sessions, origin_is_ours
from tests.facade.access_desk import T0_S, AccessDesk

HALT = f"{API}/halt"
HOST = "desk.example"


@pytest.fixture
def desk(tmp_path: Path) -> AccessDesk:
    return AccessDesk(tmp_path)


def cookie_of(cookies: tuple[str, ...]) -> str:
    return cookies[0].partition(";")[0]


def read(desk: AccessDesk, header: str) -> Principal:
    found = desk.sessions.read(header)
    assert found is not None
    return found


def refused(desk: AccessDesk, header: str) -> str:
    with pytest.raises(Denied) as caught:
        desk.sessions.read(header)
    assert caught.value.status == 401
    return caught.value.reason


def test_a_session_is_whose_token_began_it(desk: AccessDesk) -> None:
    person = desk.person("operator", "ann", "Demo-1/1001", "Demo-1/1002")
    opened = desk.sessions.open(person)
    back = read(desk, f"other=1; {cookie_of(opened.cookies)}; more=2")
    assert (back.subject, back.role, back.accounts) == ("ann", "operator", person.accounts)
    assert (back.authenticated_s, back.token_id) == (T0_S, person.token_id)
    assert back.expires_s == opened.expires_s == T0_S + IDLE_S
    sealed, csrf = opened.cookies
    assert sealed.startswith("__Host-tidegate=")
    for word in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/", f"Max-Age={IDLE_S}"):
        assert word in sealed
    assert "HttpOnly" not in csrf
    assert opened.csrf in csrf
    assert repr(opened) == f"Opened(expires_s={opened.expires_s})"
    assert desk.sessions.read("other=1") is None


def test_it_outlives_a_restart_and_is_known_to_another_process(desk: AccessDesk) -> None:
    cookie = cookie_of(desk.sessions.open(desk.person()).cookies)
    other = Sessions(type(desk.keys)(desk.keys.directory), lambda: desk.now_s, is_secure=True)
    found = other.read(cookie)
    assert found is not None
    assert found.subject == "ann"


def test_it_is_renewed_until_the_working_day_ends(desk: AccessDesk) -> None:
    opened = desk.sessions.open(desk.person())
    first = read(desk, cookie_of(opened.cookies))
    for _ in range(LONGEST_S // (IDLE_S - 60) + 1):
        desk.now_s = min(desk.now_s + IDLE_S - 60, float(T0_S + LONGEST_S - 1))
        principal = read(desk, cookie_of(opened.cookies))
        opened = desk.sessions.open(principal)
        assert principal.session_id == first.session_id
        assert principal.authenticated_s == T0_S  # a renewal proves nothing anew
    assert opened.expires_s == T0_S + LONGEST_S
    desk.now_s = T0_S + LONGEST_S
    assert refused(desk, cookie_of(opened.cookies)) == "session_expired"


def test_it_ends_with_sign_out_and_with_its_token_and_key(desk: AccessDesk) -> None:
    one, two = desk.person("operator", "ann"), desk.person("operator", "ann")
    first, second = (cookie_of(desk.sessions.open(person).cookies) for person in (one, two))
    gone = desk.sessions.close(read(desk, first))
    assert all("Max-Age=0" in line for line in gone)
    assert refused(desk, first) == "session_ended"
    desk.keys.deny(two.token_id, T0_S + 900, T0_S)
    assert refused(desk, second) == "session_ended"
    third = cookie_of(desk.sessions.open(desk.person()).cookies)
    desk.keys.retire(desk.kid)
    assert refused(desk, third) == "key_unknown"


def test_no_changed_cookie_is_taken(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    name, _, value = cookie_of(desk.sessions.open(desk.person()).cookies).partition("=")
    for text in ("", ".", "x", "é.é", value[:-1], f"{value}.x", f"{value}; {name}={value}"):
        assert refused(desk, f"{name}={text}") == "session_malformed"

    @settings(max_examples=300, deadline=None, database=None)
    @given(
        st.integers(0, len(value) - 1), st.text(st.characters(exclude_characters="; "), max_size=9)
    )
    def changed(at: int, piece: str) -> None:
        mutant = value[:at] + piece + value[at + len(piece) :]
        if mutant != value:
            assert refused(desk, f"{name}={mutant}") == "session_malformed"

    changed()


def test_a_service_gets_no_session_and_too_many_accounts_do_not_fit(desk: AccessDesk) -> None:
    with pytest.raises(Denied, match="no_session_for_services"):
        desk.sessions.open(desk.person("service", "bot"))
    many = tuple(f"Demo-1/{number}" for number in range(300))
    with pytest.raises(Denied, match="too_many_accounts"):
        desk.sessions.open(msgspec.structs.replace(desk.person(), accounts=many))


def command(desk: AccessDesk, **more: Any) -> Asked:
    opened = desk.sessions.open(desk.person())
    sound: dict[str, Any] = {
        "cookie": cookie_of(opened.cookies),
        "csrf": opened.csrf,
        "origin": f"https://{HOST}",
        "host": HOST,
    }
    return Asked("POST", HALT, "192.0.2.1", **(sound | more))


def test_a_command_by_cookie_comes_from_our_own_page(desk: AccessDesk) -> None:
    assert desk.gate.admit(command(desk)).who.subject == "ann"
    foreign = desk.sessions.open(desk.person("operator", "mallory")).csrf
    for changed, reason in (
        ({"csrf": None}, "csrf"),
        ({"csrf": ""}, "csrf"),
        ({"csrf": foreign}, "csrf"),
        ({"csrf": "é"}, "csrf"),
        ({"origin": "https://evil.example"}, "origin"),
        ({"origin": "null"}, "origin"),
        ({"origin": None}, "origin"),
        ({"origin": None, "fetch_site": "same-site"}, "origin"),
        ({"fetch_site": "cross-site"}, "origin"),
        ({"host": None}, "origin"),
    ):
        with pytest.raises(Denied) as caught:
            desk.gate.admit(command(desk, **changed))
        assert (caught.value.status, caught.value.reason) == (403, reason)


def test_a_socket_by_cookie_comes_from_our_own_page_too(desk: AccessDesk) -> None:
    desk.gate.admit(command(desk)._replace(method="GET", path=WEBSOCKET, csrf=None))
    with pytest.raises(Denied, match="origin"):
        desk.gate.admit(
            command(desk)._replace(method="GET", path=WEBSOCKET, origin="https://evil.example")
        )
    desk.gate.admit(
        command(desk, origin=None, csrf=None)._replace(method="GET", path=f"{API}/stream")
    )


def test_with_origins_in_the_settings_the_host_is_not_looked_at() -> None:
    allowed = frozenset(("https://desk.example",))
    assert origin_is_ours("https://desk.example", None, "10.0.0.1:8080", allowed)
    assert not origin_is_ours("https://10.0.0.1:8080", None, "10.0.0.1:8080", allowed)
    assert not origin_is_ours("http://desk.example", None, "desk.example", allowed)
