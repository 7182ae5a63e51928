"""A served application on a real socket, and clients that say exactly what a test says."""

import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio

from facade.serving import HttpBinding, HttpServer, serve_http
from facade.serving_crowd import Bounds

LONG_S = 30.0
"""No test waits so long unless it fails."""
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass
class Served:
    """What a test sees."""

    server: HttpServer
    stop: Callable[[], None]
    ended: trio.Event
    streams: list[trio.SocketStream] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        return self.server.addresses[0]

    async def connect(self) -> trio.SocketStream:
        stream = await trio.open_tcp_stream(*self.address)
        self.streams.append(stream)
        return stream

    async def said(self, sent: bytes) -> bytes:
        """All that comes back until the server hangs up."""
        stream = await self.connect()
        async with stream:
            await stream.send_all(sent)
            return await all_of(stream)

    async def until(self, wanted: Callable[[], bool]) -> None:
        with trio.fail_after(LONG_S):
            while not wanted():
                await trio.sleep(0.01)


async def all_of(stream: trio.SocketStream) -> bytes:
    """What comes until the end; a reset is an end."""
    found = b""
    with trio.fail_after(LONG_S):
        try:
            while chunk := await stream.receive_some(65_536):
                found += chunk
        except trio.BrokenResourceError:
            pass
    return found


async def heard(stream: trio.SocketStream, wanted: bytes) -> bytes:
    """What comes until this was in it."""
    found = b""
    with trio.fail_after(LONG_S):
        while wanted not in found:
            chunk = await stream.receive_some(65_536)
            assert chunk, found
            found += chunk
    return found


@asynccontextmanager
async def served(
    app: Any,
    *,
    stopping: Callable[[], None] | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    **bounds: Any,
) -> AsyncIterator[Served]:
    """The application, served within these bounds."""
    binding = HttpBinding(certificate=certificate, certificate_key=key, bounds=Bounds(**bounds))
    ended = trio.Event()
    scope = trio.CancelScope()

    async def run(*, task_status: Any) -> None:
        with scope:
            await serve_http(app, binding, stopping=stopping, task_status=task_status)
        ended.set()

    async with trio.open_nursery() as nursery:
        server = await nursery.start(partial(run))
        house = Served(server, scope.cancel, ended)
        try:
            with trio.fail_after(4 * LONG_S):
                yield house
        finally:
            for stream in house.streams:
                stream.socket.close()
            scope.cancel()


def resident_kib() -> int:
    """Most memory this program ever had, KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class EchoApp:
    """Answers with what it was sent; `/stream` goes on until it is told to end, `/flood` writes
    without end, `/deaf` answers without reading, `/bug` fails."""

    def __init__(self) -> None:
        self.stopping = trio.Event()
        self.ended: list[str] = []
        """Paths of requests that were carried to their end, however that was."""
        self.lifespan: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                self.lifespan.append(message["type"])
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        try:
            await self._answer(scope, receive, send)
        finally:
            self.ended.append(scope["path"])

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._chat(receive, send)
            return
        path = scope["path"]
        if path == "/bug":
            raise RuntimeError("a mistake")
        body = b""
        if path != "/deaf":
            while True:
                message = await receive()
                body += message.get("body", b"")
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    break
        whole = body or path.encode()
        is_long = path in ("/stream", "/flood")
        headers = [] if is_long else [(b"content-length", b"%d" % len(whole))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if is_long:
            piece = b"x" * (65_536 if path == "/flood" else 10)
            while not self.stopping.is_set() or path == "/flood":
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                with trio.move_on_after(0.0 if path == "/flood" else 0.05):
                    await self.stopping.wait()
        await send({"type": "http.response.body", "body": b"" if is_long else whole})

    async def _chat(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"heard {message['text']}"})
