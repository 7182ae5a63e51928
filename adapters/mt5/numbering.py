"""Which frames came, which are missing, which are signed for; and reports that come in parts."""

from typing import NamedTuple

from adapters.mt5 import frames

RANGES_REMEMBERED = 64


class Order(NamedTuple):
    """How a number stands to those before it."""

    gap: bool = False
    repeated: bool = False
    """Not after the last one."""
    missed: bool = False
    """Repeated, but it was missing until now."""


IN_ORDER = Order()


class Numbering:
    """The numbers of one link. Each operation costs a few steps, whatever the numbers."""

    def __init__(self, first: int) -> None:
        self.start(first)

    def start(self, first: int) -> None:
        """The next number is `first`."""
        self._next = first
        self._unsigned: dict[int, None] = {}
        self._missing: list[tuple[int, int]] = []

    @property
    def signed_up_to(self) -> int:
        """The last number before the first that waits for a signature."""
        return next(iter(self._unsigned), self._next) - 1

    def take(self, n: int) -> Order:
        """Where this one stands."""
        if n == self._next:
            self._next = n + 1
            return IN_ORDER
        if n > self._next:
            self._missing.append((self._next, n))
            del self._missing[:-RANGES_REMEMBERED]
            self._next = n + 1
            return Order(gap=True)
        return Order(repeated=True, missed=self._found(n))

    def await_signature(self, n: int) -> None:
        """Holds acknowledgements back; a number that came late is past that."""
        if n == self._next - 1:
            self._unsigned[n] = None

    def sign(self, n: int) -> None:
        """It holds nothing back any more."""
        self._unsigned.pop(n, None)

    def _found(self, n: int) -> bool:
        """Takes it out of those that are missing, if it is one of them."""
        for index, (start, stop) in enumerate(self._missing):
            if start <= n < stop:
                rest = [(start, n), (n + 1, stop)]
                self._missing[index : index + 1] = [part for part in rest if part[0] < part[1]]
                return True
        return False


class PartialReport:
    """The parts of a report so far: part 1 first, all of one count.

    That their numbers are one run is for whoever sees the frames between: it clears.
    """

    def __init__(self) -> None:
        self._parts: list[frames.Report] = []

    def __bool__(self) -> bool:
        return bool(self._parts)

    @property
    def is_whole(self) -> bool:
        """Whether every part is here."""
        return bool(self._parts) and len(self._parts) == self._parts[0].parts

    def add(self, part: frames.Report) -> bool:
        """Whether it fits; if not, all parts so far are let go, and a first part begins anew."""
        last = self._parts[-1] if self._parts else None
        fits = last is None or (part.part == last.part + 1 and part.parts == last.parts)
        if not fits:
            self._parts.clear()
        if not self._parts and part.part != 1:
            return False
        if part.part > part.parts:
            self._parts.clear()
            return False
        self._parts.append(part)
        return True

    def take(self) -> list[frames.Report]:
        """The parts, in order; none are left."""
        parts, self._parts = self._parts, []
        return parts

    def clear(self) -> None:
        """Lets go of the parts so far."""
        self._parts.clear()
