"""Every agreed metric of a real engine moves when its thing happens, and not before."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import trio

from adapters.broker.faults import Fault
from adapters.notify import templates
from adapters.notify.outbox import AlertOutbox
from adapters.notify.routes import Route
from adapters.sqlite.journal import SqliteJournal, open_journal
from engine.alerting import Alerting
from engine.domain.discrepancies import Kind
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.kept import Entry, KeptStep
from engine.ports import Begun
from facade.app import make_app
from facade.audit import AuditRecorder, CountedTrail
from facade.metrics import Metrics
from facade.wiring_floor import sent_by_channel
from tests.adapters.notify.notify_house import Mailbox
from tests.facade.access_desk import AccessDesk
from tests.facade.test_api_live import parts_around
from tests.facade.test_metrics import AGREED
from tests.live.live_house import SERVER, LiveHouse, live_house, spec_of

LOGIN = 1001
WORDS: Any = templates


class HeldJournal:
    """The journal of the engine; while `held` no append gets through."""

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self.free = trio.Event()
        self.free.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        await self.free.wait()
        await self._journal.append(key, records, entry)

    async def append_all(self, key: AccountKey, steps: Sequence[KeptStep]) -> None:
        await self.free.wait()
        await self._journal.append_all(key, steps)

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> Begun | None:
        return self._journal.begin(key, steps) if self.free.is_set() else None


class Scene:
    """An engine, its API and its alerts, all measured by one `Metrics`."""

    def __init__(self, house: LiveHouse, metrics: Metrics, client: httpx.AsyncClient) -> None:
        self.house = house
        self.metrics = metrics
        self.client = client
        self.moved: set[str] = set()

    async def totals(self) -> dict[str, float]:
        """Of each agreed metric the sum over its labels; of a histogram how often it was fed."""
        found = dict.fromkeys(AGREED, 0.0)
        text = (await self.metrics.scrape(self.house.engine)).decode()
        for line in text.splitlines():
            name, _, value = line.rpartition(" ")
            stem = name.partition("{")[0].removesuffix("_count")
            if stem in found and not line.startswith("#"):
                found[stem] += float(value)
        return found

    async def moves(self, *names: str, by: Callable[[], Any]) -> None:
        """These move when that is done."""
        before = await self.totals()
        done = by()
        if isinstance(done, Awaitable):
            await done
        still = set(names)
        with trio.move_on_after(60.0):
            while still:
                now = await self.totals()
                still -= {name for name in still if now[name] != before[name]}
                await trio.sleep(0.02)
        assert not still
        self.moved.update(names)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[tuple[Scene, HeldJournal, str]]:
    metrics, access = Metrics(), AccessDesk(folder)
    metrics_of_journal = partial(metrics.observe, "journal_commit")
    async with (
        open_journal(folder / "journal.db", on_commit=metrics_of_journal) as kept,
        trio.open_nursery() as nursery,
    ):
        journal = HeldJournal(kept)
        async with live_house([spec_of(LOGIN)], journal, expects=True, meter=metrics) as house:
            outbox = AlertOutbox([(Route("mail"), Mailbox())], house.own.clock, Random(1))
            metrics.watch("alerts_sent", lambda: sent_by_channel(outbox))
            await nursery.start(outbox.run)
            await nursery.start(Alerting(house.engine, outbox, WORDS, house.own.clock).run)
            await nursery.start(metrics.run, house.engine)
            parts = parts_around(house, access)
            trail = CountedTrail(parts.audit.trail, lambda: metrics.count("audit_events"))
            audit = AuditRecorder(trail, house.own.clock.wall_msc)
            app = make_app(house.engine, replace(parts, metrics=metrics, audit=audit))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://desk") as client:
                yield Scene(house, metrics, client), journal, access.token("viewer", "ann", "*")
            nursery.cancel_scope.cancel()


async def requests_move(desk: Scene, token: str) -> None:
    """What requests move: one that is answered, one refused, too many, and one that fails."""
    house, get = desk.house, desk.client.get
    signed = {"Authorization": f"Bearer {token}"}
    path = f"/api/v1/accounts/{SERVER}/{LOGIN}"
    names = ("http_requests_total", "request_duration_seconds")
    await desk.moves(*names, by=lambda: get(path, headers=signed))
    await desk.moves("audit_events_total", by=lambda: get(path))

    async def flood() -> None:
        while (await get("/api/v1/trading/health")).status_code != 429:
            pass

    await desk.moves("ratelimit_block_total", by=flood)

    async def broken(*_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    house.engine.records = broken  # type: ignore[method-assign, assignment]
    await desk.moves("errors_total", by=lambda: get(f"{path}/events", headers=signed))


def in_doubt(house: LiveHouse) -> bool:
    """Whether our equity and the broker's did not agree when last compared."""
    live = house.state(LOGIN).live
    assert live is not None
    return any(row.kind is Kind.EQUITY_RESIDUAL for row in live.book.rows)


async def test_every_agreed_metric_moves_when_its_thing_happens(tmp_path: Path) -> None:
    async with scene(tmp_path) as (desk, journal, token):
        house = desk.house
        await house.until(lambda: house.state(LOGIN).opened)
        # What a link that came and its report did before anybody looked.
        began = await desk.totals()
        for name in ("mt5_connect_total", "mt5_position_sync_total", "journal_commit_seconds"):
            assert began[name] > 0.0, name
            desk.moved.add(name)
        for name in ("mt5_positions_total", "guard_breaches_total", "mt5_reconnects_total"):
            assert began[name] == 0.0, name
        quiet = await desk.totals()
        assert quiet["guard_breaches_total"] == quiet["audit_events_total"] == 0.0

        await desk.moves("event_loop_lag_seconds", by=lambda: None)
        await desk.moves(
            "mt5_positions_total",
            "reconciliation_latency_seconds",
            "decision_to_durable_seconds",
            "reconciliation_divergences_total",
            by=lambda: house.open(LOGIN),
        )
        await desk.moves(
            "ticks_total",
            "account_equity",
            "account_drawdown_percent",
            by=lambda: house.quote("EURUSD", 1.0940, 1.0941),
        )
        await desk.moves("quotes_rejected_total", by=lambda: house.quote("EURUSD", 1.2, 1.1))

        async def crowd() -> None:
            """Decisions that find others waiting behind them."""
            house.quote("EURUSD", 1.0940, 1.0941)
            journal.free = trio.Event()
            for _ in range(4):
                house.open(LOGIN, lots=0.01)
            await house.until(lambda: len(house.engine._actor(house.engine.keys()[0]).inbox) > 2)
            journal.free.set()

        await desk.moves("inbox_depth", by=crowd)
        await house.valued(LOGIN, 5)
        # What is decided on next is decided on by the tick, and not by what came before it: nor by
        # the heartbeat that ends a doubt, for the broker valued the account on the crossed quote.
        await house.until(lambda: not house.state(LOGIN).untested and not in_doubt(house))
        await desk.moves(
            "guard_breaches_total",
            "drawdown_guard_triggers_total",
            "tick_to_decision_seconds",
            "decision_to_wire_seconds",
            "positions_autoclosed_total",
            "close_duration_seconds",
            "alerts_sent_total",
            by=lambda: house.quote("EURUSD", 1.0840, 1.0841),
        )

        await requests_move(desk, token)
        await desk.moves(
            "mt5_reconnects_total",
            "mt5_connect_total",
            by=lambda: house.server.faults.ask(LOGIN, Fault.CUT),
        )

        totals = await desk.totals()
        assert totals["accounts"] == 1.0
        desk.moved.add("accounts")  # by quality: see test_metrics.py
        assert desk.moved == AGREED
