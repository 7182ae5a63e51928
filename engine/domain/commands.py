"""What a person or a program asks of an account: inputs of `step` that may be refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Halt:
    """Take no new risk."""

    time_msc: int
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Release:
    """End a halt, and the latch of the guard that caused it."""

    time_msc: int
    by: str
    cause: str
    reason: str


@dataclass(frozen=True, slots=True)
class Flatten:
    """Close every position."""

    time_msc: int
    by: str
    reason: str


Command = Halt | Release | Flatten


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a command changed nothing."""

    reason: str
