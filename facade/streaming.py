"""How streams go out: as server-sent events, and over a WebSocket; both with a write deadline."""

from collections.abc import Callable
from contextlib import aclosing
from functools import partial

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from facade.access import Denied
from facade.api_structs_calls import StreamQuery
from facade.call import Call
from facade.stream import Frame, Hub, Hubs, frames

WRITE_DEADLINE_S = 10.0
SSE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


class StreamResponse(Response):
    """A stream as server-sent events."""

    def __init__(self, call: Call, hubs: Hubs, hub: Hub, cursor: str | None) -> None:
        """`hub`: entered already; it is left when the response ends."""
        super().__init__(None, 200, headers=SSE_HEADERS, media_type="text/event-stream")
        if "content-length" in self.headers:
            del self.headers["content-length"]
        self._call = call
        self._hubs = hubs
        self._hub = hub
        self._cursor = cursor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends until one side ends it."""
        del scope
        call = self._call
        try:
            start = {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
            with anyio.fail_after(WRITE_DEADLINE_S):
                await send(start)
            async with anyio.create_task_group() as group:
                group.start_soon(_gone, receive, group.cancel_scope)
                is_whole = await self._pump(send)
                group.cancel_scope.cancel()
                if is_whole:
                    with anyio.move_on_after(WRITE_DEADLINE_S, shield=True):
                        await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError):
            return  # it takes nothing
        finally:
            self._hubs.leave(call.who.subject, self._hub)

    async def _pump(self, send: Send) -> bool:
        """False: the reader takes nothing any more."""
        call = self._call

        async def say(body: bytes) -> None:
            with anyio.fail_after(WRITE_DEADLINE_S):
                await send({"type": "http.response.body", "body": body, "more_body": True})

        source = frames(
            self._hub,
            self._cursor,
            call.parts.stopping,
            call.parts.options.period_s,
            left_of(call),
            call.desk,
            partial(call.parts.gate.is_withdrawn, call.who),
        )
        try:
            # An EventSource comes back by itself: in a second, so that nobody sees old numbers.
            await say(b"retry: 1000\n\n")
            async with aclosing(source) as found:
                async for frame in found:
                    await say(sse(frame))
        except (TimeoutError, OSError):
            return False
        return True


def sse(frame: Frame) -> bytes:
    """One event; JSON has no line break, so it is one line of data."""
    named = b"id: %b\n" % frame.cursor.encode() if frame.cursor else b""
    return b"%bevent: %b\ndata: %b\n\n" % (named, frame.name.encode(), frame.body)


def left_of(call: Call) -> float:
    """Seconds that the caller's token or session still lasts."""
    return max(0.0, call.who.expires_s - call.parts.now_msc() / 1000)


async def _gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """Ends the stream when its client is gone."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            scope.cancel()
            return


def entered(call: Call, hubs: Hubs) -> tuple[Hub, str | None]:
    """The hub of what is asked for, and from where on.

    Raises:
        Problem: 404 or 422.
        Denied: 429: the subject has as many streams as it may.
    """
    query = call.query(StreamQuery)
    keys = call.scope.keys() if query.account is None else (call.named(query.account),)
    hub = hubs.enter(call.who.subject, tuple(keys))
    if hub is None:
        raise Denied(429, "too_many_streams", retry_after_s=5, who=call.who.subject)
    return hub, call.request.headers.get("last-event-id") or query.last_event_id


async def talk(
    call: Call, hubs: Hubs, socket: WebSocket, begun: Callable[[], None] = lambda: None
) -> None:
    """The same over a WebSocket: text messages `{"event": ..., "id": ..., "data": ...}`.

    `begun` is called once it is accepted.
    """
    hub, cursor = entered(call, hubs)
    try:
        await socket.accept()
        begun()
        async with anyio.create_task_group() as group:
            group.start_soon(_closed, socket, group.cancel_scope)
            source = frames(
                hub,
                cursor,
                call.parts.stopping,
                call.parts.options.period_s,
                left_of(call),
                call.desk,
                partial(call.parts.gate.is_withdrawn, call.who),
            )
            async with aclosing(source) as found:
                async for frame in found:
                    with anyio.fail_after(WRITE_DEADLINE_S):
                        await socket.send_text(_message(frame))
            await socket.close(1001)
            group.cancel_scope.cancel()
    except (TimeoutError, OSError, WebSocketDisconnect, RuntimeError):
        pass  # gone, or too slow: what it missed it asks for by its last id
    except BaseExceptionGroup as group_error:
        expected = (TimeoutError, OSError, WebSocketDisconnect, RuntimeError)
        _, rest = group_error.split(expected)
        if rest is not None:
            raise rest from None
    finally:
        hubs.leave(call.who.subject, hub)


def _message(frame: Frame) -> str:
    named = f'"id":"{frame.cursor}",' if frame.cursor else ""
    return f'{{"event":"{frame.name}",{named}"data":{frame.body.decode()}}}'


async def _closed(socket: WebSocket, scope: anyio.CancelScope) -> None:
    """What the other side says is not read further than that it ends."""
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, RuntimeError, KeyError):
        scope.cancel()
