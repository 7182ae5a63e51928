"""A terminal of the simulated broker: one account, one link, everything the protocol asks.

It tells what its server tells it, and only that. Deals and results wait while the link is down;
positions do not, for the report after the welcome has them all.
"""

import logging
import secrets
import ssl
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from adapters.broker.commands import Commands, closing
from adapters.broker.faults import Fault
from adapters.broker.holdings import PositionMoved
from adapters.broker.requests import Kind, Request
from adapters.broker.server import Answered, ServerEvent, TradeServer
from adapters.broker.speech import Speech, Telling
from adapters.mt5 import frames
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
from engine.clock import Clock
from engine.domain.quotes import Quote
from engine.link import Action
from engine.secret import Secret

READ_BYTES = 65_536
ROWS_WAITING = 20_000
"""Quotes that may wait for the link; the oldest go."""
TOLD_WAITING = 4096
FLOOR_LOOKS = 3
OWED_FRAMES = 128
"""The engine signs after 64 at most; twice that without a word is silence."""
MOST_DOUBLINGS = 10
FINAL = frozenset(
    {EndCode.SUPERSEDED, EndCode.REVOKED, EndCode.REFUSED, EndCode.VERSION, EndCode.LEFT}
)
"""After these it does not come back by itself."""

log = logging.getLogger("tidegate.broker")


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSettings:
    """Where the engine is, and how long this terminal waits for things."""

    host: str
    port: int
    tls: ssl.SSLContext
    server_hostname: str | None = None
    """As the certificate names the engine; None: the host."""
    company: str = "Simulated Broker Ltd."
    build: int = 4755
    request_s: float = 2.0
    """For the server to answer a request."""
    connect_s: float = 2.0
    first_pause_s: tuple[float, float] = (0.2, 0.5)
    longest_pause_s: float = 30.0
    floor_silent_s: float = 30.0
    """Without a word of the engine for so long the terminal enforces the floor itself."""
    floor_looks_s: float = 1.0


class Terminal:
    """See the top. `run` links, and links again, until it is cancelled or sent away for good."""

    def __init__(
        self,
        server: TradeServer,
        login: int,
        key: Secret,
        clock: Clock,
        settings: TerminalSettings,
        intents: IntentTable | None = None,
    ) -> None:
        self.login = login
        self.intents = intents or IntentTable()
        self.ends: list[str] = []
        """Why each link ended, in order."""
        self.counts: Counter[str] = Counter()
        """Links, commands, quotes told, and closes at the floor."""
        self.linked = trio.Event()
        """Set while a link stands; a new one after each end."""
        self._server = server
        self._key = key
        self._speech = Speech(server, login, clock, self.intents)
        self._clock = clock
        self._settings = settings
        self._address = (settings.host, settings.port)
        self._session = TerminalSession(secrets.token_hex(8), self.intents.epoch_seen)
        self._commands = Commands(server, login, self.intents, self._told, self._wait_for)
        self._side: TerminalSide | None = None
        self._waiting: deque[Telling] = deque(maxlen=TOLD_WAITING)
        self._rows: deque[frames.QuoteRow] = deque(maxlen=ROWS_WAITING)
        self._out = bytearray()
        self._wake = trio.Event()
        self._wanted: frozenset[str] = frozenset()
        self._heartbeat_s = 1.0
        self._heard_s = 0.0
        self._heard_n = 0
        self._owed_since_s: float | None = None
        self._link_scope = trio.CancelScope()
        self._away_s: float | None = None
        self._nursery: trio.Nursery | None = None

    # Running

    async def run(self) -> None:
        """Keeps the account linked."""
        unlisten = self._server.listen(self.login, self._hear)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._heard_s = trio.current_time()
                nursery.start_soon(self._watch_floor)
                await self._keep_linked()
                nursery.cancel_scope.cancel()
        finally:
            self._nursery = None
            unlisten()

    def quoted(self, symbol: str, quote: Quote) -> None:
        """A tick of the server; told where the engine wants the symbol of this terminal."""
        if self._side is not None and symbol in self._wanted:
            quote = self._server.accounts[self.login].market.quotes.get(symbol, quote)
            self._rows.append(self._speech.row(symbol, quote))
            self._wake.set()

    def cut(self, away_s: float = 0.0) -> None:
        """Breaks the connection without a word; the next attempt comes after so long."""
        self._away_s = away_s
        self._link_scope.cancel()

    async def _keep_linked(self) -> None:
        failures = 0
        draw = self._server.streams.of(f"reconnect:{self.login}")
        while True:
            links = self.counts["links"]
            ended = await self._link()
            self.ends.append(ended.code)
            if self.counts["links"] > links:
                self.linked, failures = trio.Event(), 0
            else:
                failures = min(failures + 1, MOST_DOUBLINGS)
            if ended.code in FINAL:
                log.warning("terminal %d was sent away: %s", self.login, ended.code)
                return
            if ended.code == EndCode.MOVED and ended.to:
                host, _, port = ended.to.rpartition(":")
                self._address = (host.strip("[]"), int(port))
                continue
            away_s, self._away_s = self._away_s, None
            low, high = self._settings.first_pause_s
            longest = min(self._settings.longest_pause_s, high * 2**failures)
            await trio.sleep(away_s if away_s is not None else draw.uniform(low, longest))

    async def _link(self) -> Ended:
        """One connection, from its first byte to its end."""
        try:
            with trio.fail_after(self._settings.connect_s):
                stream = await trio.open_tcp_stream(*self._address)
        except (OSError, trio.TooSlowError):
            return Ended("unreachable")
        name = self._settings.server_hostname or self._settings.host
        tls = trio.SSLStream(
            stream, self._settings.tls, server_hostname=name, https_compatible=True
        )
        ended = Ended("cut")
        try:
            with trio.CancelScope() as self._link_scope:
                ended = await self._speak(tls)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
            ended = Ended("broken")
        finally:
            self._side = None
            self._out.clear()
            self._rows.clear()
            await trio.aclose_forcefully(tls)
        return ended

    async def _speak(self, tls: trio.SSLStream[trio.SocketStream]) -> Ended:
        hello = self._speech.hello(self._settings.company, self._settings.build)
        side = TerminalSide(hello, self._key, self._session)
        ended, last_word = Ended("cut"), b""
        await tls.send_all(side.send_hello())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write, tls)
            while True:
                chunk = bytes(await tls.receive_some(READ_BYTES))
                self._note_heard()
                for event in side.receive(chunk) if chunk else side.receive_end():
                    if isinstance(event, Ended):
                        ended = event
                        break
                    if isinstance(event, Refusal):
                        last_word = side.send_error(event.code, event.message)
                        ended = Ended(event.code)
                        break
                    self._take(side, event, nursery)
                else:
                    continue
                break
            nursery.cancel_scope.cancel()
        if last_word:
            with trio.move_on_after(self._settings.connect_s):
                await tls.send_all(last_word)
        return ended

    def _take(self, side: TerminalSide, event: TerminalEvent, nursery: trio.Nursery) -> None:
        match event:
            case Challenged():
                self._say(side.send_proof())
            case Welcomed():
                self._welcome(side, event)
                nursery.start_soon(self._beat, side)
            case Commanded(command=command):
                self.counts["commands"] += 1
                self._obey(side, command)
            case OutgrownCommand(command=command):
                self._commands.refuse_outgrown(command)
                self._wake.set()

    def _welcome(self, side: TerminalSide, welcome: Welcomed) -> None:
        """Keeps the epoch, says again what was not signed for, what waited, then everything."""
        self.intents.note_epoch(welcome.epoch)
        self._heartbeat_s = welcome.heartbeat_ms / 1000.0
        self.counts["links"] += 1
        self._note_heard()  # the welcome has changed the numbers
        self._say(side.send_kept())
        self._side = side
        waited = [told for told in self._waiting if not isinstance(told, PositionMoved)]
        self._waiting.clear()
        self._say(self._speech.tellings(side, waited))
        self._say(self._speech.report(side))
        self._want(welcome.symbols)
        self.linked.set()

    async def _write(self, tls: trio.SSLStream[trio.SocketStream]) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            silence = self._speech.strikes(Fault.SILENCE)
            if silence is not None:
                await trio.sleep(silence / 1000.0)
            self._flush()
            chunk, self._out = self._out, bytearray()
            if chunk:
                await tls.send_all(chunk)

    async def _beat(self, side: TerminalSide) -> None:
        while True:
            await trio.sleep(self._heartbeat_s)
            self._speech.plant_clock_faults()
            cut = self._speech.strikes(Fault.CUT)
            if cut is not None:
                self.cut(cut / 1000.0)
                return
            self._flush()
            if self._speech.has_new_terms():
                self._say(self._speech.report(side, unasked=True))
            self._say(self._speech.heartbeat(side))

    # The engine's commands

    def _obey(self, side: TerminalSide, command: frames.Command) -> None:
        if command.action is Action.REPORT:
            self._flush()
            self._say(self._speech.report(side))
            return
        if command.action is Action.SET:
            if command.symbols is not None:
                self._want(command.symbols)
            if command.heartbeat_ms is not None:
                self._heartbeat_s = command.heartbeat_ms / 1000.0
            if command.floor is not None:
                self.intents.note_floor(command.floor)
            return
        if self._speech.strikes(Fault.LOST_COMMAND) is not None:
            return
        age_ms = (trio.current_time() - self._heard_s) * 1000.0
        self._commands.do(command, self._clock.wall_msc(), age_ms)
        if command.action in (Action.CLOSE, Action.CLOSE_BY):
            away_ms = self._speech.strikes(Fault.DISCONNECT_MID_CLOSE)
            if away_ms is not None:
                self.cut(away_ms / 1000.0)

    def _wait_for(self, request_id: int) -> None:
        assert self._nursery is not None, "commands are obeyed while it runs"
        self._nursery.start_soon(self._time_out, request_id)

    async def _time_out(self, request_id: int) -> None:
        await trio.sleep(self._settings.request_s)
        self._commands.time_out(request_id)

    def _want(self, symbols: Sequence[str]) -> None:
        """Quotes these from now on, each with its last tick at once."""
        self._wanted = frozenset(symbols)
        quotes = self._server.accounts[self.login].market.quotes
        self._rows.extend(self._speech.row(s, quotes[s]) for s in symbols if s in quotes)
        self._wake.set()

    async def _watch_floor(self) -> None:
        """The last line: closes all at the floor, while the engine is silent; see the EA."""
        looks = 0
        while True:
            await trio.sleep(self._settings.floor_looks_s)
            account = self._server.accounts[self.login]
            floor = self.intents.floor
            is_open = bool(account.positions or account.orders)
            below = account.major(account.equity_minor()) <= floor
            armed = floor > 0.0 and self._silent_s() >= self._settings.floor_silent_s
            looks = looks + 1 if armed and below and is_open else 0
            if looks >= FLOOR_LOOKS:
                self.counts["floor_closes"] += 1
                self._flatten()

    def _flatten(self) -> None:
        account, now_msc = self._server.accounts[self.login], self._clock.wall_msc()
        requests = [
            Request(kind=Kind.CANCEL, order=ticket, is_expert=True) for ticket in account.orders
        ]
        requests += [
            closing(self._server, self.login, position, comment="tg:floor")
            for position in account.positions
        ]
        for request in requests:
            self._server.submit(self.login, request, now_msc)

    # Telling

    def _hear(self, event: ServerEvent) -> None:
        if isinstance(event, Answered):
            self._commands.heard(event.request_id, event.answer)
        else:
            self._told(event)

    def _told(self, telling: Telling) -> None:
        self._waiting.append(telling)
        self._wake.set()

    def _flush(self) -> None:
        """Puts the quotes, then what happened on them, into the bytes to be sent."""
        side = self._side
        if side is None:
            return
        if self._rows:
            self.counts["quotes"] += len(self._rows)
            self._say(side.send_quotes(list(self._rows), self._speech.gmt_msc()))
            self._rows.clear()
        told = list(self._waiting)
        self._waiting.clear()
        if len(told) > 1 and self._speech.strikes(Fault.REORDER) is not None:
            told.reverse()
        self._say(self._speech.tellings(side, told))
        kept = [telling for telling in told if not isinstance(telling, PositionMoved)]
        if kept and self._speech.strikes(Fault.DUPLICATE) is not None:
            self._say(self._speech.tellings(side, kept))

    def _say(self, frame: bytes) -> None:
        if not frame:
            return  # else the writer would wake itself for ever
        self._out += frame
        self._wake.set()
        unsigned = self._session.next_n - 1 - self._heard_n
        if self._owed_since_s is None and self._side is not None and unsigned > OWED_FRAMES:
            self._owed_since_s = trio.current_time()

    def _note_heard(self) -> None:
        self._heard_s = trio.current_time()
        self._heard_n = self._session.next_n - 1
        self._owed_since_s = None

    def _silent_s(self) -> float:
        """How long there has been no sign of the engine.

        While linked the engine owes nothing but an acknowledgement once in a while: on a quiet
        link it may say nothing for a minute. Without a link every second counts.
        """
        now_s = trio.current_time()
        if self._side is None:
            return now_s - self._heard_s
        return 0.0 if self._owed_since_s is None else now_s - self._owed_since_s
