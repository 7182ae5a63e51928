"""Every key of the settings file, with its type, its bounds and its default.

Each key is a row of docs/settings.md; a test holds the two together, in both directions.
"""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from engine.domain.discrepancies import Kind, Policy

Text = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
From0 = Annotated[float, Meta(ge=0)]
Points = Annotated[int, Meta(ge=0, le=1_000_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Confirmations = Annotated[int, Meta(ge=1, le=100)]
TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Loudness = Literal["on", "silent", "off"]
Level = Literal["page", "notify", "log"]


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
    certificate: Text | None = None
    """A certificate of somebody else's authority (PEM, chain included) in place of our own."""
    certificate_key: Text | None = None
    terminal_keys: Text | None = None
    """Directory of terminal keys; `terminals` in the state directory."""
    silence_s: Seconds = 3.0
    lost_s: Seconds = 30.0
    heartbeat_ms: Annotated[int, Meta(ge=100, le=60_000)] = 1000
    connections: Count = 4096
    unproved: Count = 256
    per_address: Count = 2048


class ReconcileKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[reconcile]`: what is compared, how strictly, and what is done."""

    noun: ClassVar[str] = "[reconcile]"
    expects_intents: bool = False
    """Whether a position that no strategy registered is a discrepancy from the first report on.
    Without it, that begins with an account's first intent."""
    confirmations: Confirmations = 2
    equity_confirmations: Confirmations = 3
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
    requotes: Annotated[int, Meta(ge=0, le=100)] = 5
    deviation_points: Points = 20
    deviation_cap_points: Points = 160


class JournalKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[journal]`"""

    noun: ClassVar[str] = "[journal]"
    file: Text = "journal.db"
    queue: Count = 4096
    """Appends that may wait for the disk; then accounts wait."""
    anchor_file: Text | None = None
    """On another disk: where the end of the chain is noted every minute."""
    anchor_syslog: bool = False
    anchor_s: Annotated[float, Meta(ge=1, le=86_400)] = 60.0


class InternalKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[internal]`: the socket for programs on this machine, and for the shell's commands."""

    noun: ClassVar[str] = "[internal]"
    socket: Text = "tidegate.sock"
    port: Port = 0
    """Of TCP on the loopback address; 0: none."""
    token_file: Text | None = None
    """What a program on the TCP port must prove to know."""
    users: list[Text] = []
    """Other users of this machine who may read there, and lower risk."""


class HttpKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[http]`: the API and the dashboard."""

    noun: ClassVar[str] = "[http]"
    enabled: bool = True
    host: Text = "127.0.0.1"
    port: Port = 8080
    certificate: Text | None = None
    certificate_key: Text | None = None
    behind_proxy: bool = False
    """Something in front ends TLS: only then may the API listen beyond this machine without it."""
    hosts: list[Text] = []
    """Host names it answers to; none: any."""
    docs: bool = True
    cookies: bool = True
    requests_per_minute: Count = 600
    unauthenticated_per_minute: Count = 60
    max_body_kib: Annotated[int, Meta(ge=1, le=65_536)] = 64
    max_connections: Count = 1000
    sse_per_subject: Count = 5


class AccessKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[access]`: whose tokens the API takes."""

    noun: ClassVar[str] = "[access]"
    issuer: Text = "tidegate"
    audience: Text = "tidegate"
    keys: Text | None = None
    """Directory of the public keys, one a file, named by their id; `access` in the state."""
    max_lifetime_s: Annotated[int, Meta(ge=30, le=86_400)] = 900
    tenants: dict[Text, list[Text]] = {}
    """By name, the accounts (`SERVER/LOGIN`) that a tenant's tokens open."""


class QuietHoursKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[alerts.*.quiet_hours]`"""

    noun: ClassVar[str] = "quiet_hours"
    zone: Text
    from_: TimeOfDay = msgspec.field(name="from")
    to: TimeOfDay


class RouteKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What all channels have."""

    levels: dict[Level, Loudness] = {}
    kinds: dict[Text, Loudness] = {}
    quiet_hours: QuietHoursKeys | None = None


class TelegramKeys(RouteKeys, forbid_unknown_fields=True, kw_only=True):
    """`[alerts.telegram]`"""

    noun: ClassVar[str] = "[alerts.telegram]"
    token_file: Text
    chat: int
    users: list[int] = []
    """Telegram ids that may write to the bot; none: it only tells."""


class WebhookKeys(RouteKeys, forbid_unknown_fields=True, kw_only=True):
    """`[alerts.webhook]`"""

    noun: ClassVar[str] = "[alerts.webhook]"
    url: Text
    secret_file: Text
    hosts: Annotated[list[Text], Meta(min_length=1)]
    """Hosts it may post to, with the port unless that is 443."""
    loopback_hosts: list[Text] = []


class MailKeys(RouteKeys, forbid_unknown_fields=True, kw_only=True):
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
    repeat_s: Seconds = 300.0
    """An alert of the same key within so long is told once."""
    telegram: TelegramKeys | None = None
    webhook: WebhookKeys | None = None
    mail: MailKeys | None = None


class LogKeys(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`[log]`"""

    noun: ClassVar[str] = "[log]"
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"
    file: Text | None = None
    """Written to instead of stderr; never rotated here."""


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
    access: AccessKeys = msgspec.field(default_factory=AccessKeys)
    alerts: AlertKeys = msgspec.field(default_factory=AlertKeys)
    log: LogKeys = msgspec.field(default_factory=LogKeys)
