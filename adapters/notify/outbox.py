"""The outbox of alerts: `notify` takes one at once, a lane a route delivers it.

It lives in memory. What it holds when the program ends is lost; the records that made it are in
the journal.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

import trio

from adapters.notify.channel import Channel
from adapters.notify.lane import Lane, LaneSettings, LaneStatistics
from adapters.notify.routes import Loudness, Route
from engine.alerts import Alert, Level
from engine.clock import Clock
from engine.domain.ids import AccountKey

CLOSE_S = 0.5
"""How long closing the channels may take."""
KEYS = 8_192
"""Alerts remembered, so that a repeated one is told once."""


@dataclass(frozen=True, slots=True)
class OutboxStatistics:
    """What the outbox did."""

    taken: int
    repeated: int
    """Not told again."""
    routes: dict[str, LaneStatistics]


class AlertOutbox:
    """A `Notifier`. All methods are for the one Trio thread."""

    def __init__(
        self,
        routes: Sequence[tuple[Route, Channel]],
        clock: Clock,
        random: Random,
        *,
        repeat_s: float = 300.0,
        settings: LaneSettings | None = None,
    ) -> None:
        """Makes it; `run` delivers.

        Args:
            repeat_s: an alert of the same key within so long is the same alert.
        """

        def name() -> str:
            return UUID(int=random.getrandbits(128), version=4).hex

        self._clock = clock
        self._repeat_s = repeat_s
        self.lanes = tuple(
            Lane(route, channel, random.random, name, settings) for route, channel in routes
        )
        self._told: OrderedDict[str, float] = OrderedDict()
        self._mutes: dict[AccountKey, int] = {}
        self._pages = 0
        self._taken = self._repeated = 0

    async def notify(self, alert: Alert) -> None:
        """See `Notifier.notify`. There is no await in here: the caller keeps its turn."""
        now_s = trio.current_time()
        before_s = self._told.get(alert.dedupe_key)
        if before_s is not None and now_s - before_s < self._repeat_s:
            self._repeated += 1
            return
        self._told[alert.dedupe_key] = now_s
        self._told.move_to_end(alert.dedupe_key)
        while len(self._told) > KEYS:
            self._told.popitem(last=False)
        self._taken += 1
        self._pages += alert.level is Level.PAGE
        now_msc = self._clock.wall_msc()
        for lane in self.lanes:
            loudness = lane.route.loudness(alert, self._mutes, now_msc)
            if loudness is not Loudness.OFF:
                lane.offer(alert, silent=loudness is Loudness.SILENT)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Delivers until cancelled, then closes the channels."""
        try:
            async with trio.open_nursery() as nursery:
                for lane in self.lanes:
                    nursery.start_soon(lane.run)
                task_status.started()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_S):
                for lane in self.lanes:
                    await lane.channel.aclose()

    async def drain(self, limit_s: float) -> bool:
        """Waits until nothing waits, so long at most; whether that is so."""
        with trio.move_on_after(limit_s):
            while self.waiting:
                await trio.sleep(0.02)
        return not self.waiting

    @property
    def waiting(self) -> int:
        """Alerts not delivered yet, over all routes."""
        return sum(lane.waiting for lane in self.lanes)

    def mute(self, account: AccountKey, until_msc: int) -> None:
        """Tells nothing but pages of the account until then."""
        now_msc = self._clock.wall_msc()
        self._mutes = {key: until for key, until in self._mutes.items() if until > now_msc}
        self._mutes[account] = until_msc

    def acknowledge(self) -> int:
        """How many pages there were since this was last asked."""
        pages, self._pages = self._pages, 0
        return pages

    def statistics(self) -> OutboxStatistics:
        """What it did so far."""
        routes = {lane.route.name: lane.statistics for lane in self.lanes}
        return OutboxStatistics(self._taken, self._repeated, routes)
