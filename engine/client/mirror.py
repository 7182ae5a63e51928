"""A `Desk` in another process: every account held in memory, as the engine last pushed it.

Reads are as quick as the engine's own and never reach it. Ages go on counting here, so what is read
never looks younger than it is; when the engine is away, every valuation is stale and says since
when. Works under Trio and asyncio.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
from msgspec.structs import replace

from engine.board import Encoded
from engine.client.address import Address, failed
from engine.client.async_client import AsyncClient, open_client
from engine.client.mirror_views import LOST_AFTER_S, Held, aged, away_health, blank_health
from engine.client.wire import Answer, Shown
from engine.desk import Health, Taken
from engine.domain.commands import Command, Refused, Respec
from engine.domain.ids import AccountKey
from engine.domain.outlook import Outlook
from engine.domain.records import AnyRecord, Record
from engine.domain.snapshot import Snapshot
from engine.equity_history import Bucket, PeriodStatistics
from engine.errors import AdapterError
from engine.tap import QUEUE_RECORDS, Listener, Tap
from engine.tape import PricePoint
from engine.tape_cut import VerdictTape

PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Before it tries again, each with jitter; the last for ever."""
HEALTH_S = 1.0
FILLING_S = 0.02
"""So often it looks whether every account came."""
ANSWER_S = 10.0

_packer = msgspec.msgpack.Encoder()
_encoder = msgspec.json.Encoder()


class MirrorListener(Listener):
    """A reader of records that waits under Trio and asyncio alike."""

    def __init__(
        self, tap: Tap, wanted: Callable[[AccountKey], bool] | None, queue_records: int
    ) -> None:
        super().__init__(tap, wanted, queue_records)
        self._heard = anyio.Event()

    def hear(self, key: AccountKey, records: Sequence[Record]) -> None:
        """See `Listener.hear`."""
        super().hear(key, records)
        self._heard.set()

    async def wait(self) -> list[Record]:
        """See `Listener.wait`."""
        await anyio.lowlevel.checkpoint()
        while not (taken := self.take()) and not self.missed:
            self._heard = anyio.Event()
            await self._heard.wait()
        return taken


class Mirror:
    """`async with anyio.create_task_group() as group: group.start_soon(mirror.run)`."""

    def __init__(
        self,
        address: Address,
        token: str = "",
        *,
        rate_hz: float = 4.0,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rate_hz`: how often an account that changes is to come, at most."""
        self.tap = MirrorTap()
        self.tapes = MirrorTapes(self._asked)
        self.connects = 0
        """How often it found an engine."""
        self._address = address
        self._token = token
        self._rate_hz = rate_hz
        self._monotonic_s = monotonic_s
        self._client: AsyncClient | None = None
        self._keys: tuple[AccountKey, ...] = ()
        self._held: dict[AccountKey, Held] = {}
        self._fresh: set[AccountKey] = set()
        self._seqs: dict[AccountKey, int] = {}
        self._health: Health = blank_health("no engine was reached yet")
        self._heard_s = monotonic_s()
        self._full = anyio.Event()

    async def run(self) -> None:
        """Follows the engine for ever; where it is away, tries again with pauses."""
        tries = 0
        random = Random()  # noqa: S311  spreads retries
        while True:
            connects = self.connects
            with suppress(AdapterError, KeyError, OSError, msgspec.MsgspecError):
                await self._follow()
            self._client = None
            tries = 0 if self.connects > connects else tries + 1
            pause_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
            await anyio.sleep(pause_s * random.uniform(0.5, 1.0))

    async def ready(self) -> None:
        """Returns once every account of an engine is held, and its records come."""
        await self._full.wait()

    @property
    def is_full(self) -> bool:
        """Whether every account came since the engine was found."""
        return bool(self.connects) and len(self._fresh) >= len(self._keys)

    @property
    def is_away(self) -> bool:
        """Whether the engine is not heard."""
        return self._client is None or self._silent_s() > LOST_AFTER_S

    def _silent_s(self) -> float:
        return self._monotonic_s() - self._heard_s

    # Following

    async def _follow(self) -> None:
        async with open_client(self._address, self._token, self._take) as client:
            self._keys = tuple(await client.keys())
            for gone in self._held.keys() - set(self._keys):
                del self._held[gone]
            self._health = await client.health()
            self._heard_s = self._monotonic_s()
            self._client = client
            self.connects += 1
            self._fresh.clear()
            await client.subscribe_snapshots(None, self._rate_hz)
            has_events = False
            while True:
                if not has_events and self.is_full:
                    # From what is held on: no record lies between a snapshot and the first pushed.
                    await self._hear_events(client)
                    has_events = True
                    self._full.set()
                with anyio.fail_after(ANSWER_S):
                    self._health = await client.health()
                self._heard_s = self._monotonic_s()
                await anyio.sleep(HEALTH_S if has_events else FILLING_S)

    async def _hear_events(self, client: AsyncClient) -> None:
        """From what was heard last, or is held; a snapshot may be ahead of what is durable."""
        after = {key: self._seq_of(key) for key in self._keys}
        since = await client.subscribe_events(after)
        for key, seq in after.items():
            began = min(seq, since.get(key, 0))
            # Some may have been pushed by now.
            self._seqs[key] = max(self._seqs.get(key, 0), began)
        self.tap.begin(self._seqs)

    def _seq_of(self, key: AccountKey) -> int:
        known = self._seqs.get(key)
        return self._held[key].base().seq if known is None else known

    def _take(self, answer: Answer) -> None:
        self._heard_s = self._monotonic_s()
        if answer.outcome == "snapshot":
            shown: Shown = answer.read(Shown)
            key = AccountKey(shown.server, shown.login)
            version = (shown.steps, shown.ticks)
            self._held[key] = Held(version, bytes(shown.packed), self._heard_s)
            self._fresh.add(key)
        elif answer.outcome == "event":
            record: AnyRecord = answer.read(AnyRecord)
            key = AccountKey(record.server, record.login)
            if record.seq > self._seqs.get(key, 0):
                self._seqs[key] = record.seq
                self.tap.publish(key, (record,))

    # The desk

    def keys(self) -> tuple[AccountKey, ...]:
        """See `Desk.keys`; empty before the first engine."""
        return self._keys

    def version(self, key: AccountKey) -> tuple[int, int]:
        """See `Desk.version`; another one while the engine is away."""
        steps, ticks = self._held[key].version
        is_away = self.is_away or key not in self._fresh
        return (steps, -1 - ticks) if is_away else (steps, ticks)

    def snapshot(self, key: AccountKey) -> Snapshot:
        """See `Desk.snapshot`: as it was pushed, with ages of now."""
        return self._shown(key).snapshot

    def encoded(self, key: AccountKey) -> Encoded:
        """See `Desk.encoded`."""
        held = self._shown(key)
        if held.encoded is None:
            shown = held.snapshot
            feed_version = -1 - shown.feed_version if held.shown_away else shown.feed_version
            held.encoded = Encoded(shown.seq, feed_version, _encoder.encode(shown))
        return held.encoded

    def packed(self, key: AccountKey) -> bytes:
        """See `Desk.packed`."""
        held = self._shown(key)
        if held.repacked is None:
            held.repacked = _packer.encode(held.snapshot)
        return held.repacked

    def _shown(self, key: AccountKey) -> Held:
        held = self._held[key]
        now_s = self._monotonic_s()
        is_unheard = self._client is None or now_s - self._heard_s > LOST_AFTER_S
        is_away = is_unheard or key not in self._fresh
        if now_s >= held.shown_until_s or is_away is not held.shown_away:
            silent_s = now_s - held.arrived_s if is_away else None
            held.show(aged(held.base(), now_s - held.arrived_s, silent_s), now_s, is_away=is_away)
        return held

    def health(self) -> Health:
        """See `Desk.health`; not ready while the engine is away, or an account is not here yet."""
        if self.is_away:
            return away_health(self._health, self._silent_s(), is_known=bool(self.connects))
        if not self.is_full:
            return replace(self._health, is_ready=False, reason="not every account is here yet")
        return self._health

    def listen(self, keys: Sequence[AccountKey] | None = None) -> Listener:
        """See `Desk.listen`: what the engine said while it was not heard comes later, in order."""
        return self.tap.listen(None if keys is None else frozenset(keys).__contains__)

    async def records(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """See `Desk.records`; asks the engine.

        Raises:
            AdapterError: it is away.
        """
        with suppress(KeyError):
            return await self._asked().records(key, after_seq, limit)
        return []

    async def equity(
        self, key: AccountKey, bucket_s: int, from_msc: int, to_msc: int
    ) -> Sequence[Bucket]:
        """See `Desk.equity`; asks the engine."""
        return await self._asked().equity(key, bucket_s, from_msc, to_msc)

    async def outlook(self, key: AccountKey, command: Respec) -> Outlook:
        """See `Desk.outlook`; asks the engine."""
        return await self._asked().outlook(key, command)

    async def command(self, key: AccountKey, command: Command) -> Taken | Refused:
        """See `Desk.command`; asks the engine.

        Raises:
            AdapterError: it is away; or went before it answered, and then nobody here knows.
        """
        return await self._asked().command(key, command)

    async def statistics(self, key: AccountKey, from_msc: int, to_msc: int) -> PeriodStatistics:
        """See `Desk.statistics`; asks the engine."""
        return await self._asked().statistics(key, from_msc, to_msc)

    async def tell_kill_switch(self, by: str, action: str, accounts: int, reason: str) -> None:
        """Has the engine tell people that everything is stopped.

        Raises:
            AdapterError: it is away, and so is whatever was to be stopped.
        """
        await self._asked().tell_kill_switch(by, action, accounts, reason)

    async def ask_report(self, key: AccountKey) -> bool:
        """See `Desk.ask_report`; asks the engine."""
        return await self._asked().ask_report(key)

    async def verdict(self, verdict_id: str, keys: Sequence[AccountKey] | None = None) -> Any:
        """See `Desk.verdict`; asks the engine."""
        return await self._asked().verdict(verdict_id, keys)

    def _asked(self) -> AsyncClient:
        if self._client is None:
            raise failed("it is away")
        return self._client


class MirrorTapes:
    """`TapeReader` over the client of the moment: what is not here is asked for."""

    def __init__(self, asked: Callable[[], AsyncClient]) -> None:
        self._asked = asked

    async def of_verdict(self, verdict_id: str) -> VerdictTape | None:
        """See `TapeReader.of_verdict`; asks the engine."""
        return await self._asked().tape(verdict_id)

    async def prices(
        self, key: AccountKey, symbol: str, from_msc: int, to_msc: int
    ) -> Sequence[PricePoint] | None:
        """See `TapeReader.prices`; asks the engine."""
        return await self._asked().prices(key, symbol, from_msc, to_msc)


class MirrorTap(Tap):
    """Records as they come from the engine."""

    def begin(self, seqs: Mapping[AccountKey, int]) -> None:
        """The accounts are so far: listeners from here on begin there."""
        for key, seq in seqs.items():
            self._seqs[key] = max(self._seqs.get(key, 0), seq)

    def listen(
        self,
        wanted: Callable[[AccountKey], bool] | None = None,
        queue_records: int = QUEUE_RECORDS,
    ) -> Listener:
        """See `Tap.listen`."""
        listener = MirrorListener(self, wanted, queue_records)
        self._listeners.add(listener)
        return listener
