"""What the engine offers to those outside it: reading without waiting, and asking for things.

The facade, the internal socket and the commands of the shell all go through this one door. In the
engine's process it is `live_engine.LiveEngine`; elsewhere a client of the internal socket.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from engine.board import Encoded
from engine.domain.commands import Command, Refused, Respec
from engine.domain.ids import AccountKey
from engine.domain.outlook import Outlook
from engine.domain.records import Record
from engine.domain.snapshot import Snapshot
from engine.equity_history import Bucket, PeriodStatistics
from engine.tap import Listener
from engine.tapes import TapeReader


class FeedHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One broker server's quotes, or those of one account alone."""

    name: str
    leader: str | None
    """`server/login` of the terminal that quotes; None: nobody does."""
    ticks: int
    quote_age_ms: int | None
    """Since the last tick; None before the first."""
    rejected: Mapping[str, int]
    """Quotes that were not valued, by cause."""
    account: str | None = None
    """`server/login` of the one account that is valued on it; None: it is its server's."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the engine itself is."""

    is_ready: bool
    """The journal is open, recovery is finished, and every feed with a linked terminal is alive."""
    reason: str
    """Why not; empty when ready."""
    started_msc: int
    time_msc: int
    accounts: int
    linked: int
    crashed: Mapping[str, str]
    """Accounts given up, by `server/login`, and why."""
    journal_failure: str | None
    loop_lag_ms: float
    """Of late, the longest a ready task waited."""
    feeds: tuple[FeedHealth, ...]
    refused: Mapping[str, int]
    """Terminals that were not let in, by cause."""
    listening: str
    """Where terminals link: `host:port`."""
    thumbprint: str
    """SHA-256 of the certificate terminals must see."""
    equity_failure: str | None = None
    """Why equity over time is in memory alone now; guards do not need it. None: it is kept."""


class Taken(msgspec.Struct, frozen=True):
    """A command was taken: what it led to is durable."""

    seq: int
    """Of the account's last record then."""
    intent_ids: tuple[str, ...]
    """Closes that it decided."""


class Desk(Protocol):
    """The one door. Reads are dictionary look-ups: they enter no inbox and slow no guard."""

    @property
    def tapes(self) -> TapeReader:
        """Breaches tick by tick, and prices."""

    def keys(self) -> Sequence[AccountKey]:
        """Every account, in the order of the book."""

    def version(self, key: AccountKey) -> tuple[int, int]:
        """(steps of the account, ticks of its feed): the snapshot changes only with it, or age."""

    def snapshot(self, key: AccountKey) -> Snapshot:
        """The account as it is now.

        Raises:
            KeyError: there is no such account.
        """

    def encoded(self, key: AccountKey) -> Encoded:
        """The same as JSON, encoded once a version.

        Raises:
            KeyError: there is no such account.
        """

    def packed(self, key: AccountKey) -> bytes:
        """The same as MessagePack.

        Raises:
            KeyError: there is no such account.
        """

    def health(self) -> Health:
        """How the engine is."""

    def listen(self, keys: Sequence[AccountKey] | None = None) -> Listener:
        """Durable records from here on, of these accounts or of all; see `Listener.since`."""

    async def records(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """At most `limit` durable records after `after_seq`, in order."""

    async def command(self, key: AccountKey, command: Command) -> Taken | Refused:
        """What came of it, once that is durable.

        Raises:
            KeyError: there is no such account.
        """

    async def outlook(self, key: AccountKey, command: Respec) -> Outlook:
        """What other rules would make of the account; nothing is changed.

        Raises:
            KeyError: there is no such account.
        """

    async def equity(
        self, key: AccountKey, bucket_s: int, from_msc: int, to_msc: int
    ) -> Sequence[Bucket]:
        """Equity and balance over time, oldest first; a span nobody valued has no bucket.

        Args:
            bucket_s: one of `equity_history.LEVELS`.

        Raises:
            KeyError: there is no such account.
        """

    async def statistics(self, key: AccountKey, from_msc: int, to_msc: int) -> PeriodStatistics:
        """A period in figures: from `from_msc` until before `to_msc`, or now where that is earlier.

        Raises:
            KeyError: there is no such account.
        """

    async def ask_report(self, key: AccountKey) -> bool:
        """Asks the account's terminal for a full report; False: it is not linked."""

    async def verdict(
        self, verdict_id: str, keys: Sequence[AccountKey] | None = None
    ) -> Mapping[str, Any] | None:
        """What decided: the record, the positions, quotes and rule it was decided on.

        None: there is no such verdict of these accounts (of all, where none are named).
        """
