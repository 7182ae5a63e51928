"""What a person or a program asks of an account: inputs of `step` that may be refused."""

import msgspec

from engine.domain.account import AccountSpec
from engine.domain.intents import Intent


class Halt(msgspec.Struct, frozen=True, tag="halt"):
    """Take no new risk."""

    time_msc: int
    by: str
    reason: str


class Release(msgspec.Struct, frozen=True, tag="release"):
    """End a halt, and the latch of the guard that caused it."""

    time_msc: int
    by: str
    cause: str
    reason: str


class Flatten(msgspec.Struct, frozen=True, tag="flatten"):
    """Cancel every pending order and close every position."""

    time_msc: int
    by: str
    reason: str


class ClosePosition(msgspec.Struct, frozen=True, tag="close_position"):
    """Close one position of a live account, wholly."""

    time_msc: int
    by: str
    position_id: int
    reason: str


class Resume(msgspec.Struct, frozen=True, tag="resume"):
    """Try a close again that waits, or that was given up to a person."""

    time_msc: int
    by: str
    intent_id: str
    reason: str


class Register(msgspec.Struct, frozen=True, tag="register"):
    """A strategy says what it means to hold. Said twice with the same words, it is said once."""

    time_msc: int
    by: str
    intent: Intent


class Withdraw(msgspec.Struct, frozen=True, tag="withdraw"):
    """A strategy no longer means to hold what it registered."""

    time_msc: int
    by: str
    intent_id: str


class Adopt(msgspec.Struct, frozen=True, tag="adopt"):
    """Accept a position nobody here opened, as it is."""

    time_msc: int
    by: str
    position_id: int
    reason: str


class Respec(msgspec.Struct, frozen=True, tag="respec"):
    """Guard the account by another specification: other rules, another mode.

    What a guard of the same name remembers stays where the guard is of the same kind.
    """

    time_msc: int
    by: str
    spec: AccountSpec
    reason: str


Command = Halt | Release | Flatten | ClosePosition | Resume | Register | Withdraw | Adopt | Respec


class Refused(msgspec.Struct, frozen=True):
    """Why a command changed nothing."""

    reason: str
