"""Explaining a verdict: found in the events, recomputed tick by tick, held against what was said.

The recomputation shares neither the marking kernel nor the replay loop: it steps the one account on
every tick, in the order of the contract. So it finds an events file that was changed, a book or
ticks that are not those of the events, and a kernel that was late.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.book import Book
from engine.domain.account import AccountState
from engine.domain.effects import Publish, SendClose
from engine.domain.equity_limits import follows_day_high, tracker_index
from engine.domain.events import Event, Opened, QuoteMarked, TimeReached
from engine.domain.guards import Consistency, EquityLimit, MinDays, ProfitTarget, Reference
from engine.domain.ids import AccountKey
from engine.domain.operating import next_due_msc
from engine.domain.quotes import Quote
from engine.domain.records import (
    VERDICTS,
    Encoding,
    GuardBreach,
    GuardWarning,
    Record,
    RuleBreach,
    RuleWarning,
    Tick,
)
from engine.domain.resetting import next_reset_of
from engine.domain.step import step
from engine.domain.valuation import symbols_needed
from engine.domain.watch import NEVER_MSC
from engine.errors import UserError
from engine.explain_inputs import Inputs, inputs_of
from engine.explain_lines import explanation_lines
from engine.marking.ticks import TickStream
from engine.opening import opening_state
from engine.replay_broker import fill_close, stops_reached

BATCH_TICKS = 65_536

VerdictRecord = GuardWarning | GuardBreach | RuleWarning | RuleBreach

_TIMELESS = (EquityLimit, ProfitTarget, MinDays, Consistency)
"""Guards that only prices, deals and resets can move."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which the recomputation and the events disagree."""

    field: str
    in_events: Any
    recomputed: Any
    """Both None-able; a field the other has not is `absent`."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict, what it came from, and whether recomputing it gives the same."""

    record: VerdictRecord
    """As the events have it."""
    recomputed: VerdictRecord | None
    """None: the ticks and the book give no verdict of that id."""
    differences: tuple[Difference, ...]
    inputs: Inputs | None
    ticks: int
    """Taken until the verdict was reached, or all."""

    @property
    def agrees(self) -> bool:
        """Whether every field is equal."""
        return self.recomputed is not None and not self.differences

    @property
    def lines(self) -> list[str]:
        """The explanation in plain words and numbers."""
        found = explanation_lines(self.recomputed or self.record, self.inputs)
        if self.recomputed is None:
            found.append(
                f"recomputed over {self.ticks} ticks: DISAGREES, these ticks and this book give no"
                f" verdict {self.record.verdict_id}"
            )
        elif self.agrees:
            found.append(f"recomputed over {self.ticks} ticks: agrees in every field")
        else:
            found.append(f"recomputed over {self.ticks} ticks: DISAGREES")
            found += [
                f"  {d.field}: events say {d.in_events!r}, recomputed {d.recomputed!r}"
                for d in self.differences
            ]
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict_id": self.record.verdict_id,
            "agrees": self.agrees,
            "record": msgspec.to_builtins(self.record),
            "recomputed": msgspec.to_builtins(self.recomputed),
            "differences": msgspec.to_builtins(self.differences),
            "inputs": msgspec.to_builtins(self.inputs),
            "ticks": self.ticks,
        }


def explain(
    verdict_id: str,
    events: Path,
    book: Book,
    stream: TickStream,
    progress: Callable[[float], None] | None = None,
) -> Explanation:
    """The verdict of that id in an events file, recomputed. Costs some 10 us a tick.

    Raises:
        UserError: the file has no such verdict or is no events file, or the book no such account.
    """
    return explain_record(find_verdict(verdict_id, events), book, stream, progress)


def explain_record(
    record: VerdictRecord,
    book: Book,
    stream: TickStream,
    progress: Callable[[float], None] | None = None,
) -> Explanation:
    """A verdict that was published, recomputed.

    Raises:
        UserError: the book has no such account.
    """
    key = AccountKey(record.server, record.login)
    account = next((a for a in book.accounts if a.spec.key == key), None)
    if account is None:
        raise UserError(
            f"the book has no account {key}, on which the verdict was made",
            help="name the book of the replay that wrote these events",
        )
    run = _Recomputation(opening_state(account), record)
    total = sum(quality.rows for quality in stream.quality()) or 1
    for batch in stream.batches(BATCH_TICKS):
        times, bids, asks = batch.time_msc.tolist(), batch.bid.tolist(), batch.ask.tolist()
        rows = zip(times, batch.symbol.tolist(), bids, asks, strict=True)
        for time_msc, symbol, bid, ask in rows:
            run.take(time_msc, Tick(run.ticks, batch.symbols[symbol], bid, ask))
            if run.found is not None:
                break
        if run.found is not None:
            break
        if progress is not None:
            progress(min(run.ticks / total, 1.0))
    differences = () if run.found is None else tuple(_differences(record, run.found))
    return Explanation(record, run.found, differences, run.inputs, run.ticks)


def find_verdict(verdict_id: str, events: Path) -> VerdictRecord:
    """The record of that verdict in an events file.

    Raises:
        UserError: there is none, with how many others there are; or the file cannot be read.
    """
    name, verdicts = verdict_id.encode(), 0
    try:
        with events.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if b'"verdict_id"' not in line:
                    continue
                verdicts += 1
                if name in line:
                    record = _parsed(line, f"{events}, line {number}")
                    if isinstance(record, VERDICTS) and record.verdict_id == verdict_id:
                        return record
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror or error}", place=str(events)) from error
    raise UserError(
        f"no verdict {verdict_id!r} among {verdicts} in the events",
        place=str(events),
        help="each guard_warning and guard_breach has its verdict_id"
        if verdicts
        else "write them with tidegate replay --events FILE",
    )


def _parsed(line: bytes, place: str) -> Record:
    try:
        return Encoding.parse(line)
    except msgspec.DecodeError as error:
        raise UserError(f"not a record: {error}", place=place) from error


class _Recomputation:
    """One account stepped on every tick, until it publishes the verdict looked for."""

    def __init__(self, state: AccountState, sought: VerdictRecord) -> None:
        self._state = state
        self._sought = sought
        self._needs = frozenset(symbols_needed(state.spec.market, state.positions))
        self._quotes: dict[str, Quote] = {}
        self._next_reset_msc = NEVER_MSC
        guards = state.spec.guards
        self._timeless = all(isinstance(guard, _TIMELESS) for guard in guards)
        places = [place for place, guard in enumerate(guards) if guard.name == sought.guard]
        self._place = places[0] if places else None
        self._reference: float | int | None = None
        self._since_msc = 0
        self.ticks = 0
        self.found: VerdictRecord | None = None
        self.inputs: Inputs | None = None

    def take(self, time_msc: int, tick: Tick) -> None:
        """Goes on to the next tick."""
        if not self.ticks:
            self._apply(Opened(time_msc), None)
            self._next_reset_msc = next_reset_of(self._state, time_msc)
        while self._next_reset_msc <= time_msc and self.found is None:
            instant = self._next_reset_msc
            self._apply(TimeReached(instant, self._quotes), None)
            self._next_reset_msc = next_reset_of(self._state, instant)
        if self.found is not None:
            return
        self.ticks += 1
        if tick.symbol in self._needs:
            self._quotes[tick.symbol] = Quote(tick.bid, tick.ask, time_msc)
        elif self._is_idle(time_msc):
            return  # the tick of another symbol moves neither the equity nor any limit
        for deal in stops_reached(self._state, time_msc, tick, self._quotes):
            self._apply(deal, tick)
        self._apply(QuoteMarked(time_msc, tick, self._quotes), tick)

    def _is_idle(self, time_msc: int) -> bool:
        state = self._state
        return (
            self._timeless
            and state.known
            and not state.untested
            and next_due_msc(state) > time_msc
            and all(known.close_due_msc is None for known in state.guards)
        )

    def _apply(self, event: Event, tick: Tick | None) -> None:
        done = step(self._state, event)
        self._state = done.state
        self._follow_reference()
        for effect in done.effects:
            if isinstance(effect, Publish):
                self._look_at(effect.record)
        for effect in done.effects:
            if isinstance(effect, SendClose) and self.found is None:
                state, time_msc = self._state, event.time_msc
                self._apply(fill_close(state, effect, time_msc, tick, self._quotes), tick)

    def _look_at(self, record: Record) -> None:
        if isinstance(record, VERDICTS) and record.verdict_id == self._sought.verdict_id:
            self.found = record
            self.inputs = inputs_of(self._state, self._quotes, self._place, self._since_msc)

    def _follow_reference(self) -> None:
        """Notes since when the guard's reference has had its value."""
        if self._place is None:
            return
        state, guard = self._state, self._state.spec.guards[self._place]
        if not isinstance(guard, EquityLimit):
            return
        reference: float | int | None = state.guards[self._place].reference_minor
        if guard.reference is Reference.EQUITY_HIGH_WATER:
            reference = state.marks.trackers[0]
        elif follows_day_high(guard):
            reference = state.marks.trackers[tracker_index(state.spec.guards, self._place)]
        elif guard.reference is Reference.BALANCE_HIGH_WATER:
            reference = state.balance_high_water_minor
        if reference != self._reference or not self._since_msc:
            self._reference, self._since_msc = reference, state.time_msc


def _differences(record: VerdictRecord, recomputed: VerdictRecord) -> Iterator[Difference]:
    said, found = _fields(record), _fields(recomputed)
    for field in dict.fromkeys((*said, *found)):
        in_events, again = said.get(field, "absent"), found.get(field, "absent")
        if in_events != again:
            yield Difference(field, in_events, again)


def _fields(record: VerdictRecord) -> dict[str, Any]:
    """Every field by name, those of the tick too."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    tick = fields.pop("tick", {})
    return {**fields, **{f"tick.{name}": value for name, value in tick.items()}}
