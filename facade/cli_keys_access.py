"""`tidegate keys access`: the keys that sign tokens of the API, and tokens that are refused."""

import time
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from engine.errors import UserError
from facade.access_keys import AccessKeys
from facade.cli_keys import AsJson, Config

access = typer.Typer(
    no_args_is_help=True, help="Keys that sign tokens of the API.", rich_markup_mode=None
)

Kid = Annotated[str, typer.Argument(metavar="KID", help="As `keys access list` shows it.")]


@access.command("add")
def add(config: Config, as_json: AsJson = False) -> None:
    """Make a key; tokens are signed with the newest. Two may be live at a time."""
    add_to(_keys(config), as_json=as_json)


def add_to(keys: AccessKeys, *, as_json: bool) -> None:
    """Makes a key there, and says its id."""
    made = keys.create(datetime.now(UTC).isoformat(timespec="seconds"))
    if as_json:
        typer.echo(orjson.dumps({"kid": made.kid, "created_at": made.created_at}).decode())
    else:
        typer.echo(made.kid)


@access.command("list")
def list_access(config: Config, as_json: AsJson = False) -> None:
    """List the live keys, the oldest first; never the keys themselves."""
    found = _keys(config).live()
    if as_json:
        typer.echo(orjson.dumps([one._asdict() for one in found]).decode())
        return
    for one in found:
        typer.echo(f"{one.kid}  {one.created_at}  {'signs' if one.can_sign else 'verifies only'}")
    if not found:
        typer.echo("no keys yet: `tidegate keys access add`", err=True)


@access.command("publish")
def publish(kid: Kid, config: Config) -> None:
    """Write the public half beside the key: all that another machine needs to verify tokens."""
    typer.echo(str(_keys(config).publish(kid)))


@access.command("retire")
def retire(kid: Kid, config: Config) -> None:
    """Take a key away; its tokens and sessions end within a second."""
    _keys(config).retire(kid)
    typer.echo(f"retired {kid}")


@access.command("deny")
def deny(
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="The `jti`, as `token` and the audit show it.")
    ],
    config: Config,
    days: Annotated[
        int, typer.Option("--days", min=1, max=3650, help="How long: as long as it could live.")
    ] = 90,
) -> None:
    """Refuse one token, and sessions begun with it, from the next second on."""
    now_s = int(time.time())
    _keys(config).deny(refused_id(token_id), now_s + days * 86_400, now_s)
    typer.echo(f"denied {token_id}")


def refused_id(text: str) -> str:
    """The id of a token, which is one word.

    Raises:
        UserError: it is none.
    """
    if not text.isascii() or not text.replace("-", "").replace("_", "").isalnum():
        raise UserError(
            f"{text!r} is no id of a token",
            help="give the `jti`, not the token: letters, digits, - and _",
        )
    return text


def _keys(config: Config) -> AccessKeys:
    from facade.settings import read_settings

    return AccessKeys(read_settings(config).access_keys)
