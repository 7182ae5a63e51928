"""Which terminal quotes which feed: chosen, replaced when silent, reported.

The first that links leads its server's feed. When it goes silent or leaves, the one that has been
linked longest and is not silent follows; one that comes back goes behind. An account whose quotes
are others than its server's has a feed of its own: its terminal leads that one alone, and its
server's never. Deciding is here; the gateway acts.
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
    """The feeds, their terminals and leaders. An account quotes for its server's, or its own."""

    def __init__(self) -> None:
        self._feeds: dict[str, _Feed] = {}
        self._own: dict[AccountKey, str] = {}

    def feed_of(self, account: AccountKey) -> str:
        """The feed its terminal may quote for."""
        return self._own.get(account, account.server)

    def leader(self, feed: str) -> AccountKey | None:
        """Who quotes it now."""
        found = self._feeds.get(feed)
        return found.leader if found else None

    def leaders(self) -> dict[str, AccountKey | None]:
        """Who quotes each feed now."""
        return {name: feed.leader for name, feed in self._feeds.items()}

    def leads(self, account: AccountKey) -> bool:
        """Whether its quotes are those of its feed."""
        return self.leader(self.feed_of(account)) == account

    def wanted(self, feed: str) -> tuple[str, ...]:
        """What its leader is to quote."""
        found = self._feeds.get(feed)
        return found.wanted if found else ()

    def want(self, feed: str, symbols: tuple[str, ...]) -> None:
        """Sets what its leader is to quote."""
        self._feeds.setdefault(feed, _Feed()).wanted = symbols

    def join(self, account: AccountKey) -> LeadChange | None:
        """It is linked, or heard again."""
        feed = self.feed_of(account)
        self._feeds.setdefault(feed, _Feed()).fresh.setdefault(account)
        return self._choose(feed)

    def leave(self, account: AccountKey) -> LeadChange | None:
        """It is gone, or silent."""
        feed = self.feed_of(account)
        self._feeds.setdefault(feed, _Feed()).fresh.pop(account, None)
        return self._choose(feed)

    def assign(self, account: AccountKey, feed: str | None) -> list[LeadChange]:
        """It quotes for a feed of its own from here on; None: for its server's again.

        What changes by that, in order: whom it leaves comes first.
        """
        before = self.feed_of(account)
        after = account.server if feed is None else feed
        if before == after:
            return []
        is_fresh = account in self._feeds.setdefault(before, _Feed()).fresh
        changes = [self.leave(account)]
        if before != account.server:
            del self._feeds[before]
        if feed is None:
            del self._own[account]
        else:
            self._own[account] = feed
        if is_fresh:
            changes.append(self.join(account))
        return [change for change in changes if change is not None]

    def prefer(self, account: AccountKey) -> LeadChange | None:
        """It leads its server's feed from here on, where it may; who led goes behind."""
        feed = self._feeds.get(account.server)
        if feed is None or account not in feed.fresh or feed.leader == account:
            return None
        before = feed.leader
        if before in feed.fresh:
            del feed.fresh[before]
            feed.fresh[before] = None
        feed.leader = account
        return LeadChange(account.server, before, account)

    def _choose(self, name: str) -> LeadChange | None:
        feed = self._feeds[name]
        if feed.leader in feed.fresh:
            return None
        before, feed.leader = feed.leader, next(iter(feed.fresh), None)
        return LeadChange(name, before, feed.leader) if before != feed.leader else None
