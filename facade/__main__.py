"""The program `tidegate`: runs a command, and turns what went wrong into words and an exit code.

0 done, 1 finished but found what it looks for, 2 the user's input, 3 an outside system,
130 interrupted. A traceback is a fault of ours, never the user's.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path

import typer

from engine.errors import JournalError, OutsideError, UserError

FOUND, INPUT, OUTSIDE, INTERRUPTED = 1, 2, 3, 130

# Typer hides or vendors click, depending on its version; the bases of what it exports are public.
_USAGE_ERROR, _CLICK_ERROR = typer.BadParameter.__mro__[1:3]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code of the command line `arguments` (the process's own when None)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a terminal that cannot show a glyph shows `?`
            stream.reconfigure(errors="replace")
    from facade.cli import app

    if not __debug__:
        return _said(
            "error: Python runs without assertions (-O or PYTHONOPTIMIZE)\n"
            "help: a broken invariant must halt its account; run without it",
            INPUT,
        )
    stranger = foreign_package()
    if stranger is not None:
        return _said(
            f"error: the package `{stranger}` is another distribution's\n"
            "help: install Tidegate in an environment of its own",
            INPUT,
        )
    try:
        words = list(sys.argv[1:] if arguments is None else arguments)
        code = app(words, prog_name="tidegate", standalone_mode=False)
        if code == INTERRUPTED:  # how newer versions of Typer say it
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except UserError as error:
        return _said(error.render(), INPUT)
    except OutsideError as error:
        return _said(f"error: {error}", OUTSIDE)
    except JournalError as error:
        return _said(
            f"error: {error}\n"
            "help: what was acknowledged is safe; docs/durability.md says what to do first",
            OUTSIDE,
        )
    except (KeyboardInterrupt, typer.Abort):
        return _said("interrupted", INTERRUPTED)
    except Exception as error:
        if isinstance(error, _CLICK_ERROR):
            return _said(_usage(error), INPUT)
        raise


def foreign_package() -> str | None:
    """Which of our import names leads to somebody else's code; None when all three are ours."""
    home = Path(__file__).resolve().parents[1]
    for name in ("engine", "adapters"):
        spec = find_spec(name)
        if spec is None or spec.origin is None or Path(spec.origin).resolve().parents[1] != home:
            return name
    return None


def _usage(error: Exception) -> str:
    """A wrong command line in the manner of every other refusal."""
    message = str(getattr(error, "format_message", lambda: error)()).strip().rstrip(".")
    if type(error).__name__ == "NoArgsIsHelpError":  # a group without a command: its help
        return message
    message = message.replace("Value error, ", "").replace("Invalid value: ", "")
    lines = [f"error: {message[:1].lower()}{message[1:]}"]
    context = getattr(error, "ctx", None)
    if isinstance(error, _USAGE_ERROR) and context is not None:
        lines.append(f"help: {context.command_path} --help shows what is allowed")
    return "\n".join(lines)


def _said(text: str, code: int) -> int:
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
