"""Which terminal of a server quotes for all of them: chosen, replaced when silent, reported.

The first that links leads. When it goes silent or leaves, the one that has been linked longest
and is not silent follows; one that comes back goes behind. Deciding is here; the gateway acts.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from engine.domain.ids import AccountKey


class LeadChange(NamedTuple):
    """Who leads a feed from here."""

    feed: str
    before: AccountKey | None
    now: AccountKey | None


@dataclass(slots=True)
class _Feed:
    leader: AccountKey | None = None
    fresh: dict[AccountKey, None] = field(default_factory=dict)
    """Who may lead, the longest linked first."""
    wanted: tuple[str, ...] = ()


class Leads:
    """The feeds, their terminals and leaders. An account quotes for its server's feed."""

    def __init__(self) -> None:
        self._feeds: dict[str, _Feed] = {}

    def leader(self, feed: str) -> AccountKey | None:
        """Who quotes it now."""
        found = self._feeds.get(feed)
        return found.leader if found else None

    def leaders(self) -> dict[str, AccountKey | None]:
        """Who quotes each feed now."""
        return {name: feed.leader for name, feed in self._feeds.items()}

    def leads(self, account: AccountKey) -> bool:
        """Whether its quotes are those of its feed."""
        return self.leader(account.server) == account

    def wanted(self, feed: str) -> tuple[str, ...]:
        """What its leader is to quote."""
        found = self._feeds.get(feed)
        return found.wanted if found else ()

    def want(self, feed: str, symbols: tuple[str, ...]) -> None:
        """Sets what its leader is to quote."""
        self._feeds.setdefault(feed, _Feed()).wanted = symbols

    def join(self, account: AccountKey) -> LeadChange | None:
        """It is linked, or heard again."""
        feed = account.server
        self._feeds.setdefault(feed, _Feed()).fresh.setdefault(account)
        return self._choose(feed)

    def leave(self, account: AccountKey) -> LeadChange | None:
        """It is gone, or silent."""
        feed = account.server
        self._feeds.setdefault(feed, _Feed()).fresh.pop(account, None)
        return self._choose(feed)

    def _choose(self, name: str) -> LeadChange | None:
        feed = self._feeds[name]
        if feed.leader in feed.fresh:
            return None
        before, feed.leader = feed.leader, next(iter(feed.fresh), None)
        return LeadChange(name, before, feed.leader) if before != feed.leader else None
