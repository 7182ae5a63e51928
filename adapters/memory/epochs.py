"""Epochs in memory: gone with the process, so of use where one process is all there ever is."""

import trio

from engine.domain.ids import AccountKey


class MemoryEpochs:
    """See `EpochStore`."""

    def __init__(self) -> None:
        self._epochs: dict[AccountKey, int] = {}

    async def read(self, key: AccountKey) -> int:
        """See `EpochStore.read`."""
        await trio.lowlevel.checkpoint()
        return self._epochs.get(key, 0)

    async def raise_to(self, key: AccountKey, epoch: int) -> bool:
        """See `EpochStore.raise_to`."""
        await trio.lowlevel.checkpoint()
        if epoch <= self._epochs.get(key, 0):
            return False
        self._epochs[key] = epoch
        return True
