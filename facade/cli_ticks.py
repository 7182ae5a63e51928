"""`tidegate ticks`: convert, inspect and synthesize tick files."""

import sys
from collections.abc import Sequence
from datetime import date as day
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from engine.errors import UserError
from facade.options import AsJson, check_outputs, day_of
from facade.progress import progress_bar

ticks = typer.Typer(
    help="Convert, inspect and synthesize tick files.", no_args_is_help=True, rich_markup_mode=None
)

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE...", help="Tick files of one symbol, of any format.")
]
Zone = Annotated[
    str,
    typer.Option("--zone", metavar="IANA", help="The files' clock, where the format has none."),
]
Date = Annotated[
    str | None,
    typer.Option("--date", metavar="YYYY-MM-DD", help="The files' day, where nothing else says."),
]
Digits = Annotated[int | None, typer.Option("--digits", min=0, max=10, help="Decimals of a price.")]


class Target(Enum):
    """Formats that are written."""

    STORE = "store"
    MT5_TSV = "mt5-tsv"


To = Annotated[
    Target, typer.Option("--to", help="store: mapped into memory, fastest; mt5-tsv: text.")
]


@ticks.command()
def convert(
    files: Files,
    symbol: Annotated[str, typer.Option("--symbol", help="The symbol of the ticks.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="What to write.")],
    to: To = Target.STORE,
    digits: Digits = None,
    zone: Zone = "UTC",
    date: Date = None,
    as_json: AsJson = False,
) -> None:
    """Write the good rows of tick files as one file, whole or not at all."""
    from facade.report.numbers import count
    from facade.wiring import tick_tools

    check_outputs([out], files)
    with progress_bar("Reading") as show:
        done = tick_tools().convert(
            files,
            out,
            symbol=symbol,
            to=to.value,
            digits=digits,
            zone=zone,
            day=day_of(date),
            progress=None if show is None else _Shares(files, show),
        )
    if as_json:
        _print_json(done)
        return
    typer.echo(
        f"{done.path}: {count(done.rows)} rows of {done.symbol}, {done.digits} decimals, as "
        f"{done.to}; {count(done.invalid_rows)} invalid left out"
    )
    for quality in done.quality:
        if quality.first_invalid:
            typer.echo(f"  {quality.path}: first invalid {quality.first_invalid}", err=True)


@ticks.command()
def inspect(
    files: Files,
    symbol: Annotated[str | None, typer.Option("--symbol", help="The symbol of the ticks.")] = None,
    zone: Zone = "UTC",
    date: Date = None,
    digits: Digits = None,
    gap_s: Annotated[
        float, typer.Option("--gap", metavar="SECONDS", help="The shortest gap that is listed.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Say what tick files hold: rows, span, gaps, spread, defects, and whether times look off."""
    from facade.inspection_lines import lines_of
    from facade.wiring import tick_tools

    if not gap_s > 0:
        raise UserError(f"--gap is {gap_s:g}, and must be > 0")
    found = []
    for path in files:
        one = tick_tools().inspect(
            path, symbol=symbol, zone=zone, day=day_of(date), digits=digits, gap_s=gap_s
        )
        if as_json:
            found.append(one)
        else:
            typer.echo("\n".join(lines_of(one)))
    if as_json:
        _print_json(found)


@ticks.command()
def synthesize(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the files go.")],
    symbols: Annotated[
        list[str] | None,
        typer.Option("--symbols", metavar="SYMBOL...", help="Default: the sample's four."),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[SYMBOL]...", help="More symbols.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="Trading days.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed: the same bytes.")] = 1,
    start: Annotated[
        str | None, typer.Option("--start", metavar="YYYY-MM-DD", help="The first trading day.")
    ] = None,
    ticks_per_day: Annotated[
        int, typer.Option("--ticks-per-day", min=1, help="About so many a symbol.")
    ] = 40_000,
    news: Annotated[
        bool, typer.Option("--news/--no-news", help="Whether everything jumps at one release.")
    ] = True,
    to: To = Target.STORE,
    as_json: AsJson = False,
) -> None:
    """Make up a sample: seeded, with sessions, gaps and a news jump. It says it is synthetic."""
    from facade.report.numbers import count, instant
    from facade.wiring import tick_tools

    if not out.is_dir():
        raise UserError("the folder is not there", place=str(out), help=f"make {out}")
    tools = tick_tools()
    wanted: dict[str, Any] = {} if news else dict(tools.without_news)
    named = [s for word in (*(symbols or ()), *(more or ())) for s in word.split(",") if s]
    if named:
        wanted["symbols"] = named
    first = _start(start)
    if first is not None:
        wanted["start"] = first
    made = tools.synthesize(
        out, days=days, seed=seed, ticks_per_day=ticks_per_day, to=to.value, **wanted
    )
    if as_json:
        _print_json(made)
        return
    for one in made:
        typer.echo(
            f"{one.path}: {count(one.rows)} synthetic ticks of {one.symbol}, "
            f"{instant(one.first_msc)} to {instant(one.last_msc)}"
        )


def _start(text: str | None) -> day | None:
    try:
        return day_of(text)
    except UserError:
        raise UserError(f'--start "{text}" is not a day', help="write YYYY-MM-DD") from None


def _print_json(found: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")


class _Shares:
    """Shares of single files as the share of them all."""

    def __init__(self, files: Sequence[Path], show: Any) -> None:
        self._places = {str(path): number for number, path in enumerate(files)}
        self._show = show

    def __call__(self, path: str, share: float) -> None:
        self._show((self._places.get(path, 0) + share) / len(self._places))
