"""`tidegate serve`: the engine for real terminals, until a signal."""

from pathlib import Path
from typing import Annotated

import trio
import typer

from engine.errors import AdapterError, JournalError, OutsideError, UserError


def serve(
    config: Annotated[
        Path, typer.Option("--config", help="The settings: one TOML file, see docs/settings.md.")
    ],
) -> None:
    """Guard real accounts: terminals link, guards act, everything is journalled."""
    from facade import logs
    from facade.progress import compile_all
    from facade.serve import serve as run
    from facade.settings import read_settings

    settings = read_settings(config)
    wanted = settings.keys.log
    out = None if wanted.file is None else logs.opened(settings.beside(wanted.file))
    logs.configure(wanted.level, wanted.format, out)
    compile_all()  # here, where no loop stands still for it
    run_plainly(run, settings)


def run_plainly(what: object, *arguments: object) -> None:
    """Runs an async function; what went wrong comes out plain, not in a group.

    Raises:
        UserError: the user's input.
        OutsideError: an outside system, the journal among them.
    """
    try:
        trio.run(what, *arguments)  # type: ignore[arg-type]
    except BaseExceptionGroup as group:
        for kind in (JournalError, UserError, AdapterError, KeyboardInterrupt):
            found: BaseException | None = group.subgroup(kind)
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]
            if isinstance(found, JournalError):
                raise _failed(found) from group
            if found is not None:
                raise found from group
        raise
    except JournalError as error:
        raise _failed(error) from error


def _failed(error: JournalError) -> OutsideError:
    return OutsideError(
        f"{error}\nhelp: what was acknowledged is safe; see docs/operations.md before a restart"
    )
