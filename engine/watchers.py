"""What no record says: that something has not happened, or is so, for too long.

Looks at the desk by the clock. A terminal that is away, an account that nobody can value while it
holds positions, an account that was given up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.alerts import Alert
from engine.desk import Desk
from engine.domain.ids import AccountKey
from engine.domain.records import LinkChanged
from engine.domain.snapshot import Quality, Snapshot

LOOK_S = 0.5
LOST_S = 5.0
"""Without its terminal for so long an account is told to be so."""
UNKNOWN_S = 60.0
ROUND_S = 10.0
"""Every account is looked at once in so long."""
AGAIN_S = 300.0
"""What stays unknown is told again after so long."""
_GONE = frozenset({"unlinked", "silent", "refused"})


@dataclass(slots=True)
class _Watched:
    lost_since_msc: int = 0
    told_lost: bool = False
    unknown_since_msc: int = 0
    told_unknown_msc: int = 0


class Watchers:
    """Everything here is synchronous and cheap: a part of all accounts at each look."""

    def __init__(
        self,
        desk: Desk,
        words: Any,
        place_of: Callable[[AccountKey], Any],
        tell: Callable[[Alert], None],
    ) -> None:
        """`words`: see `alerting.Words`; `place_of`: what they need to name an account."""
        self._desk = desk
        self._words = words
        self._place_of = place_of
        self._tell = tell
        self._watched: dict[AccountKey, _Watched] = {}
        self._lost: set[AccountKey] = set()
        self._given_up: set[str] = set()
        self._next = 0

    def link_changed(self, record: LinkChanged) -> None:
        """A terminal came, went or fell silent."""
        key = AccountKey(record.server, record.login)
        watched = self._of(key)
        if record.state in _GONE:
            if not watched.lost_since_msc:
                watched.lost_since_msc = record.time_msc
                self._lost.add(key)
            return
        if watched.told_lost:
            away_ms = max(0, record.time_msc - watched.lost_since_msc)
            self._tell(self._words.terminal_back(self._place_of(key), away_ms, record.time_msc))
        watched.lost_since_msc, watched.told_lost = 0, False
        self._lost.discard(key)

    def given_up(self, key: AccountKey, why: str, now_msc: int) -> None:
        """An account that nobody guards any more; told once."""
        if str(key) in self._given_up:
            return
        self._given_up.add(str(key))
        what = "this account's own trouble; nobody guards it until the engine is restarted"
        if why:
            what = f"{why}; nobody guards it until the engine is restarted"
        self._tell(self._words.cannot_act(self._place_of(key), "all guards", what, now_msc))

    def look(self, now_msc: int) -> None:
        """Tells what has lasted too long by now; to be called every `LOOK_S`."""
        for key in list(self._lost):
            self._look_at_lost(key, now_msc)
        for name, why in self._desk.health().crashed.items():
            server, _, login = name.rpartition("/")
            self.given_up(AccountKey(server, int(login)), why, now_msc)
        keys = self._desk.keys()
        count = max(1, round(len(keys) * LOOK_S / ROUND_S))
        for _ in range(min(count, len(keys))):
            self._next = (self._next + 1) % len(keys)
            key = keys[self._next]
            self._look_at_unknown(key, self._desk.snapshot(key), now_msc)

    def _look_at_lost(self, key: AccountKey, now_msc: int) -> None:
        watched = self._of(key)
        lost_ms = now_msc - watched.lost_since_msc
        if watched.told_lost or lost_ms < LOST_S * 1000:
            return
        watched.told_lost = True
        held = len(self._desk.snapshot(key).positions)
        self._tell(self._words.terminal_lost(self._place_of(key), lost_ms, held, now_msc))

    def _look_at_unknown(self, key: AccountKey, snapshot: Snapshot, now_msc: int) -> None:
        watched = self._of(key)
        held = len(snapshot.positions)
        if snapshot.quality is not Quality.UNKNOWN or not held:
            watched.unknown_since_msc = watched.told_unknown_msc = 0
            return
        watched.unknown_since_msc = watched.unknown_since_msc or now_msc
        unknown_ms = now_msc - watched.unknown_since_msc
        again = now_msc - watched.told_unknown_msc >= AGAIN_S * 1000
        if unknown_ms >= UNKNOWN_S * 1000 and again:
            watched.told_unknown_msc = now_msc
            place, why = self._place_of(key), snapshot.reason or ""
            self._tell(self._words.unknown_exposed(place, why, unknown_ms, held, now_msc))

    def _of(self, key: AccountKey) -> _Watched:
        return self._watched.setdefault(key, _Watched())
