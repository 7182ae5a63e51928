"""Numbers packed for the page: differences of whole numbers, 7 bits a byte, in base64.

A plain array of 32-bit numbers would take four thirds of four bytes a value, and 1,200 bins of
lowest, highest and last alone would be 19 kB; equity moves by little, and this takes about half.
The page's `unpack` is the other side.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

_MOST_BYTES = 10
"""A 64-bit number in groups of 7 bits."""


def pack(values: Sequence[int] | Ints) -> str:
    """Whole numbers (their differences within 62 bits) as base64 text."""
    numbers = np.asarray(values, np.int64)
    deltas = np.diff(numbers, prepend=np.int64(0))
    folded = ((deltas << 1) ^ (deltas >> 63)).view(np.uint64)  # sign into the lowest bit
    shifts = np.arange(_MOST_BYTES, dtype=np.uint64) * np.uint64(7)
    groups = (folded[:, None] >> shifts) & np.uint64(0x7F)
    lengths = np.maximum(1, _MOST_BYTES - np.argmax(groups[:, ::-1] != 0, axis=1))
    lengths[folded == 0] = 1
    place = np.arange(_MOST_BYTES)
    wanted = place < lengths[:, None]
    more = place < lengths[:, None] - 1
    return b64encode(
        (groups | (more.astype(np.uint64) << np.uint64(7))).astype(np.uint8)[wanted]
    ).decode()


def unpack(text: str) -> list[int]:
    """What `pack` was given."""
    values, value, folded, shift = [], 0, 0, 0
    for byte in b64decode(text):
        folded |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            value += (folded >> 1) ^ -(folded & 1)
            values.append(value)
            folded = shift = 0
    return values


def steps(values: Iterable[int]) -> tuple[list[int], list[int]]:
    """Where a sequence changes, from its first value on, and to what."""
    places: list[int] = []
    heights: list[int] = []
    for place, value in enumerate(values):
        if not heights or value != heights[-1]:
            places.append(place)
            heights.append(value)
    return places, heights
