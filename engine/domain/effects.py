"""What a step asks of the world. Imperative: nothing has happened yet."""

import msgspec

from engine.domain.close_actions import Command
from engine.domain.records import Record


class Publish(msgspec.Struct, frozen=True):
    """Make this record durable, then show it."""

    record: Record


class SendClose(msgspec.Struct, frozen=True):
    """Of a replay: bring a position down to what must remain of it."""

    intent_id: str
    position_id: int
    target_volume_lots: float
    reason: str


class KeepClose(msgspec.Struct, frozen=True):
    """Make what was decided of this close durable, then step `ClosesDurable`."""

    intent_id: str


class SendCommand(msgspec.Struct, frozen=True):
    """Write this to the terminal now: its close is durable."""

    command: Command


class AskReport(msgspec.Struct, frozen=True):
    """A full report is wanted of the terminal."""

    why: str


class TellTerminal(msgspec.Struct, frozen=True):
    """Let the terminal know that the account is halted, or no longer."""

    is_halted: bool


class SetFloor(msgspec.Struct, frozen=True):
    """Equity at which the terminal closes by itself while the engine is silent; 0: never."""

    floor: float


Effect = Publish | SendClose | KeepClose | SendCommand | AskReport | TellTerminal | SetFloor
