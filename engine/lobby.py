"""What links say of accounts, on its way into their inboxes: in the order said, some of it later.

Two things wait here. What may not make anybody wait (a link that ended) and finds no room. And a
fill that came before the quote it was made on, see `domain/early.py`: until that quote has come,
or `QUOTE_WAIT_NS` have gone by. Meanwhile the account is guarded on what it held before, tick by
tick: at every quote we know that is what it held. Nothing is withheld but the telling itself.
"""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from engine.clock import Clock
from engine.domain.early import fills_in, is_early
from engine.domain.ids import AccountKey
from engine.domain.link_events import LinkEvent, LinkLost, PositionCame, ReportCame
from engine.intake import Intake
from engine.link import Receipt
from engine.meters import Meter
from engine.router import Router
from engine.supervisor import Supervisor

log = logging.getLogger("tidegate.lobby")

QUOTE_WAIT_NS = 500_000_000
"""A feed further behind than this is no reason not to know a position."""
LOGGED_EVERY_NS = 60_000_000_000
"""One account's waits that ran out are logged no more often: a dead feed makes every fill one."""
ROOM = 512
"""What may wait for one account, all stops of a jump among it; beyond it the link itself waits."""


class Server(Protocol):
    """Where an account lives."""

    @property
    def supervisor(self) -> Supervisor: ...

    @property
    def router(self) -> Router: ...

    @property
    def intake(self) -> Intake: ...


@dataclass(frozen=True, slots=True)
class _Said:
    event: LinkEvent
    receipt: Receipt | None
    since_ns: int


class Lobby:
    """One for all accounts. Whoever has quotes or time go by calls `release`."""

    def __init__(self, servers: Mapping[AccountKey, Server], clock: Clock, meter: Meter) -> None:
        self._servers = servers
        self._clock = clock
        self._meter = meter
        self._waiting: dict[AccountKey, deque[_Said]] = {}
        self._logged_ns: dict[AccountKey, int] = {}

    async def note(self, key: AccountKey, event: LinkEvent, receipt: Receipt | None = None) -> None:
        """Puts it into the account's inbox, behind what waits; waits itself where that is full."""
        await self._servers[key].router.end_days(self._clock.wall_msc())
        waiting = self._waiting.get(key)
        if not waiting and not self._is_early(key, event):
            await self._servers[key].supervisor.note(key, event, receipt)
            return
        if waiting is None:
            waiting = self._waiting[key] = deque()
        if isinstance(event, PositionCame | ReportCame):
            event = replace(event, told_msc=self._clock.wall_msc())
        waiting.append(_Said(event, receipt, self._clock.monotonic_ns()))
        self._release(key)
        if len(waiting) > ROOM and self._waiting.get(key) is waiting:
            del self._waiting[key]
            for said in waiting:
                await self._servers[key].supervisor.note(key, said.event, said.receipt)

    def note_soon(self, key: AccountKey, event: LinkEvent) -> None:
        """Never waits: an event for which there is no room goes in as soon as there is."""
        waiting = self._waiting.setdefault(key, deque())
        if isinstance(event, LinkLost) or len(waiting) < ROOM:
            waiting.append(_Said(event, None, self._clock.monotonic_ns()))
        self._release(key)

    def release(self) -> None:
        """Lets in what has waited for a quote that came, for its time, or for room."""
        for key in list(self._waiting):
            self._release(key)

    def waits(self, key: AccountKey) -> bool:
        """Whether anything of the account waits here."""
        return key in self._waiting

    def let_in(self, key: AccountKey) -> None:
        """Lets in all that there is room for: what is commanded now is about all that is held."""
        self._release(key, at_once=True)

    def _release(self, key: AccountKey, *, at_once: bool = False) -> None:
        waiting = self._waiting.get(key)
        if waiting is None:
            return
        supervisor = self._servers[key].supervisor
        while waiting:
            said = waiting[0]
            is_early = not at_once and self._is_early(key, said.event)
            if is_early and self._waited_ns(said) < QUOTE_WAIT_NS:
                return
            if not supervisor.note_nowait(key, said.event, said.receipt):
                break
            waiting.popleft()
            if is_early:
                self._ran_out(key)
        if not waiting or supervisor.by_key[key].crashed is not None:
            del self._waiting[key]

    def _waited_ns(self, said: _Said) -> int:
        return self._clock.monotonic_ns() - said.since_ns

    def _ran_out(self, key: AccountKey) -> None:
        """A fill is known before its quote after all: the account is valued on an older one."""
        self._meter.count("fills_before_quotes", label=key.server)
        now_ns = self._clock.monotonic_ns()
        logged_ns = self._logged_ns.get(key)
        if logged_ns is None or now_ns - logged_ns >= LOGGED_EVERY_NS:
            self._logged_ns[key] = now_ns
            log.warning("a fill's quote did not come in time: account=%s", key)

    def _is_early(self, key: AccountKey, event: LinkEvent) -> bool:
        """Whether something in it was made on a quote that has not come."""
        server = self._servers[key]
        live = server.supervisor.by_key[key].state.live
        assert live is not None, "a replay has no link"
        for fill in fills_in(live, event):
            newest = server.intake.newest(fill.symbol)
            if newest is not None and is_early(fill, *newest):
                return True
        return False
