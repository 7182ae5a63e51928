"""One-time codes: six digits that turn what was asked into what is done. Pure but for the dice.

One waits per user at most, for a minute, for that user only, and for one guess: a wrong code ends
it as a right one does.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Generic, TypeVar

VALID_S = 60.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    code: str
    until_s: float
    asked: T


def six_digits() -> str:
    """A code nobody can foresee."""
    return f"{secrets.randbelow(1_000_000):06d}"


class Codes(Generic[T]):
    """See the top. `now_s` of one monotonic clock."""

    def __init__(self, draw: Callable[[], str] = six_digits) -> None:
        self._draw = draw
        self._waiting: dict[int, _Waiting[T]] = {}

    def issue(self, user_id: int, asked: T, now_s: float) -> str:
        """A code for what this user asks; an earlier one of theirs ends."""
        code = self._draw()
        self._waiting[user_id] = _Waiting(code, now_s + VALID_S, asked)
        return code

    def redeem(self, user_id: int, code: str, now_s: float) -> T | None:
        """What was asked, once; None: no such code, too late, or another user's."""
        waiting = self._waiting.pop(user_id, None)
        if waiting is None or now_s >= waiting.until_s:
            return None
        return waiting.asked if compare_digest(waiting.code, code) else None
