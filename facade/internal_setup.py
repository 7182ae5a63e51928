"""The internal socket as the settings have it."""

import pwd
import time
from dataclasses import replace

from engine.desk import Desk
from engine.domain.ids import AccountKey
from engine.errors import UserError
from facade.access import Denied, Scopes, tenants_of
from facade.access_keys import AccessKeys
from facade.access_policy import OPERATORS, STEP_UP_S
from facade.access_tokens import Verifier, rules_of
from facade.internal_rules import NotAllowedError, OnKill, Rules, SecondPerson
from facade.internal_socket import InternalSocket
from facade.settings import Settings, read_secret

TOKEN_VARIABLE = "TIDEGATE_INTERNAL_TOKEN"  # noqa: S105  a name, and no token


def internal_socket_of(
    settings: Settings, desk: Desk, on_kill: OnKill | None = None
) -> InternalSocket:
    """The socket, and its port where one is set; `on_kill` hears of the kill switch.

    Raises:
        UserError: the token cannot be read, or a user is none of this machine.
    """
    keys = settings.keys.internal
    token = None
    if keys.token_file is not None:
        token = read_secret(settings.beside(keys.token_file), TOKEN_VARIABLE)
    rules = Rules(token, tuple(map(_number_of, keys.users)), second_person_of(settings, desk))
    if on_kill is not None:
        rules = replace(rules, on_kill=on_kill)
    return InternalSocket(desk, settings.socket, rules, keys.port or None)


def second_person_of(settings: Settings, desk: Desk) -> SecondPerson:
    """Says whose a token is that agrees to a release: an operator of that account, just now."""
    verifier = Verifier(AccessKeys(settings.access_keys), time.time, rules_of(settings))
    accounts = [account.spec.key for account in settings.book.accounts]
    scopes = Scopes(desk.keys, tenants_of(settings.keys.access.tenants, accounts))

    def second_person(token: str, key: AccountKey) -> str:
        try:
            person = verifier.verify(token)
        except Denied as denied:
            raise NotAllowedError(f"the second person's token: {denied.reason}") from None
        if person.role not in OPERATORS or key not in scopes.of(person):
            raise NotAllowedError(f"{person.subject} is no operator of {key}")
        if time.time() - person.authenticated_s > STEP_UP_S:
            raise NotAllowedError(f"the second person's token is older than {STEP_UP_S} s")
        return person.subject

    return second_person


def _number_of(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise UserError(f"`{name}` is no user of this machine", path="internal.users") from None
