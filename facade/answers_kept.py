"""Bodies of answers, encoded once for all who ask the same while nothing changes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from engine.domain.snapshot import Snapshot

ANSWERS_MAX = 128
ACCOUNTS_MAX = 64
"""An answer about more accounts is not kept: some tick changes it before it is asked for again."""


class _Kept(NamedTuple):
    snapshots: tuple[Snapshot, ...]
    second: int
    body: bytes


class KeptAnswers:
    """The newest answers, a hundred of them, each at most a second old.

    An answer is made of the very snapshots it was kept for, or it is made anew: a board and a
    mirror give the same object until something changes.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def body(
        self,
        asked: Hashable,
        second: int,
        snapshots: Sequence[Snapshot],
        make: Callable[[], bytes],
    ) -> bytes:
        """The body.

        Args:
            asked: all else the answer depends on: who asks, for what, and how narrowed.
            second: of the wall clock, for the moments in it.
            make: encodes it.
        """
        last = self._kept.get(asked)
        if last is not None and last.second == second and _are(last.snapshots, snapshots):
            return last.body
        body = make()
        if len(snapshots) <= ACCOUNTS_MAX:
            self._kept[asked] = _Kept(tuple(snapshots), second, body)
            if len(self._kept) > ANSWERS_MAX:
                self._kept.popitem(last=False)
        return body


def _are(ones: Sequence[Snapshot], others: Sequence[Snapshot]) -> bool:
    return len(ones) == len(others) and all(
        one is other for one, other in zip(ones, others, strict=True)
    )
