"""Streams: changed accounts four times a second, and every durable record, by SSE and WebSocket.

One `Hub` for each set of accounts that somebody watches, whoever watches them. Whichever reader
wakes first makes the delta of that period, encoded once; the others send the same bytes. A delta
is kept for a while (`KEPT`), so a slow reader skips nothing of records and coalesces nothing by
itself: one that falls further behind is told to come back and is let go. Nothing here has a task of
its own, and no reader holds up another or a guard.

The id of an event is where every account of the reader was then: the sequence numbers in the order
of its accounts. So it can be resumed from at any process, after any restart, from the journal.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import NamedTuple

import anyio
from anyio.lowlevel import checkpoint

from engine.desk import Desk
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.domain.snapshot import Snapshot
from engine.tap import Listener
from facade.api_structs_accounts import Views
from facade.codec import encode_record, time_text

KEPT = 64
"""Deltas that a reader may be behind: 16 s at four a second."""
BUILT_A_ROUND = 500
"""Accounts looked at in one period; more take turns, so that no round holds up a guard."""
AGES_EVERY = 4
"""Rounds after which an account without news is looked at again: it may have become stale."""
SLICE = 16
"""Accounts looked at in one turn of the loop."""
HEARTBEAT_S = 2.0
CURSOR_BYTES = 6000
PAGE_RECORDS = 500


class Delta(NamedTuple):
    """What changed in one period."""

    number: int
    snapshots: bytes
    """A JSON array; empty: nothing changed."""
    records: tuple[bytes, ...]
    names: tuple[tuple[AccountKey, int], ...]
    """Account and `seq` of each record."""
    cursor: str


class Hub:
    """What the readers of one set of accounts share."""

    def __init__(self, desk: Desk, views: Views, keys: Sequence[AccountKey], period_s: float):
        """Hears of records from here on; `close` it in the end."""
        self.keys = tuple(keys)
        self.readers = 0
        self._desk = desk
        self._views = views
        self._period_s = period_s
        self._listener: Listener = desk.listen(self.keys)
        # Heard from here on, and where "here" is: what a snapshot has and the disk not yet, comes.
        self._seqs = {key: self._listener.since.get(key, 0) for key in self.keys}
        self._versions: dict[AccountKey, tuple[int, int]] = {}
        self._shown: dict[AccountKey, object] = {}
        self._kept: deque[Delta] = deque(maxlen=KEPT)
        self._number = 0
        self._next = 0
        self._round = 0
        self._due_s = 0.0
        self._lock = anyio.Lock()
        named = "\n".join(map(str, self.keys)).encode()
        self._scope = hashlib.blake2b(named, digest_size=4).hexdigest()

    @property
    def number(self) -> int:
        """Of the newest delta."""
        return self._number

    def close(self) -> None:
        """Hears nothing more."""
        self._listener.close()

    def cursor(self) -> str:
        """Where the deltas are, as text; empty where there are too many accounts."""
        body = bytearray()
        for key in self.keys:
            number = self._seqs[key]
            while number > 0x7F:
                body.append(number & 0x7F | 0x80)
                number >>= 7
            body.append(number)
        text = urlsafe_b64encode(bytes(body)).rstrip(b"=").decode()
        return f"{self._scope}.{text}" if len(text) <= CURSOR_BYTES else ""

    def seqs_of(self, cursor: str) -> dict[AccountKey, int] | None:
        """What a cursor says; None: it is of other accounts, or no cursor."""
        scope, _, text = cursor.partition(".")
        try:
            body = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        numbers, number, shift = [], 0, 0
        for byte in body:
            number |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                numbers.append(number)
                number = shift = 0
            elif shift > 56:
                return None
        if scope != self._scope or len(numbers) != len(self.keys) or shift:
            return None
        return dict(zip(self.keys, numbers, strict=True))

    def ahead(self, cursor: str | None) -> dict[AccountKey, int]:
        """What a reader has of records that are still to come here: of another process."""
        known = self.seqs_of(cursor) if cursor else None
        return {k: seq for k, seq in (known or {}).items() if seq > self._seqs[k]}

    async def everything(self) -> bytes:
        """All accounts as they are now: what a reader begins with."""
        parts = []
        for place, key in enumerate(self.keys):
            if place % SLICE == SLICE - 1:
                await checkpoint()
            parts.append(self._views.of(self._desk.snapshot(key)))
        return b"[" + b",".join(parts) + b"]"

    async def missed(self, cursor: str) -> AsyncGenerator[bytes, None]:
        """Records since that cursor, up to where the deltas go on.

        Raises:
            LookupError: the cursor is of other accounts.
        """
        known = self.seqs_of(cursor)
        if known is None:
            raise LookupError(cursor)
        until = dict(self._seqs)
        for key, seq in known.items():
            after = seq
            while after < until[key]:
                limit = min(PAGE_RECORDS, until[key] - after)
                page = await self._desk.records(key, after, limit)
                if not page:
                    break
                for record in page:
                    yield encode_record(record)
                after = page[-1].seq

    async def after(self, number: int) -> list[Delta] | None:
        """Deltas after that one, the newest made now if it is time; None: too far behind."""
        async with self._lock:
            if anyio.current_time() >= self._due_s:
                self._due_s = anyio.current_time() + self._period_s
                # A reader that goes in the midst of it takes nothing from the others.
                with anyio.CancelScope(shield=True):
                    await self._make()
        if self._kept and self._kept[0].number > number + 1:
            return None
        return [delta for delta in self._kept if delta.number > number]

    async def _make(self) -> None:
        changed = await self._changed()
        heard = await self._heard()
        records = tuple(map(encode_record, heard))
        names = tuple((AccountKey(one.server, one.login), one.seq) for one in heard)
        if not records and not changed:
            return
        self._number += 1
        body = b"[" + b",".join(changed) + b"]" if changed else b""
        cursor = self.cursor() if records else ""
        self._kept.append(Delta(self._number, body, records, names, cursor))

    async def _heard(self) -> list[Record]:
        """Durable records since the last time, each once; what did not fit the journal has."""
        if self._listener.missed:
            found = await self._read_again()
        else:
            found = self._listener.take()
        fresh = []
        for record in found:
            key = AccountKey(record.server, record.login)
            if record.seq > self._seqs[key]:  # else it came while the journal was read
                self._seqs[key] = record.seq
                fresh.append(record)
        return fresh

    async def _read_again(self) -> list[Record]:
        """Every record since the last that was heard; the tap may say some again."""
        self._listener.take()
        missed, self._listener.missed = self._listener.missed, 0
        found: list[Record] = []
        try:
            for key in self.keys:
                after = self._seqs[key]
                while page := await self._desk.records(key, after, PAGE_RECORDS):
                    found += page
                    after = page[-1].seq
        except BaseException:
            self._listener.missed += missed
            raise
        return found

    async def _changed(self) -> list[bytes]:
        """Accounts that differ by more than their age, a bounded number of them a round."""
        changed: list[bytes] = []
        built = 0
        self._round += 1
        first = self._next
        for step in range(len(self.keys)):
            place = (first + step) % len(self.keys)
            if built >= BUILT_A_ROUND:
                self._next = place
                break
            key = self.keys[place]
            version = self._desk.version(key)
            # Without a new version only its age can differ: looked at every few rounds.
            if self._versions.get(key) == version and (place + self._round) % AGES_EVERY:
                continue
            built += 1
            if built % SLICE == 0:
                await checkpoint()
            self._versions[key] = version
            snapshot = self._desk.snapshot(key)
            shown = _shown(snapshot)
            if self._shown.get(key) != shown:
                self._shown[key] = shown
                changed.append(self._views.of(snapshot))
        return changed


def _shown(snapshot: Snapshot) -> object:
    """What of an account a reader would see change; ages it counts by itself."""
    return (
        snapshot.seq,
        snapshot.equity,
        snapshot.balance,
        snapshot.margin,
        snapshot.quality,
        snapshot.halts,
        snapshot.reason if snapshot.quality.value == "unknown" else None,
        tuple(position.current_price for position in snapshot.positions),
        tuple((guard.distance, guard.floor, guard.breached) for guard in snapshot.guards),
        None
        if snapshot.live is None
        else (
            snapshot.live.link.state,
            snapshot.live.closes,
            len(snapshot.live.discrepancies),
            snapshot.live.orders,
            len(snapshot.live.intents),
        ),
    )


class Hubs:
    """Hubs by their accounts, and how many streams each subject has."""

    def __init__(self, desk: Desk, views: Views, period_s: float, per_subject: int) -> None:
        self._desk = desk
        self._views = views
        self._period_s = period_s
        self._per_subject = per_subject
        self._hubs: dict[tuple[AccountKey, ...], Hub] = {}
        self._open: dict[str, int] = {}

    @property
    def streams(self) -> int:
        """How many are open."""
        return sum(self._open.values())

    def enter(self, subject: str, keys: tuple[AccountKey, ...]) -> Hub | None:
        """The hub of these accounts; None: the subject has as many streams as it may."""
        if self._open.get(subject, 0) >= self._per_subject:
            return None
        hub = self._hubs.get(keys)
        if hub is None:
            hub = self._hubs[keys] = Hub(self._desk, self._views, keys, self._period_s)
        hub.readers += 1
        self._open[subject] = self._open.get(subject, 0) + 1
        return hub

    def leave(self, subject: str, hub: Hub) -> None:
        """One reader less; the last one closes the hub."""
        hub.readers -= 1
        self._open[subject] -= 1
        if not self._open[subject]:
            del self._open[subject]
        if not hub.readers:
            hub.close()
            self._hubs.pop(hub.keys, None)


class Frame(NamedTuple):
    """One event of a stream."""

    name: str
    """`snapshots`, `event`, `heartbeat`, `resync`, `behind`, `stopping`, `expired`."""
    body: bytes
    cursor: str = ""


async def frames(
    hub: Hub, cursor: str | None, stopping: anyio.Event, period_s: float, left_s: float, desk: Desk
) -> AsyncGenerator[Frame, None]:
    """What one reader is sent, until the program stops, the token runs out, or it is too slow."""
    # One moment: up to the cursor by the journal, from the number on by deltas.
    number, began, ahead = hub.number, hub.cursor(), hub.ahead(cursor)
    if cursor:
        try:
            async with aclosing(hub.missed(cursor)) as missed:
                async for record in missed:
                    yield Frame("event", record)
        except LookupError:
            yield Frame("resync", b'{"reason":"of other accounts: read the events again"}')
    yield Frame("snapshots", await hub.everything(), began)
    end_s = anyio.current_time() + left_s
    beat_s = anyio.current_time() + HEARTBEAT_S
    while anyio.current_time() < end_s:
        deltas = await hub.after(number)
        if deltas is None:
            yield Frame("behind", b'{"reason":"too slow: come again with Last-Event-ID"}')
            return
        for delta in deltas:
            number = delta.number
            told = delta.records
            if ahead:
                pairs = zip(delta.names, delta.records, strict=True)
                told = tuple(body for (key, seq), body in pairs if seq > ahead.get(key, 0))
            for place, record in enumerate(told):
                is_last = place == len(told) - 1
                yield Frame("event", record, delta.cursor if is_last else "")
            if delta.snapshots:
                yield Frame("snapshots", delta.snapshots)
        if anyio.current_time() >= beat_s:
            beat_s = anyio.current_time() + HEARTBEAT_S
            yield Frame("heartbeat", b'{"time":"%b"}' % time_text(desk.health().time_msc).encode())
        with anyio.move_on_after(period_s):
            await stopping.wait()
        if stopping.is_set():
            yield Frame("stopping", b'{"reason":"the program stops"}')
            return
    yield Frame("expired", b'{"reason":"sign in again"}')
