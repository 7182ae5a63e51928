"""A desk of one account whose snapshot a test sets, a notifier that remembers, and records."""

from collections.abc import Mapping, Sequence
from typing import Any

import trio
from msgspec.structs import replace

from engine.alerts import Alert
from engine.board import Encoded
from engine.desk import FeedHealth, Health, Taken
from engine.domain import records
from engine.domain.commands import Command, Refused, Respec
from engine.domain.guard_views import Sight
from engine.domain.ids import AccountKey
from engine.domain.live_views import CloseView, LinkView, LiveView, ReconciliationView
from engine.domain.marks import opening_marks
from engine.domain.outlook import Outlook
from engine.domain.records import Record
from engine.domain.snapshot import Snapshot, snapshot_of
from engine.equity_history import Bucket, PeriodStatistics
from engine.tap import Listener, Tap
from tests.domain.accounts import START_MSC, Life, buy, unopened
from tests.facade.fake_desk import FakeTapes

KEY = AccountKey("Demo-1", 1001)


def snapshot(**changed: Any) -> Snapshot:
    """An account with two positions, 1.5 lots, enforced, valued."""
    state = unopened([], [buy("EURUSD", 1.0, 1.1), buy("EURUSD", 0.5, 1.1, position_id=2)])
    life = Life(replace(state, marks=opening_marks(state.spec)))
    life.tick(START_MSC, "EURUSD", 1.1, 1.1)
    sight = Sight(
        time_msc=START_MSC,
        quotes=life.quotes,
        ages_ms={"EURUSD": 0},
        stale_after_ms=60_000,
        feed_version=1,
        marks=life.state.marks,
    )
    return replace(snapshot_of(life.state, sight), **{"live": live(), **changed})


def live(*closes: CloseView, **link: Any) -> LiveView:
    fields: dict[str, Any] = {
        "state": "linked",
        "since_msc": START_MSC,
        "session": "s",
        "epoch": 1,
        "reason": "",
        "heard_msc": None,
        "balance": None,
        "equity": None,
        "margin": None,
        "margin_level": None,
        "trade_allowed": True,
    }
    return LiveView(
        link=LinkView(**(fields | link)),
        reconciliation=ReconciliationView(
            status="healthy",
            total_syncs=1,
            last_sync_msc=START_MSC,
            open_positions=2,
            matched_positions=2,
            divergences=0,
            error=None,
        ),
        closes=closes,
        discrepancies=(),
        orders=(),
        intents=(),
        estimated_since_msc=None,
    )


def closing(position_id: int, reason: str = "guard:daily") -> CloseView:
    return CloseView(
        intent_id=f"int_{position_id}",
        kind="full",
        position_id=position_id,
        position_by=None,
        symbol="EURUSD",
        state="sent",
        reason=reason,
        target_volume_lots=0.0,
        volume_lots=1.0,
        attempts=1,
        retcode=None,
        answer=None,
        decided_at_msc=START_MSC,
        sent_at_msc=START_MSC,
        alerts=(),
    )


class AlertDesk:
    """A `Desk` as far as alerts and operations read it."""

    def __init__(self) -> None:
        self.tapes = FakeTapes()
        self.tap = Tap()
        self.now = snapshot()
        self.crashed: dict[str, str] = {}
        self.kept: list[Record] = []
        self.asked: list[Command] = []
        self.answer: Taken | Refused = Taken(1, ())
        self.feeds: tuple[FeedHealth, ...] = ()
        self.refused: dict[str, int] = {}

    def keys(self) -> Sequence[AccountKey]:
        return (KEY,)

    def version(self, key: AccountKey) -> tuple[int, int]:
        return (self.now.seq, 0)

    def snapshot(self, key: AccountKey) -> Snapshot:
        if key != KEY:
            raise KeyError(key)
        return self.now

    def encoded(self, key: AccountKey) -> Encoded:
        raise KeyError(key)

    def packed(self, key: AccountKey) -> bytes:
        raise KeyError(key)

    def health(self) -> Health:
        return Health(
            is_ready=True,
            reason="",
            started_msc=START_MSC,
            time_msc=START_MSC,
            accounts=1,
            linked=1,
            crashed=self.crashed,
            journal_failure=None,
            loop_lag_ms=0.0,
            feeds=self.feeds,
            refused=self.refused,
            listening="",
            thumbprint="",
        )

    def listen(self, keys: Sequence[AccountKey] | None = None) -> Listener:
        return self.tap.listen()

    async def records(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        return [one for one in self.kept if after_seq < one.seq <= after_seq + limit]

    async def command(self, key: AccountKey, command: Command) -> Taken | Refused:
        self.asked.append(command)
        return self.answer

    async def outlook(self, key: AccountKey, command: Respec) -> Outlook:
        raise AssertionError("no alert looks at other rules")

    async def equity(
        self, key: AccountKey, bucket_s: int, from_msc: int, to_msc: int
    ) -> Sequence[Bucket]:
        return ()

    async def statistics(self, key: AccountKey, from_msc: int, to_msc: int) -> PeriodStatistics:
        raise AssertionError("no alert asks for a period")

    async def ask_report(self, key: AccountKey) -> bool:
        return True

    async def verdict(
        self, verdict_id: str, keys: Sequence[AccountKey] | None = None
    ) -> Mapping[str, Any] | None:
        return None

    def publish(self, *some: Record) -> None:
        self.tap.publish(KEY, some)


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.fails = False
        self.takes_s = 0.0

    async def notify(self, alert: Alert) -> None:
        if self.takes_s:
            await trio.sleep(self.takes_s)
        if self.fails:
            raise OSError("no channel")
        self.alerts.append(alert)

    @property
    def kinds(self) -> list[str]:
        return [alert.kind for alert in self.alerts]

    @property
    def firsts(self) -> list[str]:
        return [alert.lines[0] for alert in self.alerts]


def record(of: type[Record], after_ms: int = 0, /, **fields: Any) -> Any:
    """A record of the account, so long after the start."""
    common: dict[str, Any] = {
        "seq": 1,
        "time_msc": START_MSC + after_ms,
        "login": 1001,
        "server": "Demo-1",
    }
    return of(**common, **fields)


def breach(after_ms: int = 0, guard: str = "daily") -> records.GuardBreach:
    found: records.GuardBreach = record(
        records.GuardBreach,
        after_ms,
        verdict_id="vrd_1",
        guard=guard,
        kind="equity_limit",
        equity=9400.0,
        balance=10_000.0,
        floor=9500.0,
        reference=10_000.0,
        measured="equity",
        comparator="below",
        action="close_and_halt",
    )
    return found


def intended(after_ms: int = 0) -> records.CloseIntended:
    found: records.CloseIntended = record(
        records.CloseIntended,
        after_ms,
        intent_id="int_1",
        position_id=1,
        target_volume_lots=0.0,
        reason="guard:daily",
    )
    return found


def settled(after_ms: int) -> records.CloseSettled:
    found: records.CloseSettled = record(
        records.CloseSettled,
        after_ms,
        intent_id="int_1",
        position_id=1,
        kind="full",
        attempts=1,
        took_ms=after_ms,
    )
    return found
