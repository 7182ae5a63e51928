"""The engine's side of a link, without its wires. The rules are in `protocol.py`."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.mt5 import frames
from adapters.mt5.frames import BadFrameError
from adapters.mt5.pace import Bucket, Pace
from adapters.mt5.protocol import (
    ENGINE_TURNS,
    HELLO_BYTES,
    EndCode,
    Ended,
    FaultError,
    Lines,
    Nonces,
    Refusal,
    Stage,
    next_stage,
    proof,
)
from adapters.mt5.tellings import ReportNeeded, Telling, Tellings
from engine.domain.ids import AccountKey
from engine.link import TerminalCommand
from engine.secret import Secret

ACK_EVERY = 64
ACK_AFTER_NS = 200_000_000
ACK_QUIET_NS = 2_000_000_000

_ENDED = (Stage.REFUSING, Stage.CLOSED)


@dataclass(frozen=True, slots=True)
class SaidHello:
    """Somebody says to be this terminal: challenge it, if the side is still `deciding`.

    It is not when a fault, or the end, came in the same bytes.
    """

    hello: frames.Hello


@dataclass(frozen=True, slots=True)
class Proved:
    """It is: record the epoch, then welcome it, if the side is still `proved`."""

    hello: frames.Hello
    key: Secret


EngineEvent = SaidHello | Proved | Telling | ReportNeeded | Refusal | Ended


class EngineSide:
    """One connection as the engine sees it. `stage` says what may be sent."""

    def __init__(self, nonces: Nonces, pace: Pace | None = None) -> None:
        """`nonces` is shared by all connections of a gateway."""
        self.stage = Stage.AWAITING_HELLO
        self.hello: frames.Hello | None = None
        self.epoch = 0
        self.frames = 0
        """That came."""
        self.tellings = Tellings(0)
        self._nonces = nonces
        self._bucket = Bucket(pace or Pace())
        self._lines = Lines()
        self._keys: Sequence[Secret] = ()
        self._challenge = ""
        self._acked = 0
        self._acked_ns = 0
        self._owes = False

    @property
    def account(self) -> AccountKey:
        """Whom the hello named."""
        assert self.hello is not None, "no hello came"
        return AccountKey(self.hello.server, self.hello.login)

    # Receiving

    def receive(self, chunk: bytes | bytearray, now_ns: int) -> list[EngineEvent]:
        """What the bytes say, in order, however they are cut. `now_ns` is monotonic.

        After a `Refusal` or `Ended` nothing more is heard.
        """
        events: list[EngineEvent] = []
        if self.stage in _ENDED:
            return events
        self._lines.feed(chunk)
        try:
            while self.stage not in _ENDED and (line := self._next_line()) is not None:
                self._take(line, now_ns, events)
        except FaultError as fault:
            self.refuse()
            events.append(Refusal.of(fault))
        except BadFrameError as error:
            self.refuse()
            events.append(Refusal(EndCode.BAD_FRAME, EndCode.BAD_FRAME.value, str(error)))
        return events

    def receive_end(self) -> list[EngineEvent]:
        """The other side hung up."""
        if self.stage in _ENDED:
            return []
        self._end(Stage.CLOSED)
        return [Ended("hung_up")]

    def refuse(self) -> None:
        """Hears nothing more; all that is left is `send_error`."""
        self._end(Stage.REFUSING)

    # Sending

    def send_challenge(self, keys: Sequence[Secret], challenge: str, epoch: int) -> bytes:
        """`c`. Without a key (an unknown account) every proof will be wrong."""
        self._keys = tuple(keys)
        self._challenge = challenge
        self.epoch = epoch
        return self._send(frames.Challenge(challenge=challenge, epoch=epoch))

    def send_welcome(
        self, resume_from: int, heartbeat_ms: int, symbols: Sequence[str], now_ns: int
    ) -> bytes:
        """`w`. Numbers are taken from `resume_from` on; a report is expected unasked."""
        self.tellings.start(resume_from, now_ns)
        self._acked = resume_from - 1
        self._acked_ns = now_ns
        return self._send(
            frames.Welcome(
                resume_from=resume_from, heartbeat_ms=heartbeat_ms, symbols=tuple(symbols)
            )
        )

    def send_command(self, command: TerminalCommand) -> bytes:
        """`x`, with the epoch of this link."""
        return self._send(
            frames.Command(
                action=command.action,
                intent_id=command.intent_id,
                epoch=self.epoch,
                ttl_ms=command.ttl_ms,
                position=command.position,
                position_by=command.position_by,
                order=command.order,
                symbol=command.symbol,
                volume=command.volume,
                deviation=command.deviation,
                symbols=command.symbols,
                heartbeat_ms=command.heartbeat_ms,
                floor=command.floor,
            )
        )

    def send_error(self, code: EndCode, message: str, to: str | None = None) -> bytes:
        """`e`; the link is closed. Empty where it was closed already."""
        if self.stage is Stage.CLOSED:
            return b""
        self._end(Stage.REFUSING)
        return self._send(frames.Failed(code=code.value, message=message, to=to))

    def sign(self, n: int) -> None:
        """The frame is durable, or needs not be."""
        self._owes = True
        self.tellings.numbering.sign(n)

    @property
    def signed_up_to(self) -> int:
        """Every frame up to this one is safe."""
        return self.tellings.numbering.signed_up_to

    def acknowledgement(self, now_ns: int) -> bytes:
        """`k` if one is due: many frames since the last, a signature and 0.2 s, or 2 s.

        The last shows a terminal that has little to say that the engine hears it.
        """
        up_to = self.tellings.numbering.signed_up_to
        if self.stage is not Stage.LINKED or up_to <= self._acked:
            return b""
        waited = now_ns - self._acked_ns >= (ACK_AFTER_NS if self._owes else ACK_QUIET_NS)
        if up_to - self._acked < ACK_EVERY and not waited:
            return b""
        self._acked, self._acked_ns, self._owes = up_to, now_ns, False
        return self._send(frames.Acknowledged(n=up_to))

    # Inside

    def _send(self, frame: frames.Frame) -> bytes:
        stage = next_stage(ENGINE_TURNS, self.stage, type(frame))
        assert stage is not None, f"{type(frame).__name__} is not the engine's to send now"
        self.stage = stage
        return frames.encode(frame)

    def _end(self, stage: Stage) -> None:
        self.stage = stage
        self._lines.clear()

    def _next_line(self) -> bytes | None:
        if self.stage in (Stage.PROVED, Stage.LINKED):
            return self._lines.next()
        room = HELLO_BYTES - self._lines.taken_bytes
        return self._lines.next(room, EndCode.TOO_MUCH)

    def _take(self, line: bytes, now_ns: int, events: list[EngineEvent]) -> None:
        if not self._bucket.take(now_ns):
            raise FaultError(EndCode.TOO_FAST, "too many frames a second")
        frame = frames.decode_from_terminal(line)
        stage = next_stage(ENGINE_TURNS, self.stage, type(frame))
        if stage is None:
            raise FaultError(EndCode.OUT_OF_TURN, f"not expected while {self.stage.value}")
        self.frames += 1
        if isinstance(frame, frames.Hello):
            events.append(self._hello(frame))
        elif isinstance(frame, frames.Proved):
            events.append(self._proved(frame))
        elif isinstance(frame, frames.Failed):
            events.append(Ended(frame.code, frame.to))
        else:
            events.extend(self._told(frame, now_ns))
        self.stage = stage
        if stage is Stage.CLOSED:
            self._end(stage)

    def _hello(self, hello: frames.Hello) -> SaidHello:
        if hello.v != frames.VERSION:
            raise FaultError(EndCode.VERSION, f"this engine speaks version {frames.VERSION}")
        if self._nonces.holds(AccountKey(hello.server, hello.login), hello.nonce):
            raise FaultError(EndCode.REPLAYED, "a nonce serves once")
        self.hello = hello
        self.tellings = Tellings(hello.gmt_offset_s)
        return SaidHello(hello)

    def _proved(self, frame: frames.Proved) -> Proved:
        assert self.hello is not None, "a proof before a hello"
        given = frame.hmac.lower()
        # Every key is tried and compared in equal time; without one, a made-up one is.
        matching = [
            key
            for key in self._keys or (Secret(b"nobody's"),)
            if hmac.compare_digest(proof(key, self.hello, self._challenge, self.epoch), given)
        ]
        if not self._keys or not matching:
            cause = "wrong_key" if self._keys else "unknown_login"
            raise FaultError(EndCode.REFUSED, "unknown account or wrong key", cause)
        if self._nonces.holds(self.account, self.hello.nonce):
            raise FaultError(EndCode.REPLAYED, "a nonce serves once")
        self._nonces.add(self.account, self.hello.nonce)
        self._keys = ()
        return Proved(self.hello, matching[0])

    def _told(self, frame: Any, now_ns: int) -> list[Telling | ReportNeeded]:
        assert self.hello is not None, "told before a hello"
        if frame.login is not None and frame.login != self.hello.login:
            raise FaultError(EndCode.WRONG_LOGIN, "this link serves one account")
        return self.tellings.take(frame, now_ns)
