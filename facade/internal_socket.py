"""The engine's side of the internal socket: a Unix socket for programs of the same user.

Who may connect is the file system's to say (mode 0600) and is asked of the kernel once more: the
peer's user must be ours, or root. Requests of one connection are answered in their order, batches
of answers go out in one write; a reader that does not read is cut off, and slows nobody else.
"""

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import structlog
import trio

from engine.client.wire import VERSION, Frames, Request, WireError, pack, pack_raw, request_of
from engine.desk import Desk
from engine.domain.commands import Command, Refused
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.errors import UserError
from engine.tap import Listener

CONNECTIONS = 64
WRITE_S = 5.0
READ_BYTES = 262_144
WAITING_BYTES = 4 << 20
"""Of answers and events that may wait for one reader."""
PAGE = 500
FASTEST_HZ, SLOWEST_HZ = 50.0, 0.1

log = structlog.get_logger("tidegate.internal")

_encoder = msgspec.msgpack.Encoder()


class _Hello(msgspec.Struct):
    version: int


class _OfKey(msgspec.Struct):
    key: AccountKey


class _OfKeys(msgspec.Struct):
    keys: list[AccountKey]


class _Records(msgspec.Struct):
    key: AccountKey
    after: int
    limit: int


class _Command(msgspec.Struct):
    key: AccountKey
    command: Command


class _Events(msgspec.Struct):
    after: list[tuple[AccountKey, int]] = []


class _Snapshots(msgspec.Struct):
    keys: list[AccountKey]
    rate_hz: float = 4.0


class InternalSocket:
    """`await nursery.start(InternalSocket(desk, path).serve)`."""

    def __init__(self, desk: Desk, path: Path) -> None:
        self.connections = 0
        self.cut_off = 0
        """Readers that did not read."""
        self._desk = desk
        self._path = path

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serves until it is cancelled; the socket's file goes with it.

        Raises:
            UserError: the path cannot be a socket, or another engine listens there.
        """
        listener = trio.SocketListener(await self._bound())
        try:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    stream = await listener.accept()
                    if self.connections >= CONNECTIONS or not _is_ours(stream.socket):
                        await trio.aclose_forcefully(stream)
                        continue
                    nursery.start_soon(self._serve_one, stream)
        finally:
            self._path.unlink(missing_ok=True)
            listener.socket.close()

    async def _bound(self) -> trio.socket.SocketType:
        path = str(self._path)
        if len(path.encode()) > 100:
            raise UserError("the path of the internal socket is too long", place=path)
        if self._path.exists():
            try:
                stream = await trio.open_unix_socket(path)
            except OSError:
                self._path.unlink()  # of an engine that was killed
            else:
                await stream.aclose()
                raise UserError("another engine listens here already", place=path)
        made = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            await made.bind(path)
        except OSError as error:
            raise UserError(f"cannot listen: {error.strerror}", place=path) from error
        finally:
            os.umask(before)
        made.listen(CONNECTIONS)
        return made

    async def _serve_one(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        try:
            await _Connection(self._desk, stream).run()
        except _SlowReaderError:
            self.cut_off += 1
            log.warning("a reader of the internal socket was cut off: it does not read")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except WireError as error:
            log.warning("a client of the internal socket broke the rules", cause=str(error))
        finally:
            self.connections -= 1
            await trio.aclose_forcefully(stream)


class _SlowReaderError(Exception):
    """Too much waits for a reader, or it has not read for too long."""


class _Connection:
    """One client."""

    def __init__(self, desk: Desk, stream: trio.SocketStream) -> None:
        self._desk = desk
        self._stream = stream
        self._out = bytearray()
        self._wake = trio.Event()
        self._greeted = False
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Answers until the client hangs up."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._write_on)
                frames = Frames()
                while chunk := await self._stream.receive_some(READ_BYTES):
                    for frame in frames.feed(chunk):
                        self._say(await self._answer(request_of(frame)))
                nursery.cancel_scope.cancel()
        except* _SlowReaderError as group:
            raise group.exceptions[0] from None
        except* (trio.BrokenResourceError, trio.ClosedResourceError) as group:
            raise group.exceptions[0] from None
        except* WireError as group:
            raise group.exceptions[0] from None

    def _say(self, frame: bytes) -> None:
        self._out += frame
        if len(self._out) > WAITING_BYTES:
            raise _SlowReaderError
        self._wake.set()

    async def _write_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            sending, self._out = self._out, bytearray()
            with trio.move_on_after(WRITE_S) as scope:
                await self._stream.send_all(sending)
            if scope.cancelled_caught:
                raise _SlowReaderError

    async def _answer(self, request: Request) -> bytes:
        number = request.number
        call = _CALLS.get(request.call)
        if call is None:
            return pack(number, "error", f"no such call: {request.call[:40]}")
        if not self._greeted and request.call != "hello":
            return pack(number, "error", "say hello first")
        shape, answer = call
        try:
            told = msgspec.convert(request.arguments, shape)
        except msgspec.ValidationError as error:
            return pack(number, "error", f"{request.call}: {error}")
        try:
            said: bytes = await answer(self, number, told)
        except KeyError:
            return pack(number, "error", "there is no such account")
        return said

    async def _hello(self, number: int, told: _Hello) -> bytes:
        if told.version != VERSION:
            return pack(number, "error", f"this engine speaks version {VERSION}")
        self._greeted = True
        return pack(number, "ok", {"version": VERSION})

    async def _keys(self, number: int, _: Any) -> bytes:
        return pack(number, "ok", self._desk.keys())

    async def _health(self, number: int, _: Any) -> bytes:
        return pack(number, "ok", self._desk.health())

    async def _snapshot(self, number: int, told: _OfKey) -> bytes:
        return pack_raw(number, "ok", self._desk.packed(told.key))

    async def _snapshots(self, number: int, told: _OfKeys) -> bytes:
        known = set(self._desk.keys())
        bodies = [self._desk.packed(key) for key in told.keys if key in known]
        head = b"\xdd" + len(bodies).to_bytes(4, "big")
        return pack_raw(number, "ok", head + b"".join(bodies))

    async def _records(self, number: int, told: _Records) -> bytes:
        self._desk.version(told.key)  # KeyError where there is no such account
        limit = max(1, min(told.limit, PAGE))
        return pack(number, "ok", await self._desk.records(told.key, told.after, limit))

    async def _command(self, number: int, told: _Command) -> bytes:
        done = await self._desk.command(told.key, told.command)
        if isinstance(done, Refused):
            return pack(number, "refused", done.reason)
        return pack(number, "ok", done)

    async def _report(self, number: int, told: _OfKey) -> bytes:
        return pack(number, "ok", await self._desk.ask_report(told.key))

    async def _subscribe_events(self, number: int, told: _Events) -> bytes:
        assert self._nursery is not None, "not running"
        self._nursery.start_soon(self._push_events, self._desk.listen(), dict(told.after))
        return pack(number, "ok", None)

    async def _subscribe_snapshots(self, number: int, told: _Snapshots) -> bytes:
        assert self._nursery is not None, "not running"
        rate_hz = min(FASTEST_HZ, max(SLOWEST_HZ, told.rate_hz))
        known = set(self._desk.keys())
        keys = [key for key in told.keys if key in known]
        self._nursery.start_soon(self._push_snapshots, keys, 1.0 / rate_hz)
        return pack(number, "ok", None)

    async def _push_events(self, listener: Listener, after: dict[AccountKey, int]) -> None:
        """Old records first, then new ones; none twice, and what is missed is said."""
        try:
            sent: dict[AccountKey, int] = {}
            for key, seq in after.items():
                while page := await self._desk.records(key, seq, PAGE):
                    for record in page:
                        self._push(record)
                    seq = page[-1].seq  # noqa: PLW2901  goes on from the last one
                sent[key] = seq
            while True:
                for record in await listener.wait():
                    key = AccountKey(record.server, record.login)
                    if record.seq > sent.get(key, 0):
                        self._push(record)
                if listener.missed:
                    self._say(pack(0, "missed", listener.missed))
                    listener.missed = 0
        finally:
            listener.close()

    def _push(self, record: Record) -> None:
        self._say(pack_raw(0, "event", _encoder.encode(record)))

    async def _push_snapshots(self, keys: list[AccountKey], period_s: float) -> None:
        """The newest of each that changed, at the reader's pace: what it cannot take is skipped."""
        versions: dict[AccountKey, tuple[int, int]] = {}
        while True:
            if len(self._out) < WAITING_BYTES // 4:
                for key in keys:
                    version = self._desk.version(key)
                    if versions.get(key) != version:
                        versions[key] = version
                        self._say(pack_raw(0, "snapshot", self._desk.packed(key)))
            await trio.sleep(period_s)


_CALLS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "hello": (_Hello, _Connection._hello),
    "keys": (dict[str, Any], _Connection._keys),
    "health": (dict[str, Any], _Connection._health),
    "snapshot": (_OfKey, _Connection._snapshot),
    "snapshots": (_OfKeys, _Connection._snapshots),
    "records": (_Records, _Connection._records),
    "command": (_Command, _Connection._command),
    "report": (_OfKey, _Connection._report),
    "subscribe_events": (_Events, _Connection._subscribe_events),
    "subscribe_snapshots": (_Snapshots, _Connection._subscribe_snapshots),
}


def _is_ours(connected: trio.socket.SocketType) -> bool:
    """Whether the program at the other end is of our user, or root's."""
    size = struct.calcsize("3i")
    credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _, user, _ = struct.unpack("3i", credentials)
    return user in (os.getuid(), 0)
