"""`tidegate keys export`: what incidents are signed with; `tidegate incident check`: who signed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from engine.errors import UserError
from facade.access_keys import AccessKeys
from facade.cli_keys import AsJson, Config
from facade.cli_keys_access import Kid, add_to

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

export = typer.Typer(
    no_args_is_help=True, help="Keys that sign incidents to hand over.", rich_markup_mode=None
)
incident = typer.Typer(
    no_args_is_help=True, help="Incidents that were handed over.", rich_markup_mode=None
)


@export.command("add")
def add(config: Config, as_json: AsJson = False) -> None:
    """Make a key; incidents are signed with the newest. Two may be live at a time."""
    add_to(_keys(config), as_json=as_json)


@export.command("list")
def list_keys(config: Config, as_json: AsJson = False) -> None:
    """List the live keys with their public halves, the oldest first."""
    from facade.queries_export import public_keys

    found = public_keys(_keys(config))
    if as_json:
        shown = [{"kid": one.kid, "created_at": one.created_at, "public": one.public}
                 for one in found]  # fmt: skip
        typer.echo(orjson.dumps(shown).decode())
        return
    for one in found:
        typer.echo(f"{one.kid}  {one.created_at}  {one.public}")
    if not found:
        typer.echo("no keys yet: `tidegate keys export add`", err=True)


@export.command("publish")
def publish(kid: Kid, config: Config) -> None:
    """Write the public half beside the key, to be given to whoever is to check incidents."""
    typer.echo(str(_keys(config).publish(kid)))


@export.command("retire")
def retire(kid: Kid, config: Config) -> None:
    """Take a key away: it signs no more; what it signed stays signed."""
    _keys(config).retire(kid)
    typer.echo(f"retired {kid}")


@incident.command("check")
def check_incident(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As it was downloaded.")],
    public: Annotated[
        list[str],
        typer.Option(
            "--public", metavar="KEY", help="A KID.public file, or the 64 digits; more than once."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Say whether an incident is what a key signed, without a server. Exit 1 when it is not."""
    from facade.exports import check

    try:
        text = file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", place=str(file)) from error
    try:
        found = check(text, dict(map(_public_of, public)))
    except UserError as error:
        raise UserError(error.message, place=str(file)) from error
    document = found.document
    told = {
        "verdict_id": document["verdict"].get("verdict_id"),
        "made_at": document["made_at"],
        "is_redacted": document["is_redacted"],
        "kid": (document["signature"] or {}).get("kid"),
        "failure": found.failure,
    }
    if as_json:
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
    elif found.failure is None:
        names = ", without names and ids" if told["is_redacted"] else ""
        typer.echo(f"{told['verdict_id']} as key {told['kid']} signed it{names}")
    else:
        typer.echo(f"{told['verdict_id']}: {found.failure}")
    if found.failure is not None:
        raise typer.Exit(1)


def _public_of(text: str) -> tuple[str, "Ed25519PublicKey"]:
    """(kid, key) of a file of a public half, or of its digits."""
    from facade.access_keys import public_half

    path = Path(text)
    if not path.suffix and len(text) == 64:
        return public_half(text)
    return public_half(path)


def _keys(config: Path) -> AccessKeys:
    from facade.settings import read_settings

    settings = read_settings(config)
    return AccessKeys(settings.export_keys, "keys export")
