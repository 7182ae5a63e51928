"""The settings file: what it may say, and that the page about it says the same."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from engine.domain.discrepancies import Kind, Policy
from engine.errors import UserError
from facade.settings import Settings, is_settings, read_secret, read_settings
from facade.settings_keys import QuietHoursKeys, SettingsKeys
from tests.facade.command_line import BOOK, Program
from tests.tree import ROOT

ROW = re.compile(r"^\| (?:`\[([\w.]+)\]`)? ?\| `(\w+)` \| .*? \| (required|none|`.*?`) \|", re.M)
TELEGRAM = '[alerts.telegram]\ntoken_file = "t"\nchat = 1\n'
Rows = dict[tuple[str, str], str]


def shape_of(hint: Any) -> Any:
    """The struct in an optional one."""
    parts = [part for part in get_args(hint) if part is not type(None)]
    return parts[0] if len(parts) == 1 else hint


def keys_of(shape: type[msgspec.Struct], section: str = "") -> Iterator[tuple[str, str, str]]:
    hints = get_type_hints(shape)
    for field in msgspec.structs.fields(shape):
        inner = shape_of(hints[field.name])
        is_table = isinstance(inner, type) and issubclass(inner, msgspec.Struct)
        if is_table and inner is not QuietHoursKeys:
            yield from keys_of(inner, f"{section}.{field.encode_name}".strip("."))
            continue
        default: Any = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        shown = "required" if default is msgspec.NODEFAULT else toml(default)
        yield section, field.encode_name, shown


def toml(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    text = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
    return f"`{text}`"


def documented() -> Rows:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    return {(found[1] or "", found[2]): found[3] for found in ROW.finditer(page)}


def declared() -> Rows:
    return {(section, key): default for section, key, default in keys_of(SettingsKeys)}


def test_the_table_of_settings_and_the_structs_agree_in_both_directions() -> None:
    assert len(declared()) > 70
    assert documented() == declared()


def test_every_row_of_the_table_is_read_by_the_test_above() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) - 2 == len(documented())


def written(folder: Path, text: str) -> Path:
    (folder / "book.toml").write_text(BOOK, encoding="utf-8")
    path = folder / "serve.toml"
    path.write_text(text, encoding="utf-8")
    return path


def settings(folder: Path, text: str = "") -> Settings:
    return read_settings(written(folder, f'book = "book.toml"\n{text}'))


def refusal(folder: Path, text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        settings(folder, text)
    return caught.value


def test_the_example_is_read_with_its_book() -> None:
    read = read_settings(ROOT / "docs" / "examples" / "serve.toml")
    assert read.keys.link.names[0] == "desk.example.com"
    assert len(read.book.accounts) == 12


def test_paths_lie_beside_the_file_and_in_the_state_directory(tmp_path: Path) -> None:
    read = settings(tmp_path, 'state = "kept"\n[link]\nterminal_keys = "elsewhere"\n')
    assert read.journal == tmp_path / "kept" / "journal.db"
    assert read.socket == tmp_path / "kept" / "tidegate.sock"
    assert read.server_certificate == tmp_path / "kept" / "certificates" / "server.pem"
    assert read.terminal_keys == tmp_path / "elsewhere"
    assert read.access_keys == tmp_path / "kept" / "access"


def test_an_unknown_key_names_its_line_and_the_nearest(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[link]\nprot = 1\n")
    assert error.place is not None
    assert error.place.endswith("serve.toml:3")
    assert error.path == "link.prot"
    assert error.help is not None
    assert error.help.startswith("did you mean `port`?")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[link]\nport = 70000\n", "link.port"),
        ("[link]\nsilence_s = 1.0\n", "link.silence_s"),
        ("[link]\nlost_s = 2.0\n", "link.lost_s"),
        ('[link]\ncertificate = "a.pem"\n', "link"),
        ("[close]\nhold_s = 10\nttl_s = 30\n", "close.hold_s"),
        ("[close]\ndeviation_cap_points = 1\n", "close.deviation_cap_points"),
        ('[http]\nhost = "0.0.0.0"\n', "http.host"),
        ('[http]\nhost = "192.0.2.1"\n', "http.host"),
        ("[internal]\nport = 9000\n", "internal.port"),
        ('[reconcile]\npolicy = { unexpected = "shout" }\n', "reconcile.policy"),
        ('[log]\nlevel = "loud"\n', "log.level"),
        (
            TELEGRAM + 'levels = { page = "off" }\n',
            "alerts.telegram.levels.page",
        ),
        (
            TELEGRAM + 'quiet_hours = { zone = "Mars/Base", from = "22:00", to = "07:00" }\n',
            "alerts.telegram.quiet_hours.zone",
        ),
        (
            TELEGRAM + 'quiet_hours = { zone = "UTC", from = "25:00", to = "07:00" }\n',
            "alerts.telegram.quiet_hours.from",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, where: str) -> None:
    error = refusal(tmp_path, text)
    assert error.path is not None
    assert error.path.startswith(where)
    assert error.place is not None
    assert re.search(r"serve\.toml:\d+$", error.place)


@pytest.mark.parametrize(
    "more",
    [
        'certificate = "a.pem"\ncertificate_key = "a.key"\n',
        "behind_proxy = true\n",
        "enabled = false\n",
    ],
)
def test_the_api_listens_beyond_this_machine_only_in_the_open(tmp_path: Path, more: str) -> None:
    read = settings(tmp_path, f'[http]\nhost = "0.0.0.0"\n{more}')
    assert read.keys.http.host == "0.0.0.0"


@pytest.mark.parametrize(
    "line",
    [
        'token = "CANARY-4711"',
        'bot_token = "CANARY-4711"',
        'secret = ["CANARY-4711"]',
        'password = "CANARY-4711"',
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_shown(tmp_path: Path, line: str) -> None:
    error = refusal(tmp_path, f"[alerts.telegram]\nchat = 1\n{line}\n")
    shown = error.render() + repr(error) + str(error)
    assert "never written into the settings" in shown
    assert "serve.toml:4" in shown
    assert "CANARY" not in shown
    assert error.help is not None
    assert "_file" in error.help
    assert "TIDEGATE_" in error.help


def test_a_secret_comes_from_the_environment_or_a_file_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "token"
    path.write_text(" 1:abc\n", encoding="utf-8")
    path.chmod(0o644)
    with pytest.raises(UserError, match="others on this machine may read"):
        read_secret(path, "TIDEGATE_TELEGRAM_TOKEN")
    path.chmod(0o600)
    assert read_secret(path, "TIDEGATE_TELEGRAM_TOKEN").reveal() == b"1:abc"
    monkeypatch.setenv("TIDEGATE_TELEGRAM_TOKEN", "2:def")
    assert read_secret(path, "TIDEGATE_TELEGRAM_TOKEN").reveal() == b"2:def"
    assert os.environ["TIDEGATE_TELEGRAM_TOKEN"] not in repr(
        read_secret(path, "TIDEGATE_TELEGRAM_TOKEN")
    )


def test_terms_are_what_the_file_says(tmp_path: Path) -> None:
    read = settings(
        tmp_path,
        "[close]\nhold_s = 30\nrequotes = 2\n"
        '[reconcile]\nequity_tolerance = 4.2\npolicy = { missing = "halt" }\n',
    )
    assert read.close_terms().hold_ms == 30_000
    assert read.close_terms().requotes == 2
    terms = read.terms_of("JPY", 0)
    assert terms.equity_tolerance_minor == 4
    assert terms.policies.by_kind == {Kind.MISSING: Policy.HALT}


def test_a_book_without_accounts_guards_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, 'book = "empty.toml"\n')
    (tmp_path / "empty.toml").write_text(BOOK.partition("\n[[account]]")[0], encoding="utf-8")
    with pytest.raises(UserError, match="has no account"):
        read_settings(path)


def test_settings_are_told_from_a_book_by_the_book_they_name() -> None:
    assert is_settings('book = "a.toml"\n')
    assert not is_settings(BOOK)
    assert not is_settings("book = [")


def test_check_takes_settings_and_their_book_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, 'book = "book.toml"\n')
    said = Program(capsys)("check", path)
    assert said.code == 0
    assert "nothing is wrong" in said.out
    path = written(tmp_path, 'book = "book.toml"\n[link]\nprot = 1\n')
    said = Program(capsys)("check", path)
    assert said.code == 2
    assert "did you mean `port`?" in said.err


def test_a_credential_of_systemd_may_look_readable_by_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "telegram_token"
    path.write_text("1:abc", encoding="utf-8")
    path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "another"))
    with pytest.raises(UserError, match="others on this machine may read"):
        read_secret(path, "TIDEGATE_TELEGRAM_TOKEN")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(path, "TIDEGATE_TELEGRAM_TOKEN").reveal() == b"1:abc"
