"""A server for the dashboard's tests: the real page, and an API over accounts set by the test.

Sign-in, CSRF, keys and answers are as the facade's; a restart is a stop and a start on one port.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
import uvicorn
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from engine.domain.snapshot import Snapshot
from facade.access_keys import AccessKeys
from facade.exports import export_of, signed
from facade.pages import Pages
from tests.browser.desk_world import close, shown
from tests.browser.fake_history import (
    VERDICT,
    after_verdict,
    buckets_of,
    discrepancies_of,
    incidents_of,
    outlook_of,
    records_of,
    rulesets_of,
    statistics_of,
)
from tests.browser.fake_tape import prices_of, tape

TOKEN = "ey.token.of.kim"
CSRF = "csrf-of-kim"
API = "/api/v1"
ONE = f"{API}/accounts/{{server}}/{{login}}"


class FakeApi:
    """The desk's server; `put` changes accounts, `calls` are the commands that came."""

    def __init__(self, accounts: Iterable[Snapshot], *, role: str = "operator") -> None:
        self.accounts = {f"{one.server}/{one.login}": one for one in accounts}
        self.role = role
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []
        self.waiting: list[dict[str, Any]] = []
        self.version = 0
        self.changed: list[tuple[int, str, bytes]] = []
        self.is_quiet = False
        self.tape: dict[str, Any] | None = tape()
        self.has_prices = True
        self.export_keys: AccessKeys | None = None
        self.not_ready = ""
        self.sent_at = 0.0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    # What a test does

    def put(self, *snapshots: Snapshot) -> None:
        """Changes accounts and sends them down the stream."""
        for one in snapshots:
            self.accounts[f"{one.server}/{one.login}"] = one
        body = b"[" + b",".join(shown(one) for one in snapshots) + b"]"
        self.version += 1
        self.changed.append((self.version, "snapshots", body))

    def say(self, record: dict[str, Any]) -> None:
        """Sends a record down the stream."""
        self.version += 1
        self.changed.append((self.version, "event", msgspec.json.encode(record)))

    def start(self) -> None:
        config = uvicorn.Config(Starlette(routes=self._routes()), host="127.0.0.1", port=self.port,
                                log_level="error", lifespan="off",
                                timeout_graceful_shutdown=1)  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            threading.Event().wait(0.01)

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self._server.should_exit = True
        self._thread.join(10)

    # What it answers

    def _routes(self) -> list[Route]:
        routes = [
            ("POST", f"{API}/session", self._session),
            ("DELETE", f"{API}/session", self._session),
            ("GET", f"{API}/accounts", self._page),
            ("GET", ONE, self._account),
            ("GET", f"{ONE}/events", self._events),
            ("GET", f"{ONE}/equity", self._equity),
            ("GET", f"{ONE}/statistics", self._statistics),
            ("GET", f"{API}/rulesets", self._rulesets),
            ("GET", f"{ONE}/ruleset", self._outlook),
            ("POST", f"{ONE}/{{what}}", self._command),
            ("PUT", f"{ONE}/{{what}}", self._command),
            ("POST", f"{API}/reconciliation/{{what}}", self._command),
            ("POST", f"{API}/{{what:str}}", self._command),
            ("GET", f"{API}/approvals", self._approvals),
            ("GET", f"{API}/verdicts/{{id}}", self._verdict),
            ("GET", f"{API}/verdicts/{{id}}/tape", self._tape),
            ("GET", f"{API}/verdicts/{{id}}/export", self._export),
            ("GET", f"{ONE}/prices", self._prices),
            ("GET", f"{API}/incidents", self._incidents),
            ("GET", f"{API}/reconciliation/logs", self._logs),
            ("GET", f"{API}/stream", self._stream),
            ("GET", "/readyz", self._ready),
        ]
        made = [Route(path, handler, methods=[method]) for method, path, handler in routes]
        return [*made, *Pages().routes()]

    async def _session(self, request: Request) -> Response:
        if request.method == "DELETE":
            gone = _json({})
            gone.delete_cookie("tidegate_csrf")
            gone.delete_cookie("tidegate")
            return gone
        if request.headers.get("authorization") != f"Bearer {TOKEN}" and not self._knows(request):
            return _problem(401, "token_malformed", "The token is not one that is taken here.")
        answer = _json({"subject": "a.kim", "role": self.role, "csrf_token": CSRF,
                        "expires_at": "2099-01-01T00:00:00Z", "accounts": 1})  # fmt: skip
        answer.set_cookie("tidegate", "sealed", httponly=True, samesite="strict")
        answer.set_cookie("tidegate_csrf", CSRF, samesite="strict")
        return answer

    def _knows(self, request: Request) -> bool:
        return request.cookies.get("tidegate") == "sealed"

    async def _page(self, request: Request) -> Response:
        if not self._knows(request):
            return _problem(401, "token_missing", "Sign in.")
        if self.not_ready:
            return _problem(503, "not_ready", self.not_ready)
        first = int(request.query_params.get("cursor") or 0)
        limit = int(request.query_params.get("limit", 100))
        page = [shown(one) for one in list(self.accounts.values())[first : first + limit]]
        more = str(first + limit) if first + limit < len(self.accounts) else None
        rest = msgspec.json.encode(more)
        body = b'{"accounts":[' + b",".join(page) + b'],"next_cursor":' + rest + b"}"
        return Response(body, media_type="application/json")

    def _found(self, request: Request) -> Snapshot | None:
        return self.accounts.get("{server}/{login}".format(**request.path_params))

    async def _account(self, request: Request) -> Response:
        found = self._found(request)
        if found is None:
            return _problem(404, "not_found", "There is nothing of that name among your accounts.")
        return Response(shown(found), media_type="application/json")

    async def _events(self, request: Request) -> Response:
        found = self._found(request)
        is_told = request.path_params["login"] == str(VERDICT["login"])
        if found is None and not is_told:
            return _problem(404, "not_found", "There is nothing of that name among your accounts.")
        after, limit = (int(request.query_params.get(one, 100)) for one in ("after", "limit"))
        past = after_verdict() if found is None else records_of(found)
        later = [one for one in past if one["seq"] > after]
        return _json({"events": later[:limit], "has_more": len(later) > limit})

    async def _equity(self, request: Request) -> Response:
        asked = request.query_params
        span = int(asked.get("from_msc", 0)), int(asked.get("to_msc", 2**52))
        return _json(buckets_of(self._found(request), asked["bucket"], *span))

    async def _statistics(self, request: Request) -> Response:
        found = self._found(request)
        assert found is not None, "the page asks for accounts it shows"
        asked = request.query_params
        span = int(asked.get("from_msc", 0)), int(asked.get("to_msc", 2**52))
        return _json({"currency": found.currency, "period": statistics_of(found, *span)})

    async def _rulesets(self, request: Request) -> Response:
        return _json({"rulesets": rulesets_of(self.accounts.values())})

    async def _outlook(self, request: Request) -> Response:
        found = self._found(request)
        assert found is not None, "the page asks for accounts it shows"
        return _json(outlook_of(found, request.query_params["ruleset"]))

    async def _command(self, request: Request) -> Response:
        if not self._knows(request) or request.headers.get("x-csrf-token") != CSRF:
            return _problem(403, "csrf", "The header X-CSRF-Token is not that of this session.")
        body = msgspec.json.decode(await request.body() or b"{}")
        what = request.path_params["what"]
        self.calls.append((request.url.path, body, request.headers.get("idempotency-key")))
        found = self._found(request) if "login" in request.path_params else None
        if what == "release":
            return _json({"approval_id": "apr_1", "status": "waiting"}, 202)
        if what == "flatten" and found is not None:
            chosen = body.get("position_id")
            closes = tuple(close(one.position_id, one.symbol) for one in found.positions
                           if chosen in (None, one.position_id))  # fmt: skip
            if found.live is not None:
                self.put(replace(found, live=replace(found.live, closes=closes)))
        if what == "adopt" and found is not None:
            ids = body["position_ids"]
            held = tuple(replace(one, intent_id=f"adopted-{one.position_id}")
                         if one.position_id in ids else one for one in found.positions)  # fmt: skip
            self.put(replace(found, positions=held))
            names = [f"adopted-{each}" for each in ids]
            return _json({"status": "accepted", "intent_ids": names, "seq": 13, "failed": []}, 202)
        if what == "halt" and found is not None:
            self.put(replace(found, halts=(*found.halts, "operator: a.kim")))
        return _json({"seq": 13, "intent_ids": ["int_1"]}, 202)

    async def _approvals(self, request: Request) -> Response:
        return _json({"approvals": self.waiting})

    async def _verdict(self, request: Request) -> Response:
        if request.path_params["id"] != "vrd_7Q":
            return _problem(404, "not_found", "There is nothing of that name among your accounts.")
        return _json(VERDICT)

    async def _tape(self, request: Request) -> Response:
        if request.path_params["id"] != "vrd_7Q" or self.tape is None:
            return _problem(404, "not_found", "There is nothing of that name among your accounts.")
        return _json(self.tape)

    async def _export(self, request: Request) -> Response:
        encoded = [msgspec.json.encode(one) for one in after_verdict()]
        parts = msgspec.json.encode(VERDICT), encoded
        shown = None if self.tape is None else msgspec.json.encode(self.tape)
        redact = request.query_params["redact"] == "true"
        document = export_of("2026-01-05T00:00:00.000Z", *parts, shown, redact=redact)
        return Response(signed(document, self.export_keys), media_type="application/json")

    async def _prices(self, request: Request) -> Response:
        if not self.has_prices:
            return _problem(503, "not_ready", "the engine is not heard")
        return _json({"prices": prices_of(request.query_params["symbol"])})

    async def _incidents(self, request: Request) -> Response:
        found = incidents_of(self.accounts.values(), request.query_params.get("kind", ""))
        return _json({"incidents": found, "is_complete": True, "accounts": len(self.accounts)})

    async def _logs(self, request: Request) -> Response:
        return _json({"open": [], "log": discrepancies_of(self.accounts.values()),
                      "is_complete": True})  # fmt: skip

    async def _ready(self, request: Request) -> Response:
        return _json({"status": "ready", "reasons": []})

    async def _stream(self, request: Request) -> Response:
        if not self._knows(request):
            return _problem(401, "token_missing", "Sign in.")
        if self.not_ready:
            return _problem(503, "not_ready", self.not_ready)
        return StreamingResponse(self._frames(), media_type="text/event-stream",
                                 headers={"Cache-Control": "no-store"})  # fmt: skip

    async def _frames(self) -> AsyncIterator[bytes]:
        server = self._server
        told, idle = self.version, 0
        everything = b",".join(shown(one) for one in self.accounts.values())
        yield b"event: snapshots\ndata: [%b]\n\n" % everything
        while server is not None and not server.should_exit:
            fresh = [one for one in self.changed if one[0] > told]
            for number, name, body in fresh:
                told = number
                yield b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), body)
            idle = 0 if fresh else idle + 1
            if idle % 25 == 24 and not self.is_quiet:
                yield b"event: heartbeat\ndata: {}\n\n"
            await asyncio.sleep(0.02)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _problem(status: int, reason: str, detail: str) -> Response:
    body = {"type": f"urn:tidegate:problem:{reason}", "title": reason, "status": status,
            "detail": detail}  # fmt: skip
    return Response(msgspec.json.encode(body), status, media_type="application/problem+json")
