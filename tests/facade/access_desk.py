"""Keys, tokens and a clock for tests of access; forged tokens are made by hand."""

import json
import os
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from engine.domain.ids import AccountKey
from facade.access import Principal, Role, Scopes
from facade.access_gate import Gate
from facade.access_keys import AccessKeys
from facade.access_sessions import Sessions
from facade.access_tokens import Grant, Issued, Verifier, issue
from facade.limits import Limits

T0_S = 1_700_000_000
OWN, FOREIGN = AccountKey("Demo-1", 1001), AccountKey("Demo-2", 2002)
DESK = (OWN, AccountKey("Demo-1", 1002), FOREIGN)
TENANTS = {"north": {OWN, DESK[1]}}


class AccessDesk:
    """Everything of access around one directory, under a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.now_s = float(T0_S)
        self.keys = AccessKeys(folder / "access")
        self.kid = self.keys.create("2026-01-01T00:00:00+00:00").kid
        self.settle()
        self.verifier = Verifier(self.keys, lambda: self.now_s)
        self.sessions = Sessions(self.keys, lambda: self.now_s, is_secure=True)
        self.limits = Limits(lambda: self.now_s)
        scopes = Scopes(lambda: DESK, TENANTS)
        self.gate = Gate(self.verifier, self.sessions, scopes, self.limits)

    def settle(self) -> None:
        """As if the last change of the directory were long ago."""
        seen = self.keys.directory.stat()
        old_ns = seen.st_mtime_ns - 10_000_000_000
        os.utime(self.keys.directory, ns=(old_ns, old_ns))

    def issued(
        self,
        role: Role = "operator",
        subject: str = "ann",
        accounts: tuple[str, ...] = ("Demo-1/1001",),
        lifetime_s: int = 900,
    ) -> Issued:
        grant = Grant(subject, role, accounts, None, lifetime_s)
        return issue(self.keys, grant, int(self.now_s))

    def token(self, role: Role = "operator", subject: str = "ann", *accounts: str) -> str:
        return self.issued(role, subject, accounts or ("Demo-1/1001",)).token

    def person(self, role: Role = "operator", subject: str = "ann", *accounts: str) -> Principal:
        return self.verifier.verify(self.token(role, subject, *accounts))

    def signed(self, body: str | bytes, header: str | None = None) -> str:
        """A token of this text, signed with the true key."""
        kid, private = self.keys.signer()
        head = header or json.dumps({"alg": "EdDSA", "kid": kid, "typ": "JWT"})
        raw = body.encode() if isinstance(body, str) else body
        text = f"{part(head.encode())}.{part(raw)}"
        return f"{text}.{part(private.sign(text.encode()))}"

    def claims(self, **changed: Any) -> dict[str, Any]:
        now_s = int(self.now_s)
        sound: dict[str, Any] = {
            "iss": "tidegate",
            "aud": "tidegate",
            "sub": "ann",
            "role": "operator",
            "iat": now_s,
            "exp": now_s + 600,
            "jti": "abcdefgh1234",
            "accounts": ["Demo-1/1001"],
        }
        return {name: value for name, value in (sound | changed).items() if value is not ...}

    def saying(self, **changed: Any) -> str:
        """A well-signed token with these claims changed; `...` leaves one out."""
        return self.signed(json.dumps(self.claims(**changed)))


def part(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
