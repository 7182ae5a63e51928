"""Who may come in: caps on connections, and what was refused and why."""

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from adapters.mt5.pace import Pace
from engine.domain.ids import AccountKey
from engine.secret import Secret

REFUSALS_KEPT = 100
LOG_PAUSE_S = 1.0

log = logging.getLogger("tidegate.link")


class KeyRing(Protocol):
    """Knows the keys of terminals."""

    def keys_of(self, account: AccountKey) -> Sequence[Secret]:
        """The keys a terminal of this account may prove; none for an unknown account.

        Raises:
            UserError: a stored key cannot be used.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Limits on everything a stranger or a slow terminal could use up."""

    hello_s: float = 5.0
    """For TLS, hello and proof together."""
    silence_s: float = 3.0
    """Without a frame for so long a terminal is stale; at least 2.5 heartbeats."""
    lost_s: float = 30.0
    """Without a frame for so long its connection is closed."""
    write_s: float = 5.0
    """For the terminal to read what was sent."""
    linger_s: float = 1.0
    """For it to read the last word."""
    connections: int = 4096
    unproved: int = 256
    per_address: int = 2048
    """A machine may run hundreds of terminals."""
    outgoing_bytes: int = 262_144
    """That may wait for one terminal."""
    socket_bytes: int = 65_536
    """Of the operating system's send buffer for each; the system doubles it."""
    heartbeat_ms: int = 1000
    keys_checked_s: float = 1.0
    """How soon a revoked key ends its link."""
    pace: Pace = field(default_factory=Pace)


class Refused(NamedTuple):
    """Somebody who was not let in, or was put out."""

    time_msc: int
    address: str
    cause: str
    account: AccountKey | None
    """Whom the hello named; not proved."""


class Door:
    """Counts who is inside. Causes are ours, never what was sent."""

    def __init__(self, settings: GatewaySettings, wall_msc: Callable[[], int]) -> None:
        self._settings = settings
        self._wall_msc = wall_msc
        self._by_address: Counter[str] = Counter()
        self._logged_msc: dict[str, int] = {}
        self.connections = 0
        self.unproved = 0
        self.refused: Counter[str] = Counter()
        self.recent: deque[Refused] = deque(maxlen=REFUSALS_KEPT)

    def enter(self, address: str) -> bool:
        """Whether there is room; if so it is inside, unproved, until `leave`."""
        settings = self._settings
        if self.connections >= settings.connections:
            cause = "too_many_connections"
        elif self._by_address[address] >= settings.per_address:
            cause = "too_many_of_address"
        elif self.unproved >= settings.unproved:
            cause = "too_many_unproved"
        else:
            self.connections += 1
            self.unproved += 1
            self._by_address[address] += 1
            return True
        if not self._by_address[address]:
            del self._by_address[address]
        self.refuse(address, cause)
        return False

    def prove(self) -> None:
        """One that is inside has proved its key."""
        self.unproved -= 1

    def leave(self, address: str, *, proved: bool) -> None:
        """One that is inside is gone."""
        self.connections -= 1
        self.unproved -= not proved
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def refuse(self, address: str, cause: str, account: AccountKey | None = None) -> None:
        """Counts a refusal; logs at most one a second of each cause."""
        now_msc = self._wall_msc()
        self.refused[cause] += 1
        self.recent.append(Refused(now_msc, address, cause, account))
        logged_msc = self._logged_msc.get(cause)
        if logged_msc is None or abs(now_msc - logged_msc) >= LOG_PAUSE_S * 1000:
            self._logged_msc[cause] = now_msc
            log.warning("terminal refused: cause=%s address=%s account=%s", cause, address, account)
