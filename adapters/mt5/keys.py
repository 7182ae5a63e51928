"""Terminal keys: one file each, mode 0600, in a directory only its owner may enter.

A key is shown once, when it is made. Its id is the start of its SHA-256: enough to name it in a
list, useless to whoever would link with it. An account may have several, so that one can be
replaced before the old one is revoked.
"""

import json
import os
import secrets
import stat
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.secret import Secret

KEY_BYTES = 32
ID_DIGITS = 12
SUFFIX = ".key"
COARSE_NS = 1_000_000_000


class KeyName(NamedTuple):
    """A key as it may be shown."""

    account: AccountKey
    key_id: str
    created_at: str
    """RFC 3339, UTC."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only time that its text is at hand."""

    name: KeyName
    secret: Secret

    def shown_once(self) -> str:
        """64 hex digits, to be typed into the terminal's inputs."""
        return self.secret.reveal().hex()


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    server: str
    login: int
    created_at: str
    key: str


class KeyDirectory:
    """The keys of a directory. What another process adds or revokes there is seen at once."""

    def __init__(self, directory: Path) -> None:
        """The directory is made at the first key."""
        self._directory = directory
        self._seen: tuple[int, int] | None = None
        self._keys: dict[AccountKey, list[tuple[KeyName, Secret]]] = {}

    def create(self, account: AccountKey, created_at: str) -> NewKey:
        """A new key of the account, already on the disk.

        Raises:
            UserError: the directory cannot be written, or others may read it.
        """
        secret = Secret(secrets.token_bytes(KEY_BYTES))
        name = KeyName(account, key_id(secret), created_at)
        stored = {"server": account.server, "login": account.login, "created_at": created_at}
        text = json.dumps({**stored, "key": secret.reveal().hex()}) + "\n"
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _refuse_readable(self._directory)
        write_private(self._path(name), text.encode("ascii"))
        return NewKey(name, secret)

    def names(self) -> list[KeyName]:
        """Every key there is, by server, login and age."""
        self._refresh()
        return sorted(
            (name for held in self._keys.values() for name, _ in held),
            key=lambda name: (name.account, name.created_at, name.key_id),
        )

    def revoke(self, wanted_id: str) -> KeyName:
        """Takes the key away; a link that used it is closed by the gateway within a second.

        Raises:
            UserError: no key has this id.
        """
        for name in self.names():
            if name.key_id == wanted_id:
                self._path(name).unlink(missing_ok=True)
                return name
        raise UserError(
            f"no key has the id {wanted_id!r}",
            place=str(self._directory),
            help="`tidegate keys list` shows the ids",
        )

    def keys_of(self, account: AccountKey) -> tuple[Secret, ...]:
        """The keys a terminal of this account may prove; none for an unknown account.

        Raises:
            UserError: a key's file cannot be used; names the file and why.
        """
        self._refresh()
        return tuple(secret for _, secret in self._keys.get(account, ()))

    def _refresh(self) -> None:
        """Reads the directory again if its listing has changed since: a stat, mostly."""
        try:
            now = self._directory.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, {}
            return
        seen = (now.st_mtime_ns, now.st_ino)
        if seen != self._seen:
            keys: dict[AccountKey, list[tuple[KeyName, Secret]]] = {}
            for path in sorted(self._directory.glob(f"*{SUFFIX}")):
                name, secret = _read(path)
                keys.setdefault(name.account, []).append((name, secret))
            # A directory's time is coarse: what changed just now may change again unseen.
            settled = time.time_ns() - now.st_mtime_ns > COARSE_NS
            self._seen, self._keys = seen if settled else None, keys

    def _path(self, name: KeyName) -> Path:
        server = quote(name.account.server, safe="")
        return self._directory / f"{server}_{name.account.login}_{name.key_id}{SUFFIX}"


def key_id(secret: Secret) -> str:
    """What names a key in lists and logs."""
    return sha256(secret.reveal()).hexdigest()[:ID_DIGITS]


def key_from_hex(text: str, place: str) -> Secret:
    """The key behind 64 hex digits; `place` names where they were, in the error.

    Raises:
        UserError: it is not that.
    """
    try:
        content = bytes.fromhex(text.strip())
    except ValueError:
        content = b""
    if len(content) != KEY_BYTES:
        raise UserError(
            "not a terminal key", place=place, help=f"{2 * KEY_BYTES} hex digits, as shown once"
        ) from None
    return Secret(content)


def write_private(path: Path, content: bytes) -> None:
    """A new file only its owner can read, whole or not at all, durable.

    Raises:
        UserError: there is one already, or it cannot be written.
    """
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.link(aside, path)
        finally:
            os.unlink(aside)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise UserError("there is one already", place=str(path)) from None
    except OSError as error:
        message = f"cannot write: {error.strerror or error}"
        raise UserError(message, place=str(path)) from error


def _read(path: Path) -> tuple[KeyName, Secret]:
    _refuse_readable(path)
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    except OSError as error:
        message = f"cannot read: {error.strerror or error}"
        raise UserError(message, place=str(path)) from error
    except msgspec.MsgspecError:
        # The text is not shown: it holds a key.
        raise UserError("not a key file", place=str(path)) from None
    secret = key_from_hex(stored.key, str(path))
    return KeyName(
        AccountKey(stored.server, stored.login), key_id(secret), stored.created_at
    ), secret


def _refuse_readable(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(
            f"others may read it (mode {mode:04o})",
            place=str(path),
            help=f"chmod go= {path}",
        )
