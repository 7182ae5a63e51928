"""Terminal keys and certificates: made, shown once, listed, revoked; never readable by others."""

import os
import pickle
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.mt5.certificates import (
    client_context,
    make_certificates,
    renew_server_certificate,
    server_context,
    thumbprints,
)
from adapters.mt5.keys import KeyDirectory, key_from_hex
from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.secret import Secret

ACCOUNT = AccountKey("Broker Live/2", 1001)
OTHER = AccountKey("Demo-1", 7)
AT = "2026-11-24T06:00:00Z"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def test_a_key_is_shown_once_and_proves_afterwards(tmp_path: Path) -> None:
    made = KeyDirectory(tmp_path / "keys").create(ACCOUNT, AT)
    assert len(made.shown_once()) == 64
    again = KeyDirectory(tmp_path / "keys")
    assert again.keys_of(ACCOUNT) == (key_from_hex(made.shown_once(), "here"),)
    assert again.keys_of(OTHER) == ()


def test_lists_name_keys_without_showing_them(tmp_path: Path) -> None:
    keys = KeyDirectory(tmp_path)
    tmp_path.chmod(0o700)
    made = [keys.create(account, AT) for account in (ACCOUNT, OTHER, OTHER)]
    assert sorted(keys.names()) == sorted(key.name for key in made)
    shown = f"{keys.names()} {made} {made[0].secret:>30}"
    assert not any(key.shown_once() in shown for key in made)


def test_files_and_directory_are_the_owners_alone(tmp_path: Path) -> None:
    KeyDirectory(tmp_path / "keys").create(ACCOUNT, AT)
    (path,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_key_others_may_read_is_refused(tmp_path: Path) -> None:
    keys = KeyDirectory(tmp_path / "keys")
    keys.create(ACCOUNT, AT)
    (path,) = (tmp_path / "keys").iterdir()
    path.chmod(0o640)
    with pytest.raises(UserError, match="others may read it"):
        keys.keys_of(ACCOUNT)


def test_what_another_program_adds_or_revokes_is_seen_at_once(tmp_path: Path) -> None:
    mine, theirs = KeyDirectory(tmp_path / "keys"), KeyDirectory(tmp_path / "keys")
    assert mine.keys_of(ACCOUNT) == ()
    made = theirs.create(ACCOUNT, AT)
    assert mine.keys_of(ACCOUNT) == (made.secret,)
    assert theirs.revoke(made.name.key_id) == made.name
    assert mine.keys_of(ACCOUNT) == ()


def test_revoking_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no key has the id 'cafe'"):
        KeyDirectory(tmp_path).revoke("cafe")


@pytest.mark.parametrize("text", ["{}", "not json", '{"server":"a","login":"b"}'])
def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UserError) as caught:
        KeyDirectory(tmp_path).names()
    assert caught.value.message == "not a key file"
    assert caught.value.place == str(path)


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(UserError) as caught:
        key_from_hex("ab" * 31, "TIDEGATE_KEY")
    assert "abab" not in caught.value.render()


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(b"canary")
    assert "canary" not in f"{secret} {secret!r} {secret!s} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_certificates_serve_tls_and_are_not_overwritten(tmp_path: Path) -> None:
    files = make_certificates(tmp_path / "tls", ["localhost", "127.0.0.1"], NOW)
    server_context(files.server, files.server_key)
    client_context(files.authority)
    assert {stat.S_IMODE(os.stat(p).st_mode) for p in (tmp_path / "tls").iterdir()} == {0o600}
    with pytest.raises(UserError, match="there is one already"):
        make_certificates(tmp_path / "tls", ["localhost"], NOW)


def test_a_renewed_certificate_has_another_thumbprint_and_the_same_authority(
    tmp_path: Path,
) -> None:
    files = make_certificates(tmp_path / "tls", ["localhost"], NOW)
    before, authority = thumbprints(files.server), files.authority.read_bytes()
    renew_server_certificate(files, ["localhost"], NOW)
    assert len(before.sha1) == 40
    assert len(before.sha256) == 64
    assert thumbprints(files.server) != before
    assert files.authority.read_bytes() == authority
    server_context(files.server, files.server_key)


def test_certificates_that_are_missing_are_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no usable certificate"):
        server_context(tmp_path / "a.pem", tmp_path / "a.key")
    with pytest.raises(UserError, match="no host named"):
        make_certificates(tmp_path / "tls", [], NOW)
