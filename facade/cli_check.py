"""`tidegate check`: what is wrong in a book or in settings, without running; and the presets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import UserError
from facade.options import AsJson

if TYPE_CHECKING:
    from engine.book import Book


def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE.toml", help="A book, or settings.", show_default=False),
    ] = None,
    presets: Annotated[
        bool, typer.Option("--presets", help="Print every preset as a book would write it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check a book, or settings and their book: what is wrong, where, and what is allowed."""
    if presets:
        _print_presets(as_json=as_json)
        if file is None:
            return
    if file is None:
        raise UserError("no book is named", help="tidegate check FILE.toml, or --presets")
    book = _book_of(file)
    positions = sum(len(account.positions) for account in book.accounts)
    found: dict[str, Any] = {
        "path": str(file),
        "sha256": book.sha256,
        "instruments": [i.symbol for i in book.instruments],
        "rulesets": list(book.rulesets),
        "feed_guards": [guard.name for guard in book.feed_guards],
        "accounts": len(book.accounts),
        "positions": positions,
        "warnings": list(book.warnings),
    }
    if as_json:
        import orjson

        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    from facade.report.numbers import counted

    for warning in book.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        f"{file}: {counted(len(book.accounts), 'account')} with "
        f"{counted(positions, 'position')}, {counted(len(book.instruments), 'instrument')}, "
        f"{counted(len(book.rulesets), 'ruleset')}; nothing is wrong"
    )


def _book_of(file: Path) -> "Book":
    """The book that this file is, or that the settings in it name."""
    from engine.book import load_book
    from facade.settings import is_settings, read_settings

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""  # `load_book` says what is wrong
    return read_settings(file).book if is_settings(text) else load_book(file)


def _print_presets(*, as_json: bool) -> None:
    from engine.domain.presets import PRESETS

    if as_json:
        import orjson
        from msgspec import to_builtins

        listed = to_builtins(list(PRESETS.values()))
        typer.echo(orjson.dumps(listed, option=orjson.OPT_INDENT_2))
        return
    for preset in PRESETS.values():
        typer.echo(f"# {preset.name}, read {preset.read}. {preset.remark}")
        guards = preset.guards.replace("[[guard]]", "[[ruleset.guard]]")
        typer.echo(f'[[ruleset]]\nname = "{preset.name}"\n{guards}')
