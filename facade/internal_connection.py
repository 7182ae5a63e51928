"""One client of the internal socket: its requests read, its answers written, each within limits."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio

from engine.client.wire import (
    REQUEST_BYTES,
    VERSION,
    Frames,
    Request,
    WireError,
    pack,
    request_of,
)
from engine.desk import Desk
from facade.internal_calls import QUICK, SlowCalls, Turn, lane_of
from facade.internal_pushes import EventsWanted, Pushes, SnapshotsWanted
from facade.internal_rules import NotAllowedError, Peer, Rules

READ_BYTES = 65_536
WRITE_BYTES = 262_144
"""Written at a time, each piece within `WRITE_S`."""
WRITE_S = 5.0
HELLO_S = 5.0
WAITING_BYTES = 4 << 20
"""Of answers that may wait for a reader; then its requests wait."""
OUTSTANDING = 256
"""Slow calls under way; then requests wait."""


class SlowReaderError(Exception):
    """It has not read for too long."""


class Hello(msgspec.Struct):
    """The first request."""

    version: int
    token: str = ""


class Unwanted(msgspec.Struct):
    """What is not to be pushed any more: `events` or `snapshots`."""

    what: str


class Connection:
    """One client."""

    def __init__(
        self, desk: Desk, stream: trio.SocketStream, rules: Rules, peer: Peer, pushes: Pushes
    ) -> None:
        self._desk = desk
        self._stream = stream
        self._rules = rules
        self._peer = peer
        self._pushes = pushes
        self._out = bytearray()
        self._wake = trio.Event()
        self._written = trio.Event()
        self._greeted = trio.Event()
        self._slow = SlowCalls(desk, pushes.packed, rules, lambda: self._peer)
        self._lanes: dict[Any, deque[Callable[[], Awaitable[None]]]] = {}
        self._outstanding = 0
        self._subscribed: dict[str, trio.CancelScope] = {}
        self._nursery: trio.Nursery

    async def run(self) -> None:
        """Answers until the client hangs up.

        Raises:
            SlowReaderError, WireError, trio.BrokenResourceError: it did not behave, or is gone.
        """
        kinds = (SlowReaderError, WireError, trio.BrokenResourceError, trio.ClosedResourceError)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(self._write_on)
                nursery.start_soon(self._expect_hello)
                await self._read_on()
                nursery.cancel_scope.cancel()
        except* kinds as group:
            raise group.exceptions[0] from None

    async def _expect_hello(self) -> None:
        with trio.move_on_after(HELLO_S):
            await self._greeted.wait()
        if not self._greeted.is_set():
            raise WireError("it did not say hello")

    async def _read_on(self) -> None:
        frames = Frames(REQUEST_BYTES)
        turn = Turn()
        while chunk := await self._stream.receive_some(READ_BYTES):
            for frame in frames.feed(chunk):
                self._take(request_of(frame))
                await turn.yield_if_due()
                while len(self._out) > WAITING_BYTES or self._outstanding >= OUTSTANDING:
                    await self._written.wait()

    # Writing

    def say(self, frame: bytes) -> None:
        """Has it written when its turn comes."""
        self._out += frame
        self._wake.set()

    async def room(self) -> None:
        """Until little waits to be written: for what is pushed."""
        while len(self._out) > WAITING_BYTES // 8:
            await self._written.wait()

    def _made_room(self) -> None:
        """Whoever waits looks again."""
        self._written.set()
        self._written = trio.Event()

    async def _write_on(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            while self._out:
                piece = bytes(self._out[:WRITE_BYTES])
                del self._out[:WRITE_BYTES]
                with trio.move_on_after(WRITE_S) as scope:
                    await self._stream.send_all(piece)
                if scope.cancelled_caught:
                    raise SlowReaderError
                self._made_room()

    # Requests

    def _take(self, request: Request) -> None:
        number, call = request.number, request.call
        if not self._greeted.is_set() and call != "hello":
            self.say(pack(number, "denied", "say hello first"))
            return
        try:
            if call in QUICK:
                shape, answer = QUICK[call]
                told = msgspec.convert(request.arguments, shape)
                self.say(answer(self._desk, self._pushes.packed, number, told))
            elif call in self._slow.shapes:
                shape, begin = self._slow.shapes[call]
                told = msgspec.convert(request.arguments, shape)
                self._line_up(number, lane_of(told), lambda: begin(number, told))
            else:
                self.say(self._own(number, call, request.arguments))
        except msgspec.ValidationError as error:
            self.say(pack(number, "error", f"{call}: {error}"))
        except KeyError:
            self.say(pack(number, "missing", "there is no such account"))
        except NotAllowedError as error:
            self.say(pack(number, "denied", str(error)))

    def _own(self, number: int, call: str, arguments: dict[str, Any]) -> bytes:
        """Calls about the connection itself."""
        if call == "hello":
            hello = msgspec.convert(arguments, Hello)
            if hello.version != VERSION:
                return pack(number, "error", f"this engine speaks version {VERSION}")
            if hello.token:
                self._peer = self._rules.with_token(self._peer, hello.token)
            if not self._peer.name:
                return pack(number, "denied", "here a token is needed")
            self._greeted.set()
            told = {"name": self._peer.name, "is_program": self._peer.is_program}
            return pack(number, "ok", {"version": VERSION, **told})
        if call == "subscribe_events":
            wanted = msgspec.convert(arguments, EventsWanted)
            listener = self._desk.listen(wanted.keys)
            self._subscribe("events", self._pushes.events(self, wanted, listener))
            return pack(number, "ok", list(listener.since.items()))
        if call == "subscribe_snapshots":
            of_snapshots = msgspec.convert(arguments, SnapshotsWanted)
            self._subscribe("snapshots", self._pushes.snapshots(self, of_snapshots))
        elif call == "unsubscribe":
            scope = self._subscribed.pop(msgspec.convert(arguments, Unwanted).what, None)
            if scope is not None:
                scope.cancel()
        else:
            return pack(number, "error", f"no such call: {call[:40]}")
        return pack(number, "ok", None)

    def _subscribe(self, what: str, pushing: Awaitable[None]) -> None:
        """One of a kind: a new one takes the place of the old."""
        if what in self._subscribed:
            self._subscribed[what].cancel()
        scope = self._subscribed[what] = trio.CancelScope()

        async def run() -> None:
            with scope:
                await pushing

        self._nursery.start_soon(run)

    def _line_up(self, number: int, lane: Any, work: Callable[[], Awaitable[bytes]]) -> None:
        """Carried out after what was asked before of the same account."""

        async def answer() -> None:
            try:
                self.say(await work())
            except KeyError:
                self.say(pack(number, "missing", "there is no such account"))
            except NotAllowedError as error:
                self.say(pack(number, "denied", str(error)))
            except (OSError, trio.BrokenResourceError) as error:
                self.say(pack(number, "error", str(error)))

        self._outstanding += 1
        if lane in self._lanes:
            self._lanes[lane].append(answer)
        else:
            self._lanes[lane] = deque([answer])
            self._nursery.start_soon(self._run_lane, lane)

    async def _run_lane(self, lane: Any) -> None:
        waiting = self._lanes[lane]
        while waiting:
            try:
                await waiting[0]()
            finally:
                waiting.popleft()
                self._outstanding -= 1
                self._made_room()
        del self._lanes[lane]
