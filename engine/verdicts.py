"""What decided: the record of a verdict, and the input and the state it was decided on.

Those of this run are known by name. An older one is looked for in the journal and every one is
stepped again, which may take long: one at a time, in short turns, for guards run on the same loop.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import trio

from engine.domain.account import AccountState
from engine.domain.asking import blank
from engine.domain.ids import AccountKey
from engine.domain.journaled import decode_entry, with_passing
from engine.domain.records import VERDICTS, Record
from engine.outside_reads import PIECE, OutsideReads
from engine.ports import StateStore
from engine.recovery import replayed
from engine.tap import Listener, Tap

ENTRIES = 50
"""Read at a time."""
KNOWN = 50_000
"""Verdicts whose record is known by name, the newest."""
TURN_S = 0.001
"""So long at a time stepping keeps the loop, and then leaves it to others for as long."""


class Verdicts:
    """Of one engine."""

    def __init__(
        self,
        tap: Tap,
        reads: OutsideReads,
        store: StateStore,
        last_seq: Callable[[AccountKey], int],
    ) -> None:
        """`last_seq`: of the account's last record, durable or not yet."""
        self._reads = reads
        self._store = store
        self._last_seq = last_seq
        self._known = _Known(tap)
        self._turn = trio.Lock()

    async def find(
        self, verdict_id: str, keys: Sequence[AccountKey]
    ) -> tuple[AccountKey, Mapping[str, Any]] | None:
        """(whose it is, everything it was made of, as plain values); None: not of these accounts.

        It is stepped again from the journal: what is shown is what was, bit for bit. Costs a pass
        over the account's entries; one that is not of this run, over the records of the accounts.
        """
        async with self._turn:
            found = await self._record_of(verdict_id, keys)
            return None if found is None else (found[0], await self._made_of(*found))

    async def _record_of(
        self, verdict_id: str, keys: Sequence[AccountKey]
    ) -> tuple[AccountKey, Record] | None:
        known = self._known.places.get(verdict_id)
        if known is not None:
            key, seq = known
            page = await self._reads.read(key, seq - 1, 1) if key in keys else ()
            return (key, page[0]) if page else None
        left = {key: self._last_seq(key) for key in keys}
        while left := {key: last for key, last in left.items() if last}:  # the newest of all first
            for key, last in left.items():
                after = max(0, last - PIECE)
                for record in await self._reads.read(key, after, last - after):
                    if isinstance(record, VERDICTS) and record.verdict_id == verdict_id:
                        self._known.note(verdict_id, key, record.seq)
                        return key, record
                left[key] = after
                await trio.sleep(TURN_S)
        return None

    async def _made_of(self, key: AccountKey, record: Record) -> Mapping[str, Any]:
        after, state = 0, blank(key)
        began_s = trio.current_time()
        while page := await self._store.entries(key, after, ENTRIES):
            for one in replayed(key, page, state):
                if any(made.seq == record.seq for made in one.records):
                    return made_of(record, state, one.entry.body, one.digest, agrees=one.agrees)
                state = one.state
                took_s = trio.current_time() - began_s
                if took_s >= TURN_S:
                    await trio.sleep(took_s)
                    began_s = trio.current_time()
            after = page[-1].number
        return {"record": msgspec.to_builtins(record)}


class _Known(Listener):
    """Where verdicts are, by their name; keeps no queue."""

    def __init__(self, tap: Tap) -> None:
        super().__init__(tap, None, 0)
        self.places: OrderedDict[str, tuple[AccountKey, int]] = OrderedDict()
        tap.attach(self)

    def hear(self, key: AccountKey, records: Sequence[Record]) -> None:
        """See `Listener.hear`."""
        for record in records:
            if isinstance(record, VERDICTS):
                self.note(record.verdict_id, key, record.seq)

    def note(self, verdict_id: str, key: AccountKey, seq: int) -> None:
        """This verdict is that record."""
        self.places[verdict_id] = (key, seq)
        if len(self.places) > KNOWN:
            self.places.popitem(last=False)


def made_of(
    record: Record, before: AccountState, body: bytes, digest: str, *, agrees: bool
) -> Mapping[str, Any]:
    """A record with the input of its entry's body, met in this state, as plain values."""
    kept = decode_entry(body)
    met = with_passing(before, kept.passing)
    spec = met.spec
    quotes = getattr(kept.input, "quotes", {})
    return {
        "record": msgspec.to_builtins(record),
        "input": msgspec.to_builtins(kept.input),
        "quotes": {
            symbol: {
                "bid": quote.bid,
                "ask": quote.ask,
                "age_ms": max(0, record.time_msc - quote.time_msc),
            }
            for symbol, quote in quotes.items()
        },
        "balance": spec.major(met.balance_minor),
        "credit": spec.major(met.credit_minor),
        "currency": spec.market.deposit,
        "positions": msgspec.to_builtins(met.positions),
        "rules": msgspec.to_builtins(spec.guards),
        "ruleset": spec.ruleset,
        "digest": digest,
        "agrees": agrees,
    }
