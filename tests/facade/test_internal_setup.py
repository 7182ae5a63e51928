"""The internal socket by its settings: whose token agrees to a release, and who may connect."""

import os
import pwd
from collections.abc import Iterator

import pytest

from engine.errors import UserError
from facade.access import Role
from facade.access_keys import AccessKeys
from facade.access_tokens import Grant, issue
from facade.api_parts import now_msc
from facade.internal_rules import NotAllowedError, SecondPerson
from facade.internal_setup import internal_socket_of, second_person_of
from facade.settings import Settings, read_settings
from tests.facade.fake_desk import FakeDesk, key_of
from tests.facade.test_standalone import LOGINS, settled


@pytest.fixture
def settings() -> Iterator[Settings]:
    with settled() as made:
        AccessKeys(made.access_keys).create("2026-01-01T00:00:00+00:00")
        yield made


@pytest.fixture
def agrees(settings: Settings) -> SecondPerson:
    return second_person_of(settings, FakeDesk(LOGINS))


def token_of(
    settings: Settings, role: Role = "operator", account: str = "Demo-1/1", old_s: int = 0
) -> str:
    """Of bob, made so long ago."""
    grant = Grant("bob", role, (account,), None, 900)
    return issue(AccessKeys(settings.access_keys), grant, now_msc() // 1000 - old_s).token


def test_an_operator_of_the_account_agrees(settings: Settings, agrees: SecondPerson) -> None:
    assert agrees(token_of(settings), key_of(1)) == "bob"
    assert agrees(token_of(settings, "admin", "*"), key_of(2)) == "bob"


def test_nobody_else_does(settings: Settings, agrees: SecondPerson) -> None:
    sound = token_of(settings)
    for token, said in (
        (token_of(settings, "viewer"), "no operator"),
        (token_of(settings, "service"), "no operator"),
        (token_of(settings, account="Demo-1/2"), "no operator"),
        (token_of(settings, old_s=400), "older"),
        (token_of(settings, old_s=2000), "token"),
        (sound[:-4] + "AAAA", "token"),
        ("bob", "token"),
    ):
        with pytest.raises(NotAllowedError, match=said):
            agrees(token, key_of(1))


def test_a_user_nobody_knows_is_refused_by_name(settings: Settings) -> None:
    told = settings.path.read_text().replace(
        "[internal]", '[internal]\nusers = ["no-such-user-here"]'
    )
    settings.path.write_text(told)
    with pytest.raises(UserError, match="no-such-user-here"):
        internal_socket_of(read_settings(settings.path), FakeDesk(LOGINS))


def test_users_are_found_by_name(settings: Settings) -> None:
    mine = pwd.getpwuid(os.getuid()).pw_name
    told = settings.path.read_text().replace("[internal]", f'[internal]\nusers = ["{mine}"]')
    settings.path.write_text(told)
    made = internal_socket_of(read_settings(settings.path), FakeDesk(LOGINS))
    assert made._rules.users == (os.getuid(),)
    assert made._rules.token is not None
