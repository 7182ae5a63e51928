"""The read side: snapshots of accounts, built when somebody asks and encoded once a version.

A query is a dictionary look-up and no await: it enters no inbox and never sees half a step. What is
read may be ahead of the journal by the group being written; a command's answer never is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from engine.actor import Actor
from engine.clock import Clock
from engine.domain.commands import Respec
from engine.domain.guard_views import Sight
from engine.domain.ids import AccountKey
from engine.domain.outlook import Outlook, outlook_of
from engine.domain.quotes import Quote
from engine.domain.snapshot import Snapshot, Standing, snapshot_of
from engine.domain.terminal_views import TerminalView
from engine.marking.wakes import MarkingFeed
from engine.router import Router

STALE_AFTER_MS = 60_000
"""Without a tick for so long a valuation is stale; the default of the stale guard of a feed."""

_AGE_STEP_MS = 1000
"""An age in a cached snapshot is at most this much out of date."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A snapshot as JSON, and what it is a snapshot of."""

    seq: int
    feed_version: int
    body: bytes


@dataclass(slots=True)
class _Kept:
    """The last snapshot built of an account."""

    version: tuple[int, int, str | None]
    """Steps of the account, ticks of the feed, and whether it was given up."""
    until_ns: int
    """When an age in it is so much out of date."""
    snapshot: Snapshot
    standing: Standing
    encoded: Encoded | None = None
    packed: bytes | None = None


class Board:
    """Every account of one feed, to be read by anybody at any time."""

    def __init__(
        self,
        actors: Mapping[AccountKey, Actor],
        router: Router,
        feed: MarkingFeed,
        clock: Clock,
        *,
        stale_after_ms: int = STALE_AFTER_MS,
        compared_ms: Callable[[AccountKey], float | None] = lambda _key: None,
        terminal: Callable[[AccountKey], TerminalView | None] = lambda _key: None,
        name: str = "",
    ) -> None:
        """`router` and `feed` are those of the actors; the rest: see `Sight`. `name`: its feed."""
        self.built = 0
        """Snapshots built so far."""
        self.encoded_count = 0
        """Snapshots encoded so far."""
        self._actors = actors
        self._router = router
        self._feed = feed
        self._clock = clock
        self._stale_after_ms = stale_after_ms
        self._compared_ms = compared_ms
        self._terminal = terminal
        self._name = name
        self._kept: dict[AccountKey, _Kept] = {}
        self._encoder = msgspec.json.Encoder()
        self._packer = msgspec.msgpack.Encoder()

    def keys(self) -> tuple[AccountKey, ...]:
        """Every account, in the order of the book."""
        return tuple(self._actors)

    def snapshot(self, key: AccountKey) -> Snapshot:
        """The account as it is now; the same object until something changes.

        Raises:
            KeyError: there is no such account.
        """
        actor = self._actors[key]
        version = (actor.version, self._router.version, actor.crashed)
        now_ns = self._clock.monotonic_ns()
        last = self._kept.get(key)
        if last is not None and last.version == version and now_ns < last.until_ns:
            return last.snapshot
        sight = self._sight(actor, now_ns)
        standing = None if last is None else last.standing
        if standing is None or standing.state is not actor.state:
            standing = Standing(actor.state)
        snapshot = self._build(actor, sight, standing)
        left_ms = _AGE_STEP_MS - max([age % _AGE_STEP_MS for age in sight.ages_ms.values()] or [0])
        self._kept[key] = _Kept(version, now_ns + left_ms * 1_000_000, snapshot, standing)
        return snapshot

    def encoded(self, key: AccountKey) -> Encoded:
        """The snapshot as JSON, encoded once a version.

        Raises:
            KeyError: there is no such account.
        """
        snapshot = self.snapshot(key)
        kept = self._kept[key]
        if kept.encoded is None:
            body = self._encoder.encode(snapshot)
            kept.encoded = Encoded(snapshot.seq, snapshot.feed_version, body)
            self.encoded_count += 1
        return kept.encoded

    def packed(self, key: AccountKey) -> bytes:
        """The snapshot as MessagePack, encoded once a version.

        Raises:
            KeyError: there is no such account.
        """
        snapshot = self.snapshot(key)
        kept = self._kept[key]
        if kept.packed is None:
            kept.packed = self._packer.encode(snapshot)
        return kept.packed

    def outlook(self, key: AccountKey, command: Respec) -> Outlook:
        """See `Desk.outlook`."""
        actor = self._actors[key]
        return outlook_of(actor.state, command, self._sight(actor, self._clock.monotonic_ns()))

    def _build(self, actor: Actor, sight: Sight, standing: Standing) -> Snapshot:
        self.built += 1
        try:
            return snapshot_of(actor.state, sight, standing)
        except Exception:
            if actor.crashed is None:
                raise
            # What crashed it may be its own valuation: then it is shown without one.
            return snapshot_of(actor.state, replace(sight, quotes={}))

    def _sight(self, actor: Actor, now_ns: int) -> Sight:
        """An account given up is seen as it last looked at the market itself."""
        quotes: Mapping[str, Quote] = actor.seen.quotes if actor.crashed else actor.seat.quotes()
        heard_ns, ages_ms = self._router.heard_ns, {}
        for symbol in quotes:
            at_ns = heard_ns(symbol)
            if at_ns is not None:
                ages_ms[symbol] = (now_ns - at_ns) // 1_000_000
        return Sight(
            time_msc=self._clock.wall_msc(),
            quotes=quotes,
            ages_ms=ages_ms,
            stale_after_ms=self._stale_after_ms,
            feed_version=0 if actor.crashed else self._router.version,
            marks=actor.marks,
            crashed=actor.crashed,
            compared_ms=self._compared_ms(actor.key),
            terminal=self._terminal(actor.key),
            feed=self._name,
        )
