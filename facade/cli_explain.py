"""`tidegate explain`: one verdict, recomputed from the book and the ticks."""

from pathlib import Path
from typing import Annotated

import typer

from facade import options
from facade.progress import progress_bar


def explain(
    verdict: Annotated[str, typer.Argument(metavar="VERDICT", help="A verdict_id of the events.")],
    events: Annotated[
        Path, typer.Option("--events", metavar="EVENTS.jsonl", help="What a replay wrote.")
    ],
    book: options.Book,
    ticks: options.Ticks,
    zone: options.Zones = None,
    date: options.Dates = None,
    start: options.From = None,
    end: options.To = None,
    as_json: options.AsJson = False,
) -> None:
    """Explain one warning or breach: formula, inputs, ages; and recompute it.

    Give the book, ticks and options of the replay that wrote the events. Exit 1 when the
    recomputation does not agree with them.
    """
    from engine.book import load_book
    from engine.explain import explain as explain_verdict
    from engine.replay import open_stream

    loaded = load_book(book)
    stream = open_stream(
        loaded,
        options.tick_files(ticks),
        options.by_symbol(zone, "--zone", "SYMBOL=IANA"),
        options.by_symbol(date, "--date", "SYMBOL=YYYY-MM-DD"),
        start,
        end,
    )
    with progress_bar("Recomputing") as show:
        found = explain_verdict(verdict, events, loaded, stream, show)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2))
    else:
        typer.echo(str(found))
    if not found.agrees:
        raise typer.Exit(1)
