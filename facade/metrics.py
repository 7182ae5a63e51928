"""What Prometheus reads: measurements as they come, aggregates of accounts as they are at a scrape.

A registry of its own. Counting and observing cost about a microsecond; the text is made in a
thread. docs/metrics.md describes each metric, and a test holds it to this file.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import anyio
import anyio.lowlevel
import anyio.to_thread
import trio
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from engine.desk import Desk, Health
from engine.domain import records
from engine.domain.snapshot import Quality, Snapshot
from facade.metrics_requests import RequestCounts

log = logging.getLogger("tidegate.metrics")

CONTENT_TYPE = CONTENT_TYPE_LATEST
COUNTERS: Mapping[str, tuple[str, str]] = {
    "mt5_position_sync": ("", "Full reports that terminals sent."),
    "reconciliation_divergences": ("reason", "Confirmed discrepancies, by kind."),
    "drawdown_guard_triggers": ("", "Breaches of guards with an equity floor."),
    "guard_breaches": ("guard", "Breaches, by the guard's name."),
    "positions_autoclosed": ("reason", "Closing deals of closes decided here, by their reason."),
    "mt5_connect": ("result", "Terminals that came in (new, resumed) or were refused."),
    "mt5_reconnects": ("", "Links that ended: each is followed by another, or by an alert."),
    "fills_before_quotes": ("feed", "Fills whose quote did not come within half a second."),
    "ticks": ("feed", "Quotes that came, by broker server."),
    "tapes": ("result", "Cuts of a breach's ticks: kept, failed, or lost among too many."),
    "alerts_sent": ("channel", "Alerts a channel accepted."),
    "account_steps_cut_short": ("", "Steps of one account that did not end."),
    "errors": ("", "Accounts given up, alerts lost, requests that failed inside."),
    "ratelimit_block": ("", "Requests answered 429."),
    "audit_events": ("", "Entries this process wrote to the audit log."),
}
"""Without `_total`, which the text has: the one label (empty: none), and what is counted."""
_FAST = (1e-4, 2.5e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2.5e-2, 0.05, 0.1, 0.25, 1.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
HISTOGRAMS: Mapping[str, tuple[tuple[float, ...], str]] = {
    "reconciliation_latency": (_SLOW, "From the ask for a full report until it is compared."),
    "tick_to_decision": (_FAST, "From a tick's arrival to the step that decided on it."),
    "decision_to_durable": (_FAST, "From a decision until it is durable."),
    "decision_to_wire": (_FAST, "From a decision until its command is written to the link."),
    "close_duration": (_SLOW, "From the decision to close until deals prove it."),
    "event_loop_lag": (_FAST, "By how much the engine's tenth of a second was late."),
    "journal_commit": (_FAST, "One commit of the journal, the disk included."),
}
"""Without `_seconds`, which the text has."""
LABEL_VALUES = 200
"""Values of one label that are told apart; later ones are `other`: names come from outside."""
SLICE_ACCOUNTS = 16
"""Accounts looked at in one turn of the loop at a scrape."""


class Metrics:
    """A `Meter`, and the text of a scrape."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._counters = {
            name: Counter(name, story, [label] if label else [], registry=self.registry)
            for name, (label, story) in COUNTERS.items()
        }
        self._histograms = {
            name: Histogram(f"{name}_seconds", story, buckets=buckets, registry=self.registry)
            for name, (buckets, story) in HISTOGRAMS.items()
        }
        self._labels: dict[str, set[str]] = {}
        self._requests = RequestCounts(partial(self._bounded, "http_requests"))
        self._sources: list[tuple[str, Callable[[], Mapping[str, int]], dict[str, int]]] = []
        self._refused_known: dict[str, int] = {}
        self._inbox_depth = 0.0
        self._families: list[Metric] = []
        self.registry.register(self._requests)
        self.registry.register(self)

    # Meter

    def observe(self, name: str, seconds: float) -> None:
        """See `Meter.observe`. Of `inbox_depth` the largest since the last scrape is kept."""
        if name == "inbox_depth":
            self._inbox_depth = max(self._inbox_depth, seconds)
        elif name in self._histograms:
            self._histograms[name].observe(seconds)
        else:
            self._mistaken(name)

    def count(self, name: str, number: int = 1, label: str = "") -> None:
        """See `Meter.count`. A label where the metric has none is left out."""
        counter = self._counters.get(name)
        if counter is None:
            self._mistaken(name)
        elif COUNTERS[name][0]:
            counter.labels(self._bounded(name, label)).inc(number)
        else:
            counter.inc(number)

    def request(self, route: str, status: int, seconds: float) -> None:
        """One HTTP request; `route` is the pattern, never the path asked for."""
        self._requests.count(route, status, seconds)

    def watch(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        """Counts at each scrape what somebody else counts: by label, from 0, only ever rising."""
        assert name in COUNTERS, f"no counter {name}"
        self._sources.append((name, read, {}))

    # Records

    async def run(
        self, desk: Desk, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Counts durable records until it is cancelled."""
        listener = desk.listen()
        task_status.started()
        try:
            while True:
                for record in await listener.wait():
                    self.take(record)
                if listener.missed:
                    self.count("errors", listener.missed)
                    listener.missed = 0
        finally:
            listener.close()

    def take(self, record: records.Record) -> None:
        """Counts one record."""
        match record:
            case records.GuardBreach():
                self.count("guard_breaches", 1, record.guard)
                self.count("drawdown_guard_triggers")
            case records.RuleBreach():
                self.count("guard_breaches", 1, record.guard)
            case records.PositionClosed(reason=reason) if reason.startswith("guard:"):
                self.count("positions_autoclosed", 1, reason)
            case records.CloseSettled(kind=kind) if kind != "cancel":
                self.observe("close_duration", record.took_ms / 1000.0)
            case records.Discrepancy(state="confirmed"):
                self.count("reconciliation_divergences", 1, record.kind)
            case records.AccountHalted(cause="crashed"):
                self.count("errors")
            case _:
                pass

    # Scraping

    async def scrape(self, desk: Desk, *, per_account: bool = False) -> bytes:
        """The text, with aggregates as of now.

        Looks at a few accounts a turn, so that a scrape delays no guard; the text is made in a
        thread. `per_account` adds series of each account: on demand only, there may be thousands.
        """
        snapshots = []
        for number, key in enumerate(desk.keys()):
            if number % SLICE_ACCOUNTS == 0:
                await anyio.lowlevel.checkpoint()
            snapshots.append(desk.snapshot(key))
        health = desk.health()
        for name, read, known in self._sources:
            self._rise(name, read(), known)
        refused = {"refused": sum(health.refused.values())}
        self._rise("mt5_connect", refused, self._refused_known)
        families = [
            *_of_engine(health),
            *_of_accounts(snapshots),
            *(_of_each(snapshots) if per_account else ()),
        ]
        depth, self._inbox_depth = self._inbox_depth, 0.0
        families.append(
            _gauge("inbox_depth", "Most that waited for one account since the last scrape.", depth)
        )
        self._families = families
        return await anyio.to_thread.run_sync(generate_latest, self.registry)

    def collect(self) -> Iterator[Metric]:
        """The aggregates of the last scrape: what the registry asks its collectors for."""
        yield from self._families

    def _rise(self, name: str, counts: Mapping[str, int], known: dict[str, int]) -> None:
        """Takes totals that somebody else keeps; `known`: what was taken of them before."""
        for label, number in counts.items():
            more = number - known.get(label, 0)
            if more > 0:
                self.count(name, more, label)
                known[label] = number

    def _mistaken(self, name: str) -> None:
        """A name nobody knows ends no guard's turn: it is an error, counted and logged."""
        self._counters["errors"].inc()
        log.error("no metric %r", name)

    def _bounded(self, name: str, label: str) -> str:
        known = self._labels.setdefault(name, set())
        if label in known:
            return label
        if len(known) >= LABEL_VALUES:
            return "other"
        known.add(label)
        return label


def _gauge(name: str, story: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, story, value=value)


def _of_engine(health: Health) -> Iterator[Metric]:
    yield _gauge("tidegate_ready", "1 while the engine is ready.", float(health.is_ready))
    yield _gauge("mt5_links", "Terminals that are linked.", health.linked)
    yield _gauge("accounts_crashed", "Accounts that nobody guards.", len(health.crashed))
    kept = float(health.equity_failure is None)
    yield _gauge("equity_history_kept", "1 while equity over time is kept on its disk.", kept)
    rejected = CounterMetricFamily(
        "quotes_rejected", "Quotes that were not valued, by cause.", labels=["cause"]
    )
    causes: dict[str, int] = {}
    ages = GaugeMetricFamily("feed_quote_age_seconds", "Since a feed's last tick.", labels=["feed"])
    own = sum(feed.account is not None for feed in health.feeds)
    yield _gauge("own_feeds", "Accounts with a feed of their own.", own)
    aged: dict[str, float] = {}
    for feed in health.feeds:
        for cause, number in feed.rejected.items():
            causes[cause] = causes.get(cause, 0) + number
        if feed.quote_age_ms is not None:
            label = feed.name if len(aged) < LABEL_VALUES else "other"
            aged[label] = max(aged.get(label, 0.0), feed.quote_age_ms / 1000.0)
    for label, age_s in aged.items():
        ages.add_metric([label], age_s)
    for cause, number in causes.items():
        rejected.add_metric([cause], number)
    yield rejected
    yield ages
    refused = CounterMetricFamily(
        "mt5_refused", "Terminals that were not let in, by cause.", labels=["cause"]
    )
    for cause, number in health.refused.items():
        refused.add_metric([cause], number)
    yield refused


def _of_accounts(snapshots: list[Snapshot]) -> Iterator[Metric]:
    """Sums over all accounts, or the worst of them."""
    quality = dict.fromkeys(Quality, 0)
    equity: dict[str, float] = {}
    positions = exposed = closes = 0
    drawdown = oldest_close_s = oldest_report_s = 0.0
    for one in snapshots:
        quality[one.quality] += 1
        positions += len(one.positions)
        exposed += len(one.positions) if one.quality is Quality.UNKNOWN else 0
        drawdown = max(drawdown, one.drawdown_percent or 0.0)
        if one.equity is not None:
            equity[one.currency] = equity.get(one.currency, 0.0) + one.equity
        if one.live is None:
            continue
        closes += len(one.live.closes)
        for close in one.live.closes:
            oldest_close_s = max(oldest_close_s, (one.time_msc - close.decided_at_msc) / 1000.0)
        synced_msc = one.live.reconciliation.last_sync_msc
        if synced_msc is not None:
            oldest_report_s = max(oldest_report_s, (one.time_msc - synced_msc) / 1000.0)
    accounts = GaugeMetricFamily("accounts", "Accounts, by quality.", labels=["quality"])
    for word, number in quality.items():
        accounts.add_metric([word.value], number)
    yield accounts
    sums = GaugeMetricFamily(
        "account_equity", "Equity of all valued accounts, by currency.", labels=["currency"]
    )
    for currency, amount in equity.items():
        sums.add_metric([currency], round(amount, 8))
    yield sums
    yield _gauge("account_drawdown_percent", "The deepest of all accounts, now.", drawdown)
    yield _gauge("mt5_positions_total", "Open positions.", positions)
    yield _gauge("unknown_positions", "Open positions of accounts nobody can value.", exposed)
    yield _gauge("closes_in_flight", "Closes decided and not settled.", closes)
    yield _gauge("close_oldest_seconds", "Age of the oldest close in flight.", oldest_close_s)
    yield _gauge(
        "reconciliation_age_seconds", "Since the least recent full report.", oldest_report_s
    )


def _of_each(snapshots: list[Snapshot]) -> Iterator[Metric]:
    labels = ["server", "login", "currency"]
    equity = GaugeMetricFamily("account_equity_each", "Equity of one account.", labels=labels)
    room = GaugeMetricFamily(
        "account_room_percent_each", "Room to the nearest floor, of its amount.", labels=labels
    )
    for one in snapshots:
        named = [one.server, str(one.login), one.currency]
        if one.equity is not None:
            equity.add_metric(named, one.equity)
        if one.room_percent is not None:
            room.add_metric(named, one.room_percent)
    yield equity
    yield room
