"""Rules, dashboard and runbooks: they parse, name what exists, and fire when they must."""

import json
import re
from typing import Any

import pytest
import yaml

from facade.metrics import COUNTERS, HISTOGRAMS
from tests.facade.metric_names import exposed
from tests.facade.promql import Query, Series, names_in, quantile
from tests.tree import ROOT

FOLDER = ROOT / "docs" / "monitoring"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((FOLDER / "tidegate.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
BOARD: dict[str, Any] = json.loads((FOLDER / "tidegate.dashboard.json").read_text())
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
FROM_PROMETHEUS = {"up"}


def gauge(name: str, now: float, **labels: str) -> Series:
    return Series(name, tuple(labels.items()), now, now)


def counter(name: str, more: float, **labels: str) -> Series:
    return Series(name, tuple(labels.items()), 5.0, 5.0 + more)


def buckets(name: str, slow: int) -> list[Series]:
    """A hundred observations, so many of them between 0.1 and 0.25 s, the others below 0.05."""
    counts = {"0.05": 100 - slow, "0.1": 100 - slow, "0.25": 100, "+Inf": 100}
    return [Series(f"{name}_bucket", (("le", le),), 0, n) for le, n in counts.items()]


UP = gauge("up", 1, job="tidegate")
CASES: dict[str, tuple[list[Series], list[Series]]] = {
    "TidegateDown": ([gauge("up", 0, job="tidegate")], [UP]),
    "TidegateNotReady": ([gauge("tidegate_ready", 0)], [gauge("tidegate_ready", 1)]),
    "TidegateAccountGivenUp": ([gauge("accounts_crashed", 1)], [gauge("accounts_crashed", 0)]),
    "TidegateCloseNotFlat": (
        [gauge("close_oldest_seconds", 5.1)],
        [gauge("close_oldest_seconds", 4.9)],
    ),
    "TidegateUnknownExposed": ([gauge("unknown_positions", 1)], [gauge("unknown_positions", 0)]),
    "TidegateGuardTriggered": (
        [counter("drawdown_guard_triggers_total", 1)],
        [counter("drawdown_guard_triggers_total", 0)],
    ),
    "TidegateAccountsStale": (
        [gauge("accounts", 1, quality="stale")],
        [gauge("accounts", 0, quality="stale"), gauge("accounts", 9, quality="known")],
    ),
    "TidegateReconciliationOld": (
        [gauge("reconciliation_age_seconds", 86_401)],
        [gauge("reconciliation_age_seconds", 86_399)],
    ),
    "TidegateDivergence": (
        [counter("reconciliation_divergences_total", 1, reason="missing")],
        [counter("reconciliation_divergences_total", 0, reason="missing")],
    ),
    "TidegateFeedSilent": (
        [gauge("feed_quote_age_seconds", 301, feed="a"), gauge("feed_quote_age_seconds", 1)],
        [gauge("feed_quote_age_seconds", 299, feed="a")],
    ),
    "TidegateLoopLag": (
        buckets("event_loop_lag_seconds", 5),
        buckets("event_loop_lag_seconds", 0),
    ),
    "TidegateJournalSlow": (
        buckets("journal_commit_seconds", 5),
        buckets("journal_commit_seconds", 0),
    ),
    "TidegateDecisionSlow": (
        buckets("decision_to_wire_seconds", 5),
        buckets("decision_to_wire_seconds", 0),
    ),
    "TidegateTerminalsRefused": (
        [counter("mt5_refused_total", 11, cause="bad key")],
        [counter("mt5_refused_total", 10, cause="bad key")],
    ),
    "TidegateEquityNotKept": (
        [gauge("equity_history_kept", 0)],
        [gauge("equity_history_kept", 1)],
    ),
    "TidegateErrors": ([counter("errors_total", 1)], [counter("errors_total", 0)]),
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_fires_where_it_must_and_not_elsewhere(rule: dict[str, Any]) -> None:
    fires, sleeps = CASES[rule["alert"]]
    assert Query(rule["expr"], fires).value()
    assert not Query(rule["expr"], sleeps).value()


def test_nothing_at_all_is_down() -> None:
    [down] = [rule for rule in RULES if rule["alert"] == "TidegateDown"]
    assert Query(down["expr"], []).value()


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    assert {rule["alert"] for rule in RULES} == set(CASES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_says_how_bad_what_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Tidegate([A-Z][a-z]+)+", rule["alert"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    told = rule["annotations"]
    assert "{{ $value }}" in told["summary"]
    assert told["description"]
    assert told["dashboard_url"].startswith("https://")
    anchor = told["runbook_url"].rpartition("#")[2]
    assert anchor == rule["alert"].lower()
    assert f"\n## {rule['alert']}\n" in RUNBOOKS
    assert re.fullmatch(r"\d+[smh]", str(rule["for"]))


def test_every_runbook_is_of_a_rule() -> None:
    titles = set(re.findall(r"^## (.+)$", RUNBOOKS, re.MULTILINE))
    assert titles == {rule["alert"] for rule in RULES}


def queries() -> list[str]:
    targets = [one["expr"] for panel in BOARD["panels"] for one in panel["targets"]]
    return targets + [rule["expr"] for rule in RULES]


def test_every_metric_that_rules_and_dashboard_name_exists() -> None:
    named = {name for text in queries() for name in names_in(text)} - FROM_PROMETHEUS
    assert len(named) > 30, "nothing was read"
    assert named - exposed() == set()


def test_the_dashboard_shows_every_counter_and_histogram_there_is() -> None:
    named = {name for text in queries() for name in names_in(text)}
    missing = {f"{name}_total" for name in COUNTERS} - named
    missing |= {f"{name}_seconds_bucket" for name in HISTOGRAMS} - named
    assert missing == set()


def test_every_query_of_the_dashboard_can_be_read() -> None:
    for panel in BOARD["panels"]:
        for target in panel["targets"]:
            Query(target["expr"], []).value()
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in BOARD["panels"]]
    assert len(set(places)) == len(places), "two panels in one place"


def test_the_evaluator_knows_when_it_does_not_know() -> None:
    for text in ("a unless b", "a > 1 extra", "rate(a)"):
        with pytest.raises((SyntaxError, IndexError)):
            Query(text, []).value()
    assert quantile(0.5, [(1.0, 10.0), (2.0, 20.0), (float("inf"), 20.0)]) == 1.0
    assert quantile(0.99, [(1.0, 0.0), (float("inf"), 4.0)]) == 1.0
    assert quantile(0.99, [(1.0, 0.0), (float("inf"), 0.0)]) is None
