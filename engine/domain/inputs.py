"""All that `step` and `obey` take, and its way to bytes and back: a journal keeps it so."""

import msgspec

from engine.domain.commands import Command
from engine.domain.events import MarketEvent
from engine.domain.link_events import LinkEvent

Event = MarketEvent | LinkEvent
Input = Event | Command

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Input] = msgspec.msgpack.Decoder(Input)


def encode_input(taken: Input) -> bytes:
    """MessagePack, with the kind inside."""
    return _encoder.encode(taken)


def decode_input(body: bytes) -> Input:
    """The same again.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return _decoder.decode(body)
