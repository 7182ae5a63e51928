"""What a lane needs of a channel, and what it hands to one."""

from dataclasses import dataclass
from typing import Protocol

from engine.alerts import Alert
from engine.errors import AdapterError


@dataclass(frozen=True, slots=True)
class Message:
    """An alert on its way."""

    alert: Alert
    delivery: str
    """Its name on every try: a receiver that sees it twice has the same alert twice."""
    silent: bool = False
    edits: str | None = None
    """What `deliver` returned for the message whose text this one replaces."""
    late_s: float = 0.0
    """How long it had to wait."""

    @property
    def text(self) -> str:
        """What is read; says so when it comes late."""
        text = self.alert.text
        if self.late_s < 60:
            return text
        return f"{text}\n(delivered {self.late_s / 60:.0f} min late)"


class Channel(Protocol):
    """One way to people."""

    attempt_s: float
    """How long a try may take."""
    gathers: int
    """How many alerts a message may hold when many wait; 1: each goes by itself."""

    async def deliver(self, message: Message) -> str | None:
        """Returns when the other side has taken it; how to edit it later, if it can be.

        Raises:
            AdapterError: it has not; `retry` says whether this alert may be tried again. Its text
                holds no secret and nothing that the other side wrote.
        """

    async def aclose(self) -> None:
        """Lets go of what is open; a later `deliver` opens it again."""


class ThrottledError(AdapterError):
    """The other side takes nothing now, and said for how long."""

    def __init__(self, message: str, *, system: str, after_s: float) -> None:
        super().__init__(message, system=system, retry=True)
        self.after_s = after_s
