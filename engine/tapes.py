"""The tapes of an engine: ticks and prices as they come, and each breach cut out and kept.

A breach is cut twice: when its ticks are all there, and once more when slow polls were followed to
their end. Nothing a guard decides on is here, and nothing here is waited for by one: what cannot be
cut or kept is counted and told, no more. Many breaches are cut one after another, in parts with
pauses; where many come at once, once each.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Literal, Protocol

import msgspec
import trio

from engine.clock import Clock
from engine.domain.ids import AccountKey
from engine.errors import AdapterError
from engine.meters import Meter
from engine.tape import PricePoint
from engine.tape_accounts import Breach, TapedAccounts
from engine.tape_cut import AFTER_MSC, POLLED_MSC, VerdictTape, cutting

MOST_TAPES = 500
KEPT_MSC = 30 * 86_400_000
"""The newest tapes are kept, and none that is so much older than the newest."""
MOST_WAITING = 4096
"""Breaches being taped at once; of more, the later ones are lost."""
SETTLE_MSC = 250
"""A cut waits so much longer than its span: ticks may still be on their way in."""
PAUSE_S = 0.004
"""Between two parts of a cut, of a quarter of a millisecond: a sixteenth of the loop at most."""
BUSY = 16
"""Where more wait, each is cut once, at the end."""
SECOND_S = 1.0

Outcome = Literal["kept", "failed", "lost"]


class TapeStore(Protocol):
    """Keeps tapes, the newest `MOST_TAPES` of the last `KEPT_MSC`."""

    async def keep(self, tape: VerdictTape) -> None:
        """Adds it, in place of an earlier cut of the same verdict.

        Raises:
            AdapterError: it was not kept.
        """

    async def find(self, verdict_id: str) -> VerdictTape | None:
        """The tape of this verdict; None: there is none.

        Raises:
            AdapterError: it cannot be read.
        """


class TapeReader(Protocol):
    """What the engine offers of its tapes to those outside it; see `Desk.tapes`."""

    async def of_verdict(self, verdict_id: str) -> VerdictTape | None:
        """A breach tick by tick, as far as it went; None: no tape of it is kept."""

    async def prices(
        self, key: AccountKey, symbol: str, from_msc: int, to_msc: int
    ) -> Sequence[PricePoint] | None:
        """The last bid and ask of each second with a tick; None: no symbol of that server.

        Raises:
            KeyError: there is no such account.
        """


class Tapes:
    """`TapeReader` of a running engine. `run` it beside the guards."""

    def __init__(self, clock: Clock, meter: Meter) -> None:
        self.store: TapeStore | None = None
        """Set before `run`; without one, a tape is there only while it is being made."""
        self.on_failure: Callable[[str], None] = lambda _cause: None
        """Hears why a tape was not kept, once until it works again."""
        self._clock = clock
        self._meter = meter
        self._feeds: dict[str, TapedAccounts] = {}
        self._own: dict[AccountKey, str] = {}
        """Accounts that have a feed of their own, and its name."""
        self._waiting: dict[str, tuple[TapedAccounts, Breach, bool]] = {}
        """By verdict, oldest first: whether it was cut once already."""
        self._came = trio.Event()
        self._has_failed = False

    def add(
        self, server: str, keys: Sequence[AccountKey], symbols: tuple[str, ...]
    ) -> TapedAccounts:
        """The tape of one more feed."""
        self._feeds[server] = made = TapedAccounts(keys, symbols, self._breached, self._failed)
        return made

    def move(self, key: AccountKey, name: str | None) -> None:
        """The account is on that feed of its own from here on; None: on its server's again."""
        if name is None:
            self._own.pop(key, None)
        else:
            self._own[key] = name

    def drop(self, name: str) -> None:
        """The feed is no more; breaches on it are cut all the same."""
        self._feeds.pop(name, None)

    def admit(self, server: str, keys: Sequence[AccountKey]) -> None:
        """More accounts of a server, at the next places."""
        self._feeds[server].admit(keys)

    def beat(self, key: AccountKey, equity: float) -> None:
        """A heartbeat of an account came."""
        feed = self._feeds.get(self._own.get(key, key.server))
        if feed is not None:
            feed.beat(key, self._clock.wall_msc(), equity)

    async def of_verdict(self, verdict_id: str) -> VerdictTape | None:
        """See `TapeReader.of_verdict`; one that is being made is cut now."""
        await trio.lowlevel.checkpoint()
        waiting = self._waiting.get(verdict_id)
        if waiting is not None:
            return await _slowly(cutting(waiting[0], waiting[1], self._clock.wall_msc()))
        return None if self.store is None else await self.store.find(verdict_id)

    async def prices(
        self, key: AccountKey, symbol: str, from_msc: int, to_msc: int
    ) -> Sequence[PricePoint] | None:
        """See `TapeReader.prices`."""
        await trio.lowlevel.checkpoint()
        shared = self._feeds[key.server].prices.of(symbol, from_msc, to_msc)
        if shared is None or key not in self._own:
            return shared
        own = self._feeds[self._own[key]].prices.of(symbol, from_msc, to_msc) or []
        # Of before it had quotes of its own: those it was valued on.
        until_msc = own[0].start_msc if own else to_msc
        return [*(one for one in shared if one.start_msc < until_msc), *own]

    async def run(self) -> None:
        """Cuts and keeps, for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._note_prices)
            while True:
                if not self._waiting:
                    self._came = trio.Event()
                    await self._came.wait()
                now_msc = self._clock.wall_msc()
                due = [one for one in self._waiting.values() if _due_msc(one) <= now_msc]
                if not due:
                    next_msc = min(map(_due_msc, self._waiting.values()))
                    self._came = trio.Event()
                    with trio.move_on_after((next_msc - now_msc) / 1000.0):
                        await self._came.wait()
                for feed, breach, was_cut in due:
                    if was_cut or len(due) <= BUSY:
                        await self._cut(feed, breach, was_cut=was_cut)
                    else:
                        self._waiting[breach.record.verdict_id] = (feed, breach, True)

    async def flush(self) -> None:
        """Cuts and keeps what is there of all that are being made; the engine stops."""
        for feed, breach, _ in list(self._waiting.values()):
            await self._cut(feed, breach, was_cut=True, pause_s=0.0)

    async def _note_prices(self) -> None:
        while True:
            await trio.sleep(SECOND_S)
            for feed in self._feeds.values():
                feed.prices.catch_up()

    def _breached(self, feed: TapedAccounts, breach: Breach) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._count("lost")
            return
        self._waiting[breach.record.verdict_id] = (feed, breach, False)
        self._came.set()

    async def _cut(
        self, feed: TapedAccounts, breach: Breach, *, was_cut: bool, pause_s: float = PAUSE_S
    ) -> None:
        name = breach.record.verdict_id
        try:
            tape = await _slowly(cutting(feed, breach, self._clock.wall_msc()), pause_s)
            if self.store is not None:
                await self.store.keep(tape)
        except AdapterError as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001  evidence: no reason to end the engine
            self._failed(f"{name}: {type(error).__name__}: {error}")
        else:
            self._has_failed = False
            self._count("kept")
        if was_cut:
            self._waiting.pop(name, None)
        else:
            self._waiting[name] = (feed, breach, True)

    def _failed(self, cause: str) -> None:
        self._count("failed")
        if not self._has_failed:
            self.on_failure(cause)
        self._has_failed = True

    def _count(self, outcome: Outcome) -> None:
        self._meter.count("tapes", label=outcome)


async def _slowly(
    work: Generator[None, None, VerdictTape], pause_s: float = PAUSE_S
) -> VerdictTape:
    """What comes of it; others have their turns between its parts."""
    while True:
        try:
            next(work)
        except StopIteration as done:
            tape: VerdictTape = done.value
            return tape
        await trio.sleep(pause_s)


def _due_msc(waiting: tuple[TapedAccounts, Breach, bool]) -> int:
    _, breach, was_cut = waiting
    return breach.record.time_msc + (POLLED_MSC if was_cut else AFTER_MSC) + SETTLE_MSC


def tape_from(body: bytes) -> VerdictTape:
    """A tape that was kept.

    Raises:
        msgspec.MsgspecError: it is none.
    """
    return msgspec.msgpack.decode(body, type=VerdictTape)


def tape_body(tape: VerdictTape) -> bytes:
    """A tape, to be kept."""
    return msgspec.msgpack.encode(tape)
