"""The one file of `tidegate serve`: what it may say, checked, with the place of what is wrong.

Secrets are never in it: they lie in files of their own, or come from the environment. Every key is
in docs/settings.md, and a test holds the two together.
"""

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from engine.book import Book, load_book
from engine.domain.beliefs import Terms
from engine.domain.close_orders import Terms as CloseTerms
from engine.domain.discrepancies import Kind, Policies, Policy
from engine.domain.matching import tolerances_of
from engine.domain.units import minor
from engine.errors import UserError
from engine.secret import Secret
from engine.toml_document import Document, Spot

Text = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
From0 = Annotated[float, Meta(ge=0)]
Points = Annotated[int, Meta(ge=0, le=1_000_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class EngineKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[engine]`"""

    noun: ClassVar[str] = "[engine]"
    stale_after_s: Seconds = 60.0
    """A valuation on a quote older than this is stale."""
    keep_every: Count = 64
    """Inputs of an account after which its state is kept: a restart steps at most so many again."""


class LinkKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[link]`: where terminals come in."""

    noun: ClassVar[str] = "[link]"
    host: Text = "0.0.0.0"  # noqa: S104  terminals come from other machines; TLS and keys guard it
    port: Port = 8444
    names: Annotated[list[Text], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["localhost", "127.0.0.1"]
    )
    """Names and addresses of this machine as terminals know it: in the certificate."""
    silence_s: Seconds = 3.0
    heartbeat_ms: Annotated[int, Meta(ge=100, le=60_000)] = 1000
    connections: Count = 4096


class ReconcileKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[reconcile]`: what is compared, how strictly, and what is done."""

    noun: ClassVar[str] = "[reconcile]"
    expects_intents: bool = False
    """Whether a position that no strategy registered is a discrepancy from the first report on.
    Without it, that begins with an account's first intent."""
    confirmations: Annotated[int, Meta(ge=1, le=100)] = 2
    equity_confirmations: Annotated[int, Meta(ge=1, le=100)] = 3
    profit_tolerance: From0 = 1.0
    equity_tolerance: From0 = 1.0
    equity_tolerance_percent: Annotated[float, Meta(ge=0, le=100)] = 0.1
    bonus_is_credit: bool = False
    policy: dict[Kind, Policy] = {}


class CloseKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[close]`: how closes are driven."""

    noun: ClassVar[str] = "[close]"
    hold_s: Annotated[float, Meta(ge=10, le=600)] = 45.0
    reply_s: Seconds = 2.0
    late_s: Seconds = 5.0
    escalate_s: Seconds = 30.0
    ttl_s: Annotated[float, Meta(ge=0.5, le=60)] = 5.0
    deviation_points: Points = 20
    deviation_cap_points: Points = 160


class InternalKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[internal]`: the socket for programs on this machine, and for the shell's commands."""

    noun: ClassVar[str] = "[internal]"
    socket: Text = "tidegate.sock"


class HttpKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[http]`: the API."""

    noun: ClassVar[str] = "[http]"
    enabled: bool = True
    host: Text = "127.0.0.1"
    port: Port = 8080


class TelegramKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[alerts.telegram]`"""

    noun: ClassVar[str] = "[alerts.telegram]"
    token_file: Text
    chat: int
    users: list[int] = []
    """Telegram ids that may write to the bot; none: it only tells."""


class WebhookKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[alerts.webhook]`"""

    noun: ClassVar[str] = "[alerts.webhook]"
    url: Text
    secret_file: Text
    hosts: Annotated[list[Text], Meta(min_length=1)]
    """Hosts it may post to, with the port unless that is 443."""
    loopback_hosts: list[Text] = []


class MailKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[alerts.mail]`"""

    noun: ClassVar[str] = "[alerts.mail]"
    host: Text
    port: Port = 587
    security: Literal["tls", "starttls", "none"] = "starttls"
    user: Text | None = None
    password_file: Text | None = None
    sender: Text
    recipients: Annotated[list[Text], Meta(min_length=1)]


class AlertKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[alerts]`: whom to tell."""

    noun: ClassVar[str] = "[alerts]"
    desk_url: Text | None = None
    """Where the desk is read, for the links in alerts."""
    telegram: TelegramKeys | None = None
    webhook: WebhookKeys | None = None
    mail: MailKeys | None = None


class JournalKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[journal]`"""

    noun: ClassVar[str] = "[journal]"
    file: Text = "journal.db"
    queue: Count = 4096
    """Appends that may wait for the disk; then accounts wait."""
    anchor_file: Text | None = None
    """On another disk: where the end of the chain is noted every minute."""


class LogKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[log]`"""

    noun: ClassVar[str] = "[log]"
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class SettingsKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    noun: ClassVar[str] = "the settings"
    book: Text
    state: Text = "state"
    """Directory of journal, certificates, terminal keys and sockets."""
    engine: EngineKeys = msgspec.field(default_factory=EngineKeys)
    link: LinkKeys = msgspec.field(default_factory=LinkKeys)
    reconcile: ReconcileKeys = msgspec.field(default_factory=ReconcileKeys)
    close: CloseKeys = msgspec.field(default_factory=CloseKeys)
    journal: JournalKeys = msgspec.field(default_factory=JournalKeys)
    internal: InternalKeys = msgspec.field(default_factory=InternalKeys)
    http: HttpKeys = msgspec.field(default_factory=HttpKeys)
    alerts: AlertKeys = msgspec.field(default_factory=AlertKeys)
    log: LogKeys = msgspec.field(default_factory=LogKeys)


class Settings:
    """Settings and their book, with every path made absolute."""

    def __init__(self, path: Path, keys: SettingsKeys, book: Book) -> None:
        self.path = path
        self.keys = keys
        self.book = book
        self.folder = path.resolve().parent
        self.state = self._under(self.folder, keys.state)
        self.journal = self._under(self.state, keys.journal.file)
        self.socket = self._under(self.state, keys.internal.socket)
        self.certificates = self.state / "certificates"
        self.terminal_keys = self.state / "terminals"

    @staticmethod
    def _under(folder: Path, name: str) -> Path:
        return folder / Path(name).expanduser()

    def beside(self, name: str) -> Path:
        """A file named in the settings."""
        return self._under(self.folder, name)

    def terms_of(self, currency: str, digits: int) -> Terms:
        """How accounts in this currency are compared, without what is the account's own."""
        keys = self.keys.reconcile
        tolerances = {one.symbol: tolerances_of(one) for one in self.book.instruments}
        del currency
        return Terms(
            digits=digits,
            tolerances=tolerances,
            policies=Policies(
                by_kind=keys.policy,
                confirmations=keys.confirmations,
                equity_confirmations=keys.equity_confirmations,
            ),
            profit_tolerance_minor=minor(keys.profit_tolerance, digits),
            equity_tolerance_minor=minor(keys.equity_tolerance, digits),
            equity_tolerance_percent=keys.equity_tolerance_percent,
            bonus_is_credit=keys.bonus_is_credit,
        )

    def close_terms(self) -> CloseTerms:
        """How closes are driven."""
        keys = self.keys.close
        return CloseTerms(
            hold_ms=round(keys.hold_s * 1000),
            reply_ms=round(keys.reply_s * 1000),
            late_ms=round(keys.late_s * 1000),
            escalate_ms=round(keys.escalate_s * 1000),
            ttl_ms=round(keys.ttl_s * 1000),
            deviation_points=keys.deviation_points,
            deviation_cap_points=keys.deviation_cap_points,
        )


def read_settings(path: Path) -> Settings:
    """The settings in a file, and the book they name.

    Raises:
        UserError: one of them cannot be read, or says something that cannot be; names the place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("cannot read the settings", place=str(path)) from error
    document = Document(str(path), text)
    keys = document.read(SettingsKeys)
    spot = Spot(document, ())
    try:
        Policies(by_kind=keys.reconcile.policy)
    except ValueError as error:
        raise (spot / "reconcile" / "policy").refusal(str(error)) from None
    if keys.close.deviation_cap_points < keys.close.deviation_points:
        raise (spot / "close" / "deviation_cap_points").refusal(
            "the cap is below `deviation_points`"
        )
    if keys.close.hold_s <= keys.close.ttl_s:
        raise (spot / "close" / "hold_s").refusal(
            "a hold must outlast every request", "more than `ttl_s`, 45 where nothing speaks for it"
        )
    book = load_book(path.resolve().parent / Path(keys.book).expanduser())
    if not book.accounts:
        raise (spot / "book").refusal("the book has no account to guard")
    return Settings(path, keys, book)


def read_secret(path: Path, variable: str) -> Secret:
    """A secret from the environment, else from its file, which nobody else may read.

    Raises:
        UserError: it is in neither place, or others may read the file.
    """
    value = os.environ.get(variable)
    if value:
        return Secret(value.strip().encode())
    try:
        mode = path.stat().st_mode
        content = path.read_bytes().strip()
    except OSError as error:
        raise UserError(
            f"the secret cannot be read: {error.strerror}",
            place=str(path),
            help=f"write it there (mode 0600), or set {variable}",
        ) from error
    if mode & 0o077:
        raise UserError(
            "others on this machine may read this secret", place=str(path), help="chmod 600 it"
        )
    if not content:
        raise UserError("the secret is empty", place=str(path))
    return Secret(content)
