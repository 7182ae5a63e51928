"""From durable records to alerts: who is told what, and when silence has lasted too long.

The words are somebody else's (`Words`); here is the judgement. Nothing waits for this: it listens
at the tap, and what it misses there it only tells later or not at all, never instead of acting.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import trio

from engine.actor import CRASHED
from engine.alerts import Alert
from engine.clock import Clock
from engine.desk import Desk
from engine.domain import records
from engine.domain.ids import AccountKey
from engine.domain.snapshot import Quality
from engine.ports import Notifier

LOOK_S = 0.5
NOT_FLAT_S = 5.0
"""From the decision to close until a human is called."""
LOST_S = 5.0
"""Without its terminal for so long an account is told to be so."""
UNKNOWN_S = 60.0
ROUND_S = 10.0
"""Every account is looked at once in so long."""
_CANNOT = {
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
    flat: Callable[..., Alert]
    not_flat: Callable[..., Alert]
    cannot_act: Callable[..., Alert]
    halted: Callable[..., Alert]
    released: Callable[..., Alert]
    discrepancy: Callable[..., Alert]
    terminal_lost: Callable[..., Alert]
    unknown_exposed: Callable[..., Alert]


@dataclass(slots=True)
class _Breach:
    """A breach whose positions are being closed."""

    told: Alert
    of: int
    """Positions then."""
    since_msc: int
    """When the closes were decided; 0: they are not yet."""
    realised: float = 0.0
    paged: bool = False


@dataclass(slots=True)
class _Watched:
    """What is remembered of one account between its records."""

    place: Any
    breaches: dict[str, _Breach] = field(default_factory=dict)
    """By the guard's name."""
    lost_since_msc: int = 0
    lost_told: bool = False
    unknown_since_msc: int = 0


class Alerting:
    """Run it beside the engine."""

    def __init__(
        self,
        desk: Desk,
        notifier: Notifier,
        words: Words,
        clock: Clock,
        desk_url: str | None = None,
    ) -> None:
        """`desk_url`: where people read the desk, for the links; None: no links."""
        self.missed = 0
        """Records that came too fast to be told of one by one."""
        self._desk = desk
        self._notifier = notifier
        self._words = words
        self._clock = clock
        self._desk_url = desk_url
        self._watched: dict[AccountKey, _Watched] = {}
        self._next = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listens and looks until it is cancelled."""
        listener = self._desk.listen()
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look)
                while True:
                    for record in await listener.wait():
                        await self.take(record)
                    self.missed, listener.missed = self.missed + listener.missed, 0
        finally:
            listener.close()

    async def take(self, record: records.Record) -> None:
        """Tells of one record, where it is worth it."""
        key = AccountKey(record.server, record.login)
        watched = self._of(key)
        place, words = watched.place, self._words
        match record:
            case records.GuardWarning() | records.RuleWarning():
                await self._tell(words.warning(record, place, self._reset_of(key, record.guard)))
            case records.GuardBreach() | records.RuleBreach():
                await self._breached(key, watched, record)
            case records.CloseIntended():
                breach = watched.breaches.get(_guard_of(record.reason))
                if breach is not None and not breach.since_msc:
                    breach.since_msc = record.time_msc
            case records.PositionClosed():
                breach = watched.breaches.get(_guard_of(record.reason))
                if breach is not None:
                    breach.realised += record.profit
            case records.CloseSettled():
                await self._settled(key, watched, record.time_msc)
            case records.CloseAlert(kind=kind) if kind in _CANNOT and record.page:
                reason = self._reason_of(key, record.intent_id)
                alert = words.cannot_act(place, reason, _CANNOT[kind], record.time_msc)
                await self._tell(alert)
            case records.AccountHalted(cause=cause) if cause == CRASHED:
                what = "this account's own trouble; nobody guards it until the engine is restarted"
                await self._tell(words.cannot_act(place, "all guards", what, record.time_msc))
            case records.AccountHalted():
                await self._tell(words.halted(record, place))
            case records.AccountReleased():
                await self._tell(words.released(record, place))
            case records.Discrepancy(state="confirmed", kind=kind) if kind != "stale_terminal":
                await self._tell(_discrepancy(words, place, record))
            case records.LinkChanged(state=state):
                lost = state in ("unlinked", "silent", "refused")
                if not lost:
                    watched.lost_since_msc, watched.lost_told = 0, False
                elif not watched.lost_since_msc:
                    watched.lost_since_msc = record.time_msc
            case _:
                pass

    async def _breached(
        self, key: AccountKey, watched: _Watched, record: records.GuardBreach | records.RuleBreach
    ) -> None:
        snapshot = self._desk.snapshot(key)
        closes = record.action in ("close", "close_and_halt") and snapshot.mode == "enforce"
        held = snapshot.positions if closes else ()
        lots = sum(position.volume_lots for position in held)
        told = self._words.breach(record, watched.place, len(held), lots)
        await self._tell(told)
        if not held:
            return
        guard = next((one for one in snapshot.guards if one.name == record.guard), None)
        due_msc = None if guard is None else guard.close_due_msc
        if due_msc is not None and due_msc > record.time_msc:
            told = self._words.closing_at(told, due_msc, record.time_msc)
            await self._tell(told)
        watched.breaches[record.guard] = _Breach(told, len(held), 0)

    async def _settled(self, key: AccountKey, watched: _Watched, now_msc: int) -> None:
        """Tells of breaches none of whose closes is under way any more."""
        live = self._desk.snapshot(key).live
        going = {_guard_of(close.reason) for close in live.closes} if live is not None else set()
        for name, breach in list(watched.breaches.items()):
            if breach.since_msc and name not in going:
                del watched.breaches[name]
                took_ms = now_msc - breach.since_msc
                told = self._words.flat(
                    breach.told, watched.place, took_ms, breach.realised, now_msc
                )
                await self._tell(told)

    async def _look(self) -> None:
        """What no record says: that something has not happened for too long."""
        while True:
            await trio.sleep(LOOK_S)
            now_msc = self._clock.wall_msc()
            for key, watched in list(self._watched.items()):
                await self._look_at(key, watched, now_msc)
            await self._look_round(now_msc)

    async def _look_at(self, key: AccountKey, watched: _Watched, now_msc: int) -> None:
        for breach in watched.breaches.values():
            late_ms = now_msc - breach.since_msc
            if breach.since_msc and not breach.paged and late_ms >= NOT_FLAT_S * 1000:
                breach.paged = True
                live = self._desk.snapshot(key).live
                left = 0 if live is None else len({c.position_id for c in live.closes})
                told = self._words.not_flat(breach.told, left, breach.of, late_ms, now_msc)
                breach.told = told
                await self._tell(told)
        lost_ms = now_msc - watched.lost_since_msc
        if watched.lost_since_msc and not watched.lost_told and lost_ms >= LOST_S * 1000:
            watched.lost_told = True
            held = len(self._desk.snapshot(key).positions)
            alert = self._words.terminal_lost(watched.place, lost_ms, held, now_msc)
            await self._tell(alert)

    async def _look_round(self, now_msc: int) -> None:
        """A part of all accounts each time: are they unknown, and for how long."""
        keys = self._desk.keys()
        if not keys:
            return
        count = max(1, round(len(keys) * LOOK_S / ROUND_S))
        for _ in range(min(count, len(keys))):
            self._next = (self._next + 1) % len(keys)
            key = keys[self._next]
            snapshot = self._desk.snapshot(key)
            watched = self._of(key)
            if snapshot.quality is not Quality.UNKNOWN or not snapshot.positions:
                watched.unknown_since_msc = 0
                continue
            if not watched.unknown_since_msc:
                watched.unknown_since_msc = now_msc
            unknown_ms = now_msc - watched.unknown_since_msc
            if unknown_ms >= UNKNOWN_S * 1000:
                await self._tell(
                    self._words.unknown_exposed(
                        watched.place,
                        snapshot.reason or "",
                        unknown_ms,
                        len(snapshot.positions),
                        now_msc,
                    )
                )

    def _of(self, key: AccountKey) -> _Watched:
        watched = self._watched.get(key)
        if watched is None:
            currency = self._desk.snapshot(key).currency
            watched = _Watched(self._words.Place(key, currency, self._desk_url))
            self._watched[key] = watched
        return watched

    def _reset_of(self, key: AccountKey, guard: str) -> int | None:
        found = [one for one in self._desk.snapshot(key).guards if one.name == guard]
        return found[0].next_reset_msc if found else None

    def _reason_of(self, key: AccountKey, intent_id: str) -> str:
        live = self._desk.snapshot(key).live
        closes = () if live is None else live.closes
        found = [one.reason for one in closes if one.intent_id == intent_id]
        return _guard_of(found[0]) if found else "close"

    async def _tell(self, alert: Alert) -> None:
        await self._notifier.notify(alert)


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
