"""`tidegate status`, `halt`, `flatten`, `release`: a running engine from the shell."""

import getpass
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import orjson
import typer
from rich.console import Console

from engine.client.blocking import Client
from engine.domain.commands import Command, Flatten, Halt, Refused, Release
from engine.domain.ids import AccountKey
from engine.domain.severity import Severity, severity_of, sort_key
from engine.domain.snapshot import Snapshot
from engine.errors import UserError
from facade.cli_keys import account_of
from facade.demo_screen import counts_line, table_of

FOUND = 1
ALL_AT_ONCE = 500

Config = Annotated[
    Path | None,
    typer.Option("--config", help="The settings of the engine; its socket is found by them."),
]
Socket = Annotated[
    Path | None,
    typer.Option("--socket", envvar="TIDEGATE_SOCKET", help="The engine's internal socket."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
One = Annotated[str | None, typer.Argument(metavar="SERVER/LOGIN", help="The account; or --all.")]
Everyone = Annotated[bool, typer.Option("--all", help="Every account.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]


def status(
    config: Config = None,
    socket: Socket = None,
    watch: Annotated[bool, typer.Option("--watch", help="Draw it anew each second.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say how a running engine and its accounts are, the most urgent first."""
    console = Console()
    with Client(_socket_of(config, socket)) as client:
        while True:
            health = client.health()
            snapshots = sorted(_all(client), key=sort_key)
            if as_json:
                typer.echo(orjson.dumps(_plain(client, snapshots)).decode())
                return
            if watch:
                console.clear()
            said = "guarding" if health.is_ready else health.reason
            console.print(
                f"{said} · {health.linked} of {health.accounts} terminals linked"
                f" · terminals link to {health.listening}",
                highlight=False,
            )
            console.print(counts_line(snapshots))
            console.print(table_of(snapshots))
            if not watch:
                return
            time.sleep(1.0)


def halt(
    account: One = None,
    everyone: Everyone = False,
    reason: Reason = "",
    config: Config = None,
    socket: Socket = None,
) -> None:
    """Take no new risk on an account, or on all of them. Positions stay."""
    _act(account, everyone, config, socket, lambda by: Halt(0, by, reason), yes=True)


def flatten(
    account: One = None,
    everyone: Everyone = False,
    reason: Reason = "",
    config: Config = None,
    socket: Socket = None,
    yes: Yes = False,
) -> None:
    """Cancel every pending order and close every position; a reason is required."""
    if not reason.strip():
        raise UserError("a flatten needs a reason", help="--reason TEXT")
    _act(account, everyone, config, socket, lambda by: Flatten(0, by, reason), yes=yes)


def release(
    account: Annotated[str, typer.Argument(metavar="SERVER/LOGIN", help="The account.")],
    cause: Annotated[str, typer.Option("--cause", help="What halted it: the guard's name.")],
    reason: Reason,
    second: Annotated[
        str, typer.Option("--second", help="Who else agreed: a breach is released by two.")
    ],
    config: Config = None,
    socket: Socket = None,
) -> None:
    """End a halt and its latch. Two people must agree, and both are named."""
    user = getpass.getuser()
    if not reason.strip():
        raise UserError("a release needs a reason", help="--reason TEXT")
    if not second.strip() or second.strip() == user:
        raise UserError("the second person must be another one", help="--second NAME")
    by = f"shell:{user}+{second.strip()}"
    with Client(_socket_of(config, socket)) as client:
        key = account_of(account)
        if _say(key, client.command(key, Release(0, by, cause, reason))):
            raise typer.Exit(FOUND)


def _act(
    account: str | None,
    everyone: bool,
    config: Path | None,
    socket: Path | None,
    make: Callable[[str], Command],
    *,
    yes: bool,
) -> None:
    if (account is None) is not everyone:
        raise UserError("name one account, or say --all")
    command = make(f"shell:{getpass.getuser()}")
    with Client(_socket_of(config, socket)) as client:
        keys = client.keys() if account is None else [account_of(account)]
        if not yes:
            held = sum(len(one.positions) for one in _all(client) if _key_of(one) in set(keys))
            word = "FLATTEN ALL" if everyone else str(keys[0])
            typed = typer.prompt(f"{held} positions will be closed. Type `{word}`")
            if typed.strip() != word:
                raise UserError("nothing was done: that was not typed")
        refused = [_say(key, client.command(key, command)) for key in keys]
    if any(refused):
        raise typer.Exit(FOUND)


def _say(key: AccountKey, done: object) -> bool:
    """Prints what came of it; whether it was refused."""
    if isinstance(done, Refused):
        typer.echo(f"{key}: refused: {done.reason}", err=True)
        return True
    names = getattr(done, "intent_ids", ())
    typer.echo(f"{key}: done" + (f", {len(names)} closes decided" if names else ""))
    return False


def _all(client: Client) -> list[Snapshot]:
    keys = client.keys()
    found: list[Snapshot] = []
    for start in range(0, len(keys), ALL_AT_ONCE):
        found += client.snapshots(keys[start : start + ALL_AT_ONCE])
    return found


def _key_of(snapshot: Snapshot) -> AccountKey:
    return AccountKey(snapshot.server, snapshot.login)


def _plain(client: Client, snapshots: list[Snapshot]) -> dict[str, object]:
    counted = {severity.value: 0 for severity in Severity}
    for snapshot in snapshots:
        counted[severity_of(snapshot).value] += 1
    return {
        "health": msgspec.to_builtins(client.health()),
        "counts": counted,
        "accounts": msgspec.to_builtins(snapshots),
    }


def _socket_of(config: Path | None, socket: Path | None) -> Path:
    if socket is not None:
        return socket
    if config is not None:
        from facade.settings import read_settings

        return read_settings(config).socket
    raise UserError(
        "which engine?", help="name its settings (--config FILE) or its socket (--socket PATH)"
    )
