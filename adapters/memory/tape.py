"""Tapes of breaches in memory, for a program that is to leave nothing behind."""

import trio

from engine.tape_cut import VerdictTape
from engine.tapes import KEPT_MSC, MOST_TAPES


class MemoryTapeStore:
    """`TapeStore` in a dictionary."""

    def __init__(self) -> None:
        self._tapes: dict[str, VerdictTape] = {}

    async def keep(self, tape: VerdictTape) -> None:
        """See `TapeStore.keep`."""
        await trio.lowlevel.checkpoint()
        tapes = self._tapes | {tape.verdict_id: tape}
        young = [one for one in tapes.values() if one.time_msc >= tape.time_msc - KEPT_MSC]
        young.sort(key=lambda one: one.time_msc)
        self._tapes = {one.verdict_id: one for one in young[-MOST_TAPES:]}

    async def find(self, verdict_id: str) -> VerdictTape | None:
        """See `TapeStore.find`."""
        await trio.lowlevel.checkpoint()
        return self._tapes.get(verdict_id)
