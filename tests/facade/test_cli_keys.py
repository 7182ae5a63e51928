"""`tidegate keys`: made once, shown once, listed, revoked; and the certificates beside them."""

import json
import re
from pathlib import Path

import pytest

from tests.facade.command_line import BOOK, Program

KEY = re.compile(r"\b[0-9a-f]{64}\b")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "book.toml").write_text(BOOK, encoding="utf-8")
    path = tmp_path / "serve.toml"
    path.write_text('book = "book.toml"\n[link]\nnames = ["desk.example.com"]\n', encoding="utf-8")
    return path


def test_a_key_is_shown_once_on_the_output_stream_alone(run: Program, config: Path) -> None:
    said = run("keys", "add", "Demo-1/1", "--config", config)
    assert said.code == 0
    assert KEY.fullmatch(said.out.strip())
    assert not KEY.search(said.err)
    listed = run("keys", "list", "--config", config)
    assert "Demo-1/1" in listed.out
    assert said.out.strip() not in listed.out + listed.err
    assert (config.parent / "state").stat().st_mode & 0o077 == 0
    for file in (config.parent / "state" / "terminals").iterdir():
        assert file.stat().st_mode & 0o077 == 0


def test_keys_are_listed_and_revoked_by_id_as_json(run: Program, config: Path) -> None:
    made = json.loads(run("keys", "add", "Demo-1/1", "--config", config, "--json").out)
    assert KEY.fullmatch(made["key"])
    (listed,) = json.loads(run("keys", "list", "--config", config, "--json").out)
    assert listed["id"] == made["id"]
    assert "key" not in listed
    gone = json.loads(run("keys", "revoke", made["id"], "--config", config, "--json").out)
    assert gone == {"account": "Demo-1/1", "id": made["id"]}
    assert json.loads(run("keys", "list", "--config", config, "--json").out) == []
    again = run("keys", "revoke", made["id"], "--config", config)
    assert again.code == 2


@pytest.mark.parametrize("account", ["Demo-1/99", "Demo-2/1", "1", "Demo-1/x"])
def test_a_key_is_made_for_an_account_of_the_book_alone(
    run: Program, config: Path, account: str
) -> None:
    said = run("keys", "add", account, "--config", config)
    assert said.code == 2
    assert "help:" in said.err
    assert said.out == ""


def test_certificates_are_made_once_and_renewed_when_asked_for(run: Program, config: Path) -> None:
    def told(*more: str) -> dict[str, str]:
        said = run("keys", "authority", "--config", config, "--json", *more)
        assert said.code == 0, said.err
        found: dict[str, str] = json.loads(said.out)
        return found

    first = told()
    authority = Path(first["authority"]).read_bytes()
    assert told() == first
    renewed = told("--renew")
    assert renewed["sha256"] != first["sha256"]
    assert Path(renewed["authority"]).read_bytes() == authority
    assert told() == renewed


def test_a_certificate_of_another_authority_is_not_renewed_here(
    run: Program, config: Path, tmp_path: Path
) -> None:
    made = json.loads(run("keys", "authority", "--config", config, "--json").out)
    folder = Path(made["certificate"]).parent
    with config.open("a", encoding="utf-8") as out:
        out.write(f'certificate = "{folder}/server.pem"\ncertificate_key = "{folder}/server.key"\n')
    told = json.loads(run("keys", "authority", "--config", config, "--json").out)
    assert told["sha256"] == made["sha256"]
    assert "authority" not in told
    assert run("keys", "authority", "--config", config, "--renew").code == 2
