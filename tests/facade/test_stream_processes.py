"""One engine, two API processes, and a reader that goes from one to the other and back."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from random import Random

import httpx
import trio

from engine.secret import Secret
from facade.internal_rules import Rules
from facade.internal_socket import InternalSocket
from facade.settings import Settings
from facade.standalone import VARIABLE
from tests.facade.fake_desk import FakeDesk, key_of
from tests.facade.internal_house import LONG_S, TOKEN
from tests.facade.test_standalone import LOGINS, settled, token_of
from tests.tree import ROOT

PROGRAM = """
import asyncio, sys
from hypercorn.asyncio import serve
from hypercorn.config import Config
from facade.standalone import app

config = Config()
config.bind = [f"fd://{sys.argv[1]}"]
asyncio.run(serve(app, config))
"""


class ApiProcess:
    """One of them."""

    def __init__(self, program: "subprocess.Popen[bytes]", port: int) -> None:
        self.program = program
        self.port = port

    def stop(self) -> None:
        """Lets it do nothing: it falls behind the engine."""
        self.program.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.program.send_signal(signal.SIGCONT)

    async def ready(self, client: httpx.AsyncClient) -> None:
        """Once it holds every account of the engine."""
        while (await client.get(f"http://127.0.0.1:{self.port}/readyz")).status_code != 200:
            await trio.sleep(0.05)


@contextmanager
def api_process(settings: Settings) -> Iterator[ApiProcess]:
    """A process of its own, killed in the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        words = [sys.executable, "-c", PROGRAM, str(number)]
        environment = {VARIABLE: str(settings.path), "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(words, cwd=ROOT, env=environment, pass_fds=[number]) as program:
            try:
                yield ApiProcess(program, listener.getsockname()[1])
            finally:
                program.kill()


@asynccontextmanager
async def two_processes(desk: FakeDesk) -> AsyncIterator[tuple[list[ApiProcess], str]]:
    """Both, ready; and a token."""
    with ExitStack() as stack:
        settings = stack.enter_context(settled())
        token = token_of(settings)
        rules = Rules(Secret(TOKEN.encode()))
        async with trio.open_nursery() as nursery:
            await nursery.start(InternalSocket(desk, settings.socket, rules).serve)
            processes = [stack.enter_context(api_process(settings)) for _ in range(2)]
            async with httpx.AsyncClient(timeout=LONG_S) as client:
                for one in processes:
                    await one.ready(client)
            yield processes, token
            nursery.cancel_scope.cancel()


class Reader:
    """An EventSource: it remembers the last id, and nothing else."""

    def __init__(self, token: str) -> None:
        self.seen: list[tuple[int, int]] = []
        """Login and `seq` of every record, as they came."""
        self._token = token
        self._last_id = ""

    async def begin(self, at: ApiProcess) -> None:
        """Reads what a reader begins with, and goes."""
        async with aclosing(self._events(at)) as events:
            async for name, _ in events:
                if name == "snapshots":
                    return

    async def read(self, at: ApiProcess, count: int) -> None:
        """So many records, then it breaks off in the midst of whatever comes."""
        done = len(self.seen) + count
        async with aclosing(self._events(at)) as events:
            async for name, body in events:
                assert name != "resync", body
                if name == "event":
                    told = json.loads(body)
                    self.seen.append((told["login"], told["seq"]))
                if len(self.seen) == done:
                    return
        raise AssertionError("it ended before")

    async def _events(self, at: ApiProcess) -> AsyncGenerator[tuple[str, str], None]:
        headers = f"Host: x\r\nAuthorization: Bearer {self._token}\r\n"
        if self._last_id:
            headers += f"Last-Event-ID: {self._last_id}\r\n"
        name = ""
        async with await trio.open_tcp_stream("127.0.0.1", at.port) as stream:
            await stream.send_all(f"GET /api/v1/stream HTTP/1.1\r\n{headers}\r\n".encode())
            waiting = b""
            while received := await stream.receive_some():
                *lines, waiting = (waiting + received).split(b"\n")
                for line in lines:  # sizes of chunks stand between them, on lines of their own
                    field, _, value = line.decode().partition(": ")
                    assert "HTTP/1.1" not in field or "200" in field, field
                    if field == "id":
                        self._last_id = value
                    elif field == "event":
                        name = value
                    elif field == "data":
                        yield name, value


async def test_a_reader_that_moves_between_two_processes_loses_nothing_and_gets_nothing_twice() -> (
    None
):
    desk, rng = FakeDesk(LOGINS), Random(5)
    desk.tick(1.105)
    first = {login: desk.lives[key_of(login)].state.seq for login in LOGINS}
    said = 0
    with trio.fail_after(4 * LONG_S):
        async with two_processes(desk) as (processes, token):
            reader = Reader(token)
            await reader.begin(processes[0])
            for turn in range(8):
                here, there = processes[turn % 2], processes[1 - turn % 2]
                there.stop()  # what is said now it hears when the reader is on its way to it
                for _ in range(rng.randrange(1, 6)):
                    count = rng.randrange(1, 9)
                    desk.say(rng.choice(LOGINS), count)
                    said += count
                left = said - len(reader.seen)
                await reader.read(here, left if turn % 3 == 0 else rng.randrange(1, left + 1))
                there.go_on()
            if said > len(reader.seen):
                await reader.read(processes[0], said - len(reader.seen))
    for login in LOGINS:
        mine = [seq for one, seq in reader.seen if one == login]
        last = desk.lives[key_of(login)].state.seq
        assert mine == list(range(first[login] + 1, last + 1))
