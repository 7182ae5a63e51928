"""Who is at the other end of the internal socket, and what they may ask for.

Three kinds of clients. The engine's own user (and root) reads and commands, and every command is
recorded as theirs. Other users that the settings list read, and may lower risk. A program that
knows the token, such as the API as a process of its own, has its users' rights checked already:
it says itself for whom it asks.
"""

import hmac
import os
import pwd
from collections.abc import Callable, Collection
from dataclasses import dataclass

from msgspec.structs import replace

from engine.desk import Desk
from engine.domain.commands import ClosePosition, Command, Flatten, Halt, Release, Respec
from engine.domain.ids import AccountKey
from engine.secret import Secret

LOWERS_RISK = (Halt, Flatten, ClosePosition)
SecondPerson = Callable[[str, AccountKey], str]
"""(token, account) -> whose it is; raises `NotAllowedError` where they may not agree to it."""


OnKill = Callable[[str, str, int, str], None]
"""(by, `halt` or `flatten`, accounts, reason)."""


def _nobody_told(by: str, action: str, accounts: int, reason: str) -> None:
    del by, action, accounts, reason


class NotAllowedError(Exception):
    """This client may not have that; says why."""


@dataclass(frozen=True)
class Peer:
    """Who is connected."""

    name: str
    """As records name them; empty before a token was seen."""
    is_owner: bool = False
    """The engine's own user, or root."""
    is_program: bool = False
    """Knows the token: says itself for whom it asks."""


@dataclass(frozen=True)
class Rules:
    """What the settings say of clients."""

    token: Secret | None = None
    """What programs must know; None: none can be one."""
    users: Collection[int] = ()
    """Numbers of further users who may connect."""
    second_person: SecondPerson | None = None
    on_kill: OnKill = _nobody_told
    """Hears of every use of the kill switch, before it is carried out."""

    def of_user(self, user: int) -> Peer | None:
        """Who a local user is; None: nobody who may connect."""
        is_owner = user in (os.getuid(), 0)
        if not is_owner and user not in self.users:
            return None
        return Peer(f"shell:{name_of(user)}", is_owner=is_owner)

    def with_token(self, peer: Peer, token: str) -> Peer:
        """The client that showed this.

        Raises:
            NotAllowedError: it is not the token.
        """
        known = self.token
        if known is None or not hmac.compare_digest(known.reveal(), token.encode()):
            raise NotAllowedError("that is not the token of the internal socket")
        return Peer(peer.name or "program", peer.is_owner, is_program=True)

    def command_of(
        self, peer: Peer, key: AccountKey, command: Command, second: str, desk: Desk
    ) -> Command:
        """The command as it is to be recorded.

        Raises:
            NotAllowedError: not from this client.
            KeyError: there is no such account.
        """
        if peer.is_program:
            if command.by.startswith("shell:") or not command.by.strip():
                raise NotAllowedError("a program says for whom it asks, and nobody of the shell")
            return command
        if not peer.is_owner and not isinstance(command, LOWERS_RISK):
            raise NotAllowedError(f"{peer.name} may only lower risk here")
        if isinstance(command, Respec):
            raise NotAllowedError("other rules are asked for at the API, where two must agree")
        reason = getattr(command, "reason", None)
        if isinstance(command, Flatten | Release) and not (reason or "").strip():
            raise NotAllowedError("it needs a reason")
        by = peer.name
        if isinstance(command, Release) and needs_second_person(desk, key, command):
            by = f"{by}+{self._second(peer, key, second)}"
        return replace(command, by=by)

    def _second(self, peer: Peer, key: AccountKey, token: str) -> str:
        if self.second_person is None or not token:
            raise NotAllowedError("a breach is released by two: show a token of another person")
        subject = self.second_person(token, key)
        if subject.casefold() == peer.name.removeprefix("shell:").casefold():
            raise NotAllowedError("the second person must be another one")
        return subject


def needs_second_person(desk: Desk, key: AccountKey, command: Release) -> bool:
    """Whether it ends what a guard began, or anything but a halt that a person asked for.

    A person's halt is named by the person: `shell:ann`, `api:bob`.
    """
    guards = {guard.name for guard in desk.snapshot(key).guards}
    return ":" not in command.cause or command.cause in guards


def name_of(user: int) -> str:
    """A local user's name; the number where it has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
