"""Options that several commands share, and how their words are read."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UserError

Book = Annotated[Path, typer.Option("--book", metavar="BOOK.toml", help="The book.")]
Ticks = Annotated[
    list[str],
    typer.Option(
        "--ticks",
        metavar="SYMBOL=PATH[,PATH...]",
        help="Tick files of a symbol, in the order they are read. Give it once for each symbol.",
    ),
]
Zones = Annotated[
    list[str] | None,
    typer.Option(
        "--zone",
        metavar="SYMBOL=IANA",
        help="The wall clock of a symbol's files where the format leaves it open. Default UTC.",
    ),
]
Dates = Annotated[
    list[str] | None,
    typer.Option(
        "--date",
        metavar="SYMBOL=YYYY-MM-DD",
        help="The day of a symbol's files, where neither format nor name says.",
    ),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="T", help="First moment taken: 2014-05-02T12:30:00Z."),
]
To = Annotated[str | None, typer.Option("--to", metavar="T", help="First moment not taken.")]
ComparePoll = Annotated[
    str | None,
    typer.Option(
        "--compare-poll",
        metavar="10s,30s,60s",
        help="What pollers of these periods would have seen of each breach.",
    ),
]
Speed = Annotated[
    str,
    typer.Option(
        "--speed",
        metavar="max|real|Nx",
        help="max: as fast as it goes; real and Nx: through the live actors, at that pace.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def tick_files(given: Sequence[str]) -> dict[str, list[Path]]:
    """Symbol to its files, in the order given; a symbol named again adds to its files.

    Raises:
        UserError: a word is not SYMBOL=PATH.
    """
    files: dict[str, list[Path]] = {}
    for word in given:
        symbol, paths = _pair(word, "--ticks", "SYMBOL=PATH[,PATH...]")
        whole = Path(paths)
        # A name with a comma in it is one file when it is there.
        parts = [paths] if whole.exists() else [part for part in paths.split(",") if part]
        files.setdefault(symbol, []).extend(Path(part) for part in parts)
    return files


def by_symbol(given: Sequence[str] | None, option: str, form: str) -> dict[str, str]:
    """Symbol to the word given for it.

    Raises:
        UserError: a word is not SYMBOL=..., or a symbol is given twice.
    """
    found: dict[str, str] = {}
    for word in given or ():
        symbol, value = _pair(word, option, form)
        if symbol in found:
            raise UserError(f"{option} is given twice for {symbol}")
        found[symbol] = value
    return found


def day_of(text: str | None) -> date | None:
    """The day of a --date.

    Raises:
        UserError: it is none.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UserError(f'--date "{text}" is not a day', help="write YYYY-MM-DD") from error


def check_outputs(outputs: Sequence[Path | None], inputs: Sequence[Path]) -> None:
    """Makes sure, before long work, that its results can be written where they are wanted.

    Raises:
        UserError: a folder is not there, an output is one, or would overwrite an input.
    """
    taken = {path.resolve(): "an input" for path in inputs}
    for path in outputs:
        if path is None:
            continue
        if not path.parent.is_dir():
            raise UserError(
                "cannot write: the folder is not there", place=str(path), help=f"make {path.parent}"
            )
        if path.is_dir():
            raise UserError("cannot write: it is a folder", place=str(path), help="name a file")
        if path.resolve() in taken:
            raise UserError(f"cannot write: it is {taken[path.resolve()]} too", place=str(path))
        taken[path.resolve()] = "another output"


def _pair(word: str, option: str, form: str) -> tuple[str, str]:
    symbol, sign, value = word.partition("=")
    if not sign or not symbol.strip() or not value.strip():
        raise UserError(f'{option} "{word}" is not {form}', help=f"write {option} {form}")
    return symbol.strip(), value.strip()
