"""What can go wrong, as far as a caller can act on it.

    Exception
    ├── UserError        the user's input must be mended: exit 2
    └── OutsideError     an outside system failed: exit 3
        └── AdapterError     one of our adapters says which system, and whether to try again

Expected refusals of the domain are values (`domain.commands.Refused`). A broken invariant is an
`AssertionError`: that account halts, and nobody catches it to go on.
"""


class UserError(Exception):
    """The user's input is at fault; the command line prints `render()` and exits 2."""

    def __init__(
        self,
        message: str,
        *,
        place: str | None = None,
        path: str | None = None,
        source: str | None = None,
        help: str | None = None,  # noqa: A002  the word users read
    ) -> None:
        """Keeps what is to be shown.

        Args:
            message: what was wrong, in a few words, without a full stop.
            place: where: a file, `file:line`, or a file and row.
            path: the place inside a structured file: `account[3].position[0].symbol`.
            source: the line of the file as written.
            help: what is allowed instead.
        """
        where = "  ".join(part for part in (place, path) if part)
        super().__init__(f"{message} ({where})" if where else message)
        self.message = message
        self.place = place
        self.path = path
        self.source = source
        self.help = help

    def render(self) -> str:
        """The error as shown on a terminal: what, where, the line, and what is allowed."""
        lines = [f"error: {self.message}"]
        where = "   ".join(part for part in (self.place, self.path) if part)
        if where:
            lines.append(f"  --> {where}")
        if self.source is not None:
            lines.append(f"   |  {self.source}")
        if self.help is not None:
            lines.append(f"help: {self.help}")
        return "\n".join(lines)


class OutsideError(Exception):
    """An outside system failed; the command line says which and exits 3."""


class AdapterError(OutsideError):
    """A system behind one of our adapters failed."""

    def __init__(self, message: str, *, system: str, retry: bool) -> None:
        """`system` names what failed; `retry`: whether the same call may succeed later."""
        super().__init__(f"{system}: {message}")
        self.system = system
        self.retry = retry


class JournalError(Exception):
    """Records may not be durable: nothing is acknowledged any more and the engine stops."""


class JournalFullError(JournalError):
    """The disk is full: all before is kept, this append is not, and it may be tried again."""


class StuckError(Exception):
    """A step of one account did not end and was interrupted; nothing of it is done."""
