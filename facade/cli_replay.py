"""`tidegate replay`: tick files through the accounts and guards of a book."""

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facade import options
from facade.progress import compile_all, progress_bar

if TYPE_CHECKING:
    from engine.replay_result import Replay


class FailOn(Enum):
    """What makes a replay exit with 1."""

    WARNING = "warning"
    BREACH = "breach"


def replay(
    book: options.Book,
    ticks: options.Ticks,
    zone: options.Zones = None,
    date: options.Dates = None,
    start: options.From = None,
    end: options.To = None,
    compare_poll: options.ComparePoll = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option("--fail-on", help="Exit 1 on a breach, or on a warning or breach."),
    ] = None,
    events: Annotated[
        Path | None, typer.Option("--events", metavar="OUT.jsonl", help="Write every event.")
    ] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", metavar="OUT.json", help="Write the summary.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="OUT.html", help="Write the report page.")
    ] = None,
    speed: options.Speed = "max",
    as_json: options.AsJson = False,
) -> None:
    """Replay tick files through the accounts and guards of a book."""
    from engine.book import load_book
    from engine.replay import run
    from engine.replay_times import period_msc

    files = options.tick_files(ticks)
    options.check_outputs(
        [events, summary, report], [book, *(path for paths in files.values() for path in paths)]
    )
    periods = [part.strip() for part in (compare_poll or "").split(",") if part.strip()]
    for period in periods:
        period_msc(period)  # a wrong one is better known before the replay than after it
    loaded = load_book(book)
    for warning in loaded.warnings:
        typer.echo(f"warning: {warning}", err=True)
    compile_all()
    with progress_bar("Replaying") as show:
        done = run(
            loaded,
            files,
            zones=options.by_symbol(zone, "--zone", "SYMBOL=IANA"),
            dates=options.by_symbol(date, "--date", "SYMBOL=YYYY-MM-DD"),
            start=start,
            end=end,
            compare_poll=periods,
            speed=speed,
            progress=show,
        )
    written = _written(done, events=events, summary=summary, report=report)
    if as_json:
        import orjson

        sys.stdout.write(orjson.dumps(done.summary, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        from facade.replay_lines import lines_of

        for line in lines_of(done, written):
            typer.echo(line)
    if fail_on is not None and _found(done, fail_on):
        raise typer.Exit(1)


def _written(
    done: "Replay", *, events: Path | None, summary: Path | None, report: Path | None
) -> dict[str, tuple[Path, int]]:
    """Writes what was asked for; name to its path and how many events there are."""
    written: dict[str, tuple[Path, int]] = {}
    for name, path, write in (
        ("report", report, done.save),
        ("events", events, done.write_events),
        ("summary", summary, done.write_summary),
    ):
        if path is not None:
            write(path)
            written[name] = (path, len(done.records))
    return written


def _found(done: "Replay", fail_on: FailOn) -> bool:
    kinds = ("breaches",) if fail_on is FailOn.BREACH else ("breaches", "warnings")
    return any(account[kind] for account in done.summary["accounts"] for kind in kinds)
