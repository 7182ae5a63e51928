"""How fast an account may send, and how often it may decide to close; pure, times handed in.

The rules of this file:
1. No more than 10 commands in any second of an account, whoever wants them: a flatten too.
2. A server that says "too many" halves that, down to one; each quiet 10 s gives one back.
3. Of a symbol, a policy decides one close in 30 s; what guards, people and a flatten close is
   exempt. It holds at the decision, so that what is decided is never kept back and can be called
   late; what is asked for earlier waits.
4. What re-opened during a halt is closed, at most 10 in a minute; above that a human is needed.
"""

import msgspec
from msgspec.structs import replace

HARD_CAP = 10
"""Commands a second and account."""
SECOND_MS = 1_000
QUIET_MS = 10_000
DISCRETIONARY_MS = 30_000
REOPENED = 10
REOPENED_MS = 60_000


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What an account has sent and decided lately."""

    rate_per_s: int = HARD_CAP
    slowed_at_ms: int | None = None
    sends_ms: tuple[int, ...] = ()
    decisions_ms: tuple[tuple[str, int], ...] = ()
    """(symbol, when) of closes by a policy, the last of each symbol."""
    reopened_ms: tuple[int, ...] = ()


def rate_at(pace: Pace, now_ms: int) -> int:
    """Commands a second that may go now."""
    if pace.slowed_at_ms is None:
        return pace.rate_per_s
    return min(HARD_CAP, pace.rate_per_s + (now_ms - pace.slowed_at_ms) // QUIET_MS)


def room(pace: Pace, now_ms: int) -> int:
    """How many commands keep within the rate; none where it was lowered meanwhile."""
    return max(0, rate_at(pace, now_ms) - len(_lately(pace, now_ms)))


def counted(pace: Pace, now_ms: int, commands: int = 1) -> Pace:
    """The pace after so many commands went out."""
    assert commands <= room(pace, now_ms), "one command more than the account may send"
    return replace(pace, sends_ms=(*_lately(pace, now_ms), *(commands * (now_ms,))))


def _lately(pace: Pace, now_ms: int) -> list[int]:
    return [at_ms for at_ms in pace.sends_ms if at_ms > now_ms - SECOND_MS]


def halved(pace: Pace, now_ms: int) -> Pace:
    """The pace after the server said "too many"."""
    return replace(pace, rate_per_s=max(1, rate_at(pace, now_ms) // 2), slowed_at_ms=now_ms)


def free_at_ms(pace: Pace, symbol: str) -> int:
    """From when on a policy may decide to close one of this symbol; 0: at any time."""
    return max(
        (at + DISCRETIONARY_MS for name, at in pace.decisions_ms if name == symbol), default=0
    )


def decided_on(pace: Pace, symbol: str, now_ms: int) -> Pace:
    """The pace after a policy decided to close one of this symbol."""
    others = tuple(entry for entry in pace.decisions_ms if entry[0] != symbol)
    return replace(pace, decisions_ms=(*others, (symbol, now_ms)))


def may_chase(pace: Pace, now_ms: int) -> bool:
    """Whether one more position that re-opened may be closed without a human."""
    lately = sum(1 for at_ms in pace.reopened_ms if at_ms > now_ms - REOPENED_MS)
    return lately < REOPENED


def chased(pace: Pace, now_ms: int) -> Pace:
    """The pace after a close of a position that re-opened was decided."""
    lately = tuple(at_ms for at_ms in pace.reopened_ms if at_ms > now_ms - REOPENED_MS)
    return replace(pace, reopened_ms=(*lately, now_ms))
