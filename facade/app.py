"""The API as an ASGI application: every route by its policy, every refusal as a problem.

Nothing here knows Trio: it runs in the engine's nursery, or under any ASGI server.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from engine.desk import Desk
from engine.errors import AdapterError
from facade.access import Denied
from facade.access_gate import Admitted, Asked
from facade.access_policy import API
from facade.answers_kept import Ready
from facade.api_structs_accounts import Views
from facade.call import Call, Handler, Operation, Parts, body_of
from facade.openapi import docs_page, document_of
from facade.operations import OPERATIONS
from facade.problems import Problem, answer_of, problem_of
from facade.stream import Hubs
from facade.streaming import StreamResponse, entered, talk

log = structlog.get_logger("tidegate.http")

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
DOCS_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_PLAIN = b"""<!doctype html><meta charset="utf-8"><title>Tidegate</title>
<p>Tidegate guards. <a href="/docs">The API, in words</a>, <a href="/openapi.json">for programs</a>.
"""
READY_S = 0.2
PAGES = ("/", "/a/{server}/{login}", "/v/{id}")


class Api:
    """Handlers around a desk."""

    def __init__(self, desk: Desk, parts: Parts, operations: Sequence[Operation]) -> None:
        self.desk = desk
        self.parts = parts
        self.views = Views()
        options = parts.options
        self.hubs = Hubs(desk, self.views, options.period_s, options.streams_per_subject)
        self._ready_until_s = 0.0
        self._hsts = "max-age=31536000" if options.is_secure else None
        self.operations = operations
        self.document = document_of(operations)

    def routes(self) -> list[BaseRoute]:
        """Of every operation, and what is no JSON."""
        of_path: dict[str, list[Operation]] = {}
        for one in self.operations:
            of_path.setdefault(one.path, []).append(one)
        found: list[BaseRoute] = [self._route(path, many) for path, many in of_path.items()]
        found.append(Route(f"{API}/stream", self._endpoint("GET", f"{API}/stream", self._stream)))
        found.append(WebSocketRoute(f"{API}/ws", self._websocket))
        if self.parts.options.docs:
            for path, handler in (("/openapi.json", self._openapi), ("/docs", self._docs)):
                found.append(Route(path, self._endpoint("GET", path, handler, always=True)))
        return found

    def page(self, route: Route) -> Route:
        """A route of the page, counted and with headers as all others."""

        async def shown(call: Call) -> Response:
            response: Response = await route.endpoint(call.request)
            return response

        return Route(route.path, self._endpoint("GET", route.path, shown, always=True))

    def answering(self, one: Operation) -> Callable[[Request], Awaitable[Response]]:
        """What answers a request of this operation: it never raises."""
        return self._endpoint(one.method, one.path, one.handler, always=one.always)

    def _route(self, path: str, operations: Sequence[Operation]) -> Route:
        """One for all methods of a path, so that a refused one is told which there are."""
        by_method: dict[str, Any] = {one.method: self.answering(one) for one in operations}

        async def answered(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            response: Response = await by_method[method](request)
            return response

        return Route(path, answered, methods=list(by_method))

    def _endpoint(
        self, method: str, path: str, handler: Handler, *, always: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        metrics = self.parts.metrics
        reads_body = method in ("POST", "PUT", "DELETE")

        async def endpoint(request: Request) -> Response:
            started_s = perf_counter()
            response = await self._answered(request, path, handler, reads_body, always)
            if not isinstance(response, Ready):
                self._head(response)
            elif not response.is_headed:
                self._head(response)
                response.is_headed = True
            if response.status_code == 429:
                metrics.count("ratelimit_block")
            metrics.request(path, response.status_code, perf_counter() - started_s)
            return response

        return endpoint

    def _head(self, response: Response) -> None:
        """Adds the headers that all answers have."""
        if self._hsts is not None:
            response.headers["Strict-Transport-Security"] = self._hsts
        said = {name for name, _ in response.raw_headers}
        response.raw_headers += [one for one in _RAW_HEADERS if one[0] not in said]

    async def _answered(
        self, request: Request, path: str, handler: Handler, reads_body: bool, always: bool
    ) -> Response:
        asked = self.asked(request, request.method, path)
        try:
            self._refuse_host(request)
            admitted = self.parts.gate.admit(asked)
            if not always and not self._is_ready():
                reason = "The engine is starting or stopping, or its journal failed: see /readyz."
                raise Problem(503, "not_ready", reason, headers={"Retry-After": "1"})
            body = b""
            if reads_body:
                body = await body_of(request, self.parts.options.max_body_bytes)
            return await handler(self.call(request, admitted, asked.address, body))
        except Denied as denied:
            await self.parts.audit.denied(asked, denied)
            return answer_of(problem_of(denied))
        except Problem as problem:
            response = answer_of(problem)
            if problem.status in (408, 413):
                response.headers["Connection"] = "close"
            return response
        except ClientDisconnect:
            return Response(status_code=408)  # nobody is there to read it
        except AdapterError as error:
            log.error("request failed outside", route=path, cause=type(error).__name__)
            self.parts.metrics.count("errors")
            return answer_of(Problem(503, "outside", "What it needs cannot be reached now."))
        except Exception as error:  # noqa: BLE001  one request, never the program
            # Neither the message nor the trace: they may hold what the caller sent.
            log.error("request failed", route=path, cause=type(error).__name__, at=_place(error))
            self.parts.metrics.count("errors")
            return answer_of(Problem(500, "fault", "This is a fault of ours; it is in the log."))

    def call(self, request: Request, admitted: Admitted, address: str, body: bytes = b"") -> Call:
        """The request for its handler."""
        return Call(request, admitted, self.desk, self.parts, self.views, address, body)

    def asked(self, connection: HTTPConnection, method: str, path: str) -> Asked:
        """The request as access sees it."""
        # One pass over the headers instead of one for each; of several alike the first counts.
        scope = connection.scope
        said = dict(reversed(scope["headers"]))
        client = scope.get("client")
        address = "" if client is None else client[0]
        if self.parts.options.behind_proxy:
            # The last one is what our own proxy saw; those before it are the client's to invent.
            # It may add its own to the client's header, or a header of its own after that.
            told = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
            if told:
                address = told[-1].decode("latin-1").rpartition(",")[2].strip()[:64]
        return Asked(
            method,
            path,
            address,
            _text(said, b"authorization"),
            _text(said, b"cookie") if self.parts.options.cookies else None,
            _text(said, b"x-csrf-token"),
            _text(said, b"origin"),
            _text(said, b"sec-fetch-site"),
            _text(said, b"host"),
        )

    def _refuse_host(self, connection: HTTPConnection) -> None:
        hosts = self.parts.options.hosts
        if not hosts:
            return
        name = connection.headers.get("host", "").rpartition(":")
        if (name[0] or name[2]).lower() not in hosts:
            raise Problem(421, "wrong_host", "This host name is not answered to.")

    def _is_ready(self) -> bool:
        now_s = perf_counter()
        if now_s < self._ready_until_s:
            return True
        is_ready = self.desk.health().is_ready
        self._ready_until_s = now_s + READY_S if is_ready else 0.0
        return is_ready

    async def _stream(self, call: Call) -> Response:
        hub, cursor = entered(call, self.hubs)
        return StreamResponse(call, self.hubs, hub, cursor)

    async def _websocket(self, socket: WebSocket) -> None:
        path = f"{API}/ws"
        asked = self.asked(socket, "GET", path)
        started_s = perf_counter()

        def begun(status: int) -> None:
            if status == 429:
                self.parts.metrics.count("ratelimit_block")
            self.parts.metrics.request(path, status, perf_counter() - started_s)

        try:
            self._refuse_host(socket)
            admitted = self.parts.gate.admit(asked)
            request = Request({**socket.scope, "type": "http", "method": "GET"})
            call = self.call(request, admitted, asked.address)
            await talk(call, self.hubs, socket, lambda: begun(101))
        except Denied as denied:
            begun(denied.status)
            await self.parts.audit.denied(asked, denied)
            await socket.send_denial_response(answer_of(problem_of(denied)))
        except Problem as problem:
            begun(problem.status)
            await socket.send_denial_response(answer_of(problem))
        except Exception as error:  # noqa: BLE001  one reader, never the program
            self.parts.metrics.count("errors")
            log.error("stream failed", route=path, cause=type(error).__name__, at=_place(error))

    async def _openapi(self, call: Call) -> Response:
        del call
        return Response(self.document, media_type="application/json")

    async def _docs(self, call: Call) -> Response:
        del call
        page = docs_page(self.document)
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": DOCS_CSP})


def make_app(desk: Desk, parts: Parts, pages: Sequence[Route] | None = None) -> Starlette:
    """The application.

    Args:
        pages: routes of the dashboard; None: a plain page that says where the API is.
    """
    api = Api(desk, parts, OPERATIONS)
    if pages is None:
        pages = [*(Route(path, _plain) for path in PAGES), Route("/static/{path:path}", _no_file)]
    app = _Routed(
        routes=[*api.routes(), *map(api.page, pages)],
        exception_handlers={HTTPException: _http_problem},
    )
    app.router.redirect_slashes = False
    app.state.api = api
    app.straight = {
        one.path: api.answering(one)
        for one in OPERATIONS
        if one.method == "GET" and "{" not in one.path
    }
    return app


class _Routed(Starlette):
    """Reads whose path is no pattern are found at once, not by trying every route in turn."""

    straight: dict[str, Callable[[Request], Awaitable[Response]]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification, 3.0."""
        answering = None
        if scope["type"] == "http" and scope["method"] == "GET" and not scope.get("root_path"):
            answering = self.straight.get(scope["path"])
        if answering is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        response = await answering(Request(scope, receive, send))
        await response(scope, receive, send)


async def _plain(request: Request) -> Response:
    del request
    return Response(_PLAIN, media_type="text/html")


async def _no_file(request: Request) -> Response:
    del request
    return answer_of(Problem(404, "not_found"))


async def _http_problem(request: Request, error: Exception) -> Response:
    """Of a path or a method that no route has."""
    del request
    assert isinstance(error, HTTPException)
    reason = "method_not_allowed" if error.status_code == 405 else "not_found"
    status = error.status_code if error.status_code in (404, 405) else 400
    response = answer_of(Problem(status, reason, headers=dict(error.headers or {})))
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _text(said: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = said.get(name)
    return None if value is None else value.decode("latin-1")


def _place(error: BaseException) -> str:
    """Where it was raised, without what was in it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
