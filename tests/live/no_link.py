"""A link that leads nowhere: what is sent is taken, and what terminals are to quote noted."""

from collections.abc import Sequence
from typing import Any

from engine.domain.ids import AccountKey
from engine.link import Handed


class NoLink:
    """`LinkPort` without terminals."""

    def __init__(self) -> None:
        self.own: dict[AccountKey, tuple[str, tuple[str, ...]]] = {}
        """Accounts that quote for a feed of their own: which, and what."""
        self.leads: list[AccountKey] = []

    def send_nowait(self, _key: AccountKey, *_commands: Any) -> Handed:
        return Handed.HANDED

    def is_linked(self, _key: AccountKey) -> bool:
        return True

    def quote_for(self, key: AccountKey, feed: str | None, symbols: Sequence[str] = ()) -> None:
        if feed is None:
            self.own.pop(key, None)
        else:
            self.own[key] = (feed, tuple(symbols))

    def lead(self, key: AccountKey) -> None:
        self.leads.append(key)
