"""Stands in for the marking kernel while an account is held: the same marks, the same wakes.

It uses the kernel's plain twin, whose marks are the kernel's to the last bit. So what an account
decides does not depend on how long its actor takes.
"""

from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.events import QuoteMarked
from engine.domain.marks import base_of
from engine.domain.quotes import Quote
from engine.domain.watch import Marks, Watch
from engine.domain.watching import Holding
from engine.inbox import Told
from engine.marking.reference import mark_of, valued, wakes
from engine.seats import Seat
from engine.stuck import holding_of, watch_of


class Sentry:
    """One account's watch and marks, from the moment it is held."""

    def __init__(self, seat: Seat, marks: Marks) -> None:
        """`marks`: those before any tick."""
        self.marks = marks
        """Of every tick the account has been told of so far."""
        self.unmarked_ticks = 0
        """Conflated ticks that are in no marks: the account changed while they waited."""
        self._seat = seat
        self._watch: Watch | None = None
        self._holding: Holding | None = None
        self._kernel_agrees = True

    def passes(self, told: Told, quotes: dict[str, Quote]) -> bool:
        """Whether the kernel would not have woken the account: then the tick is in the marks.

        `quotes` are those of what is told.
        """
        event, watch = told.event, self._watch
        if told.begins and told.marks is not None:
            self.marks = told.marks
        elif told.conflated:
            self._take_conflated(told)
        elif (
            isinstance(event, QuoteMarked)
            and watch is not None
            and not wakes(watch, self.marks, quotes, event.time_msc)
        ):
            self.marks = valued(self.marks, mark_of(watch, quotes), event.time_msc)
            return True
        return False

    def sit(self, seat: Seat, marks: Marks) -> None:
        """The account is at another feed from here on; `marks`: those of all ticks before."""
        self._seat, self.marks = seat, marks
        self._watch = self._holding = None
        self._kernel_agrees = True

    def take_over(self) -> None:
        """Holds the account as of now, between two ticks."""
        marks = self._seat.marks()
        if self._seat.hold() and marks is not None:
            self.marks = marks

    def stepped(self, before: AccountState, state: AccountState, *, is_marked: bool) -> None:
        """The account has made a step; `is_marked`: its marks are those of now."""
        if is_marked:
            self.marks = state.marks
        if base_of(before) != base_of(state):
            self._kernel_agrees = False

    def moved(self) -> None:
        """References were taken anew: the marks the kernel goes on with are not the account's."""
        self._kernel_agrees = False

    def read(self, state: AccountState, quotes: dict[str, Quote]) -> None:
        """Reads a state for what to watch for; `quotes` are those it was stepped on."""
        if not state.known:
            self._watch = None
            return
        self._holding = holding_of(state, quotes, self._holding)
        self._watch = watch_of(state, quotes, self._holding)

    def stand_down(self) -> None:
        """The actor has done all it had to do: back to the kernel, from the last tick on."""
        seat = self._seat
        if self._watch is None:
            if seat.slot is not None:
                seat.forget()
            else:
                seat.rest()
        elif seat.is_held or seat.slot is None:
            seat.put(replace(self._watch, marks=self.marks))
            self._kernel_agrees = True
        else:
            seat.rest()

    def _take_conflated(self, told: Told) -> None:
        """The kernel has seen the ticks that gave way, on what it last was given."""
        if self._kernel_agrees and told.marks is not None:
            self.marks = told.marks
        else:
            self.unmarked_ticks += told.conflated
