"""The engine's side of `bench_http`: a folder of settings, a desk over real accounts, its process.

The process is told over its standard input, a line each:

    market PER_SECOND      ticks from now on, evenly; 0: none
    guards SECONDS         prints how late ticks were guarded against, for so long

and ends with its input.
"""

import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import numpy as np
import trio
from starlette.applications import Starlette

from adapters.memory.audit import MemoryAuditTrail
from adapters.memory.journal import MemoryJournal
from engine.board import Board, Encoded
from engine.clock import SystemClock
from engine.desk import Desk, FeedHealth, Health
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.domain.snapshot import Snapshot
from engine.marking.feed import Feed
from engine.outbox import ReplayOutbox
from engine.supervisor import Supervisor
from facade import logs
from facade.access_keys import AccessKeys
from facade.access_tokens import Grant, issue
from facade.api_parts import now_msc, parts_of
from facade.app import make_app
from facade.internal_setup import internal_socket_of
from facade.metrics import Metrics
from facade.serving import HttpBinding, serve_http
from facade.settings import Settings, read_settings
from perf.bench_internal import BoardDesk, tick
from perf.workload import SYMBOL_COUNT, DerivedStream, accounts, synthetic_path

ACCOUNTS = 100
CALM_TICKS = 200
GUARDED_PER_S = 200
_BOOK = """\
[[instrument]]
symbol = "SYM0"
calc_mode = "cfd"
digits = 3
contract_size = 100.0
base_currency = "XAU"
profit_currency = "USD"

[[ruleset]]
name = "house"
[[ruleset.guard]]
name = "floor"
kind = "equity_limit"
reference = "initial"
amount = { money = 1000.0 }
action = "close_and_halt"

[[account]]
login = 100000
server = "Bench-1"
currency = "USD"
balance = 100000.0
ruleset = "house"
"""
_SETTINGS = """\
book = "book.toml"
state = "state"

[internal]
token_file = "internal-token"

[http]
requests_per_minute = 1000000
"""


class HttpDesk(BoardDesk):
    """As much of a desk as the reads need."""

    def snapshot(self, key: AccountKey) -> Snapshot:
        """See `Desk.snapshot`."""
        return self.board.snapshot(key)

    def encoded(self, key: AccountKey) -> Encoded:
        """See `Desk.encoded`."""
        return self.board.encoded(key)

    async def records(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """See `Desk.records`; there is no history."""
        del key, after_seq, limit
        await trio.lowlevel.checkpoint()
        return ()

    def health(self) -> Health:
        """See `Desk.health`."""
        ticks = self.supervisor.router.ticks
        feed = FeedHealth(name="Bench-1", leader=None, ticks=ticks, quote_age_ms=0, rejected={})
        return Health(
            is_ready=True,
            reason="",
            started_msc=0,
            time_msc=now_msc(),
            accounts=len(self.keys()),
            linked=0,
            crashed={},
            journal_failure=None,
            loop_lag_ms=0.0,
            feeds=(feed,),
            refused={},
            listening="",
            thumbprint="",
        )


class Engine:
    """Accounts that guard, and their desk."""

    def __init__(self, desk: HttpDesk, stream: DerivedStream) -> None:
        self.desk = desk
        self.per_second = 0.0
        self._stream = stream
        self._at = CALM_TICKS

    async def tick(self) -> None:
        """The next tick, decided on by whoever holds it."""
        await tick(self.desk.supervisor, self._stream, self._at, 1)
        await self.desk.supervisor.settle()
        self._at += 1
        if self._at >= len(self._stream.whole.time_msc):
            self._at = CALM_TICKS

    async def run_market(self) -> None:
        """Ticks, `per_second` of them."""
        while True:
            await trio.sleep(1 / self.per_second if self.per_second else 0.05)
            if self.per_second:
                await self.tick()

    async def guarded_ms(self, seconds: float) -> list[float]:
        """For each tick, from when it was due until all had decided on it."""
        late: list[float] = []
        due_s = trio.current_time()
        for _ in range(int(seconds * GUARDED_PER_S)):
            due_s += 1 / GUARDED_PER_S
            await trio.sleep_until(due_s)
            await self.tick()
            late.append((trio.current_time() - due_s) * 1e3)
        return late


@asynccontextmanager
async def open_engine(count: int) -> AsyncIterator[Engine]:
    """An engine that has seen some ticks of a seeded walk."""
    stream = DerivedStream(synthetic_path(100_000), 100_000)
    clock = SystemClock()
    feed = Feed(stream.symbols)
    book = accounts(count, stream)
    supervisor = Supervisor(book, feed, MemoryJournal(), ReplayOutbox(), clock, conflates=True)
    desk = HttpDesk(supervisor, Board(supervisor.by_key, supervisor.router, feed, clock))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        supervisor.router.open(int(stream.whole.time_msc[0]), SYMBOL_COUNT)
        await tick(supervisor, stream, 0, CALM_TICKS)
        await supervisor.settle()
        yield Engine(desk, stream)
        nursery.cancel_scope.cancel()


def make_folder(folder: Path) -> Settings:
    """Settings for engine and API, their keys, and `token`: of a viewer of one account."""
    (folder / "book.toml").write_text(_BOOK)
    (folder / "serve.toml").write_text(_SETTINGS)
    secret = folder / "internal-token"
    secret.touch(mode=0o600)
    secret.write_text("0123456789abcdef" * 4)
    settings = read_settings(folder / "serve.toml")
    settings.make_state()
    keys = AccessKeys(settings.access_keys)
    keys.create("2026-01-01T00:00:00+00:00")
    long_ago_s = time.time() - 3600  # keys just made are read again and again for some seconds
    os.utime(settings.access_keys, (long_ago_s, long_ago_s))
    grant = Grant("ann", "viewer", ("Bench-1/100000",), None, 900)
    (folder / "token").write_text(issue(keys, grant, int(time.time())).token)
    return settings


def app_of(settings: Settings, desk: Desk) -> Starlette:
    """Our API over a desk in the same process."""
    parts = parts_of(settings, desk, MemoryAuditTrail(), Metrics(), anyio.Event())
    return make_app(desk, parts)


async def serve(folder: Path) -> None:
    """See the top."""
    logs.configure("error", "text")  # to standard error: answers alone go to standard output
    settings = read_settings(folder / "serve.toml")
    async with open_engine(ACCOUNTS) as engine, trio.open_nursery() as nursery:
        desk: Desk = engine.desk  # type: ignore[assignment]  # commands and history are not asked
        await nursery.start(internal_socket_of(settings, desk).serve)
        server = await nursery.start(serve_http, app_of(settings, desk), HttpBinding())
        nursery.start_soon(engine.run_market)
        print(json.dumps({"port": server.addresses[0][1]}), flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            word, number = line.split()
            if word == "market":
                engine.per_second = float(number)
                print("{}", flush=True)
                continue
            engine.per_second = 0.0
            p50, p99 = np.percentile(await engine.guarded_ms(float(number)), (50, 99))
            print(json.dumps({"p50_ms": float(p50), "p99_ms": float(p99)}), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(serve, Path(sys.argv[1]))
