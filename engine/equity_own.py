"""The marks of an account with a feed of its own, on their way into the history of its server."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from engine.domain.ids import AccountKey
from engine.equity_history import EquityHistory
from engine.marking.extremes import Extremes
from engine.marking.feed import Feed
from engine.marking.ticks import TickBatch


class OwnMarks:
    """Hears of every walk of that feed. Some 40 us at the end of each second with a tick."""

    def __init__(
        self, history: EquityHistory, key: AccountKey, feed: Feed, by_slot: Mapping[int, int]
    ) -> None:
        """`by_slot`: of that feed (`Seats.by_slot`)."""
        self._history = history
        self._key = key
        self._by_slot = by_slot
        self._extremes = Extremes(feed)
        self._slot = -1
        self._second_msc = -1
        history.beside[key] = self.settle

    def before_walk(self) -> None:
        """The feed is about to be walked."""
        slot = next(iter(self._by_slot), -1)
        if slot != self._slot:
            self.settle()
            self._slot = slot
        self._extremes.begin()

    def after_walk(self, part: TickBatch) -> None:
        """It was walked, and nothing was put since."""
        if not len(part) or self._slot < 0:
            return
        seconds = part.time_msc // 1000
        bounds = [0, *(np.flatnonzero(np.diff(seconds)) + 1).tolist(), len(part)]
        for start, stop in pairwise(bounds):
            second_msc = int(seconds[start]) * 1000
            if second_msc != self._second_msc:
                self.settle()
                self._second_msc = second_msc
                self._history.reach(second_msc)
            self._extremes.take(start, stop)

    def settle(self) -> None:
        """Takes what is known of the going second into the history."""
        if self._slot >= 0 and self._second_msc >= 0:
            self._history.fold_in(self._key, self._second_msc, self._extremes.pick(self._slot))
