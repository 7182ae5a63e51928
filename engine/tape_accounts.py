"""What accounts were while the tape ran: their states, their broker's own equity, their breaches.

`settled` is called on every step of an account, before anything of it is durable: it compares a few
fields and keeps a reference to a state that nobody changes, some 0.5 us. Memory, an account: the
states of the last `KEEP_MSC`, `MOST_STATES` at most, and `BEATS` heartbeats of 16 bytes.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from engine.agenda import Settled
from engine.domain.account import AccountState
from engine.domain.ids import AccountKey
from engine.domain.records import GuardBreach, RuleBreach
from engine.marking.ticks import Floats, Int64s, TickBatch
from engine.replay_loop import Change
from engine.tape import KEEP_MSC, Prices, Tape

MOST_STATES = 256
MARKS_EVERY_MSC = 500
"""Marks that rise are looked at so often; between, the ticks say how they rose."""
BEATS = 128
"""Two minutes of them, one a second."""
BREACHES = (GuardBreach, RuleBreach)


class BrokerEquity(msgspec.Struct, frozen=True, array_like=True):
    """The equity that the broker itself said, and when that came."""

    time_msc: int
    equity: float


class Breach(NamedTuple):
    """A verdict that the tape is cut around."""

    record: GuardBreach | RuleBreach
    place: int
    state: AccountState
    """As it was decided: nothing closed yet."""
    next_index: int
    """Of the first tick after the decision."""


class TapedAccounts:
    """The accounts of one feed."""

    def __init__(
        self,
        keys: Sequence[AccountKey],
        symbols: tuple[str, ...],
        on_breach: Callable[["TapedAccounts", Breach], None],
        on_fault: Callable[[str], None],
    ) -> None:
        """Args:
        keys: by place.
        on_fault: hears why there is no tape any more: whatever is wrong here, guards go on.
        """
        self.tape = Tape(symbols)
        self.prices = Prices(self.tape)
        self._on_breach = on_breach
        self._on_fault = on_fault
        self._is_torn = False
        self._places = {key: place for place, key in enumerate(keys)}
        self._changes: list[deque[Change]] = [deque(maxlen=MOST_STATES) for _ in keys]
        self._beat_msc: Int64s = np.zeros((len(keys), BEATS), np.int64)
        self._beat_equity: Floats = np.zeros((len(keys), BEATS))
        self._beats = [0] * len(keys)

    def admit(self, keys: Sequence[AccountKey]) -> None:
        """More accounts, at the next places."""
        for key in keys:
            self._places[key] = len(self._places)
            self._changes.append(deque(maxlen=MOST_STATES))
            self._beats.append(0)
        more = len(keys)
        self._beat_msc = np.concatenate([self._beat_msc, np.zeros((more, BEATS), np.int64)])
        self._beat_equity = np.concatenate([self._beat_equity, np.zeros((more, BEATS))])

    def hearing(self, on_batch: Callable[[TickBatch], None] | None) -> Callable[[TickBatch], None]:
        """What takes the next ticks of the feed, for the tape and for somebody else."""

        def take(batch: TickBatch) -> None:
            if not self._is_torn:
                try:
                    self.tape.take(batch)
                except Exception as error:  # noqa: BLE001  the feed goes on without a tape
                    self._torn(error)
            if on_batch is not None:
                on_batch(batch)

        return take

    def beat(self, key: AccountKey, time_msc: int, equity: float) -> None:
        """A heartbeat came."""
        place = self._places[key]
        at = self._beats[place] % BEATS
        self._beats[place] += 1
        self._beat_msc[place, at] = time_msc
        self._beat_equity[place, at] = equity

    def settled(self, change: Settled) -> None:
        """A step of an account was made."""
        if not self._is_torn:
            try:
                self._note(change)
            except Exception as error:  # noqa: BLE001  the account goes on without a tape
                self._torn(error)

    def _torn(self, error: Exception) -> None:
        self._is_torn = True
        self._on_fault(f"no tape from here on: {type(error).__name__}: {error}")

    def _note(self, change: Settled) -> None:
        changes, state = self._changes[change.place], change.state
        if not change.records and changes and _is_as(changes[-1].state, state):
            return
        index = change.index if change.number else self.tape.next_index
        changes.append(Change(max(index, changes[-1].index) if changes else index, state))
        while len(changes) > 1 and changes[1].state.time_msc < state.time_msc - KEEP_MSC:
            changes.popleft()
        for record in change.records:
            if isinstance(record, BREACHES):
                after = index if record.tick is msgspec.UNSET else index + 1
                self._on_breach(self, Breach(record, change.place, state, after))

    def changes(self, place: int) -> list[Change]:
        """The states the account was in, oldest first, each with the first tick it stood at."""
        return list(self._changes[place])

    def broker_equity(self, place: int, from_msc: int, to_msc: int) -> tuple[BrokerEquity, ...]:
        """What the broker said in the span, both ends included, in order."""
        times = self._beat_msc[place]
        held = np.flatnonzero((times >= max(1, from_msc)) & (times <= to_msc))
        first = self._beats[place] % BEATS
        held = held[np.argsort((held - first) % BEATS)]
        found = zip(times[held].tolist(), self._beat_equity[place, held].tolist(), strict=True)
        return tuple([BrokerEquity(*one) for one in found])


def _is_as(one: AccountState, other: AccountState) -> bool:
    """Whether the same ticks give the same equity and the same floors on both."""
    return (
        one.positions is other.positions
        and one.balance_minor == other.balance_minor
        and one.credit_minor == other.credit_minor
        and one.known is other.known
        and one.spec is other.spec
        and (
            one.marks.trackers == other.marks.trackers
            or other.time_msc < one.time_msc + MARKS_EVERY_MSC
        )
    )
