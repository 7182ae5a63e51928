import os
from pathlib import Path

import pytest

from engine.errors import UserError
from facade.access_keys import AccessKeys
from tests.facade.access_desk import T0_S, AccessDesk


def test_two_keys_are_live_while_one_replaces_the_other(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    old = desk.token()
    new_kid = desk.keys.create("2026-02-01T00:00:00+00:00").kid
    assert desk.keys.signer()[0] == new_kid
    new = desk.token()
    assert desk.verifier.verify(old).key_id == desk.kid
    assert desk.verifier.verify(new).key_id == new_kid
    with pytest.raises(UserError, match="2 keys are live already"):
        desk.keys.create("2026-03-01T00:00:00+00:00")
    desk.keys.retire(desk.kid)
    assert [one.kid for one in desk.keys.live()] == [new_kid]


def test_only_the_owner_can_read_a_key(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    assert desk.keys.directory.stat().st_mode & 0o777 == 0o700
    pair = desk.keys.directory / f"{desk.kid}.key"
    assert pair.stat().st_mode & 0o777 == 0o600
    pair.chmod(0o640)
    with pytest.raises(UserError, match="others on this machine may read"):
        desk.keys.signer()
    pair.chmod(0o600)
    desk.keys.directory.chmod(0o755)
    with pytest.raises(UserError, match="others on this machine may enter"):
        desk.keys.create("2026-02-01T00:00:00+00:00")


def test_another_machine_needs_only_the_public_half(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    token = desk.token()
    there = AccessDesk(tmp_path / "there")
    there.keys.retire(there.kid)
    half = desk.keys.publish(desk.kid)
    assert b'private":null' in half.read_bytes()
    (there.keys.directory / half.name).write_bytes(half.read_bytes())
    assert there.verifier.verify(token).subject == "ann"
    with pytest.raises(UserError, match="no key to sign with"):
        there.keys.signer()


def test_a_file_that_is_no_key_locks_out_nobody_else(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    sound = (desk.keys.directory / f"{desk.kid}.key").read_bytes()
    for name, text in (("a.key", b"{"), ("b.public", b"\xff"), ("c.key", sound)):
        (desk.keys.directory / name).write_bytes(text)
        (desk.keys.directory / name).chmod(0o600)
    assert set(desk.keys.trusted().public) == {desk.kid}
    with pytest.raises(UserError, match="not a signing key"):
        desk.keys.live()


def test_what_another_program_changes_is_seen_and_costs_a_stat_otherwise(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    before = desk.keys.trusted()
    assert desk.keys.trusted() is before
    other = AccessKeys(desk.keys.directory)
    other.deny("abcdefgh", T0_S + 60, T0_S)
    assert desk.keys.trusted().denied == {"abcdefgh"}
    other.deny("ijklmnop", T0_S + 600, T0_S + 61)
    assert desk.keys.trusted().denied == {"ijklmnop"}  # the first has expired


def test_a_deny_list_written_by_a_person_is_understood(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    (desk.keys.directory / "denied.txt").write_bytes(
        b"# leavers\nabcdefgh\n\nxyz not-a-time\n\xff\n"
    )
    assert {"abcdefgh", "xyz"} <= desk.keys.trusted().denied
    desk.keys.deny("more", T0_S + 9, T0_S)
    assert {"abcdefgh", "xyz", "more"} <= desk.keys.trusted().denied


def test_a_directory_that_cannot_be_read_trusts_nobody(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    assert desk.keys.trusted().public
    aside = tmp_path / "aside"
    os.rename(desk.keys.directory, aside)
    assert desk.keys.trusted().public == {}
    os.rename(aside, desk.keys.directory)
    assert desk.kid in desk.keys.trusted().public


def test_an_id_is_compared_and_never_made_into_a_path(tmp_path: Path) -> None:
    desk = AccessDesk(tmp_path)
    for kid in ("../access/" + desk.kid, "nobody", ""):
        with pytest.raises(UserError, match="no key has the id"):
            desk.keys.retire(kid)
    assert AccessKeys(tmp_path / "none").live() == []
