"""`tidegate keys`: what terminals prove themselves with, and what they know the engine by."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from engine.domain.ids import AccountKey
from engine.errors import UserError

keys = typer.Typer(
    no_args_is_help=True, help="Terminal keys and certificates of the link.", rich_markup_mode=None
)

Config = Annotated[
    Path, typer.Option("--config", help="The settings whose state directory holds the keys.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Account = Annotated[str, typer.Argument(metavar="SERVER/LOGIN", help="The account.")]


@keys.command("add")
def add(account: Account, config: Config, as_json: AsJson = False) -> None:
    """Make a key for an account's terminal and show it, once."""
    from facade.settings import read_settings
    from facade.wiring import terminal_keys

    settings = read_settings(config)
    key = account_of(account)
    if all(one.spec.key != key for one in settings.book.accounts):
        known = ", ".join(str(one.spec.key) for one in settings.book.accounts[:20])
        raise UserError(f"the book has no account {key}", help=f"it has: {known}")
    settings.make_state()
    made = terminal_keys(settings).create(key, datetime.now(UTC).isoformat(timespec="seconds"))
    told = {"account": str(key), "id": made.name.key_id, "key": made.shown_once()}
    if as_json:
        _print_json(told)
    else:
        typer.echo(told["key"])
        typer.echo(f"The key {told['id']} of {key}. It is not shown again.", err=True)


@keys.command("list")
def list_keys(config: Config, as_json: AsJson = False) -> None:
    """List the keys there are; never the keys themselves."""
    from facade.settings import read_settings
    from facade.wiring import terminal_keys

    names = terminal_keys(read_settings(config)).names()
    if as_json:
        _print_json(
            [
                {"account": str(one.account), "id": one.key_id, "created_at": one.created_at}
                for one in names
            ]
        )
        return
    for one in names:
        typer.echo(f"{one.key_id}  {one.created_at}  {one.account}")
    if not names:
        typer.echo("no keys yet: `tidegate keys add SERVER/LOGIN`", err=True)


@keys.command("revoke")
def revoke(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    config: Config,
    as_json: AsJson = False,
) -> None:
    """Take a key away; a terminal linked with it is cut off within a second."""
    from facade.settings import read_settings
    from facade.wiring import terminal_keys

    gone = terminal_keys(read_settings(config)).revoke(wanted)
    if as_json:
        _print_json({"account": str(gone.account), "id": gone.key_id})
    else:
        typer.echo(f"revoked {gone.key_id} of {gone.account}")


@keys.command("authority")
def authority(
    config: Config,
    renew: Annotated[
        bool, typer.Option("--renew", help="Make a new server certificate: a new thumbprint.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the certificates, where there are none, and show their thumbprints."""
    from facade.settings import read_settings
    from facade.wiring import authority_of, renew_certificate

    settings = read_settings(config)
    settings.make_state()
    if renew:
        renew_certificate(settings)
    told = authority_of(settings)
    if as_json:
        _print_json(told)
    else:
        for name, value in told.items():
            typer.echo(f"{name:11} {value}")


def account_of(text: str) -> AccountKey:
    """The account `SERVER/LOGIN` names.

    Raises:
        UserError: it names none.
    """
    server, slash, login = text.rpartition("/")
    if not slash or not server or not login.isdigit():
        raise UserError(f"`{text}` names no account", help="write SERVER/LOGIN: Demo-1/1001")
    return AccountKey(server, int(login))


def _print_json(told: Any) -> None:
    typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
