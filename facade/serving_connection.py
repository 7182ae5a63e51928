"""One connection of hypercorn's, with its known holes closed. Made for hypercorn 0.18, no other.

What differs from hypercorn's own: HTTP/2 is not spoken, neither by preface nor by upgrade; headers
are counted; a write has a deadline, where hypercorn's has none and cannot be cancelled; an
application that does not read a body to its end never blocks the end of its own answer; head and
body of an answer go out together; a connection that is closed takes its reader along.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import parse_socket_addr
from wsproto.connection import Connection as WSConnection
from wsproto.connection import ConnectionState as WSState

from facade.serving_crowd import Bounds, Crowd

log = structlog.get_logger("tidegate.http")

LINGER_S = 0.5
PARTING_S = 1.0
"""For a client to answer the close of its WebSocket."""
LINGER_BYTES = 1 << 20
READ_BYTES = 65_536
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class ClientGoneError(OSError):
    """What an application gets that goes on answering somebody who is gone."""


class Mailbox:
    """What an application is to receive: bounded, except for the last word."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Any] = deque()
        self._changed = trio.Event()
        self._is_over = False
        self.is_gone = False
        """Whether there is nobody to answer any more."""

    async def put(self, event: Any) -> None:
        """Waits for room; once it is over, what comes is dropped."""
        if event["type"] in ("http.disconnect", "websocket.disconnect"):
            self._waiting.clear()
            self._waiting.append(event)
            self.is_gone = True
            self.close()
            return
        while len(self._waiting) >= self._limit and not self._is_over:
            await self._changed.wait()
        if not self._is_over:
            self._waiting.append(event)
            self._wake()

    async def get(self) -> Any:
        """The next; after the last word that again."""
        await trio.lowlevel.checkpoint()
        while not self._waiting:
            if self._is_over:
                return {"type": "http.disconnect"}
            await self._changed.wait()
        if self._is_over and len(self._waiting) == 1:
            return self._waiting[0]
        event = self._waiting.popleft()
        self._wake()
        return event

    def close(self) -> None:
        """Nobody waits any more."""
        self._is_over = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class AppTasks:
    """Runs the application for requests of one connection."""

    def __init__(self, nursery: trio.Nursery, beside: trio.Nursery, crowd: Crowd) -> None:
        """`beside`: for what ends with the connection, such as the pings of a WebSocket."""
        self._nursery = nursery
        self._beside = beside
        self._crowd = crowd

    async def spawn_app(
        self, app: Any, config: Config, scope: Any, send: Callable[[Any], Awaitable[None]]
    ) -> Callable[[Any], Awaitable[None]]:
        """Begins it; what comes back takes what it is to receive."""
        del config
        mailbox = Mailbox(self._crowd.bounds.waiting)
        self._nursery.start_soon(self._run, app, scope, mailbox, send)
        return mailbox.put

    async def _run(
        self, app: Any, scope: Any, mailbox: Mailbox, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        async def answer(message: Any) -> None:
            if mailbox.is_gone:
                await trio.lowlevel.checkpoint()
                raise ClientGoneError
            await send(message)

        try:
            await app(scope, mailbox.get, answer, trio.to_thread.run_sync, trio.from_thread.run)
        except ClientGoneError:
            pass
        except Exception as error:
            # One request's failure is answered with 500 below, and is nobody else's.
            self._crowd.failed += 1
            log.error("the application failed", path=scope.get("path", "")[:200], exc_info=error)
        finally:
            mailbox.close()
        await send(None)

    def spawn(self, work: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Runs something beside."""
        self._beside.start_soon(work, *arguments)


class GuardedH11(H11Protocol):
    """HTTP/1.1 and WebSocket, nothing else."""

    headers_max = 100
    _head = b""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Hypercorn leaves for HTTP/2 here. An upgrade to it may be ignored (RFC 9110, 7.8)."""

    async def _create_stream(self, request: h11.Request) -> None:
        status = self._refusal(request)
        if status is not None:
            await self._send_error_response(status)
            await self.send(Closed())
            return
        offered = [name for name, _ in request.headers if name == b"sec-websocket-extensions"]
        if offered:  # no compression: a small frame could become a huge message
            request = h11.Request(
                method=request.method,
                target=request.target,
                http_version=request.http_version,
                headers=[pair for pair in request.headers if pair[0] != offered[0]],
            )
        await super()._create_stream(request)

    def _refusal(self, request: h11.Request) -> int | None:
        if request.method == b"PRI" or not request.http_version.startswith(b"1."):
            return 505
        if len(request.headers) > self.headers_max:
            return 431
        return None

    def is_parting(self) -> bool:
        """Whether it is a WebSocket that is closing, from either side."""
        talk = getattr(self.stream, "connection", None)
        return isinstance(talk, WSConnection) and talk.state is not WSState.OPEN

    async def _send_h11_event(self, event: Any) -> None:
        """Head and first piece of the body in one write."""
        try:
            sent = self.connection.send(event) or b""
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            self._head = sent
            return
        sent, self._head = self._head + sent, b""
        if sent:
            await self.send(RawData(data=sent))


class GuardedConnection(TCPServer):
    """One client's connection."""

    def __init__(
        self,
        app: Any,
        config: Config,
        context: WorkerContext,
        state: ConnectionState,
        stream: Any,
        crowd: Crowd,
    ) -> None:
        super().__init__(app, config, context, state, stream)
        self.crowd = crowd
        self.idle_since_s: float | None = trio.current_time()
        self._asked_s = 0.0
        self._parting_s: float | None = None
        self._reading = trio.CancelScope()
        self._h11: GuardedH11 | None = None
        transport = getattr(stream, "transport_stream", stream)
        self._socket = transport.socket
        try:
            self.client = parse_socket_addr(self._socket.family, self._socket.getpeername())
        except OSError:  # gone already
            self.client = ("", 0)
        self.address = self.client[0] if self.client else ""

    @property
    def bounds(self) -> Bounds:
        """What this client can take."""
        return self.crowd.bounds

    def is_overdue(self, now_s: float) -> bool:
        """See `Member`."""
        if self.idle_since_s is not None:
            return now_s - self.idle_since_s > self.bounds.idle_s
        if self._h11 is not None and self._h11.is_parting():
            self._parting_s = self._parting_s or now_s
            return now_s - self._parting_s > PARTING_S
        connection = None if self._h11 is None else self._h11.connection
        is_body_due = connection is not None and connection.their_state is h11.SEND_BODY
        return is_body_due and now_s - self._asked_s > self.bounds.body_s

    async def run(self) -> None:
        """Until the client is gone, or has to go."""
        if not await self.crowd.admit(self):
            await trio.aclose_forcefully(self.stream)
            return
        try:
            if await self._shake_hands():
                await self._talk()
        except OSError:
            pass
        except Exception as error:
            # A mistake on one connection ends that connection: guards share this process.
            self.crowd.failed += 1
            log.error("a connection failed", exc_info=error)
        finally:
            self.crowd.leave(self)
            with trio.move_on_after(LINGER_S, shield=True):
                await trio.aclose_forcefully(self.stream)

    async def _shake_hands(self) -> bool:
        if not isinstance(self.stream, trio.SSLStream):
            return True
        with trio.move_on_after(self.bounds.handshake_s):
            try:
                await self.stream.do_handshake()
            except _GONE:
                return False
            return True
        return False

    async def _talk(self) -> None:
        is_tls = isinstance(self.stream, trio.SSLStream)
        async with trio.open_nursery() as beside:
            async with trio.open_nursery() as nursery:
                protocol = GuardedH11(
                    self.app,
                    self.config,
                    self.context,
                    AppTasks(nursery, beside, self.crowd),  # type: ignore[arg-type]
                    ConnectionState(self.state.copy()),
                    is_tls,
                    self.client,
                    parse_socket_addr(self._socket.family, self._socket.getsockname()),
                    self.protocol_send,
                )
                protocol.headers_max = self.bounds.headers
                self._h11 = protocol
                with self._reading:
                    await self._read_on(protocol)
                with trio.CancelScope(shield=True):
                    await protocol.handle(Closed())
            beside.cancel_scope.cancel()

    async def _read_on(self, protocol: GuardedH11) -> None:
        while True:
            try:
                received = await self.stream.receive_some(READ_BYTES)
            except (*_GONE, trio.BusyResourceError):  # gone, or being hung up
                return
            await protocol.handle(RawData(bytes(received)))
            if not received:
                return

    async def protocol_send(self, event: Event) -> None:
        """What the protocol wants done with the connection."""
        if isinstance(event, RawData):
            async with self.send_lock:
                is_sent = await self._write(event.data)
            if not is_sent:
                await self.abort()
        elif isinstance(event, Closed):
            await self._hang_up()
        elif isinstance(event, Updated):
            now_s = trio.current_time()
            self._asked_s = now_s
            self.idle_since_s = now_s if event.idle else None
            if event.idle and self.context.terminated.is_set():
                await self._hang_up()

    async def _write(self, written: bytes) -> bool:
        """Whether the client took it in time. Not broken off in the middle of it otherwise."""
        with trio.move_on_after(self.bounds.write_s, shield=True) as scope:
            try:
                await self.stream.send_all(written)
            except _GONE:
                return False
        if scope.cancelled_caught:
            self.crowd.slow += 1
        return not scope.cancelled_caught

    async def _hang_up(self) -> None:
        """In good order: what the client still sends is taken for a moment, or it would lose the
        answer to a reset."""
        with trio.move_on_after(LINGER_S, shield=True):
            try:
                if isinstance(self.stream, trio.SSLStream):
                    await self.stream.aclose()
                else:
                    await self.stream.send_eof()
                    await self._drain()
            except (*_GONE, trio.BusyResourceError):
                pass
        await self.abort()

    async def _drain(self) -> None:
        left = LINGER_BYTES
        while left > 0 and (received := await self.stream.receive_some(READ_BYTES)):
            left -= len(received)

    async def abort(self) -> None:
        """See `Member`."""
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(self.stream)
            self._reading.cancel()
            if self._h11 is not None:
                await self._h11.handle(Closed())
