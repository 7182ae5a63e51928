"""One terminal's connection: TLS, the handshake, then reading and writing until it ends.

One task reads and hands on, and waits with that as long as the sink waits. What is to be sent goes
out at once as far as the socket takes it; a second task writes the rest, with a deadline. Whatever
ends the link ends in one place, `_part`.
"""

from collections import deque
from contextlib import suppress

import trio

from adapters.mt5 import parse
from adapters.mt5.door import log
from adapters.mt5.engine_side import EngineSide, Proved, SaidHello
from adapters.mt5.house import House
from adapters.mt5.protocol import EndCode, Ended, Refusal, Stage
from adapters.mt5.tellings import (
    REPORT_RETRY_NS,
    Beaten,
    DealTold,
    PositionTold,
    Quoted,
    Reported,
    ReportNeeded,
    ResultTold,
    together,
)
from adapters.mt5.tls import TlsChannel
from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.link import Action, Handed, Receipt, TerminalCommand, TerminalFacts
from engine.secret import Secret

LINGER_BYTES = 1 << 20
ASKS_KEPT = 64

Broken = (trio.BrokenResourceError, trio.ClosedResourceError)


class Connection:
    """See the top."""

    def __init__(
        self,
        house: House,
        stream: TlsChannel,
        address: str,
        side: EngineSide,
    ) -> None:
        self.address = address
        self.side = side
        self.key: Secret | None = None
        """The one it proved."""
        self.is_proved = False
        """The door counts it as proved."""
        self.was_linked = False
        """The sink was told of it."""
        self.gone = trio.Event()
        """Its link has ended, and the sink knows."""
        self.over = trio.Event()
        """Its stream is closed."""
        self.dropped_quotes = 0
        """Ticks it sent while another led."""
        self.is_stale = False
        self.heartbeat_s = house.settings.heartbeat_ms / 1000.0
        self._house = house
        self._settings = house.settings
        self._stream = stream
        self._outgoing = bytearray()
        self._queued = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._reading = trio.CancelScope()
        self._cause: str | None = None
        self._last_word = False
        self._is_secure = False
        self._challenged_ns = 0
        self._handshake_ms: float | None = None
        self._linked_ns = 0
        self._asked_ns: deque[int] = deque(maxlen=ASKS_KEPT)
        """When each report that has not come was asked for."""
        self._asks_again = False

    @property
    def account(self) -> AccountKey:
        """Whom its hello named; proved once `key` is there."""
        return self.side.account

    @property
    def claimed(self) -> AccountKey | None:
        """Whom its hello named, if there was one."""
        return self.side.account if self.side.hello is not None else None

    def fileno(self) -> int:
        """Of its socket, while that is open; else -1."""
        return self._stream.fileno()

    # Its whole life

    async def run(self) -> None:
        """Returns when it is over, for whatever reason; the stream is closed."""
        try:
            with trio.move_on_after(self._settings.hello_s) as hurry:
                proved = await self._shake_hands()
            if hurry.cancelled_caught:
                self._house.refuse(self, EndCode.TOO_SLOW.value)
                if self._is_secure:
                    await self._say_last(EndCode.TOO_SLOW, "no proof in time")
            elif proved:
                await self._link()
        finally:
            with trio.CancelScope(shield=True) as scope:
                scope.cancel()
                await self._stream.aclose()

    async def _shake_hands(self) -> bool:
        """Whether it proved its key."""
        try:
            await self._stream.do_handshake()
        except Broken:
            self._house.refuse(self, "tls")
            return False
        self._is_secure = True
        while True:
            try:
                chunk = await self._stream.receive()
                now_ns = self._house.clock.monotonic_ns()
                said = self.side.receive(chunk, now_ns) if chunk else self.side.receive_end()
                for event in said:
                    if isinstance(event, SaidHello) and self.side.stage is Stage.DECIDING:
                        await self._challenge()
                    elif isinstance(event, Proved):
                        self.key = event.key
                        self._handshake_ms = round((now_ns - self._challenged_ns) / 1e6, 3)
                    elif isinstance(event, Refusal):
                        self._house.refuse(self, event.cause)
                        await self._say_last(event.code, event.message)
                    elif isinstance(event, Ended):
                        self._house.refuse(self, "left_unproved")
            except Broken:
                self._house.refuse(self, "left_unproved")
                return False
            if self.side.stage is Stage.PROVED:
                return True
            if self.side.stage is Stage.CLOSED:
                return False

    async def _challenge(self) -> None:
        try:
            keys, challenge, epoch = await self._house.offer(self)
        except UserError as error:
            log.error("terminal keys cannot be read: %s", error)
            self._house.refuse(self, "keys_unreadable")
            await self._say_last(EndCode.RETRY, "not now")
            return
        self._challenged_ns = self._house.clock.monotonic_ns()
        await self._stream.send_all(self.side.send_challenge(keys, challenge, epoch))

    async def _link(self) -> None:
        """From the proof to the end."""
        try:
            if not await self._house.admit(self):
                self._house.refuse(self, "epoch_taken")
                await self._say_last(EndCode.RETRY, "another link came first")
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write_out)
                with self._reading:
                    # A newer link may have come while this one was let in.
                    if self._cause is None:
                        await self._read_in()
                self._part()
                self._queued.set()
                nursery.cancel_scope.deadline = trio.current_time() + self._settings.linger_s
            await self._linger()
        finally:
            self._part()

    def _part(self) -> None:
        """The link has ended: whoever waits for it is told, once."""
        if not self.gone.is_set():
            self._cause = self._cause or "stopped"
            self._house.parted(self, self._cause)
            self.gone.set()
            self._room.unpark_all()

    # Reading

    async def _read_in(self) -> None:
        house = self._house
        resume_from = house.resume_from(self)
        facts = self._welcome(resume_from)
        self.was_linked = True
        await house.sink.linked(facts)
        heard_s = trio.current_time()
        while self._cause is None:
            patience_s = self._settings.lost_s if self.is_stale else self.silence_s
            with trio.move_on_at(heard_s + patience_s) as scope:
                try:
                    chunk = await self._stream.receive()
                except Broken:
                    self._end("broken")
                    return
            if scope.cancelled_caught:
                if self.is_stale:
                    self.end(EndCode.RETRY, "nothing came", cause="silent")
                    return
                self.is_stale = True
                house.went_stale(self)
                continue
            await house.let_urgent_pass(self)
            if await self._take(chunk):
                heard_s = trio.current_time()

    @property
    def silence_s(self) -> float:
        """Without a frame for so long it is stale."""
        return max(self._settings.silence_s, 2.5 * self.heartbeat_s)

    def _welcome(self, resume_from: int) -> TerminalFacts:
        hello = self.side.hello
        assert hello is not None, "linked without a hello"
        self._linked_ns = self._house.clock.monotonic_ns()
        self._asked_ns.append(self._linked_ns)  # a report follows unasked
        self._queue(
            self.side.send_welcome(
                resume_from,
                self._settings.heartbeat_ms,
                self._house.join(self),
                self._linked_ns,
            )
        )
        self._flush()
        return parse.terminal_facts(
            hello, self.side.epoch, resumed=resume_from > 1, handshake_ms=self._handshake_ms
        )

    async def _take(self, chunk: bytes) -> bool:
        """Hands on what the chunk says; whether it held a whole frame."""
        frames_before = self.side.frames
        now_ns = self._house.clock.monotonic_ns()
        said = self.side.receive(chunk, now_ns) if chunk else self.side.receive_end()
        whole = self.side.frames > frames_before
        if whole and self.is_stale:
            self.is_stale = False
            self._house.heard(self)
        for event in together(said):
            await self._hand_on(event)
        self._acknowledge()
        self._flush()
        return whole

    async def _hand_on(self, event: object) -> None:
        sink, key = self._house.sink, self.account
        match event:
            case Quoted(_, sent, quotes):
                feed = self._house.leads(self)
                if feed is not None:
                    await sink.quotes(feed, quotes, sent)
                else:
                    self.dropped_quotes += len(quotes)
            case Beaten(_, sent, heartbeat):
                await sink.heartbeat(key, heartbeat, sent)
            case DealTold(n, sent, deal):
                await sink.deal(key, deal, sent, self._receipt(n))
            case PositionTold(n, sent, change, position):
                await sink.position_changed(key, change, position, sent, self._receipt(n))
            case ResultTold(n, sent, result):
                await sink.result(key, result, sent, self._receipt(n))
            case Reported(n, sent, report, is_asked):
                asked_ns = self._answered(sent.received_ns) if is_asked else self._linked_ns
                receipt = self._receipt(n)
                await sink.reported(key, report, sent._replace(asked_ns=asked_ns), receipt)
            case ReportNeeded():
                self._ask(self._house.clock.monotonic_ns())
            case Refusal(code, cause, message):
                self._house.refuse(self, cause)
                self.end(code, message, cause=cause)
            case Ended(code):
                self._end(code)

    def _answered(self, now_ns: int) -> int:
        """When the report that has come was asked for; asks again where that was wanted."""
        asked_ns = self._asked_ns.popleft() if self._asked_ns else self._linked_ns
        if self._asks_again and not self._asked_ns:
            self._asks_again = False
            self._ask(now_ns)
        return asked_ns

    def _ask(self, now_ns: int) -> None:
        """Asks for a report; one at a time, so that each answer is known to be that of its ask.

        While one is awaited a further wish is kept until that has come, unless it never will.
        """
        if self._asked_ns and now_ns - self._asked_ns[-1] < REPORT_RETRY_NS:
            self._asks_again = True
            return
        self._asked_ns.append(now_ns)
        self._queue(self.side.send_command(TerminalCommand(action=Action.REPORT)))

    def _receipt(self, n: int) -> Receipt:
        def sign() -> None:
            self.side.sign(n)
            self._house.signed(self)
            self._acknowledge()
            self._flush()

        return Receipt(sign)

    def _acknowledge(self) -> None:
        if len(self._outgoing) < self._settings.outgoing_bytes:
            self._queue(self.side.acknowledgement(self._house.clock.monotonic_ns()))

    # Writing

    def hand(self, *commands: TerminalCommand, force: bool = False) -> Handed:
        """Sends commands, if there is room or `force` says so. Never waits.

        What became of the first that was not handed, or of all; after such a one none is.
        """
        if self.side.stage is not Stage.LINKED:
            return Handed.NOT_LINKED
        for command in commands:
            waiting = len(self._outgoing) + self._stream.unsent_bytes
            if waiting >= self._settings.outgoing_bytes and not force:
                self._flush()
                return Handed.NO_ROOM
            if command.action is Action.REPORT:
                self._ask(self._house.clock.monotonic_ns())
                continue
            if command.action is Action.SET and command.heartbeat_ms is not None:
                self.heartbeat_s = command.heartbeat_ms / 1000.0
            self._queue(self.side.send_command(command))
        self._flush()
        return Handed.HANDED

    async def wait_for_room(self) -> None:
        """Returns when there may be room, or the link has ended: within the write deadline."""
        await self._room.park()

    def end(
        self, code: EndCode, message: str, *, to: str | None = None, cause: str | None = None
    ) -> None:
        """Says so, then closes. Never waits; `gone` is set when the sink knows."""
        if self.side.stage is not Stage.CLOSED:
            self._queue(self.side.send_error(code, message, to))
            self._flush()
            self._last_word = True
        self._end(cause or code.value)

    def _end(self, cause: str) -> None:
        self._cause = self._cause or cause
        self._reading.cancel()

    def _queue(self, frame: bytes) -> None:
        """Puts a frame behind those that wait; `_flush` is to follow."""
        self._outgoing += frame

    def _flush(self) -> None:
        """Writes what is queued as far as it goes without a wait; the writer does the rest."""
        if not self._outgoing:
            return
        if not self._stream.unsent_bytes:
            sending, self._outgoing = self._outgoing, bytearray()
            try:
                if self._stream.send_nowait(sending):
                    return
            except Broken:
                self._end("broken")
                return
        self._queued.set()

    async def _write_out(self) -> None:
        """Writes what is queued until the link has ended and all is out."""
        while True:
            await self._queued.wait()
            self._queued = trio.Event()
            while self._outgoing or self._stream.unsent_bytes:
                sending, self._outgoing = self._outgoing, bytearray()
                try:
                    with trio.move_on_after(self._settings.write_s) as scope:
                        await self._stream.send_all(sending)
                except Broken:
                    self._end("broken")
                    return
                if scope.cancelled_caught:
                    self._house.refuse(self, "write_deadline")
                    self._last_word = False
                    self._end("write_deadline")
                    return
                self._room.unpark_all()
            if self._cause is not None:
                return

    async def _say_last(self, code: EndCode, message: str) -> None:
        """Before the link: nobody else writes, so straight to the stream."""
        frame = self.side.send_error(code, message)
        with trio.CancelScope(deadline=trio.current_time() + self._settings.linger_s):
            with suppress(*Broken):
                await self._stream.send_all(frame)
            self._last_word = True
            await self._linger()

    async def _linger(self) -> None:
        """Lets the other side read the last word: closing on unread bytes would wipe it out."""
        if not self._last_word:
            return
        self._last_word = False
        with trio.move_on_after(self._settings.linger_s), suppress(*Broken):
            await self._stream.hang_up(LINGER_BYTES)
