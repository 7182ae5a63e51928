"""Forged and broken tokens over HTTP: each is 401, none is 500, and none is shown to anybody."""

import hmac
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.facade.access_desk import AccessDesk, part
from tests.facade.api_house import api_house

CANARY = "canary-7f3a91c5e2"


def _without_signature(desk: AccessDesk) -> str:
    head = part(json.dumps({"alg": "none", "kid": desk.kid, "typ": "JWT"}).encode())
    return f"{head}.{part(json.dumps(desk.claims()).encode())}."


def _by_public_key(desk: AccessDesk) -> str:
    """HMAC with what anybody may know as the secret: the confusion of algorithms."""
    head = part(json.dumps({"alg": "HS256", "kid": desk.kid, "typ": "JWT"}).encode())
    text = f"{head}.{part(json.dumps(desk.claims()).encode())}"
    return f"{text}.{part(hmac.digest(desk.kid.encode(), text.encode(), sha256))}"


def _another_body(desk: AccessDesk) -> str:
    head, _, signature = desk.saying().split(".")
    return f"{head}.{part(json.dumps(desk.claims(role='admin')).encode())}.{signature}"


FORGERIES: dict[str, Any] = {
    "empty": lambda desk: "",
    "a word": lambda desk: CANARY,
    "dots": lambda desk: "..",
    "no signature": _without_signature,
    "a signature of zeros": lambda desk: desk.saying().rpartition(".")[0] + "." + "A" * 86,
    "public key as secret": _by_public_key,
    "another body": _another_body,
    "expired": lambda desk: desk.saying(iat=1, exp=601),
    "for ever": lambda desk: desk.saying(exp=10**12),
    "a text as expiry": lambda desk: desk.saying(exp="9999999999"),
    "not a number": lambda desk: desk.signed('{"exp": NaN}'),
    "no expiry": lambda desk: desk.saying(exp=...),
    "another issuer": lambda desk: desk.saying(iss="somebody"),
    "another audience": lambda desk: desk.saying(aud="other"),
    "a role that is none": lambda desk: desk.saying(role="root"),
    "a claim more": lambda desk: desk.saying(is_admin=True),
    "said twice": lambda desk: desk.signed(json.dumps(desk.claims())[:-1] + ',"role":"admin"}'),
    "another key": lambda desk: desk.signed(
        json.dumps(desk.claims()), json.dumps({"alg": "EdDSA", "kid": "0" * 16, "typ": "JWT"})
    ),
    "a path as key": lambda desk: desk.signed(
        json.dumps(desk.claims()),
        json.dumps({"alg": "EdDSA", "kid": "../../etc/passwd", "typ": "JWT"}),
    ),
    "a key brought along": lambda desk: desk.signed(
        json.dumps(desk.claims()),
        json.dumps({"alg": "EdDSA", "kid": desk.kid, "jwk": {"kty": "OKP"}, "typ": "JWT"}),
    ),
    "no text": lambda desk: desk.signed(b"\xff\xfe"),
    "a list": lambda desk: desk.signed("[]"),
    "deep": lambda desk: desk.signed("[" * 1000),
    "long": lambda desk: "a" * 200_000,
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forged_token_is_401_and_never_500(name: str, tmp_path: Path) -> None:
    with api_house(tmp_path) as house:
        token = FORGERIES[name](house.access)
        async with house.client() as client:
            headers = {"Authorization": f"Bearer {token}"}
            for path in ("accounts", "audit"):
                found = await client.get(f"/api/v1/{path}", headers=headers)
                assert found.status_code == 401, found.text
            halted = await client.post("/api/v1/halt?scope=all", headers=headers, json={})
            assert halted.status_code == 401
        assert not house.desk.given


async def test_a_true_token_is_taken(tmp_path: Path) -> None:
    with api_house(tmp_path) as house:
        found = await house.ask("GET", "/accounts", token=house.access.saying())
        assert found.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        {"Authorization": f"Basic {CANARY}"},
        {"Authorization": f"Bearer {CANARY}.{CANARY}.{CANARY}"},
        {"Cookie": f"tidegate={CANARY}.{CANARY}"},
        {"X-CSRF-Token": CANARY},
    ],
)
async def test_a_secret_that_is_sent_is_shown_nowhere(
    header: dict[str, str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with api_house(tmp_path) as house:
        async with house.client() as client:
            for method, path in (("GET", "accounts"), ("POST", "session"), ("POST", "intents")):
                found = await client.request(method, f"/api/v1/{path}", headers=header, json={})
                assert found.status_code in (401, 403)
                assert CANARY not in found.text + str(found.headers)
        kept = await house.trail.read(0, 1000)
        assert kept
        assert CANARY not in str(kept)
    shown = capfd.readouterr()
    assert CANARY not in shown.out + shown.err


async def test_a_true_token_is_shown_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with api_house(tmp_path) as house:
        token = house.token("operator")
        for method, path, body in (
            ("GET", "/accounts", None),
            ("POST", "/accounts/Demo-1/1001/flatten", {"reason": "drill", "no": 1}),
            ("POST", "/accounts/Demo-1/1001/halt", {"reason": "drill"}),
            ("GET", "/accounts/Demo-1/77", None),
            ("GET", "/audit", None),
        ):
            found = await house.ask(method, path, token=token, json=body)
            assert token not in found.text + str(found.headers)
        secret = token.rpartition(".")[2]
        assert secret not in str(await house.trail.read(0, 1000))
    shown = capfd.readouterr()
    assert secret not in shown.out + shown.err
