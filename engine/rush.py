"""Closes first: who has closes decided and not yet sent, and who lets them pass.

When one tick breaches many accounts, what their terminals answer to the first closes would be
worked on before the last closes are sent: steps take their turns, and there are fifteen of those to
an account of five positions. So what links say waits while closes are on their way out.
"""

import trio

LONGEST_S = 0.25
"""So long what a link says waits at most: a slow disk must not keep it for ever."""


class Rush:
    """One for all accounts of an engine."""

    def __init__(self) -> None:
        self._closing: set[int] = set()
        self._over = trio.lowlevel.ParkingLot()

    def __bool__(self) -> bool:
        return bool(self._closing)

    def begin(self, actor: object) -> None:
        """This one has decided closes."""
        self._closing.add(id(actor))

    def end(self, actor: object) -> None:
        """They are sent, or never will be."""
        self._closing.discard(id(actor))
        if not self._closing and self._over:
            self._over.unpark_all()

    async def wait(self) -> None:
        """Returns when nobody has closes to send, or after `LONGEST_S`."""
        with trio.move_on_after(LONGEST_S):
            while self._closing:
                await self._over.park()
