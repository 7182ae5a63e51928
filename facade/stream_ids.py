"""The ids of a stream's events: where every account of its reader is, as text.

The sequence numbers of a reader's accounts, in the order of the desk. They are the journal's own,
so an id means the same in every process and after any restart, and no process needs to have seen
the reader before. What an id costs grows with the accounts, so with many of them not every event
has one: see `Position.id_of`.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence

from engine.domain.ids import AccountKey

ID_BYTES = 6000
"""The longest: it comes back in one header, beside a token or a cookie."""
SHORT_BYTES = 512
"""Up to here each event has one: some 180 accounts with thousands of records each."""
SHARE = 4
"""A longer one comes when events of so many times its length were sent since the last."""
TOO_MANY = "-"
"""In place of the numbers, where they would be too long: whoever comes back with it is told."""


class Ids:
    """How ids of one set of accounts are written and read."""

    def __init__(self, keys: Sequence[AccountKey]) -> None:
        """`keys`: in the order of the desk."""
        self.keys = tuple(keys)
        self.places = {key: place for place, key in enumerate(self.keys)}
        named = "\n".join(map(str, self.keys)).encode()
        self.scope = hashlib.blake2b(named, digest_size=4).hexdigest()

    def read(self, text: str) -> dict[AccountKey, int] | None:
        """What an id says; None: it is of other accounts, or no id, or says nothing."""
        scope, _, coded = text.partition(".")
        try:
            body = urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
        except ValueError:
            return None
        numbers, number, shift = [], 0, 0
        for byte in body:
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                numbers.append(number)
                number = shift = 0
            elif shift > 56:
                return None
        if scope != self.scope or len(numbers) != len(self.keys) or shift:
            return None
        return dict(zip(self.keys, numbers, strict=True))

    def says_too_many(self, text: str) -> bool:
        """Whether an id stands for a place that was too long to be written."""
        return text == f"{self.scope}.{TOO_MANY}"


class Position:
    """Where somebody is, account by account; moved on as records are told."""

    def __init__(self, ids: Ids, seqs: Mapping[AccountKey, int]) -> None:
        """`seqs`: an account that is not in it has nothing yet."""
        self._ids = ids
        self.seqs = {key: seqs.get(key, 0) for key in ids.keys}
        self._parts = [_coded(seq) for seq in self.seqs.values()]
        self._coded_bytes = sum(map(len, self._parts))
        self._told_bytes = 0
        self._id_bytes = 0

    def copy(self) -> "Position":
        """Another one, here."""
        made = Position.__new__(Position)
        made._ids = self._ids
        made.seqs = self.seqs.copy()
        made._parts = self._parts.copy()
        made._coded_bytes = self._coded_bytes
        made._told_bytes = self._told_bytes
        made._id_bytes = self._id_bytes
        return made

    def move(self, key: AccountKey, seq: int) -> None:
        """The account is at this record now."""
        place, coded = self._ids.places[key], _coded(seq)
        self._coded_bytes += len(coded) - len(self._parts[place])
        self.seqs[key], self._parts[place] = seq, coded

    def text(self) -> str:
        """The id."""
        if self.is_too_long:
            return f"{self._ids.scope}.{TOO_MANY}"
        coded = urlsafe_b64encode(b"".join(self._parts)).rstrip(b"=").decode()
        return f"{self._ids.scope}.{coded}"

    @property
    def is_too_long(self) -> bool:
        """Whether it cannot be written."""
        return 4 * self._coded_bytes > 3 * ID_BYTES

    def id_of(self, key: AccountKey, seq: int, body: bytes, *, is_last: bool = False) -> str:
        """Moves on by a record that is told; its id, or an empty text where none is due.

        Without one, whoever breaks off there is told the record again.

        Args:
            key: of its account.
            seq: of the record.
            body: as it is told.
            is_last: of what is told at once.
        """
        self.move(key, seq)
        self._told_bytes += len(body)
        is_due = self._id_bytes <= SHORT_BYTES or self._told_bytes >= SHARE * self._id_bytes
        if not (is_last or (is_due and not self.is_too_long)):
            return ""
        written = self.text()
        self._told_bytes, self._id_bytes = 0, len(written)
        return written


def _coded(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    body = bytearray()
    while number > 0x7F:
        body.append(number & 0x7F | 0x80)
        number >>= 7
    body.append(number)
    return bytes(body)
