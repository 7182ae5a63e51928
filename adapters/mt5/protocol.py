"""The link without its wires: what each side may send when, and what both sides share.

Rules:
- A terminal connects, says hello (`h`), is challenged (`c`), proves its key (`a`), is welcomed
  (`w`). Until then nothing it said is believed, and it may send 4 KiB in all.
- Then it sends a full report (`s`) and what changes; each frame carries `n`, without gaps from
  what the welcome said. A gap, parts of a report out of line, or a digest that differs from the
  positions told make the engine ask for a report: once, and again after 5 s without an answer.
- A number that came before is dropped. One that was missing is taken late only if it is a deal
  or a result: facts that do not age.
- The engine acknowledges (`k`) up to the last frame before the first that was not signed for.
  A terminal keeps deals and results until then and sends them again, under new numbers, after a
  reconnect in the same session.
- Whoever finds the other at fault, or leaves, says so once (`e`) and closes.

| engine is | takes | gives |
|---|---|---|
| awaiting_hello | h: deciding | |
| deciding | | c: awaiting_proof |
| awaiting_proof | a: proved | |
| proved | | w: linked |
| linked | s q p d b r: linked | k x: linked |
| any of these | e: closed; a fault: refusing | e: closed |

The terminal's table is the mirror of it. The sides are in `engine_side.py` and
`terminal_side.py`; neither reads a clock nor a socket, and both take bytes in any pieces.
"""

import hmac
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from adapters.mt5 import frames
from engine.domain.ids import AccountKey
from engine.secret import Secret

HELLO_BYTES = 4096
NONCES_KEPT = 64


class Stage(StrEnum):
    """Where a link is."""

    AWAITING_HELLO = "awaiting_hello"
    DECIDING = "deciding"
    AWAITING_PROOF = "awaiting_proof"
    PROVED = "proved"
    LINKED = "linked"
    REFUSING = "refusing"
    """A fault was found; all that is left is to say so."""
    CLOSED = "closed"
    STARTING = "starting"
    AWAITING_CHALLENGE = "awaiting_challenge"
    PROVING = "proving"
    AWAITING_WELCOME = "awaiting_welcome"


Turns = Mapping[Stage, Mapping[type[frames.Frame], Stage]]

_TELLINGS = (
    frames.Report,
    frames.Quotes,
    frames.Position,
    frames.Deal,
    frames.Beat,
    frames.Result,
)
_TELLS: dict[type[frames.Frame], Stage] = dict.fromkeys(_TELLINGS, Stage.LINKED)
_TOLD: dict[type[frames.Frame], Stage] = dict.fromkeys(
    (frames.Acknowledged, frames.Command), Stage.LINKED
)
_LEAVES: dict[type[frames.Frame], Stage] = {frames.Failed: Stage.CLOSED}

ENGINE_TURNS: Turns = {
    Stage.AWAITING_HELLO: {frames.Hello: Stage.DECIDING, **_LEAVES},
    Stage.DECIDING: {frames.Challenge: Stage.AWAITING_PROOF, **_LEAVES},
    Stage.AWAITING_PROOF: {frames.Proved: Stage.PROVED, **_LEAVES},
    Stage.PROVED: {frames.Welcome: Stage.LINKED, **_LEAVES},
    Stage.LINKED: {**_TELLS, **_TOLD, **_LEAVES},
    Stage.REFUSING: _LEAVES,
    Stage.CLOSED: {},
}
TERMINAL_TURNS: Turns = {
    Stage.STARTING: {frames.Hello: Stage.AWAITING_CHALLENGE, **_LEAVES},
    Stage.AWAITING_CHALLENGE: {frames.Challenge: Stage.PROVING, **_LEAVES},
    Stage.PROVING: {frames.Proved: Stage.AWAITING_WELCOME, **_LEAVES},
    Stage.AWAITING_WELCOME: {frames.Welcome: Stage.LINKED, **_LEAVES},
    Stage.LINKED: {**_TELLS, **_TOLD, **_LEAVES},
    Stage.REFUSING: _LEAVES,
    Stage.CLOSED: {},
}


class EndCode(StrEnum):
    """The `code` of an `e`."""

    MOVED = "moved"
    """Another node has the account; `to` says where. Connect there at once."""
    RETRY = "retry"
    """The engine cannot have this link now; come back with the usual pauses."""
    SUPERSEDED = "superseded"
    """A newer link of the same account took over."""
    REVOKED = "revoked"
    REFUSED = "refused"
    """Unknown account or wrong key: which of them is not said."""
    REPLAYED = "replayed_nonce"
    BAD_FRAME = "bad_frame"
    OUT_OF_TURN = "out_of_turn"
    TOO_LONG = "too_long"
    TOO_MUCH = "too_much"
    """More bytes than a hello and a proof need, before the proof."""
    TOO_FAST = "too_fast"
    TOO_SLOW = "too_slow"
    """No proof within the time for it, or what was sent was not read."""
    VERSION = "version"
    WRONG_LOGIN = "wrong_login"
    EPOCH = "epoch"
    """The engine offered an epoch the terminal has already outgrown."""
    LEFT = "left"
    """The terminal ends by itself."""


class FaultError(Exception):
    """The other side broke a rule. Neither the code nor the message shows what it sent."""

    def __init__(self, code: EndCode, message: str, cause: str | None = None) -> None:
        """`cause`: what is counted, where the code says less on purpose."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.cause = cause or code.value


@dataclass(frozen=True, slots=True)
class Refusal:
    """The other side is at fault: send this code in an `e`, then close. The last event."""

    code: EndCode
    cause: str
    message: str

    @classmethod
    def of(cls, fault: FaultError) -> "Refusal":
        """The fault as an event."""
        return cls(fault.code, fault.cause, fault.message)


@dataclass(frozen=True, slots=True)
class Ended:
    """The other side left. The last event; nothing is answered."""

    code: str
    to: str | None = None


class Lines:
    """Cuts bytes that come in any pieces into lines, and never holds more than one."""

    __slots__ = ("_buffer", "_searched", "taken_bytes")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self.taken_bytes = 0
        """Of the lines given out, newlines included."""

    def feed(self, chunk: bytes | bytearray) -> None:
        """Adds what came."""
        self._buffer += chunk

    def clear(self) -> None:
        """Lets go of what waits."""
        self._buffer.clear()
        self._searched = 0

    def next(
        self, limit_bytes: int = frames.MAX_LINE, code: EndCode = EndCode.TOO_LONG
    ) -> bytes | None:
        """The next whole line without its newline, or None.

        Raises:
            FaultError: of that code: it is longer than the limit, whole or not, newline counted.
        """
        end = self._buffer.find(b"\n", self._searched)
        length = len(self._buffer) if end < 0 else end
        if length >= limit_bytes:
            raise FaultError(code, f"no more than {limit_bytes} bytes here")
        if end < 0:
            self._searched = length
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        self.taken_bytes += end + 1
        return line


class Nonces:
    """The last nonces each account proved with: each serves once.

    Only proved ones are kept, so that nobody fills the memory. It ends with the process, which
    costs nothing: a proof is over the engine's own challenge too, never the same twice.
    """

    def __init__(self) -> None:
        self._seen: dict[AccountKey, deque[str]] = {}

    def holds(self, account: AccountKey, nonce: str) -> bool:
        """Whether it has served."""
        return nonce in self._seen.get(account, ())

    def add(self, account: AccountKey, nonce: str) -> None:
        """It has served now."""
        self._seen.setdefault(account, deque(maxlen=NONCES_KEPT)).append(nonce)


def proof(key: Secret, hello: frames.Hello, challenge: str, epoch: int) -> str:
    """HMAC-SHA256, hex, over everything both sides said of this link, joined by bars."""
    said = (hello.v, hello.login, hello.server, hello.session, hello.nonce, challenge, epoch)
    text = "|".join(str(part) for part in said)
    return hmac.new(key.reveal(), text.encode("ascii"), sha256).hexdigest()


def next_stage(turns: Turns, stage: Stage, frame: type[frames.Frame]) -> Stage | None:
    """Where this frame leads; None if it is out of turn."""
    return turns[stage].get(frame)
