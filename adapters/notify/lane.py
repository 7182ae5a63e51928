"""One route to one channel: takes alerts at once, delivers them in its own task.

A try that fails is repeated after a pause that doubles up to two seconds, and a breaker lets one
probe through: a channel that comes back has what waits within a few seconds. What is the alert's
own fault is not repeated. The text is always the newest of its thread.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

import trio
from msgspec import structs

from adapters.notify.breaker import Breaker, pause_s
from adapters.notify.channel import Channel, Message, ThrottledError
from adapters.notify.routes import Route
from adapters.notify.waiting import Entry, Waiting
from engine.alerts import Alert, Level
from engine.errors import AdapterError

log = logging.getLogger("tidegate.alerts")

GATHERS_FROM = 10
"""So many must wait before several share a message."""
CRASHES = 3
LATER_MOST_S = 300.0


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """Bounds of a lane."""

    room: int = 1_000
    threads: int = 4_096
    """Messages remembered, so that they can be edited."""
    pause_first_s: float = 0.25
    pause_most_s: float = 2.0
    keep_s: float = 3_600.0
    keep_pages_s: float = 6 * 3_600.0


@dataclass(slots=True)
class LaneStatistics:
    """What a lane did."""

    sent: int = 0
    """Messages taken by the channel; a message may hold several alerts."""
    edited: int = 0
    """Of these, in place of an earlier text."""
    failed: int = 0
    """Tries that did not come through."""
    refused: int = 0
    """Alerts the channel will never take."""
    lost: int = 0
    """Alerts that had to go for newer ones, or waited too long."""


class Lane:
    """See the top. All methods are for the one Trio thread."""

    def __init__(
        self,
        route: Route,
        channel: Channel,
        chance: Callable[[], float],
        name: Callable[[], str],
        settings: LaneSettings | None = None,
    ) -> None:
        """Makes it; `run` delivers.

        Args:
            chance: draws a number in [0, 1), for the pauses.
            name: makes the names of deliveries.
        """
        self.route = route
        self.statistics = LaneStatistics()
        self.breaker = Breaker()
        self.channel = channel
        self._chance = chance
        self._name = name
        self._settings = settings or LaneSettings()
        self._waiting = Waiting(self._settings.room)
        self._told: OrderedDict[str, tuple[str | None, Level]] = OrderedDict()
        self._more = trio.Event()
        self._delivering = 0
        self._failures = 0

    @property
    def waiting(self) -> int:
        """Alerts not delivered yet, that on its way included."""
        return len(self._waiting) + self._delivering

    def offer(self, alert: Alert, *, silent: bool) -> None:
        """Takes an alert; never waits."""
        entry = Entry(
            alert=alert, delivery=self._name(), silent=silent, since_s=trio.current_time()
        )
        lost = self._waiting.add(entry)
        self._lose(lost, "too many wait")
        self._more.set()

    async def run(self) -> None:
        """Delivers until cancelled."""
        while True:
            if not self._waiting:
                self._more = trio.Event()
                await self._more.wait()
            await trio.sleep(self.breaker.wait_s(trio.current_time()))
            self._expire()
            entries = self._waiting.take(self._share())
            if entries and self.breaker.admit(trio.current_time()):
                await self._try(entries)
            elif entries:
                self._waiting.put_back(entries)

    def _share(self) -> int:
        return self.channel.gathers if len(self._waiting) >= GATHERS_FROM else 1

    def _expire(self) -> None:
        now_s, settings = trio.current_time(), self._settings
        late = self._waiting.expire(now_s - settings.keep_s, pages=False)
        late += self._waiting.expire(now_s - settings.keep_pages_s, pages=True)
        self._lose(late, "waited too long")

    async def _try(self, entries: list[Entry]) -> None:
        message = self._message(entries)
        self._delivering = len(entries)
        trouble: Exception | None = None
        handle, ended = None, False
        try:
            with trio.move_on_after(self.channel.attempt_s) as scope:
                handle = await self.channel.deliver(message)
            if scope.cancelled_caught:
                trouble = AdapterError("no answer in time", system=self.route.name, retry=True)
            ended = True
        except* Exception as raised:  # noqa: BLE001  # a broken channel is not the engine's trouble
            trouble, ended = _innermost(raised), True
        finally:
            self._delivering = 0
            if not ended:
                self.breaker.dropped()
                self._waiting.put_back(entries)
        if trouble is None:
            self._succeeded(message, handle)
        elif not isinstance(trouble, AdapterError):
            await self._crashed(entries, type(trouble).__name__)
        elif trouble.retry:
            after_s = trouble.after_s if isinstance(trouble, ThrottledError) else 0.0
            await self._failed(entries, str(trouble), after_s)
        else:
            self._refused(entries, str(trouble))

    def _message(self, entries: list[Entry]) -> Message:
        late_s = trio.current_time() - min(entry.since_s for entry in entries)
        silent = all(entry.silent for entry in entries)
        delivery = entries[0].delivery
        if len(entries) > 1:
            # The same ones again have the same name; any other share of what waits has another.
            names = "".join(entry.delivery for entry in entries)
            delivery = blake2b(names.encode(), digest_size=16).hexdigest()
            alert = gathered([entry.alert for entry in entries], delivery)
            return Message(alert, delivery, silent, None, late_s)
        alert = entries[0].alert
        handle, level = self._told.get(alert.thread, (None, None))
        # An edit makes no sound: what has become urgent is sent anew.
        is_louder = alert.level is Level.PAGE and level is not Level.PAGE
        return Message(alert, delivery, silent, None if is_louder else handle, late_s)

    def _succeeded(self, message: Message, handle: str | None) -> None:
        if self.breaker.is_open:
            log.info("alerts are delivered again: route=%s", self.route.name)
        self.breaker.succeeded()
        self._failures = 0
        self.statistics.sent += 1
        self.statistics.edited += message.edits is not None
        if handle is not None:
            self._told[message.alert.thread] = (handle, message.alert.level)
            self._told.move_to_end(message.alert.thread)
            while len(self._told) > self._settings.threads:
                self._told.popitem(last=False)

    async def _failed(self, entries: list[Entry], why: str, after_s: float = 0.0) -> None:
        self._failures += 1
        self.statistics.failed += 1
        self._lose(self._waiting.put_back(entries), "too many wait")
        was_open = self.breaker.is_open
        self.breaker.failed(trio.current_time())
        if self.breaker.is_open and not was_open:
            log.warning(
                "alerts cannot be delivered: route=%s waiting=%d cause=%s",
                self.route.name, self.waiting, why,
            )  # fmt: skip
        settings = self._settings
        wait_s = pause_s(
            self._failures, settings.pause_first_s, settings.pause_most_s, self._chance
        )
        await trio.sleep(max(wait_s, min(after_s, LATER_MOST_S)))

    async def _crashed(self, entries: list[Entry], kind: str) -> None:
        """Something nobody expected. Only its type is told: its text may hold anything."""
        log.error("a channel is broken: route=%s error=%s", self.route.name, kind)
        worse = [replace(entry, crashes=entry.crashes + 1) for entry in entries]
        again = [entry for entry in worse if entry.crashes < CRASHES]
        self._lose(len(entries) - len(again), "its channel is broken")
        await self._failed(again, kind)

    def _refused(self, entries: list[Entry], why: str) -> None:
        """The channel answered, so it works; it will not have this."""
        self.breaker.succeeded()
        self._failures = 0
        self.statistics.refused += len(entries)
        log.error("alerts refused: route=%s count=%d cause=%s", self.route.name, len(entries), why)

    def _lose(self, count: int, why: str) -> None:
        if count:
            self.statistics.lost += count
            log.error("alerts lost: route=%s count=%d cause=%s", self.route.name, count, why)


def gathered(alerts: list[Alert], delivery: str) -> Alert:
    """Many alerts as one: how many, then the first line of each."""
    pages = sum(alert.level is Level.PAGE for alert in alerts)
    head = f"{len(alerts)} alerts, {pages} of them {'page' if pages == 1 else 'pages'}"
    return structs.replace(
        alerts[0],
        kind="gathered",
        account=None,
        lines=(head, *(alert.lines[0] for alert in alerts)),
        dedupe_key=delivery,
        thread=delivery,
        verdict_id=None,
    )


def _innermost(error: Exception) -> Exception:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
