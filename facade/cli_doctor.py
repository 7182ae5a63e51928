"""`tidegate doctor`: is this machine fit to serve, and what to do where it is not."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.errors import UserError
from facade.options import AsJson

if TYPE_CHECKING:
    from facade.doctor import Finding


def doctor(
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="The settings: see docs/settings.md.")
    ],
    reach: Annotated[
        bool,
        typer.Option("--reach", help="Also try to reach the channels of alerts; sends nothing."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, keys, journal, ports and machine: ok, warning, failed; exit 1 if unfit."""
    from facade.doctor import Finding, compiled, look, unfit
    from facade.doctor_machine import look_around
    from facade.settings import read_settings
    from facade.wiring import doctor_tools

    found: list[Finding] = []
    try:
        settings = read_settings(config)
    except UserError as error:
        found.append(Finding("settings", "failed", str(error), error.help))
    else:
        found += look(settings, doctor_tools(), reach=reach)
        found += look_around(settings.keys)
        found.append(compiled())
    if as_json:
        import msgspec

        told = {"is_fit": not unfit(found), "checks": found}
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2))
    else:
        _print_rows(found)
    if unfit(found):
        raise typer.Exit(1)


def _print_rows(found: "list[Finding]") -> None:
    from facade.doctor import unfit

    width = max(len(one.check) for one in found)
    for one in found:
        typer.echo(f"{one.state:8} {one.check:{width}}  {one.said}")
        if one.help is not None and one.state != "ok":
            typer.echo(f"{'':8} {'':{width}}  -> {one.help}")
    failed = sum(one.state == "failed" for one in found)
    warned = sum(one.state == "warning" for one in found)
    verdict = "not fit to serve" if unfit(found) else "fit to serve"
    typer.echo(f"{verdict}: {failed} failed, {warned} to look at, {len(found)} checks")
