"""Metrics under their agreed names, aggregates as of the scrape, and what health says."""

import re
from typing import Any

import pytest
import trio
import trio.testing
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from engine.desk import FeedHealth, Health
from engine.domain import records
from engine.domain.snapshot import Quality
from facade.health import liveness, readiness, trading_health
from facade.metrics import COUNTERS, HISTOGRAMS, LABEL_VALUES, Metrics, _of_engine
from facade.metrics_requests import SECONDS, RequestCounts
from tests.engine.alert_desk import AlertDesk, breach, record, settled
from tests.facade.metric_names import exposed, full_desk, touched
from tests.tree import ROOT

AGREED = {
    "mt5_position_sync_total",
    "reconciliation_divergences_total",
    "drawdown_guard_triggers_total",
    "guard_breaches_total",
    "positions_autoclosed_total",
    "reconciliation_latency_seconds",
    "mt5_positions_total",
    "account_equity",
    "account_drawdown_percent",
    "mt5_connect_total",
    "mt5_reconnects_total",
    "tick_to_decision_seconds",
    "decision_to_durable_seconds",
    "decision_to_wire_seconds",
    "close_duration_seconds",
    "ticks_total",
    "quotes_rejected_total",
    "inbox_depth",
    "event_loop_lag_seconds",
    "journal_commit_seconds",
    "accounts",
    "alerts_sent_total",
    "http_requests_total",
    "request_duration_seconds",
    "errors_total",
    "ratelimit_block_total",
    "audit_events_total",
}


def stems() -> set[str]:
    """Series without what a histogram puts behind its name."""
    found = {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in exposed()}
    return {name for name in found if not name.endswith("_created")}


async def lines_of(metrics: Metrics, desk: AlertDesk, **more: Any) -> list[str]:
    return (await metrics.scrape(desk, **more)).decode().splitlines()


def test_every_agreed_metric_is_there() -> None:
    assert AGREED - stems() == set()


def test_the_page_of_metrics_names_all_there_are_and_no_others() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    named = set(re.findall(r"^\| `(\w+)", page, re.MULTILINE))
    named |= set(re.findall(r"`(\w+_each)\{", page))
    assert named == stems()


async def test_a_scrape_has_the_sums_of_all_accounts() -> None:
    desk = full_desk()
    lines = await lines_of(Metrics(), desk)
    assert f'account_equity{{currency="USD"}} {desk.now.equity}' in lines
    assert 'accounts{quality="known"} 1.0' in lines
    assert 'accounts{quality="stale"} 0.0' in lines
    assert "mt5_positions_total 2.0" in lines
    assert 'mt5_connect_total{result="refused"} 3.0' in lines
    assert "closes_in_flight 1.0" in lines
    assert 'quotes_rejected_total{cause="crossed"} 2.0' in lines
    assert 'mt5_refused_total{cause="bad key"} 3.0' in lines
    assert not any("1001" in line for line in lines), "no series of an account unless asked for"


async def test_series_of_each_account_come_on_demand() -> None:
    lines = await lines_of(Metrics(), full_desk(), per_account=True)
    assert any('login="1001"' in line for line in lines)


async def test_an_account_nobody_can_value_is_no_zero_in_the_sum() -> None:
    desk = full_desk()
    desk.now = replace(desk.now, quality=Quality.UNKNOWN, equity=None)
    lines = await lines_of(Metrics(), desk)
    assert not any(line.startswith("account_equity{") for line in lines)
    assert "unknown_positions 2.0" in lines


async def test_records_are_counted_as_they_come() -> None:
    metrics, desk = Metrics(), AlertDesk()
    closed = record(
        records.PositionClosed,
        position_id=1,
        symbol="EURUSD",
        side="buy",
        volume_lots=1.0,
        open_price=1.1,
        close_price=1.0,
        profit=-1.0,
        reason="guard:daily",
    )
    found = record(
        records.Discrepancy,
        kind="missing",
        state="confirmed",
        position_id=1,
        intent_id=None,
        subject="",
        expected="1",
        actual=None,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(metrics.run, desk)
        external = replace(closed, reason="external")
        desk.publish(breach(), closed, external, settled(410), found)
        desk.publish(
            replace(found, state="resolved"), record(records.AccountHalted, cause="crashed")
        )
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    lines = await lines_of(metrics, desk)
    assert 'guard_breaches_total{guard="daily"} 1.0' in lines
    assert "drawdown_guard_triggers_total 1.0" in lines
    assert 'positions_autoclosed_total{reason="guard:daily"} 1.0' in lines
    assert 'reconciliation_divergences_total{reason="missing"} 1.0' in lines
    assert "close_duration_seconds_sum 0.41" in lines
    assert "errors_total 1.0" in lines


async def test_the_inbox_depth_is_the_deepest_since_the_last_scrape() -> None:
    metrics, desk = Metrics(), AlertDesk()
    for depth in (3, 9, 4):
        metrics.observe("inbox_depth", depth)
    assert "inbox_depth 9.0" in await lines_of(metrics, desk)
    assert "inbox_depth 0.0" in await lines_of(metrics, desk)


async def test_names_from_outside_cannot_make_series_without_end() -> None:
    metrics, desk = Metrics(), AlertDesk()
    for number in range(LABEL_VALUES + 50):
        metrics.count("mt5_connect", label=f"cause {number}")
    found = [line for line in await lines_of(metrics, desk) if line.startswith("mt5_connect_total")]
    assert len(found) == LABEL_VALUES + 1
    assert 'mt5_connect_total{result="other"} 50.0' in found


async def test_requests_are_counted_by_route_and_status() -> None:
    lines = await lines_of(touched(), full_desk())
    assert 'http_requests_total{route="/x",status="200"} 1.0' in lines


def test_requests_read_as_if_the_client_library_had_counted_them() -> None:
    Metrics()  # it turns off series of when each was created
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    counter = Counter("http_requests", "Requests, by route and status.", ["route", "status"],
                      registry=theirs)  # fmt: skip
    story = "From a request's head until its answer is ready; of a stream, until it begins."
    took = Histogram("request_duration_seconds", story, ["route"], buckets=SECONDS, registry=theirs)
    counts = RequestCounts(lambda route: route if route != "/new" else "other")
    ours.register(counts)
    durations = (0.0, 0.0009, 0.001, 0.00100001, 0.3, 5.0, 5.1, 60.0)
    for number, seconds in enumerate(durations * 3):
        route, status = ("/a", "/b", "/new")[number % 3], (200, 304)[number % 2]
        counts.count(route, status, seconds)
        shown = "other" if route == "/new" else route
        counter.labels(shown, str(status)).inc()
        took.labels(shown).observe(seconds)
    assert generate_latest(ours) == generate_latest(theirs)
    assert b'le="+Inf"' in generate_latest(ours)


async def test_a_name_nobody_knows_is_an_error_and_ends_no_guards_turn() -> None:
    metrics = Metrics()
    metrics.count("no_such_thing")
    metrics.observe("no_such_thing", 1.0)
    assert "errors_total 2.0" in await lines_of(metrics, AlertDesk())


def test_every_name_the_code_measures_by_is_known() -> None:
    call = re.compile(r"meter\.(count|observe)\(\s*\"(\w+)\"")
    used = {
        (found[1], found[2])
        for path in (ROOT / "engine").rglob("*.py")
        for found in call.finditer(path.read_text(encoding="utf-8"))
    }
    assert used, "the pattern finds nothing"
    known = {("count", name) for name in COUNTERS} | {("observe", name) for name in HISTOGRAMS}
    assert used - known - {("observe", "inbox_depth")} == set()


async def test_what_others_count_is_taken_at_the_scrape_and_only_once() -> None:
    metrics, desk = Metrics(), AlertDesk()
    sent = {"telegram": 2}
    metrics.watch("alerts_sent", lambda: sent)
    assert 'alerts_sent_total{channel="telegram"} 2.0' in await lines_of(metrics, desk)
    sent["telegram"] = 5
    assert 'alerts_sent_total{channel="telegram"} 5.0' in await lines_of(metrics, desk)


# Health


def health(**changed: Any) -> Health:
    desk = full_desk()
    desk.refused = {}
    return replace(desk.health(), **({"feeds": ()} | changed))


def feed(**changed: Any) -> FeedHealth:
    base = FeedHealth(name="Demo-1", leader="Demo-1/1", ticks=1, quote_age_ms=5, rejected={})
    return replace(base, **changed)


@pytest.mark.parametrize(
    ("changed", "status", "http"),
    [
        ({}, "ready", 200),
        ({"feeds": (feed(),)}, "ready", 200),
        ({"is_ready": False, "reason": "starting"}, "not_ready", 503),
        ({"journal_failure": "disk full"}, "not_ready", 503),
        ({"feeds": (feed(quote_age_ms=None),)}, "not_ready", 503),
        ({"feeds": (feed(leader=None),)}, "degraded", 200),
        ({"feeds": (feed(leader=None),), "linked": 0}, "ready", 200),
        ({"feeds": (feed(quote_age_ms=10**8),)}, "ready", 200),
        ({"crashed": {"Demo-1/1001": "x"}}, "degraded", 200),
        ({"equity_failure": "disk full"}, "degraded", 200),
        ({"feeds": (feed(), feed(account="Demo-1/2", leader=None))}, "ready", 200),
        ({"feeds": (feed(), feed(account="Demo-1/2", quote_age_ms=None))}, "ready", 200),
    ],
)
def test_ready_tells_the_truth(changed: dict[str, Any], status: str, http: int) -> None:
    found = readiness(health(**changed))
    assert (found.listening, found.thumbprint) == (health().listening, health().thumbprint)
    assert found.refused == health().refused
    assert (found.status, found.http_status) == (status, http)
    assert bool(found.reasons) == (status != "ready")


def test_ages_of_feeds_are_by_name_up_to_a_number_of_them() -> None:
    feeds = [feed(), *(feed(name=f"Demo-1/{n}", account=f"Demo-1/{n}") for n in range(300))]
    feeds.append(feed(name="Demo-1/x", account="Demo-1/x", quote_age_ms=90_000))
    families = {one.name: one for one in _of_engine(health(feeds=tuple(feeds)))}
    assert [one.value for one in families["own_feeds"].samples] == [301.0]
    ages = families["feed_quote_age_seconds"].samples
    assert len(ages) == LABEL_VALUES + 1
    assert (ages[-1].labels["feed"], ages[-1].value) == ("other", 90.0)


def test_the_public_word_has_no_names() -> None:
    told = trading_health(health(crashed={"Demo-1/1001": "x"}))
    assert told.status == "degraded"
    assert told.timestamp == "2026-01-05T00:00:00.000Z"
    assert "1001" not in repr(told)


def test_life_is_told_with_its_age() -> None:
    now = health()
    assert liveness(replace(now, time_msc=now.started_msc + 61_000)).uptime_s == 61
