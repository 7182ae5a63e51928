"""A tick that breaches: its closes are on the wire before any other task has its turn."""

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.memory.journal import MemoryJournal
from engine.actor import Actor
from engine.domain import records
from engine.domain.ids import AccountKey
from engine.errors import JournalFullError
from engine.keeper import FULL_PAUSE_S
from engine.kept import KeptStep
from engine.link import Handed
from engine.ports import Begun
from engine.router import Router
from engine.seats import Seat
from tests.live import test_live_early as early_fills
from tests.live.no_link import NoLink
from tests.live.test_live_early import AFTER, BEFORE, KEY, Desk, desk

Wire = list[str]


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """What went to the terminal, in order."""
    sent: Wire = []

    def send(_self: object, _key: AccountKey, *commands: Any) -> Handed:
        sent.extend(command.action.name for command in commands)
        return Handed.HANDED

    monkeypatch.setattr(NoLink, "send_nowait", send)
    return sent


@pytest.fixture
def in_the_walk(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> list[int]:
    """How many closes were on the wire whenever the router had walked, nothing waited for."""
    closes: list[int] = []
    walk = Router._walk

    def walked(router: Router, part: Any) -> None:
        walk(router, part)
        closes.append(wire.count("CLOSE"))

    monkeypatch.setattr(Router, "_walk", walked)
    return closes


async def breached(house: Desk) -> None:
    await house.opened(BEFORE[1])
    await house.settled()
    await house.quote((0.9900, 0.9901))


async def test_closes_are_sent_before_the_walk_returns(
    autojump_clock: MockClock, in_the_walk: list[int]
) -> None:
    async with desk() as house:
        await breached(house)
        assert in_the_walk[-1] == 1
        assert len(await house.kept(records.GuardBreach)) == 1


async def test_without_it_they_would_wait_for_a_turn(
    autojump_clock: MockClock, in_the_walk: list[int], wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Actor, "hear_at_once", lambda _actor: None)
    async with desk() as house:
        await breached(house)
        await house.settled()
        assert in_the_walk[-1] == 0
        assert wire.count("CLOSE") == 1


class Slow(MemoryJournal):
    """Hands over, and is durable only when it is let go."""

    def __init__(self, fails: int = 0) -> None:
        super().__init__()
        self.go = trio.Event()
        self.begun = 0
        self._fails = fails

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> Begun | None:
        self.begun += 1
        return _Handed(self, key, steps)

    async def settle(self, key: AccountKey, steps: Sequence[KeptStep]) -> None:
        await self.go.wait()
        if self._fails:
            self._fails -= 1
            raise JournalFullError("no space")
        await super().append_all(key, steps)


class _Handed:
    is_durable = False

    def __init__(self, journal: Slow, key: AccountKey, steps: Sequence[KeptStep]) -> None:
        self._journal, self._key, self._steps = journal, key, steps

    async def wait(self) -> None:
        await self._journal.settle(self._key, self._steps)


async def test_nothing_is_sent_before_it_is_durable_and_then_once(
    autojump_clock: MockClock, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Slow()
    monkeypatch.setattr(early_fills, "MemoryJournal", lambda: journal)
    async with desk() as house:
        await breached(house)
        await trio.sleep(30.0)
        assert "CLOSE" not in wire
        journal.go.set()
        await house.settled()
        assert wire.count("CLOSE") == 1
        assert journal.begun == 1
        assert len(await house.kept(records.CloseIntended)) == 1


async def test_a_disk_full_of_what_was_handed_over_is_asked_again(
    autojump_clock: MockClock, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Slow(fails=1)
    journal.go.set()
    monkeypatch.setattr(early_fills, "MemoryJournal", lambda: journal)
    async with desk() as house:
        await breached(house)
        await house.settled()
        assert "CLOSE" not in wire
        await trio.sleep(2 * FULL_PAUSE_S)
        assert wire.count("CLOSE") == 1
        assert len(await house.kept(records.CloseIntended)) == 1


async def test_a_fault_met_at_once_is_the_accounts_own(
    autojump_clock: MockClock, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_seat: Seat, *_: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    async with desk() as house:
        await house.opened(BEFORE[1])
        await house.settled()
        monkeypatch.setattr(house.engine._actor(KEY), "_hear", fail)
        await house.quote(AFTER)  # raises nothing: the feed goes on
        await house.quote((0.9900, 0.9901))
        await house.settled()
        assert house.engine.health().crashed == {str(KEY): "ZeroDivisionError: a fault of ours"}
        assert "CLOSE" not in wire
