"""`python -m adapters.broker FILE`: a simulated broker as a process of its own, until SIGTERM."""

import logging
import signal
import sys
from pathlib import Path

import trio

from adapters.broker.market import Symbol
from adapters.broker.run import BrokerRun, first_msc, house_of
from adapters.broker.script import ScriptKeys, read_script, server_of
from adapters.broker.state import read_books, save
from engine.clock import Clock, SystemClock, VirtualClock
from engine.errors import UserError
from engine.marking.ticks import TickStream
from engine.ports import OpenTicks, plugin

STATE_FILE = "server.json"
LOG_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a signal, 2 where the file or what it names must be mended."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m adapters.broker FILE\n")
        return 2
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=LOG_FORMAT)
    path = Path(arguments[0])
    errors: list[UserError] = []
    try:
        keys, symbols = read_script(path)
        stream = _ticks(keys, symbols, path.parent)
        trio.run(_run, keys, symbols, stream, path.parent)
    except* UserError as group:
        errors = _leaves(group)
    for error in errors:
        sys.stderr.write(f"{error.render()}\n")
    return 2 if errors else 0


async def _run(
    keys: ScriptKeys, symbols: tuple[Symbol, ...], stream: TickStream, folder: Path
) -> None:
    pace = VirtualClock(first_msc(stream), keys.speed)
    of_ticks = keys.stamps == "ticks"
    clock: Clock = pace if of_ticks else SystemClock()
    kept = folder / keys.state / STATE_FILE if keys.state is not None else None
    books = read_books(kept) if kept is not None else None
    server = server_of(keys, symbols, clock.wall_msc(), books)
    house = house_of(keys, server, folder, clock, keys.speed if of_ticks else 1.0)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(BrokerRun(keys, stream, house, books).run, pace)
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                async for _ in signals:
                    break
            nursery.cancel_scope.cancel()
    finally:
        if kept is not None:
            save(server, kept)


def _ticks(keys: ScriptKeys, symbols: tuple[Symbol, ...], folder: Path) -> TickStream:
    open_ticks: OpenTicks = plugin("tick_files")
    sources = [(listed.symbol, [folder / name for name in listed.files]) for listed in keys.ticks]
    quoted = {listed.symbol for listed in keys.ticks}
    digits = {s.name: s.instrument.digits for s in symbols if s.name in quoted}
    return open_ticks(sources, digits=digits)


def _leaves(group: BaseExceptionGroup[UserError]) -> list[UserError]:
    """The errors of a group, whatever groups they lie in."""
    found: list[UserError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
