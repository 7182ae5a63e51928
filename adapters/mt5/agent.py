"""`tidegate agent`: the terminal link from Python, beside a Windows terminal.

One Trio task tree holds the link; one thread polls the package (`agent_poll`). What a look saw
comes over by message, commands go the other way through a queue.
"""

import logging
import math
import random
import secrets
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import trio

from adapters.mt5 import frames
from adapters.mt5.agent_package import Facts, Package
from adapters.mt5.agent_poll import PollThread, Told
from adapters.mt5.certificates import thumbprint_of
from adapters.mt5.intents import IntentTable
from adapters.mt5.protocol import EndCode, Ended, Refusal
from adapters.mt5.terminal_side import (
    Challenged,
    Commanded,
    OutgrownCommand,
    TerminalEvent,
    TerminalSession,
    TerminalSide,
    Welcomed,
)
from engine.errors import AdapterError, UserError
from engine.link import Action
from engine.secret import Secret

READ_BYTES = 65_536
CONNECT_S = 2.0
FIRST_PAUSE_S = (0.2, 0.5)
LONGEST_PAUSE_S = 30.0
WAITING_LOOKS = 4096
SETTLE_S = 2.0
CLOCK_S = 20.0
"""For a tick to tell the server's clock, at the start."""
HANDSHAKE_S = 10.0
DEAD_S = 30.0
"""A link on which an acknowledgement is owed for so long is no link."""
MOST_UNSENT_BYTES = 8 * 2**20
OWED_FRAMES = 128
"""The engine signs after 64 at most; twice that without a word is silence."""
FINAL = frozenset({EndCode.SUPERSEDED, EndCode.REVOKED, EndCode.REFUSED, EndCode.VERSION})

log = logging.getLogger("tidegate.agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Where the engine is and how the terminal is polled."""

    host: str
    port: int
    tls: ssl.SSLContext
    pins: frozenset[str] = frozenset()
    """SHA-256 thumbprints of the certificate that is taken; empty: whichever `tls` takes."""
    server_hostname: str | None = None
    key: Secret
    state: Path
    """Directory of the intent table: it must outlive this program."""
    period_s: float = 0.1
    terminal_path: str | None = None
    login: int | None = None
    """Checked against the terminal's, where given."""
    server: str | None = None
    gmt_offset_s: int | None = None
    magic: int = 0
    floor_silent_s: float = 30.0
    settle_s: float = SETTLE_S
    clock_s: float = CLOCK_S


class Agent:
    """One account's link. `run` it until it is cancelled."""

    def __init__(
        self, mt5: Any, settings: AgentSettings, now: Callable[[], datetime] | None = None
    ) -> None:
        """`mt5`: the package, or what stands in for it."""
        self.linked = trio.Event()
        self.ends: deque[str] = deque(maxlen=100)
        self._settings = settings
        self._package = Package(mt5, now or partial(datetime.now, UTC))
        self._heard_s = time.monotonic()
        self._heard_n = 0
        self._owed_since_s: float | None = None
        self._session = TerminalSession(secrets.token_hex(8))
        self._scope = trio.CancelScope()
        self._newest_deal_msc = 0
        self._address = (settings.host, settings.port)
        self._side: TerminalSide | None = None
        self._out = bytearray()
        self._wake = trio.Event()
        self._waiting: deque[Told] = deque(maxlen=WAITING_LOOKS)
        self._told_offset_s = 0

    async def run(self) -> None:
        """Attaches to the terminal, then links and links again.

        Raises:
            AdapterError: the terminal does not answer, or the poll thread failed.
            UserError: it is another account, the clock cannot be told, or the engine refused us.
        """
        settings = self._settings
        facts = await trio.to_thread.run_sync(self._package.open, settings.terminal_path)
        self._check(facts)
        settings.state.mkdir(parents=True, exist_ok=True)
        table = settings.state / f"{facts.server}-{facts.login}.jsonl".replace("/", "_")
        intents = IntentTable(table)
        self._session.epoch_seen = intents.epoch_seen
        self._heard_s = time.monotonic()
        token = trio.lowlevel.current_trio_token()
        poll = PollThread(
            self._package,
            intents,
            lambda told: token.run_sync_soon(self._hear, told),
            lambda: token.run_sync_soon(self._hear_failure),
            period_s=settings.period_s,
            magic=settings.magic,
            gmt_offset_s=settings.gmt_offset_s,
            silent_s=self._silent_s,
            floor_silent_s=settings.floor_silent_s,
            settle_s=settings.settle_s,
        )
        poll.start()
        try:
            await self._await_clock(poll)
            await self._keep_linked(facts, intents, poll)
        finally:
            poll.stop()
            with trio.CancelScope(shield=True), trio.move_on_after(5.0):
                await trio.to_thread.run_sync(poll.join, abandon_on_cancel=True)

    def _check(self, facts: Facts) -> None:
        settings = self._settings
        if settings.login is not None and settings.login != facts.login:
            raise UserError(f"the terminal is logged in to {facts.login}, not {settings.login}")
        if settings.server is not None and settings.server != facts.server:
            raise UserError(f"the terminal is at {facts.server}, not {settings.server}")

    async def _await_clock(self, poll: PollThread) -> None:
        """Until the server's clock is known: times said before would be hours wrong."""
        with trio.move_on_after(self._settings.clock_s):
            while poll.gmt_offset_s is None and poll.failure is None:
                await trio.sleep(self._settings.period_s)
        if poll.gmt_offset_s is None and poll.failure is None:
            raise UserError(
                "no fresh tick tells how far the server's clock is from UTC",
                help="is the market closed, or this machine's clock wrong? else --gmt-offset",
            )
        self._told_offset_s = poll.gmt_offset_s or 0

    async def _keep_linked(self, facts: Facts, intents: IntentTable, poll: PollThread) -> None:
        failures = 0
        while True:
            was = self.linked
            ended = await self._link(facts, intents, poll)
            self.ends.append(ended.code)
            if poll.failure is not None:
                raise AdapterError(
                    f"polling failed: {poll.failure}", system="MetaTrader5", retry=True
                ) from poll.failure
            if ended.code in FINAL:
                raise UserError(f"the engine sent this terminal away: {ended.code}")
            failures = 0 if was.is_set() else failures + 1
            self.linked = trio.Event()
            address = (self._settings.host, self._settings.port)
            moved = _address_of(ended.to) if ended.code == EndCode.MOVED else None
            self._address = moved or address
            if moved is not None:
                continue  # at once, once; then the configured address again
            low, high = FIRST_PAUSE_S
            longest = min(LONGEST_PAUSE_S, high * 2 ** min(failures, 10))
            await trio.sleep(random.uniform(low, longest))  # noqa: S311  spreads reconnects

    async def _link(self, facts: Facts, intents: IntentTable, poll: PollThread) -> Ended:
        settings = self._settings
        try:
            with trio.fail_after(CONNECT_S):
                stream = await trio.open_tcp_stream(*self._address)
        except (OSError, trio.TooSlowError):
            return Ended("unreachable")
        name = settings.server_hostname or settings.host
        tls = trio.SSLStream(stream, settings.tls, server_hostname=name, https_compatible=True)
        ended = Ended("cut")
        try:
            with trio.CancelScope(deadline=trio.current_time() + HANDSHAKE_S) as self._scope:
                await tls.do_handshake()
                # Before a word is said: the hello alone names the account.
                pinned = self._is_pinned(thumbprint_of(tls.getpeercert(binary_form=True)))
                ended = Ended("not_pinned")
                if pinned:
                    ended = await self._speak(tls, facts, intents, poll)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            ended = Ended("broken")
        finally:
            if self._side is not None:
                self._heard_s, self._side = time.monotonic(), None
            self._out.clear()
            await trio.aclose_forcefully(tls)
        return ended

    def _is_pinned(self, thumbprint: str) -> bool:
        pins = self._settings.pins
        if not pins or thumbprint in pins:
            return True
        log.error("the engine shows a certificate that is not pinned: %s", thumbprint)
        return False

    async def _speak(
        self,
        tls: trio.SSLStream[trio.SocketStream],
        facts: Facts,
        intents: IntentTable,
        poll: PollThread,
    ) -> Ended:
        side = TerminalSide(_hello(facts, poll), self._settings.key, self._session)
        await tls.send_all(side.send_hello())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, tls)
            while poll.failure is None:
                chunk = bytes(await tls.receive_some(READ_BYTES))
                self._note_heard()
                for event in side.receive(chunk) if chunk else side.receive_end():
                    if isinstance(event, Ended):
                        nursery.cancel_scope.cancel()
                        return event
                    if isinstance(event, Refusal):
                        nursery.cancel_scope.cancel()
                        return Ended(event.code)
                    self._take(side, event, intents, poll)
                if self._newest_deal_msc and not self._session.kept:
                    intents.note_deals(self._newest_deal_msc)
            nursery.cancel_scope.cancel()
        return Ended("poll_failed")

    def _take(
        self, side: TerminalSide, event: TerminalEvent, intents: IntentTable, poll: PollThread
    ) -> None:
        match event:
            case Challenged():
                self._say(side.send_proof())
            case Welcomed():
                intents.note_epoch(event.epoch)
                self._scope.deadline = math.inf
                self._note_heard()  # the welcome has changed the numbers
                poll.heartbeat_s = event.heartbeat_ms / 1000.0
                poll.wanted = tuple(event.symbols)
                poll.wants_report = True
                self._say(side.send_kept())
                self._side = side
                for told in self._waiting:
                    # Positions are in the report that follows; deals and results are not.
                    self._tell(side, replace(told, positions=[], quotes=[], heartbeat=None))
                self._waiting.clear()
                self.linked.set()
            case Commanded(command=command):
                self._command(command, intents, poll, outgrown=False)
            case OutgrownCommand(command=command):
                self._command(command, intents, poll, outgrown=True)

    def _command(
        self, command: frames.Command, intents: IntentTable, poll: PollThread, *, outgrown: bool
    ) -> None:
        if command.action is Action.REPORT:
            poll.wants_report = True
        elif command.action is Action.SET:
            if command.symbols is not None:
                poll.wanted = tuple(command.symbols)
            if command.heartbeat_ms is not None:
                poll.heartbeat_s = command.heartbeat_ms / 1000.0
            if command.floor is not None:
                intents.note_floor(command.floor)
        else:
            poll.commands.put((command, outgrown, time.monotonic()))

    def _hear(self, told: Told) -> None:
        """A look of the poll thread, in Trio's."""
        side = self._side
        if side is None:
            if told.deals or told.results:
                self._waiting.append(told)
            self._wake.set()
            return
        self._tell(side, told)
        if self._silent_s() > DEAD_S or len(self._out) > MOST_UNSENT_BYTES:
            self._scope.cancel()

    def _hear_failure(self) -> None:
        """The poll thread has ended: without it there is nothing to say on a link."""
        self._scope.cancel()

    def _note_heard(self) -> None:
        self._heard_s = time.monotonic()
        self._heard_n = self._session.next_n - 1
        self._owed_since_s = None

    def _silent_s(self) -> float:
        """How long there has been no sign of the engine; asked from both threads.

        While linked the engine owes nothing but an acknowledgement once in a while: on a quiet
        link it may say nothing for a minute. Without a link every second counts.
        """
        owed_since_s = self._owed_since_s
        if self._side is None:
            return time.monotonic() - self._heard_s
        return 0.0 if owed_since_s is None else time.monotonic() - owed_since_s

    def _tell(self, side: TerminalSide, told: Told) -> None:
        gmt_msc = int(datetime.now(UTC).timestamp() * 1000)
        offset_s = told.gmt_offset_s
        changed_s = offset_s if offset_s is not None and offset_s != self._told_offset_s else None
        # What happened on a quote is told after it.
        said = side.send_quotes(told.quotes, gmt_msc) if told.quotes else b""
        said += side.send_deals(told.deals, gmt_msc)
        newest = max((deal.time_msc for deal in told.deals), default=0)
        self._newest_deal_msc = max(self._newest_deal_msc, newest)
        for change, position in told.positions:
            said += side.send_position(change, position, gmt_msc)
        for result in told.results:
            said += side.send_result(result, gmt_msc)
        if told.report is not None:
            unasked = not told.is_asked
            said += side.send_report(told.report, gmt_msc, offset_s, unasked=unasked)
        if told.heartbeat is not None:
            said += side.send_heartbeat(told.heartbeat, gmt_msc, changed_s)
            self._told_offset_s = self._told_offset_s if changed_s is None else changed_s
        self._say(said)

    def _say(self, frame: bytes) -> None:
        if frame:
            self._out += frame
            self._wake.set()
            unsigned = self._session.next_n - 1 - self._heard_n
            if self._owed_since_s is None and unsigned > OWED_FRAMES:
                self._owed_since_s = time.monotonic()

    async def _write(self, tls: trio.SSLStream[trio.SocketStream]) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            chunk, self._out = self._out, bytearray()
            if chunk:
                await tls.send_all(chunk)


def _hello(facts: Facts, poll: PollThread) -> frames.Hello:
    return frames.Hello(
        v=frames.VERSION,
        login=facts.login,
        server=facts.server,
        session="-",
        nonce=secrets.token_hex(16),
        build=facts.build,
        company=facts.company,
        currency=facts.currency,
        currency_digits=facts.currency_digits,
        margin_mode=facts.margin_mode,
        leverage=facts.leverage,
        gmt_offset_s=poll.gmt_offset_s or 0,
    )


def _address_of(to: str | None) -> tuple[str, int] | None:
    host, _, port = (to or "").rpartition(":")
    return (host.strip("[]"), int(port)) if host and port.isdigit() else None
