"""One request on its way through the API: who asks, what they may name, and what they sent."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeVar

import anyio
import msgspec
from anyio.lowlevel import checkpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from engine.desk import Desk
from engine.domain.account import AccountSpec
from engine.domain.ids import AccountKey
from engine.domain.snapshot import Snapshot
from facade.access import AccountScope, Denied, Principal
from facade.access_gate import Admitted, Gate
from facade.access_keys import AccessKeys
from facade.access_sessions import Sessions
from facade.answers_kept import Kept, KeptAnswers, Made
from facade.api_structs_accounts import Views
from facade.approvals import Approvals
from facade.audit import AuditRecorder
from facade.codec import decode_body, decode_query, encode, refuse_media_type
from facade.idempotency import Idempotency
from facade.limits import Limits
from facade.metrics import Metrics
from facade.problems import Problem, not_found, unprocessable

BODY_DEADLINE_S = 10.0
SLICE = 16
"""Accounts looked at in one turn of the loop."""
LOOKING_BACK = 8
"""Requests of one subject at a time that read far back in the journal."""
JSON = "application/json"
T = TypeVar("T")


class Options(NamedTuple):
    """What can be set of the API."""

    docs: bool = True
    cookies: bool = True
    """Whether a browser may sign in with one."""
    max_body_bytes: int = 65_536
    streams_per_subject: int = 5
    period_s: float = 0.25
    """Between two deltas of a stream."""
    hosts: frozenset[str] = frozenset()
    """Host names it answers to; none: any."""
    behind_proxy: bool = False
    is_secure: bool = False


Specs = Callable[[AccountKey, str], AccountSpec]
"""(account, ruleset) -> guarded so; raises UserError where the book has no such ruleset."""


async def _nobody_told(by: str, action: str, accounts: int, reason: str) -> None:
    del by, action, accounts, reason


def _no_book(key: AccountKey, ruleset: str) -> AccountSpec:
    del key, ruleset
    raise unprocessable("ruleset", "there is no book here to find it in")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the API is made of, beside the desk."""

    gate: Gate
    sessions: Sessions
    limits: Limits
    audit: AuditRecorder
    approvals: Approvals
    idempotency: Idempotency
    metrics: Metrics
    now_msc: Callable[[], int]
    stopping: anyio.Event
    """Set when the program ends: streams say so and close."""
    specs: Specs = _no_book
    rulesets: Callable[[], Sequence[str]] = tuple
    """Names of the book's rule sets, in its order."""
    on_kill: Callable[[str, str, int, str], Awaitable[None]] = _nobody_told
    """(by, action, accounts, reason) of a kill switch; it is carried out meanwhile."""
    export_keys: AccessKeys | None = None
    """What incidents are signed with."""
    options: Options = field(default_factory=Options)
    kept: KeptAnswers = field(default_factory=KeptAnswers)
    looking_back: Counter[str] = field(default_factory=Counter)
    """Requests of each subject that read the journal now."""


class Call(NamedTuple):
    """A request that was let in."""

    request: Request
    admitted: Admitted
    desk: Desk
    parts: Parts
    views: Views
    address: str
    body: bytes = b""

    @property
    def who(self) -> Principal:
        """The caller."""
        return self.admitted.who

    @property
    def scope(self) -> AccountScope:
        """The accounts they may name."""
        return self.admitted.scope

    def key(self) -> AccountKey:
        """The account of the path.

        Raises:
            Problem: 404: not the caller's, or nobody's.
        """
        path = self.request.path_params
        return self._found(self.scope.one(path["server"], path["login"]))

    def named(self, text: str) -> AccountKey:
        """The account `server/login`; raises as `key`."""
        return self._found(self.scope.named(text))

    async def snapshots(self, keys: Sequence[AccountKey]) -> list[Snapshot]:
        """Of these accounts, a few in one turn of the loop: thousands delay no guard."""
        found = []
        for place, key in enumerate(keys):
            if place % SLICE == SLICE - 1:
                await checkpoint()
            found.append(self.desk.snapshot(key))
        return found

    @contextmanager
    def looking_back(self) -> Iterator[None]:
        """Around what reads far back in the journal: a subject has a few such requests at a time.

        Raises:
            Denied: 429: it has as many as it may.
        """
        subject, going = self.who.subject, self.parts.looking_back
        if going[subject] >= LOOKING_BACK:
            raise Denied(429, "too_many_at_work", retry_after_s=1, who=subject)
        going[subject] += 1
        try:
            yield
        finally:
            going[subject] -= 1
            if not going[subject]:
                del going[subject]

    def query(self, shape: type[T]) -> T:
        """The query as this struct.

        Raises:
            Problem: 422.
        """
        return decode_query(self.request.scope["query_string"], shape)

    def said(self, shape: type[T]) -> T:
        """The body as this struct.

        Raises:
            Problem: 415 or 422.
        """
        if self.body:
            refuse_media_type(self.request.headers.get("content-type"))
        return decode_body(self.body, shape)

    def _found(self, key: AccountKey | None) -> AccountKey:
        if key is None:
            raise not_found()
        return key


Handler = Callable[[Call], Awaitable[Response]]


class Operation(NamedTuple):
    """One route: what is asked, what is answered, and who does it. OpenAPI is made of these."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    summary: str
    answer: Any = None
    """The struct that is answered; None: no JSON."""
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct] | None = None
    status: int = 200
    media_type: str = JSON
    always: bool = False
    """Also while the engine is not ready."""
    keyed: bool = False
    """Takes an Idempotency-Key."""
    cached: bool = False
    """Has an ETag."""


def answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A struct as JSON."""
    made = {"Cache-Control": "no-store", **(headers or {})}
    return Response(encode(value), status, headers=made, media_type=JSON)


def tagged(call: Call, snapshots: Sequence[Snapshot], make: Callable[[], Made]) -> Response:
    """The answer, or 304 where the caller has it already; kept while it is made of the same.

    Args:
        snapshots: all that it is made of, beside the path, the query, the caller's name and the
            time.
    """
    scope = call.request.scope
    asked = (call.who.subject, scope["path"], scope["query_string"])
    kept = call.parts.kept.of(asked, call.parts.now_msc() // 1000, snapshots, make)
    return kept.for_one_with(_known(scope))


def tagged_once(call: Call, made: Made) -> Response:
    """The same of an answer that is not kept."""
    return Kept((), 0, made).for_one_with(_known(call.request.scope))


def _known(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            known: str = value.decode("latin-1")
            return known
    return ""


async def body_of(request: Request, bytes_max: int) -> bytes:
    """The body, counted as it comes.

    Raises:
        Problem: 413: it is too long; 408: it takes too long.
    """
    told = request.headers.get("content-length", "0")
    too_long = Problem(413, "too_large", f"A body has at most {bytes_max} bytes.")
    if not told.isascii() or not told.isdigit() or int(told[:20]) > bytes_max:
        raise too_long
    parts: list[bytes] = []
    size = 0
    with anyio.move_on_after(BODY_DEADLINE_S):
        async with aclosing(request.stream()) as stream:
            async for part in stream:
                size += len(part)
                if size > bytes_max:
                    raise too_long
                parts.append(part)
        return b"".join(parts)
    raise Problem(408, "too_slow", f"The body did not come within {BODY_DEADLINE_S:g} s.")
