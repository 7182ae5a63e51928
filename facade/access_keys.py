"""Keys that sign tokens: Ed25519 pairs, one file each, and the list of tokens that are refused.

    access/KID.key        the pair as JSON, mode 0600
    access/KID.public     the public half alone: enough where tokens are only verified
    access/denied.txt     a line `ID EXPIRES`: a token's `jti`, or a session's id
    access/session.secret what session cookies are sealed with, mode 0600

`kid` is the start of the public key's SHA-256. Two pairs may be live at a time, so that one can be
replaced while tokens of the other are still in use. Every change is a rename in the directory, so
that its time shows it: what another program adds, retires or denies is seen within a second.
"""

import os
import secrets
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine.errors import UserError
from engine.secret import Secret

LIVE_MAX = 2
KID_DIGITS = 16
DENIED = "denied.txt"
SESSION = "session.secret"
COARSE_NS = 1_000_000_000


class _Stored(msgspec.Struct, forbid_unknown_fields=True):
    kid: str
    created_at: str
    public: str
    private: str | None = None


class SigningKey(NamedTuple):
    """A pair as a list may show it."""

    kid: str
    created_at: str
    """RFC 3339, UTC."""
    can_sign: bool
    """Whether the private half is here too."""


class Trusted(NamedTuple):
    """What tokens are held against, as it was at one moment."""

    generation: int
    """Goes up whenever anything of it changed."""
    public: dict[str, Ed25519PublicKey]
    denied: frozenset[str]
    session: Secret | None
    """None: the directory cannot be read, so no session is taken."""


class AccessKeys:
    """The directory. Reading it again costs one `stat` while nothing changed."""

    def __init__(self, directory: Path, command: str = "keys access") -> None:
        """Made at the first key.

        Args:
            command: what `tidegate` calls these keys.
        """
        self.directory = directory
        self._command = command
        self._seen: tuple[int, int] | None = None
        self._texts: dict[str, bytes] | None = None
        self._trusted = Trusted(0, {}, frozenset(), None)

    def create(self, created_at: str) -> SigningKey:
        """A new pair, on the disk.

        Raises:
            UserError: two are live already; or the directory cannot be written, or others may
                enter it.
        """
        live = self.live()
        if len(live) >= LIVE_MAX:
            names = ", ".join(f"{one.kid} of {one.created_at}" for one in live)
            raise UserError(
                f"{LIVE_MAX} keys are live already: {names}",
                help=f"retire the older one first: `tidegate {self._command} retire KID`",
            )
        self._make_directory()
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        kid = sha256(public).hexdigest()[:KID_DIGITS]
        stored = _Stored(kid, created_at, public.hex(), private.private_bytes_raw().hex())
        _write(self.directory / f"{kid}.key", msgspec.json.encode(stored) + b"\n")
        return SigningKey(kid, created_at, can_sign=True)

    def live(self) -> list[SigningKey]:
        """All pairs, the oldest first.

        Raises:
            UserError: a file is no key, or others may read it; names the file.
        """
        found: dict[str, SigningKey] = {}
        for path in self._files():
            stored = _read(path)
            can_sign = stored.private is not None
            if can_sign or stored.kid not in found:
                found[stored.kid] = SigningKey(stored.kid, stored.created_at, can_sign)
        return sorted(found.values(), key=lambda one: (one.created_at, one.kid))

    def publish(self, kid: str) -> Path:
        """Writes the public half beside the pair, to be copied to where tokens are verified only.

        Raises:
            UserError: there is no such pair.
        """
        stored = _read(self._pair(kid))
        path = self.directory / f"{kid}.public"
        half = _Stored(stored.kid, stored.created_at, stored.public)
        _write(path, msgspec.json.encode(half) + b"\n")
        return path

    def retire(self, kid: str) -> None:
        """Takes a pair away: its tokens and sessions end within a second.

        Raises:
            UserError: there is no such pair.
        """
        pair = self._pair(kid)
        pair.unlink(missing_ok=True)
        pair.with_suffix(".public").unlink(missing_ok=True)

    def signer(self) -> tuple[str, Ed25519PrivateKey]:
        """The newest pair that can sign: (kid, private key).

        Raises:
            UserError: there is none.
        """
        able = [one for one in self.live() if one.can_sign]
        if not able:
            raise UserError(
                "there is no key to sign with",
                place=str(self.directory),
                help=f"make one: `tidegate {self._command} add`",
            )
        stored = _read(self._pair(able[-1].kid))
        assert stored.private is not None
        return stored.kid, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(stored.private))

    def deny(self, token_id: str, expires_s: int, now_s: int) -> None:
        """Refuses a token or a session from now on; lines of what has expired are dropped.

        Raises:
            UserError: it cannot be written.
        """
        self._make_directory()
        path = self.directory / DENIED
        lines = _lines(path)
        kept = [f"{name} {until}" for name, until in lines.items() if until > now_s]
        kept = [line for line in kept if not line.startswith(f"{token_id} ")]
        text = "".join(f"{line}\n" for line in (*kept, f"{token_id} {expires_s}"))
        _write(path, text.encode(), over=True)

    def trusted(self) -> Trusted:
        """What to hold tokens against now; never raises: what cannot be read is not trusted.

        A file that is no key is passed over, so that it locks out nobody else. A deny-list that
        cannot be read trusts no key at all.
        """
        try:
            now = self.directory.stat()
            seen = (now.st_mtime_ns, now.st_ino)
            if seen == self._seen:
                return self._trusted
            texts = {path.name: path.read_bytes() for path in self._watched()}
        except OSError:
            self._seen, self._texts = None, None
            if self._trusted.public or self._trusted.session is not None:
                self._trusted = Trusted(self._trusted.generation + 1, {}, frozenset(), None)
            return self._trusted
        if texts != self._texts:
            self._texts, self._trusted = texts, self._made(texts)
        # A directory's time is coarse: what changed just now may change again unseen.
        self._seen = seen if time.time_ns() - now.st_mtime_ns > COARSE_NS else None
        return self._trusted

    def session_secret(self) -> Secret:
        """What session cookies are sealed with, made at the first asking.

        Raises:
            UserError: it cannot be written.
        """
        path = self.directory / SESSION
        if not path.exists():
            self._make_directory()
            try:
                _write(path, secrets.token_hex(32).encode())
            except UserError:
                if not path.exists():
                    raise
        held = self.trusted().session
        if held is None:
            raise UserError("the session secret cannot be used", place=str(path))
        return held

    def _made(self, texts: dict[str, bytes]) -> Trusted:
        public: dict[str, Ed25519PublicKey] = {}
        for name, text in texts.items():
            if name.endswith((".key", ".public")):
                stored = _decode(text, name)
                if stored is not None:
                    raw = bytes.fromhex(stored.public)
                    public[stored.kid] = Ed25519PublicKey.from_public_bytes(raw)
        denied = frozenset(_parse(texts.get(DENIED, b"")))
        text = texts.get(SESSION, b"").strip()
        session = Secret(text) if len(text) >= 32 else None
        return Trusted(self._trusted.generation + 1, public, denied, session)

    def _watched(self) -> list[Path]:
        others = [self.directory / DENIED, self.directory / SESSION]
        return [*self._files(), *(path for path in others if path.exists())]

    def _files(self) -> list[Path]:
        suffixes = (".key", ".public")
        try:
            return sorted(path for path in self.directory.iterdir() if path.suffix in suffixes)
        except FileNotFoundError:
            return []

    def _pair(self, kid: str) -> Path:
        """The file of a pair; `kid` is compared with those there are, never made into a path."""
        for path in self._files():
            if path.stem == kid:
                return path
        raise UserError(
            f"no key has the id {kid!r}",
            place=str(self.directory),
            help=f"`tidegate {self._command} list` shows the ids",
        )

    def _make_directory(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            mode = self.directory.stat().st_mode
        except OSError as error:
            message = f"cannot write: {error.strerror}"
            raise UserError(message, place=str(self.directory)) from error
        if mode & 0o077:
            raise UserError(
                "others on this machine may enter the directory of keys",
                place=str(self.directory),
                help="chmod 700 it",
            )


def public_half(of: Path | str) -> tuple[str, Ed25519PublicKey]:
    """(kid, key) of a file of a public half, or of its 64 hexadecimal digits.

    Raises:
        UserError: it is none.
    """
    text = _read(of).public if isinstance(of, Path) else of
    try:
        raw = bytes.fromhex(text)
        return sha256(raw).hexdigest()[:KID_DIGITS], Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise UserError("not the public half of a signing key", place=str(of)) from None


def _write(path: Path, content: bytes, *, over: bool = False) -> None:
    """A file only its owner can read, whole or not at all, durable; `over`: in place of an old one.

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
            if over:
                os.replace(aside, path)
            else:
                os.link(aside, path)
        finally:
            Path(aside).unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise UserError("there is one already", place=str(path)) from None
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror}", place=str(path)) from error


def _read(path: Path) -> _Stored:
    try:
        mode, text = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", place=str(path)) from error
    if path.suffix == ".key" and mode & 0o077:
        raise UserError(
            "others on this machine may read this key", place=str(path), help="chmod 600 it"
        )
    stored = _decode(text, path.name)
    if stored is None:  # the text is not shown: it may hold a key
        raise UserError("not a signing key", place=str(path))
    return stored


def _decode(text: bytes, name: str) -> _Stored | None:
    """The pair, if it is one, and filed under its own id."""
    try:
        stored = msgspec.json.decode(text, type=_Stored)
        public = bytes.fromhex(stored.public)
        Ed25519PublicKey.from_public_bytes(public)
        if stored.private is not None:
            private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(stored.private))
            if private.public_key().public_bytes_raw() != public:
                return None
    except (msgspec.MsgspecError, ValueError):
        return None
    kid = sha256(public).hexdigest()[:KID_DIGITS]
    return stored if stored.kid == kid and Path(name).stem == kid else None


def _lines(path: Path) -> dict[str, int]:
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", place=str(path)) from error


def _parse(text: bytes) -> dict[str, int]:
    """Ids and when they expire. A line without a time, as a person may write it, never does."""
    found: dict[str, int] = {}
    for line in text.decode(errors="replace").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            until = words[1] if len(words) > 1 else ""
            found[words[0]] = int(until) if until.isascii() and until.isdigit() else 2**62
    return found
