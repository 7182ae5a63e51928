"""The frames of the link: one JSON object a line, ASCII-escaped, at most 64 KiB, `t` first.

Keys a newer side adds are let pass; a wrong type or a value out of its range never is. Records
of accounts, positions, deals, orders and symbols carry the field names of MT5's Python library.
An error names the place in the frame and never the value there: it might be a secret.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from engine.domain.reports import (
    AccountReport,
    DealReport,
    IntentReport,
    OrderReport,
    PositionReport,
    SpecReport,
)
from engine.link import Action, PositionChange

VERSION = 1
MAX_LINE = 65_536
"""Bytes, the newline included."""
MAX_PARTS = 256
"""Of one full report: some 40,000 positions."""

Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Number = Annotated[int, Meta(ge=1, le=2**53)]
Epoch = Annotated[int, Meta(ge=0, le=2**53)]
Msc = Annotated[int, Meta(ge=0, le=2**53)]
Text = Annotated[str, Meta(max_length=256)]
Symbol = Annotated[str, Meta(min_length=1, max_length=64)]
# Printable ASCII without the bar that joins what is proved.
Server = Annotated[str, Meta(pattern=r"^[ -{}~]{1,64}$")]
Token = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Nonce = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{16,64}$")]
Proof = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{64}$")]
OffsetS = Annotated[int, Meta(ge=-86_400, le=86_400)]
Code = Annotated[str, Meta(pattern=r"^[a-z_]{1,32}$")]


class Frame(msgspec.Struct, tag_field="t", frozen=True, kw_only=True):
    """A line of the link."""


class Hello(Frame, tag="h", frozen=True, kw_only=True):
    """Who a terminal says it is: nothing of it is believed before the proof."""

    v: Annotated[int, Meta(ge=1, le=2**31)]
    login: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    server: Server
    session: Token
    nonce: Nonce
    epoch_seen: Epoch = 0
    build: Natural = 0
    company: Text = ""
    currency: Annotated[str, Meta(min_length=1, max_length=16)]
    currency_digits: Annotated[int, Meta(ge=0, le=8)]
    margin_mode: Annotated[int, Meta(ge=0, le=2)]
    leverage: Natural
    gmt_offset_s: OffsetS


class Proved(Frame, tag="a", frozen=True, kw_only=True):
    """The proof that the terminal has the key."""

    hmac: Proof


class Numbered(Frame, frozen=True, kw_only=True):
    """What a linked terminal sends: numbered without gaps, with its own idea of UTC."""

    n: Number
    gmt_msc: Msc
    login: Natural | None = None
    """For links that serve several accounts; on this one, its own or absent."""


class Report(Numbered, tag="s", frozen=True, kw_only=True):
    """A full report, or one part of it: parts follow each other without a frame between."""

    part: Annotated[int, Meta(ge=1, le=MAX_PARTS)] = 1
    parts: Annotated[int, Meta(ge=1, le=MAX_PARTS)] = 1
    account: AccountReport | None = None
    """In the first part."""
    positions: tuple[PositionReport, ...] = ()
    orders: tuple[OrderReport, ...] = ()
    specs: tuple[SpecReport, ...] = ()
    recent_intents: tuple[IntentReport, ...] = ()
    floor: float | None = None
    complete: bool
    """True: every query behind this report succeeded."""
    unasked: bool = False
    """True: sent of the terminal's own accord, so it answers no request and may be older."""
    gmt_offset_s: OffsetS | None = None
    """Where it changed since the hello: a server's clock follows some daylight saving time."""


class QuoteRow(msgspec.Struct, array_like=True, frozen=True):
    """[symbol, time_msc, bid, ask, flags]; the time is the server's wall clock."""

    symbol: Symbol
    time_msc: Msc
    bid: float
    ask: float
    flags: Natural = 0


class Quotes(Numbered, tag="q", frozen=True, kw_only=True):
    """Ticks, oldest first."""

    quotes: tuple[QuoteRow, ...]


class Position(Numbered, tag="p", frozen=True, kw_only=True):
    """A position opened, changed or closed: the whole record."""

    change: PositionChange
    position: PositionReport


class Deal(Numbered, tag="d", frozen=True, kw_only=True):
    """An execution or a balance operation."""

    deal: DealReport


class Beat(Numbered, tag="b", frozen=True, kw_only=True):
    """Each second, or as often as the welcome says."""

    balance: float
    credit: float
    equity: float
    margin: float
    digest: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    gmt_offset_s: OffsetS | None = None


class Result(Numbered, tag="r", frozen=True, kw_only=True):
    """What became of a command."""

    intent_id: Token
    retcode: Annotated[int, Meta(ge=-(2**31), le=2**31)]
    deal: Natural = 0
    order: Natural = 0
    volume: float = 0.0
    price: float = 0.0
    comment: Text = ""


class Failed(Frame, tag="e", frozen=True, kw_only=True):
    """Why the link ends here. Either side sends it last."""

    code: Code
    message: Text = ""
    to: Text | None = None
    """With `moved`: host:port of who has the account now."""
    n: Number | None = None


class Challenge(Frame, tag="c", frozen=True, kw_only=True):
    """What the proof must be over."""

    challenge: Nonce
    epoch: Epoch


class Welcome(Frame, tag="w", frozen=True, kw_only=True, omit_defaults=True):
    """The link stands: send a full report, then what changes."""

    resume_from: Number
    """Numbers go on from here; what was kept from here on is sent again under new numbers."""
    heartbeat_ms: Annotated[int, Meta(ge=50, le=60_000)]
    symbols: tuple[Symbol, ...]
    """To quote; empty where another terminal of the server leads."""


class Acknowledged(Frame, tag="k", frozen=True, kw_only=True):
    """Everything up to n is safe with the engine."""

    n: Natural


class Command(Frame, tag="x", frozen=True, kw_only=True, omit_defaults=True):
    """To be done once, ever: the intent table answers a repeat."""

    action: Action
    intent_id: Annotated[str, Meta(pattern=r"^[0-9A-Za-z_-]{0,64}$")] = ""
    epoch: Epoch
    ttl_ms: Annotated[int, Meta(ge=0, le=86_400_000)]
    login: Natural | None = None
    position: Natural | None = None
    position_by: Natural | None = None
    order: Natural | None = None
    symbol: Symbol | None = None
    volume: float | None = None
    deviation: Natural | None = None
    symbols: tuple[Symbol, ...] | None = None
    heartbeat_ms: Annotated[int, Meta(ge=50, le=60_000)] | None = None
    floor: float | None = None


FromTerminal = Hello | Proved | Report | Quotes | Position | Deal | Beat | Result | Failed
FromEngine = Challenge | Welcome | Acknowledged | Command | Failed

_from_terminal: msgspec.json.Decoder[FromTerminal] = msgspec.json.Decoder(FromTerminal)
_from_engine: msgspec.json.Decoder[FromEngine] = msgspec.json.Decoder(FromEngine)
_encoder = msgspec.json.Encoder()
_WIDE = re.compile(r"[^\x00-\x7f]")
_PLACE = re.compile(r"at `(\$[\w.\[\]]*)`")


class BadFrameError(Exception):
    """A line that is no frame; says where, never what."""


def decode_from_terminal(line: bytes) -> FromTerminal:
    """The frame a terminal sent.

    Raises:
        BadFrameError: it is none.
    """
    frame: FromTerminal = _decode(_from_terminal, line)
    return frame


def decode_from_engine(line: bytes) -> FromEngine:
    """The frame the engine sent.

    Raises:
        BadFrameError: it is none.
    """
    frame: FromEngine = _decode(_from_engine, line)
    return frame


def encode(frame: Frame) -> bytes:
    """The line, its newline included."""
    line = ascii_escaped(_encoder.encode(frame))
    assert len(line) < MAX_LINE, f"a frame of {len(line)} bytes"
    return line + b"\n"


def encode_record(record: Any) -> bytes:
    """The record as it will stand inside a frame."""
    return ascii_escaped(_encoder.encode(record))


def ascii_escaped(text: bytes) -> bytes:
    """The same JSON in ASCII: `é` becomes `\\u00e9`, what is beyond 16 bits a surrogate pair."""
    return text if text.isascii() else _WIDE.sub(_escape, text.decode()).encode("ascii")


def packed(records: Sequence[bytes], room: int) -> list[int]:
    """Where to cut these encoded records so that no stretch exceeds `room` bytes, commas counted.

    Returns the end of each stretch; one record larger than `room` is a broken invariant.
    """
    ends, used = [], 0
    for index, record in enumerate(records):
        assert len(record) <= room, f"a record of {len(record)} bytes"
        if used + len(record) + 1 > room:
            ends.append(index)
            used = 0
        used += len(record) + 1
    return [*ends, len(records)]


def _escape(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _decode(decoder: msgspec.json.Decoder[Any], line: bytes) -> Any:
    if not line.isascii():
        raise BadFrameError("not ASCII")
    try:
        return decoder.decode(line)
    except msgspec.ValidationError as error:
        # Its text may hold a value; the place does not: keys are the structs' own.
        place = _PLACE.search(str(error))
        raise BadFrameError(f"wrong at {place.group(1) if place else '$'}") from None
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise BadFrameError("not JSON") from None
