"""What decided: the record of a verdict, and the input and the state it was decided on."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.domain.account import AccountState
from engine.domain.asking import blank
from engine.domain.ids import AccountKey
from engine.domain.journaled import decode_entry, with_passing
from engine.domain.records import VERDICTS, Record
from engine.ports import Journal, StateStore
from engine.recovery import replayed

PAGE = 1000


async def find_verdict(
    verdict_id: str, keys: Sequence[AccountKey], journal: Journal, store: StateStore
) -> Mapping[str, Any] | None:
    """Everything a verdict was made of, as plain values; None where no account has it.

    It is stepped again from the journal: what is shown is what was, bit for bit. Costs a pass over
    the account's entries.
    """
    for key in keys:
        record = await _record_of(verdict_id, key, journal)
        if record is not None:
            return await _made_of(record, key, store)
    return None


async def _record_of(verdict_id: str, key: AccountKey, journal: Journal) -> Record | None:
    after = 0
    while page := await journal.read(key, after, PAGE):
        for record in page:
            if isinstance(record, VERDICTS) and record.verdict_id == verdict_id:
                return record
        after = page[-1].seq
    return None


async def _made_of(record: Record, key: AccountKey, store: StateStore) -> Mapping[str, Any]:
    after, state = 0, blank(key)
    while page := await store.entries(key, after, PAGE):
        for one in replayed(key, page, state):
            if any(made.seq == record.seq for made in one.records):
                return made_of(record, state, one.entry.body, one.digest, agrees=one.agrees)
            state = one.state
        after = page[-1].number
    return {"record": msgspec.to_builtins(record)}


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
