"""Who asked for what: entries, and the hash chain that holds them together.

The chain shows tampering to whoever knows its head from elsewhere: who can write the file can also
compute a whole new chain. So the head is to be kept on another disk or sent away.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Literal, NamedTuple, Protocol

import msgspec

Kind = Literal["request", "command", "denied", "session", "approval", "keys"]

FIELD_CHARACTERS = 300
DETAIL_CHARACTERS = 100_000
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a person, as it was understood, and what became of it."""

    time_msc: int
    by: str
    """`telegram:4711`: how they came in, and as whom."""
    asked: str
    """The command as it was understood, never what else the person wrote."""
    outcome: str
    kind: Kind = "request"
    account: str = ""
    """`server/login`; empty where it is about none, or about many."""
    origin: str = ""
    """The address it came from; empty where there is none."""
    reason: str = ""
    """As the person gave it."""
    detail: str = ""
    """What a program reads again: of an approval, what was asked for, as JSON."""


class AuditHead(NamedTuple):
    """The last row of a trail: vouches for every row up to it."""

    number: int
    """0 in an empty trail."""
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


EMPTY = AuditHead(0, bytes(32))


class AuditRow(NamedTuple):
    """An entry as it is kept."""

    number: int
    """From 1, without gaps."""
    kind: str
    body: bytes
    """The entry as JSON."""
    hash: bytes


class AuditTrail(Protocol):
    """Keeps entries in order, for good; several processes may write to one."""

    async def append(self, entry: AuditEntry) -> int:
        """The number of the entry, once it is durable. Long fields are cut, `detail` is not.

        Raises:
            AdapterError: it is not durable; nothing more is kept from here on.
            ValueError: `detail` is longer than `DETAIL_CHARACTERS`.
        """

    async def append_after(self, entry: AuditEntry, last_number: int) -> int | None:
        """The same, unless an entry of this kind has come after `last_number`: None, not kept.

        So several processes can decide on what the trail says without deciding it twice.
        """

    async def read(
        self, after_number: int, limit: int, kind: Kind | None = None
    ) -> Sequence[tuple[int, AuditEntry]]:
        """At most `limit` entries after that number, in order; of one kind, or of all."""

    async def head(self) -> AuditHead:
        """The end of the chain, to be kept elsewhere."""


def bounded(text: str, characters: int = FIELD_CHARACTERS) -> str:
    """The text on one line: what does not print is shown as `\\xNN`, the end cut with `…`."""
    shown = _UNPRINTABLE.sub(lambda found: f"\\x{ord(found[0]):02x}", text[: characters + 1])
    return shown if len(shown) <= characters else shown[: characters - 1] + "…"


def encode_entry(entry: AuditEntry) -> bytes:
    """The body of its row.

    Raises:
        ValueError: `detail` is too long. It is read again, so it is not cut.
    """
    if len(entry.detail) > DETAIL_CHARACTERS:
        raise ValueError(f"detail of {len(entry.detail)} characters")
    texts = ("by", "asked", "outcome", "account", "origin", "reason")
    cut = {name: bounded(getattr(entry, name)) for name in texts}
    return msgspec.json.encode(msgspec.structs.replace(entry, **cut))


_DECODER = msgspec.json.Decoder(AuditEntry)


def decode_entry(body: bytes) -> AuditEntry:
    """The entry of a row.

    Raises:
        msgspec.MsgspecError: the body is none.
    """
    return _DECODER.decode(body)


def next_row(head: AuditHead, entry: AuditEntry) -> AuditRow:
    """The row that follows `head`."""
    number, body = head.number + 1, encode_entry(entry)
    return AuditRow(number, entry.kind, body, row_hash(head.hash, number, entry.kind, body))


def row_hash(before: bytes, number: int, kind: str, body: bytes) -> bytes:
    """SHA-256 over the hash of the row before and all of this row; no two rows alike."""
    named = kind.encode()
    return sha256(b"audit:%b%d:%d:%b:%b" % (before, number, len(named), named, body)).digest()


def first_fault(rows: Iterable[AuditRow], anchor: AuditHead | None = None) -> str | AuditHead:
    """The head of a whole trail; else, in words, where it is not as it was written.

    Args:
        rows: all of them, in the order of their numbers.
        anchor: a head kept elsewhere. Without one, a cut-off end and a chain computed anew are
            not seen.
    """
    head, is_anchored = EMPTY, anchor is None or anchor == EMPTY
    for row in rows:
        if row.number != head.number + 1:
            return f"row {row.number} where {head.number + 1} should follow"
        if row_hash(head.hash, row.number, row.kind, row.body) != row.hash:
            return f"row {row.number} is not as it was written, or one before it is not"
        try:
            entry = decode_entry(row.body)
        except msgspec.MsgspecError:
            return f"row {row.number} holds no entry"
        if entry.kind != row.kind:
            return f"row {row.number} is filed as {row.kind!r} and is {entry.kind!r}"
        head = AuditHead(row.number, row.hash)
        if anchor is not None and anchor.number == head.number:
            if anchor != head:
                return f"row {row.number} is another one than the head kept elsewhere vouches for"
            is_anchored = True
    if not is_anchored and anchor is not None:
        return f"it ends at row {head.number}, and a head kept elsewhere is of row {anchor.number}"
    return head


def parse_head(text: str) -> AuditHead | None:
    """The head that `str(head)` wrote; None if the text is none."""
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip())
    return AuditHead(int(found[1]), bytes.fromhex(found[2])) if found else None
