"""What clients of the internal socket subscribed to: records without loss, snapshots as they can.

Neither slows the engine. Records wait in a bounded queue of the tap; those that found it full are
said to be missed, and are then read from the journal. Snapshots are only ever the newest, are built
for all readers together, and within a share of the loop's time: with more accounts or more readers
than that pays for, each is simply sent less often.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import trio

from engine.client.wire import pack, pack_raw, pack_shown
from engine.desk import Desk
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.tap import Listener
from facade.internal_calls import PAGE, TURN_S
from facade.internal_packed import Packed, Version

if TYPE_CHECKING:
    from facade.internal_connection import Connection

FASTEST_HZ, SLOWEST_HZ = 50.0, 0.1
BEHIND_S = 0.1
"""Of a snapshot, behind the last tick, at most; and at most half the reader's period."""
AGAIN_S = 1.0
"""After so long one is sent though nothing happened: a valuation turns stale by itself."""
SHARE = 0.2
"""Of one core, the most that building snapshots for subscriptions may take."""

_encoder = msgspec.msgpack.Encoder()


class EventsWanted(msgspec.Struct):
    """`keys`: of these accounts, or of all; `after`: of these first what came after a `seq`."""

    keys: list[AccountKey] | None = None
    after: list[tuple[AccountKey, int]] = []


class SnapshotsWanted(msgspec.Struct):
    """`keys`: these accounts, or all."""

    keys: list[AccountKey] | None = None
    rate_hz: float = 4.0


class Pushes:
    """For all clients of one desk."""

    def __init__(self, desk: Desk) -> None:
        self.missed = 0
        """Records that found a reader's queue full; all were read again from the journal."""
        self._desk = desk
        self.packed = Packed(desk)
        self._turn = trio.Lock()

    # Records

    async def events(self, client: "Connection", wanted: EventsWanted, listener: Listener) -> None:
        """Old records first, then new ones; none twice, none lost, in order for each account.

        A reader that took its `seq` from a snapshot may be ahead of the disk: what it has not
        been told as a record, it is told once that is durable.

        Args:
            listener: of `wanted.keys`; hears already, and is closed here.
        """
        try:
            sent: dict[AccountKey, int] = {}
            for key, seq in wanted.after:
                since = listener.since.get(key)
                is_behind = since is None or seq < since
                sent[key] = await self._catch_up(client, key, seq) if is_behind else since or 0
            while True:
                for record in await listener.wait():
                    await self._one(client, record, sent)
                if listener.missed:
                    await self._heal(client, listener, sent)
        finally:
            listener.close()

    async def _one(self, client: "Connection", record: Record, sent: dict[AccountKey, int]) -> None:
        key = AccountKey(record.server, record.login)
        last = sent.get(key)
        if last is not None and record.seq > last + 1:  # some found the queue full
            last = await self._catch_up(client, key, last)
        if last is None or record.seq > last:
            await client.room()
            _push(client, record)
            last = record.seq
        sent[key] = last

    async def _heal(
        self, client: "Connection", listener: Listener, sent: dict[AccountKey, int]
    ) -> None:
        missed, listener.missed = listener.missed, 0
        self.missed += missed
        client.say(pack(0, "missed", missed))
        for key, seq in list(sent.items()):
            sent[key] = await self._catch_up(client, key, seq)

    async def _catch_up(self, client: "Connection", key: AccountKey, seq: int) -> int:
        """Sends what the journal has after `seq`, at the reader's pace; the last `seq` sent."""
        while page := await self._desk.records(key, seq, PAGE):
            await client.room()
            for record in page:
                _push(client, record)
            seq = page[-1].seq
            if len(page) < PAGE:
                break
        return seq

    # Snapshots

    async def snapshots(self, client: "Connection", wanted: SnapshotsWanted) -> None:
        """The newest of each that changed; what the reader cannot take is skipped."""
        period_s = 1.0 / min(FASTEST_HZ, max(SLOWEST_HZ, wanted.rate_hz))
        known = set(self._desk.keys())
        keys = self._desk.keys() if wanted.keys is None else [k for k in wanted.keys if k in known]
        sent: dict[AccountKey, tuple[float, Version]] = {}
        due_s = trio.current_time()
        while True:
            await self._round(client, keys, sent, min(BEHIND_S, period_s / 2))
            due_s = max(due_s + period_s, trio.current_time())
            await trio.sleep_until(due_s)

    async def _round(
        self,
        client: "Connection",
        keys: Sequence[AccountKey],
        sent: dict[AccountKey, tuple[float, Version]],
        behind_s: float,
    ) -> None:
        began_s = trio.current_time()
        for key in keys:
            last = sent.get(key)
            now_s = trio.current_time()
            is_due = last is None or now_s - last[0] >= AGAIN_S
            if is_due or (last is not None and last[1] != self._desk.version(key)):
                await client.room()
                version, packed = self.packed.get(key, behind_s)
                if is_due or (last is not None and last[1] != version):
                    sent[key] = (now_s, version)
                    client.say(pack_shown(key.server, key.login, *version, packed))
            if (now_s := trio.current_time()) - began_s >= TURN_S:
                # Held for the rest: all subscriptions together keep to the share.
                async with self._turn:
                    await trio.sleep((now_s - began_s) * (1.0 / SHARE - 1.0))
                began_s = trio.current_time()


def _push(client: "Connection", record: Record) -> None:
    client.say(pack_raw(0, "event", _encoder.encode(record)))
