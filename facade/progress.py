"""A progress bar for long work: on a terminal, on the error stream, and nowhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(doing: str) -> Iterator[Callable[[float], None] | None]:
    """Something to call with the share done, 0 to 1; None where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=1.0)

        def show(share: float) -> None:
            bar.update(task, completed=share)

        yield show


def compile_all() -> None:
    """Compiles the marking kernel and the tick parsers, or loads them, with a bar on a terminal.

    The first time on a machine this takes some twenty seconds; they are not the replay's.
    """
    from engine.warming import warm_up

    with progress_bar("Compiling (once)") as show:
        warm_up(show)
