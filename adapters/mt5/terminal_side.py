"""The terminal's side of a link, without its wires. The rules are in `protocol.py`.

For terminals written in Python: the agent beside a Windows terminal, the simulated broker's, and
the tests'. The EA speaks the same from inside MT5.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from adapters.mt5 import frames
from adapters.mt5.frames import BadFrameError
from adapters.mt5.protocol import (
    TERMINAL_TURNS,
    EndCode,
    Ended,
    FaultError,
    Lines,
    Refusal,
    Stage,
    next_stage,
    proof,
)
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from engine.link import PositionChange
from engine.secret import Secret

KEPT_FRAMES = 4096
REPORT_ROOM = 60_000
"""Bytes of records in one part: the rest of the line is the frame around them."""
QUOTES_A_FRAME = 120
SECTIONS = ("positions", "orders", "specs", "recent_intents")
_ENDED = (Stage.REFUSING, Stage.CLOSED)


@dataclass(frozen=True, slots=True)
class Challenged:
    """The engine wants a proof for a link of this epoch: `send_proof`."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Welcomed:
    """The link stands: keep the epoch on disk, `send_kept`, then a full report."""

    epoch: int
    heartbeat_ms: int
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Commanded:
    """A command of this link's epoch or a higher one."""

    command: frames.Command


@dataclass(frozen=True, slots=True)
class OutgrownCommand:
    """A command of a lower epoch: not to be done, whoever sent it."""

    command: frames.Command


TerminalEvent = Challenged | Welcomed | Commanded | OutgrownCommand | Refusal | Ended


class TerminalSession:
    """What outlives a connection: the session's numbers and what the engine has not signed for.

    One for a run of the terminal program. `epoch_seen` is to be kept on disk by its owner.
    """

    def __init__(self, session: str, epoch_seen: int = 0) -> None:
        self.session = session
        self.epoch_seen = epoch_seen
        self.next_n = 1
        self.kept: deque[frames.Deal | frames.Result] = deque(maxlen=KEPT_FRAMES)
        """Oldest first. Where too many wait the oldest go: a full report and the history heal."""

    def acknowledge(self, n: int) -> None:
        """Lets go of what the engine has."""
        while self.kept and self.kept[0].n <= n:
            self.kept.popleft()


class TerminalSide:
    """One connection as the terminal sees it. `stage` says what may be sent."""

    def __init__(self, hello: frames.Hello, key: Secret, session: TerminalSession) -> None:
        """`hello` carries a nonce never used before; its session and epoch are overwritten."""
        self.stage = Stage.STARTING
        self._hello = msgspec.structs.replace(
            hello, session=session.session, epoch_seen=session.epoch_seen
        )
        self._key = key
        self._session = session
        self._lines = Lines()
        self._challenge = frames.Challenge(challenge="-" * 16, epoch=0)

    # Receiving

    def receive(self, chunk: bytes | bytearray) -> list[TerminalEvent]:
        """What the bytes say, in order, however they are cut."""
        events: list[TerminalEvent] = []
        if self.stage in _ENDED:
            return events
        self._lines.feed(chunk)
        try:
            while self.stage not in _ENDED and (line := self._lines.next()) is not None:
                self._take(line, events)
        except FaultError as fault:
            self.stage = Stage.REFUSING
            events.append(Refusal.of(fault))
        except BadFrameError as error:
            self.stage = Stage.REFUSING
            events.append(Refusal(EndCode.BAD_FRAME, EndCode.BAD_FRAME.value, str(error)))
        return events

    def receive_end(self) -> list[TerminalEvent]:
        """The engine hung up."""
        if self.stage in _ENDED:
            return []
        self.stage = Stage.CLOSED
        return [Ended("hung_up")]

    def _take(self, line: bytes, events: list[TerminalEvent]) -> None:
        frame = frames.decode_from_engine(line)
        stage = next_stage(TERMINAL_TURNS, self.stage, type(frame))
        if stage is None:
            raise FaultError(EndCode.OUT_OF_TURN, f"not expected while {self.stage.value}")
        session = self._session
        match frame:
            case frames.Challenge():
                if frame.epoch <= session.epoch_seen:
                    raise FaultError(EndCode.EPOCH, f"epoch {session.epoch_seen} was seen here")
                self._challenge = frame
                events.append(Challenged(frame.epoch))
            case frames.Welcome():
                session.epoch_seen = self._challenge.epoch
                session.next_n = frame.resume_from
                session.acknowledge(frame.resume_from - 1)
                events.append(Welcomed(session.epoch_seen, frame.heartbeat_ms, frame.symbols))
            case frames.Acknowledged():
                session.acknowledge(frame.n)
            case frames.Command():
                outgrown = frame.epoch < session.epoch_seen
                events.append(OutgrownCommand(frame) if outgrown else Commanded(frame))
            case frames.Failed():
                events.append(Ended(frame.code, frame.to))
        self.stage = stage

    # Sending

    def send_hello(self) -> bytes:
        """`h`."""
        return self._send(self._hello)

    def send_proof(self) -> bytes:
        """`a`."""
        challenge = self._challenge
        return self._send(
            frames.Proved(hmac=proof(self._key, self._hello, challenge.challenge, challenge.epoch))
        )

    def send_kept(self) -> bytes:
        """What earlier connections left unsigned, under new numbers. First after the welcome."""
        kept = list(self._session.kept)
        self._session.kept.clear()
        return b"".join(
            self._keep(msgspec.structs.replace(frame, n=self._number())) for frame in kept
        )

    def send_report(
        self,
        report: FullReport,
        gmt_msc: int,
        gmt_offset_s: int | None = None,
        *,
        unasked: bool = False,
    ) -> bytes:
        """`s`, in as many parts as it needs. `unasked`: neither a request nor a welcome is why."""
        records = [(name, record) for name in SECTIONS for record in getattr(report, name)]
        encoded = [frames.encode_record(record) for _, record in records]
        ends = frames.packed(encoded, REPORT_ROOM)
        if len(ends) > frames.MAX_PARTS:
            raise FaultError(EndCode.TOO_LONG, f"a report of {len(ends)} parts")
        lines, start = [], 0
        for part, end in enumerate(ends, 1):
            here: dict[str, list[object]] = {name: [] for name in SECTIONS}
            for name, record in records[start:end]:
                here[name].append(record)
            lines.append(
                self._send(
                    frames.Report(
                        n=self._number(),
                        gmt_msc=gmt_msc,
                        part=part,
                        parts=len(ends),
                        account=report.account if part == 1 else None,
                        floor=report.floor if part == 1 else None,
                        complete=report.complete,
                        unasked=unasked,
                        gmt_offset_s=gmt_offset_s,
                        **{name: tuple(held) for name, held in here.items()},  # type: ignore[arg-type]
                    )
                )
            )
            start = end
        return b"".join(lines)

    def send_quotes(self, rows: Sequence[frames.QuoteRow], gmt_msc: int) -> bytes:
        """`q`, in as many frames as they need."""
        cuts = range(0, len(rows), QUOTES_A_FRAME)
        return b"".join(
            self._send(
                frames.Quotes(
                    n=self._number(), gmt_msc=gmt_msc, quotes=tuple(rows[at : at + QUOTES_A_FRAME])
                )
            )
            for at in cuts
        )

    def send_position(
        self, change: PositionChange, position: PositionReport, gmt_msc: int
    ) -> bytes:
        """`p`."""
        return self._send(
            frames.Position(n=self._number(), gmt_msc=gmt_msc, change=change, position=position)
        )

    def send_deals(self, deals: Iterable[DealReport], gmt_msc: int) -> bytes:
        """`d`, each kept until the engine has it."""
        return b"".join(
            self._keep(frames.Deal(n=self._number(), gmt_msc=gmt_msc, deal=deal)) for deal in deals
        )

    def send_result(self, result: CommandResult, gmt_msc: int) -> bytes:
        """`r`, kept until the engine has it."""
        return self._keep(
            frames.Result(
                n=self._number(),
                gmt_msc=gmt_msc,
                intent_id=result.intent_id,
                retcode=result.retcode,
                deal=result.deal,
                order=result.order,
                volume=result.volume,
                price=result.price,
                comment=result.comment,
            )
        )

    def send_heartbeat(
        self, beat: Heartbeat, gmt_msc: int, gmt_offset_s: int | None = None
    ) -> bytes:
        """`b`."""
        return self._send(
            frames.Beat(
                n=self._number(),
                gmt_msc=gmt_msc,
                balance=beat.balance,
                credit=beat.credit,
                equity=beat.equity,
                margin=beat.margin,
                digest=beat.digest,
                gmt_offset_s=gmt_offset_s,
            )
        )

    def send_error(self, code: EndCode, message: str) -> bytes:
        """`e`; the link is closed. Empty where it was closed already."""
        if self.stage is Stage.CLOSED:
            return b""
        return self._send(frames.Failed(code=code.value, message=message))

    def _keep(self, frame: frames.Deal | frames.Result) -> bytes:
        line = self._send(frame)
        self._session.kept.append(frame)
        return line

    def _number(self) -> int:
        n = self._session.next_n
        self._session.next_n = n + 1
        return n

    def _send(self, frame: frames.Frame) -> bytes:
        stage = next_stage(TERMINAL_TURNS, self.stage, type(frame))
        assert stage is not None, f"{type(frame).__name__} is not the terminal's to send now"
        self.stage = stage
        return frames.encode(frame)
