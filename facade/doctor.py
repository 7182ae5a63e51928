"""What `tidegate doctor` looks at: is this machine fit to serve these settings, and if not, why.

Each check is a row: ok, warning (it serves, but), or failed (it does not serve). Nothing is
changed, except that what is compiled ahead of time is compiled, and kept where there is room.
"""

import errno
import os
import shutil
import socket
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
from cryptography import x509

from engine.client.blocking import Client
from engine.desk import Health
from engine.domain.ids import AccountKey
from engine.errors import OutsideError, UserError
from facade.settings import VARIABLES, Settings, read_secret

State = Literal["ok", "warning", "failed"]

_RENEW_WITHIN = timedelta(days=30)
_LITTLE_BYTES = 1 << 30
_NO_BYTES = 100 << 20
_SLOW_S = 5.0
_CONNECT_S = 2.0
_LAG_MS = 100.0
_STALE_MS = 60_000


class Finding(msgspec.Struct, frozen=True):
    """One row."""

    check: str
    state: State
    said: str
    help: str | None = None


class Tools(msgspec.Struct, frozen=True):
    """What the checks need of the adapters; `wiring.doctor_tools` makes them."""

    key_owners: Callable[[Path], Sequence[AccountKey]]
    """The accounts of the keys in a directory. Raises UserError: one cannot be used."""
    load_certificate: Callable[[Path, Path], object]
    """Raises UserError: certificate and key do not belong together."""
    read_journal: Callable[[Path], str]
    """A word on what is in it. Raises UserError: it cannot be read."""
    journal_marker: Callable[[Path], Path]
    make_channels: Callable[[Settings], object]
    """Raises UserError: one is not allowed."""
    reach: Callable[[Settings], Iterator[tuple[str, Callable[[], str]]]]
    """Channels by name, and what tries to reach each. Raises OutsideError: it was not reached."""


def ask_health(path: Path) -> Health:
    """How the engine behind this socket is.

    Raises:
        AdapterError: it does not answer.
    """
    with Client(path, _CONNECT_S) as client:
        return client.health()


def look(settings: Settings, tools: Tools, *, reach: bool = False) -> Iterator[Finding]:
    """Every row about these settings, as they are found out.

    Args:
        reach: also connects to Telegram, the webhook's host and the mail relay; sends nothing.
    """
    accounts = len(settings.book.accounts)
    yield Finding("settings", "ok", f"{settings.path} and its book: {accounts} accounts")
    for warning in settings.book.warnings:
        yield Finding("book", "warning", warning)
    yield _state(settings)
    yield _certificate(settings, tools)
    yield from _keys(settings, tools)
    yield from _journal(settings, tools)
    yield _disk(settings)
    is_running = is_answering(settings.socket)
    yield from engine_rows(settings.socket, is_running=is_running)
    link, http = settings.keys.link, settings.keys.http
    yield _port("link port", link.host, link.port, "[link] port", is_running=is_running)
    if http.enabled:
        yield _port("http port", http.host, http.port, "[http] port", is_running=is_running)
        yield _access(settings)
    yield from _secrets(settings, tools)
    if reach:
        for name, call in tools.reach(settings):
            yield _attempt(f"reach {name}", call, "alerts by it wait until it can be reached")


def unfit(findings: Sequence[Finding]) -> bool:
    """Whether one of them keeps it from serving."""
    return any(one.state == "failed" for one in findings)


def is_answering(path: Path) -> bool:
    """Whether a program listens on this socket."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_S)
        client.connect(str(path))
        return True
    return False


def compiled() -> Finding:
    """Whether the kernel comes out of a cache; compiles it where not."""
    from engine.warming import warm_up

    began_s = time.monotonic()
    warm_up()
    took_s = time.monotonic() - began_s
    if took_s < _SLOW_S:
        return Finding("compiled kernel", "ok", f"ready in {took_s:.1f} s")
    return Finding(
        "compiled kernel",
        "warning",
        f"it was not in a cache: compiled in {took_s:.0f} s",
        "run this again; if it stays, set NUMBA_CACHE_DIR to a directory that can be written",
    )


def _attempt(check: str, call: Callable[[], str], help_text: str | None = None) -> Finding:
    try:
        return Finding(check, "ok", call())
    except UserError as error:
        return Finding(check, "failed", str(error), error.help)
    except (OutsideError, OSError) as error:
        return Finding(check, "warning", str(error), help_text)


def _state(settings: Settings) -> Finding:
    path = settings.state
    if path.is_dir():
        if not os.access(path, os.W_OK | os.X_OK):
            return Finding("state directory", "failed", f"{path} cannot be written", "chown it")
        if path.stat().st_mode & stat.S_IWOTH:
            return Finding(
                "state directory", "failed", f"anybody may write to {path}", f"chmod o-w {path}"
            )
        if path.stat().st_mode & stat.S_IRWXO:
            said = f"others may look into {path}: the journal is there"
            return Finding("state directory", "warning", said, f"chmod o= {path}")
        return Finding("state directory", "ok", str(path))
    above = next((parent for parent in path.parents if parent.exists()), Path("/"))
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding("state directory", "ok", f"{path} is made at the first start")
    return Finding(
        "state directory", "failed", f"{path} is not there and cannot be made", f"mkdir {path}"
    )


def _certificate(settings: Settings, tools: Tools) -> Finding:
    name, path, key = "certificate", settings.server_certificate, settings.server_key
    if settings.has_own_authority and not path.exists():
        return Finding(name, "ok", f"{path} is made at the first start", "tidegate keys authority")
    try:
        tools.load_certificate(path, key)
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except UserError as error:
        return Finding(name, "failed", str(error), error.help)
    except (OSError, ValueError) as error:
        return Finding(name, "failed", f"{path}: {error}")
    if key.stat().st_mode & 0o077:
        return Finding(name, "failed", f"others may read {key}", f"chmod 600 {key}")
    now, until = datetime.now(UTC), found.not_valid_after_utc
    said = f"valid until {until:%Y-%m-%d}"
    renew = "tidegate keys authority --renew, and pin the new thumbprint in the terminals"
    if not found.not_valid_before_utc <= now < until:
        return Finding(name, "failed", f"not valid now: {said}", renew)
    if until - now < _RENEW_WITHIN:
        return Finding(name, "warning", said, renew)
    return Finding(name, "ok", said)


def _keys(settings: Settings, tools: Tools) -> Iterator[Finding]:
    name = "terminal keys"
    try:
        owners = set(tools.key_owners(settings.terminal_keys))
    except UserError as error:
        yield Finding(name, "failed", str(error), error.help)
        return
    accounts = {account.spec.key for account in settings.book.accounts}
    without = sorted(accounts - owners)
    add = "tidegate keys add SERVER/LOGIN"
    if without == sorted(accounts):
        yield Finding(name, "failed", "no account has a key: no terminal can link", add)
    elif without:
        yield Finding(name, "warning", f"without a key: {_listed(without)}", add)
    else:
        yield Finding(name, "ok", f"every account has one: {len(accounts)}")
    strangers = sorted(owners - accounts)
    if strangers:
        said = f"of accounts that the book does not have: {_listed(strangers)}"
        yield Finding(name, "warning", said, "they cannot link; tidegate keys revoke ID")


def _listed(keys: Sequence[AccountKey]) -> str:
    shown = ", ".join(str(key) for key in keys[:5])
    return shown + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")


def _journal(settings: Settings, tools: Tools) -> Iterator[Finding]:
    path = settings.journal
    marker = tools.journal_marker(path)
    if marker.exists():
        yield Finding("journal", "failed", "it failed before", f"{marker} says what to do")
    if not path.exists():
        yield Finding("journal", "ok", f"{path} is made at the first start")
        return
    yield _attempt("journal", lambda: tools.read_journal(path))


def _disk(settings: Settings) -> Finding:
    folder = next(p for p in (settings.journal, *settings.journal.parents) if p.is_dir())
    free = shutil.disk_usage(folder).free
    said = f"{free / 2**30:.1f} GiB free for the journal"
    if free < _NO_BYTES:
        return Finding("disk", "failed", said, "the engine halts rather than lose a record")
    if free < _LITTLE_BYTES:
        return Finding("disk", "warning", said, "make room")
    return Finding("disk", "ok", said)


def engine_rows(
    path: Path, *, is_running: bool, ask: Callable[[Path], Health] = ask_health
) -> Iterator[Finding]:
    """What a running engine says of itself; a row that there is none."""
    if not is_running:
        left = f"; {path} is left from an earlier one" if path.exists() else ""
        yield Finding("engine", "ok", f"none is running{left}")
        return
    try:
        health = ask(path)
    except OutsideError as error:
        yield Finding("engine", "warning", f"it listens, and does not answer: {error}")
        return
    said = f"running: {health.linked} of {health.accounts} accounts linked"
    if not health.is_ready:
        help_text = "its log, and docs/operations.md"
        yield Finding("engine", "failed", f"{said}; not ready: {health.reason}", help_text)
    elif health.linked < health.accounts:
        yield Finding("engine", "warning", said, "look at the terminals that are not")
    else:
        yield Finding("engine", "ok", said)
    for key, why in health.crashed.items():
        yield Finding("engine", "failed", f"{key} was given up: {why}", "restart, and report it")
    if health.loop_lag_ms > _LAG_MS:
        yield Finding("engine", "warning", f"its loop was {health.loop_lag_ms:.0f} ms late of late")
    for feed in health.feeds:
        if feed.leader is None or feed.quote_age_ms is None:
            yield Finding("quotes", "warning", f"nobody quotes for {feed.name}")
        elif feed.quote_age_ms > _STALE_MS:
            age_s = feed.quote_age_ms / 1000
            said = f"the last quote of {feed.name} is {age_s:.0f} s old: is the market closed?"
            yield Finding("quotes", "warning", said)
        else:
            said = f"{feed.name}, led by {feed.leader}"
            whose = ", for that account alone" if feed.account is not None else ""
            yield Finding("quotes", "ok", f"{said}{whose}")


def _port(check: str, host: str, port: int, key: str, *, is_running: bool) -> Finding:
    """Whether we could listen there; whose it is where not cannot be told for sure."""
    if port == 0:
        return Finding(check, "warning", "any free port: it changes with every start", f"set {key}")
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and is_running:
            return Finding(check, "ok", f"{host}:{port} is taken, and an engine is running")
        cause = error.strerror or str(error)
        return Finding(check, "failed", f"{host}:{port}: {cause}", f"free it, or change {key}")
    return Finding(check, "ok", f"{host}:{port} is free")


def _access(settings: Settings) -> Finding:
    folder = settings.access_keys
    if folder.is_dir() and any(folder.iterdir()):
        return Finding("access keys", "ok", str(folder))
    return Finding("access keys", "warning", f"none in {folder}: the API takes nobody's token")


def _secrets(settings: Settings, tools: Tools) -> Iterator[Finding]:
    alerts = settings.keys.alerts
    named: list[tuple[str, str | None, str]] = []
    if alerts.telegram is not None:
        named.append(("telegram", alerts.telegram.token_file, VARIABLES["token"]))
    if alerts.webhook is not None:
        named.append(("webhook", alerts.webhook.secret_file, VARIABLES["secret"]))
    if alerts.mail is not None:
        named.append(("mail", alerts.mail.password_file, VARIABLES["password"]))
    if not named:
        yield Finding("alerts", "warning", "no channel: nobody is told", "docs/settings.md")
        return
    for channel, file, variable in named:
        try:
            if file is not None:
                read_secret(settings.beside(file), variable)
        except UserError as error:
            yield Finding(f"alerts by {channel}", "failed", str(error), error.help)
            return
    yield _attempt("alerts", lambda: _made(settings, tools, [name for name, _, _ in named]))


def _made(settings: Settings, tools: Tools, names: Sequence[str]) -> str:
    tools.make_channels(settings)
    return f"by {', '.join(names)}"
