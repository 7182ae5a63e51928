"""The other process of `bench_live`: a thousand light terminals over TLS, and the clock.

One leads and sends 2,000 ticks a second in frames of ten; all send a heartbeat each second and do
what they are told at once, as a broker without latency would. Both ends of every latency are taken
here: just before the frame with the deciding tick is written, and when the frame with the close
came to the terminal's socket, by the kernel's own stamp. When this process, which is all the
terminals in one, came to read it is told beside it.
"""

import argparse
import gc
import json
import socket
import ssl
import struct
import sys
import time
from pathlib import Path
from typing import Any

import trio
from msgspec.structs import replace

from adapters.mt5 import frames
from adapters.mt5.certificates import client_context
from adapters.mt5.constants import position_digest
from adapters.mt5.terminal_side import Challenged, Commanded, TerminalSession, TerminalSide
from adapters.mt5.terminal_side import Welcomed as Welcome
from adapters.mt5.tls import READ_BYTES, TlsChannel
from engine.domain.reports import (
    AccountReport,
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from engine.link import Action, PositionChange
from perf.live_world import (
    CONTRACT,
    FIRST_LOGIN,
    FRAME_S,
    INITIAL,
    KEY,
    SERVER,
    SPREAD,
    STAIRS_PRICE,
    STEP_PRICE,
    World,
    make_world,
)
from perf.workload import POSITIONS

DONE = 10009
SO_TIMESTAMPNS = 35
"""Of Linux, asm-generic/socket.h."""
TIMESPEC = struct.Struct("qq")
LINKING = 32
"""Terminals that shake hands at once."""


class Crowd:
    """All terminals, and the prices they see."""

    def __init__(self, world: World, count: int, port: int, tls: ssl.SSLContext) -> None:
        self.world = world
        self.port = port
        self.tls = tls
        first = (*(row[0] for row in world.bids), STAIRS_PRICE)
        self.bid = dict(zip(world.symbols, first, strict=True))
        self.terminals = [Terminal(self, number, count) for number in range(count)]
        self.written_ns: dict[int, int] = {}
        """When the tick that breaches an account was written."""
        self.first_ns: dict[int, int] = {}
        self.last_ns: dict[int, int] = {}
        """When its first and its last close came to its socket."""
        self.read_ns: dict[int, int] = {}
        """When the first was read here."""
        self.closes = 0
        self.leader = self.terminals[0]
        """Who was last told to quote."""

    async def link(self, nursery: trio.Nursery) -> None:
        """Links all, the leader first."""
        limit = trio.CapacityLimiter(LINKING)
        await self.terminals[0].link(limit, nursery)
        async with trio.open_nursery() as linking:
            for terminal in self.terminals[1:]:
                linking.start_soon(terminal.link, limit, nursery)

    async def beat(self) -> None:
        """A heartbeat of each terminal each second, evenly spread."""
        start_s, turn = trio.current_time(), 0
        while True:
            for terminal in self.terminals:
                turn += 1
                due_s = start_s + turn / len(self.terminals)
                if trio.current_time() < due_s:
                    await trio.sleep_until(due_s)
                if not terminal.is_linked or terminal.turn.locked():
                    continue  # not yet, or it is just saying something
                await terminal.beat()

    async def quote(self, wanted: int, each: int, spare: int) -> None:
        """Quotes; every `each` frames a step down, `wanted` times, then `spare` frames more."""
        start_s, step = trio.current_time(), 0
        for number in range(wanted * each + spare):
            due_s = start_s + number * FRAME_S
            if trio.current_time() < due_s:
                await trio.sleep_until(due_s)
            breaches = number % each == each - 1 and step < wanted
            step += breaches
            await self.leader.quote(number, step, step - 1 if breaches else None)

    async def crash_down(self) -> None:
        """One tick that breaches everybody."""
        await self.leader.quote(0, len(self.terminals) + 20, None, everybody=True)

    def now_msc(self) -> int:
        """The server's clock, which is UTC."""
        return time.time_ns() // 1_000_000


class Stamped(TlsChannel):
    """The engine's own kind, so that a thousand terminals have room on one core.

    The kernel says when what was read came to the socket: the last of it, where much is read.
    """

    came_ns = 0
    """On the wall clock."""

    async def do_handshake(self) -> None:
        """See `TlsChannel`."""
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        await super().do_handshake()

    async def _chunk(self) -> bytes:
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                chunk, notes, _, _ = self._socket.recvmsg(READ_BYTES, 64)
            except BlockingIOError:
                continue
            for level, kind, body in notes:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    seconds, nanoseconds = TIMESPEC.unpack(body)
                    self.came_ns = seconds * 1_000_000_000 + nanoseconds
            return chunk


class Terminal:
    """One terminal with its account."""

    def __init__(self, crowd: Crowd, number: int, count: int) -> None:
        self.crowd = crowd
        self.number = number
        self.turn = trio.Lock()
        """The crowd's heartbeats and its own answers may come together."""
        self.balance = INITIAL
        self.held = {p.identifier: p for p in crowd.world.positions(number, count)}
        self.digest = position_digest(self.held.values())
        self.tickets = number * 100
        self.session = TerminalSession(f"run-{number}")
        hello = frames.Hello(
            v=frames.VERSION,
            login=FIRST_LOGIN + number,
            server=SERVER,
            session="unset",
            nonce=f"nonce-{number:026}",
            build=4755,
            company="Bench",
            currency="USD",
            currency_digits=2,
            margin_mode=2,
            leverage=100,
            gmt_offset_s=0,
        )
        self.side = TerminalSide(hello, KEY, self.session)
        self.stream: Any = None
        self.is_linked = False
        self.done: dict[str, CommandResult] = {}
        """What became of each command: a repeat is answered, not done."""

    async def link(self, limit: trio.CapacityLimiter, nursery: trio.Nursery) -> None:
        """Shakes hands, reports, then reads on in `nursery`."""
        async with limit:
            tcp = await trio.open_tcp_stream("127.0.0.1", self.crowd.port)
            self.stream = Stamped(tcp, self.crowd.tls, server_hostname="127.0.0.1")
            await self.stream.do_handshake()
            await self.stream.send_all(self.side.send_hello())
            while True:
                for event in self.side.receive(await self.stream.receive()):
                    match event:
                        case Challenged():
                            await self.stream.send_all(self.side.send_proof())
                        case Welcome(_, _, symbols):
                            if symbols:
                                self.crowd.leader = self
                            await self.stream.send_all(self.report())
                            self.is_linked = True
                            nursery.start_soon(self.read)
                            return
                        case _:
                            raise SystemExit(f"terminal {self.number} was told {event}")

    async def read(self) -> None:
        """Does what it is told until the engine hangs up."""
        while chunk := await self.stream.receive():
            read_ns = time.time_ns()
            events = self.side.receive(chunk)
            told = [event.command for event in events if isinstance(event, Commanded)]
            if len(told) < len(events):
                raise SystemExit(f"terminal {self.number} was put out: {events}")
            if told:
                async with self.turn:  # frames are numbered in the order they go out
                    said = b"".join(self.obey(command, read_ns) for command in told)
                    if said:
                        await self.stream.send_all(said)

    def obey(self, command: frames.Command, read_ns: int) -> bytes:
        """What it says to a command, done at once."""
        if command.action is Action.REPORT:
            return self.report()
        if command.action is Action.SET and command.symbols:
            self.crowd.leader = self
        if command.action is not Action.CLOSE:
            return b""
        crowd = self.crowd
        if command.intent_id in self.done:
            return self.side.send_result(self.done[command.intent_id], crowd.now_msc())
        crowd.closes += 1
        crowd.first_ns.setdefault(self.number, self.stream.came_ns)
        crowd.read_ns.setdefault(self.number, read_ns)
        crowd.last_ns[self.number] = self.stream.came_ns
        assert command.position is not None, "a close without its position"
        position = self.held.pop(command.position)
        price = crowd.bid[position.symbol] + (SPREAD if position.type else 0.0)
        profit = round(profit_of(position, price), 2)
        self.balance = round(self.balance + profit, 2)
        self.digest = position_digest(self.held.values())
        self.tickets += 1
        ticket, now_msc = self.tickets, crowd.now_msc()
        result = CommandResult(
            intent_id=command.intent_id,
            retcode=DONE,
            deal=ticket,
            order=ticket,
            volume=position.volume,
            price=price,
        )
        self.done[command.intent_id] = result
        deal = DealReport(
            ticket=ticket,
            order=ticket,
            position_id=position.identifier,
            symbol=position.symbol,
            type=1 - position.type,
            entry=1,
            volume=position.volume,
            price=price,
            profit=profit,
            reason=3,
            time_msc=now_msc,
        )
        gone = replace(position, volume=0.0)
        return (
            self.side.send_result(result, now_msc)
            + self.side.send_deals([deal], now_msc)
            + self.side.send_position(PositionChange.CLOSED, gone, now_msc)
        )

    async def quote(
        self, number: int, step: int, breached: int | None, *, everybody: bool = False
    ) -> None:
        """One frame: a tick of each symbol."""
        crowd, now_msc = self.crowd, self.crowd.now_msc()
        place = number % len(crowd.world.bids[0])
        for row, symbol in enumerate(crowd.world.symbols[:-1]):
            crowd.bid[symbol] = crowd.world.bids[row][place]
        crowd.bid[crowd.world.stairs] = STAIRS_PRICE - step * STEP_PRICE
        rows = [
            frames.QuoteRow(symbol, now_msc, bid, round(bid + SPREAD, 3), 6)
            for symbol, bid in crowd.bid.items()
        ]
        async with self.turn:
            frame = self.side.send_quotes(rows, now_msc)
            now_ns = time.time_ns()
            if breached is not None:
                crowd.written_ns[breached] = now_ns
            if everybody:
                crowd.written_ns = dict.fromkeys(range(len(crowd.terminals)), now_ns)
            await self.stream.send_all(frame)

    async def beat(self) -> None:
        """A heartbeat."""
        async with self.turn:
            beat = Heartbeat(
                balance=self.balance,
                credit=0.0,
                equity=self.equity(),
                margin=0.0,
                digest=self.digest,
            )
            await self.stream.send_all(self.side.send_heartbeat(beat, self.crowd.now_msc()))

    def equity(self) -> float:
        """The broker's own arithmetic."""
        bid = self.crowd.bid
        floating = sum(
            profit_of(p, bid[p.symbol] + (SPREAD if p.type else 0.0)) for p in self.held.values()
        )
        return round(self.balance + floating, 2)

    def report(self) -> bytes:
        """A full report."""
        equity = self.equity()
        report = FullReport(
            account=AccountReport(balance=self.balance, credit=0.0, equity=equity, margin=0.0),
            positions=tuple(self.held.values()),
            specs=self.crowd.world.specs(),
            complete=True,
        )
        return self.side.send_report(report, self.crowd.now_msc(), 0)


def profit_of(position: PositionReport, price: float) -> float:
    """In USD, at the price it would close at."""
    moved = price - position.price_open
    return (-moved if position.type else moved) * position.volume * CONTRACT


async def run(options: argparse.Namespace) -> None:
    """Links, beats, waits for the words `live` and `storm`, and prints what was measured."""
    world = make_world(options.breaches * options.each + 500)
    tls = client_context(Path(options.authority))
    crowd = Crowd(world, options.accounts, options.port, tls)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crowd.beat)
        began_s = trio.current_time()
        await crowd.link(nursery)
        took_s = trio.current_time() - began_s
        # Every symbol has a price before the engine is asked anything.
        await crowd.leader.quote(0, 0, None)
        say({"linked": len(crowd.terminals), "linking_s": took_s})
        word = await hear()
        while word:
            if word == "live":
                await crowd.quote(options.breaches, options.each, 100)
            elif word == "quotes":
                await crowd.quote(0, options.each, 600)
            elif word == "storm":
                await crowd.crash_down()
            wanted = len(crowd.written_ns) * POSITIONS
            with trio.move_on_after(options.patience_s):
                while crowd.closes < wanted:
                    await trio.sleep(0.01)
            say(found(crowd))
            word = await hear()
        nursery.cancel_scope.cancel()


def found(crowd: Crowd) -> dict[str, Any]:
    """Milliseconds from each deciding tick; null where no close came."""
    started = crowd.written_ns
    return {
        "source": crowd.world.source,
        "first_ms": [_ms(crowd.first_ns.get(k), at) for k, at in started.items()],
        "read_ms": [_ms(crowd.read_ns.get(k), at) for k, at in started.items()],
        "last_ms": [_ms(crowd.last_ns.get(k), at) for k, at in started.items()],
        "closes": crowd.closes,
    }


def _ms(end_ns: int | None, start_ns: int) -> float | None:
    return None if end_ns is None else (end_ns - start_ns) / 1e6


def say(what: dict[str, Any]) -> None:
    """A line for the engine's process."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def hear() -> str:
    """The next word of the engine's process; empty at the end."""
    line: str = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    return line.strip()


def main() -> None:
    """See the top."""
    parser = argparse.ArgumentParser(prog="perf.live_terminals")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--authority", required=True)
    parser.add_argument("--accounts", type=int, required=True)
    parser.add_argument("--breaches", type=int, required=True)
    parser.add_argument("--each", type=int, default=8, help="frames from one breach to the next")
    parser.add_argument("--patience-s", type=float, default=10.0)
    gc.freeze()
    trio.run(run, parser.parse_args())


if __name__ == "__main__":
    main()
