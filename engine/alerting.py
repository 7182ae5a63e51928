"""From durable records to alerts: who is told what, and when silence has lasted too long.

The words are somebody else's (`Words`); here is the judgement. Nothing waits for this: it listens
at the tap, and what it misses there it only tells later or not at all, never instead of acting. A
notifier that fails or is slow holds nothing up either: alerts wait in a queue of its own, and what
does not fit is counted and told.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import trio
from msgspec.structs import replace

from engine.actor import CRASHED
from engine.alerts import Alert, Level
from engine.clock import Clock
from engine.desk import Desk
from engine.domain import records
from engine.domain.ids import AccountKey
from engine.domain.retcodes import retcode_words
from engine.meters import Meter, NoMeter
from engine.ports import Notifier
from engine.watchers import LOOK_S, Watchers

log = logging.getLogger("tidegate.alerts")

NOT_FLAT_S = 5.0
"""From the decision to close until a human is called."""
ESCALATED_S = 30.0
"""Until one is called again."""
SLOW_S = 5.0
"""What a notifier may take for one alert before it is given up."""
QUEUE_ALERTS = 1024
_CANNOT = {
    "late": "not flat after 5 s",
    "cannot_act": "trading is off, or the market is closed",
    "mistake": "the broker refuses the request as wrong",
    "escalated": "not flat after many tries",
    "requotes": "requoted again and again",
    "still_there": "settled by deals, yet the terminal still shows the position",
    "overtaken": "somebody else traded the position meanwhile",
    "limits": "the account or the broker allows no more",
}


class Words(Protocol):
    """The words of alerts; `adapters.notify.templates` has them."""

    Place: Callable[..., Any]
    warning: Callable[..., Alert]
    breach: Callable[..., Alert]
    closing_at: Callable[..., Alert]
    close_waits: Callable[..., Alert]
    flat: Callable[..., Alert]
    not_flat: Callable[..., Alert]
    cannot_act: Callable[..., Alert]
    halted: Callable[..., Alert]
    released: Callable[..., Alert]
    kill_switch: Callable[..., Alert]
    equity_not_kept: Callable[..., Alert]
    equity_kept_again: Callable[..., Alert]
    discrepancy: Callable[..., Alert]
    feed_changed: Callable[..., Alert]
    terminal_lost: Callable[..., Alert]
    terminal_back: Callable[..., Alert]
    unknown_exposed: Callable[..., Alert]
    alerts_lost: Callable[..., Alert]


@dataclass(slots=True)
class _Breach:
    """A breach whose positions are being closed."""

    told: Alert
    of: int
    """Positions then."""
    since_msc: int = 0
    """When the closes were decided; 0: they are not yet."""
    realised: float = 0.0
    pages: int = 0
    waiting: set[int] = field(default_factory=set)
    """Positions whose close yields to a rule."""


class Alerting:
    """Run it beside the engine."""

    def __init__(
        self,
        desk: Desk,
        notifier: Notifier,
        words: Words,
        clock: Clock,
        desk_url: str | None = None,
        *,
        meter: Meter | None = None,
        queue_alerts: int = QUEUE_ALERTS,
    ) -> None:
        """`desk_url`: where people read the desk, for the links; None: no links."""
        self.missed = 0
        """Records that came too fast to be told of one by one."""
        self.dropped = 0
        """Alerts for which the queue had no room."""
        self.failed = 0
        """Alerts the notifier did not take, and records that could not be told of."""
        self._desk = desk
        self._notifier = notifier
        self._words = words
        self._clock = clock
        self._desk_url = desk_url
        self._meter = meter or NoMeter()
        self._limit = queue_alerts
        self._queue: deque[Alert] = deque()
        self._arrived = trio.Event()
        self._told_lost = 0
        self._equity_told: Alert | None = None
        self._places: dict[AccountKey, Any] = {}
        self._breaches: dict[AccountKey, dict[str, _Breach]] = {}
        self._watchers = Watchers(desk, words, self._place_of, self._tell)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listens and looks until it is cancelled."""
        listener = self._desk.listen()
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look)
                nursery.start_soon(self._send)
                while True:
                    for record in await listener.wait():
                        self._safely(self.take, record)
                    self.missed, listener.missed = self.missed + listener.missed, 0
        finally:
            listener.close()

    def kill_switch(self, by: str, action: str, accounts: int, reason: str) -> None:
        """Everything was halted or flattened at once, by whom; `action`: `halt` or `flatten`."""
        now_msc = self._clock.wall_msc()
        self._tell(self._words.kill_switch(by, action, accounts, reason, now_msc))

    def equity_not_kept(self, cause: str) -> None:
        """Equity over time is in memory alone from now on."""
        self._equity_told = self._words.equity_not_kept(cause, self._clock.wall_msc())
        self._tell(self._equity_told)

    def equity_kept_again(self) -> None:
        """It is on its disk again."""
        if self._equity_told is not None:
            self._tell(self._words.equity_kept_again(self._equity_told, self._clock.wall_msc()))

    def take(self, record: records.Record) -> None:
        """Tells of one record, where it is worth it."""
        key = AccountKey(record.server, record.login)
        place, words = self._place_of(key), self._words
        match record:
            case records.GuardWarning() | records.RuleWarning():
                self._tell(words.warning(record, place, self._reset_of(key, record.guard)))
            case records.GuardBreach() | records.RuleBreach():
                self._breached(key, place, record)
            case records.CloseIntended():
                breach = self._breach_of(key, record.reason)
                if breach is not None:
                    breach.since_msc = breach.since_msc or record.time_msc
                    breach.waiting.discard(record.position_id)
            case records.CloseWaits():
                breach = self._breach_of(key, record.reason)
                if breach is not None:
                    self._waits(breach, record)
            case records.PositionClosed():
                breach = self._breach_of(key, record.reason)
                if breach is not None:
                    breach.realised += record.profit
            case records.CloseSettled():
                self._settled(key, record.time_msc)
            case records.CloseAlert():
                self._close_alert(key, place, record)
            case records.AccountHalted(cause=cause) if cause == CRASHED:
                self._watchers.given_up(key, "", record.time_msc)
            case records.AccountHalted():
                self._tell(words.halted(record, place))
            case records.AccountReleased():
                self._tell(words.released(record, place))
            case records.Discrepancy(state="confirmed", kind=kind) if kind != "stale_terminal":
                self._tell(_discrepancy(words, place, record))
            case records.FeedChanged():
                self._tell(words.feed_changed(place, record.feed, record.cause, record.time_msc))
            case records.LinkChanged():
                self._watchers.link_changed(record)
            case _:
                pass

    def look(self, now_msc: int) -> None:
        """Tells what has lasted too long by now."""
        for key in list(self._breaches):
            for breach in self._breaches[key].values():
                self._look_at(key, breach, now_msc)
            self._settled(key, now_msc)
        self._watchers.look(now_msc)

    def _breached(
        self, key: AccountKey, place: Any, record: records.GuardBreach | records.RuleBreach
    ) -> None:
        snapshot = self._desk.snapshot(key)
        closes = record.action in ("close", "close_and_halt") and snapshot.mode == "enforce"
        held = snapshot.positions if closes else ()
        lots = sum(position.volume_lots for position in held)
        told = self._words.breach(record, place, len(held), lots)
        self._tell(told)
        if not held:
            return
        guard = next((one for one in snapshot.guards if one.name == record.guard), None)
        due_msc = None if guard is None else guard.close_due_msc
        if due_msc is not None and due_msc > record.time_msc:
            told = self._words.closing_at(told, due_msc, record.time_msc)
            self._tell(told)
        self._breaches.setdefault(key, {})[record.guard] = _Breach(told, len(held))

    def _waits(self, breach: _Breach, record: records.CloseWaits) -> None:
        breach.waiting.add(record.position_id)
        breach.told = self._words.close_waits(
            breach.told, record.yields_to, record.until_msc, record.time_msc
        )
        self._tell(breach.told)

    def _close_alert(self, key: AccountKey, place: Any, record: records.CloseAlert) -> None:
        """Pages; what a breach's own page after 5 s and 30 s says is not said twice."""
        guard = self._reason_of(key, record.intent_id)
        watched = guard in self._breaches.get(key, {})
        if record.kind in ("late", "escalated") and watched:
            return
        if not record.page and record.kind != "late":
            return
        cause = _CANNOT.get(record.kind, record.kind.replace("_", " "))
        if record.retcode is not None:
            cause = f"{cause}: {retcode_words(record.retcode)} ({record.retcode})"
        self._tell(self._words.cannot_act(place, guard, cause, record.time_msc))

    def _settled(self, key: AccountKey, now_msc: int) -> None:
        """Tells of breaches none of whose closes is under way any more."""
        breaches = self._breaches.get(key)
        if not breaches or not any(breach.since_msc for breach in breaches.values()):
            return
        snapshot = self._desk.snapshot(key)
        live, held = snapshot.live, {one.position_id for one in snapshot.positions}
        going = {_guard_of(close.reason) for close in live.closes} if live is not None else set()
        for name, breach in list(breaches.items()):
            if breach.since_msc and name not in going and not breach.waiting & held:
                del breaches[name]
                took_ms = max(0, now_msc - breach.since_msc)
                place = self._place_of(key)
                told = self._words.flat(breach.told, place, took_ms, breach.realised, now_msc)
                self._tell(told)
        if not breaches:
            del self._breaches[key]

    def _look_at(self, key: AccountKey, breach: _Breach, now_msc: int) -> None:
        late_ms = now_msc - breach.since_msc
        due_s = (NOT_FLAT_S, ESCALATED_S)
        if not breach.since_msc or breach.pages == len(due_s):
            return
        if late_ms < due_s[breach.pages] * 1000:
            return
        live = self._desk.snapshot(key).live
        left = 0 if live is None else len({one.position_id for one in live.closes})
        if not left:
            return
        breach.pages += 1
        told = self._words.not_flat(breach.told, left, breach.of, late_ms, now_msc)
        if breach.pages > 1:
            # Its lines again, without the page before, and not taken for that page told twice.
            told = replace(
                told,
                lines=(told.lines[0], *breach.told.lines[1:]),
                dedupe_key=f"{told.dedupe_key}|{breach.pages}",
            )
        breach.told = told
        self._tell(told)

    async def _look(self) -> None:
        while True:
            await trio.sleep(LOOK_S)
            self._safely(self.look, self._clock.wall_msc())

    async def _send(self) -> None:
        """Hands alerts over one by one; what was lost is told once there is room again."""
        while True:
            while not self._queue:
                self._arrived = trio.Event()
                await self._arrived.wait()
            await self._hand_over(self._queue.popleft())
            lost = self.dropped + self.failed
            if not self._queue and lost > self._told_lost:
                number, self._told_lost = lost - self._told_lost, lost
                await self._hand_over(self._words.alerts_lost(number, self._clock.wall_msc()))

    async def _hand_over(self, alert: Alert) -> None:
        with trio.move_on_after(SLOW_S) as scope:
            try:
                await self._notifier.notify(alert)
            except Exception:  # noqa: BLE001  whoever tells people must never end who guards
                self._fail("an alert was not taken")
        if scope.cancelled_caught:
            self._fail("an alert was not taken in time")

    def _tell(self, alert: Alert) -> None:
        """Queues it. A queue without room drops the oldest alert that is no page."""
        if len(self._queue) >= self._limit:
            victim = next((one for one in self._queue if one.level is not Level.PAGE), None)
            self.dropped += 1
            self._meter.count("errors", label="alert_dropped")
            if victim is None:
                return
            self._queue.remove(victim)
        self._queue.append(alert)
        self._arrived.set()

    def _safely(self, do: Callable[[Any], None], what: Any) -> None:
        try:
            do(what)
        except Exception:  # noqa: BLE001  see `_hand_over`
            self._fail("a record could not be told of")

    def _fail(self, story: str) -> None:
        self.failed += 1
        self._meter.count("errors", label="alert_failed")
        log.exception(story)

    def _place_of(self, key: AccountKey) -> Any:
        place = self._places.get(key)
        if place is None:
            currency = self._desk.snapshot(key).currency
            place = self._words.Place(key, currency, self._desk_url)
            self._places[key] = place
        return place

    def _breach_of(self, key: AccountKey, reason: str) -> _Breach | None:
        return self._breaches.get(key, {}).get(_guard_of(reason))

    def _reset_of(self, key: AccountKey, guard: str) -> int | None:
        found = [one for one in self._desk.snapshot(key).guards if one.name == guard]
        return found[0].next_reset_msc if found else None

    def _reason_of(self, key: AccountKey, intent_id: str) -> str:
        live = self._desk.snapshot(key).live
        closes = () if live is None else live.closes
        found = [one.reason for one in closes if one.intent_id == intent_id]
        return _guard_of(found[0]) if found else "close"


def _guard_of(reason: str) -> str:
    return reason.removeprefix("guard:")


def _discrepancy(words: Words, place: Any, record: records.Discrepancy) -> Alert:
    about = record.subject
    if record.position_id is not None:
        about = f"position {record.position_id}"
    elif record.intent_id is not None:
        about = f"intent {record.intent_id}"
    return words.discrepancy(
        place,
        record.kind,
        record.expected or "nothing",
        record.actual or "nothing",
        about,
        record.time_msc,
    )
