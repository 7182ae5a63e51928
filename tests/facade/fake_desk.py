"""A desk over accounts that are stepped by hand: real decisions and records, no engine around."""

from collections.abc import Mapping, Sequence
from typing import Any

import anyio.lowlevel
import msgspec
import trio
from msgspec.structs import replace

from engine.board import Encoded
from engine.desk import FeedHealth, Health, Taken
from engine.domain.account import AccountState
from engine.domain.commands import Command, Halt, Refused, Respec
from engine.domain.effects import SendClose
from engine.domain.guard_views import Sight
from engine.domain.guards import Action, EquityLimit, Latch, Money, Reference
from engine.domain.ids import AccountKey
from engine.domain.outlook import Outlook, outlook_of
from engine.domain.records import Record
from engine.domain.snapshot import Snapshot, snapshot_of
from engine.domain.step import obey
from engine.equity_history import Bucket, EquityHistory, PeriodStatistics
from engine.marking.feed import Feed
from engine.tap import Listener, Tap
from engine.tape import PricePoint
from engine.tape_cut import VerdictTape
from tests.domain.accounts import START_MSC, Life, buy, unopened

SERVER = "Demo-1"
STALE_AFTER_MS = 60_000
FLOOR = EquityLimit(
    name="floor",
    reference=Reference.INITIAL,
    amount=Money(amount_minor=100_000),
    action=Action.CLOSE_AND_HALT,
    latch=Latch.MANUAL,
    warn_percent=75.0,
)


def key_of(login: int) -> AccountKey:
    return AccountKey(SERVER, login)


def account(login: int, *, lots: float = 1.0) -> AccountState:
    """10,000 USD, long EURUSD at 1.1, and closed 1,000 below."""
    state = unopened([FLOOR], [buy("EURUSD", lots, 1.1, position_id=login)] if lots else [])
    return replace(state, spec=replace(state.spec, key=key_of(login), ruleset="house"))


class FakeTapes:
    """`TapeReader` of what a test puts here."""

    def __init__(self) -> None:
        self.of: dict[str, VerdictTape] = {}
        self.seconds: dict[str, list[PricePoint]] = {"EURUSD": []}

    async def of_verdict(self, verdict_id: str) -> VerdictTape | None:
        await anyio.lowlevel.checkpoint()
        return self.of.get(verdict_id)

    async def prices(
        self, key: AccountKey, symbol: str, from_msc: int, to_msc: int
    ) -> Sequence[PricePoint] | None:
        await anyio.lowlevel.checkpoint()
        found = self.seconds.get(symbol)
        if found is None:
            return None
        return [one for one in found if from_msc <= one.start_msc < to_msc]


class FakeDesk:
    """`Desk` over these accounts; `tick` moves the market, `say` publishes what is durable."""

    def __init__(self, logins: Sequence[int] = (1001, 1002), *, lots: float = 1.0) -> None:
        self.lives = {key_of(login): Life(account(login, lots=lots)) for login in logins}
        self.tap = Tap({key: life.state.seq for key, life in self.lives.items()})
        self._undurable: dict[AccountKey, list[Record]] = {}
        self.ticks = 0
        self.age_ms = 0
        self.time_msc = START_MSC
        self.is_ready = True
        self.steps = dict.fromkeys(self.lives, 1)
        self.given: list[tuple[AccountKey, Command]] = []
        """Commands, as they came."""
        self.asked: list[AccountKey] = []
        """Accounts whose terminal was asked for a report."""
        self.verdicts: dict[str, Mapping[str, Any]] = {}
        self.buckets: list[Bucket] = []
        self.tapes = FakeTapes()
        self.built = 0
        self.hold: trio.Event | None = None
        """What commands and records wait for; None: nothing."""

    def tick(self, bid: float, symbol: str = "EURUSD") -> None:
        """A tick, decided on by every account."""
        self.ticks += 1
        self.age_ms = 0
        self.time_msc += 1000
        for key, life in self.lives.items():
            self._published(key, life.tick(self.time_msc, symbol, bid))

    def say(self, login: int, count: int = 1) -> None:
        """Publishes so many records more of an account: it is halted, again and again."""
        life = self.lives[key_of(login)]
        for _ in range(count):
            done = obey(replace(life.state, halts=()), Halt(self.time_msc, "shell:ann", ""))
            assert not isinstance(done, Refused)
            self._published(key_of(login), life.take(done))

    def decide(self, login: int) -> None:
        """One record more of an account whose state has it, and whose disk does not yet."""
        key = key_of(login)
        life = self.lives[key]
        done = obey(replace(life.state, halts=()), Halt(self.time_msc, "shell:ann", ""))
        assert not isinstance(done, Refused)
        self._undurable.setdefault(key, []).extend(life.take(done))
        self.steps[key] += 1

    def settle(self) -> None:
        """What was decided is durable, and published."""
        waiting, self._undurable = self._undurable, {}
        for key, records in waiting.items():
            self.tap.publish(key, records)

    def _published(self, key: AccountKey, records: Sequence[Record]) -> None:
        self.steps[key] += 1
        if records:
            self.tap.publish(key, records)

    # The desk

    def keys(self) -> tuple[AccountKey, ...]:
        return tuple(self.lives)

    def version(self, key: AccountKey) -> tuple[int, int]:
        return self.steps[key], self.ticks

    def snapshot(self, key: AccountKey) -> Snapshot:
        self.built += 1
        return snapshot_of(self.lives[key].state, self._sight(key))

    def _sight(self, key: AccountKey) -> Sight:
        life = self.lives[key]
        return Sight(
            time_msc=self.time_msc,
            quotes=life.quotes,
            ages_ms=dict.fromkeys(life.quotes, self.age_ms),
            stale_after_ms=STALE_AFTER_MS,
            feed_version=self.ticks,
            marks=life.state.marks,
        )

    async def outlook(self, key: AccountKey, command: Respec) -> Outlook:
        await self._held()
        return outlook_of(self.lives[key].state, command, self._sight(key))

    def encoded(self, key: AccountKey) -> Encoded:
        snapshot = self.snapshot(key)
        return Encoded(snapshot.seq, snapshot.feed_version, msgspec.json.encode(snapshot))

    def packed(self, key: AccountKey) -> bytes:
        return msgspec.msgpack.encode(self.snapshot(key))

    def health(self) -> Health:
        feed = FeedHealth(
            name=SERVER, leader=None, ticks=self.ticks, quote_age_ms=self.age_ms, rejected={}
        )
        return Health(
            is_ready=self.is_ready,
            reason="" if self.is_ready else "starting, or stopping",
            started_msc=START_MSC,
            time_msc=self.time_msc,
            accounts=len(self.lives),
            linked=len(self.lives),
            crashed={},
            journal_failure=None,
            loop_lag_ms=0.1,
            feeds=(feed,),
            refused={},
            listening="127.0.0.1:8444",
            thumbprint="00",
        )

    def listen(self, keys: Sequence[AccountKey] | None = None) -> Listener:
        return self.tap.listen(None if keys is None else frozenset(keys).__contains__)

    async def records(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        await self._held()
        durable = len(self.lives[key].records) - len(self._undurable.get(key, ()))
        return tuple(self.lives[key].records[after_seq : min(after_seq + limit, durable)])

    async def command(self, key: AccountKey, command: Command) -> Taken | Refused:
        life = self.lives[key]
        await self._held()
        self.given.append((key, command))
        done = obey(life.state, replace(command, time_msc=self.time_msc))
        if isinstance(done, Refused):
            return done
        closes = tuple(e.intent_id for e in done.effects if isinstance(e, SendClose))
        self._published(key, life.take(done))
        return Taken(life.state.seq, closes)

    async def equity(
        self, key: AccountKey, bucket_s: int, from_msc: int, to_msc: int
    ) -> Sequence[Bucket]:
        await anyio.lowlevel.checkpoint()
        assert key in self.lives
        return [one for one in self.buckets if from_msc <= one.start_msc < to_msc]

    async def statistics(self, key: AccountKey, from_msc: int, to_msc: int) -> PeriodStatistics:
        await self._held()
        to_msc = min(to_msc, self.time_msc + 1)
        history = EquityHistory(list(self.lives), Feed(("EURUSD",)), {})
        records = self.lives[key].records
        return history.statistics(key, records, min(from_msc, to_msc), to_msc)

    async def ask_report(self, key: AccountKey) -> bool:
        await anyio.lowlevel.checkpoint()
        self.asked.append(key)
        return True

    async def verdict(
        self, verdict_id: str, keys: Sequence[AccountKey] | None = None
    ) -> Mapping[str, Any] | None:
        await anyio.lowlevel.checkpoint()
        return self.verdicts.get(verdict_id)

    async def _held(self) -> None:
        await anyio.lowlevel.checkpoint()
        if self.hold is not None:
            await self.hold.wait()
