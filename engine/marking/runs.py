"""Room in arrays for runs of rows that come, change their length and go."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=np.generic)


class Runs:
    """Runs of rows in arrays that grow by doubling; a run left is the next of its size."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self._end = 0
        self._left: dict[int, list[int]] = {}

    @staticmethod
    def room(length: int) -> int:
        """Rows set aside for a run of `length`: at most a quarter too many, or two."""
        step = max(2, 1 << max(0, length.bit_length() - 3))
        return max(step, -(-length // step) * step)

    def take(self, room: int) -> int:
        """The first row of a run of that room; `rows` grows when there is none left."""
        left = self._left.get(room)
        if left:
            return left.pop()
        first = self._end
        self._end += room
        while self._end > self.rows:
            self.rows *= 2
        return first

    def leave(self, first: int, room: int) -> None:
        """Give a run back."""
        self._left.setdefault(room, []).append(first)


def grown(array: NDArray[_T], rows: int) -> NDArray[_T]:
    """The array with that many rows, those it has in front and zeros behind."""
    if len(array) == rows:
        return array
    longer = np.zeros((rows, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
