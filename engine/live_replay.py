"""A replay through the live actors, at the pace of its own ticks or so many times as fast.

What is decided is what `ReplayLoop` decides, record for record: the router tells the ticks in the
same order, actors catch up with the kernel's own formula, and the records are put back into the
order in which they were told.
"""

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter

import numpy as np
import trio

from engine.agenda import Settled
from engine.clock import VirtualClock
from engine.domain.account import AccountState
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.errors import UserError
from engine.market_pieces import Found, MarketPieces, pieces_of
from engine.marking.feed import Feed
from engine.marking.ticks import TickBatch, TickStream
from engine.marking.wakes import MarkingFeed
from engine.outbox import ReplayOutbox
from engine.ports import Journal, Outbox
from engine.replay_loop import Change
from engine.supervisor import Supervisor

PERIOD_S = 0.02
"""Real time between two wake-ups: the ticks due meanwhile come as one batch."""

_BATCH_TICKS = 1024


class LiveOutcome:
    """What the accounts came to; reads like a finished `ReplayLoop`."""

    def __init__(self) -> None:
        self.ticks = 0
        self.crashed: dict[AccountKey, str] = {}
        """The accounts given up, and why."""
        self._states: list[AccountState] = []
        self._changes: list[list[Change]] = []
        self._records: list[tuple[int, Record]] = []

    @property
    def records(self) -> list[Record]:
        """Every record, in the order of what it was decided on."""
        return [record for _, record in sorted(self._records, key=itemgetter(0))]

    @property
    def states(self) -> list[AccountState]:
        """By place, at the end."""
        return self._states

    def changes(self, account: int) -> list[Change]:
        """The states the account has been in, oldest first."""
        return self._changes[account]

    def open(self, accounts: Sequence[AccountState]) -> None:
        """Makes room for them, before anything happened."""
        self._states = list(accounts)
        self._changes = [[] for _ in accounts]

    def take(self, settled: Settled) -> None:
        """Notes a change of an account."""
        self._states[settled.place] = settled.state
        if settled.records or settled.before.known is not settled.state.known:
            change = Change(settled.index, settled.state)
            self._changes[settled.place].append(change)
        self._records.extend((settled.number, record) for record in settled.records)


class _KeptNowhere:
    """The journal of a replay: it can always be run again."""

    async def append(self, *_: object, **__: object) -> None:
        """See `Journal.append`."""
        await trio.lowlevel.checkpoint()

    async def append_all(self, *_: object, **__: object) -> None:
        """See `Journal.append_all`."""
        await trio.lowlevel.checkpoint()

    def begin(self, *_: object, **__: object) -> None:
        """See `Journal.begin`: never."""

    async def read(self, *_: object, **__: object) -> tuple[Record, ...]:
        """See `Journal.read`; there is nothing."""
        await trio.lowlevel.checkpoint()
        return ()

    async def pin(self) -> str | None:
        """See `Journal.pin`; there is nothing to vouch for."""
        await trio.lowlevel.checkpoint()
        return None


async def replay_live(
    accounts: Sequence[AccountState],
    stream: TickStream,
    *,
    speed: float,
    feed: MarkingFeed | None = None,
    journal: Journal | None = None,
    outbox: Outbox | None = None,
    progress: Callable[[int], None] | None = None,
    market: MarketPieces | None = None,
    tick_limit: int = _BATCH_TICKS,
) -> tuple[list[Record], LiveOutcome]:
    """Drives accounts through a stream on Trio's clock, `speed` times as fast as it was.

    Args:
        journal: where records are kept; nowhere unless given.
        outbox: the broker; one that fills at once unless given.
        progress: called with the ticks done so far.
        market: guards on the feed's quotes; none unless given.

    Raises:
        UserError: the stream cannot be read to its end.
    """
    assert speed > 0, "time does not stand still"
    outcome = LiveOutcome()
    outcome.open(accounts)
    clock = VirtualClock(0, speed)
    supervisor = Supervisor(
        accounts,
        feed or Feed(stream.symbols),
        journal or _KeptNowhere(),
        outbox or ReplayOutbox(),
        clock,
        conflates=False,
        on_settled=outcome.take,
        tick_limit=tick_limit,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await _drive(supervisor, stream, clock, progress, market)
        if supervisor.router.is_open:
            await supervisor.router.end()
        await supervisor.stop()
    outcome.ticks = supervisor.router.ticks
    outcome.crashed = supervisor.crashed
    return outcome.records, outcome


def run_live(
    accounts: Sequence[AccountState],
    stream: TickStream,
    *,
    speed: float,
    feed: MarkingFeed | None = None,
    progress: Callable[[int], None] | None = None,
    market: MarketPieces | None = None,
) -> tuple[list[Record], LiveOutcome]:
    """`replay_live` in a Trio run of its own; what goes wrong comes out plain, not in a group.

    Raises:
        UserError: as `replay_live`.
    """
    drive = partial(
        replay_live, accounts, stream, speed=speed, feed=feed, progress=progress, market=market
    )
    try:
        return trio.run(drive)
    except BaseExceptionGroup as group:
        for kind in (KeyboardInterrupt, UserError):
            found = group.subgroup(kind)
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]  # type: ignore[assignment]
            if found is not None:
                raise found from group
        raise


async def _drive(
    supervisor: Supervisor,
    stream: TickStream,
    clock: VirtualClock,
    progress: Callable[[int], None] | None,
    market: MarketPieces | None,
) -> None:
    """Tells the ticks when they are due. Where actors cannot keep up, they are told later."""
    first_msc: int | None = None
    for batch in stream.batches(_BATCH_TICKS):
        for piece in pieces_of(market, batch):
            if isinstance(piece, Found):
                await supervisor.router.on_found(piece)
                continue
            start = 0
            while start < len(piece):
                if first_msc is None:
                    first_msc = int(piece.time_msc[0])
                    clock.start(first_msc)
                start = await _tell_due(supervisor, piece, start, clock)
        if progress is not None:
            progress(supervisor.router.ticks)


async def _tell_due(
    supervisor: Supervisor, batch: TickBatch, start: int, clock: VirtualClock
) -> int:
    """Waits until the tick at `start` is due; tells it and all due by then. Where they end."""
    await clock.sleep_until_msc(int(batch.time_msc[start]), PERIOD_S)
    stop = int(np.searchsorted(batch.time_msc, clock.wall_msc(), "right"))
    stop = max(stop, start + 1)
    await supervisor.router.on_quotes(batch.part(start, stop))
    return stop
