"""`tidegate bench`: the perf harness of a checkout."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UserError

ROOT = Path(__file__).resolve().parents[1]


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer repeats, and no book of 10,000 accounts or more.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="SECTION[,SECTION]", help="These sections alone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Measure the figures that have a budget; exit 1 when one is over.

    Works from a checkout: the harness is not part of the installed distribution.
    """
    if not (ROOT / "perf" / "harness.py").is_file():
        raise UserError(
            "the perf harness is not installed",
            help="it lies in the source tree: run it from a checkout, by make perf",
        )
    words = [sys.executable, "-m", "perf.harness"]
    words += ["--quick"] if quick else []
    words += ["--only", only] if only else []
    words += ["--json"] if as_json else []
    done = subprocess.run(words, cwd=ROOT, check=False)  # noqa: S603  our own interpreter
    raise typer.Exit(done.returncode)
