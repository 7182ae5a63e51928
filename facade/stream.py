"""Streams: changed accounts four times a second, and every durable record, by SSE and WebSocket.

One `Hub` for each set of accounts that somebody watches, whoever watches them. Whichever reader
wakes first makes the delta of that period, encoded once; the others send the same bytes. A delta
is kept for a while (`KEPT`), so a slow reader skips nothing of records and coalesces nothing by
itself: one that falls further behind is told to come back and is let go. Nothing here has a task of
its own, and no reader holds up another or a guard.

The id of an event is where every account of its reader is then (`stream_ids.py`): with that it is
resumed from at any process, after any restart, from the journal. A reader that comes from a process
which was ahead of this one keeps its own place until this one has caught up: it is told nothing
again, and no id it is given is behind what it has.
"""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import NamedTuple

import anyio
from anyio.lowlevel import checkpoint

from engine.desk import Desk
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.domain.snapshot import Snapshot
from engine.errors import AdapterError
from engine.tap import Listener
from facade.api_structs_accounts import Views
from facade.codec import encode_record, time_text
from facade.stream_ids import Ids, Position

KEPT = 64
"""Deltas that a reader may be behind: 16 s at four a second."""
BUILT_A_ROUND = 500
"""Accounts looked at in one period; more take turns, so that no round holds up a guard."""
AGES_EVERY = 4
"""Rounds after which an account without news is looked at again: it may have become stale."""
SLICE = 16
"""Accounts looked at in one turn of the loop."""
HEARTBEAT_S = 2.0
PAGE_RECORDS = 500
ENCODED_A_TURN = 64
"""Records encoded in one turn of the loop."""


class Told(NamedTuple):
    """One record as readers are told it."""

    key: AccountKey
    seq: int
    body: bytes
    cursor: str
    """Its id; empty: none is due."""


class Delta(NamedTuple):
    """What changed in one period."""

    number: int
    snapshots: bytes
    """A JSON array; empty: nothing changed."""
    records: tuple[Told, ...]


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
        self._ids = Ids(keys)
        self._at = Position(self._ids, self._listener.since)
        self._versions: dict[AccountKey, tuple[int, int]] = {}
        self._shown: dict[AccountKey, object] = {}
        self._kept: deque[Delta] = deque(maxlen=KEPT)
        self._number = 0
        self._next = 0
        self._round = 0
        self._due_s = 0.0
        self._lock = anyio.Lock()

    @property
    def number(self) -> int:
        """Of the newest delta."""
        return self._number

    def close(self) -> None:
        """Hears nothing more."""
        self._listener.close()

    def cursor(self) -> str:
        """Where the deltas are, as an id."""
        return self._at.text()

    def seqs_of(self, cursor: str) -> dict[AccountKey, int] | None:
        """See `Ids.read`."""
        return self._ids.read(cursor)

    def says_too_many(self, cursor: str) -> bool:
        """See `Ids.says_too_many`."""
        return self._ids.says_too_many(cursor)

    def place_of(self, cursor: str | None) -> tuple[Position, dict[AccountKey, int]]:
        """(where a reader with that id is once it has what was missed, what it has of records
        that are still to come here: those of another process)."""
        known = self.seqs_of(cursor) if cursor else None
        at = self._at.copy()
        ahead = {k: seq for k, seq in (known or {}).items() if seq > at.seqs[k]}
        for key, seq in ahead.items():
            at.move(key, seq)
        return at, ahead

    async def everything(self) -> bytes:
        """All accounts as they are now: what a reader begins with."""
        parts = []
        for place, key in enumerate(self.keys):
            if place % SLICE == SLICE - 1:
                await checkpoint()
            parts.append(self._views.of(self._desk.snapshot(key)))
        return b"[" + b",".join(parts) + b"]"

    async def missed(self, cursor: str) -> AsyncGenerator[Told, None]:
        """Records since that cursor, up to where the deltas go on.

        Raises:
            LookupError: the cursor is of other accounts.
        """
        known = self.seqs_of(cursor)
        if known is None:
            raise LookupError(cursor)
        until = self._at.seqs.copy()
        at = Position(self._ids, known)
        for key, seq in known.items():
            after = seq
            while after < until[key]:
                limit = min(PAGE_RECORDS, until[key] - after)
                page = await self._desk.records(key, after, limit)
                if not page:
                    break
                for record in page:
                    body = encode_record(record)
                    yield Told(key, record.seq, body, at.id_of(key, record.seq, body))
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
        if not heard and not changed:
            return
        # Where the deltas are changes with the number of the newest: whoever comes meanwhile
        # begins at the one before.
        at = self._at.copy() if heard else self._at
        told = []
        for place, record in enumerate(heard):
            if place % ENCODED_A_TURN == ENCODED_A_TURN - 1:
                await checkpoint()
            key, body = AccountKey(record.server, record.login), encode_record(record)
            is_last = place == len(heard) - 1
            written = at.id_of(key, record.seq, body, is_last=is_last)
            told.append(Told(key, record.seq, body, written))
        self._at = at
        self._number += 1
        whole = b"[" + b",".join(changed) + b"]" if changed else b""
        self._kept.append(Delta(self._number, whole, tuple(told)))

    async def _heard(self) -> list[Record]:
        """Durable records since the last time, each once; what did not fit the journal has."""
        if self._listener.missed:
            found = await self._read_again()
        else:
            found = self._listener.take()
        fresh = []
        last: dict[AccountKey, int] = {}
        for record in found:
            key = AccountKey(record.server, record.login)
            # Else it came while the journal was read.
            if record.seq > last.get(key, self._at.seqs[key]):
                last[key] = record.seq
                fresh.append(record)
        return fresh

    async def _read_again(self) -> list[Record]:
        """Every record since the last that was heard; the tap may say some again."""
        self._listener.take()
        missed, self._listener.missed = self._listener.missed, 0
        found: list[Record] = []
        try:
            for key in self.keys:
                after = self._at.seqs[key]
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
    hub: Hub,
    cursor: str | None,
    stopping: anyio.Event,
    period_s: float,
    left_s: float,
    desk: Desk,
    is_withdrawn: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[Frame, None]:
    """What one reader is sent, until the program stops, the token runs out, or it is too slow.

    `is_withdrawn` is asked with each heartbeat: whether the token or session was denied meanwhile.
    """
    # One moment: up to the cursor by the journal, from the number on by deltas.
    number, (at, ahead) = hub.number, hub.place_of(cursor)
    began = at.text()
    end_s = anyio.current_time() + left_s
    beat_s = anyio.current_time() + HEARTBEAT_S
    try:
        if cursor and hub.seqs_of(cursor) is None:
            yield Frame("resync", _TOO_MANY if hub.says_too_many(cursor) else _OF_OTHERS)
        elif cursor:
            async with aclosing(hub.missed(cursor)) as missed:
                async for one in missed:
                    yield Frame("event", one.body, one.cursor)
                    if anyio.current_time() >= end_s:
                        yield _EXPIRED
                        return
        yield Frame("snapshots", await hub.everything(), began)
        while anyio.current_time() < end_s:
            deltas = await hub.after(number)
            if deltas is None:
                yield Frame("behind", b'{"reason":"too slow: come again with Last-Event-ID"}')
                return
            for delta in deltas:
                number = delta.number
                for told in _told(delta.records, at, ahead):
                    yield told
                if delta.snapshots:
                    yield Frame("snapshots", delta.snapshots)
            now_s = anyio.current_time()
            if now_s >= beat_s:
                beat_s = now_s + HEARTBEAT_S
                if is_withdrawn():
                    break
                yield Frame("heartbeat", _beat(desk))
            with anyio.move_on_after(period_s):
                await stopping.wait()
            if stopping.is_set():
                yield Frame("stopping", b'{"reason":"the program stops"}')
                return
    except AdapterError:  # of the journal, through the engine: what was not told comes then
        yield Frame("behind", b'{"reason":"the engine is away: come again with Last-Event-ID"}')
        return
    yield _EXPIRED


def _told(records: Sequence[Told], at: Position, ahead: dict[AccountKey, int]) -> Iterator[Frame]:
    """Those of a delta that a reader has not, with ids that hold all it has.

    Args:
        records: of the delta, in order.
        at: where the reader is; not moved once `ahead` is empty.
        ahead: what it has of another process; less with each record that is here too.
    """
    for one in records:
        if not ahead:
            yield Frame("event", one.body, one.cursor)
        elif one.seq > ahead.get(one.key, 0):
            yield Frame("event", one.body, at.id_of(one.key, one.seq, one.body))
        if one.seq >= ahead.get(one.key, one.seq + 1):
            del ahead[one.key]


def _beat(desk: Desk) -> bytes:
    return b'{"time":"%b"}' % time_text(desk.health().time_msc).encode()


_EXPIRED = Frame("expired", b'{"reason":"sign in again"}')
_OF_OTHERS = b'{"reason":"of other accounts: read the events again"}'
_TOO_MANY = b'{"reason":"too many accounts for an id: read the events again"}'
