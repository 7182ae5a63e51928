"""An incident handed over: signed by the engine, checked without it, and never a byte changed."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from facade.access_keys import AccessKeys
from facade.exports import check, export_of, redacted, signed
from tests.engine.test_tape import tape_of
from tests.facade.api_house import OWN, ApiHouse, api_house
from tests.facade.command_line import BOOK, Program
from tests.facade.fake_desk import FakeDesk

AT = "2026-01-05T00:00:00.000Z"
VERDICT = b'{"verdict_id":"vrd_1","login":1001,"record":{"server":"Demo-1","equity":8990.0}}'
RECORDS = [b'{"type":"position_closed","position_id":7,"profit":-1.5}']
_public_of_once: list[Any] = []


def keys_in(folder: Path) -> AccessKeys:
    made = AccessKeys(folder / "export", "keys export")
    made.create("2026-01-05T00:00:00+00:00")
    return made


def document(folder: Path) -> tuple[bytes, AccessKeys]:
    keys = keys_in(folder)
    return signed(export_of(AT, VERDICT, RECORDS, None, redact=False), keys), keys


def fails(text: bytes, keys: AccessKeys) -> bool:
    """Whether it is refused, or found changed."""
    try:
        return check(text, keys.trusted().public).failure is not None
    except UserError:
        return True


def test_what_a_key_signed_is_known_again(tmp_path: Path) -> None:
    text, keys = document(tmp_path)
    found = check(text, keys.trusted().public)
    assert found.failure is None
    assert found.document["verdict"]["record"]["equity"] == 8990.0
    again = json.dumps(json.loads(text), indent=2).encode()
    assert check(again, keys.trusted().public).failure is None, "space is no part of it"


def test_a_changed_byte_anywhere_fails(tmp_path: Path) -> None:
    text, keys = document(tmp_path)
    for place in range(len(text)):
        for other in (text[place] ^ 1, text[place] ^ 32, ord("0")):
            if other != text[place]:
                changed = text[:place] + bytes([other]) + text[place + 1 :]
                assert fails(changed, keys), (place, changed)


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=5), st.integers() | st.floats(allow_nan=False) | st.none())
def test_a_field_that_is_added_fails(tmp_path_factory: Any, name: str, value: Any) -> None:
    if not _public_of_once:
        _public_of_once.extend(document(tmp_path_factory.mktemp("keys")))
    text, keys = _public_of_once
    told = json.loads(text)
    if name in told["verdict"]:
        return
    told["verdict"][name] = value
    assert fails(json.dumps(told).encode(), keys)


def test_another_key_no_signature_and_a_name_twice_are_found(tmp_path: Path) -> None:
    text, keys = document(tmp_path)
    other = keys_in(tmp_path / "other")
    said = check(text, other.trusted().public).failure
    assert said is not None
    assert "not one given" in said
    unsigned = signed(export_of(AT, VERDICT, RECORDS, None, redact=False), None)
    said = check(unsigned, keys.trusted().public).failure
    assert said == "it is not signed: the engine has no key to sign with: tidegate keys export add"
    twice = text.replace(b'{"format"', b'{"made_at":"2026-01-05T00:00:00.000Z","format"', 1)
    with pytest.raises(UserError, match="twice"):
        check(twice, keys.trusted().public)


def test_names_and_ids_are_left_out_at_any_depth_before_it_is_signed(tmp_path: Path) -> None:
    made = export_of(AT, VERDICT, RECORDS, None, redact=True)
    assert made["verdict"] == {"verdict_id": "vrd_1", "record": {"equity": 8990.0}}
    assert made["records"] == [{"type": "position_closed", "profit": -1.5}]
    released = {"type": "account_released", "by": "ann", "reason": "ann called", "cause": "floor"}
    assert redacted([released]) == [{"type": "account_released", "cause": "floor"}]
    keys = keys_in(tmp_path)
    assert check(signed(made, keys), keys.trusted().public).failure is None


# Over the API


def breached(desk: FakeDesk) -> str:
    """A breach of both accounts; the verdict of 1001."""
    desk.tick(1.0890)
    life = desk.lives[desk.keys()[0]]
    [record] = [one for one in life.records if getattr(one, "action", None)]
    name: str = record.verdict_id  # type: ignore[attr-defined]
    desk.verdicts[name] = {"record": msgspec.to_builtins(record), "currency": "USD"}
    desk.tapes.of[name] = tape_of(name)
    return name


async def handed(home: ApiHouse, name: str, more: str = "") -> Any:
    answer = await home.ask("GET", f"/verdicts/{name}/export{more}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.json"'
    return answer


async def test_the_engine_signs_what_it_hands_over_and_serves_its_key(tmp_path: Path) -> None:
    with api_house(tmp_path) as home:
        name = breached(home.desk)
        bare = (await handed(home, name)).json()
        assert bare["signature"] is None
        assert "keys export add" in bare["unsigned_because"]
        assert (await home.get("/export/keys"))["keys"] == []
        kid = home.export_keys.create("2026-01-05T00:00:00+00:00").kid
        answer = await handed(home, name)
        assert check(answer.content, home.export_keys.trusted().public).failure is None
        found = answer.json()
        assert found["tape"]["ticks"][0]["symbol"] == "EURUSD"
        assert {one["type"] for one in found["records"]} >= {"account_halted", "close_intended"}
        [served] = (await home.get("/export/keys"))["keys"]
        assert served["kid"] == kid
        blind = (await handed(home, name, "?redact=true")).json()
        assert blind["is_redacted"]
        assert "1001" not in json.dumps(blind)


async def test_an_incident_of_somebody_else_is_not_handed_over(tmp_path: Path) -> None:
    with api_house(tmp_path) as home:
        name = breached(home.desk)
        token = home.access.token("viewer", "eve", OWN.replace("1001", "1002"))
        foreign = await home.ask("GET", f"/verdicts/{name}/export", token=token)
        missing = await home.ask("GET", "/verdicts/vrd_none/export", token=token)
        assert foreign.status_code == missing.status_code == 404
        assert foreign.content == missing.content


# From the shell


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "book.toml").write_text(BOOK, encoding="utf-8")
    made = tmp_path / "serve.toml"
    made.write_text('book = "book.toml"\nstate = "s"\n', encoding="utf-8")
    return made


def test_the_shell_makes_keys_and_checks_a_file(
    program: Program, config: Path, tmp_path: Path
) -> None:
    assert "no keys yet" in program("keys", "export", "list", "--config", config).err
    kid = program("keys", "export", "add", "--config", config).out.strip()
    [listed] = json.loads(program("keys", "export", "list", "--config", config, "--json").out)
    assert listed["kid"] == kid
    public = Path(program("keys", "export", "publish", kid, "--config", config).out.strip())
    file = tmp_path / "vrd_1.json"
    keys = AccessKeys(tmp_path / "s" / "export")
    file.write_bytes(signed(export_of(AT, VERDICT, RECORDS, None, redact=False), keys))
    for key in (public, listed["public"]):
        said = program("incident", "check", file, "--public", key)
        assert (said.code, said.out) == (0, f"vrd_1 as key {kid} signed it\n")
    file.write_bytes(file.read_bytes().replace(b"8990.0", b"8991.0"))
    said = program("incident", "check", file, "--public", public, "--json")
    assert said.code == 1
    assert "changed" in json.loads(said.out)["failure"]
    file.write_text("no json")
    assert program("incident", "check", file, "--public", public).code == 2
    assert program("incident", "check", file, "--public", "ab").code == 2
    program("keys", "export", "retire", kid, "--config", config)
    assert keys.live() == []
