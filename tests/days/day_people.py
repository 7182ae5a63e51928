"""A world of days on the engine's side: who trades in it, and what the engine published."""

from dataclasses import dataclass
from random import Random

from engine.book import parse_book
from engine.domain.records import Record
from engine.marking.wakes import MarkingFeed
from tests.days.day_books import DayWorld
from tests.days.day_broker import BALANCE, CHARGE, CREDIT, Broker, Said
from tests.days.day_engine import DayLoop, founded
from tests.days.day_netting import NettingBroker
from tests.oracle_money import Quotes, Table


@dataclass
class Driven:
    """What came of a world on the engine's side."""

    records: list[Record]
    said: list[list[Said]]
    """Of each account, in the order of the book."""


class People:
    """Whoever trades these accounts, beside the guards: by chance, and to the cent of a floor."""

    def __init__(self, world: DayWorld, loop: DayLoop, random: Random) -> None:
        self.world, self.loop, self.random = world, loop, random

    def act(self, place: int, time_msc: int) -> None:
        """Something, or nothing."""
        chance = self.random.random()
        if chance < 0.12:
            self._open(place, time_msc)
        elif chance < 0.20:
            self._close(place, time_msc)
        elif chance < 0.23:
            self._pay(place, time_msc)
        elif chance < 0.30:
            self._touch_a_floor(place, time_msc)
        elif chance < 0.36:
            self.loop.beat(place, time_msc)
        elif chance < 0.40:
            self.loop.report(place, time_msc)

    def _open(self, place: int, time_msc: int) -> None:
        broker = self.loop.brokers[place]
        if len(broker.held) >= 5:
            return
        self.loop.refresh(place)
        symbol = self.random.choice(self.world.symbols)
        if isinstance(broker, NettingBroker) and broker.held and self.random.random() < 0.6:
            symbol = self.random.choice(list(broker.held.values())).symbol
        number = broker.quotes.place[symbol]
        quote = broker.quotes.bid[number], broker.quotes.ask[number]
        if isinstance(broker, NettingBroker):
            held = broker.holder(symbol)
            if held is not None and self.loop.is_on_its_way(place, held):
                return
        table = self.world.drawn(self.random, symbol, broker.table["currency"], quote)
        said = broker.open(table, self.loop.ticks_before, time_msc)
        self.loop.tell(place, said, time_msc)

    def _close(self, place: int, time_msc: int) -> None:
        broker = self.loop.brokers[place]
        free = [n for n in broker.held if not self.loop.is_on_its_way(place, n)]
        if not free:
            return
        self.loop.refresh(place)
        number = self.random.choice(free)
        lots = broker.held[number].table["volume_lots"]
        if self.random.random() < 0.4 and lots > 0.02:
            lots = round(lots * self.random.choice((0.25, 0.5)), 2) or lots
        said = broker.close(number, lots, self.loop.ticks_before, time_msc, "external")
        self.loop.tell(place, said, time_msc)

    def _pay(self, place: int, time_msc: int) -> None:
        broker = self.loop.brokers[place]
        kind = self.random.choice((BALANCE, BALANCE, CREDIT, CHARGE))
        amount = self.random.choice((5_000, 40_000, 100_000)) * self.random.choice((1, -1))
        amount = -abs(amount) // 20 if kind == CHARGE else amount
        amount = amount // 100 * 100 if broker.digits else amount // 100
        if kind == CREDIT and broker.credit + amount < 0:
            amount = -amount
        said = broker.pay(kind, amount, self.loop.ticks_before, time_msc)
        self.loop.tell(place, said, time_msc)

    def _touch_a_floor(self, place: int, time_msc: int) -> None:
        """A charge that leaves what a guard measures on its floor, to the cent, or one beside."""
        self.loop.meet(place)
        state = self.loop.states[place]
        near = [
            known.distance_minor
            for known in state.guards
            if known.distance_minor is not None and not known.breached
        ]
        near = [away for away in near if 0 < away < abs(state.balance_minor) // 20]
        if not near or self.random.random() < 0.5:
            return
        amount = -self.random.choice(near) + self.random.choice((0, 0, 1, -1))
        said = self.loop.brokers[place].pay(CHARGE, amount, self.loop.ticks_before, time_msc)
        self.loop.tell(place, said, time_msc)


def broker_of(table: Table) -> type[Broker]:
    """The books that such an account has."""
    return NettingBroker if table.get("margin_mode") == "netting" else Broker


def drive(world: DayWorld, feed: MarkingFeed, seed: int) -> Driven:
    """The engine through a world; who trades, and how soon the broker fills, comes of the seed."""
    random = Random(f"day {seed}")
    book = parse_book(world.text, "day.toml")
    brokers = [
        broker_of(table)(table, world.table, Quotes(list(world.symbols)), random)
        for table in world.table["account"]
    ]
    loop = DayLoop(founded(book), feed, brokers, random)
    people = People(world, loop, random)
    batch, rows = world.batch(), world.rows
    opening = len(world.symbols)
    loop.take(batch.part(0, opening))
    for place in range(len(brokers)):
        loop.open(place, rows[opening - 1][0])
    start = opening
    while start < len(rows):
        stop = min(start + random.choice((1, 7, 20, 60, 60, 150, 300)), len(rows))
        hits = [
            (found[0], place, found[1], found[2])
            for place, broker in enumerate(brokers)
            if (found := broker.reached(rows[start:stop])) is not None
        ]
        stop = min((start + offset + 1 for offset, *_ in hits), default=stop)
        loop.take(batch.part(start, stop))
        following = rows[stop][0] if stop < len(rows) else rows[-1][0]
        time_msc = random.choice((rows[stop - 1][0], random.randint(rows[stop - 1][0], following)))
        loop.until(time_msc)
        for offset, place, number, why in hits:
            there = number in brokers[place].held and not loop.is_on_its_way(place, number)
            if start + offset + 1 == stop and there:
                loop.refresh(place)
                lots = brokers[place].held[number].table["volume_lots"]
                said = brokers[place].close(number, lots, loop.ticks_before, time_msc, why)
                loop.tell(place, said, time_msc)
        loop.fill_waiting(time_msc)
        for place in sorted(loop.wants_report):
            loop.wants_report.discard(place)
            loop.report(place, time_msc)
        for place in range(len(brokers)):
            loop.pass_time(place, time_msc)
            people.act(place, time_msc)
        start = stop
    for place in range(len(brokers)):
        loop.settle(place, rows[-1][0])
    loop.end()
    return Driven(loop.told, [broker.said for broker in brokers])
