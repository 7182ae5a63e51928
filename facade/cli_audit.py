"""`tidegate audit`: is the audit trail as it was written."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from engine.audit import AuditHead, parse_head
from engine.errors import UserError
from facade.options import AsJson

audit = typer.Typer(no_args_is_help=True, help="Verify the audit trail.", rich_markup_mode=None)


@audit.callback()
def _group() -> None:
    """Verify the audit trail."""


@audit.command("verify")
def verify(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The trail; an engine may run on it.")
    ],
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="NUMBER:HASH", help="A head kept elsewhere, to hold it to."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether every entry is as it was written; exit 1, and where not, when not."""
    from facade.wiring import audit_tools

    anchor = parse_head(head) if head is not None else None
    if head is not None and anchor is None:
        raise UserError(f'--head "{head}" is no head', help="write NUMBER:HASH as verify prints it")
    found = audit_tools().verify(file, anchor)
    is_whole = isinstance(found, AuditHead)
    if as_json:
        told = {"whole": is_whole, "head" if is_whole else "fault": str(found)}
        typer.echo(orjson.dumps(told).decode())
    elif isinstance(found, AuditHead):
        typer.echo(f"{file}: whole: {found.number} entries; head {found}")
    else:
        typer.echo(f"{file}: NOT whole: {found}")
    if not is_whole:
        raise typer.Exit(1)
