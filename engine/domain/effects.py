"""What a step asks of the world. Imperative: nothing has happened yet."""

from dataclasses import dataclass

from engine.domain.records import Record


@dataclass(frozen=True, slots=True)
class Publish:
    """Make this record durable, then show it."""

    record: Record


@dataclass(frozen=True, slots=True)
class SendClose:
    """Bring a position down to what must remain of it."""

    intent_id: str
    position_id: int
    target_volume_lots: float
    reason: str


Effect = Publish | SendClose
