"""The engine over days of live accounts: the feed, kernel and `step` of replay and live.

The loop is the replay's; what only a live account has, its messages and its closes, is told here
the way its actor does: with the kernel's marks of that moment, closes made durable before they go.
"""

from collections import deque
from collections.abc import Sequence
from random import Random

from msgspec.structs import replace

from engine.book import Book
from engine.domain.account import AccountSpec, AccountState, MarginMode
from engine.domain.asking import blank
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.effects import AskReport, Effect, KeepClose, SendCommand
from engine.domain.events import QuoteMarked, TimeReached
from engine.domain.inputs import Event
from engine.domain.journaled import published
from engine.domain.link_events import (
    ClosesDurable,
    DealCame,
    Founded,
    HeartbeatCame,
    Linked,
    LinkEvent,
    PositionCame,
    ReportCame,
    ResultCame,
    TimePassed,
)
from engine.domain.quotes import Quote
from engine.domain.records import Record, Tick
from engine.domain.reports import CommandResult, DealReport
from engine.domain.step import step
from engine.domain.watch import Marks
from engine.marking.wakes import MarkingFeed
from engine.replay_loop import ReplayLoop
from tests.days.day_broker import DUST, INOUT, OURS, Broker, Told

DONE, ALREADY_CLOSED = 10009, 10036


def is_netting(spec: AccountSpec) -> bool:
    """Whether a symbol is held once."""
    return spec.margin_mode is MarginMode.NETTING


def founded(book: Book) -> list[AccountState]:
    """The book's accounts, guarded and linked; no report has come."""
    states = []
    for account in book.accounts:
        spec = account.spec
        state = blank(spec.key)
        for event in (
            Founded(
                time_msc=0,
                spec=spec,
                terms=Terms(digits=spec.digits, nets=is_netting(spec)),
                close_terms=CloseTerms(),
                expects=False,
            ),
            Linked(
                time_msc=0,
                epoch=1,
                session="day",
                currency=spec.market.deposit,
                is_hedging=not is_netting(spec),
                leverage=spec.leverage,
            ),
        ):
            state = step(state, event).state
        states.append(state)
    return states


class DayLoop(ReplayLoop):
    """`ReplayLoop` of live accounts, each with a broker that fills at once or a little later."""

    def __init__(
        self,
        states: Sequence[AccountState],
        feed: MarkingFeed,
        brokers: Sequence[Broker],
        random: Random,
    ) -> None:
        self.told: list[Record] = []
        super().__init__(states, feed, self.told.append)
        self.brokers = brokers
        self.waiting: list[tuple[int, SendCommand]] = []
        """Commands on their way: by place."""
        self.wants_report: set[int] = set()
        self._random = random
        self._in_tick = False
        self._coming: deque[tuple[int, LinkEvent]] = deque()
        """Messages on their way, in the order said."""
        self._orders = 5_000
        for seat in self._seats:
            seat.needs = feed_symbols(brokers)

    @property
    def ticks_before(self) -> int:
        """How many ticks came before now."""
        return self._index + self._in_tick

    def note(self, place: int, *events: LinkEvent) -> None:
        """What a terminal says, or the clock, between two ticks."""
        self.meet(place)
        self._say(place, events)
        self._rewatch(place, self._quotes(place))

    def open(self, place: int, time_msc: int) -> None:
        """The first report, and the clock that follows where nothing is held."""
        self.note(place, self._report(place, time_msc))
        quotes = self._quotes(place)
        if not self._seats[place].state.known:
            self._apply(place, TimeReached(time_msc, quotes, None), None, quotes)
            self._rewatch(place, quotes)

    def tell(self, place: int, said: Sequence[Told], time_msc: int) -> None:
        """Deals and positions, in order; after a reversal the report it asks for, at once."""
        events: list[LinkEvent] = [self._event(place, one, time_msc) for one in said]
        if any(isinstance(one, DealReport) and one.entry == INOUT for one in said):
            events.append(self._report(place, time_msc))
        self.note(place, *events)

    def report(self, place: int, time_msc: int) -> None:
        """A full report that says what is known already."""
        self.note(place, self._report(place, time_msc))

    def beat(self, place: int, time_msc: int) -> None:
        """A heartbeat."""
        self.refresh(place)
        beat = self.brokers[place].beat()
        quotes = self._quotes(place)
        self.note(place, HeartbeatCame(time_msc=time_msc, heartbeat=beat, quotes=quotes))

    def until(self, time_msc: int) -> None:
        """Every reset instant up to here."""
        self._reset_until(time_msc)

    def fill_waiting(self, time_msc: int) -> None:
        """The broker does what it was asked for a while ago."""
        waiting, self.waiting = self.waiting, []
        for place, effect in waiting:
            self.meet(place)
            self._fill(place, effect, time_msc)
            self._rewatch(place, self._quotes(place))

    def pass_time(self, place: int, time_msc: int) -> None:
        """The clock, where closes are under way."""
        live = self._seats[place].state.live
        if live is not None and live.open_closes:
            self.note(place, TimePassed(time_msc=time_msc))

    def settle(self, place: int, time_msc: int) -> None:
        """Some quiet seconds, so that what was wanted is done: what is left of a position that
        grew while its close was sent goes only after the hold of a netting close."""
        for second in (*range(1, 10), 60, 61, 120, 121, 180, 181):
            self.fill_waiting(time_msc)
            self.pass_time(place, time_msc + 1_000 * second)
            self.report(place, time_msc + 1_000 * second)

    def is_on_its_way(self, place: int, position_id: int) -> bool:
        """Whether a close of this position has not been filled yet."""
        return any(p == place and e.command.position_id == position_id for p, e in self.waiting)

    # Inside

    def _quotes(self, place: int) -> dict[str, Quote]:
        return self._feed.quotes(self._seats[place].needs)

    def refresh(self, place: int) -> None:
        """The broker's prices are those of the feed."""
        quotes = self.brokers[place].quotes
        for number, symbol in enumerate(quotes.symbols):
            quote = self._feed.quote(symbol)
            if quote is not None:
                quotes.bid[number], quotes.ask[number] = quote.bid, quote.ask

    def meet(self, place: int) -> None:
        """As an actor does: what comes from the link meets the kernel's marks of now."""
        seat = self._seats[place]
        marks: Marks | None = self._standing(seat)[1]
        if marks is not None:
            seat.state = replace(seat.state, marks=marks)

    def _tick(self, place: int, time_msc: int, tick: Tick, marks: Marks | None) -> None:
        """Without the replay's own broker."""
        self._in_tick = True
        quotes = self._quotes(place)
        self._apply(place, QuoteMarked(time_msc, tick, quotes, marks), tick, quotes)
        self._rewatch(place, quotes)
        self._in_tick = False

    def _rewatch(self, place: int, quotes: dict[str, Quote]) -> None:
        seat = self._seats[place]
        assert seat.state.known or not seat.state.opened or seat.slot is None, "lost from sight"
        super()._rewatch(place, quotes)

    def _take_effects(
        self,
        place: int,
        effects: tuple[Effect, ...],
        event: Event,
        tick: Tick | None,
        quotes: dict[str, Quote],
    ) -> None:
        """Records first; closes are durable at once, and go to the broker."""
        del tick
        for record in published(effects):
            self._publish(record)
        time_msc = event.time_msc
        names = tuple(e.intent_id for e in effects if isinstance(e, KeepClose))
        if names:
            self._apply(place, ClosesDurable(time_msc=time_msc, intent_ids=names), None, quotes)
        for effect in effects:
            if isinstance(effect, AskReport):
                self.wants_report.add(place)
            elif isinstance(effect, SendCommand):
                later = effect.command.position_by is None and self._random.random() < 0.5
                if later:
                    self.waiting.append((place, effect))
                else:
                    self._fill(place, effect, time_msc)

    def _fill(self, place: int, effect: SendCommand, time_msc: int) -> None:
        self.refresh(place)
        broker, command = self.brokers[place], effect.command
        self._orders += 1
        order, ticks = self._orders, self.ticks_before
        names = [n for n in (command.position_id, command.position_by) if n is not None]
        is_there = all(name in broker.held for name in names)
        if not is_there:
            said: list[Told] = []
        elif len(names) > 1:
            said = broker.close_by(command, ticks, time_msc, order)
        else:
            lots = broker.held[command.position_id].table["volume_lots"]
            # A netting close names its volume, and the position may have grown meanwhile.
            assert command.is_whole or command.volume_lots < lots + DUST, "closes too much"
            lots = lots if command.is_whole else min(lots, command.volume_lots)
            said = broker.close(command.position_id, lots, ticks, time_msc, OURS, order)
        events: list[LinkEvent] = [self._event(place, one, time_msc) for one in said]
        result = CommandResult(
            intent_id=command.command_id,
            retcode=DONE if is_there else ALREADY_CLOSED,
            order=order if is_there else 0,
            volume=command.volume_lots if is_there else 0.0,
        )
        answer = ResultCame(time_msc=time_msc, result=result)
        events.insert(self._random.choice((0, len(events))), answer)
        self._say(place, events)

    def _say(self, place: int, events: Sequence[LinkEvent]) -> None:
        """Takes messages in the order said: what one of them leads to comes after the last."""
        self._coming.extend((place, event) for event in events)
        if len(self._coming) > len(events):
            return
        while self._coming:
            place, event = self._coming[0]
            self._apply(place, event, None, self._quotes(place))
            self._coming.popleft()

    def _event(self, place: int, one: Told, time_msc: int) -> LinkEvent:
        quotes = self._quotes(place)
        if isinstance(one, DealReport):
            return DealCame(time_msc=time_msc, deal=one, deal_msc=one.time_msc, quotes=quotes)
        return PositionCame(
            time_msc=time_msc, position=one, is_closed=False, gmt_offset_s=0, quotes=quotes
        )

    def _report(self, place: int, time_msc: int) -> ReportCame:
        self.refresh(place)
        return ReportCame(
            time_msc=time_msc,
            report=self.brokers[place].report(),
            asked_msc=time_msc,
            gmt_offset_s=0,
            quotes=self._quotes(place),
        )


def feed_symbols(brokers: Sequence[Broker]) -> tuple[str, ...]:
    """Every symbol there is."""
    return tuple(brokers[0].quotes.symbols)
