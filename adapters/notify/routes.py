"""Which alerts a route carries, and how loud: by kind, by level, by the hour. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from zoneinfo import ZoneInfo

from engine.alerts import Alert, Level
from engine.domain.ids import AccountKey

Mutes = Mapping[AccountKey, int]
"""Until when (UTC milliseconds) nothing but pages is told of an account."""


class Loudness(Enum):
    """What a route does with an alert."""

    ON = "on"
    SILENT = "silent"
    """Delivered without a sound, where the channel knows the difference."""
    OFF = "off"


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one minute of the local day up to another; may run past midnight."""

    zone: ZoneInfo
    from_minute: int
    to_minute: int

    def hold(self, time_msc: int) -> bool:
        """Whether that moment is in them."""
        local = datetime.fromtimestamp(time_msc // 1000, UTC).astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        if self.from_minute <= self.to_minute:
            return self.from_minute <= minute < self.to_minute
        return minute >= self.from_minute or minute < self.to_minute


def _levels() -> dict[Level, Loudness]:
    return {Level.PAGE: Loudness.ON, Level.NOTIFY: Loudness.ON, Level.LOG: Loudness.OFF}


@dataclass(frozen=True, slots=True)
class Route:
    """What goes to one channel. A kind's own setting goes before that of its level."""

    name: str
    levels: Mapping[Level, Loudness] = field(default_factory=_levels)
    kinds: Mapping[str, Loudness] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None

    def loudness(self, alert: Alert, mutes: Mutes, now_msc: int) -> Loudness:
        """How this alert goes out now. Quiet hours and mutes never touch a page."""
        set_to = self.kinds.get(alert.kind, self.levels.get(alert.level, Loudness.OFF))
        if alert.level is Level.PAGE or set_to is Loudness.OFF:
            return set_to
        if alert.account is not None and mutes.get(alert.account, now_msc) > now_msc:
            return Loudness.OFF
        if self.quiet_hours is not None and self.quiet_hours.hold(now_msc):
            return Loudness.SILENT
        return set_to
