"""The client of `bench_http`: raw keep-alive connections in one process, HTTP as far as needed."""

import argparse
import json
import selectors
import socket
import time
from collections import deque
from pathlib import Path

import numpy as np

CONNECTIONS = 32
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class Connection:
    """One request at a time."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since_ns = 0
        self._buffer = b""
        self._whole = 0

    def ask(self, request: bytes, since_ns: int) -> None:
        """Sends it; its latency counts from then."""
        self.since_ns = since_ns
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Reads what is there; whether the answer is complete.

        Raises:
            RuntimeError: it is not a 200, or the server hung up.
        """
        part = self.socket.recv(65_536)
        self._buffer += part
        if not self._whole:
            head, end, _ = self._buffer.partition(_END)
            if end:
                if b" 200 " not in head[:16]:
                    raise RuntimeError(self._buffer.decode(errors="replace"))
                after = head.lower().partition(_LENGTH)[2]
                self._whole = len(head) + 4 + int(after.partition(b"\r\n")[0])
        if not part:
            raise RuntimeError("the server hung up")
        if not self._whole or len(self._buffer) < self._whole:
            return False
        self._buffer, self._whole = b"", 0
        return True


def drive(port: int, request: bytes, seconds: float, per_second: float) -> dict[str, float]:
    """Requests a second and their latencies.

    Args:
        per_second: so many are begun, evenly, and counted from when they were due; 0: each
            connection asks again as soon as it is answered.
    """
    chooser = selectors.DefaultSelector()
    idle: deque[Connection] = deque()
    for _ in range(CONNECTIONS):
        made = Connection(port)
        chooser.register(made.socket, selectors.EVENT_READ, made)
        idle.append(made)
    late_ns: list[int] = []
    begun_ns = due_ns = time.perf_counter_ns()
    end_ns = begun_ns + int(seconds * 1e9)
    step_ns = int(1e9 / per_second) if per_second else 0
    while (now_ns := time.perf_counter_ns()) < end_ns:
        while idle and due_ns <= now_ns:
            idle.popleft().ask(request, due_ns if step_ns else now_ns)
            due_ns += step_ns
        wait_s = max(0.0, (due_ns - now_ns) / 1e9) if idle else 1.0
        for chosen, _ in chooser.select(wait_s):
            connection: Connection = chosen.data
            if connection.is_answered():
                now_ns = time.perf_counter_ns()
                late_ns.append(now_ns - connection.since_ns)
                if step_ns:
                    idle.append(connection)
                else:
                    connection.ask(request, now_ns)
    p50, p99 = np.percentile(np.array(late_ns) / 1e6, (50, 99))
    took_s = (now_ns - begun_ns) / 1e9
    pace = len(late_ns) / took_s
    return {"count": len(late_ns), "per_second": pace, "p50_ms": float(p50), "p99_ms": float(p99)}


def ran_us(process_id: int) -> float:
    """Microseconds its main thread has run so far (Linux)."""
    return int(Path(f"/proc/{process_id}/schedstat").read_text().split()[0]) / 1e3


def main() -> None:
    """Prints the measurement as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--per-second", type=float, default=0.0)
    parser.add_argument("--server", type=int, required=True, help="its process")
    options = parser.parse_args()
    token = options.token_file.read_text()
    head = f"GET {options.path} HTTP/1.1\r\nHost: desk\r\nAuthorization: Bearer {token}\r\n\r\n"
    request = head.encode()
    drive(options.port, request, 0.3, 0.0)
    before_us = ran_us(options.server)
    found = drive(options.port, request, options.seconds, options.per_second)
    found["run_us"] = (ran_us(options.server) - before_us) / found["count"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
