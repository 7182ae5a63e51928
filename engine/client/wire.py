"""The internal socket's frames: a length of four bytes, then that much MessagePack. Pure.

A request is `[id, call, arguments]`, an answer `[id, outcome, value]` with outcome `ok`, `refused`
(by the domain), `missing` (no such account), `denied` (not for this client) or `error`. What was
subscribed to comes as `[0, "event" | "missed" | "snapshot", value]`: ids of requests begin at 1.
Requests need not wait for answers. Those of reads from memory come in the order asked; whatever
waits for a disk comes when it is there, in order for each account.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

REQUEST_BYTES = 1 << 20
"""The most of a frame to the engine."""
ANSWER_BYTES = 16 << 20
"""The most of a frame from it."""
GET_MANY = 1000
"""Accounts in one request."""
VERSION = 3
_HEAD = 4

_encoder = msgspec.msgpack.Encoder()


class WireError(Exception):
    """What came is no frame; the connection is of no further use."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What a client asks."""

    number: int
    call: str
    arguments: dict[str, Any] = {}


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What the engine says."""

    number: int
    outcome: str
    value: msgspec.Raw = msgspec.Raw(b"\xc0")

    def read(self, shape: Any = Any) -> Any:
        """The value, as that type.

        Raises:
            msgspec.MsgspecError: it is not of that type.
        """
        return msgspec.msgpack.decode(self.value, type=shape)


class Shown(msgspec.Struct, frozen=True, array_like=True):
    """A snapshot pushed: `[server, login, steps, ticks, snapshot]`."""

    server: str
    login: int
    steps: int
    ticks: int
    packed: msgspec.Raw


_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def pack(number: int, word: str, value: Any) -> bytes:
    """A request or an answer, framed."""
    return framed(_encoder.encode((number, word, value)))


def pack_raw(number: int, word: str, value: bytes) -> bytes:
    """An answer whose value is MessagePack already, framed."""
    head = b"\x93" + _encoder.encode(number) + _encoder.encode(word)
    return (len(head) + len(value)).to_bytes(_HEAD, "big") + head + value


def pack_shown(server: str, login: int, steps: int, ticks: int, packed: bytes) -> bytes:
    """A snapshot pushed, framed."""
    head = b"".join(map(_encoder.encode, (server, login, steps, ticks)))
    return pack_raw(0, "snapshot", b"\x95" + head + packed)


def list_of(bodies: Sequence[bytes]) -> bytes:
    """MessagePack of a list whose members are MessagePack already."""
    return b"\xdd" + len(bodies).to_bytes(4, "big") + b"".join(bodies)


def framed(body: bytes) -> bytes:
    """The body with its length before it."""
    return len(body).to_bytes(_HEAD, "big") + body


class Frames:
    """Bytes in, frames out, however they are cut."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._waiting = bytearray()

    def feed(self, chunk: bytes | bytearray) -> Iterator[bytes]:
        """Every whole frame there is now.

        Raises:
            WireError: one is larger than may be.
        """
        self._waiting += chunk
        start, size = 0, len(self._waiting)
        try:
            while size - start >= _HEAD:
                length = int.from_bytes(self._waiting[start : start + _HEAD], "big")
                if length > self._most_bytes:
                    raise WireError(f"a frame of {length} bytes, {self._most_bytes} are allowed")
                if size - start - _HEAD < length:
                    break
                yield bytes(self._waiting[start + _HEAD : start + _HEAD + length])
                start += _HEAD + length
        finally:
            del self._waiting[:start]


def request_of(frame: bytes) -> Request:
    """The request in a frame.

    Raises:
        WireError: there is none.
    """
    try:
        return _requests.decode(frame)
    except msgspec.MsgspecError as error:
        raise WireError(f"not a request: {error}") from error


def answer_of(frame: bytes) -> Answer:
    """The answer in a frame.

    Raises:
        WireError: there is none.
    """
    try:
        return _answers.decode(frame)
    except msgspec.MsgspecError as error:
        raise WireError(f"not an answer: {error}") from error
