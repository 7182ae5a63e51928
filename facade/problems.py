"""What the API answers when it cannot do what was asked: problems by RFC 9457.

The body of a 404 is the same for an account of somebody else and for one that does not exist. None
holds anything of a token, and what the caller sent is shown only where they have to mend it.
"""

from collections.abc import Mapping, Sequence

import msgspec
from starlette.responses import Response

from facade.access import Denied
from facade.access_words import WORDS

MEDIA_TYPE = "application/problem+json"

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Too slow",
    409: "In conflict with what is",
    413: "Too much",
    415: "Not JSON",
    421: "Not this host",
    422: "Cannot be",
    429: "Too many requests",
    500: "Failed",
    503: "Not ready",
}


class FieldError(msgspec.Struct, frozen=True):
    """One thing to mend."""

    field: str
    """Its path in the body or the query: `volume_lots`, `bucket`."""
    message: str


class ProblemBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457."""

    type: str
    """`urn:tidegate:problem:REASON`: what a program goes by."""
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()


class Problem(Exception):  # noqa: N818  an answer, not a fault
    """Raised where it is found, answered by the application."""

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`reason`: one of a few fixed words; `detail`: a sentence for a person."""
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail or TITLES.get(status, "")
        self.errors = tuple(errors)
        self.headers = dict(headers or {})


def not_found() -> Problem:
    """The same for what is not there and for what is somebody else's."""
    return Problem(404, "not_found", "There is nothing of that name among your accounts.")


def unprocessable(field: str, message: str) -> Problem:
    """One field that cannot be."""
    return Problem(422, "invalid", "What was sent cannot be.", errors=(FieldError(field, message),))


def problem_of(denied: Denied) -> Problem:
    """The problem of a refused access."""
    headers = {}
    if denied.retry_after_s is not None:
        headers["Retry-After"] = str(denied.retry_after_s)
    if denied.status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="tidegate"'
    if denied.status == 404:
        return not_found()
    detail = WORDS.get(denied.reason, "")
    return Problem(denied.status, denied.reason, detail, headers=headers)


def answer_of(problem: Problem) -> Response:
    """The response."""
    body = ProblemBody(
        type=f"urn:tidegate:problem:{problem.reason}",
        title=TITLES.get(problem.status, "Problem"),
        status=problem.status,
        detail=problem.detail,
        errors=problem.errors,
    )
    headers = {"Cache-Control": "no-store", **problem.headers}
    encoded = msgspec.json.encode(body)
    return Response(encoded, problem.status, headers=headers, media_type=MEDIA_TYPE)
