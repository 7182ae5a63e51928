"""One crashed account is given up alone; a failed journal stops all; shutdown is in order."""

from collections.abc import Iterator, Sequence
from random import Random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from adapters.memory.journal import MemoryJournal
from engine.domain.account import AccountState
from engine.domain.commands import Flatten, Halt, Refused
from engine.domain.effects import SendClose
from engine.domain.events import DealReported
from engine.domain.ids import AccountKey
from engine.domain.records import AccountHalted, Record, Tick
from engine.domain.snapshot import Quality
from engine.domain.step import Step
from engine.errors import JournalError
from engine.kept import Entry
from engine.live_replay import replay_live
from engine.outbox import ReplayOutbox, Seen
from engine.supervisor import TRIES
from tests import random_books
from tests.domain.accounts import START_MSC, buy
from tests.engine.live_floor import GatedJournal, LaterOutbox, account, floor_of

KEY = AccountKey("Demo-1", 1001)
POISON = DealReported(START_MSC, 999, 1.0, 1.1, 0, "external")
"""A deal of a position that nobody has: the account's invariants break on it."""


def tick_of(record: Record) -> int:
    return record.tick.index if isinstance(record.tick, Tick) else -1


async def test_a_crash_of_one_of_fifty_leaves_the_records_of_the_others_as_without_it(
    autojump_clock: MockClock,
) -> None:
    rng = Random(11)
    listed = random_books.instruments(rng)
    stream = random_books.stream(rng, listed, 300)
    accounts = [random_books.account(rng, number, listed) for number in range(50)]
    calm, _ = await replay_live(accounts, stream, speed=100.0)
    victim = next(AccountKey(r.server, r.login) for r in calm if tick_of(r) > 100)

    class Faulty(ReplayOutbox):
        def reached(self, state: AccountState, seen: Seen) -> Iterator[DealReported]:
            if state.spec.key == victim and seen.tick is not None and seen.tick.index > 100:
                raise RuntimeError("this broker has lost its mind")
            return super().reached(state, seen)

    records, outcome = await replay_live(accounts, stream, speed=100.0, outbox=Faulty())
    assert list(outcome.crashed) == [victim]
    others = [r for r in records if r.login != victim.login]
    assert others == [r for r in calm if r.login != victim.login]
    assert len(others) > 200
    last = [r for r in records if r.login == victim.login][-1]
    assert isinstance(last, AccountHalted)
    assert last.cause == "crashed"


async def test_a_poison_event_is_tried_three_times_and_halts_its_account(
    autojump_clock: MockClock,
) -> None:
    crashes: list[tuple[AccountKey, str]] = []
    accounts = [account(1001, [buy("EURUSD", 1.0, 1.1)]), account(1002)]
    async with floor_of(accounts, on_crash=lambda *crash: crashes.append(crash)) as floor:
        await floor.settled_tick(("EURUSD", 1.2))
        await floor.supervisor.report(KEY, POISON)
        await floor.supervisor.settle()
        assert [key for key, _ in crashes] == [KEY]
        assert "999" in crashes[0][1]
        assert await floor.kinds() == ["account_opened", "account_halted"]
        seen = floor.board.snapshot(KEY)
        assert seen.quality is Quality.UNKNOWN
        assert seen.reason is not None
        assert seen.reason.startswith("crashed: AssertionError")
        assert seen.equity == 20_000.0, "its last snapshot stays readable"
        assert seen.halts == ("crashed",)
        await floor.settled_tick(("EURUSD", 1.3))
        assert floor.board.snapshot(KEY).equity == 20_000.0
        assert floor.board.snapshot(AccountKey("Demo-1", 1002)).quality is Quality.KNOWN
        asked = await floor.supervisor.ask(KEY, Flatten(START_MSC, "ops", "test"))
        assert isinstance(asked, Refused)
        assert "given up" in asked.reason


async def test_trouble_that_passes_loses_nothing_and_repeats_nothing(
    autojump_clock: MockClock,
) -> None:
    class Shaky(LaterOutbox):
        def __init__(self) -> None:
            super().__init__()
            self.troubles = TRIES - 1

        async def send(
            self, state: AccountState, close: SendClose, seen: Seen
        ) -> tuple[DealReported, ...]:
            if self.troubles:
                self.troubles -= 1
                raise OSError("the link is down")
            return await super().send(state, close, seen)

    outbox = Shaky()
    positions = [buy("EURUSD", 1.0, 1.1, 1), buy("EURUSD", 1.0, 1.1, 2)]
    async with floor_of([account(1001, positions)], outbox=outbox) as floor:
        await floor.settled_tick(("EURUSD", 1.2))
        done = await floor.supervisor.ask(KEY, Flatten(START_MSC, "ops", "test"))
        assert isinstance(done, Step)
        await floor.supervisor.settle()
        assert [close.position_id for _, close in outbox.sent] == [1, 2]
        assert await floor.kinds() == ["account_opened", "close_intended", "close_intended"]
        assert not floor.supervisor.crashed


async def test_a_journal_that_fails_stops_the_engine_and_acknowledges_nothing() -> None:
    class Full(MemoryJournal):
        async def append(
            self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
        ) -> None:
            if records[0].seq > 1:
                raise OSError("no space left on device")
            await super().append(key, records, entry)

    answers = []
    with pytest.raises(ExceptionGroup) as failed:  # noqa: PT012
        async with floor_of([account(1001), account(1002)], journal=Full()) as floor:
            await floor.settled_tick(("EURUSD", 1.2))
            answers.append(await floor.supervisor.ask(KEY, Halt(START_MSC, "ops", "test")))
            await trio.sleep_forever()
    assert failed.group_contains(JournalError, match="may not be durable", depth=None)
    assert answers in ([], [Refused("the engine stopped before this was durable")])


async def test_a_shutdown_lets_actors_finish(autojump_clock: MockClock) -> None:
    journal = GatedJournal()
    async with floor_of([account(1001)], journal=journal) as floor:
        await floor.settled_tick(("EURUSD", 1.2))
        journal.shut()
        answers: list[Step | Refused] = []

        async def ask() -> None:
            answers.append(await floor.supervisor.ask(KEY, Halt(START_MSC, "ops", "test")))

        async def open_the_gate() -> None:
            await trio.sleep(2.0)
            journal.gate.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            nursery.start_soon(open_the_gate)
            stopped = await floor.supervisor.stop(3.0)
        assert stopped.parked == ()
        assert trio.current_time() < 3.0
        assert isinstance(answers[0], Step)
        assert await floor.kinds() == ["account_opened", "account_halted"]


async def test_a_shutdown_parks_what_does_not_finish_within_the_deadline(
    autojump_clock: MockClock,
) -> None:
    journal = GatedJournal()
    async with floor_of([account(1001), account(1002)], journal=journal) as floor:
        await floor.settled_tick(("EURUSD", 1.2))
        journal.shut()
        answers: list[Step | Refused] = []

        async def ask() -> None:
            answers.append(await floor.supervisor.ask(KEY, Halt(START_MSC, "ops", "test")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            began = trio.current_time()
            stopped = await floor.supervisor.stop(3.0)
            assert trio.current_time() - began == pytest.approx(3.0)
        assert stopped.parked == (KEY,)
        assert answers == [Refused("the engine stopped before this was durable")]
        late = await floor.supervisor.ask(KEY, Halt(START_MSC, "ops", "test"))
        assert late == Refused("the engine is stopping")
        await floor.tick(("EURUSD", 1.0))
        assert floor.supervisor.router.ticks == 1, "no tick is told any more"
