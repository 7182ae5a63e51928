"""A gateway on a loopback port, a sink that remembers, and terminals that link to it over TLS."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from adapters.memory.epochs import MemoryEpochs
from adapters.mt5.certificates import client_context, make_certificates, server_context
from adapters.mt5.door import GatewaySettings
from adapters.mt5.gateway import Gateway
from adapters.mt5.protocol import Ended
from adapters.mt5.terminal_side import TerminalEvent, TerminalSession, TerminalSide, Welcomed
from engine.clock import SystemClock
from engine.domain.ids import AccountKey
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from engine.link import LinkQuote, PositionChange, Receipt, Sent, TerminalFacts
from engine.secret import Secret
from tests.adapters.mt5.link_samples import ACCOUNT, KEY, hello

LONG_S = 20.0
"""No test waits so long unless it fails."""
_nonces = count(1)


@lru_cache(maxsize=1)
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for the gateway and for terminals that trust it."""
    with TemporaryDirectory() as folder:
        files = make_certificates(Path(folder) / "tls", ["127.0.0.1"], datetime.now(UTC))
        return server_context(files.server, files.server_key), client_context(files.authority)


class Keys(dict[AccountKey, tuple[Secret, ...]]):
    """A key ring."""

    def keys_of(self, account: AccountKey) -> Sequence[Secret]:
        return self.get(account, ())


@dataclass
class Sink:
    """Remembers every call, signs every receipt, and waits where a test holds it."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    signs: bool = True
    held: trio.Event | None = None
    shields: bool = False
    """What it holds does not end with the link."""
    _more: trio.Event = field(default_factory=trio.Event)

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        self._more.set()
        self._more = trio.Event()

    async def _take(self, receipt: Receipt, *call: Any) -> None:
        self._note(*call)
        self.receipts.append(receipt)
        if self.held is not None:
            with trio.CancelScope(shield=self.shields):
                await self.held.wait()
        if self.signs:
            receipt.sign()

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == kind]

    async def until(self, kind: str, times: int = 1) -> list[tuple[Any, ...]]:
        """All calls of a kind, once there are so many."""
        with trio.fail_after(LONG_S):
            while len(self.of(kind)) < times:
                await self._more.wait()
        return self.of(kind)

    async def linked(self, facts: TerminalFacts) -> None:
        self._note("linked", facts)

    async def reported(
        self, key: AccountKey, report: FullReport, sent: Sent, receipt: Receipt
    ) -> None:
        await self._take(receipt, "reported", key, report)

    async def position_changed(
        self,
        key: AccountKey,
        change: PositionChange,
        position: PositionReport,
        sent: Sent,
        receipt: Receipt,
    ) -> None:
        await self._take(receipt, "position", key, change, position)

    async def deal(self, key: AccountKey, deal: DealReport, sent: Sent, receipt: Receipt) -> None:
        await self._take(receipt, "deal", key, deal.ticket)

    async def result(
        self, key: AccountKey, result: CommandResult, sent: Sent, receipt: Receipt
    ) -> None:
        await self._take(receipt, "result", key, result)

    async def heartbeat(self, key: AccountKey, heartbeat: Heartbeat, sent: Sent) -> None:
        self._note("heartbeat", key, heartbeat)

    async def quotes(self, feed: str, quotes: Sequence[LinkQuote], sent: Sent) -> None:
        self._note("quotes", feed, [quote.symbol for quote in quotes])

    async def let_closes_pass(self) -> None:
        await trio.lowlevel.checkpoint()

    def went_stale(self, key: AccountKey, silence_s: float) -> None:
        self._note("stale", key)

    def led(self, feed: str, leader: AccountKey | None) -> None:
        self._note("led", feed, leader)

    def unlinked(self, key: AccountKey, cause: str) -> None:
        self._note("unlinked", key, cause)


class Line:
    """A terminal's end of a connection."""

    def __init__(
        self,
        stream: trio.SSLStream[trio.SocketStream],
        side: TerminalSide,
        session: TerminalSession,
    ) -> None:
        self.stream = stream
        self.side = side
        self.session = session
        self._turn = trio.Lock()
        """A test's task and a background heartbeat may both have something to say."""

    async def say(self, *frames: bytes) -> None:
        async with self._turn:
            await self.stream.send_all(b"".join(frames))

    async def hear(self) -> list[TerminalEvent]:
        """What comes next; the end, when the engine hangs up."""
        with trio.fail_after(LONG_S):
            while True:
                chunk = b""
                with suppress(trio.BrokenResourceError):
                    chunk = bytes(await self.stream.receive_some())
                said = self.side.receive(chunk) if chunk else self.side.receive_end()
                if said or not chunk:
                    return said

    async def until(self, wanted: Callable[[TerminalEvent], bool]) -> TerminalEvent:
        while True:
            said = await self.hear()
            assert said, "the engine hung up"
            for event in said:
                if wanted(event):
                    return event

    async def end_code(self) -> str:
        """Why the engine ended the link."""
        ended = await self.until(lambda event: isinstance(event, Ended))
        assert isinstance(ended, Ended)
        return ended.code

    async def shake_hands(self) -> Welcomed:
        await self.say(self.side.send_hello())
        await self.hear()
        await self.say(self.side.send_proof())
        event = await self.until(lambda event: isinstance(event, Welcomed))
        assert isinstance(event, Welcomed)
        return event


class House:
    """The gateway and its world."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.sink = Sink()
        self.keys = Keys({ACCOUNT: (KEY,)})
        self.epochs = MemoryEpochs()
        self.gateway = Gateway(self.sink, self.keys, self.epochs, SystemClock(), settings)
        self.port = 0

    @asynccontextmanager
    async def knock(self) -> AsyncIterator[trio.SocketStream]:
        """A bare TCP connection."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        try:
            yield stream
        finally:
            await trio.aclose_forcefully(stream)

    @asynccontextmanager
    async def line(
        self,
        account: AccountKey = ACCOUNT,
        key: Secret = KEY,
        session: TerminalSession | None = None,
        nonce: str | None = None,
    ) -> AsyncIterator[Line]:
        """A TLS connection on which nothing was said yet."""
        session = session or TerminalSession("run-1")
        nonce = nonce or f"nonce-{next(_nonces):026}"
        async with self.knock() as stream:
            tls = trio.SSLStream(stream, contexts()[1], server_hostname="127.0.0.1")
            await tls.do_handshake()
            yield Line(tls, TerminalSide(hello(account, nonce), key, session), session)

    @asynccontextmanager
    async def linked(
        self, account: AccountKey = ACCOUNT, session: TerminalSession | None = None
    ) -> AsyncIterator[Line]:
        """A terminal that was welcomed."""
        self.keys.setdefault(account, (KEY,))
        async with self.line(account, session=session) as line:
            await line.shake_hands()
            yield line

    def refused(self) -> dict[str, int]:
        return self.gateway.statistics().refused


@asynccontextmanager
async def house(**limits: Any) -> AsyncIterator[House]:
    """A house whose gateway serves."""
    open_house = House(GatewaySettings(**limits))
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(open_house.gateway.serve, contexts()[0], "127.0.0.1", 0)
        open_house.port = addresses[0][1]
        yield open_house
        nursery.cancel_scope.cancel()
