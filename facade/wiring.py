"""The composition root: the one module that knows both the facade and the adapters."""

import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import trio
from msgspec.structs import replace

from adapters.mt5.certificates import (
    CertificateFiles,
    make_certificates,
    renew_server_certificate,
    server_context,
    thumbprints,
)
from adapters.mt5.door import GatewaySettings
from adapters.mt5.gateway import Gateway
from adapters.mt5.keys import KeyDirectory
from adapters.notify import templates
from adapters.notify.channel import Channel
from adapters.notify.mail import MailChannel, MailServer, Security
from adapters.notify.outbox import AlertOutbox
from adapters.notify.reaching import reach_mail, reach_telegram, reach_webhook
from adapters.notify.routes import Loudness, QuietHours, Route
from adapters.notify.telegram import TelegramBot, TelegramChannel
from adapters.notify.webhook import WebhookChannel
from adapters.sqlite.audit import SqliteAuditTrail, open_audit, verify_audit
from adapters.sqlite.chain import Head, parse_head
from adapters.sqlite.journal import SqliteEpochs, SqliteJournal, open_journal
from adapters.sqlite.marker import marker_of
from adapters.sqlite.schema import connect_to_read
from adapters.sqlite.verification import Verification, export, verify
from adapters.tick_files.convert import Converted, convert
from adapters.tick_files.inspect import Inspection, inspect
from adapters.tick_files.synthesize import SyntheticFile, synthesize
from engine.alerting import Alerting
from engine.alerts import Level
from engine.audit import AuditHead
from engine.book_accounts import BookAccount
from engine.clock import Clock, SteadyClock, SystemClock
from engine.domain.ids import AccountKey
from engine.errors import JournalError, UserError
from engine.link import Handed, TerminalCommand
from engine.live_engine import EngineSettings, LiveAccount, LiveEngine
from engine.recovery import Recovery, recover
from engine.secret import Secret
from engine.terminals import LinkTerminals
from facade.anchors import keep_anchors
from facade.doctor import Tools
from facade.settings import VARIABLES, Settings, read_secret
from facade.settings_keys import RouteKeys

words: Any = templates
"""The words of alerts."""


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


def journal_tools() -> JournalTools:
    """The tools for journals."""
    return JournalTools(verify, export, parse_head)


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


class _Link:
    """The sending side of a gateway that is made after what sends."""

    def __init__(self) -> None:
        self.gateway: Gateway | None = None

    def send_nowait(self, key: AccountKey, command: TerminalCommand) -> Handed:
        """See `LinkPort.send_nowait`."""
        if self.gateway is None:
            return Handed.NOT_LINKED
        return self.gateway.send_nowait(key, command)

    def is_linked(self, key: AccountKey) -> bool:
        """See `LinkPort.is_linked`."""
        return self.gateway is not None and self.gateway.is_linked(key)


class _BookKeys:
    """Keys of the accounts in the book alone: others are nobody's to guard, so they stay out."""

    def __init__(self, directory: KeyDirectory, accounts: Sequence[AccountKey]) -> None:
        self._directory = directory
        self._accounts = frozenset(accounts)

    def keys_of(self, account: AccountKey) -> Sequence[Secret]:
        """See `KeyRing.keys_of`."""
        return self._directory.keys_of(account) if account in self._accounts else ()


@dataclass(frozen=True)
class Floor:
    """A running engine and what is around it."""

    engine: LiveEngine
    gateway: Gateway
    journal: SqliteJournal
    outbox: AlertOutbox
    clock: Clock
    address: tuple[str, int]
    """Where terminals link."""
    thumbprint: str
    replayed: int
    """Inputs stepped again at the start."""


@asynccontextmanager
async def open_floor(
    settings: Settings, *, on_crash: Callable[[AccountKey, str], None] | None = None
) -> AsyncIterator[Floor]:
    """The engine of these settings, guarding; stopped in good order at the end.

    Raises:
        UserError: keys, certificates or the journal are not as they should be.
        AdapterError: the disk, or the port is taken.
        ExceptionGroup: of `JournalError`: it failed, nothing may be acknowledged any more.
    """
    keys = settings.keys
    clock = SteadyClock(SystemClock())
    settings.make_state()
    certificates_of(settings)
    thumbprint = thumbprints(settings.server_certificate).sha256
    tls = server_context(settings.server_certificate, settings.server_key)
    settings.journal.parent.mkdir(parents=True, exist_ok=True)
    async with open_journal(settings.journal, queue_appends=keys.journal.queue) as journal:
        accounts = [
            _live_account(settings, account, await recover(account.spec.key, journal))
            for account in settings.book.accounts
        ]
        link = _Link()
        engine = LiveEngine(
            accounts,
            settings.book.instruments,
            settings.book.feed_guards,
            journal,
            journal,
            LinkTerminals(link, clock),
            clock,
            settings=EngineSettings(
                stale_after_ms=round(keys.engine.stale_after_s * 1000),
                keep_every=keys.engine.keep_every,
            ),
            on_crash=on_crash,
        )
        ring = _BookKeys(terminal_keys(settings), engine.keys())
        gateway = Gateway(
            engine.sink, ring, SqliteEpochs(journal), clock, _gateway_settings(settings)
        )
        link.gateway = gateway
        outbox = alert_outbox(settings, clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(outbox.run)
            nursery.start_soon(_note_heads, settings, journal)
            await nursery.start(_run_engine, engine, outbox, clock)
            for feed in engine.feeds:
                gateway.want_symbols(feed, engine.symbols_of(feed))
            alerting = Alerting(engine, outbox, words, clock, keys.alerts.desk_url)
            await nursery.start(alerting.run)
            address = await _listen(nursery, gateway, tls, settings)
            around = engine.surroundings
            around.listening = f"{address[0]}:{address[1]}"
            around.thumbprint = thumbprint
            around.journal_failure = lambda: journal.failure
            around.refused = lambda: gateway.statistics().refused
            around.linked = lambda: gateway.statistics().links
            replayed = sum(account.recovery.replayed for account in accounts)
            floor = Floor(engine, gateway, journal, outbox, clock, address, thumbprint, replayed)
            try:
                yield floor
            finally:
                with trio.CancelScope(shield=True):
                    await _close(floor)
                nursery.cancel_scope.cancel()


async def _run_engine(
    engine: LiveEngine, outbox: AlertOutbox, clock: Clock, *, task_status: trio.TaskStatus[None]
) -> None:
    """Runs it; a journal that fails is told to people before all else ends."""
    try:
        await engine.run(task_status=task_status)
    except* JournalError as group:
        failed: BaseException = group
        while isinstance(failed, BaseExceptionGroup):
            failed = failed.exceptions[0]
        await outbox.notify(templates.journal_error(str(failed), clock.wall_msc()))
        await outbox.drain(4.0)
        raise


async def _note_heads(settings: Settings, journal: SqliteJournal) -> None:
    keys = settings.keys.journal
    file = None if keys.anchor_file is None else settings.beside(keys.anchor_file)
    await keep_anchors(journal.head, keys.anchor_s, file, to_syslog=keys.anchor_syslog)


async def _listen(
    nursery: trio.Nursery, gateway: Gateway, tls: ssl.SSLContext, settings: Settings
) -> tuple[str, int]:
    keys = settings.keys.link
    addresses: list[tuple[str, int]] = await nursery.start(gateway.serve, tls, keys.host, keys.port)
    return addresses[0]


async def _close(floor: Floor) -> None:
    """Ends links, lets accounts finish and alerts go out; each within its time."""
    with trio.move_on_after(1.0):
        await floor.gateway.stop(0.5)
    await floor.engine.stop(1.5)
    await floor.outbox.drain(0.5)


def _live_account(settings: Settings, account: BookAccount, recovery: Recovery) -> LiveAccount:
    spec = account.spec
    terms = settings.terms_of(spec.market.deposit, spec.market.digits)
    tolerances = dict(terms.tolerances)
    if account.match_pips is not None:
        for symbol, one in tolerances.items():
            tolerances[symbol] = replace(one, match_pips=account.match_pips)
    return LiveAccount(
        spec=spec,
        terms=replace(terms, aliases=dict(account.aliases), tolerances=tolerances),
        close_terms=settings.close_terms(),
        expects=settings.keys.reconcile.expects_intents,
        recovery=recovery,
    )


def _gateway_settings(settings: Settings) -> GatewaySettings:
    keys = settings.keys.link
    return GatewaySettings(
        silence_s=keys.silence_s,
        lost_s=keys.lost_s,
        heartbeat_ms=keys.heartbeat_ms,
        connections=keys.connections,
        unproved=keys.unproved,
        per_address=keys.per_address,
    )


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
