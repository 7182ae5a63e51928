"""Quotes first: whether a feed's leader has said something that nobody has read yet.

A thousand terminals say as much a second as one feed. What a quote decides cannot wait until all
of those before it in the queue are heard; what they say can wait until a quote is.
"""

import selectors
from typing import Protocol

import trio

TURNS = 4
"""So often at most one that says something else stands back: two turns let any reader go first."""


class Reader(Protocol):
    """A connection as far as it matters here."""

    def fileno(self) -> int:
        """Of its socket, while that is open."""


class Precedence:
    """The leaders' sockets; costs a system call of a microsecond or two to look at."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._leaders: dict[str, Reader] = {}

    def follow(self, feed: str, leader: Reader | None) -> None:
        """This one quotes the feed from now; None: nobody."""
        before = self._leaders.pop(feed, None)
        if before is not None:
            self._selector.unregister(before)
        if leader is not None and leader.fileno() >= 0:
            self._selector.register(leader, selectors.EVENT_READ)
            self._leaders[feed] = leader

    def forget(self, feed: str, reader: Reader) -> None:
        """It is about to be closed, whether it is a leader or not."""
        if self._leaders.get(feed) is reader:
            self.follow(feed, None)

    async def let_quotes_pass(self) -> None:
        """Returns when no leader has unread bytes, or after `TURNS` turns. No checkpoint else."""
        for _ in range(TURNS):
            if not self._leaders or not self._selector.select(0):
                return
            await trio.lowlevel.checkpoint()
