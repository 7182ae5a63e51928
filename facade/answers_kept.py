"""Answers with a tag, made once for all who ask the same while nothing changes.

What is kept is the whole answer, head and body: to give it again costs two messages.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from engine.domain.snapshot import Snapshot

ANSWERS_MAX = 128
ACCOUNTS_MAX = 64
"""An answer about more accounts is not kept: some tick changes it before it is asked for again."""
_HEAD = ((b"cache-control", b"private, no-cache"), (b"vary", b"Authorization, Cookie"))


class Ready(Response):
    """An answer that may be given many times: whoever is given it leaves it as it is."""

    def __init__(self, etag: str, body: bytes | None = None) -> None:
        """`body`: JSON; None: what the caller has is as good (304)."""
        self.status_code = 304 if body is None else 200
        self.background = None
        self.body = body or b""
        self.is_headed = False
        """Whether it has the headers that all answers have."""
        self.raw_headers = [(b"etag", etag.encode()), *_HEAD]
        if body is not None:
            length = str(len(body)).encode()
            self.raw_headers.append((b"content-length", length))
            self.raw_headers.append((b"content-type", b"application/json"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification, 3.0."""
        del scope, receive
        # A copy, for what stands between here and the server may add to it.
        headers = self.raw_headers.copy()
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class Made(NamedTuple):
    """What an answer is made of."""

    etag: str
    body: Callable[[], bytes]
    """Encodes it."""


class Kept:
    """One answer; its body is made when the first who has not got it asks."""

    __slots__ = ("_made", "_unchanged", "_whole", "second", "snapshots")

    def __init__(self, snapshots: tuple[Snapshot, ...], second: int, made: Made) -> None:
        self.snapshots = snapshots
        self.second = second
        self._made = made
        self._whole: Ready | None = None
        self._unchanged: Ready | None = None

    def for_one_with(self, known: str) -> Ready:
        """The answer for a caller who has these tags (`If-None-Match`) already."""
        if known and self._made.etag in (
            one.strip().removeprefix("W/") for one in known.split(",")
        ):
            if self._unchanged is None:
                self._unchanged = Ready(self._made.etag)
            return self._unchanged
        if self._whole is None:
            self._whole = Ready(self._made.etag, self._made.body())
        return self._whole


class KeptAnswers:
    """The newest answers, a hundred of them, each at most a second old.

    An answer is made of the very snapshots it was kept for, or it is made anew: a board and a
    mirror give the same object until something changes.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()

    def of(
        self,
        asked: Hashable,
        second: int,
        snapshots: Sequence[Snapshot],
        make: Callable[[], Made],
    ) -> Kept:
        """The answer.

        Args:
            asked: all else the answer depends on: who asks, for what, and how narrowed.
            second: of the wall clock, for the moments in it.
            make: makes it anew; what it raises is not kept.
        """
        last = self._kept.get(asked)
        if last is not None and last.second == second and _are(last.snapshots, snapshots):
            return last
        found = Kept(tuple(snapshots), second, make())
        if len(snapshots) <= ACCOUNTS_MAX:
            self._kept[asked] = found
            if len(self._kept) > ANSWERS_MAX:
                self._kept.popitem(last=False)
        return found


def _are(ones: Sequence[Snapshot], others: Sequence[Snapshot]) -> bool:
    if len(ones) != len(others):
        return False
    for place, one in enumerate(ones):  # noqa: SIM110  `all` would cost every read 0.5 us
        if one is not others[place]:
            return False
    return True
