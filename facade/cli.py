"""The command line: every command with its options. What a command does is in a file of its own."""

from typing import Annotated

import typer

from facade.cli_acts import flatten, halt, release
from facade.cli_agent import agent
from facade.cli_audit import audit
from facade.cli_bench import bench
from facade.cli_check import check
from facade.cli_demo import demo
from facade.cli_doctor import doctor
from facade.cli_explain import explain
from facade.cli_journal import journal
from facade.cli_keys import keys
from facade.cli_keys_access import access
from facade.cli_keys_export import export, incident
from facade.cli_replay import replay
from facade.cli_report import report
from facade.cli_serve import serve
from facade.cli_status import status
from facade.cli_ticks import ticks
from facade.cli_token import token

app = typer.Typer(
    name="tidegate",
    help="Watches MetaTrader 5 accounts against their rules, and replays what it would have done.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"tidegate {version('tidegate')}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say the version and stop."
        ),
    ] = False,
) -> None:
    """Watches MetaTrader 5 accounts against their rules, and replays what it would have done."""


app.command()(replay)
app.command()(check)
app.command()(explain)
app.command()(bench)
app.command()(serve)
app.command()(doctor)
app.command()(demo)
app.command()(agent)
app.command()(token)
app.command()(status)
app.command()(halt)
app.command()(flatten)
app.command()(release)
app.add_typer(ticks, name="ticks")
app.add_typer(report, name="report")
app.add_typer(journal, name="journal")
keys.add_typer(access, name="access")
keys.add_typer(export, name="export")
app.add_typer(incident, name="incident")
app.add_typer(keys, name="keys")
app.add_typer(audit, name="audit")
