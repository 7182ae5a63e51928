"""The live engine over loopback TLS: quote frame in to close frame out, a storm, a bad actor.

The engine is this process; its terminals are another (`live_terminals.py`), which reads both ends
of every latency from its own clock. What is between: their TLS, the kernel's wake, the decision,
the commit of the intents (`--journal memory`: none), the close frame's TLS back.
"""

import argparse
import cProfile
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio

from adapters.memory.epochs import MemoryEpochs
from adapters.memory.journal import MemoryJournal
from adapters.mt5.certificates import CertificateFiles, make_certificates, server_context
from adapters.mt5.gateway import Gateway
from adapters.sqlite.journal import SqliteEpochs, open_journal
from engine.clock import SteadyClock, SystemClock
from engine.domain import step as deciding
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.drafts import Draft
from engine.domain.ids import AccountKey
from engine.domain.link_events import LinkEvent, TimePassed
from engine.garbage import collect_seldom
from engine.live_engine import LiveAccount, LiveEngine
from engine.marking.warming import warm_up
from engine.recovery import recover
from engine.stuck import stuck_cut_short
from engine.terminals import LateLink, LinkTerminals
from facade.metrics import Metrics
from perf.live_world import FIRST_LOGIN, FRAME_S, KEY, SERVER, World, make_world, specs

WARM_BREACHES = 40
"""The first ones are not counted."""
IDLE_S = 3.0
BAD = ("raising", "looping", "busy")
"""What one account does: raises at whatever it has to do; has a step that never ends; finds more to
do in all it does, and so never rests."""


class _Ring:
    """One key for all."""

    def keys_of(self, _account: AccountKey) -> Sequence[Any]:
        return (KEY,)


class Floor:
    """A running engine and its gateway."""

    def __init__(self, engine: LiveEngine, gateway: Gateway, port: int) -> None:
        self.engine = engine
        self.gateway = gateway
        self.port = port

    def spoil(self, number: int, how: str) -> None:
        """From here on this account is bad; see `BAD`."""
        key = AccountKey(SERVER, FIRST_LOGIN + number)
        actor = self.engine._actor(key)
        do, on_link_event = actor._do, deciding._on_link_event

        def fail(_job: object) -> None:
            raise RuntimeError("planted by the bench")

        def loop(draft: Draft, event: LinkEvent) -> None:
            while draft.state.spec.key == key:
                pass
            on_link_event(draft, event)

        def feed_itself(job: Any) -> Any:
            if actor.inbox.has_room and not actor.inbox:
                self.engine.note_soon(key, TimePassed(time_msc=0))
            return do(job)

        match how:
            case "raising":
                vars(actor)["_do"] = fail
            case "looping":
                vars(deciding)["_on_link_event"] = loop
            case _:
                vars(actor)["_do"] = feed_itself

    def unsound(self, count: int) -> list[str]:
        """Accounts that are not linked, not valued, or do not agree with their broker."""
        keys = [AccountKey(SERVER, FIRST_LOGIN + number) for number in range(count)]
        states = [self.engine._actor(key).state for key in keys]
        return [
            f"{state.spec.key}: known={state.known} live={state.live}"
            for state in states
            if not state.known or state.live is None or state.live.book.rows
        ]

    async def until_sound(self, count: int) -> None:
        """Returns when all accounts are linked, valued, and agree with their broker."""
        for _ in range(600):
            if not self.unsound(count):
                return
            await trio.sleep(0.05)
        raise SystemExit("not sound: " + "\n".join(self.unsound(count)[:3]))


@asynccontextmanager
async def open_floor(
    world: World, count: int, files: CertificateFiles, database: Path | None
) -> AsyncIterator[Floor]:
    """The engine of `tidegate serve` without alerts and HTTP; no database: journal in memory."""
    clock = SteadyClock(SystemClock())
    if database is None:
        async with _floor(world, count, files, MemoryJournal(), MemoryEpochs(), clock) as floor:
            yield floor
        return
    async with open_journal(database) as journal:
        epochs = SqliteEpochs(journal)
        async with _floor(world, count, files, journal, epochs, clock) as floor:
            yield floor


@asynccontextmanager
async def _floor(
    world: World, count: int, files: CertificateFiles, journal: Any, epochs: Any, clock: SteadyClock
) -> AsyncIterator[Floor]:
    link = LateLink()
    accounts = [
        LiveAccount(
            spec=spec,
            terms=Terms(digits=2),
            close_terms=CloseTerms(),
            expects=False,
            recovery=await recover(spec.key, journal),
        )
        for spec in specs(world, count)
    ]
    engine = LiveEngine(
        accounts,
        world.instruments(),
        (),
        journal,
        journal,
        LinkTerminals(link, clock),
        clock,
        meter=Metrics(),
    )
    gateway = Gateway(engine.sink, _Ring(), epochs, clock)
    link.gateway = gateway
    for feed in engine.feeds:
        gateway.want_symbols(feed, engine.symbols_of(feed))
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        context = server_context(files.server, files.server_key)
        addresses = await nursery.start(gateway.serve, context, "127.0.0.1", 0)
        yield Floor(engine, gateway, addresses[0][1])
        await gateway.stop()
        await engine.stop()
        nursery.cancel_scope.cancel()


class Terminals:
    """The other process."""

    def __init__(self, child: trio.Process) -> None:
        self._child = child
        self._buffer = bytearray()

    async def say(self, word: str) -> None:
        """Has it do something; the answer comes when it is done."""
        assert self._child.stdin is not None, "made with pipes"
        await self._child.stdin.send_all(word.encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        """Its next line."""
        assert self._child.stdout is not None, "made with pipes"
        while b"\n" not in self._buffer:
            chunk = await self._child.stdout.receive_some(65_536)
            if not chunk:
                raise SystemExit("the terminals' process ended")
            self._buffer += chunk
        line, _, rest = self._buffer.partition(b"\n")
        self._buffer = bytearray(rest)
        heard: dict[str, Any] = json.loads(line)
        return heard

    async def do(self, word: str) -> dict[str, Any]:
        """Says, and hears the answer."""
        await self.say(word)
        return await self.hear()


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One run: everything is linked, then what the options name is measured."""
    count, breaches = options.accounts, min(options.breaches, options.accounts - 1)
    world = make_world(10)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        files = make_certificates(folder / "tls", ["127.0.0.1"], datetime.now(UTC))
        database = folder / "journal.db" if options.journal == "sqlite" else None
        async with open_floor(world, count, files, database) as floor, trio.open_nursery() as own:
            child = await own.start(
                _start,
                floor.port,
                str(files.authority),
                count,
                breaches,
                options.each,
            )
            terminals = Terminals(child)
            linked = await terminals.hear()
            await floor.until_sound(count)
            collect_seldom()
            found: dict[str, Any] = {"accounts": count, "linking_s": linked["linking_s"]}
            if options.storm:
                found["storm"] = await terminals.do("storm")
            else:
                found |= await _live(floor, terminals, options)
            found["unsound_after"] = len(floor.unsound(count))
            found["crashed"] = len(floor.engine.health().crashed)
            own.cancel_scope.cancel()
        found["fsync_ms"] = disk_ms(folder)
    found["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def disk_ms(folder: Path) -> list[float]:
    """What the disk itself takes to keep 4 KiB, written over an old place in a file, each time."""
    took = []
    with (folder / "disk").open("wb") as file:
        file.write(bytes(1 << 20))
        os.fsync(file.fileno())
        for number in range(200):
            file.seek(number % 256 * 4096)
            file.write(number.to_bytes(4096, "big"))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000.0)
    return took


async def _live(floor: Floor, terminals: Terminals, options: argparse.Namespace) -> dict[str, Any]:
    began = time.process_time()
    await trio.sleep(IDLE_S)
    beating = (time.process_time() - began) / IDLE_S
    began, began_s = time.process_time(), trio.current_time()
    await terminals.do("quotes")
    quoting = (time.process_time() - began) / (trio.current_time() - began_s)
    profile = cProfile.Profile() if options.profile else None
    if profile is not None:
        profile.enable()
    began, began_s = time.process_time(), trio.current_time()
    async with trio.open_nursery() as beside:
        if options.bad:
            beside.start_soon(_spoil_later, floor, options)
        told = await terminals.do("live")
    busy = (time.process_time() - began) / (trio.current_time() - began_s)
    if profile is not None:
        profile.disable()
        profile.dump_stats(options.profile)
    first = told["first_ms"][WARM_BREACHES:]
    if None in first:
        raise SystemExit(f"{first.count(None)} of {len(first)} breaches led to no close")
    return {
        "source": told["source"],
        "first_ms": first,
        "read_ms": told["read_ms"][WARM_BREACHES:],
        "last_ms": told["last_ms"][WARM_BREACHES:],
        "heartbeats_core": beating,
        "quotes_core": quoting,
        "live_core": busy,
    }


async def _spoil_later(floor: Floor, options: argparse.Namespace) -> None:
    """Among the breaches that count."""
    await trio.sleep((WARM_BREACHES + 10) * options.each * FRAME_S)
    floor.spoil(options.accounts - 1, options.bad)


async def _start(
    port: int,
    authority: str,
    count: int,
    breaches: int,
    each: int,
    *,
    task_status: trio.TaskStatus[trio.Process],
) -> None:
    command = [sys.executable, "-m", "perf.live_terminals", "--port", str(port)]
    command += ["--authority", authority, "--accounts", str(count)]
    command += ["--breaches", str(breaches), "--each", str(each)]

    async def run(task_status: trio.TaskStatus[trio.Process]) -> None:
        await trio.run_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, task_status=task_status
        )

    async with trio.open_nursery() as nursery:
        task_status.started(await nursery.start(run))


def main() -> None:
    """Prints one run's measurement as JSON."""
    parser = argparse.ArgumentParser(prog="perf.bench_live")
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--breaches", type=int, default=600)
    parser.add_argument("--each", type=int, default=8, help="frames from one breach to the next")
    parser.add_argument("--journal", choices=("sqlite", "memory"), default="sqlite")
    parser.add_argument("--storm", action="store_true", help="one tick breaches every account")
    parser.add_argument("--bad", choices=BAD, help="what one account does")
    parser.add_argument("--folder", help="where the journal lies; default: the temporary folder")
    parser.add_argument("--profile", help="writes cProfile's statistics here")
    options = parser.parse_args()
    warm_up()
    with stuck_cut_short():
        print(json.dumps(trio.run(measure, options)))


if __name__ == "__main__":
    main()
