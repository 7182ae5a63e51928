"""What the marking kernel and its plain twin have in common: the surface, and what they yield."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec

from engine.domain.quotes import Quote
from engine.domain.watch import Marks, Watch
from engine.marking.ticks import TickBatch


class Wake(msgspec.Struct, frozen=True):
    """One account that has to be stepped on one tick."""

    slot: int
    """The number `add` gave the account."""
    offset: int
    """Of the tick, in the batch being walked."""
    time_msc: int
    symbol: str
    bid: float
    ask: float
    index: int
    """Of the tick, in the merged stream."""
    marks: Marks
    """As of the tick before this one: this one is not in them."""


class MarkingFeed(Protocol):
    """The quotes of one broker server and the accounts marked on them.

    Every account is valued on every tick from the one after it was added (or put). While a wake
    is being handled, "now" is the tick of that wake; between walks it is the last tick.
    """

    def add(self, watch: Watch) -> int:
        """The slot of a new account, valued from the next tick on.

        Every symbol it names, in exposures and conversions, has a quote already (asserted).
        """

    def put(self, slot: int, watch: Watch) -> None:
        """Replace what is watched; the marks in `watch` include the tick of now."""

    def remove(self, slot: int) -> None:
        """Stop valuing this account; its slot may be given to another."""

    def marks(self, slot: int) -> Marks:
        """The account's marks as of now; of an unhandled wake, as of the tick before."""

    def mark(self, slot: int) -> float:
        """The account's mark on the quotes of now: unrounded, conversion at mid."""

    def quote(self, symbol: str) -> Quote | None:
        """The quote of now, or None before the first."""

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """The quotes of now, without those symbols that have none yet."""

    def walk(self, batch: TickBatch) -> Iterator[Wake]:
        """Every wake of the batch, by tick and then by slot; to be drained before the next walk.

        Between two wakes the caller may `put`, `add` and `remove` at will. An account woken and
        not put goes on with this tick valued as any other.
        """
