"""The simulated broker as a process of its own, and the file it runs from."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from adapters.broker.__main__ import main
from adapters.broker.script import read_script, server_of
from adapters.broker.state import read_books, save
from adapters.mt5.certificates import make_certificates, server_context
from adapters.mt5.door import GatewaySettings
from adapters.mt5.gateway import Gateway
from adapters.mt5.keys import KeyDirectory
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from engine.errors import UserError
from tests.adapters.broker.broker_links import TimedSink
from tests.adapters.broker.server_world import NOON_MSC, World
from tests.adapters.mt5.link_house import House
from tests.tree import ROOT

ACCOUNT = AccountKey("Demo-1", 1001)
SCRIPT = """
server = "Demo-1"
seed = 7
latency_ms = [1, 5]
stamps = "ticks"
speed = 20.0
state = "state"

[engine]
port = 9443
authority = "tls/ca.pem"
keys = "keys"

[[instrument]]
symbol = "EURUSD"
calc_mode = "forex"
digits = 5
contract_size = 100000.0
base_currency = "EUR"
profit_currency = "USD"

[[trading]]
symbol = "EURUSD"
commission_per_lot = 3.5

[[ticks]]
symbol = "EURUSD"
files = ["eurusd.csv"]

[[account]]
login = 1001
deposit = 10000.0
position = [{ symbol = "EURUSD", side = "buy", lots = 0.5, comment = "kept" }]

[[trade]]
at_s = 0.2
login = 1001
symbol = "EURUSD"
side = "sell"
lots = 0.1

[[money]]
at_s = 0.3
login = 1001
amount = -250.0

[[fault]]
at_s = 0.4
login = 1001
fault = "cut"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything a run needs, but for who listens."""
    rows = [
        f"EUR/USD,20130102 12:00:{n // 10:02}.{n % 10}00,1.3{n % 7}000,1.3{n % 7}010"
        for n in range(600)
    ]
    (tmp_path / "eurusd.csv").write_text("\n".join(rows) + "\n")
    KeyDirectory(tmp_path / "keys").create(ACCOUNT, "2026-01-01T00:00:00Z")
    make_certificates(tmp_path / "tls", ["127.0.0.1"], datetime.now(UTC))
    return tmp_path


@asynccontextmanager
async def listening(folder: Path) -> AsyncIterator[tuple[TimedSink, Path]]:
    """A gateway for the folder's keys and certificates, and the script that names its port."""
    sink = TimedSink()
    world = House(GatewaySettings(heartbeat_ms=50))
    keys = KeyDirectory(folder / "keys")
    gateway = Gateway(sink, keys, world.epochs, world.gateway.clock, world.gateway.settings)
    context = server_context(folder / "tls/server.pem", folder / "tls/server.key")
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(gateway.serve, context, "127.0.0.1", 0)
        gateway.want_symbols(ACCOUNT.server, ["EURUSD"])
        script = folder / "broker.toml"
        script.write_text(SCRIPT.replace("9443", str(addresses[0][1])))
        yield sink, script
        nursery.cancel_scope.cancel()


async def run_until_told(sink: TimedSink, script: Path) -> None:
    """Runs the broker until it was cut and linked again, then ends it as an operator would."""
    wanted = {kind: len(sink.of(kind)) + 2 for kind in ("linked", "reported")}
    said = script.with_suffix(".log")
    with said.open("wb") as log:
        command = [sys.executable, "-m", "adapters.broker", str(script)]
        running = await trio.lowlevel.open_process(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            with trio.move_on_after(20):
                while any(len(sink.of(kind)) < times for kind, times in wanted.items()):
                    assert running.poll() is None, said.read_text()
                    await trio.sleep(0.02)
            running.terminate()
            with trio.fail_after(5):
                code = await running.wait()
        finally:
            if running.poll() is None:
                running.kill()
    assert code == 0, said.read_text()


async def test_a_process_links_plays_and_does_what_its_file_lists(folder: Path) -> None:
    async with listening(folder) as (sink, script):
        await run_until_told(sink, script)
        balance = 10_000.0 - 0.5 * 3.5 - 0.1 * 3.5 - 250.0
        report = sink.of("reported")[-1][1]
        assert report.account.balance == pytest.approx(balance)
        volumes = [(p.type, p.volume, p.comment) for p in report.positions]
        assert volumes == [(0, 0.5, "kept"), (1, 0.1, "")]
        assert sink.rows, "quotes were told"
        tickets = [ticket for _, ticket in sink.of("deal")]
        books = read_books(folder / "state" / "server.json")
        assert books is not None
        assert books.last_deal >= max(tickets)
        # The second run goes on where the first one stopped: nothing is opened anew.
        await run_until_told(sink, script)
        again = sink.of("reported")[-1][1]
        assert [p.identifier for p in again.positions][:2] == [
            p.identifier for p in report.positions
        ]
        later = [ticket for _, ticket in sink.of("deal")][len(tickets) :]
        assert min(later) > max(tickets)
        assert [row.epoch for row in (facts[0] for facts in sink.of("linked"))] == [1, 2, 3, 4]


def wrong(what: str, by: str) -> str:
    assert what in SCRIPT
    return SCRIPT.replace(what, by, 1)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (wrong("seed = 7", "sede = 7"), "sede"),
        (wrong("login = 1001\nsymbol", "login = 1002\nsymbol"), "trade[0].login"),
        (wrong('symbol = "EURUSD"\nfiles', 'symbol = "GBPUSD"\nfiles'), "ticks[0].symbol"),
        (wrong('fault = "cut"', 'fault = "cuts"'), "fault[0].fault"),
        (wrong("[1, 5]", "[5, 1]"), "latency_ms"),
        (wrong('"ticks"', '"ticks"\nrepeat = true'), "repeat"),
        (SCRIPT + "[[account]]\nlogin = 1001\ndeposit = 1.0\n", "account[1].login"),
        (wrong('{ symbol = "EURUSD"', '{ symbol = "X"'), "account[0].position[0].symbol"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, place: str) -> None:
    script = tmp_path / "broker.toml"
    script.write_text(text)
    with pytest.raises(UserError, match=re.escape(place)):
        read_script(script)


def test_a_missing_key_and_a_missing_file_end_with_two(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder / "none.toml")]) == 2
    assert main([]) == 2
    script = folder / "broker.toml"
    script.write_text(wrong("login = 1001\ndeposit", "login = 1002\ndeposit").split("[[trade]]")[0])
    assert main([str(script)]) == 2
    assert "no key for account 1002" in capsys.readouterr().err


def test_books_come_back_as_they_were(tmp_path: Path) -> None:
    world = World()
    world.open(Side.BUY, 0.3, stop_loss=1.05)
    world.do_pending()
    path = tmp_path / "server.json"
    save(world.server, path)
    books = read_books(path)
    assert books is not None
    script = tmp_path / "broker.toml"
    script.write_text(SCRIPT)
    again = server_of(*read_script(script), NOON_MSC, books).accounts[1001]
    assert again.positions == world.account.positions
    assert again.orders == world.account.orders
    assert again.deals == world.account.deals
    assert again.balance_minor == world.account.balance_minor
    assert again.tickets.order() > max(world.account.orders)
    path.write_text("{}")
    with pytest.raises(UserError):
        read_books(path)
