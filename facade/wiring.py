"""The composition root: the one module that knows both the facade and the adapters."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    closing,
)
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from adapters.mt5.agent import Agent, AgentSettings
from adapters.mt5.agent_package import load_package
from adapters.mt5.certificates import (
    CertificateFiles,
    client_context,
    make_certificates,
    pin_of,
    pinning_context,
    renew_server_certificate,
    server_context,
    thumbprints,
)
from adapters.mt5.keys import KeyDirectory, key_from_hex
from adapters.notify.channel import Channel
from adapters.notify.mail import MailChannel, MailServer, Security
from adapters.notify.outbox import AlertOutbox
from adapters.notify.reaching import reach_mail, reach_telegram, reach_webhook
from adapters.notify.routes import Loudness, QuietHours, Route
from adapters.notify.telegram import TelegramBot, TelegramChannel
from adapters.notify.webhook import WebhookChannel
from adapters.sqlite.audit import SqliteAuditTrail, open_audit, verify_audit
from adapters.sqlite.chain import Head, parse_head
from adapters.sqlite.marker import marker_of
from adapters.sqlite.reading import SqliteReader, open_reader
from adapters.sqlite.schema import connect_to_read
from adapters.sqlite.verification import Verification, export, verify
from adapters.tick_files.convert import Converted, convert
from adapters.tick_files.inspect import Inspection, inspect
from adapters.tick_files.synthesize import SyntheticFile, synthesize
from engine.alerts import Level
from engine.audit import AuditHead
from engine.clock import Clock, SystemClock
from engine.errors import UserError
from facade.doctor import Tools
from facade.settings import VARIABLES, Settings, read_secret
from facade.settings_keys import RouteKeys


@dataclass(frozen=True)
class TickTools:
    """What the `ticks` commands do their work with."""

    convert: Callable[..., Converted]
    inspect: Callable[..., Inspection]
    synthesize: Callable[..., tuple[SyntheticFile, ...]]
    without_news: dict[str, Any]
    """Arguments of `synthesize` for a sample in which nothing jumps."""


def tick_tools() -> TickTools:
    """The tools for tick files."""
    return TickTools(convert, inspect, synthesize, {"news": None})


@dataclass(frozen=True)
class JournalTools:
    """What the `journal` commands do their work with."""

    verify: Callable[..., Verification]
    export: Callable[..., int]
    parse_head: Callable[[str], Head | None]
    reader: Callable[[Path], AbstractContextManager[SqliteReader]]


def journal_tools() -> JournalTools:
    """The tools for journals."""
    return JournalTools(verify, export, parse_head, open_reader)


@dataclass(frozen=True)
class AuditTools:
    """What the `audit` commands and the API do their work with."""

    verify: Callable[..., str | AuditHead]
    open: Callable[..., AbstractAsyncContextManager[SqliteAuditTrail]]


def audit_tools() -> AuditTools:
    """The tools for the audit trail."""
    return AuditTools(verify_audit, open_audit)


def terminal_keys(settings: Settings) -> KeyDirectory:
    """The keys of terminals."""
    return KeyDirectory(settings.terminal_keys)


def certificates_of(settings: Settings) -> CertificateFiles:
    """The certificates of the link, made at the first asking, unless they are another's.

    Raises:
        UserError: they cannot be written.
    """
    files = CertificateFiles(settings.certificates)
    if settings.has_own_authority and not files.server.exists():
        files = make_certificates(
            settings.certificates, settings.keys.link.names, datetime.now(UTC)
        )
    return files


def authority_of(settings: Settings) -> dict[str, str]:
    """What terminals know the engine by: thumbprints, and where the authority's file is."""
    files = certificates_of(settings)
    prints = thumbprints(settings.server_certificate)
    told = {
        "sha1": prints.sha1,
        "sha256": prints.sha256,
        "certificate": str(settings.server_certificate),
    }
    return told | ({"authority": str(files.authority)} if settings.has_own_authority else {})


def renew_certificate(settings: Settings) -> None:
    """Replaces the link's certificate by a new one, of the same authority, for today's names.

    Raises:
        UserError: it is another authority's, or ours cannot be read.
    """
    if not settings.has_own_authority:
        raise UserError(
            "another authority made this certificate", place=str(settings.server_certificate)
        )
    files = CertificateFiles(settings.certificates)
    renew_server_certificate(files, settings.keys.link.names, datetime.now(UTC))


def alert_outbox(settings: Settings, clock: Clock) -> AlertOutbox:
    """The outbox with the channels the settings name.

    Raises:
        UserError: a secret cannot be read, or a channel is not allowed.
    """
    keys = settings.keys.alerts
    routes: list[tuple[Route, Channel]] = []
    if keys.telegram is not None:
        token = read_secret(settings.beside(keys.telegram.token_file), "TIDEGATE_TELEGRAM_TOKEN")
        bot = TelegramBot(token)
        routes.append(
            (route_of("telegram", keys.telegram), TelegramChannel(bot, keys.telegram.chat))
        )
    if keys.webhook is not None:
        secret = read_secret(settings.beside(keys.webhook.secret_file), "TIDEGATE_WEBHOOK_SECRET")
        channel = WebhookChannel(
            keys.webhook.url,
            secret,
            hosts=keys.webhook.hosts,
            loopback_hosts=keys.webhook.loopback_hosts,
            wall_msc=clock.wall_msc,
        )
        routes.append((route_of("webhook", keys.webhook), channel))
    if keys.mail is not None:
        password = None
        if keys.mail.password_file is not None:
            path = settings.beside(keys.mail.password_file)
            password = read_secret(path, "TIDEGATE_MAIL_PASSWORD")
        server = MailServer(
            keys.mail.host, keys.mail.port, Security(keys.mail.security), keys.mail.user, password
        )
        mail = MailChannel(server, keys.mail.sender, keys.mail.recipients)
        routes.append((route_of("mail", keys.mail), mail))
    return AlertOutbox(routes, clock, Random(), repeat_s=keys.repeat_s)  # noqa: S311  spreads retries


def route_of(name: str, keys: RouteKeys) -> Route:
    """How loud a channel is, by what its table says; the rest as `Route` has it."""
    route = Route(name)
    levels = {Level(level): Loudness(loud) for level, loud in keys.levels.items()}
    kinds = {kind: Loudness(loud) for kind, loud in keys.kinds.items()}
    hours = keys.quiet_hours
    quiet = None
    if hours is not None:
        quiet = QuietHours(ZoneInfo(hours.zone), _minute_of(hours.from_), _minute_of(hours.to))
    return Route(name, levels={**route.levels, **levels}, kinds=kinds, quiet_hours=quiet)


def _minute_of(time_of_day: str) -> int:
    hour, _, minute = time_of_day.partition(":")
    return int(hour) * 60 + int(minute)


def agent_of(
    host: str,
    port: int,
    key_file: Path,
    *,
    authority: Path | None,
    pins: Sequence[str] = (),
    **more: Any,
) -> Agent:
    """The agent beside the terminal of this machine.

    The engine is known by a certificate of the authority, by a pinned one, or by both.

    Raises:
        UserError: the package, the authority or the key is not there, or nothing tells how to
            know the engine.
    """
    if authority is None and not pins:
        raise UserError("how is the engine known?", help="--authority ca.pem, or --thumbprint")
    taken = frozenset(pin_of(text) for text in pins)
    tls = pinning_context() if authority is None else client_context(authority)
    key = key_from_hex(
        read_secret(key_file, "TIDEGATE_TERMINAL_KEY").reveal().decode(), str(key_file)
    )
    settings = AgentSettings(host=host, port=port, tls=tls, pins=taken, key=key, **more)
    return Agent(load_package(), settings)


def doctor_tools() -> Tools:
    """What `tidegate doctor` looks through."""
    return Tools(
        key_owners=lambda path: [one.account for one in KeyDirectory(path).names()],
        load_certificate=server_context,
        read_journal=_read_journal,
        journal_marker=marker_of,
        make_channels=lambda settings: alert_outbox(settings, SystemClock()),
        reach=_reached,
    )


def _read_journal(path: Path) -> str:
    with closing(connect_to_read(path)) as connection:
        ((records, accounts),) = connection.execute(
            "SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM account)"
        )
    size_mib = path.stat().st_size / 2**20
    return f"{records} records of {accounts} accounts, {size_mib:.1f} MiB, of this schema"


def _reached(settings: Settings) -> Iterator[tuple[str, Callable[[], str]]]:
    """The channels that are set, and what tries to reach each."""
    keys = settings.keys.alerts
    if keys.telegram is not None:
        token_file = settings.beside(keys.telegram.token_file)
        yield (
            "telegram",
            lambda: reach_telegram(TelegramBot(read_secret(token_file, VARIABLES["token"]))),
        )
    if keys.webhook is not None:
        hook = keys.webhook
        yield "webhook", lambda: reach_webhook(hook.url, hook.hosts, hook.loopback_hosts, None)
    if keys.mail is not None:
        relay = MailServer(keys.mail.host, keys.mail.port, Security(keys.mail.security))
        yield "mail", lambda: reach_mail(relay)
