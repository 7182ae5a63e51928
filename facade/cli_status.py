"""`tidegate status`: how a running engine and its accounts are, the most urgent first."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.client.blocking import Client
from engine.desk import Health
from engine.domain.severity import Severity, severity_of, sort_key
from engine.domain.snapshot import Quality, Snapshot
from engine.errors import UserError
from facade.demo_screen import GLYPHS, counts_line, money
from facade.options import AsJson

WATCH_S = 1.0

Config = Annotated[
    Path | None,
    typer.Option("--config", help="The settings of the engine; its socket is found by them."),
]
Socket = Annotated[
    Path | None,
    typer.Option("--socket", envvar="TIDEGATE_SOCKET", help="The engine's internal socket."),
]


def status(
    wanted: Annotated[
        str, typer.Argument(metavar="[FILTER]", help="Only these: part of SERVER/LOGIN, or a state")
    ] = "",
    config: Config = None,
    socket: Socket = None,
    watch: Annotated[bool, typer.Option("--watch", help="Draw it anew each second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how a running engine and its accounts are, the most urgent first."""
    console = Console(highlight=False)
    with Client(socket_of(config, socket)) as client:
        while True:
            health = client.health()
            snapshots = sorted(client.snapshots(client.keys()), key=sort_key)
            shown = [one for one in snapshots if is_wanted(one, wanted)]
            if as_json:
                typer.echo(orjson.dumps(plain(health, shown)).decode())
            else:
                if watch:
                    console.clear()
                _draw(console, health, snapshots, shown)
            if not watch:
                return
            time.sleep(WATCH_S)


def is_wanted(snapshot: Snapshot, wanted: str) -> bool:
    """Whether it is an account, or in a state, of that name."""
    name = f"{snapshot.server}/{snapshot.login}".lower()
    return wanted.lower() in name or wanted.lower() == severity_of(snapshot).value


def plain(health: Health, snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """As JSON says it."""
    counted = {severity.value: 0 for severity in Severity}
    for snapshot in snapshots:
        counted[severity_of(snapshot).value] += 1
    return {
        "health": msgspec.to_builtins(health),
        "counts": counted,
        "accounts": [
            {"state": severity_of(one).value, **msgspec.to_builtins(one)} for one in snapshots
        ],
    }


def _draw(
    console: Console, health: Health, every: Sequence[Snapshot], shown: Sequence[Snapshot]
) -> None:
    said = "guarding" if health.is_ready else f"not ready: {health.reason}"
    linked = f"{health.linked} of {health.accounts} terminals linked"
    console.print(f"{said} · {linked} · loop lag {health.loop_lag_ms:.0f} ms")
    for name, why in health.crashed.items():
        console.print(Text(f"✕ {name} was given up: {why}", style="bold red"))
    console.print(counts_line(every))
    if shown:
        console.print(accounts_table(shown))
    else:
        console.print("no account is so")


def accounts_table(snapshots: Sequence[Snapshot]) -> Table:
    """Accounts as rows of 80 columns, in the order given."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("State", no_wrap=True)
    table.add_column("Account", no_wrap=True)
    table.add_column("Guard", no_wrap=True, max_width=14)
    for name in ("Used", "Room", "Equity", "", "Pos"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for snapshot in snapshots:
        table.add_row(*_row(snapshot))
    return table


def _row(snapshot: Snapshot) -> tuple[Text | str, ...]:
    severity = severity_of(snapshot)
    glyph, style = GLYPHS[severity]
    is_known = snapshot.quality is not Quality.UNKNOWN
    used = None if snapshot.room_percent is None or not is_known else 100 - snapshot.room_percent
    return (
        Text(f"{glyph} {severity.value.capitalize()}", style=style),
        f"{snapshot.server}/{snapshot.login}",
        _guard(snapshot),
        "—" if used is None else f"{max(used, 0):.0f} %",
        money(snapshot.room, signed=True),
        money(snapshot.equity),
        snapshot.currency,
        str(len(snapshot.positions)),
    )


def _guard(snapshot: Snapshot) -> str:
    """What is breached, else what is nearest."""
    breached = [guard.name for guard in snapshot.guards if guard.breached]
    return breached[0] if breached else snapshot.nearest_guard or "—"


def socket_of(config: Path | None, socket: Path | None) -> Path:
    """The engine's socket.

    Raises:
        UserError: neither its settings nor its socket are named.
    """
    if socket is not None:
        return socket
    if config is not None:
        from facade.settings import read_settings

        return read_settings(config).socket
    raise UserError(
        "which engine?",
        help="name its settings (--config FILE) or its socket (--socket PATH, TIDEGATE_SOCKET)",
    )
