"""SIGHUP to `tidegate serve`, a process of its own, with terminals of a simulated broker at it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adapters.mt5.keys import KeyDirectory
from engine.client.blocking import Client
from engine.domain.ids import AccountKey
from engine.domain.snapshot import Snapshot
from tests.facade.reload_floor import SERVER, book_of, written
from tests.tree import ROOT

LONG_S = 120.0
TICKS = "".join(
    f"EUR/USD,20130102 12:{n // 600:02}:{n // 10 % 60:02}.{n % 10}00,1.10{n % 7}00,1.10{n % 7}10\n"
    for n in range(6000)
)
BROKER = """
server = "Demo-1"
seed = 7
latency_ms = [1, 5]
speed = 1.0
state = "{name}"

[engine]
port = {port}
authority = "s/certificates/ca.pem"
keys = "s/terminals"

[[instrument]]
symbol = "EURUSD"
calc_mode = "forex"
digits = 5
contract_size = 100000.0
base_currency = "EUR"
profit_currency = "USD"

[[ticks]]
symbol = "EURUSD"
files = ["eurusd.csv"]

[[account]]
login = {login}
deposit = 10000.0
{position}
"""
HELD = 'position = [{ symbol = "EURUSD", side = "buy", lots = 0.01 }]'


class Program:
    """`tidegate serve` in a folder, and what it says."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.folder = folder
        self.process = process

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "serve.log").read_text().splitlines()]

    def said(self, event: str, number: int = 1) -> dict[str, Any]:
        """The so manyeth line of that event, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines() if line["event"] == event]

        until(lambda: len(found()) >= number, self.process)
        return found()[number - 1]

    def hang_up(self, book: str) -> None:
        (self.folder / "book.toml").write_text(book, encoding="utf-8")
        self.process.send_signal(signal.SIGHUP)

    def snapshot(self, login: int) -> Snapshot:
        with Client(self.folder / "s" / "tidegate.sock") as client:
            return client.snapshot(AccountKey(SERVER, login))

    def is_linked(self, login: int) -> bool:
        live = self.snapshot(login).live
        if live is None or not live.reconciliation.total_syncs:
            return False
        return live.link.state == "linked"


def until(wanted: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    end_s = time.monotonic() + LONG_S
    while not wanted():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.05)


@contextmanager
def running(folder: Path, name: str, *words: str) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / f"{name}.log").open("wb") as log:
        command = [sys.executable, "-m", *words]
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def broker(folder: Path, port: int, login: int, position: str = "") -> Iterator[None]:
    name = f"broker{login}"
    script = folder / f"{name}.toml"
    script.write_text(BROKER.format(port=port, login=login, name=name, position=position))
    with running(folder, name, "adapters.broker", str(script)):
        yield


def test_accounts_come_and_go_at_a_hang_up_and_nothing_else_does() -> None:
    with TemporaryDirectory(prefix="tg") as name:
        folder = Path(name)
        settings = written(folder, [1001])
        (folder / "eurusd.csv").write_text(TICKS)
        for login in (1001, 1002):
            key = AccountKey(SERVER, login)
            KeyDirectory(folder / "s" / "terminals").create(key, "2026-01-01T00:00:00Z")
        with running(folder, "serve", "facade", "serve", "--config", str(settings)) as process:
            program = Program(folder, process)
            port = int(program.said("guarding")["listening"].rpartition(":")[2])
            with broker(folder, port, 1001, HELD):
                until(lambda: program.is_linked(1001), process)
                seq = program.snapshot(1001).seq

                program.hang_up(book_of([1001, 1002]))
                assert program.said("reloaded")["added"] == "Demo-1/1002"
                with broker(folder, port, 1002):
                    until(lambda: program.is_linked(1002), process)
                    assert program.snapshot(1002).balance == 10_000.0

                    program.hang_up(book_of([1002]))
                    assert "1 open positions" in program.said("not reloaded")["cause"]
                    program.hang_up(book_of([1001]).replace("10000.0", "9000.0"))
                    cause = program.said("not reloaded", 2)["cause"]
                    assert "needs a restart: account[0].balance" in cause
                    assert program.is_linked(1001)
                    assert program.is_linked(1002)

                    program.hang_up(book_of([1001]))
                    assert program.said("reloaded", 2)["removed"] == "Demo-1/1002"
                assert program.is_linked(1001)
                assert program.snapshot(1001).seq == seq, "nothing happened to it"
            process.send_signal(signal.SIGTERM)
            assert process.wait(LONG_S) == 0
        audited = (folder / "s" / "audit.db").read_bytes()
        assert audited.count(b"signal:SIGHUP") >= 6
