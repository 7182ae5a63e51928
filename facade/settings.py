"""The one file of `tidegate serve`: what it may say, checked, with the place of what is wrong.

Secrets are never in it: they lie in files of their own, or come from the environment. Every key is
in docs/settings.md, and a test holds the two together.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engine.book import Book, load_book
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.discrepancies import Policies
from engine.domain.matching import tolerances_of
from engine.domain.units import minor
from engine.errors import UserError
from engine.secret import Secret
from engine.toml_document import Document, Spot
from engine.toml_places import KeyPath
from facade.settings_keys import HttpKeys, RouteKeys, SettingsKeys

VARIABLES = {
    "token": "TIDEGATE_TELEGRAM_TOKEN",
    "secret": "TIDEGATE_WEBHOOK_SECRET",
    "password": "TIDEGATE_MAIL_PASSWORD",
}
"""Environment variables that stand for the files of the keys `token_file` and so on."""
_LITERAL = re.compile(r"(?i)(^|_)(token|secret|password|passphrase|hmac|credential)s?$")


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
        self.server_certificate = self._or(keys.link.certificate, self.certificates / "server.pem")
        self.server_key = self._or(keys.link.certificate_key, self.certificates / "server.key")
        self.terminal_keys = self._or(keys.link.terminal_keys, self.state / "terminals")
        self.access_keys = self._or(keys.access.keys, self.state / "access")
        self.export_keys = self.state / "export"

    @staticmethod
    def _under(folder: Path, name: str) -> Path:
        return folder / Path(name).expanduser()

    def _or(self, name: str | None, otherwise: Path) -> Path:
        return otherwise if name is None else self.beside(name)

    @property
    def has_own_authority(self) -> bool:
        """Whether the link's certificate is one that is made here."""
        return self.keys.link.certificate is None

    def beside(self, name: str) -> Path:
        """A file named in the settings."""
        return self._under(self.folder, name)

    def make_state(self) -> None:
        """Makes the state directory, which nobody else may look into, where it is not there.

        Raises:
            UserError: it cannot be made.
        """
        try:
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise UserError(
                f"cannot make the state directory: {error.strerror}", place=str(self.state)
            ) from error

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
            requotes=keys.requotes,
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
    _refuse_literal_secrets(document)
    keys = document.read(SettingsKeys)
    _check(Spot(document, ()), keys)
    book = load_book(path.resolve().parent / Path(keys.book).expanduser())
    return Settings(path, keys, book)


def is_settings(text: str) -> bool:
    """Whether a TOML text is the settings rather than a book: it names its book in one line."""
    try:
        return isinstance(tomllib.loads(text).get("book"), str)
    except (tomllib.TOMLDecodeError, RecursionError):
        return False


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
    if mode & 0o077 and not _is_credential(path):
        raise UserError(
            "others on this machine may read this secret", place=str(path), help="chmod 600 it"
        )
    if not content:
        raise UserError("the secret is empty", place=str(path))
    return Secret(content)


def _is_credential(path: Path) -> bool:
    """Whether systemd put it there for this unit alone: where it has to use an access list, the
    file's mode looks as if its group could read it (systemd.exec(5), LoadCredential=)."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and path.resolve().is_relative_to(Path(folder or "/").resolve())


def is_here_only(host: str) -> bool:
    """Whether only this machine can connect to what listens there."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _refuse_literal_secrets(document: Document) -> None:
    """Before anything is read: the message names the key, and never shows the line."""
    try:
        raw = tomllib.loads(document.text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return  # said better by `Document.read`
    for path in _strings(raw, ()):
        name = next(part for part in reversed(path) if isinstance(part, str))
        if not _LITERAL.search(name):
            continue
        last = name.lower().rpartition("_")[2]
        variable = VARIABLES.get(last)
        allowed = f"write it into a file of mode 0600 and name that: {last}_file = ..."
        error = document.refusal(
            path,
            f"`{name}`: a secret is never written into the settings",
            help=f"{allowed}, or set {variable}" if variable else allowed,
        )
        error.source = None
        raise error


def _strings(raw: Any, path: KeyPath) -> Iterator[KeyPath]:
    parts = raw.items() if isinstance(raw, dict) else enumerate(raw)
    for key, part in parts:
        if isinstance(part, dict | list):
            yield from _strings(part, (*path, key))
        elif any(isinstance(name, str) for name in (*path, key)):
            yield (*path, key)


def _check(spot: Spot, keys: SettingsKeys) -> None:
    """What no type says."""
    try:
        Policies(by_kind=keys.reconcile.policy)
    except ValueError as error:
        raise (spot / "reconcile" / "policy").refusal(str(error)) from None
    close, link = keys.close, keys.link
    if close.deviation_cap_points < close.deviation_points:
        raise (spot / "close" / "deviation_cap_points").refusal(
            "the cap is below `deviation_points`"
        )
    if close.hold_s <= close.ttl_s:
        raise (spot / "close" / "hold_s").refusal(
            "a hold must outlast every request", "more than `ttl_s`, 45 where nothing speaks for it"
        )
    if link.silence_s * 1000 < 2.5 * link.heartbeat_ms:
        raise (spot / "link" / "silence_s").refusal(
            "one late heartbeat would be silence", "at least 2.5 times `heartbeat_ms`"
        )
    if link.lost_s <= link.silence_s:
        raise (spot / "link" / "lost_s").refusal("must be more than `silence_s`")
    _check_pair(spot / "link", link.certificate, link.certificate_key)
    _check_http(spot / "http", keys.http)
    if keys.internal.port and keys.internal.token_file is None:
        raise (spot / "internal" / "port").refusal(
            "anybody on this machine can reach a TCP port", "name a `token_file`, or use the socket"
        )
    channels = (keys.alerts.telegram, keys.alerts.webhook, keys.alerts.mail)
    for name, channel in zip(("telegram", "webhook", "mail"), channels, strict=True):
        if channel is not None:
            _check_route(spot / "alerts" / name, channel)


def _check_pair(spot: Spot, certificate: str | None, key: str | None) -> None:
    if (certificate is None) != (key is None):
        raise spot.refusal("`certificate` and `certificate_key` go together")


def _check_http(spot: Spot, keys: HttpKeys) -> None:
    _check_pair(spot, keys.certificate, keys.certificate_key)
    if not keys.enabled or is_here_only(keys.host) or keys.certificate or keys.behind_proxy:
        return
    raise (spot / "host").refusal(
        "the API would listen beyond this machine without TLS",
        "name `certificate` and `certificate_key`, or say `behind_proxy = true` where a proxy"
        " in front ends TLS, or listen on 127.0.0.1",
    )


def _check_route(spot: Spot, keys: RouteKeys) -> None:
    if keys.levels.get("page", "on") == "off":
        raise (spot / "levels" / "page").refusal(
            "pages cannot be turned off", "leave the channel out instead"
        )
    if keys.quiet_hours is not None:
        try:
            ZoneInfo(keys.quiet_hours.zone)
        except (ValueError, OSError, KeyError):
            raise (spot / "quiet_hours" / "zone").refusal(
                f"`{keys.quiet_hours.zone}` is no time zone", "an IANA name such as Europe/Prague"
            ) from None
