"""All connections of the HTTP server together: how many, which are overdue, and who has to go.

No connection has a timer of its own: one task looks at all of them, twice a second.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

import trio

from facade.limits import network_of

SWEEP_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a client can take of the server, at most."""

    connections: int = 1000
    per_address: int = 1000
    """From one IPv4 address, or one /64 of IPv6. Behind a proxy all clients are one."""
    headers: int = 100
    header_bytes: int = 16_384
    """Of one request line and its headers."""
    idle_s: float = 10.0
    """Between two requests, and until a request's headers are complete."""
    body_s: float = 12.0
    """Until a request's body is complete; the application itself says 408 a little sooner."""
    write_s: float = 10.0
    """Until what is written was taken."""
    handshake_s: float = 10.0
    graceful_s: float = 3.0
    """At the end, until connections that do not end by themselves are cut."""
    waiting: int = 8
    """Pieces of a body, of at most 64 KiB each, that wait for the application."""


class Member(Protocol):
    """A connection, as far as the crowd is concerned."""

    address: str
    idle_since_s: float | None
    """Since when it has had no request; None: it has one."""

    def is_overdue(self, now_s: float) -> bool:
        """Whether it has used up its time."""

    async def abort(self) -> None:
        """Cuts it; never waits for the client."""


class Crowd:
    """The connections there are."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.turned_away = 0
        """Connections there was no room for."""
        self.overdue = 0
        self.slow = 0
        """Readers that were cut because they did not read."""
        self.failed = 0
        """Connections that ended by a mistake of ours."""
        self._members: dict[Member, None] = {}
        self._from: Counter[str] = Counter()
        self._left = trio.Event()

    def __len__(self) -> int:
        return len(self._members)

    async def admit(self, member: Member) -> bool:
        """Whether there is room; where all is taken, whoever is idle longest makes some."""
        name = network_of(member.address)
        is_full = len(self._members) >= self.bounds.connections
        if self._from[name] >= self.bounds.per_address or (is_full and not await self._make_room()):
            self.turned_away += 1
            return False
        self._members[member] = None
        self._from[name] += 1
        return True

    async def _make_room(self) -> bool:
        idle = [one for one in self._members if one.idle_since_s is not None]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.idle_since_s or 0.0)
        self._forget(oldest)
        self.turned_away += 1
        await oldest.abort()
        return True

    def leave(self, member: Member) -> None:
        """It is gone, or is as good as gone."""
        self._forget(member)

    def _forget(self, member: Member) -> None:
        if member not in self._members:
            return
        del self._members[member]
        name = network_of(member.address)
        self._from[name] -= 1
        if not self._from[name]:
            del self._from[name]
        self._left.set()
        self._left = trio.Event()

    async def sweep(self) -> None:
        """Cuts whoever is overdue, for ever."""
        while True:
            await trio.sleep(SWEEP_S)
            now_s = trio.current_time()
            for member in list(self._members):
                if member.is_overdue(now_s):
                    self.overdue += 1
                    await member.abort()

    async def end(self) -> None:
        """Cuts the idle, waits a little for the others, then cuts those too."""
        for member in list(self._members):
            if member.idle_since_s is not None:
                await member.abort()
        with trio.move_on_after(self.bounds.graceful_s):
            while self._members:
                await self._left.wait()
        for member in list(self._members):
            await member.abort()
