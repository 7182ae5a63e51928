"""What the API is made of, by the settings: the same beside the engine and in its own process."""

import time

import anyio
from msgspec.structs import replace

from engine.audit import AuditTrail
from engine.desk import Desk
from engine.domain.account import AccountSpec
from engine.domain.ids import AccountKey
from engine.domain.units import major
from engine.errors import UserError
from facade.access import Scopes, tenants_of
from facade.access_gate import Gate
from facade.access_keys import AccessKeys
from facade.access_sessions import Sessions
from facade.access_tokens import Verifier, rules_of
from facade.approvals import Approvals
from facade.audit import AuditRecorder
from facade.call import Options, Parts
from facade.idempotency import Idempotency
from facade.limits import Limits
from facade.metrics import Metrics
from facade.settings import Settings, is_here_only


def parts_of(
    settings: Settings, desk: Desk, trail: AuditTrail, metrics: Metrics, stopping: anyio.Event
) -> Parts:
    """The parts.

    Raises:
        UserError: a tenant of the settings names no account of the book.
    """
    http = settings.keys.http
    is_secure = bool(http.certificate) or http.behind_proxy or not is_here_only(http.host)
    keys = AccessKeys(settings.access_keys)
    sessions = Sessions(keys, time.time, is_secure=is_secure)
    limits = Limits(
        time.monotonic,
        requests_per_minute=http.requests_per_minute,
        unauthenticated_per_minute=http.unauthenticated_per_minute,
    )
    accounts = [account.spec.key for account in settings.book.accounts]
    scopes = Scopes(desk.keys, tenants_of(settings.keys.access.tenants, accounts))
    verifier = Verifier(keys, time.time, rules_of(settings))
    return Parts(
        gate=Gate(verifier, sessions, scopes, limits),
        sessions=sessions,
        limits=limits,
        audit=AuditRecorder(trail, now_msc),
        approvals=Approvals(trail, now_msc),
        idempotency=Idempotency(time.monotonic),
        metrics=metrics,
        now_msc=now_msc,
        stopping=stopping,
        export_keys=AccessKeys(settings.export_keys, "keys export"),
        specs=lambda key, ruleset: _spec_of(settings, key, ruleset),
        rulesets=lambda: tuple(settings.book.rulesets),
        options=Options(
            docs=http.docs,
            cookies=http.cookies,
            max_body_bytes=http.max_body_kib * 1024,
            streams_per_subject=http.sse_per_subject,
            hosts=frozenset(name.lower() for name in http.hosts),
            behind_proxy=http.behind_proxy,
            is_secure=is_secure,
        ),
    )


def now_msc() -> int:
    """The wall clock, UTC milliseconds."""
    return time.time_ns() // 1_000_000


def _spec_of(settings: Settings, key: AccountKey, ruleset: str) -> AccountSpec:
    """The account of the book, guarded by another ruleset of it."""
    spec = next((one.spec for one in settings.book.accounts if one.spec.key == key), None)
    if spec is None:
        raise UserError(f"{key} came after this process had read the book: restart the process")
    initial = major(spec.initial_minor, spec.digits)
    guards = settings.book.guards_of(ruleset, spec.market.deposit, initial)
    hold_s = settings.book.rulesets[ruleset].minimum_hold_s
    return replace(spec, guards=guards, ruleset=ruleset, minimum_hold_s=hold_s)
