"""`tidegate token`: a token for the API."""

import time
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from engine.errors import UserError
from facade.access import EVERY, ROLES, Role
from facade.cli_keys import AsJson, Config, account_of


def token(
    config: Config,
    subject: Annotated[
        str, typer.Option("--sub", metavar="NAME", help="Who: one name for each person.")
    ],
    role: Annotated[str, typer.Option("--role", help=f"One of: {', '.join(ROLES)}.")],
    accounts: Annotated[
        str | None,
        typer.Option("--accounts", metavar="SERVER/LOGIN,...", help="Which accounts it is for."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Or: those of a tenant of the settings.")
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Or: every account.")] = False,
    minutes: Annotated[
        int, typer.Option("--minutes", min=1, help="How long; a service may have 90 days.")
    ] = 15,
    as_json: AsJson = False,
) -> None:
    """Print a token, signed with the newest key. Whoever has it is that person until it ends."""
    from facade.access_keys import AccessKeys
    from facade.access_tokens import Grant, issue, rules_of
    from facade.settings import read_settings

    settings = read_settings(config)
    grant = Grant(
        subject,
        _role_of(role),
        _accounts_of(accounts, is_all=is_all),
        tenant,
        minutes * 60,
    )
    made = issue(AccessKeys(settings.access_keys), grant, int(time.time()), rules_of(settings))
    if as_json:
        told = {"token": made.token, "jti": made.token_id, "expires_s": made.expires_s}
        typer.echo(orjson.dumps(told).decode())
        return
    until = datetime.fromtimestamp(made.expires_s, UTC).isoformat(timespec="seconds")
    typer.echo(made.token)
    typer.echo(f"The token {made.token_id} of {subject}, until {until}.", err=True)


def _role_of(text: str) -> Role:
    for role in ROLES:
        if text == role:
            return role
    raise UserError(f"{text!r} is no role", help=", ".join(ROLES))


def _accounts_of(text: str | None, *, is_all: bool) -> tuple[str, ...]:
    if is_all and text is not None:
        raise UserError("--all and --accounts exclude each other")
    if is_all:
        return (EVERY,)
    return tuple(str(account_of(one.strip())) for one in text.split(",")) if text else ()
