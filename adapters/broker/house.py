"""The broker's house: the server on a clock, its terminals, and ticks played into it."""

from collections.abc import Callable

import trio

from adapters.broker.server import TradeServer
from adapters.broker.terminal import Terminal, TerminalSettings
from adapters.mt5.intents import IntentTable
from engine.clock import Clock, VirtualClock
from engine.domain.quotes import Quote
from engine.marking.ticks import TickStream
from engine.secret import Secret

LOOK_S = 1.0
"""Days end and requests are looked at this often, whatever else happens."""
BATCH_TICKS = 1024
TICKS_AT_A_TIME = 64
"""Others run at least after so many ticks that were all due."""


class BrokerHouse:
    """Runs a server and its terminals in one Trio task tree."""

    def __init__(self, server: TradeServer, clock: Clock, speed: float = 1.0) -> None:
        """`speed`: how fast `clock` runs, for waiting until a time of it."""
        self.server = server
        self.clock = clock
        self.terminals: dict[int, Terminal] = {}
        self._speed = speed
        self._queued = trio.Event()
        server.on_queued = self._wake
        server.on_quote = self._quoted

    def add_terminal(
        self,
        login: int,
        key: Secret,
        settings: TerminalSettings,
        intents: IntentTable | None = None,
    ) -> Terminal:
        """A terminal for an account of the server; `run` starts it."""
        terminal = Terminal(self.server, login, key, self.clock, settings, intents)
        self.terminals[login] = terminal
        return terminal

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Executes what is due and keeps every terminal linked, until it is cancelled."""
        async with trio.open_nursery() as nursery:
            for terminal in self.terminals.values():
                nursery.start_soon(terminal.run)
            task_status.started()
            await self._execute()

    async def play(
        self,
        stream: TickStream,
        pace: VirtualClock,
        *,
        stamps_now: bool = False,
        played: Callable[[int], None] | None = None,
    ) -> int:
        """Quotes every tick when `pace` comes to its time; how many there were.

        Ticks carry their own times, for which `pace` should be this house's clock too; with
        `stamps_now` they carry this house's present time instead. `played` hears each tick's
        number, after it. A tick that is late is quoted at once.
        """
        number = 0
        for batch in stream.batches(BATCH_TICKS):
            for index in range(len(batch)):
                time_msc = int(batch.time_msc[index])
                await pace.sleep_until_msc(time_msc)
                if number % TICKS_AT_A_TIME == 0:
                    await trio.lowlevel.checkpoint()
                self.server.quote(
                    batch.symbols[batch.symbol[index]],
                    float(batch.bid[index]),
                    float(batch.ask[index]),
                    self.clock.wall_msc() if stamps_now else time_msc,
                )
                number += 1
                if played is not None:
                    played(number)
        return number

    async def _execute(self) -> None:
        while True:
            self._queued = trio.Event()
            now_msc = self.clock.wall_msc()
            self.server.advance(now_msc)
            due_msc = self.server.next_due_msc()
            wait_s = LOOK_S
            if due_msc is not None:
                wait_s = min(LOOK_S, max(0.001, (due_msc - now_msc) / 1000.0 / self._speed))
            with trio.move_on_after(wait_s):
                await self._queued.wait()

    def _wake(self) -> None:
        self._queued.set()

    def _quoted(self, symbol: str, quote: Quote) -> None:
        for terminal in self.terminals.values():
            terminal.quoted(symbol, quote)
