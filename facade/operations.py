"""Every operation of the API that answers JSON, in one table: routes and OpenAPI come of it."""

from typing import Any

from facade import api_structs as structs
from facade import api_structs_calls as calls
from facade import (
    commands,
    commands_access,
    exports,
    health,
    queries,
    queries_accounts,
    queries_export,
    queries_incidents,
    queries_rulesets,
    queries_tape,
    queries_verdict,
)
from facade.access_policy import API
from facade.api_structs_accounts import ACCOUNT, AccountsPage
from facade.call import Operation

_ONE = f"{API}/accounts/{{server}}/{{login}}"


def _read(path: str, handler: Any, summary: str, answer: Any, **more: Any) -> Operation:
    return Operation("GET", path, handler, summary, answer, **more)


def _act(method: Any, path: str, handler: Any, summary: str, body: Any, **more: Any) -> Operation:
    answer = more.pop("answer", structs.Accepted)
    return Operation(
        method, path, handler, summary, answer, body=body, status=202, keyed=True, **more
    )


OPERATIONS: tuple[Operation, ...] = (
    _read(
        f"{API}/reconciliation/status",
        queries.reconciliation_status,
        "How well what is held is known to be what should be",
        structs.ReconciliationStatus,
        query=calls.StatusQuery,
        cached=True,
    ),
    _read(
        f"{API}/reconciliation/logs",
        queries_accounts.logs,
        "Open and past discrepancies of all accounts, or one",
        structs.DiscrepanciesPage,
        query=calls.LogsQuery,
    ),
    _read(
        f"{API}/positions/open",
        queries.positions_open,
        "Open positions",
        structs.PositionsOpen,
        query=calls.PositionsQuery,
        cached=True,
    ),
    _read(
        f"{API}/guards/status",
        queries.guards_status,
        "Where every guard stands",
        structs.GuardsStatus,
        query=calls.StatusQuery,
        cached=True,
    ),
    _read(
        f"{API}/trading/health",
        queries.trading_health,
        "The public word on the engine",
        health.TradingHealth,
        always=True,
    ),
    _read(
        f"{API}/accounts",
        queries_accounts.accounts,
        "A page of accounts, with counts of each state",
        AccountsPage,
        query=calls.AccountsQuery,
        cached=True,
    ),
    _read(_ONE, queries_accounts.account, "One account", ACCOUNT.struct, cached=True),
    _read(
        f"{_ONE}/events",
        queries_accounts.events,
        "Records of an account, in order",
        structs.EventsPage,
        query=calls.EventsQuery,
    ),
    _read(
        f"{_ONE}/equity",
        queries_accounts.equity,
        "Equity and balance over time, with exact extremes",
        structs.EquityPage,
        query=calls.EquityQuery,
    ),
    _read(
        f"{_ONE}/statistics",
        queries_accounts.statistics,
        "A period in figures: profit, deepest fall, days traded",
        structs.StatisticsAnswer,
        query=calls.PeriodQuery,
    ),
    _read(
        f"{_ONE}/prices",
        queries_tape.prices,
        "Prices of one symbol, second by second",
        queries_tape.PricesPage,
        query=queries_tape.PricesQuery,
    ),
    _read(
        f"{_ONE}/discrepancies",
        queries_accounts.discrepancies,
        "Open and past discrepancies of one account",
        structs.DiscrepanciesPage,
        query=calls.OneLogQuery,
    ),
    _read(
        f"{API}/rulesets",
        queries_rulesets.rulesets,
        "Rule sets of the book, in words",
        queries_rulesets.RulesetsPage,
    ),
    _read(
        f"{_ONE}/ruleset",
        queries_rulesets.outlook,
        "What another rule set would make of an account",
        queries_rulesets.RulesetOutlook,
        query=queries_rulesets.OutlookQuery,
    ),
    _read(f"{API}/verdicts/{{id}}", queries_verdict.verdict, "What decided", structs.VerdictAnswer),
    _read(
        f"{API}/verdicts/{{id}}/tape",
        queries_tape.tape,
        "A breach tick by tick, and what slower polls would have seen",
        queries_tape.TAPE.struct,
    ),
    _read(
        f"{API}/verdicts/{{id}}/export",
        queries_export.export,
        "An incident to hand over, signed",
        exports.IncidentExport,
        query=queries_export.ExportQuery,
    ),
    _read(
        f"{API}/export/keys",
        queries_export.export_keys,
        "The public keys that incidents are signed with",
        queries_export.ExportKeys,
    ),
    _read(
        f"{API}/incidents",
        queries_incidents.incidents,
        "Warnings and breaches, and how they ended",
        queries_incidents.IncidentsPage,
        query=queries_incidents.IncidentsQuery,
    ),
    _read(
        f"{API}/audit",
        queries_accounts.audit,
        "The chained audit trail",
        structs.AuditPage,
        query=calls.AuditQuery,
    ),
    _read(
        f"{API}/approvals",
        commands_access.approvals,
        "What waits for a second person",
        structs.ApprovalsPage,
    ),
    _act(
        "POST",
        f"{API}/approvals",
        commands_access.decide,
        "The second person approves or rejects",
        calls.DecisionBody,
    ),
    _act(
        "POST",
        f"{API}/intents",
        commands.intents,
        "Register what a strategy means to hold",
        calls.IntentBody,
    ),
    _act(
        "POST",
        f"{API}/reconciliation/sync",
        commands.ask_report,
        "Ask for a full report",
        calls.ReportBody,
    ),
    _act("POST", f"{_ONE}/halt", commands.halt, "Take no new risk", calls.HaltBody),
    _act("POST", f"{_ONE}/flatten", commands.flatten, "Close everything", calls.FlattenBody),
    _act(
        "POST",
        f"{_ONE}/adopt",
        commands.adopt,
        "Mean to hold positions as they are",
        calls.AdoptBody,
        answer=structs.Adopted,
    ),
    _act("POST", f"{_ONE}/release", commands.release, "End a halt", calls.ReleaseBody),
    _act("PUT", f"{_ONE}/ruleset", commands.ruleset, "Guard by other rules", calls.RulesetBody),
    _act(
        "POST",
        f"{API}/halt",
        commands.halt_all,
        "Kill switch: halt every account",
        calls.HaltBody,
        query=calls.ScopeQuery,
        answer=structs.AcceptedAll,
    ),
    _act(
        "POST",
        f"{API}/flatten",
        commands.flatten_all,
        "Kill switch: close everything everywhere",
        calls.FlattenAllBody,
        query=calls.ScopeQuery,
        answer=structs.AcceptedAll,
    ),
    Operation(
        "POST",
        f"{API}/session",
        commands_access.session,
        "Sign in to the page, or renew",
        structs.SessionOpened,
        always=True,
    ),
    Operation(
        "DELETE",
        f"{API}/session",
        commands_access.end_session,
        "Sign out",
        status=204,
        always=True,
    ),
    _read("/healthz", queries.healthz, "The program lives", health.Liveness, always=True),
    _read("/readyz", queries.readyz, "It can be relied on", health.Readiness, always=True),
    _read("/version", queries.version_of, "What runs", structs.Version, always=True),
    _read(
        "/metrics",
        queries.metrics,
        "For Prometheus",
        None,
        query=calls.MetricsQuery,
        media_type="text/plain",
        always=True,
    ),
)
