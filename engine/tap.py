"""Records as they become durable, for whoever wants to hear of them; no listener holds it up.

Each listener has a bounded queue of its own. One that does not keep up is told that it missed
something, and reads the rest from the journal: nothing is lost, only late.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

import trio

from engine.domain.ids import AccountKey
from engine.domain.records import Record

QUEUE_RECORDS = 4096


class Tap:
    """Where durable records come out."""

    def __init__(self, seqs: Mapping[AccountKey, int] | None = None) -> None:
        """`seqs`: of each account's last record that is durable already."""
        self._listeners: set[Listener] = set()
        self._seqs = dict(seqs or {})

    def admit(self, key: AccountKey, seq: int) -> None:
        """One more account; `seq`: of its last record that is durable already."""
        self._seqs[key] = seq

    def publish(self, key: AccountKey, records: Sequence[Record]) -> None:
        """Hands durable records of an account, in order, to everybody. Never waits."""
        if records:
            self._seqs[key] = records[-1].seq
        for listener in self._listeners:
            listener.hear(key, records)

    def listen(
        self,
        wanted: Callable[[AccountKey], bool] | None = None,
        queue_records: int = QUEUE_RECORDS,
    ) -> "Listener":
        """A new listener, of the accounts wanted; `close` it in the end."""
        listener = Listener(self, wanted, queue_records)
        self._listeners.add(listener)
        return listener

    def attach(self, listener: "Listener") -> None:
        """Has one more listener told, that was made by itself."""
        self._listeners.add(listener)

    def seqs(self, wanted: Callable[[AccountKey], bool] | None) -> dict[AccountKey, int]:
        """Of the last record published of each of these accounts; none: there is none yet."""
        return {k: seq for k, seq in self._seqs.items() if wanted is None or wanted(k)}

    @property
    def listeners(self) -> int:
        """How many there are."""
        return len(self._listeners)

    def drop(self, listener: "Listener") -> None:
        """It is told nothing more."""
        self._listeners.discard(listener)


class Listener:
    """One reader of a tap."""

    def __init__(
        self, tap: Tap, wanted: Callable[[AccountKey], bool] | None, queue_records: int
    ) -> None:
        self.missed = 0
        """Records that found the queue full: read the journal again from what was last seen."""
        self.since = tap.seqs(wanted)
        """Where it begins: of each account the last record before the first that is heard. What
        is up to there is in the journal, what comes after is heard: nothing lies between, also
        where an account's state was ahead of the disk at that moment."""
        self._tap = tap
        self._wanted = wanted
        self._limit = queue_records
        self._queue: deque[Record] = deque()
        self._arrived = trio.Event()

    def hear(self, key: AccountKey, records: Sequence[Record]) -> None:
        """Takes records as far as there is room; counts the rest as missed."""
        if self._wanted is not None and not self._wanted(key):
            return
        for record in records:
            if len(self._queue) < self._limit:
                self._queue.append(record)
            else:
                self.missed += 1
        self._arrived.set()

    def take(self) -> list[Record]:
        """All that waits, in order; perhaps nothing."""
        taken = list(self._queue)
        self._queue.clear()
        self._arrived = trio.Event()
        return taken

    async def wait(self) -> list[Record]:
        """What comes next; returns when there is something."""
        await trio.lowlevel.checkpoint()
        while not self._queue and not self.missed:
            await self._arrived.wait()
        return self.take()

    def close(self) -> None:
        """Hears nothing more."""
        self._tap.drop(self)
