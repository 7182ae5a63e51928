"""`tidegate demo`: the engine and a simulated broker's terminals over the real link."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import trio
import typer
from rich.console import Console
from rich.live import Live

from engine.desk import Desk
from engine.domain.commands import Adopt
from facade.demo_screen import Screen
from facade.demo_world import World, make_world

DRAWS_A_SECOND = 4


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", help="Where everything is kept; a second run goes on there.")
    ] = Path("out/live"),
    accounts: Annotated[int, typer.Option("--accounts", min=8, max=400)] = 36,
    port: Annotated[int, typer.Option("--port", min=1024, max=65_535)] = 8444,
    http_port: Annotated[
        int, typer.Option("--http-port", min=1024, max=65_535, help="Of the desk and the API.")
    ] = 8080,
    seed: Annotated[int, typer.Option("--seed", help="Of the made-up world.")] = 36,
    speed: Annotated[float, typer.Option("--speed", min=1, help="Of the ticks.")] = 200.0,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1, help="Stop by itself after so long.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on.")] = False,
) -> None:
    """Show it all with a simulated broker: guards fire, a terminal is cut, a trade is by hand."""
    from facade import logs
    from facade.cli_serve import run_plainly
    from facade.progress import compile_all
    from facade.wiring import tick_tools

    if fresh and folder.exists():
        shutil.rmtree(folder)
    world = make_world(
        folder, accounts, port, seed, speed, tick_tools().synthesize, http_port=http_port
    )
    logs.configure("warning", "text")
    compile_all()  # here, where no loop stands still for it
    run_plainly(_run, world, seconds)


async def _run(world: World, seconds: float | None) -> None:
    from facade.http_setup import demo_token, serve_floor
    from facade.internal_setup import internal_socket_of
    from facade.settings import read_settings
    from facade.wiring import certificates_of, terminal_keys
    from facade.wiring_floor import open_floor

    settings = read_settings(world.settings)
    certificates_of(settings)
    ring = terminal_keys(settings)
    known = {one.account for one in ring.names()}
    for account in settings.book.accounts:
        if account.spec.key not in known:
            ring.create(account.spec.key, "2026-01-01T00:00:00+00:00")
    console = Console()
    async with open_floor(settings) as floor:
        host, number = floor.address
        head = (
            "Tidegate demo: a simulated broker on synthetic ticks. Nothing here is real.",
            f"engine {host}:{number} · files {world.folder} · Ctrl-C stops, the next run goes on",
        )
        with world.log.open("ab") as log:
            broker = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", "adapters.broker", str(world.broker)],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(
                    internal_socket_of(settings, floor.engine, floor.alerting.kill_switch).serve
                )
                server = await nursery.start(serve_floor, floor, settings)
                desk = f"desk {server.url} · docs {server.url}/docs · a token for 15 min:"
                screen = Screen(floor.engine, (*head, desk, demo_token(settings)))
                nursery.start_soon(_listen, floor.engine, screen)
                nursery.start_soon(_adopt_what_was_there, floor.engine)
                nursery.start_soon(_draw, console, screen)
                with trio.move_on_after(seconds or float("inf")):
                    await _signalled()
                nursery.cancel_scope.cancel()
        finally:
            broker.send_signal(signal.SIGTERM)
            with trio.CancelScope(shield=True), trio.move_on_after(1.5):
                while broker.poll() is None:
                    await trio.sleep(0.05)
            if broker.poll() is None:
                broker.kill()
    _farewell(console, screen, world)


async def _listen(desk: Desk, screen: Screen) -> None:
    listener = desk.listen()
    while True:
        for record in await listener.wait():
            screen.take(record)


async def _adopt_what_was_there(desk: Desk) -> None:
    """The positions of the broker's file are meant; what comes later by hand is not."""
    waiting = set(desk.keys())
    while waiting:
        await trio.sleep(0.25)
        for key in list(waiting):
            snapshot = desk.snapshot(key)
            if snapshot.live is None or not snapshot.live.reconciliation.total_syncs:
                continue
            waiting.discard(key)
            if snapshot.live.intents:
                continue  # of an earlier run
            for position in snapshot.positions:
                command = Adopt(0, "demo", position.position_id, "there from the start")
                await desk.command(key, command)


async def _draw(console: Console, screen: Screen) -> None:
    """The screen of a terminal; into a pipe, a line for each thing worth one."""
    if not console.is_terminal:
        for line in screen.head:
            console.print(line, highlight=False, soft_wrap=True)
        screen.on_line = lambda line: console.print(line, soft_wrap=True)
        await trio.sleep_forever()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            rows = max(4, console.height - 17)
            live.update(screen.draw(rows), refresh=True)
            await trio.sleep(1 / DRAWS_A_SECOND)


async def _signalled() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return


def _farewell(console: Console, screen: Screen, world: World) -> None:
    seen = screen.seen
    console.print(
        f"{seen['guard_breach']} breaches, {seen['position_closed']} positions closed,"
        f" {seen['discrepancy']} turns of discrepancies, {seen['link_changed']} of links."
    )
    console.print(f"Everything is in {world.folder}: journal, keys, and the broker's own log.")
