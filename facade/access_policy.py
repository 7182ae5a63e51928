"""Which route needs what: one table that the application is built from.

A route that is not in it cannot be served (`policy_of` raises), and `undeclared` lets a test hold
an application's routes against it in both directions.
"""

from collections.abc import Iterable
from enum import Enum
from typing import Literal, NamedTuple

from facade.access import Role

API = "/api/v1"
READERS: frozenset[Role] = frozenset(("viewer", "service", "operator", "admin"))
SERVICES: frozenset[Role] = frozenset(("service",))
OPERATORS: frozenset[Role] = frozenset(("operator", "admin"))
ADMINS: frozenset[Role] = frozenset(("admin",))
STEP_UP_S = 300
"""A step-up call needs a token not older than this, also where a session would do otherwise."""

Scope = Literal["none", "own", "all"]


class Bucket(Enum):
    """What a request is counted with."""

    READ = "read"
    """The subject's ordinary allowance."""
    PROBE = "probe"
    """Public and cheap: an allowance of its own for each address."""
    PUBLIC = "public"
    """Public: the address's allowance of unauthenticated requests."""
    FULL_REPORT = "full_report"
    """The subject's, and once in ten seconds for each account (`Limits.full_report`)."""
    KILL = "kill"
    """Lowers risk: never refused because of anything else that was asked."""


class Policy(NamedTuple):
    """What one route demands."""

    roles: frozenset[Role]
    """Who may; empty: anybody, without a token."""
    scope: Scope = "own"
    """`own`: accounts of the caller; `all`: what is of all accounts together, so only for who may
    see every one; `none`: no account."""
    bucket: Bucket = Bucket.READ
    step_up: bool = False
    """Needs a token made within `STEP_UP_S`."""
    second_person: Literal["never", "sometimes"] = "never"
    """`sometimes`: what is loosened waits for another person (facade/approvals.py)."""

    @property
    def is_public(self) -> bool:
        """Whether no token is needed."""
        return not self.roles


def _probe() -> Policy:
    return Policy(frozenset(), "none", Bucket.PROBE)


_OWN = Policy(READERS)
_ONE = f"{API}/accounts/{{server}}/{{login}}"
_KILL = Policy(OPERATORS, bucket=Bucket.KILL)
_LOOSENS = Policy(OPERATORS, step_up=True, second_person="sometimes")

ROUTES: dict[tuple[str, str], Policy] = {
    ("GET", f"{API}/reconciliation/status"): _OWN,
    ("GET", f"{API}/reconciliation/logs"): _OWN,
    ("POST", f"{API}/reconciliation/sync"): Policy(OPERATORS, bucket=Bucket.FULL_REPORT),
    ("GET", f"{API}/positions/open"): _OWN,
    ("GET", f"{API}/guards/status"): _OWN,
    ("GET", f"{API}/trading/health"): Policy(frozenset(), "none", Bucket.PUBLIC),
    ("GET", f"{API}/accounts"): _OWN,
    ("GET", _ONE): _OWN,
    ("GET", f"{_ONE}/events"): _OWN,
    ("GET", f"{_ONE}/equity"): _OWN,
    ("GET", f"{_ONE}/statistics"): _OWN,
    ("GET", f"{_ONE}/prices"): _OWN,
    ("GET", f"{_ONE}/discrepancies"): _OWN,
    ("POST", f"{API}/intents"): Policy(SERVICES),
    ("POST", f"{_ONE}/flatten"): _KILL,
    ("POST", f"{_ONE}/halt"): _KILL,
    ("POST", f"{_ONE}/adopt"): Policy(OPERATORS),
    ("POST", f"{_ONE}/release"): _LOOSENS,
    ("GET", f"{API}/rulesets"): _OWN,
    ("GET", f"{_ONE}/ruleset"): Policy(ADMINS),
    ("PUT", f"{_ONE}/ruleset"): Policy(ADMINS, step_up=True, second_person="sometimes"),
    ("POST", f"{API}/halt"): _KILL,
    ("POST", f"{API}/flatten"): _KILL,
    ("GET", f"{API}/verdicts/{{id}}"): _OWN,
    ("GET", f"{API}/verdicts/{{id}}/tape"): _OWN,
    ("GET", f"{API}/verdicts/{{id}}/export"): _OWN,
    ("GET", f"{API}/export/keys"): Policy(READERS, "none"),
    ("GET", f"{API}/incidents"): _OWN,
    ("GET", f"{API}/approvals"): Policy(OPERATORS),
    ("POST", f"{API}/approvals"): Policy(OPERATORS, step_up=True),
    ("POST", f"{API}/session"): Policy(READERS, "none"),
    ("DELETE", f"{API}/session"): Policy(READERS, "none"),
    ("GET", f"{API}/audit"): Policy(ADMINS, "all"),
    ("GET", f"{API}/stream"): _OWN,
    ("GET", f"{API}/ws"): _OWN,
    ("GET", "/healthz"): _probe(),
    ("GET", "/readyz"): _probe(),
    ("GET", "/version"): _probe(),
    ("GET", "/metrics"): Policy(ADMINS | SERVICES, "all"),
    ("GET", "/openapi.json"): _probe(),
    ("GET", "/docs"): _probe(),
    # The page is the same for all and holds nothing of anybody's: what fills it needs a session.
    ("GET", "/"): _probe(),
    ("GET", "/a/{server}/{login}"): _probe(),
    ("GET", "/v/{id}"): _probe(),
    ("GET", "/static/{path}"): _probe(),
}
"""(method, path as the application declares it) -> what it demands. HEAD is as GET."""


def policy_of(method: str, path: str) -> Policy:
    """What the route demands; the path as declared, with its parameters in braces.

    Raises:
        LookupError: it has no policy, so it may not be served.
    """
    found = ROUTES.get((method, path))
    return found or ROUTES["GET" if method == "HEAD" else method, _plain(path)]


def undeclared(served: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """(routes served without a policy, policies of routes that are not served), sorted.

    Args:
        served: (method, path) of every route of an application; HEAD and OPTIONS are passed over,
            and a parameter's convertor (`{path:path}`).
    """
    theirs = {(method, _plain(path)) for method, path in served if method not in _IMPLIED}
    missing = sorted(f"{method} {path}" for method, path in theirs - ROUTES.keys())
    unused = sorted(f"{method} {path}" for method, path in ROUTES.keys() - theirs)
    return missing, unused


_IMPLIED = frozenset(("HEAD", "OPTIONS"))


def _plain(path: str) -> str:
    """Without convertors: `{path:path}` is `{path}`."""
    head, brace, rest = path.partition("{")
    if not brace:
        return path
    name, _, tail = rest.partition("}")
    return f"{head}{{{name.partition(':')[0]}}}{_plain(tail)}"
