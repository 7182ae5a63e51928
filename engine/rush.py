"""Closes first: who has closes decided and not yet sent, and who lets them pass.

When one tick breaches many accounts, what their terminals answer to the first closes would be
worked on before the last closes are sent: steps take their turns, and there are fifteen of those to
an account of five positions. So what links say waits while closes are on their way out.
"""

import trio

LONGEST_S = 0.25
"""So long others wait at most after the last close was decided, not once for each thing said: a
slow or full disk must not keep them."""


class Rush:
    """One for all accounts of an engine."""

    def __init__(self) -> None:
        self._closing: set[int] = set()
        self._over = trio.lowlevel.ParkingLot()
        self._until_s = 0.0

    def __bool__(self) -> bool:
        return bool(self._closing) and trio.current_time() < self._until_s

    def begin(self, actor: object) -> None:
        """This one has decided closes."""
        self._closing.add(id(actor))
        self._until_s = trio.current_time() + LONGEST_S

    def end(self, actor: object) -> None:
        """They are sent, or never will be."""
        self._closing.discard(id(actor))
        if not self._closing and self._over:
            self._over.unpark_all()

    async def wait(self) -> None:
        """Returns when nobody has closes to send, or after `LONGEST_S`."""
        with trio.move_on_at(self._until_s):
            while self:
                await self._over.park()
