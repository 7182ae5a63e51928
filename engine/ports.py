"""What the engine needs of the outside, as Protocols, and how it finds who provides it.

The engine may not import its outer layers. What reads tick files and what draws a report are
found by name, among the entry points of the installed distribution.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from engine.domain.account import AccountState
from engine.domain.effects import SendClose
from engine.domain.events import DealReported
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.errors import UserError
from engine.marking.ticks import TickStream
from engine.outbox import Seen

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


class Journal(Protocol):
    """Keeps the records of every account: what it has kept is never lost."""

    async def append(self, key: AccountKey, records: Sequence[Record]) -> None:
        """Returns once the records are durable, all of them or none.

        They follow what was appended before for this account: `seq` goes up by one each.

        Raises:
            JournalError: they may not be durable. Nothing may be acknowledged from here on.
        """

    async def read(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """At most `limit` durable records of the account from `after_seq + 1` on, in order."""


class Outbox(Protocol):
    """Takes closes to the broker of an account."""

    def reached(self, state: AccountState, seen: Seen) -> Iterable[DealReported]:
        """Deals the broker made by itself on the tick just seen, before the account takes it.

        Only a broker that lives inside this program knows them; a link has none to give here.
        """

    async def send(
        self, state: AccountState, close: SendClose, seen: Seen
    ) -> Sequence[DealReported]:
        """Hands a durable intent to the broker; the deals it has made already, in order.

        A broker that answers later returns none: its deals come through the account's inbox, and
        this never waits for them. Sending an intent twice does what sending it once does.
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
