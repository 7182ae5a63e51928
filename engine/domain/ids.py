"""What names an account, a position, an intent and a verdict."""

from hashlib import blake2b
from typing import NamedTuple


class AccountKey(NamedTuple):
    """An account's name in all surfaces: a login means nothing without its server."""

    server: str
    login: int

    def __str__(self) -> str:
        return f"{self.server}/{self.login}"


def intent_id(key: AccountKey, number: int) -> str:
    """The name of an account's `number`-th close intent; the same input gives the same name."""
    return f"int_{_digest(f'{key}|{number}')}"


def verdict_id(key: AccountKey, guard: str, seq: int) -> str:
    """The name of the verdict published as event `seq` of this account."""
    return f"vrd_{_digest(f'{key}|{guard}|{seq}')}"


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
