import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from facade.access import AccountScope, Denied, Scopes, tenants_of
from facade.access_tokens import Grant, issue
from tests.facade.access_desk import DESK, FOREIGN, OWN, T0_S, TENANTS, AccessDesk, part


@pytest.fixture
def desk(tmp_path: Path) -> AccessDesk:
    return AccessDesk(tmp_path)


def refused(desk: AccessDesk, token: str) -> str:
    with pytest.raises(Denied) as caught:
        desk.verifier.verify(token)
    assert caught.value.status == 401
    assert len(token) < 20 or token not in str(caught.value)
    return caught.value.reason


def test_a_token_says_whose_it_is_and_is_verified_once(desk: AccessDesk) -> None:
    token = desk.token("operator", "ann", "Demo-1/1001")
    assert not desk.verifier.remembers(token)
    person = desk.verifier.verify(token)
    assert (person.subject, person.role, person.accounts) == ("ann", "operator", ("Demo-1/1001",))
    assert (person.authenticated_s, person.expires_s) == (T0_S, T0_S + 900)
    assert desk.verifier.remembers(token)
    assert desk.verifier.verify(token) is person


def test_tokens_of_all_signatures_are_taken(desk: AccessDesk) -> None:
    for number in range(600):  # a signature may begin with any byte, `{` too
        desk.verifier.verify(desk.token("viewer", f"p{number}"))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": str(T0_S + 600)}, "claims_malformed"),
        ({"exp": float(T0_S) + 0.5}, "claims_malformed"),
        ({"exp": 10**400}, "claims_malformed"),
        ({"exp": 2**41}, "claims_malformed"),
        ({"exp": T0_S + 901}, "lifetime_too_long"),
        ({"exp": T0_S - 31, "iat": T0_S - 600}, "token_expired"),
        ({"iat": T0_S + 31}, "token_not_yet_valid"),
        ({"iat": -1}, "claims_malformed"),
        ({"iat": True}, "claims_malformed"),
        ({"exp": T0_S - 5, "iat": T0_S}, "lifetime_too_long"),
        ({"aud": "another"}, "audience_wrong"),
        ({"aud": ["tidegate"]}, "claims_malformed"),
        ({"iss": "another"}, "issuer_wrong"),
        ({"role": "root"}, "claims_malformed"),
        ({"role": ["admin"]}, "claims_malformed"),
        ({"sub": "ann\n"}, "claims_malformed"),
        ({"sub": ""}, "claims_malformed"),
        ({"sub": "a" * 65}, "claims_malformed"),
        ({"accounts": []}, "claims_malformed"),
        ({"accounts": "Demo-1/1001"}, "claims_malformed"),
        ({"accounts": ["*", "Demo-1/1001"]}, "claims_malformed"),
        ({"tenant": "north"}, "scope_missing"),
        ({"accounts": ...}, "scope_missing"),
        ({"nbf": T0_S}, "claims_malformed"),
        ({"jti": "../../x"}, "claims_malformed"),
        *(({name: ...}, "claims_malformed") for name in ("iss", "aud", "sub", "role")),
        *(({name: ...}, "claims_malformed") for name in ("iat", "exp", "jti")),
        *(({name: None}, "claims_malformed") for name in ("iss", "sub", "iat", "exp", "jti")),
    ],
)
def test_a_well_signed_token_with_a_wrong_claim_is_refused(
    desk: AccessDesk, changed: dict[str, Any], reason: str
) -> None:
    assert refused(desk, desk.saying(**changed)) == reason


def test_the_clock_may_be_thirty_seconds_off(desk: AccessDesk) -> None:
    desk.verifier.verify(desk.saying(iat=T0_S + 29))
    late = desk.saying(iat=T0_S - 800, exp=T0_S - 29)
    desk.verifier.verify(late)
    desk.now_s += 2
    assert refused(desk, late) == "token_expired"  # remembered, and expired all the same
    assert not desk.verifier.remembers(late)


def header_of(desk: AccessDesk, **changed: Any) -> str:
    sound = {"alg": "EdDSA", "kid": desk.kid, "typ": "JWT"} | changed
    return json.dumps({name: value for name, value in sound.items() if value is not ...})


def test_forged_headers_are_refused(desk: AccessDesk) -> None:
    body = json.dumps(desk.claims())
    public = desk.keys.trusted().public[desk.kid].public_bytes_raw()
    for alg in ("none", "None", "HS256", "RS256", "ES256", "eddsa"):
        head = part(header_of(desk, alg=alg).encode())
        text = f"{head}.{part(body.encode())}"
        for key in (public, public.hex().encode(), b""):
            mac = part(hmac.digest(key, text.encode(), hashlib.sha256))
            assert refused(desk, f"{text}.{mac}") == "token_malformed"
        assert refused(desk, f"{text}.") == "token_malformed"
    for kid in ("0" * 16, "../../etc/passwd", f"../access/{desk.kid}", desk.kid + "\0", "*"):
        assert refused(desk, desk.signed(body, header_of(desk, kid=kid))) == "key_unknown"
    for changed in ({"kid": ...}, {"typ": ...}, {"kid": 7}, {"kid": "k" * 65}):
        assert refused(desk, desk.signed(body, header_of(desk, **changed))) == "token_malformed"
    headers: tuple[dict[str, Any], ...] = (
        {"jwk": {}},
        {"jku": "https://x"},
        {"crit": ["b64"]},
        {"b64": False},
    )
    for more in headers:
        assert refused(desk, desk.signed(body, header_of(desk, **more))) == "token_malformed"


def test_another_key_under_our_kid_is_refused(desk: AccessDesk) -> None:
    head, body, _ = desk.token().split(".")
    text = f"{head}.{body}"
    forged = Ed25519PrivateKey.generate().sign(text.encode())
    assert refused(desk, f"{text}.{part(forged)}") == "signature_wrong"
    assert refused(desk, f"{text}.{part(bytes(64))}") == "signature_wrong"
    assert refused(desk, f"{text}.{part(forged[:40])}") == "signature_wrong"


def test_keys_given_twice_are_refused(desk: AccessDesk) -> None:
    body = json.dumps(desk.claims())
    twice = body[:-1] + ', "role": "admin"}'
    assert refused(desk, desk.signed(twice)) == "token_malformed"
    head = header_of(desk)[:-1] + f', "kid": "{desk.kid}"}}'
    assert refused(desk, desk.signed(body, head)) == "token_malformed"


def test_texts_that_are_no_token_are_refused(desk: AccessDesk) -> None:
    token = desk.token()
    for length in range(len(token)):
        assert refused(desk, token[:length]) in ("token_malformed", "signature_wrong")
    for text in (
        f"{token}=",
        f" {token}",
        f"{token}\n",
        f"{token}.x",
        token.replace(".", ".."),
        "é",
    ):
        assert refused(desk, text) == "token_malformed"
    assert refused(desk, "a" * 1_000_000) == "token_too_long"
    assert refused(desk, f"{token}{'A' * 4096}") == "token_too_long"
    deep = desk.signed("[" * 2000)
    assert refused(desk, deep) == "token_malformed"
    assert refused(desk, desk.signed(b"\xff\xfe")) == "token_malformed"
    assert refused(desk, desk.signed("null")) == "claims_malformed"


def test_no_change_of_a_token_is_taken_and_none_is_an_error(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    token = desk.token()

    @settings(max_examples=300, deadline=None, database=None)
    @given(st.data())
    def changed(data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(token) - 1))
        length = data.draw(st.integers(0, 8))
        piece = data.draw(st.text(max_size=12))
        mutant = token[:at] + piece + token[at + length :]
        if mutant != token:
            refused(desk, mutant)

    @settings(max_examples=200, deadline=None, database=None)
    @given(st.text(max_size=200))
    def anything(text: str) -> None:
        refused(desk, text)

    @settings(max_examples=200, deadline=None, database=None)
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=8,
        )
    )
    def any_claim(value: Any) -> None:
        for name in ("exp", "iat", "role", "iss"):
            refused(desk, desk.saying(**{name: value}))

    changed()
    anything()
    any_claim()


def test_a_denied_token_and_one_of_a_retired_key_end_at_once(desk: AccessDesk) -> None:
    made, other = desk.issued(), desk.issued()
    desk.verifier.verify(made.token)
    desk.keys.deny(made.token_id, T0_S + 900, T0_S)
    assert refused(desk, made.token) == "token_denied"
    desk.verifier.verify(other.token)
    desk.keys.retire(desk.kid)
    assert refused(desk, other.token) == "key_unknown"


def test_remembered_tokens_are_bounded(desk: AccessDesk) -> None:
    desk.verifier._remembered_max = 5
    tokens = [desk.token("viewer", f"p{number}") for number in range(12)]
    for token in tokens:
        desk.verifier.verify(token)
    assert [desk.verifier.remembers(token) for token in tokens] == [False] * 7 + [True] * 5


def test_a_token_nobody_would_take_is_not_made(desk: AccessDesk) -> None:
    for grant in (
        Grant("ann", "operator"),
        Grant("ann", "operator", ("*",), "north"),
        Grant("ann", "operator", ("*",), None, 901),
        Grant("ann", "operator", ("*",), None, 0),
        Grant("ann x", "operator", ("*",)),
        Grant("ann", "root", ("*",)),  # type: ignore[arg-type]
        Grant("ann", "viewer", tuple(f"Demo-1/{n}" for n in range(400))),
    ):
        with pytest.raises(UserError):
            issue(desk.keys, grant, T0_S)
    month = Grant("bot", "service", ("*",), None, 30 * 86_400)
    assert desk.verifier.verify(issue(desk.keys, month, T0_S).token).role == "service"


def test_a_foreign_account_and_a_missing_one_are_the_same(desk: AccessDesk) -> None:
    scope = Scopes(lambda: DESK, TENANTS).of(desk.person())
    assert scope.keys() == (OWN,)
    assert scope.one("Demo-1", "1001") == OWN
    assert scope.named("Demo-1/1001") == OWN
    for server, login in (
        (FOREIGN.server, str(FOREIGN.login)),
        ("Demo-9", "1"),
        ("Demo-1", "01001"),
        ("Demo-1", "1001 "),
        ("Demo-1", "\u0661\u0660\u0660\u0661"),
        ("Demo-1", "9" * 5000),
        ("demo-1", "1001"),
    ):
        assert scope.one(server, login) is None
    assert FOREIGN not in scope
    assert not scope.is_every


def test_scopes_follow_the_desk_and_its_tenants(desk: AccessDesk) -> None:
    keys = list(DESK[:2])
    scopes = Scopes(
        lambda: keys, tenants_of({"north": ["Demo-1/*"], "east": ["Demo-2/2002"]}, DESK)
    )
    every = desk.person("admin", "zoe", "*")
    assert scopes.of(every).keys() == DESK[:2]
    assert scopes.of(every) is scopes.of(every)
    keys.append(FOREIGN)
    assert scopes.of(every).keys() == DESK
    assert scopes.of(every).is_every
    keys[0] = OWN._replace(login=7)  # another book behind the same number of accounts
    assert scopes.of(every).keys() == (OWN._replace(login=7), *DESK[1:])
    keys[0] = OWN
    north = desk.verifier.verify(desk.saying(accounts=..., tenant="north"))
    assert scopes.of(north).keys() == DESK[:2]
    nobody = desk.verifier.verify(desk.saying(accounts=..., tenant="gone"))
    assert scopes.of(nobody).keys() == ()
    with pytest.raises(UserError, match="no account of the book"):
        tenants_of({"north": ["Demo-7/*"]}, DESK)
    assert AccountScope(()).named("") is None
