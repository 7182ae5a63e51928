"""What of the equity history lies on a disk, and who puts it there.

Minutes and what is coarser survive; of a program that is killed, the last `KEEP_S` are lost.
Nothing here is anything a guard decides on, so it is kept beside the journal and not in it. While
a store fails the history lives in memory alone, which is told, and each `KEEP_S` it is tried again:
what memory still has is then kept. A program that ends meanwhile leaves a gap, told as one.
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
SOUND_KEEPS = 10
"""In a row, until it is said to work again: a disk that is full off and on is told of once."""
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
        on_recovery: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_failure` hears why something was not kept, once until `on_recovery` was called."""
        self.failure: str | None = None
        """Why the history is in memory alone now; None: it is kept."""
        self._histories = histories
        self._store = store
        self._wall_msc = wall_msc
        self._on_failure = on_failure
        self._on_recovery = on_recovery
        self._unread = dict.fromkeys(histories)
        """Servers of which nobody knows yet what is kept: writing might take its place."""
        self._is_told = False
        self._sound = 0

    async def load(self) -> None:
        """Before the first tick: what was known before the start."""
        self._settle(await self._read_unread())

    async def run(self) -> None:
        """Keeps what is new, for ever."""
        while True:
            await trio.sleep(KEEP_S)
            await self.keep()

    async def keep(self) -> None:
        """Keeps what is new, now."""
        cause = await self._read_unread()
        for server, history in self._histories.items():
            fresh = None if server in self._unread else history.fresh()
            if fresh is None:
                continue
            try:
                await self._store.keep(server, fresh)
            except AdapterError as error:
                history.was_not_kept(fresh)
                cause = str(error)
            else:
                history.was_kept(fresh)
        self._settle(cause)

    async def _read_unread(self) -> str | None:
        """What could not be read before; why some still cannot be."""
        cause = None
        for server in list(self._unread):
            try:
                kept = await self._store.load(server)
            except AdapterError as error:
                cause = str(error)
                continue
            del self._unread[server]
            try:
                self._histories[server].restore(kept, self._wall_msc() + AHEAD_MSC)
            except (msgspec.MsgspecError, ValueError) as error:
                cause = str(error)
        return cause

    def _settle(self, cause: str | None) -> None:
        """What is told of it."""
        self.failure = cause
        if cause is not None:
            self._sound = 0
            if not self._is_told:
                self._is_told = True
                self._on_failure(cause)
        elif self._is_told:
            self._sound += 1
            if self._sound >= SOUND_KEEPS:
                self._is_told = False
                self._on_recovery()
