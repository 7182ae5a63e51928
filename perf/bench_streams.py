"""A thousand readers of the event stream at the API in its own process, and their weight on guards.

    python -m perf.bench_streams [--readers 1000] [--seconds 5] [--repeats 3]

Every reader is a connection of one client process and watches one account of five positions, whose
price moves on each of 200 ticks a second, so that each of four periods a second has news. Figures:
frames delivered a second over all readers; how old a frame's snapshot is when it is read, on one
clock; how far the readers of one frame are apart; resident memory of the API's process for each
reader, and what it takes of a core for them; and how late the engine guards a tick, beside the same
without a reader.
"""

import argparse
import json
import os
import re
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from perf.bench_http import Told, told
from perf.http_engine import make_folder
from perf.polled_design import BASE

SETTLE_S = 1.5
"""After the last reader came, before anything counts."""
_TIME = re.compile(rb'"time_msc":(\d+)')
_FRAME = b"event: snapshots\n"


class Reader:
    """One connection."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(request)
        self.frames = 0
        self._waiting = b""

    def read(self) -> list[int]:
        """When the snapshots of whole frames that came were made, UTC ms.

        Raises:
            RuntimeError: it is no stream, or the server hung up.
        """
        part = self.socket.recv(262_144)
        if not part:
            raise RuntimeError("the server hung up")
        if not self.frames and b"HTTP/1.1 " in part and b" 200 " not in part[:16]:
            raise RuntimeError(part.decode(errors="replace"))
        whole, _, self._waiting = (self._waiting + part).rpartition(b"\n\n")
        events = (_TIME.search(event) for event in whole.split(b"\n\n") if _FRAME in event)
        found = [int(when[1]) for when in events if when]
        self.frames += len(found)
        return found


def read_all(port: int, token: str, readers: int, seconds: float) -> dict[str, float]:
    """What so many readers got, once all were there; says `ready` when they are."""
    head = f"GET {BASE}/stream HTTP/1.1\r\nHost: desk\r\nAuthorization: Bearer {token}\r\n\r\n"
    chooser = selectors.DefaultSelector()
    made = []
    for _ in range(readers):
        reader = Reader(port, head.encode())
        chooser.register(reader.socket, selectors.EVENT_READ, reader)
        made.append(reader)
    ages_ms: list[float] = []
    seen: dict[int, list[float]] = {}
    begins_s = ends_s = 0.0
    while not ends_s or time.time() < ends_s:
        for chosen, _ in chooser.select(0.05):
            found = chosen.data.read()
            now_s = time.time()
            if begins_s and now_s >= begins_s:
                ages_ms.extend(1000 * now_s - when for when in found)
                for when in found:
                    seen.setdefault(when, []).append(now_s)
        if not begins_s and all(one.frames for one in made):
            begins_s = time.time() + SETTLE_S
            ends_s = begins_s + seconds
            print("ready", flush=True)
    apart_ms = [1000 * (max(times) - min(times)) for times in seen.values()]
    return {
        "frames_per_second": len(ages_ms) / seconds,
        "age_p50_ms": float(np.percentile(ages_ms, 50)),
        "age_p99_ms": float(np.percentile(ages_ms, 99)),
        "apart_p99_ms": float(np.percentile(apart_ms, 99)),
    }


@contextmanager
def api(folder: Path) -> Iterator[tuple[int, int]]:
    """The API in its own process: its port and its number."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ("--log-level", "warning", "--no-access-log", "--loop", "uvloop", "--http", "httptools")
    command = [sys.executable, "-m", "uvicorn", "facade.standalone:app", "--port", str(port)]
    variables = {**os.environ, "TIDEGATE_CONFIG": str(folder / "serve.toml")}
    server = subprocess.Popen([*command, *words, "--backlog", "2048"], env=variables)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.05)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(30)


def resident_kib(pid: int) -> int:
    """Memory of a process that is there now."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(text.partition("VmRSS:")[2].split()[0])


def processor_s(pid: int) -> float:
    """What it has used of a processor so far."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")


def turn_of(
    engine: Told, folder: Path, at: tuple[int, int], readers: int, seconds: float
) -> dict[str, Any]:
    """Guards alone, then beside the readers."""
    port, pid = at
    engine.say(f"guards {seconds}")
    idle = engine.heard()
    engine.market(20)  # the first frames of readers that come
    before_kib = resident_kib(pid)
    command = [sys.executable, "-m", "perf.bench_streams", "--client", str(port)]
    command += ["--readers", str(readers), "--seconds", str(seconds), "--folder", str(folder)]
    client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    if client.stdout.readline() != "ready\n":
        raise SystemExit("the readers failed")
    began_s, spent_s = time.monotonic(), processor_s(pid)
    engine.say(f"guards {seconds + SETTLE_S}")
    loaded = engine.heard()
    core = (processor_s(pid) - spent_s) / (time.monotonic() - began_s)
    grown_kib = resident_kib(pid) - before_kib
    found: dict[str, Any] = json.loads(client.stdout.read())
    if client.wait():
        raise SystemExit("the readers failed")
    found |= {"reader_kib": grown_kib / readers, "core": core, "idle": idle, "loaded": loaded}
    return found


def main() -> None:
    """Prints the measurements as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--client", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.client:
        token = (options.folder / "token").read_text()
        print(json.dumps(read_all(options.client, token, options.readers, options.seconds)))
        return
    turns = []
    with tempfile.TemporaryDirectory(prefix="tg", ignore_cleanup_errors=True) as text:
        folder = Path(text)
        make_folder(folder)
        with (folder / "serve.toml").open("a") as settings:
            settings.write(f"sse_per_subject = {options.readers}\n")
        with told(folder) as engine:
            for _ in range(options.repeats):
                with api(folder) as at:  # anew, so that its memory is that of these readers
                    turns.append(turn_of(engine, folder, at, options.readers, options.seconds))
    print(json.dumps({"load": os.getloadavg()[0], "readers": options.readers, "turns": turns}))


if __name__ == "__main__":
    main()
