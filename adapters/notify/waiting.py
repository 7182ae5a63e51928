"""Alerts that wait for a channel: bounded, pages first, one entry a thread. Pure."""

from dataclasses import dataclass, replace

from engine.alerts import Alert, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An alert that waits."""

    alert: Alert
    delivery: str
    """Its name on every try."""
    silent: bool = False
    since_s: float
    """When its thread began to wait, of a monotonic clock."""
    crashes: int = 0
    """Tries that ended in something nobody expected."""


class Waiting:
    """See the top. A thread's newer text takes the place of the one that still waits."""

    def __init__(self, room: int) -> None:
        """`room`: entries held at most."""
        self._room = room
        self._entries: dict[str, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> int:
        """Takes it; how many entries had to go for it, itself included, pages last."""
        thread = entry.alert.thread
        older = self._entries.get(thread)
        if older is not None:
            silent = older.silent and entry.silent
            self._entries[thread] = replace(entry, silent=silent, since_s=older.since_s)
            return 0
        self._entries[thread] = entry
        return self._make_room()

    def put_back(self, entries: list[Entry]) -> int:
        """Returns what could not be delivered to the front, where nothing newer of it waits."""
        returned = {entry.alert.thread: entry for entry in entries}
        for thread, newer in self._entries.items():
            older = returned.get(thread)
            if older is None:
                returned[thread] = newer
            else:
                silent = older.silent and newer.silent
                returned[thread] = replace(newer, silent=silent, since_s=older.since_s)
        self._entries = returned
        return self._make_room()

    def take(self, most: int = 1) -> list[Entry]:
        """The next ones to go: pages first, then the longest there."""
        in_turn = sorted(self._entries.values(), key=lambda entry: not _is_page(entry))
        taken = in_turn[:most]
        for entry in taken:
            del self._entries[entry.alert.thread]
        return taken

    def expire(self, before_s: float, *, pages: bool) -> int:
        """Drops the pages, or all others, that have waited since before then; how many."""
        late = [
            thread
            for thread, entry in self._entries.items()
            if entry.since_s < before_s and _is_page(entry) is pages
        ]
        for thread in late:
            del self._entries[thread]
        return len(late)

    def _make_room(self) -> int:
        lost = 0
        while len(self._entries) > self._room:
            oldest = next(iter(self._entries))
            others = (thread for thread, entry in self._entries.items() if not _is_page(entry))
            del self._entries[next(others, oldest)]
            lost += 1
        return lost


def _is_page(entry: Entry) -> bool:
    return entry.alert.level is Level.PAGE
