"""Wires the running engine: journal, gateway, alerts, audit trail and metrics around it."""

import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import structlog
import trio
from msgspec.structs import replace

from adapters.mt5.certificates import (
    server_context,
    thumbprints,
)
from adapters.mt5.door import GatewaySettings
from adapters.mt5.gateway import Gateway
from adapters.mt5.keys import KeyDirectory
from adapters.notify import templates
from adapters.notify.chat import Chat
from adapters.notify.outbox import AlertOutbox
from adapters.notify.telegram import TelegramBot
from adapters.notify.telegram_reader import TelegramReader
from adapters.sqlite.audit import open_audit
from adapters.sqlite.equity import open_equity
from adapters.sqlite.journal import SqliteEpochs, SqliteJournal, open_journal
from adapters.sqlite.tape import open_tapes
from engine.alerting import Alerting
from engine.audit import AuditTrail
from engine.book_accounts import BookAccount
from engine.clock import Clock, SteadyClock, SystemClock
from engine.domain.account import MarginMode
from engine.domain.ids import AccountKey
from engine.equity_kept import EquityKeeper, EquityStore
from engine.errors import JournalError
from engine.live_engine import EngineSettings, LiveAccount, LiveEngine
from engine.operations import DeskOperations
from engine.ports import Operations
from engine.recovery import Recovery, recover
from engine.secret import Secret
from engine.stuck import cuts
from engine.tapes import TapeStore
from engine.terminals import LateLink, LinkTerminals
from facade.anchors import keep_anchors
from facade.audit import CountedTrail
from facade.metrics import Metrics
from facade.settings import VARIABLES, Settings, read_secret
from facade.wiring import alert_outbox, certificates_of, terminal_keys

log = structlog.get_logger("tidegate.floor")
words: Any = templates
"""The words of alerts."""


class BookKeys:
    """Keys of the accounts in the book alone: others are nobody's to guard, so they stay out."""

    def __init__(self, directory: KeyDirectory, accounts: Sequence[AccountKey]) -> None:
        self._directory = directory
        self._accounts = set(accounts)

    def admit(self, account: AccountKey) -> None:
        """It is in the book."""
        self._accounts.add(account)

    def forget(self, account: AccountKey) -> None:
        """It is in the book no more."""
        self._accounts.discard(account)

    def keys_of(self, account: AccountKey) -> Sequence[Secret]:
        """See `KeyRing.keys_of`."""
        return self._directory.keys_of(account) if account in self._accounts else ()


@dataclass(frozen=True)
class Floor:
    """A running engine and what is around it."""

    engine: LiveEngine
    gateway: Gateway
    ring: BookKeys
    journal: SqliteJournal
    outbox: AlertOutbox
    alerting: Alerting
    trail: AuditTrail
    """Who asked for what."""
    metrics: Metrics
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
    clock = SteadyClock(SystemClock())
    settings.make_state()
    certificates_of(settings)
    thumbprint = thumbprints(settings.server_certificate).sha256
    tls = server_context(settings.server_certificate, settings.server_key)
    settings.journal.parent.mkdir(parents=True, exist_ok=True)
    queue = settings.keys.journal.queue
    metrics = Metrics()
    commit = partial(metrics.observe, "journal_commit")
    async with (
        open_journal(settings.journal, queue_appends=queue, on_commit=commit) as journal,
        open_audit(settings.state / "audit.db") as audit,
        open_equity(settings.state / "equity.db") as equity_store,
        open_tapes(settings.state / "tapes.db") as tape_store,
    ):
        accounts = await _accounts(settings, journal)
        trail = CountedTrail(audit, lambda: metrics.count("audit_events"))
        engine, gateway, ring = _engine(settings, accounts, journal, clock, metrics, on_crash)
        outbox = alert_outbox(settings, clock)
        alerting = Alerting(
            engine, outbox, words, clock, settings.keys.alerts.desk_url, meter=metrics
        )
        metrics.watch("alerts_sent", lambda: sent_by_channel(outbox))
        async with trio.open_nursery() as nursery:
            await nursery.start(outbox.run)
            nursery.start_soon(_note_heads, settings, journal, outbox, clock)
            keeper = _equity_keeper(engine, equity_store, clock, alerting)
            await keeper.load()
            await nursery.start(_run_engine, engine, outbox, clock)
            nursery.start_soon(keeper.run)
            await nursery.start(alerting.run)
            await nursery.start(metrics.run, engine)
            reader = telegram_reader(settings, DeskOperations(engine, trail), outbox, clock)
            if reader is not None:
                nursery.start_soon(reader.run)
            address = await _listen(nursery, gateway, tls, settings)
            _tell_surroundings(engine, gateway, journal, tape_store, address, thumbprint)
            replayed = sum(account.recovery.replayed for account in accounts)
            floor = Floor(
                engine,
                gateway,
                ring,
                journal,
                outbox,
                alerting,
                trail,
                metrics,
                clock,
                address,
                thumbprint,
                replayed,
            )
            try:
                yield floor
            finally:
                with trio.CancelScope(shield=True):
                    await _close(floor, keeper)
                nursery.cancel_scope.cancel()


async def _accounts(settings: Settings, journal: SqliteJournal) -> list[LiveAccount]:
    """The accounts of the book, each with its past."""
    return [
        live_account(settings, account, await recover(account.spec.key, journal))
        for account in settings.book.accounts
    ]


def _engine(
    settings: Settings,
    accounts: Sequence[LiveAccount],
    journal: SqliteJournal,
    clock: Clock,
    metrics: Metrics,
    on_crash: Callable[[AccountKey, str], None] | None,
) -> tuple[LiveEngine, Gateway, BookKeys]:
    """The engine, the gateway that feeds it, and the keys of who may come in there."""
    metrics.watch("account_steps_cut_short", lambda: {"": cuts()})
    keys = settings.keys
    link = LateLink()
    engine = LiveEngine(
        accounts,
        settings.book.instruments,
        settings.book.feed_guards,
        journal,
        journal,
        LinkTerminals(link, clock),
        clock,
        meter=metrics,
        settings=EngineSettings(
            stale_after_ms=round(keys.engine.stale_after_s * 1000),
            keep_every=keys.engine.keep_every,
        ),
        on_crash=on_crash,
    )
    ring = BookKeys(terminal_keys(settings), engine.keys())
    gateway = Gateway(engine.sink, ring, SqliteEpochs(journal), clock, _gateway_settings(settings))
    link.gateway = gateway
    for feed in engine.feeds:
        gateway.want_symbols(feed, engine.symbols_of(feed))
    return engine, gateway, ring


def _equity_keeper(
    engine: LiveEngine, store: EquityStore, clock: Clock, alerting: Alerting
) -> EquityKeeper:
    """Accounts are guarded without it as well: a disk that fails is told, and tried again."""

    def failed(cause: str) -> None:
        log.error("equity over time is not kept", cause=cause)
        alerting.equity_not_kept(cause)

    def recovered() -> None:
        log.info("equity over time is kept again")
        alerting.equity_kept_again()

    keeper = EquityKeeper(engine.histories, store, clock.wall_msc, failed, recovered)
    engine.surroundings.equity_failure = lambda: keeper.failure
    return keeper


def _not_taped(cause: str) -> None:
    log.error("the ticks of a breach are not kept", cause=cause)


def _tell_surroundings(
    engine: LiveEngine,
    gateway: Gateway,
    journal: SqliteJournal,
    tape_store: TapeStore,
    address: tuple[str, int],
    thumbprint: str,
) -> None:
    engine.tapes.store, engine.tapes.on_failure = tape_store, _not_taped
    around = engine.surroundings
    around.listening = f"{address[0]}:{address[1]}"
    around.thumbprint = thumbprint
    around.journal_failure = lambda: journal.failure
    around.refused = lambda: gateway.statistics().refused
    around.linked = lambda: gateway.statistics().links


def sent_by_channel(outbox: AlertOutbox) -> dict[str, int]:
    """Alerts each channel accepted so far."""
    return {name: lane.sent for name, lane in outbox.statistics().routes.items()}


def telegram_reader(
    settings: Settings, operations: Operations, outbox: AlertOutbox, clock: Clock
) -> TelegramReader | None:
    """What answers in the chat; None where nobody may write there."""
    keys = settings.keys.alerts.telegram
    if keys is None or not keys.users:
        return None
    token = read_secret(settings.beside(keys.token_file), VARIABLES["token"])
    bot = TelegramBot(token)
    return TelegramReader(bot, Chat(operations, outbox, clock), keys.users, Random().random)  # noqa: S311


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


async def _note_heads(
    settings: Settings, journal: SqliteJournal, outbox: AlertOutbox, clock: Clock
) -> None:
    keys = settings.keys.journal
    file = None if keys.anchor_file is None else settings.beside(keys.anchor_file)

    async def on_failure(place: str, failures: int, cause: str) -> None:
        if failures == 1:  # again only after it had worked
            await outbox.notify(templates.head_not_noted(place, cause, clock.wall_msc()))

    await keep_anchors(
        journal.head, keys.anchor_s, file, to_syslog=keys.anchor_syslog, on_failure=on_failure
    )


async def _listen(
    nursery: trio.Nursery, gateway: Gateway, tls: ssl.SSLContext, settings: Settings
) -> tuple[str, int]:
    keys = settings.keys.link
    addresses: list[tuple[str, int]] = await nursery.start(gateway.serve, tls, keys.host, keys.port)
    return addresses[0]


async def _close(floor: Floor, keeper: EquityKeeper) -> None:
    """Ends links, lets accounts finish and alerts go out; each within its time."""
    with trio.move_on_after(1.0):
        await floor.gateway.stop(0.5)
    await floor.engine.stop(1.5)
    await floor.outbox.drain(0.5)
    with trio.move_on_after(1.0):
        await keeper.keep()
    with trio.move_on_after(0.5):
        await floor.engine.tapes.flush()


def live_account(settings: Settings, account: BookAccount, recovery: Recovery) -> LiveAccount:
    """An account of the book, with its past, as the engine takes it."""
    spec = account.spec
    terms = settings.terms_of(spec.market.deposit, spec.market.digits)
    tolerances = dict(terms.tolerances)
    if account.match_pips is not None:
        for symbol, one in tolerances.items():
            tolerances[symbol] = replace(one, match_pips=account.match_pips)
    return LiveAccount(
        spec=spec,
        terms=replace(
            terms,
            aliases=dict(account.aliases),
            tolerances=tolerances,
            nets=spec.margin_mode is MarginMode.NETTING,
        ),
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
