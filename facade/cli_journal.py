"""`tidegate journal`: is a journal whole, and its records as JSON lines."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UserError
from facade.options import AsJson, check_outputs
from facade.progress import progress_bar

journal = typer.Typer(
    help="Verify and export a journal.", no_args_is_help=True, rich_markup_mode=None
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The journal; an engine may run on it.")]


@journal.command()
def verify(
    file: File,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="NUMBER:HASH", help="A head kept elsewhere, to hold it to."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether every record is as it was written; exit 1, and the first bad row, when not."""
    from facade.report.numbers import count
    from facade.wiring import journal_tools

    tools = journal_tools()
    anchor = None
    if head is not None:
        anchor = tools.parse_head(head)
        if anchor is None:
            raise UserError(
                f'--head "{head}" is no head', help="write NUMBER:HASH as verify prints it"
            )
    with progress_bar("Verifying") as show:
        found = tools.verify(file, anchor, show)
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    elif found.fault is None:
        typer.echo(
            f"{found.path}: whole: {count(found.records)} records of {count(found.accounts)}"
            f" accounts; head {found.head}"
        )
    else:
        typer.echo(f"{found.path}: NOT whole: {found.fault}")
    if found.fault is not None:
        raise typer.Exit(1)


@journal.command()
def export(
    file: File,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="OUT.jsonl", help="What to write; else the output stream."),
    ] = None,
) -> None:
    """Write every record as a JSON object a line, in the order they were kept."""
    from engine.aside import written_aside
    from facade.report.numbers import count
    from facade.wiring import journal_tools

    check_outputs([out], [file])
    tools = journal_tools()
    if out is None:
        try:
            tools.export(file, sys.stdout.buffer)
            sys.stdout.flush()
        except BrokenPipeError:  # `| head` has seen enough; nothing may be flushed at exit either
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    with progress_bar("Exporting") as show, written_aside(out) as lines:
        records = tools.export(file, lines, show)
    typer.echo(f"{out}: {count(records)} records")
