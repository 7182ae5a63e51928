"""Makes one account's steps durable, and lets their records out once they are."""

from dataclasses import replace

import trio

from engine.agenda import Hands, Store
from engine.decision_timing import DecisionTiming
from engine.domain.ids import AccountKey
from engine.errors import JournalError, JournalFullError
from engine.ports import Journal

FULL_PAUSE_S = 0.5
"""Between two tries to write to a full disk."""


class Keeper:
    """The journal, as one account's actor works with it."""

    def __init__(
        self, key: AccountKey, journal: Journal, hands: Hands | None, timing: DecisionTiming | None
    ) -> None:
        """`hands` and `timing`: of a live account."""
        self._key = key
        self._journal = journal
        self._hands = hands
        self._timing = timing

    async def keep(self, store: Store) -> None:
        """Returns once it is durable, however often a full disk has to be asked.

        Raises:
            JournalError: it may not be. Nothing may be acknowledged from here on.
        """
        begun = store.begun
        while True:
            try:
                if begun is None:
                    await self._journal.append_all(self._key, store.steps)
                else:
                    await begun.wait()
                break
            except JournalFullError:
                if self._hands is None:
                    raise
                begun = None
                self._hands.on_full(self._key)
                await trio.sleep(FULL_PAUSE_S)
            except JournalError:
                raise
            except Exception as error:
                raise JournalError(f"{self._key}: records may not be durable") from error
        self._publish(store)

    def keep_at_once(self, store: Store) -> Store | None:
        """Hands closes over without waiting; None: they are durable, else what is to be `keep`t."""
        begun = self._journal.begin(self._key, store.steps) if store.closes else None
        if begun is None or not begun.is_durable:
            return replace(store, begun=begun)
        self._publish(store)
        return None

    def _publish(self, store: Store) -> None:
        records = store.records
        if self._hands is not None and self._timing is not None and records:
            self._timing.durable()
            self._hands.tap.publish(self._key, records)
