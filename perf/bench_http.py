"""The API against the design it replaces and against bare FastAPI, in one run.

    python -m perf.bench_http [--repeats 5] [--seconds 2] [--only asgi,sockets,guards]

`asgi`: microseconds of processor a request without a socket, ours with a tick before each request,
the peer's from its cache and from its database; what Redis and Postgres spend is not counted.
`sockets`: requests a second over 32 connections, each server a process of its own, and for how long
its thread ran for each (`run_us`), which other work on the machine does not stretch. `guards`: how
late ticks are guarded against while the API is loaded.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import trio
from redis.asyncio import Redis

from facade.settings import Settings
from perf.http_engine import app_of, make_folder, open_engine
from perf.polled_design import (
    BASE,
    FOLDER_VARIABLE,
    ROUTES,
    database_at,
    fill,
    polled_app,
    servers,
    verifier_of,
)

OURS = 3_000
HITS = 2_000
MISSES = 300
AT_ONCE = 32
"""Requests of the peer under way at any time: what it waits for Redis is no work of its own."""
ADMITTED_PER_S = 200.0
PARTS = ("asgi", "sockets", "guards")


class Ask:
    """GETs of one route at ASGI level; each is checked to be a 200."""

    def __init__(self, app: Any, route: str, token: str) -> None:
        self._app = app
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": BASE + route,
            "raw_path": (BASE + route).encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"desk"), (b"authorization", f"Bearer {token}".encode())],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
        }

    async def __call__(self) -> bytes:
        """The body."""
        said: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            said.append(message)

        await self._app(dict(self._scope), receive, send)
        body = b"".join(one.get("body", b"") for one in said)
        assert said[0]["status"] == 200, body
        return body


async def ours_us(settings: Settings, token: str) -> dict[str, dict[str, float]]:
    """Our reads in the engine's loop: in a quiet market, and with a tick before each request."""
    found: dict[str, dict[str, float]] = {}
    async with open_engine(1) as engine:
        app = app_of(settings, engine.desk)  # type: ignore[arg-type]  # reads alone are asked
        for route in ROUTES:
            ask = Ask(app, route, token)
            for _ in range(200):
                await ask()
            row = found[route] = {}
            for name, moves in (("quiet", False), ("moving", True)):
                spent_s = 0.0
                for _ in range(OURS):
                    if moves:
                        await engine.tick()
                    began_s = time.thread_time()
                    await ask()
                    spent_s += time.thread_time() - began_s
                row[name] = spent_s / OURS * 1e6
    return found


async def answers_of(settings: Settings, token: str) -> dict[str, Any]:
    """What our reads answer."""
    async with open_engine(1) as engine:
        app = app_of(settings, engine.desk)  # type: ignore[arg-type]  # reads alone are asked
        return {route: json.loads(await Ask(app, route, token)()) for route in ROUTES}


async def peers_us(folder: Path, urls: tuple[str, str], token: str) -> dict[str, dict[str, float]]:
    """The replaced design's: from its cache, and from its database."""
    cache, database = Redis.from_url(urls[0]), database_at(urls[1])
    app = polled_app(verifier_of(folder), cache, database)
    found: dict[str, dict[str, float]] = {}
    try:
        for route in ROUTES:
            ask = Ask(app, route, token)

            async def miss(ask: Ask = ask, route: str = route) -> None:
                await cache.delete(f"{route}:ann")
                await ask()

            await together(ask, 200)
            found[route] = {"miss": await together(miss, MISSES)}
            await cache.persist(f"{route}:ann")  # a hit stays one, however slow the machine
            found[route]["hit"] = await together(ask, HITS)
    finally:
        await cache.aclose()
        await database.dispose()
    return found


async def together(work: Callable[[], Any], count: int) -> float:
    """Microseconds of this thread for each of so many, `AT_ONCE` at any time."""

    async def some() -> None:
        for _ in range(count // AT_ONCE):
            await work()

    began_s = time.thread_time()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return (time.thread_time() - began_s) / (count // AT_ONCE * AT_ONCE) * 1e6


async def fill_at(url: str, answers: dict[str, Any]) -> None:
    """Fills the database."""
    database = database_at(url)
    await fill(database, answers)
    await database.dispose()


def asgi(settings: Settings, folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Ours and the peer's, in turns."""
    token = (folder / "token").read_text()
    turns = []
    with servers(folder) as urls:
        asyncio.run(fill_at(urls[1], json.loads((folder / "answers.json").read_text())))
        for _ in range(repeats):
            ours = trio.run(ours_us, settings, token)
            peers = asyncio.run(peers_us(folder, urls, token))
            turns.append({route: {**ours[route], **peers[route]} for route in ROUTES})
    return turns


# Over sockets


class Server(NamedTuple):
    """Where requests go."""

    port: int
    process_id: int


class Told:
    """The engine's process."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "perf.http_engine", str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.server = Server(self.heard()["port"], self._process.pid)

    def say(self, line: str) -> None:
        """One line."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def heard(self) -> Any:
        """What it answers."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def market(self, per_second: float) -> None:
        """So many ticks from now on."""
        self.say(f"market {per_second}")
        self.heard()

    def end(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


@contextmanager
def told(folder: Path) -> Iterator[Told]:
    """The engine's process, while it is needed."""
    engine = Told(folder)
    try:
        yield engine
    finally:
        engine.end()


@contextmanager
def uvicorn(app: str, folder: Path, *options: str) -> Iterator[Server]:
    """One worker on a free port, without a log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    quiet = ("--log-level", "warning", "--no-access-log", "--loop", "uvloop", "--http", "httptools")
    lean = ("--no-server-header", "--no-date-header", "--no-proxy-headers")
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), *quiet, *lean, *options]
    variables = {"TIDEGATE_CONFIG": str(folder / "serve.toml"), FOLDER_VARIABLE: str(folder)}
    server = subprocess.Popen(command, env={**os.environ, **variables})
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield Server(port, server.pid)
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def driven(
    folder: Path, server: Server, route: str, seconds: float, per_second: float = 0.0
) -> Iterator[dict[str, float]]:
    """A client beside the block; what it measured is there after it."""
    command = [sys.executable, "-m", "perf.http_drive", "--port", str(server.port)]
    command += [
        "--server",
        str(server.process_id),
        "--path",
        BASE + route,
        "--token-file",
        str(folder / "token"),
    ]
    command += ["--seconds", str(seconds), "--per-second", str(per_second)]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = {}
    yield found
    said, _ = client.communicate()
    if client.returncode:
        raise SystemExit("the client failed")
    found.update(json.loads(said))


def once(folder: Path, server: Server, route: str, seconds: float) -> dict[str, float]:
    """Full load, and nothing beside it."""
    with driven(folder, server, route, seconds) as found:
        pass
    return found


def sockets(folder: Path, repeats: int, seconds: float) -> list[dict[str, Any]]:
    """Each server in turns, both up all the time, on every route; the market moves."""
    turns: list[dict[str, Any]] = []
    direct = uvicorn("perf.polled_design:direct_app", folder, "--factory")
    with (
        told(folder) as engine,
        uvicorn("facade.standalone:app", folder) as ours,
        direct as fastapi,
    ):
        engine.market(50)
        places = {"ours": ours, "fastapi": fastapi, "nursery": engine.server}
        for _ in range(repeats):
            turn: dict[str, Any] = {}
            for route in ROUTES:
                turn[route] = {
                    name: once(folder, place, route, seconds) for name, place in places.items()
                }
            turns.append(turn)
    return turns


def guards(folder: Path, repeats: int, seconds: float) -> list[dict[str, Any]]:
    """How late ticks are guarded against: idle, and under each kind of load."""
    route = ROUTES[0]
    turns = []
    with told(folder) as engine, uvicorn("facade.standalone:app", folder) as apart:
        loads = {"apart": (apart, 0.0), "admitted": (engine.server, ADMITTED_PER_S)}
        loads["full"] = (engine.server, 0.0)
        for _ in range(repeats):
            engine.say(f"guards {seconds}")
            turn: dict[str, Any] = {"idle": engine.heard()}
            for name, (place, per_second) in loads.items():
                with driven(folder, place, route, seconds + 2.5, per_second) as load:
                    time.sleep(1.5)
                    engine.say(f"guards {seconds}")
                    turn[name] = engine.heard()
                turn[name]["load_per_second"] = load["per_second"]
            turns.append(turn)
    return turns


def main() -> None:
    """Prints the measurements as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default=",".join(PARTS))
    options = parser.parse_args()
    chosen = options.only.split(",")
    found: dict[str, Any] = {"load": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(prefix="tg", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        settings = make_folder(folder)
        answers = trio.run(answers_of, settings, (folder / "token").read_text())
        (folder / "answers.json").write_text(json.dumps(answers))
        if "asgi" in chosen:
            found["asgi"] = asgi(settings, folder, options.repeats)
        if "sockets" in chosen:
            found["sockets"] = sockets(folder, options.repeats, options.seconds)
        if "guards" in chosen:
            found["guards"] = guards(folder, options.repeats, options.seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
