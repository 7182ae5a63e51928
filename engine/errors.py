"""Errors the engine tells its callers about."""


class UserError(Exception):
    """The user's input is at fault; the command line prints this and exits 2."""

    def __init__(self, message: str, *, place: str | None = None, help: str | None = None) -> None:  # noqa: A002
        """`message` says what was wrong, `place` where (file, row), `help` what is allowed."""
        super().__init__(message if place is None else f"{message} ({place})")
        self.message = message
        self.place = place
        self.help = help
