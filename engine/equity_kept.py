"""What of the equity history lies on a disk, and who puts it there.

Minutes and what is coarser survive; of a program that is killed, the last `KEEP_S` are lost.
Nothing here is anything a guard decides on, so it is kept beside the journal and not in it, and a
store that fails is told once: the history then lives in memory alone.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import trio

from engine.errors import AdapterError
from engine.marking.ticks import Floats, Int64s

if TYPE_CHECKING:
    from engine.equity_history import EquityHistory

KEEP_S = 30.0
KEPT_FROM_S = 60
"""The shortest buckets that are kept."""
AHEAD_MSC = 60_000
"""What says it is of later than that from now is not believed."""


class KeptRow(NamedTuple):
    """One bucket of several accounts."""

    bucket_s: int
    start_msc: int
    logins: Int64s
    marks: Floats
    """(accounts, 4): first, lowest, highest, last mark; NaN: not valued."""


class KeptBalance(NamedTuple):
    """A balance, from a time on."""

    login: int
    time_msc: int
    balance: float


class Watched(NamedTuple):
    """A run of the engine: from its first tick to the last of which something is kept."""

    began_msc: int
    until_msc: int


class KeptEquity(NamedTuple):
    """Of one broker server, each in order of time."""

    rows: list[KeptRow]
    balances: list[KeptBalance]
    runs: list[Watched]


class EquityStore(Protocol):
    """Keeps equity histories, each kind of row as many as the history itself keeps."""

    async def load(self, server: str) -> KeptEquity:
        """All that is kept of the server.

        Raises:
            AdapterError: it cannot be read.
        """

    async def keep(self, server: str, kept: KeptEquity) -> None:
        """Adds it, in place of what is there of the same buckets, runs and moments.

        Raises:
            AdapterError: it was not kept.
        """


class EquityKeeper:
    """Loads the histories of an engine at its start, and keeps them from then on."""

    def __init__(
        self,
        histories: Mapping[str, "EquityHistory"],
        store: EquityStore,
        wall_msc: Callable[[], int],
        on_failure: Callable[[str], None],
    ) -> None:
        """`on_failure` hears why something was not kept, once until it works again."""
        self._histories = histories
        self._store = store
        self._wall_msc = wall_msc
        self._on_failure = on_failure
        self._has_failed = False

    async def load(self) -> None:
        """Before the first tick: what was known before the start."""
        for server, history in self._histories.items():
            try:
                history.restore(await self._store.load(server), self._wall_msc() + AHEAD_MSC)
            except (AdapterError, msgspec.MsgspecError, ValueError) as error:
                self._failed(error)

    async def run(self) -> None:
        """Keeps what is new, for ever."""
        while True:
            await trio.sleep(KEEP_S)
            await self.keep()

    async def keep(self) -> None:
        """Keeps what is new, now."""
        for server, history in self._histories.items():
            fresh = history.fresh()
            if fresh is None:
                continue
            try:
                await self._store.keep(server, fresh)
            except AdapterError as error:
                history.was_not_kept(fresh)
                self._failed(error)
            else:
                history.was_kept(fresh)
                self._has_failed = False

    def _failed(self, error: Exception) -> None:
        if not self._has_failed:
            self._on_failure(str(error))
        self._has_failed = True
