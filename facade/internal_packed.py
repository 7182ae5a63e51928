"""Snapshots as MessagePack, built for all clients of the socket together.

Building one costs some 70 us, and in a market that moves each tick asks for a new one. So what was
built a moment ago does for everybody, unless the account decided something since: a snapshot may be
behind the last tick by as much as its reader allows, and is never behind a decision.
"""

import trio

from engine.desk import Desk
from engine.domain.ids import AccountKey

ASKED_S = 0.02
"""How far one that is asked for may be behind."""

Version = tuple[int, int]


class Packed:
    """Of one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept: dict[AccountKey, tuple[float, Version, bytes]] = {}

    def get(self, key: AccountKey, behind_s: float = ASKED_S) -> tuple[Version, bytes]:
        """The snapshot, and what it is of.

        Raises:
            KeyError: there is no such account.
        """
        version = self._desk.version(key)
        now_s = trio.current_time()
        kept = self._kept.get(key)
        if kept is not None and kept[1][0] == version[0] and now_s - kept[0] < behind_s:
            return kept[1], kept[2]
        packed = self._desk.packed(key)
        self._kept[key] = (now_s, version, packed)
        return version, packed
