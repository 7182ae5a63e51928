"""The engine of real settings, terminals of a simulated broker at it, and a book to write anew."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from adapters.broker.holdings import Terms as BrokerTerms
from adapters.broker.house import BrokerHouse
from adapters.broker.market import Symbol
from adapters.broker.requests import Kind, Request
from adapters.broker.server import ServerSettings, TradeServer
from adapters.broker.terminal import Terminal, TerminalSettings
from adapters.mt5.certificates import client_context
from engine.clock import SystemClock
from engine.domain.account import AccountState
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from facade.reloading import reread
from facade.rereading import Change
from facade.settings import Settings, read_settings
from facade.wiring import authority_of, terminal_keys
from facade.wiring_floor import Floor, open_floor

SERVER = "Demo-1"
DEPOSIT = 10_000.0
LONG_S = 60.0
HEAD = """
[[instrument]]
symbol = "EURUSD"
calc_mode = "forex"
digits = 5
contract_size = 100000.0
base_currency = "EUR"
profit_currency = "USD"

[[ruleset]]
name = "house"
[[ruleset.guard]]
name = "trailing"
kind = "equity_limit"
reference = "equity_high_water"
amount = { percent = 5.0, of = "reference" }
action = "close_and_halt"
"""
ACCOUNT = """
[[account]]
login = {login}
server = "{server}"
currency = "USD"
balance = 10000.0
ruleset = "house"
"""
SETTINGS = """
book = "book.toml"
state = "s"
[link]
host = "127.0.0.1"
port = 0
heartbeat_ms = 100
[http]
enabled = false
"""


def book_of(logins: Sequence[int], head: str = HEAD, server: str = SERVER) -> str:
    return head + "".join(ACCOUNT.format(login=login, server=server) for login in logins)


@dataclass
class ReloadHouse:
    """What a test sees and does."""

    floor: Floor
    settings: Settings
    own: BrokerHouse
    nursery: trio.Nursery

    async def reread(self, book: str) -> Change:
        self.settings.book.path.write_text(book, encoding="utf-8")
        return await reread(self.floor, self.settings)

    def link(self, login: int) -> Terminal:
        """A terminal of the account tries to link from here on."""
        ring, key = terminal_keys(self.settings), AccountKey(SERVER, login)
        if not ring.keys_of(key):
            ring.create(key, "2026-01-01T00:00:00Z")
        if login not in self.own.server.accounts:
            terms = BrokerTerms(key=key)
            self.own.server.open_account(terms, DEPOSIT, self.own.clock.wall_msc())
        host, port = self.floor.address
        settings = TerminalSettings(
            host=host,
            port=port,
            tls=client_context(Path(authority_of(self.settings)["authority"])),
            first_pause_s=(0.01, 0.02),
        )
        [secret] = ring.keys_of(key)
        terminal = self.own.add_terminal(login, secret, settings)
        self.nursery.start_soon(terminal.run)
        return terminal

    def open(self, login: int, lots: float = 1.0) -> None:
        request = Request(kind=Kind.DEAL, symbol="EURUSD", side=Side.BUY, lots=lots)
        answer = self.own.server.execute_now(login, request, self.own.clock.wall_msc())
        assert answer.is_done, answer

    def quote(self, bid: float) -> None:
        self.own.server.quote("EURUSD", bid, bid, self.own.clock.wall_msc())

    def state(self, login: int) -> AccountState:
        return self.floor.engine._actor(AccountKey(SERVER, login)).state

    def held(self, login: int) -> int:
        return len(self.own.server.accounts[login].held())

    def logins(self) -> list[int]:
        return [key.login for key in self.floor.engine.roster.keys]

    async def until(self, wanted: Callable[[], object]) -> None:
        with trio.fail_after(LONG_S):
            while not wanted():
                await trio.sleep(0.01)

    async def reported(self, login: int, positions: int) -> None:
        await self.until(
            lambda: self.state(login).opened and len(self.state(login).positions) == positions
        )


def written(folder: Path, logins: Sequence[int]) -> Path:
    """The files of an engine of these accounts; where the settings are."""
    (folder / "book.toml").write_text(book_of(logins), encoding="utf-8")
    (folder / "serve.toml").write_text(SETTINGS, encoding="utf-8")
    return folder / "serve.toml"


@asynccontextmanager
async def reload_house(*logins: int) -> AsyncIterator[ReloadHouse]:
    """An engine of these accounts, each with its terminal linked and nothing held."""
    with TemporaryDirectory(prefix="tg") as folder:
        settings = read_settings(written(Path(folder), logins))
        async with open_floor(settings) as floor, trio.open_nursery() as nursery:
            symbols = [Symbol(instrument=one) for one in settings.book.instruments]
            server = TradeServer(symbols, ServerSettings(latency_ms=(1, 5)))
            own = BrokerHouse(server, SystemClock())
            await nursery.start(own.run)
            house = ReloadHouse(floor, settings, own, nursery)
            house.quote(1.1)
            for login in logins:
                house.link(login)
                await house.reported(login, 0)
            yield house
            nursery.cancel_scope.cancel()
