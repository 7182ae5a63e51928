"""Sessions of the dashboard: a sealed cookie, because an EventSource cannot send a header.

The cookie itself says whose it is, sealed with HMAC-SHA256, so that it outlives a restart and is
known to every process that has the directory of keys. It ends when it is not renewed, when the
person signs out, after a working day at the latest, and with the key of the token it began with.
What asks for a fresh proof (`Policy.step_up`) looks at the token, never at the renewal.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple, NoReturn

import msgspec

from facade.access import Denied, Principal, Role
from facade.access_keys import AccessKeys

COOKIE_BYTES_MAX = 4000
IDLE_S = 900
LONGEST_S = 12 * 3600


class _Sealed(msgspec.Struct, forbid_unknown_fields=True, array_like=True):
    session_id: str
    subject: str
    role: Role
    accounts: tuple[str, ...]
    tenant: str | None
    token_id: str
    key_id: str
    authenticated_s: int
    expires_s: int
    opened_s: int


class Opened(NamedTuple):
    """A session as its page gets it. The texts are secrets of that page."""

    cookies: tuple[str, ...]
    """Values of two `Set-Cookie` headers."""
    csrf: str
    """To be sent as `X-CSRF-Token` with whatever is not a GET."""
    expires_s: int
    """Unless it is renewed before."""

    def __repr__(self) -> str:
        return f"Opened(expires_s={self.expires_s})"


class Sessions:
    """Opens, renews, reads and ends sessions; keeps nothing of them itself."""

    def __init__(
        self,
        keys: AccessKeys,
        now_s: Callable[[], float],
        *,
        is_secure: bool,
        idle_s: int = IDLE_S,
        longest_s: int = LONGEST_S,
    ) -> None:
        """`is_secure`: the page is reached by HTTPS, so its cookies go nowhere else."""
        self._keys = keys
        self._now_s = now_s
        self._idle_s = idle_s
        self._longest_s = longest_s
        prefix = "__Host-" if is_secure else ""
        self.cookie = f"{prefix}tidegate"
        self.csrf_cookie = f"{prefix}tidegate_csrf"
        self._attributes = "; Path=/; SameSite=Strict" + ("; Secure" if is_secure else "")

    def open(self, principal: Principal) -> Opened:
        """A session of whoever sent a token, or the renewed one of whoever sent a cookie.

        Raises:
            Denied: 403: a service signs in with its token; or it names too many accounts.
            UserError: the directory of keys cannot be written.
        """
        if principal.role == "service":
            raise Denied(403, "no_session_for_services", who=principal.subject)
        now_s = int(self._now_s())
        session_id, opened_s = secrets.token_urlsafe(18), now_s
        if principal.session_id is not None:  # `id.opened`: how `read` names a session
            session_id, _, opened = principal.session_id.partition(".")
            opened_s = int(opened)
        expires_s = min(now_s + self._idle_s, opened_s + self._longest_s)
        sealed = _Sealed(
            session_id=session_id,
            subject=principal.subject,
            role=principal.role,
            accounts=principal.accounts,
            tenant=principal.tenant,
            token_id=principal.token_id,
            key_id=principal.key_id,
            authenticated_s=principal.authenticated_s,
            expires_s=expires_s,
            opened_s=opened_s,
        )
        self._keys.session_secret()
        body = urlsafe_b64encode(msgspec.json.encode(sealed)).rstrip(b"=").decode()
        value = f"{body}.{self._mac('session', body)}"
        if len(value) > COOKIE_BYTES_MAX:
            raise Denied(403, "too_many_accounts_for_a_session", who=principal.subject)
        age = f"; Max-Age={max(0, expires_s - now_s)}"
        csrf = self._mac("csrf", session_id)
        cookies = (
            f"{self.cookie}={value}{self._attributes}{age}; HttpOnly",
            f"{self.csrf_cookie}={csrf}{self._attributes}{age}",
        )
        return Opened(cookies, csrf, expires_s)

    def read(self, header: str) -> Principal | None:
        """Whose session the `Cookie` header carries; None: it carries none.

        Raises:
            Denied: 401: it is forged, twice there, expired, ended, or its key is retired.
        """
        found = _values(header, self.cookie)
        if not found:
            return None
        body, _, mac = found[0].partition(".")
        if len(found) > 1 or len(found[0]) > COOKIE_BYTES_MAX or not found[0].isascii():
            _deny("session_malformed")
        if not hmac.compare_digest(mac, self._mac("session", body)):
            _deny("session_malformed")
        try:
            raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
            sealed = msgspec.json.decode(raw, type=_Sealed)
        except (msgspec.MsgspecError, ValueError):
            _deny("session_malformed")
        trusted = self._keys.trusted()
        if sealed.expires_s <= self._now_s():
            _deny("session_expired", sealed.subject)
        if sealed.key_id not in trusted.public:
            _deny("key_unknown", sealed.subject)
        if sealed.session_id in trusted.denied or sealed.token_id in trusted.denied:
            _deny("session_ended", sealed.subject)
        return Principal(
            subject=sealed.subject,
            role=sealed.role,
            accounts=sealed.accounts,
            tenant=sealed.tenant,
            token_id=sealed.token_id,
            key_id=sealed.key_id,
            authenticated_s=sealed.authenticated_s,
            expires_s=sealed.expires_s,
            session_id=f"{sealed.session_id}.{sealed.opened_s}",
        )

    def close(self, principal: Principal) -> tuple[str, ...]:
        """Ends it for good, in every process; `Set-Cookie` values that take the cookies away.

        Raises:
            UserError: the deny-list cannot be written; the session lasts until it expires.
        """
        if principal.session_id is not None:
            now_s = int(self._now_s())
            session_id, _, opened = principal.session_id.partition(".")
            self._keys.deny(session_id, int(opened) + self._longest_s, now_s)
        gone = f"{self._attributes}; Max-Age=0"
        return (f"{self.cookie}={gone}; HttpOnly", f"{self.csrf_cookie}={gone}")

    def csrf_agrees(self, principal: Principal, sent: str | None) -> bool:
        """Whether the page that holds this session sent it: the token is bound to the session."""
        session_id = (principal.session_id or "").partition(".")[0]
        if not sent or not session_id or not sent.isascii():
            return False
        return hmac.compare_digest(sent, self._mac("csrf", session_id))

    def _mac(self, use: str, text: str) -> str:
        secret = self._keys.trusted().session
        if secret is None:
            _deny("session_unreadable")
        made = hmac.digest(secret.reveal(), f"{use}|{text}".encode(), sha256)
        return urlsafe_b64encode(made).rstrip(b"=").decode()


def origin_is_ours(
    origin: str | None, fetch_site: str | None, host: str | None, allowed: frozenset[str]
) -> bool:
    """Whether a browser's request comes from our own page.

    Args:
        origin: the header `Origin`; without it only `Sec-Fetch-Site: same-origin` will do.
        fetch_site: the header `Sec-Fetch-Site`.
        host: the header `Host`. Somebody else's page cannot choose it and have our cookie too.
        allowed: `https://desk.example` each; with any given, `host` is not looked at.
    """
    if origin is None:
        return fetch_site == "same-origin"
    if fetch_site not in (None, "same-origin"):
        return False
    if allowed:
        return origin in allowed
    return bool(host) and origin in (f"https://{host}", f"http://{host}")


def _values(header: str, name: str) -> list[str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [value for found, _, value in pairs if found == name]


def _deny(reason: str, who: str = "") -> NoReturn:
    raise Denied(401, reason, who=who) from None
