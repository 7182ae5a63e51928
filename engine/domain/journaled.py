"""What a journal keeps of a step, so that it can be made again, bit for bit.

Most ticks and heartbeats change only what the next one changes anyway (marks, ages, counters): they
are not kept. So each input that is kept carries that part of the state it met, and

    step(with_passing(state, kept.passing), kept.input)

is the state that was, whose digest stands beside it.
"""

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.commands import Command, Refused
from engine.domain.discrepancies import Discrepancy
from engine.domain.effects import Effect, KeepClose, Publish
from engine.domain.feeds import FeedDoubt
from engine.domain.inputs import Event, Input
from engine.domain.link_events import Founded, Linked, MarksNoted, Recovered
from engine.domain.records import Record
from engine.domain.reports import AccountReport
from engine.domain.step import Step, obey, step
from engine.domain.watch import Marks


class LivePassing(msgspec.Struct, frozen=True, array_like=True):
    """What of a live account's own the next heartbeat changes anyway."""

    broker: AccountReport | None
    broker_msc: int
    floor_sent: float | None
    beats_below: int
    sightings: int
    session: str
    n: int
    total_syncs: int
    last_sync_msc: int | None
    open_positions: int
    matched_positions: int
    rows: tuple[Discrepancy, ...]
    """Sightings count up without a record."""
    feed_doubt: FeedDoubt | None = None


class Passing(msgspec.Struct, frozen=True, array_like=True):
    """What of an account changes without being kept."""

    time_msc: int
    marks: Marks
    known: bool
    untested: bool
    tests: tuple[tuple[int | None, int | None], ...]
    """Of each guard: when it was last evaluated, and its distance then."""
    live: LivePassing | None


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """The body of a journal's entry."""

    passing: Passing
    input: Input


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Kept] = msgspec.msgpack.Decoder(Kept)
_state_decoder: msgspec.msgpack.Decoder[AccountState] = msgspec.msgpack.Decoder(AccountState)

_ALWAYS = (Founded, Linked, MarksNoted, Recovered)
"""Kept whatever they change."""


def passing_of(state: AccountState) -> Passing:
    """That part of a state."""
    live = state.live
    return Passing(
        state.time_msc,
        state.marks,
        state.known,
        state.untested,
        tuple([(guard.evaluated_at_msc, guard.distance_minor) for guard in state.guards]),
        None
        if live is None
        else LivePassing(
            live.broker,
            live.broker_msc,
            live.floor_sent,
            live.beats_below,
            live.sightings,
            live.book.session,
            live.book.n,
            live.book.total_syncs,
            live.book.last_sync_msc,
            live.book.open_positions,
            live.book.matched_positions,
            live.book.rows,
            None if live.feed_doubt is UNSET else live.feed_doubt,
        ),
    )


def with_passing(state: AccountState, passing: Passing) -> AccountState:
    """The state with that part from elsewhere; the rest stays."""
    live = state.live
    if live is not None and passing.live is not None:
        told = passing.live
        book = replace(
            live.book,
            session=told.session,
            n=told.n,
            total_syncs=told.total_syncs,
            last_sync_msc=told.last_sync_msc,
            open_positions=told.open_positions,
            matched_positions=told.matched_positions,
            rows=told.rows,
        )
        live = replace(
            live,
            broker=told.broker,
            broker_msc=told.broker_msc,
            floor_sent=told.floor_sent,
            beats_below=told.beats_below,
            sightings=told.sightings,
            feed_doubt=UNSET if told.feed_doubt is None else told.feed_doubt,
            book=book,
        )
    guards = tuple(
        [
            replace(guard, evaluated_at_msc=at_msc, distance_minor=distance)
            for guard, (at_msc, distance) in zip(state.guards, passing.tests, strict=True)
        ]
    )
    return replace(
        state,
        time_msc=passing.time_msc,
        marks=passing.marks,
        known=passing.known,
        untested=passing.untested,
        guards=guards,
        live=live,
    )


def must_be_kept(before: AccountState, event: Event | Command, done: Step) -> bool:
    """Whether a step has to be in the journal: what it changed does not change by itself again."""
    if isinstance(event, _ALWAYS):
        return True
    if any(isinstance(effect, Publish | KeepClose) for effect in done.effects):
        return True
    after = done.state
    if after is before:
        return False
    if len(after.guards) != len(before.guards):
        return True
    back = with_passing(after, passing_of(before))
    return not _same(back, before)


def leaves_watch(before: AccountState, event: Event | Command, done: Step) -> bool:
    """Whether a step changed nothing that is kept, nor anything the account is watched for."""
    after = done.state
    same = (
        not done.effects
        and after.known is before.known
        and after.untested is before.untested
        and after.guards is before.guards
        and after.marks is before.marks
    )
    return same and not must_be_kept(before, event, done)


def encode_entry(before: AccountState, taken: Input) -> bytes:
    """The body of the entry for this input, met in this state."""
    return _encoder.encode(Kept(passing_of(before), taken))


def decode_entry(body: bytes) -> Kept:
    """The same again.

    Raises:
        msgspec.MsgspecError: it is none, or of another version.
    """
    return _decoder.decode(body)


def again(state: AccountState, kept: Kept) -> tuple[AccountState, tuple[Record, ...]]:
    """The state after a kept input, and what was published of it.

    Raises:
        ValueError: a command that had been obeyed is refused now: this is not the same history.
    """
    met = with_passing(state, kept.passing)
    taken = kept.input
    if isinstance(taken, Event):
        done: Step | Refused = step(met, taken)
    else:
        done = obey(met, taken)
    if isinstance(done, Refused):
        raise ValueError(f"a command that was obeyed is refused now: {done.reason}")
    return done.state, published(done.effects)


def published(effects: tuple[Effect, ...]) -> tuple[Record, ...]:
    """The records among effects, in order."""
    return tuple([effect.record for effect in effects if isinstance(effect, Publish)])


def encode_state(state: AccountState) -> bytes:
    """A whole state, as a journal keeps it."""
    return _encoder.encode(state)


def decode_state(body: bytes) -> AccountState:
    """The same again.

    Raises:
        msgspec.MsgspecError: it is none, or of another version.
    """
    return _state_decoder.decode(body)


def _same(one: AccountState, other: AccountState) -> bool:
    """Equal, the cheap way first: most fields are the very same object."""
    for name in AccountState.__struct_fields__:
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine is not theirs and mine != theirs:
            return False
    return True
