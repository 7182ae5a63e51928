"""Who asks, and which accounts they may name.

A handler never sees a raw login: it asks its caller's `AccountScope`, which knows no account but
theirs, so a foreign account and one that does not exist are the same answer by construction.
"""

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from engine.domain.ids import AccountKey
from engine.errors import UserError

Role = Literal["viewer", "service", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "service", "operator", "admin")
EVERY = "*"
"""Alone in `accounts`: every account of the desk."""
SUBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+:-]{0,63}")
_LOGIN = re.compile(r"0|[1-9][0-9]{0,18}")


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A caller whose token or session was verified."""

    subject: str
    role: Role
    accounts: tuple[str, ...] = ()
    """`server/login` each, or `*` alone."""
    tenant: str | None = None
    token_id: str
    """`jti` of the token it began with."""
    key_id: str
    authenticated_s: int
    """When the token was made, Unix seconds: how fresh the proof is."""
    expires_s: int
    session_id: str | None = None
    """Of a cookie; None: the token itself came."""

    @property
    def name(self) -> str:
        """As commands, audit and approvals name it."""
        return f"api:{self.subject}"


class Denied(Exception):  # noqa: N818  an answer, not a fault
    """The request is refused: what the caller is told, and what only the audit is told."""

    def __init__(
        self, status: int, reason: str, *, retry_after_s: int | None = None, who: str = ""
    ) -> None:
        """Keeps it.

        Args:
            status: of HTTP: 401, 403, 404, 409, 422 or 429.
            reason: one of a few fixed words, safe to show; never anything the caller sent.
            retry_after_s: of a 429.
            who: the subject, where it is known.
        """
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.who = who


class AccountScope:
    """The accounts one caller may see and command."""

    __slots__ = ("_by_name", "_keys", "is_every")

    def __init__(self, keys: Sequence[AccountKey], *, is_every: bool = False) -> None:
        """`keys`: in the order of the desk; none that the desk does not have."""
        self._keys = tuple(keys)
        self._by_name = {(key.server, key.login): key for key in self._keys}
        self.is_every = is_every
        """Whether it is all of the desk: what `scope=all` needs."""

    def keys(self) -> tuple[AccountKey, ...]:
        """All of them, in the order of the desk."""
        return self._keys

    def one(self, server: str, login: str | int) -> AccountKey | None:
        """The account of that name; None for a foreign one and for none at all alike."""
        text = str(login)
        return self._by_name.get((server, int(text))) if _LOGIN.fullmatch(text) else None

    def named(self, text: str) -> AccountKey | None:
        """The account `server/login` names, in the same way."""
        server, _, login = text.rpartition("/")
        return self.one(server, login)

    def __contains__(self, key: object) -> bool:
        return key in self._by_name


Tenants = Mapping[str, Container[AccountKey]]
"""Who is whose: asked of each account there is, also of one that came after the start."""


class Scopes:
    """Scopes of callers, made once for each of what they may see."""

    def __init__(
        self,
        keys: Callable[[], Sequence[AccountKey]],
        tenants: Tenants | None = None,
        *,
        kept: int = 1024,
    ) -> None:
        """`keys` is `Desk.keys`; `kept`: so many scopes are remembered, the newest."""
        self._keys = keys
        self._tenants = dict(tenants or {})
        self._kept_max = kept
        self._desk: tuple[AccountKey, ...] = ()
        self._kept: dict[tuple[tuple[str, ...], str | None], AccountScope] = {}

    def of(self, principal: Principal) -> AccountScope:
        """What this caller may see of the accounts there are now."""
        desk = tuple(self._keys())
        if desk is not self._desk and desk != self._desk:  # 50 us of 10,000 accounts
            self._desk = desk
            self._kept.clear()
        named = (principal.accounts, principal.tenant)
        scope = self._kept.get(named)
        if scope is None:
            while len(self._kept) >= self._kept_max:
                del self._kept[next(iter(self._kept))]
            scope = self._kept[named] = self._made(principal)
        return scope

    def _made(self, principal: Principal) -> AccountScope:
        if principal.accounts == (EVERY,):
            return AccountScope(self._desk, is_every=True)
        if principal.tenant is not None:
            theirs = self._tenants.get(principal.tenant, ())
            return AccountScope([key for key in self._desk if key in theirs])
        named = frozenset(principal.accounts)
        return AccountScope([key for key in self._desk if str(key) in named])


@dataclass(frozen=True)
class _Of:
    """The accounts named, and all of some servers."""

    names: frozenset[str]

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, AccountKey):
            return False
        return str(key) in self.names or f"{key.server}/{EVERY}" in self.names


def tenants_of(named: Mapping[str, Sequence[str]], keys: Sequence[AccountKey]) -> Tenants:
    """The accounts of each tenant; `Server/*` is every account of that server.

    Raises:
        UserError: a name is of no account.
    """
    found: dict[str, _Of] = {}
    for tenant, names in named.items():
        for name in names:
            if not any(key in _Of(frozenset({name})) for key in keys):
                raise UserError(
                    f"tenant {tenant!r} has {name!r}, which is no account of the book",
                    help="write SERVER/LOGIN, or SERVER/* for all of a server",
                )
        found[tenant] = _Of(frozenset(names))
    return found
