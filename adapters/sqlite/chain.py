"""The hash chain through all rows: none can be edited, taken out, moved or added unseen.

It shows tampering to whoever knows the head from elsewhere: who can write the file can also
compute a whole new chain. So the head is to be kept on another disk or sent away (`Head`).
"""

import re
from hashlib import sha256
from typing import NamedTuple

from engine.domain.ids import AccountKey


class Head(NamedTuple):
    """The last row of a journal: vouches for every row up to it."""

    number: int
    """Of the row, from 1 through all accounts; 0 in an empty journal."""
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"


EMPTY = Head(0, bytes(32))


def parse_head(text: str) -> Head | None:
    """The head that `str(head)` wrote; None if the text is none."""
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text.strip())
    return Head(int(found[1]), bytes.fromhex(found[2])) if found else None


def row_hash(before: bytes, key: AccountKey, seq: int, body: bytes) -> bytes:
    """SHA-256 over the hash of the row before, the account, seq and body; no two rows alike."""
    server = key.server.encode()
    return sha256(
        b"%b%d:%b:%d:%d:%b" % (before, len(server), server, key.login, seq, body)
    ).digest()


def entry_hash(before: bytes, key: AccountKey, ordinal: int, digest: str, body: bytes) -> bytes:
    """The same of an entry, over its digest too. No entry has the hash of a record."""
    server, named = key.server.encode(), digest.encode()
    return sha256(
        b"entry:%b%d:%b:%d:%d:%d:%b:%b"
        % (before, len(server), server, key.login, ordinal, len(named), named, body)
    ).digest()
