"""`tidegate report`: reading a report page back."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from facade.options import AsJson

report = typer.Typer(help="Read a report page back.", no_args_is_help=True, rich_markup_mode=None)


@report.callback()
def _report() -> None:
    """Read a report page back."""


@report.command("open")
def open_report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What --report wrote.")],
    as_json: AsJson = False,
) -> None:
    """Open a report in the browser; with --json print its summary and events instead."""
    from facade.report.reading import read_report

    machine = read_report(file)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(machine, option=orjson.OPT_INDENT_2))
        return
    typer.echo(machine["headline"])
    address = file.resolve().as_uri()
    if not webbrowser.open(address):
        typer.echo(f"no browser was found; the page is at {address}")
