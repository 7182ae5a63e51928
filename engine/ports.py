"""What the engine needs of the outside, as Protocols, and how it finds who provides it.

The engine may not import its outer layers. What reads tick files and what draws a report are
found by name, among the entry points of the installed distribution.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from engine.errors import UserError
from engine.marking.ticks import TickStream

PLUGINS = "tidegate.plugins"


class OpenTicks(Protocol):
    """Opens tick files as one merged stream."""

    def __call__(
        self,
        sources: Sequence[tuple[str, Sequence[Path]]],
        *,
        zones: Mapping[str, str] = ...,
        dates: Mapping[str, date] = ...,
        digits: Mapping[str, int] = ...,
        from_msc: int | None = ...,
        to_msc: int | None = ...,
        progress: Callable[[str, float], None] | None = ...,
    ) -> TickStream:
        """The valid ticks of all files of all symbols, merged by UTC millisecond.

        Raises:
            UserError: a file cannot be read as ticks; names the file and the row.
        """


def plugin(name: str) -> Any:
    """The object registered under `name`.

    Raises:
        UserError: nothing is; the distribution is not installed.
    """
    found = entry_points(group=PLUGINS, name=name)
    for point in found:
        return point.load()
    raise UserError(
        f"no plugin {name!r} is installed",
        help="install the distribution (pip install tidegate), do not just copy its folders",
    )
