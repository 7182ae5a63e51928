"""`tidegate doctor`: each thing that keeps an engine from serving is found, and said."""

import json
import resource
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from adapters.mt5.certificates import make_certificates
from adapters.mt5.keys import KeyDirectory
from adapters.sqlite.journal import open_journal
from adapters.sqlite.marker import leave_marker
from engine.desk import FeedHealth, Health
from engine.domain.ids import AccountKey
from engine.errors import AdapterError
from facade import doctor, doctor_machine
from facade.doctor import Finding, Tools, engine_rows, is_answering, look, unfit
from facade.settings import Settings, read_settings
from facade.settings_keys import SettingsKeys
from facade.wiring import doctor_tools
from tests.facade.command_line import BOOK, Program

LOGINS = (1, 2, 3, 4)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def fit(tmp_path: Path) -> Path:
    """Settings under which everything is as it should be, but that nobody is told."""
    (tmp_path / "book.toml").write_text(BOOK, encoding="utf-8")
    path = tmp_path / "serve.toml"
    path.write_text(
        f'book = "book.toml"\n[link]\nhost = "127.0.0.1"\nport = {free_port()}\n'
        f"[http]\nenabled = false\n",
        encoding="utf-8",
    )
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    make_certificates(state / "certificates", ["localhost"], datetime.now(UTC))
    ring = KeyDirectory(state / "terminals")
    for login in LOGINS:
        ring.create(AccountKey("Demo-1", login), "2026-01-01T00:00:00+00:00")
    return path


def rows(path: Path, tools: Tools | None = None, *, reach: bool = False) -> list[Finding]:
    return list(look(read_settings(path), tools or doctor_tools(), reach=reach))


def row(path: Path, check: str, state: str) -> Finding:
    found = [one for one in rows(path) if one.check == check and one.state == state]
    assert len(found) == 1, rows(path)
    return found[0]


def add(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as out:
        out.write(text)


def test_what_is_as_it_should_be_is_fit(fit: Path) -> None:
    found = rows(fit)
    assert not unfit(found)
    assert {one.check: one.state for one in found} == {
        "settings": "ok",
        "state directory": "ok",
        "certificate": "ok",
        "terminal keys": "ok",
        "journal": "ok",
        "disk": "ok",
        "engine": "ok",
        "link port": "ok",
        "alerts": "warning",
    }


def test_the_command_prints_a_row_each_and_exits_0(
    fit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Program(capsys)("doctor", "--config", fit)
    assert said.code == 0
    assert "fit to serve: 0 failed" in said.out
    assert "compiled kernel" in said.out


def test_the_command_exits_1_where_it_is_unfit_and_json_says_why(
    fit: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(fit, "[link]\nprot = 1\n")
    said = Program(capsys)("doctor", "--config", fit, "--json")
    assert said.code == 1
    told = json.loads(said.out)
    assert told["is_fit"] is False
    assert told["checks"][0]["check"] == "settings"
    assert told["checks"][0]["state"] == "failed"


def test_an_account_without_a_key_and_a_key_without_an_account_are_named(fit: Path) -> None:
    ring = KeyDirectory(fit.parent / "state" / "terminals")
    ring.revoke(next(one.key_id for one in ring.names() if one.account.login == 3))
    ring.create(AccountKey("Demo-2", 99), "2026-01-01T00:00:00+00:00")
    found = [one.said for one in rows(fit) if one.check == "terminal keys"]
    assert found == [
        f"without a key: {AccountKey('Demo-1', 3)}",
        f"of accounts that the book does not have: {AccountKey('Demo-2', 99)}",
    ]


def test_a_key_that_others_may_read_is_found(fit: Path) -> None:
    next((fit.parent / "state" / "terminals").glob("*.key")).chmod(0o644)
    assert "others may read it" in row(fit, "terminal keys", "failed").said


def test_no_key_at_all_means_that_no_terminal_can_link(fit: Path) -> None:
    for file in (fit.parent / "state" / "terminals").glob("*.key"):
        file.unlink()
    assert "no terminal can link" in row(fit, "terminal keys", "failed").said


@pytest.mark.parametrize(
    ("made_days_ago", "state"), [(800, "warning"), (900, "failed"), (-10, "failed")]
)
def test_a_certificate_near_its_end_or_out_of_its_time_is_found(
    fit: Path, made_days_ago: int, state: str
) -> None:
    folder = fit.parent / "state" / "certificates"
    for file in folder.iterdir():
        file.unlink()
    make_certificates(folder, ["localhost"], datetime.now(UTC) - timedelta(days=made_days_ago))
    found = row(fit, "certificate", state)
    assert found.help is not None
    assert "tidegate keys authority --renew" in found.help


def test_a_certificate_key_of_another_pair_is_found(fit: Path) -> None:
    folder = fit.parent / "state" / "certificates"
    other = make_certificates(fit.parent / "other", ["localhost"], datetime.now(UTC))
    (folder / "server.key").unlink()
    (folder / "server.key").write_bytes(other.server_key.read_bytes())
    assert row(fit, "certificate", "failed").said


def make_journal(path: Path) -> None:
    async def run() -> None:
        path.parent.mkdir(exist_ok=True)
        async with open_journal(path):
            pass

    trio.run(run)


def test_a_journal_is_opened_to_read_and_counted(fit: Path) -> None:
    make_journal(fit.parent / "state" / "journal.db")
    assert row(fit, "journal", "ok").said.startswith("0 records of 0 accounts")


def test_a_journal_that_failed_before_is_not_fit(fit: Path) -> None:
    path = fit.parent / "state" / "journal.db"
    make_journal(path)
    leave_marker(path, "a test")
    assert row(fit, "journal", "failed").said == "it failed before"


def test_a_file_that_is_no_journal_is_not_fit(fit: Path) -> None:
    (fit.parent / "state" / "journal.db").write_text("minutes of a meeting\n" * 100)
    assert row(fit, "journal", "failed").said


def listening(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()
    return server


def test_a_taken_port_is_found_unless_an_engine_runs(
    fit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = read_settings(fit).keys.link.port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert str(port) in row(fit, "link port", "failed").said
        with listening(fit.parent / "state" / "tidegate.sock"), monkeypatch.context() as short:
            short.setattr(doctor, "_CONNECT_S", 0.05)  # nobody answers there
            assert "an engine is running" in row(fit, "link port", "ok").said


def test_a_socket_that_an_engine_left_behind_is_no_engine(fit: Path) -> None:
    path = fit.parent / "state" / "tidegate.sock"
    listening(path).close()
    assert not is_answering(path)
    assert "left from an earlier one" in row(fit, "engine", "ok").said


def test_a_state_directory_anybody_may_write_to_is_found(fit: Path) -> None:
    (fit.parent / "state").chmod(0o777)
    assert "anybody" in row(fit, "state directory", "failed").said
    (fit.parent / "state").chmod(0o755)
    assert "others may look" in row(fit, "state directory", "warning").said


def health(**changes: object) -> Health:
    feed = FeedHealth(name="Demo-1", leader="Demo-1/1", ticks=9, quote_age_ms=40, rejected={})
    usual = Health(
        is_ready=True,
        reason="",
        started_msc=0,
        time_msc=1,
        accounts=4,
        linked=4,
        crashed={},
        journal_failure=None,
        loop_lag_ms=1.0,
        feeds=(feed,),
        refused={},
        listening="127.0.0.1:8444",
        thumbprint="AB",
    )
    return replace(usual, **changes)


def states(found: Health) -> list[str]:
    return [one.state for one in engine_rows(Path("s"), is_running=True, ask=lambda _: found)]


def test_a_running_engine_is_asked_how_it_is() -> None:
    assert states(health()) == ["ok", "ok"]
    assert states(health(linked=3)) == ["warning", "ok"]
    assert states(health(is_ready=False, reason="the journal failed")) == ["failed", "ok"]
    assert states(health(crashed={"Demo-1/1": "poison"})) == ["ok", "failed", "ok"]
    assert states(health(loop_lag_ms=900.0)) == ["ok", "warning", "ok"]
    feed = health().feeds[0]
    assert states(health(feeds=(replace(feed, quote_age_ms=90_000),))) == ["ok", "warning"]
    assert states(health(feeds=(replace(feed, leader=None),))) == ["ok", "warning"]


def test_an_engine_that_listens_and_does_not_answer_is_said() -> None:
    def ask(_path: Path) -> Health:
        raise AdapterError("timed out", system="engine", retry=True)

    (found,) = engine_rows(Path("s"), is_running=True, ask=ask)
    assert found.state == "warning"
    assert "does not answer" in found.said


TELEGRAM = '[alerts.telegram]\ntoken_file = "token"\nchat = 1\n'


def test_a_missing_token_is_found_and_a_present_one_never_shown(fit: Path) -> None:
    add(fit, TELEGRAM)
    assert "cannot be read" in row(fit, "alerts by telegram", "failed").said
    token = fit.parent / "token"
    token.touch(mode=0o600)
    token.write_text("4711:CANARY", encoding="utf-8")
    found = row(fit, "alerts", "ok")
    assert found.said == "by telegram"
    assert "CANARY" not in repr(rows(fit))


def test_channels_are_tried_only_when_asked_for(fit: Path) -> None:
    tried: list[str] = []

    def reach(_settings: Settings) -> Iterator[tuple[str, object]]:
        def good() -> str:
            tried.append("telegram")
            return "there"

        def bad() -> str:
            tried.append("mail")
            raise AdapterError("no connection", system="mail", retry=True)

        yield "telegram", good
        yield "mail", bad

    real = doctor_tools()
    tools = Tools(
        real.key_owners,
        real.load_certificate,
        real.read_journal,
        real.journal_marker,
        real.make_channels,
        reach,  # type: ignore[arg-type]
    )
    rows(fit, tools)
    assert tried == []
    found = {one.check: one.state for one in rows(fit, tools, reach=True)}
    assert tried == ["telegram", "mail"]
    assert found["reach telegram"] == "ok"
    assert found["reach mail"] == "warning"


def test_too_few_open_files_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    found = doctor_machine.files(SettingsKeys(book="book.toml"))
    assert found.state == "warning"
    assert found.help is not None
    assert "LimitNOFILE=5160" in found.help


def test_an_undisciplined_clock_is_said_and_what_cannot_be_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for state, wanted in ((5, "warning"), (0, "ok"), (None, "warning")):
        monkeypatch.setattr(doctor_machine, "_clock_state", lambda state=state: state)
        found = doctor_machine.clock()
        assert found.state == wanted
        assert "only when a terminal links" in found.said


def test_systemd_that_does_not_watch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@x")
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert doctor_machine.supervision().state == "warning"
    monkeypatch.setenv("WATCHDOG_USEC", "10000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert doctor_machine.supervision().said == "started by systemd, watched every 10 s"
