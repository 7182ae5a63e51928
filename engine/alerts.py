"""What is told to people who do not look: one alert, in words, with its urgency."""

from enum import Enum

import msgspec

from engine.domain.ids import AccountKey


class Level(Enum):
    """How much an alert may disturb."""

    PAGE = "page"
    """Somebody must act now; quiet hours and mutes do not hold it back."""
    NOTIFY = "notify"
    LOG = "log"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One alert. The first line is the whole story: phones cut what follows."""

    level: Level
    kind: str
    """`breach`, `warning`, `journal_error` ...: what routes are set by."""
    account: AccountKey | None
    """None: about the engine, or about all accounts."""
    lines: tuple[str, ...]
    time_msc: int
    dedupe_key: str
    """Two alerts of one key that come soon after each other are told once."""
    thread: str
    """A later alert of the same thread replaces the text of an earlier one where it can."""
    verdict_id: str | None = None

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)
