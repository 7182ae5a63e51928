"""The internal socket: snapshots a second over pipelined connections, and how late events are.

The engine's side runs in a process of its own, with a real board over real accounts. The peer is a
bare echo: it reads the same requests and writes as many bytes for each, and knows nothing.

Twice each: as many as go, where a latency is mostly the length of the queue; and so many a second
as are offered (`OFFERED_PER_S`), each counted from when it was due, however late the client is. How
late it was is beside it, and the latency from when the request was with the kernel: what of the
whole is the server's. The client is never held up there, so nothing is left out by that.

The server collects garbage as the program does (`collect_seldom`): without that a collection of all
that the start left took some 50 ms. The client makes none while it measures.
"""

import argparse
import gc
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import trio

from adapters.memory.journal import MemoryJournal
from engine.board import Board
from engine.client.blocking import Client
from engine.client.wire import REQUEST_BYTES, VERSION, Frames, framed, pack
from engine.clock import SystemClock
from engine.desk import Desk
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted
from engine.garbage import collect_seldom
from engine.marking.feed import Feed
from engine.marking.ticks import TickBatch
from engine.outbox import ReplayOutbox
from engine.supervisor import Supervisor
from engine.tap import Listener, Tap
from facade.internal_socket import InternalSocket
from perf.workload import DerivedStream, accounts, synthetic_path

ACCOUNTS = 100
CONNECTIONS = 4
AHEAD = 8
"""Requests of a connection that are under way at any time."""
OFFERED_PER_S = 20_000
EVENTS = 1_000
EVENT_S = 0.002


class BoardDesk:
    """As much of a desk as the socket reads, over a board."""

    def __init__(self, supervisor: Supervisor, board: Board) -> None:
        self.supervisor = supervisor
        self.board = board
        self.tap = Tap()
        self.packed = board.packed

    def keys(self) -> tuple[AccountKey, ...]:
        """See `Desk.keys`."""
        return self.board.keys()

    def version(self, key: AccountKey) -> tuple[int, int]:
        """See `Desk.version`."""
        return self.supervisor.by_key[key].version, self.supervisor.router.ticks

    def listen(self, keys: Sequence[AccountKey] | None = None) -> Listener:
        """See `Desk.listen`."""
        del keys
        return self.tap.listen()


async def serve(folder: Path, ticks_per_second: int) -> None:
    """Socket and echo, until the input ends; ticks and events meanwhile."""
    stream = DerivedStream(synthetic_path(10_000), 10_000)
    clock = SystemClock()
    feed = Feed(stream.symbols)
    book = accounts(ACCOUNTS, stream)
    supervisor = Supervisor(book, feed, MemoryJournal(), ReplayOutbox(), clock, conflates=True)
    desk = BoardDesk(supervisor, Board(supervisor.by_key, supervisor.router, feed, clock))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        supervisor.router.open(int(stream.whole.time_msc[0]), len(stream.symbols))
        await tick(supervisor, stream, 0, 200)
        await supervisor.settle()
        size = len(desk.packed(desk.keys()[0]))
        await nursery.start(InternalSocket(cast(Desk, desk), folder / "s").serve)
        echo = await listening(folder)
        nursery.start_soon(trio.serve_listeners, echo_of(size), [echo])
        nursery.start_soon(publish, desk)
        if ticks_per_second:
            nursery.start_soon(tick_on, supervisor, stream, ticks_per_second)
        collect_seldom()
        print(json.dumps({"bytes": size}), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


async def listening(folder: Path) -> trio.SocketListener:
    """The echo's socket."""
    made = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await made.bind(str(folder / "echo"))
    made.listen()
    return trio.SocketListener(made)


def echo_of(size: int) -> Any:
    """Answers each frame with so many bytes; what one read brought, in one write."""
    answer = framed(b"\x93\x01\xa2ok" + b"x" * size)

    async def echo(stream: trio.SocketStream) -> None:
        frames = Frames(REQUEST_BYTES)
        with suppress(trio.BrokenResourceError):
            while chunk := await stream.receive_some(65_536):
                await stream.send_all(answer * sum(1 for _ in frames.feed(chunk)))

    return echo


async def tick(supervisor: Supervisor, stream: DerivedStream, start: int, count: int) -> None:
    """So many ticks of the stream."""
    whole = stream.whole
    part = slice(start, start + count)
    batch = TickBatch(
        whole.symbols,
        start,
        whole.time_msc[part],
        whole.symbol[part],
        whole.bid[part],
        whole.ask[part],
    )
    await supervisor.router.on_quotes(batch)


async def tick_on(supervisor: Supervisor, stream: DerivedStream, per_second: int) -> None:
    """One at a time, for ever."""
    at = 200
    while True:
        await tick(supervisor, stream, at, 1)
        at = at + 1 if at + 1 < len(stream.whole.time_msc) else 200
        await trio.sleep(1 / per_second)


async def publish(desk: BoardDesk) -> None:
    """Events that carry the moment they were published, while anybody listens."""
    key, seq = desk.keys()[0], 0
    while True:
        await trio.sleep(EVENT_S)
        if desk.tap.listeners:
            seq += 1
            now = str(time.monotonic_ns())
            record = AccountHalted(
                seq=seq, time_msc=0, login=key.login, server=key.server, cause=now
            )
            desk.tap.publish(key, (record,))


class Pipe:
    """One connection that always has so many requests under way."""

    def __init__(self, path: Path, requests: Sequence[bytes]) -> None:
        self.late_ns: list[int] = []
        """Of each answer, since its request was due."""
        self.server_ns: list[int] = []
        """Of each answer, since its request was with the kernel."""
        self.unsent_ns: list[int] = []
        """From when a request was due until it was with the kernel."""
        self._handed_ns: deque[int] = deque()
        self._requests = requests
        self._next = 0
        self._sent_ns: deque[int] = deque()
        self._buffer = bytearray()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.socket.sendall(pack(0, "hello", {"version": VERSION}))
        self._sent_ns.append(0)
        self._handed_ns.append(0)

    def send(self, count: int, since_ns: int | None = None) -> None:
        """So many more; their latency counts from now, or from then."""
        chosen = [self._requests[(self._next + k) % len(self._requests)] for k in range(count)]
        self._next += count
        self.socket.sendall(b"".join(chosen))
        now_ns = time.monotonic_ns()
        since_ns = now_ns if since_ns is None else since_ns
        self._sent_ns.extend([since_ns] * count)
        self._handed_ns.extend([now_ns] * count)
        self.unsent_ns.extend([now_ns - since_ns] * count)

    def read(self) -> int:
        """Counts what came, and says how much."""
        self._buffer += self.socket.recv(65_536)
        now_ns, start, whole = time.monotonic_ns(), 0, 0
        while len(self._buffer) - start >= 4:
            length = int.from_bytes(self._buffer[start : start + 4], "big")
            if len(self._buffer) - start - 4 < length:
                break
            start += 4 + length
            whole += 1
            sent_ns, handed_ns = self._sent_ns.popleft(), self._handed_ns.popleft()
            if sent_ns:
                self.late_ns.append(now_ns - sent_ns)
                self.server_ns.append(now_ns - handed_ns)
        del self._buffer[:start]
        return whole


def drive(path: Path, requests: Sequence[bytes], seconds: float) -> dict[str, float]:
    """Answers a second over all connections, and their latency in milliseconds."""
    pipes = [Pipe(path, requests) for _ in range(CONNECTIONS)]
    chooser = selectors.DefaultSelector()
    for pipe in pipes:
        chooser.register(pipe.socket, selectors.EVENT_READ, pipe)
        pipe.send(AHEAD)
    began = time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        for chosen, _ in chooser.select(1.0):
            whole = chosen.data.read()
            if whole:
                chosen.data.send(whole)
    return found_of(pipes, now - began)


def offer(path: Path, requests: Sequence[bytes], seconds: float) -> dict[str, float]:
    """The same at `OFFERED_PER_S`, evenly, whether or not the answers before have come."""
    pipes = [Pipe(path, requests) for _ in range(CONNECTIONS)]
    chooser = selectors.SelectSelector()  # the others wait whole milliseconds
    for pipe in pipes:
        chooser.register(pipe.socket, selectors.EVENT_READ, pipe)
    step_ns = 1_000_000_000 // OFFERED_PER_S
    began_ns = due_ns = time.monotonic_ns()
    sent = 0
    while (now_ns := time.monotonic_ns()) - began_ns < seconds * 1e9:
        while due_ns <= now_ns:
            pipes[sent % CONNECTIONS].send(1, due_ns)
            sent += 1
            due_ns += step_ns
        for chosen, _ in chooser.select(max(0, due_ns - time.monotonic_ns()) / 1e9):
            chosen.data.read()
    return found_of(pipes, (now_ns - began_ns) / 1e9)


def waited_s(process_id: int) -> float:
    """Seconds its main thread was ready to run and waited for a processor (Linux)."""
    return int(Path(f"/proc/{process_id}/schedstat").read_text().split()[1]) / 1e9


def offer_beside(
    process_id: int, path: Path, requests: Sequence[bytes], seconds: float
) -> dict[str, float]:
    """The same, and which share of the time this process and that one waited for a processor."""
    before_s = waited_s(os.getpid()) + waited_s(process_id)
    found = offer(path, requests, seconds)
    found["waited"] = (waited_s(os.getpid()) + waited_s(process_id) - before_s) / seconds
    return found


def found_of(pipes: Sequence[Pipe], took_s: float) -> dict[str, float]:
    """What they measured; they are closed."""
    late = np.concatenate([np.array(pipe.late_ns) for pipe in pipes]) / 1e6
    server = np.concatenate([np.array(pipe.server_ns) for pipe in pipes]) / 1e6
    unsent = np.concatenate([np.array(pipe.unsent_ns) for pipe in pipes]) / 1e6
    for pipe in pipes:
        pipe.socket.close()
    p50, p99 = np.percentile(late, (50, 99))
    return {
        "per_second": len(late) / took_s,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "server_p99_ms": float(np.percentile(server, 99)),
        "client_p99_ms": float(np.percentile(unsent, 99)),
    }


def events(path: Path) -> dict[str, float]:
    """How long after they were published events are read, in milliseconds."""
    late: list[float] = []
    with Client(path) as client:
        for record in client.events():
            now_ns = time.monotonic_ns()
            assert isinstance(record, AccountHalted)
            late.append((now_ns - int(record.cause)) / 1e6)
            if len(late) >= EVENTS:
                break
    p50, p99 = np.percentile(late, (50, 99))
    return {"p50_ms": float(p50), "p99_ms": float(p99)}


def measure(repeats: int, seconds: float) -> dict[str, Any]:
    """Every figure, a list of repeats each."""
    found: dict[str, Any] = {}
    for name, ticks in (("quiet", 0), ("moving", 50)):
        with tempfile.TemporaryDirectory(prefix="tg") as text:
            folder = Path(text)
            command = [sys.executable, "-m", "perf.bench_internal", "--serve", text, str(ticks)]
            server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            assert server.stdout is not None
            assert server.stdin is not None
            size = json.loads(server.stdout.readline())["bytes"]
            with Client(folder / "s") as client:
                keys = client.keys()
            requests = [pack(1, "snapshot", {"key": key}) for key in keys]
            turns: list[dict[str, dict[str, float]]] = []
            for _ in range(repeats):
                turn = {"socket": drive(folder / "s", requests, seconds)}
                turn["offered"] = offer_beside(server.pid, folder / "s", requests, seconds)
                if not ticks:
                    turn["echo"] = drive(folder / "echo", requests, seconds)
                    bare = offer_beside(server.pid, folder / "echo", requests, seconds)
                    turn["echo_offered"] = bare
                    turn["events"] = events(folder / "s")
                turns.append(turn)
            found[name] = {"bytes": size, "turns": turns}
            server.stdin.close()
            server.wait(20)
    return found


def main() -> None:
    """Prints the measurements as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "TICKS"))
    options = parser.parse_args()
    if options.serve:
        trio.run(serve, Path(options.serve[0]), int(options.serve[1]))
        os._exit(0)  # the thread that waits for the input's end is a daemon's
    gc.disable()
    print(json.dumps(measure(options.repeats, options.seconds)))


if __name__ == "__main__":
    main()
