"""The one gate of the API: every request passes it, by the policy of its route.

Pure: it sees headers as texts, waits for nothing, and answers in some 5 us where the token is
remembered. What it refuses is raised as `Denied`, for the problem and for the audit.
"""

from typing import NamedTuple

from facade.access import AccountScope, Denied, Principal, Scopes
from facade.access_policy import API, STEP_UP_S, Bucket, Policy, policy_of
from facade.access_sessions import Sessions, origin_is_ours
from facade.access_tokens import Verifier
from facade.limits import Limits

SAFE = frozenset(("GET", "HEAD"))
WEBSOCKET = f"{API}/ws"


class Asked(NamedTuple):
    """A request, as far as access is concerned. The repr shows no header."""

    method: str
    path: str
    """Of the route, as declared: never of the address the client sent."""
    address: str
    """Of the client, as the server knows it."""
    authorization: str | None = None
    cookie: str | None = None
    csrf: str | None = None
    """The header `X-CSRF-Token`."""
    origin: str | None = None
    fetch_site: str | None = None
    """The header `Sec-Fetch-Site`."""
    host: str | None = None

    def __repr__(self) -> str:
        return f"Asked({self.method} {self.path} from {self.address})"


class Admitted(NamedTuple):
    """A request that may go on."""

    policy: Policy
    principal: Principal | None
    """None: the route is public."""
    scope: AccountScope
    """Empty where the route is public."""

    @property
    def who(self) -> Principal:
        """The caller of a route that is not public."""
        assert self.principal is not None, "a public route has no caller"
        return self.principal


_NOBODY = AccountScope(())


class Gate:
    """Decides by `ROUTES`; holds no state of its own."""

    def __init__(
        self,
        verifier: Verifier,
        sessions: Sessions,
        scopes: Scopes,
        limits: Limits,
        *,
        origins: frozenset[str] = frozenset(),
    ) -> None:
        """`origins`: where our page may be loaded from (`https://desk.example`); none: `Host`."""
        self._verifier = verifier
        self._sessions = sessions
        self._scopes = scopes
        self._limits = limits
        self._origins = origins

    def admit(self, asked: Asked) -> Admitted:
        """Who asks and what they may see.

        Raises:
            Denied: 401, 403 or 429.
            LookupError: the route has no policy.
        """
        policy = policy_of(asked.method, asked.path)
        if policy.is_public:
            self._limits.unauthenticated(asked.address, policy.bucket)
            return Admitted(policy, None, _NOBODY)
        try:
            principal = self._authenticated(asked, policy)
        except Denied as denied:
            if denied.status == 401:
                self._limits.unauthenticated(asked.address)
            raise
        self._limits.subject(principal.subject, asked.address, policy.bucket)
        if principal.session_id is not None:
            self._refuse_foreign_page(asked, principal)
        if principal.role not in policy.roles:
            raise Denied(403, "role", who=principal.subject)
        age_s = self._verifier.now_s() - principal.authenticated_s
        if policy.step_up and age_s > STEP_UP_S:
            raise Denied(403, "fresh_token_needed", who=principal.subject)
        scope = self._scopes.of(principal)
        if policy.scope == "all" and not scope.is_every:
            raise Denied(403, "not_every_account", who=principal.subject)
        return Admitted(policy, principal, scope)

    def is_withdrawn(self, principal: Principal) -> bool:
        """Whether a caller who was let in would not be now: for what goes on for long."""
        return self._verifier.is_withdrawn(principal)

    def _authenticated(self, asked: Asked, policy: Policy) -> Principal:
        """By the token if one came, whatever the cookie says; else by the cookie."""
        if asked.authorization is not None:
            scheme, _, token = asked.authorization.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise Denied(401, "token_malformed")
            # A flood of bad tokens costs no signatures; it never costs anybody the kill switch.
            is_cheap = policy.bucket is Bucket.KILL or self._verifier.remembers(token)
            if not is_cheap and self._limits.is_spent(asked.address):
                self._limits.unauthenticated(asked.address)
            return self._verifier.verify(token)
        principal = self._sessions.read(asked.cookie) if asked.cookie else None
        if principal is None:
            raise Denied(401, "token_missing")
        return principal

    def _refuse_foreign_page(self, asked: Asked, principal: Principal) -> None:
        """A browser sends the cookie by itself: what it may do must come from our own page."""
        is_safe = asked.method in SAFE and asked.path != WEBSOCKET
        if is_safe:
            return
        if not origin_is_ours(asked.origin, asked.fetch_site, asked.host, self._origins):
            raise Denied(403, "origin", who=principal.subject)
        if asked.method not in SAFE and not self._sessions.csrf_agrees(principal, asked.csrf):
            raise Denied(403, "csrf", who=principal.subject)
