"""When ticks must stop for something else: the reset instants of many accounts, in time order.

The replay loop and the live router cut a stream of ticks at the same places, here.
"""

import heapq
from collections.abc import Iterable, Sequence

import numpy as np

from engine.domain.account import AccountState
from engine.domain.guards import Reset
from engine.domain.resets import next_reset_msc
from engine.domain.watch import NEVER_MSC
from engine.marking.ticks import TickBatch


class ResetSchedule:
    """Every reset instant of these accounts strictly after a time. Unending: days go on."""

    def __init__(self, accounts: Sequence[AccountState], after_msc: int) -> None:
        """Accounts are named by their place in the sequence. Cost: one entry a distinct reset."""
        holders: dict[Reset, list[int]] = {}
        for place, state in enumerate(accounts):
            for guard in state.spec.guards:
                if guard.reset is not None:
                    held = holders.setdefault(guard.reset, [])
                    if not held or held[-1] != place:
                        held.append(place)
        self._holders = list(holders.items())
        self._heap = [
            (next_reset_msc(reset, after_msc), number)
            for number, (reset, _) in enumerate(self._holders)
        ]
        heapq.heapify(self._heap)

    @property
    def next_msc(self) -> int:
        """The next instant; `NEVER_MSC` when no guard has a reset."""
        return self._heap[0][0] if self._heap else NEVER_MSC

    def take(self) -> tuple[int, list[int]]:
        """The next instant and the places of the accounts due at it, ascending; then moves on."""
        instant = self._heap[0][0]
        due: set[int] = set()
        while self._heap[0][0] == instant:
            number = self._heap[0][1]
            reset, holders = self._holders[number]
            due.update(holders)
            heapq.heapreplace(self._heap, (next_reset_msc(reset, instant), number))
        return instant, sorted(due)


def stretch_end(
    batch: TickBatch, start: int, reset_msc: int, due_msc: int, unseen: Iterable[int]
) -> int:
    """Where the ticks from `start` on that can be walked at once end.

    It ends before the first tick at or past the next reset, and, while accounts are unknown,
    before one at or past `due_msc` (their next operation) and before the first of an `unseen`
    symbol: that one may make accounts known. Equal to `start` when the tick there is of the
    latter two kinds.
    """
    times = batch.time_msc
    stop = len(batch)
    if times[-1] >= reset_msc:
        stop = start + int(np.searchsorted(times[start:], reset_msc))
    if times[stop - 1] >= due_msc:
        stop = start + int(np.searchsorted(times[start:stop], due_msc))
    for symbol in unseen:
        found = np.flatnonzero(batch.symbol[start:stop] == symbol)
        if len(found):
            stop = start + int(found[0])
    return stop
