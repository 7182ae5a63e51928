"""One account stepped on every tick, apart from the marking kernel and the replay loop."""

from engine.domain.account import AccountState
from engine.domain.effects import Publish, SendClose
from engine.domain.equity_limits import (
    balance_high_water_minor,
    follows_day_high,
    tracker_index,
)
from engine.domain.events import MarketFound, Opened, QuoteMarked, TimeReached
from engine.domain.guards import Consistency, EquityLimit, MinDays, ProfitTarget, Reference
from engine.domain.inputs import Event
from engine.domain.operating import next_due_msc
from engine.domain.quotes import Quote
from engine.domain.records import (
    VERDICTS,
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
from engine.explain_inputs import Inputs, inputs_of
from engine.market_pieces import Found
from engine.replay_broker import fill_close, stops_reached

VerdictRecord = GuardWarning | GuardBreach | RuleWarning | RuleBreach

_TIMELESS = (EquityLimit, ProfitTarget, MinDays, Consistency)
"""Guards that only prices, deals and resets can move."""


class Recomputation:
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
        self._reset_until(time_msc)
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

    def market_found(self, found: Found) -> None:
        """What a guard on the feed found, after the resets that come before it."""
        self._reset_until(found.time_msc)
        if self.found is None and found.finding.symbol in self._needs:
            event = MarketFound(found.time_msc, found.finding, found.tick, self._quotes)
            self._apply(event, found.tick)

    def _reset_until(self, time_msc: int) -> None:
        """Every reset instant up to a time, on the quotes before any tick there."""
        while self._next_reset_msc <= time_msc and self.found is None:
            instant = self._next_reset_msc
            self._apply(TimeReached(instant, self._quotes), None)
            self._next_reset_msc = next_reset_of(self._state, instant)

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
            reference = balance_high_water_minor(guard, state)
        if reference != self._reference or not self._since_msc:
            self._reference, self._since_msc = reference, state.time_msc
