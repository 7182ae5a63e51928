"""A run of a broker's file: terminals link, ticks play, and what the file lists happens."""

import logging
from pathlib import Path

import trio

from adapters.broker.house import BrokerHouse
from adapters.broker.requests import Kind, Request
from adapters.broker.script import (
    MONEY,
    FaultKeys,
    MoneyKeys,
    PositionKeys,
    ScriptKeys,
    TradeKeys,
)
from adapters.broker.server import TradeServer
from adapters.broker.state import Books
from adapters.broker.terminal import TerminalSettings
from adapters.mt5.certificates import client_context
from adapters.mt5.intents import IntentTable
from adapters.mt5.keys import KeyDirectory
from engine.clock import Clock, VirtualClock
from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.marking.ticks import TickStream

Listed = FaultKeys | TradeKeys | MoneyKeys
log = logging.getLogger("tidegate.broker")


class BrokerRun:
    """One run of the broker's file."""

    def __init__(
        self,
        keys: ScriptKeys,
        stream: TickStream,
        house: BrokerHouse,
        books: Books | None = None,
    ) -> None:
        """`books`: accounts in them have their positions from an earlier run."""
        self.house = house
        self._keys = keys
        self._stream = stream
        self._unopened = [
            (account.login, position)
            for account in keys.account
            for position in account.position
            if books is None or books.of(account.login) is None
        ]

    async def run(self, pace: VirtualClock) -> None:
        """Links, plays, and does what the file lists, until it is cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.house.run)
            listed: list[Listed] = [*self._keys.fault, *self._keys.trade, *self._keys.money]
            for one in listed:
                nursery.start_soon(self._later, one)
            log.info("%d terminals link", len(self.house.terminals))
            await self._play(pace)
            log.info("the ticks are over; the terminals stay linked")

    async def _play(self, pace: VirtualClock) -> None:
        stamps_now = self._keys.stamps == "now"
        while True:
            pace.start(first_msc(self._stream))
            number = await self.house.play(
                self._stream, pace, stamps_now=stamps_now, played=self._open
            )
            log.info("played %d ticks", number)
            if not self._keys.repeat:
                return

    def _open(self, _number: int) -> None:
        """Opens the positions of the file whose symbols have quotes by now."""
        if not self._unopened:
            return
        server, waiting = self.house.server, []
        for login, position in self._unopened:
            account = server.accounts[login]
            known = server.market.quotes
            priced = account.valued.priced
            if position.symbol in priced and any(
                needed not in known for needed in account.valued.needs(position.symbol)
            ):
                waiting.append((login, position))
            else:
                self._trade(login, position)
        self._unopened = waiting

    async def _later(self, listed: Listed) -> None:
        await trio.sleep(listed.at_s)
        server = self.house.server
        match listed:
            case FaultKeys():
                server.faults.ask(listed.login, listed.fault, listed.amount, listed.times)
            case TradeKeys():
                self._trade(listed.login, listed)
            case MoneyKeys():
                now_msc = self.house.clock.wall_msc()
                kind = MONEY[listed.kind]
                server.move_money(listed.login, kind, listed.amount, now_msc, listed.comment)

    def _trade(self, login: int, keys: PositionKeys) -> None:
        request = Request(
            kind=Kind.DEAL,
            symbol=keys.symbol,
            side=keys.side,
            lots=keys.lots,
            stop_loss=keys.stop_loss,
            take_profit=keys.take_profit,
            magic=keys.magic,
            comment=keys.comment,
        )
        server = self.house.server
        answer = server.execute_now(login, request, self.house.clock.wall_msc())
        if not answer.is_done:
            log.warning("account %d: %s not opened: %d", login, keys.symbol, answer.retcode)


def first_msc(stream: TickStream) -> int:
    """The time of the first tick.

    Raises:
        UserError: there is none.
    """
    first = next(iter(stream.batches(1)), None)
    if first is None or len(first) == 0:
        raise UserError("the tick files hold no tick")
    return int(first.time_msc[0])


def house_of(
    keys: ScriptKeys, server: TradeServer, folder: Path, clock: Clock, speed: float
) -> BrokerHouse:
    """The house with a terminal for each account; paths are relative to `folder`.

    Raises:
        UserError: an account has no key, or the authority cannot be read.
    """
    house = BrokerHouse(server, clock, speed)
    ring = KeyDirectory(folder / keys.engine.keys)
    settings = TerminalSettings(
        host=keys.engine.host,
        port=keys.engine.port,
        tls=client_context(folder / keys.engine.authority),
        server_hostname=keys.engine.server_hostname,
    )
    for account in keys.account:
        known = ring.keys_of(AccountKey(keys.server, account.login))
        if not known:
            raise UserError(
                f"no key for account {account.login}", place=str(folder / keys.engine.keys)
            )
        intents = None
        if keys.state is not None:
            state = folder / keys.state
            state.mkdir(parents=True, exist_ok=True)
            intents = IntentTable(state / f"{account.login}.jsonl")
        house.add_terminal(account.login, known[-1], settings, intents)
    return house
