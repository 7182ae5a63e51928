"""An incident as a document to hand over: redacted, signed, and held to its signature again.

The signature (Ed25519) is over `PREFIX` and the document without its `signature`, as JSON with the
names of each object sorted and no space between. It says that an engine with that key made the
document so; the key's public half has to come another way than the document.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, NoReturn

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from engine.errors import UserError
from facade.access_keys import AccessKeys
from facade.api_structs_mirror import Instant

FORMAT = "tidegate-incident-1"
PREFIX = FORMAT.encode() + b"\n"
"""So that no signature over something else is one over an incident."""
UNSIGNED = "the engine has no key to sign with: tidegate keys export add"
PRIVATE = frozenset(
    ("login", "server", "by", "comment", "position_id", "position_by", "ticket", "magic",
     "intent_id", "identifier", "order", "input")
)  # fmt: skip
"""Names and ids; `input` is what a terminal said, with all of them in it."""
_HEX = frozenset("0123456789abcdef")


class Signature(msgspec.Struct, frozen=True):
    """Who signed."""

    algorithm: Literal["Ed25519"]
    kid: str
    """Of the key, as `tidegate keys export list` shows it."""
    value: str
    """64 bytes in hexadecimal, lower case."""


class IncidentExport(msgspec.Struct, frozen=True, kw_only=True):
    """An incident to hand over."""

    format: Literal["tidegate-incident-1"]
    made_at: Instant
    is_redacted: bool
    """Names and ids are left out, at any depth."""
    verdict: dict[str, Any]
    """As `GET /verdicts/{id}` answers."""
    records: tuple[dict[str, Any], ...]
    """What its guard did after it, as events."""
    tape: dict[str, Any] | None
    """As `GET /verdicts/{id}/tape` answers; null: no ticks are kept."""
    unsigned_because: str | None
    """Null: it is signed."""
    signature: Signature | None = None


def redacted(value: Any) -> Any:
    """The same without names and ids, at any depth; why a person ended a halt is one's own."""
    if isinstance(value, dict):
        private = PRIVATE | {"reason"} if value.get("type") == "account_released" else PRIVATE
        return {name: redacted(one) for name, one in value.items() if name not in private}
    if isinstance(value, list):
        return [redacted(one) for one in value]
    return value


def export_of(
    made_at: str, verdict: bytes, records: list[bytes], tape: bytes | None, *, redact: bool
) -> dict[str, Any]:
    """The document, unsigned; its parts as JSON."""
    parts: dict[str, Any] = {
        "verdict": msgspec.json.decode(verdict),
        "records": [msgspec.json.decode(one) for one in records],
        "tape": None if tape is None else msgspec.json.decode(tape),
    }
    return {
        "format": FORMAT,
        "made_at": made_at,
        "is_redacted": redact,
        **(redacted(parts) if redact else parts),
        "unsigned_because": UNSIGNED,
        "signature": None,
    }


def canonical(document: Mapping[str, Any]) -> bytes:
    """The bytes that are signed."""
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    return PREFIX + msgspec.json.encode(unsigned, order="sorted")


def signed(document: dict[str, Any], keys: AccessKeys | None) -> bytes:
    """The document as JSON, with a signature of the newest key; without one where there is none.

    Raises:
        UserError: a key cannot be read.
    """
    if keys is not None and any(one.can_sign for one in keys.live()):
        kid, private = keys.signer()
        document = {**document, "unsigned_because": None}
        value = private.sign(canonical(document)).hex()
        document["signature"] = {"algorithm": "Ed25519", "kid": kid, "value": value}
    return msgspec.json.encode(document)


class Checked(NamedTuple):
    """What became of holding a document to its signature."""

    failure: str | None
    """Why it is not what a key signed; None: it is."""
    document: dict[str, Any]


def check(text: bytes, public: Mapping[str, Ed25519PublicKey]) -> Checked:
    """Whether one of these keys, by their ids, signed this document.

    Raises:
        UserError: the text is no exported incident.
    """
    try:
        document = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
        made = msgspec.convert(document, IncidentExport)
        content = canonical(document)
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise UserError(f"this is no exported incident: {str(error)[:200]}") from error
    signature = made.signature
    if signature is None:
        return Checked(f"it is not signed: {made.unsigned_because}", document)
    key = public.get(signature.kid)
    if key is None:
        return Checked(f"it names the key {signature.kid}, which is not one given", document)
    if len(signature.value) != 128 or not _HEX.issuperset(signature.value):
        return Checked("its signature is none", document)
    try:
        key.verify(bytes.fromhex(signature.value), content)
    except InvalidSignature:
        return Checked(f"it is not what the key {signature.kid} signed: it was changed", document)
    return Checked(None, document)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
