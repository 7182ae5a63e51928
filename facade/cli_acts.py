"""`tidegate halt`, `flatten`, `release`: commands to a running engine from the shell.

The engine says who asked: the user at the other end of its socket, whatever this program says.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from engine.client.blocking import Client
from engine.desk import Taken
from engine.domain.commands import Flatten, Halt, Refused, Release
from engine.domain.ids import AccountKey
from engine.errors import AdapterError, UserError
from facade.cli_keys import account_of
from facade.cli_status import Config, Socket, socket_of
from facade.options import AsJson

REFUSED = 1

One = Annotated[str | None, typer.Argument(metavar="SERVER/LOGIN", help="The account; or --all.")]
Everyone = Annotated[bool, typer.Option("--all", help="Every account.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]
Yes = Annotated[bool, typer.Option("--yes", help="Ask nothing.")]


def halt(
    account: One = None,
    everyone: Everyone = False,
    reason: Reason = "",
    config: Config = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Take no new risk on an account, or on all of them. Positions stay."""
    _exactly_one(account, everyone=everyone)
    with Client(socket_of(config, socket)) as client:
        keys = client.keys() if account is None else [account_of(account)]
        _give(client, keys, Halt(0, "", reason), as_json=as_json)


def flatten(
    account: One = None,
    everyone: Everyone = False,
    reason: Reason = "",
    config: Config = None,
    socket: Socket = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Cancel every pending order and close every position; a reason is required."""
    _exactly_one(account, everyone=everyone)
    if not reason.strip():
        raise UserError("a flatten needs a reason", help="--reason TEXT")
    with Client(socket_of(config, socket)) as client:
        keys = client.keys() if account is None else [account_of(account)]
        if not yes:
            held = sum(len(one.positions) for one in client.snapshots(keys))
            word = "FLATTEN ALL" if everyone else str(keys[0])
            typed = typer.prompt(f"{held} positions will be closed. Type `{word}`", err=True)
            if typed.strip() != word:
                raise UserError("nothing was done: that was not typed")
        _give(client, keys, Flatten(0, "", reason), as_json=as_json)


def release(
    account: Annotated[str, typer.Argument(metavar="SERVER/LOGIN", help="The account.")],
    cause: Annotated[
        str, typer.Option("--cause", help="What halted it: a guard's name, or who asked.")
    ],
    reason: Reason = "",
    second: Annotated[
        Path | None,
        typer.Option(
            "--second",
            metavar="FILE",
            envvar="TIDEGATE_SECOND",
            help="File with a fresh token of the other person; - reads it from the input.",
        ),
    ] = None,
    config: Config = None,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """End a halt and its latch. What a guard began is ended by two people."""
    if not reason.strip():
        raise UserError("a release needs a reason", help="--reason TEXT")
    token = _token_in(second)
    key = account_of(account)
    with Client(socket_of(config, socket)) as client:
        try:
            done = client.command(key, Release(0, "", cause, reason), token)
        except (AdapterError, KeyError) as error:
            raise _not_done(error) from None
        _say([key], [done], as_json=as_json)


def _exactly_one(account: str | None, *, everyone: bool) -> None:
    if (account is None) is not everyone:
        raise UserError("name one account, or say --all")


def _token_in(file: Path | None) -> str:
    if file is None:
        return ""
    if str(file) == "-":
        return sys.stdin.readline().strip()
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("cannot read the second person's token", place=str(file)) from error


def _give(
    client: Client, keys: Sequence[AccountKey], command: Halt | Flatten, *, as_json: bool
) -> None:
    try:
        done = client.command_all(keys, command)
    except (AdapterError, KeyError) as error:
        raise _not_done(error) from None
    _say(keys, done, as_json=as_json)


def _not_done(error: Exception) -> Exception:
    """An engine that is gone is an outside system; one that says no is asked wrongly."""
    if isinstance(error, KeyError):
        return UserError("the engine has no such account", help="tidegate status names them")
    if isinstance(error, AdapterError) and not error.retry:
        return UserError(str(error).removeprefix("engine: "))
    return error


def _say(keys: Sequence[AccountKey], done: Sequence[Taken | Refused], *, as_json: bool) -> None:
    """Prints what came of it; exit 1 where one refused."""
    rows: list[dict[str, object]] = []
    for key, came in zip(keys, done, strict=True):
        if isinstance(came, Refused):
            rows.append({"account": str(key), "outcome": "refused", "reason": came.reason})
            if not as_json:
                typer.echo(f"{key}: refused: {came.reason}", err=True)
            continue
        closes = list(came.intent_ids)
        rows.append({"account": str(key), "outcome": "done", "seq": came.seq, "closes": closes})
        if not as_json:
            typer.echo(f"{key}: done" + (f", {len(closes)} closes decided" if closes else ""))
    if as_json:
        typer.echo(orjson.dumps(rows).decode())
    if any(isinstance(came, Refused) for came in done):
        raise typer.Exit(REFUSED)
