"""status, halt, flatten, release against an engine's socket, run as the console script runs them;
and the client they are made with, which knows no Trio.
"""

import getpass
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio

from engine.client.blocking import Client
from engine.desk import Taken
from engine.domain.commands import Flatten, Halt, Refused, Release
from engine.domain.ids import AccountKey
from engine.errors import AdapterError
from engine.secret import Secret
from facade.internal_rules import Rules
from facade.internal_socket import InternalSocket
from tests.facade.command_line import Program
from tests.facade.fake_desk import FakeDesk, key_of
from tests.facade.internal_house import LONG_S, TOKEN, second_person

ME = f"shell:{getpass.getuser()}"
ONE, OTHER = key_of(1001), key_of(1002)


class Engine:
    """A desk served in a thread of its own."""

    def __init__(self, path: Path, desk: FakeDesk) -> None:
        self.path = path
        self.desk = desk
        self.port = 0


@pytest.fixture
def engine() -> Iterator[Engine]:
    """One account breached, one that goes on: the first is deep under, the second holds nothing."""
    desk = FakeDesk()
    desk.tick(1.1)
    ready, stop = threading.Event(), trio.Event()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def serve(path: Path, found: Engine) -> None:
        tokens.append(trio.lowlevel.current_trio_token())
        rules = Rules(Secret(TOKEN.encode()), second_person=second_person)
        served = InternalSocket(desk, path, rules, 0)
        async with trio.open_nursery() as nursery:
            await nursery.start(served.serve)
            found.port = served.port or 0
            ready.set()
            await stop.wait()
            nursery.cancel_scope.cancel()

    with TemporaryDirectory(prefix="tg") as folder:
        path = Path(folder) / "s"
        found = Engine(path, desk)
        thread = threading.Thread(target=lambda: trio.run(serve, path, found), daemon=True)
        thread.start()
        assert ready.wait(LONG_S)
        yield found
        trio.from_thread.run_sync(stop.set, trio_token=tokens[0])
        thread.join(LONG_S)


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def test_status_shows_the_worst_first_within_80_columns(program: Program, engine: Engine) -> None:
    life = engine.desk.lives[OTHER]
    life.tick(engine.desk.time_msc + 1, "EURUSD", 1.08)
    said = program("status", "--socket", engine.path)
    lines = said.out.splitlines()
    assert said.code == 0
    assert lines[0].startswith("guarding · 2 of 2 terminals linked")
    rows = [line for line in lines if "Demo-1/" in line]
    assert [row.split()[2] for row in rows] == ["Demo-1/1002", "Demo-1/1001"]
    assert rows[0].startswith("✕ Breached")
    assert rows[0].split()[3] == "floor"
    assert max(map(len, lines)) <= 80


def test_status_takes_a_part_of_a_name_or_a_state(program: Program, engine: Engine) -> None:
    said = program("status", "1002", "--socket", engine.path)
    assert "Demo-1/1002" in said.out
    assert "Demo-1/1001" not in said.out
    told = json.loads(program("status", "known", "--socket", engine.path, "--json").out)
    assert [one["login"] for one in told["accounts"]] == [1001, 1002]
    assert told["counts"]["known"] == 2
    assert told["health"]["is_ready"] is True
    assert "no account is so" in program("status", "breached", "--socket", engine.path).out


def test_the_socket_is_found_by_the_environment(
    program: Program, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program("status").code == 2
    monkeypatch.setenv("TIDEGATE_SOCKET", str(engine.path))
    assert program("status").code == 0


def test_where_no_engine_answers_the_code_is_3(program: Program, tmp_path: Path) -> None:
    for words in (["status"], ["halt", "--all"], ["flatten", "--all", "--reason", "x", "--yes"]):
        said = program(*words, "--socket", tmp_path / "s")
        assert said.code == 3
        assert "no engine answers" in said.err


def test_halt_is_recorded_as_the_users_own(program: Program, engine: Engine) -> None:
    said = program("halt", "Demo-1/1001", "--reason", "news", "--socket", engine.path)
    assert (said.code, said.out) == (0, "Demo-1/1001: done\n")
    assert engine.desk.lives[ONE].state.halts == (ME,)
    [(_, command)] = engine.desk.given
    assert (command.by, getattr(command, "reason", "")) == (ME, "news")


def test_the_kill_switch_reaches_every_account(program: Program, engine: Engine) -> None:
    said = program("halt", "--all", "--socket", engine.path, "--json")
    assert [row["outcome"] for row in json.loads(said.out)] == ["done", "done"]
    assert all(life.state.halts == (ME,) for life in engine.desk.lives.values())


def test_flatten_needs_a_reason_and_a_word_typed(
    program: Program, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = program("flatten", "Demo-1/1001", "--yes", "--socket", engine.path)
    assert without.code == 2
    assert "reason" in without.err
    monkeypatch.setattr("typer.prompt", lambda *_args, **_more: "no")
    wrong = program("flatten", "Demo-1/1001", "--reason", "over", "--socket", engine.path)
    assert wrong.code == 2
    assert engine.desk.given == []
    monkeypatch.setattr("typer.prompt", lambda *_args, **_more: "Demo-1/1001")
    done = program("flatten", "Demo-1/1001", "--reason", "over", "--socket", engine.path)
    assert (done.code, done.out) == (0, "Demo-1/1001: done, 1 closes decided\n")


def test_one_account_or_all_and_none_that_is_not_there(program: Program, engine: Engine) -> None:
    assert program("halt", "--socket", engine.path).code == 2
    assert program("halt", "Demo-1/1001", "--all", "--socket", engine.path).code == 2
    missing = program("halt", "Demo-1/9", "--socket", engine.path)
    assert missing.code == 2
    assert "no such account" in missing.err
    assert engine.desk.given == []


def test_a_breach_is_released_with_the_token_of_another_person(
    program: Program, engine: Engine, tmp_path: Path
) -> None:
    engine.desk.lives[ONE].tick(engine.desk.time_msc + 1, "EURUSD", 1.08)
    words = ["release", "Demo-1/1001", "--cause", "floor", "--socket", str(engine.path)]
    assert program(*words).code == 2
    alone = program(*words, "--reason", "agreed")
    assert alone.code == 2
    assert "by two" in alone.err
    token = tmp_path / "token"
    token.write_text("operator:bob\n")
    both = program(*words, "--reason", "agreed", "--second", token)
    assert both.code == 0
    assert engine.desk.given[-1][1].by == f"{ME}+bob"
    again = program(*words, "--reason", "agreed", "--second", token)
    assert again.code == 1
    assert "refused" in again.err


# The client without Trio


def test_the_blocking_client_asks_everything(engine: Engine) -> None:
    engine.desk.verdicts["vrd_1"] = {"guard": "floor"}
    with Client(engine.path) as client:
        assert client.keys() == [ONE, OTHER]
        assert client.health() == engine.desk.health()
        assert client.snapshot(ONE) == engine.desk.snapshot(ONE)
        assert client.snapshots([ONE, OTHER]) == [engine.desk.snapshot(k) for k in (ONE, OTHER)]
        keys = [ONE, OTHER] * 200
        assert [one.login for one in client.each_snapshot(keys)] == [k.login for k in keys]
        assert client.records(ONE, 0) == engine.desk.lives[ONE].records
        assert client.ask_report(OTHER)
        assert client.verdict("vrd_1") == {"guard": "floor"}
        assert isinstance(client.command(ONE, Halt(0, "", "")), Taken)
        assert isinstance(client.command(ONE, Release(0, "", ME, "calm")), Taken)
        assert isinstance(client.command(ONE, Release(0, "", ME, "calm")), Refused)
        done = client.command_all([ONE, OTHER], Flatten(0, "", "over"))
        assert [len(one.intent_ids) for one in done if isinstance(one, Taken)] == [1, 1]
        with pytest.raises(KeyError):
            client.snapshot(AccountKey("Demo-9", 1))


def test_the_blocking_client_follows_events_from_where_it_left_off(engine: Engine) -> None:
    with Client(engine.path) as client:
        for _ in range(5):
            client.command(ONE, Halt(0, "", ""))
            client.command(ONE, Release(0, "", ME, "calm"))
        events = client.events({ONE: 4})
        assert [next(events).seq for _ in range(7)] == [5, 6, 7, 8, 9, 10, 11]
        assert client.keys() == [ONE, OTHER]  # asking goes on beside
        client.command(ONE, Halt(0, "", ""))
        assert next(events).seq == 12


def test_the_blocking_client_over_tcp_needs_the_token(engine: Engine) -> None:
    with Client(("127.0.0.1", engine.port), token=TOKEN) as client:
        assert client.keys() == [ONE, OTHER]
    with pytest.raises(AdapterError, match="token"):
        Client(("127.0.0.1", engine.port), token="wrong")
