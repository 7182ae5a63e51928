"""A restart goes on where the last durable thing was, and trusts nothing it did not see."""

from pathlib import Path
from typing import Any

import pytest

from adapters.broker.requests import Kind
from adapters.memory.journal import MemoryJournal
from adapters.sqlite.journal import open_journal
from engine.domain import records
from engine.domain.account import AccountState
from engine.domain.guards import Action, EquityLimit, Latch, Percent, Reference, Reset
from engine.domain.ids import AccountKey
from engine.domain.journaled import passing_of, with_passing
from engine.domain.positions import Side
from engine.domain.severity import Severity, severity_of
from engine.errors import JournalError
from engine.kept import Entry
from engine.live_engine import EngineSettings
from engine.recovery import recover, replayed
from tests.live.live_house import LiveHouse, live_house, spec_of, trailing

LOGIN = 1001
KEY = AccountKey("Demo-1", LOGIN)
NEVER_KEPT = EngineSettings(keep_every=10**6)


class Crashing(MemoryJournal):
    """One whose program dies before it can keep states at the end."""

    async def keep_state(self, key: AccountKey, state: Any) -> None:
        return


def lasting(state: AccountState, of: AccountState) -> AccountState:
    """The state with what passes by itself taken from another."""
    return with_passing(state, passing_of(of))


async def breach_and_flatten(house: LiveHouse) -> None:
    house.open(LOGIN)
    await house.valued(LOGIN, 1)
    house.quote("EURUSD", 1.0880, 1.0881)
    await house.until(lambda: house.records(records.CloseSettled))
    await house.until(lambda: not house.state(LOGIN).positions)


@pytest.mark.parametrize("kind", ["memory", "crashing", "sqlite"])
async def test_latches_halts_and_marks_survive(kind: str, tmp_path: Path) -> None:
    async def both(journal: Any) -> None:
        async with live_house([spec_of(LOGIN)], journal) as house:
            await breach_and_flatten(house)
            before, server = house.state(LOGIN), house.server
        found = await recover(KEY, journal)
        before = house.state(LOGIN)
        assert lasting(found.state, before) == before
        assert (found.replayed == 0) is (kind != "crashing")
        async with live_house([spec_of(LOGIN)], journal, server=server) as house:
            await house.until(lambda: house.state(LOGIN).known)
            state = house.state(LOGIN)
            assert state.halts == ("trailing",)
            assert state.guards[0].breached
            assert severity_of(house.engine.snapshot(KEY)) is Severity.BREACHED
            assert house.engine.snapshot(KEY).equity_high_water == 10_000.0
            assert not house.records(records.GuardBreach), "a latched breach is told once"

    if kind == "sqlite":
        async with open_journal(tmp_path / "journal.db") as journal:
            await both(journal)
    else:
        await both(MemoryJournal() if kind == "memory" else Crashing())


async def test_every_entry_replays_to_the_digest_it_was_kept_with() -> None:
    journal = Crashing()
    async with live_house([spec_of(LOGIN)], journal) as house:
        await breach_and_flatten(house)
    entries = await journal.entries(KEY, 0, 10_000)
    again = list(replayed(KEY, entries))
    assert len(again) > 8
    assert all(one.agrees for one in again)
    kept = await journal.read(KEY, 0, 10_000)
    assert [r for one in again for r in one.records] == list(kept)


async def test_a_history_that_was_changed_is_not_gone_on_from() -> None:
    journal = Crashing()
    async with live_house([spec_of(LOGIN)], journal) as house:
        await breach_and_flatten(house)
    entries = journal._entries[KEY]
    entries[3] = Entry(entries[3].number, entries[3].body, "0" * 32)
    with pytest.raises(JournalError, match="entry 4 comes out otherwise"):
        await recover(KEY, journal)


async def test_a_close_decided_before_a_crash_is_finished_after_it_and_never_doubled() -> None:
    journal = Crashing()
    async with live_house([spec_of(LOGIN)], journal) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        server = house.server
        # Whatever is written goes nowhere from here: a process that dies at the worst moment.
        house.gateway.send_nowait = lambda *_: None  # type: ignore[assignment,method-assign]
        house.quote("EURUSD", 1.0880, 1.0881)
        await house.until(lambda: house.records(records.CloseIntended))
    assert [lots for _, lots in house.held(LOGIN)] == [1.0]
    async with live_house([spec_of(LOGIN)], journal, server=server) as house:
        await house.until(lambda: not house.held(LOGIN))
        await house.until(lambda: house.records(records.CloseSettled))
        deals = [d for d in server.accounts[LOGIN].deals if d.entry in (1, 2, 3)]
        assert len(deals) == 1
        assert not house.records(records.CloseIntended), "it goes on under its own name"


async def test_trades_made_while_the_engine_was_down_are_taken_from_the_report() -> None:
    journal = MemoryJournal()
    async with live_house([spec_of(LOGIN)], journal) as house:
        gone = house.open(LOGIN, lots=0.2)
        await house.valued(LOGIN, 1)
        server = house.server
    house.do(LOGIN, Kind.DEAL, symbol="EURUSD", side=Side.SELL, lots=0.2, position=gone)
    new = house.open(LOGIN, lots=0.5)
    async with live_house([spec_of(LOGIN)], journal, server=server) as house:
        await house.until(lambda: [p.position_id for p in house.state(LOGIN).positions] == [new])
        await house.until(lambda: house.state(LOGIN).known)
        assert house.engine.snapshot(KEY).quality.value == "known"


async def test_other_rules_in_the_book_take_effect_and_what_guards_remember_stays() -> None:
    journal = MemoryJournal()
    async with live_house([spec_of(LOGIN)], journal) as house:
        await breach_and_flatten(house)
        server = house.server
    wider = spec_of(LOGIN, [trailing(percent=20.0), trailing(percent=5.0, name="second")])
    async with live_house([wider], journal, server=server) as house:
        await house.until(lambda: house.state(LOGIN).known)
        await house.until(lambda: house.state(LOGIN).guards[1].breached)
        assert house.state(LOGIN).guards[0].breached
        kept = await house.engine.records(KEY, 0, 1000)
        changes = [r for r in kept if isinstance(r, records.RulesetChanged)]
        assert [r.by for r in changes] == ["book"]
        breaches = [r.guard for r in kept if isinstance(r, records.GuardBreach)]
        assert breaches == ["trailing", "second"]


async def test_a_reset_missed_while_down_is_put_together_from_deals_and_marked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daily = EquityLimit(
        name="daily",
        reference=Reference.BALANCE_AT_RESET,
        amount=Percent(percent=5.0, of_reference=False),
        action=Action.CLOSE_AND_HALT,
        latch=Latch.MANUAL,
        reset=Reset(zone="UTC", at_minute=0),
    )
    journal = MemoryJournal()
    async with live_house([spec_of(LOGIN, [daily])], journal) as house:
        house.open(LOGIN, lots=0.1)
        await house.valued(LOGIN, 1)
        server = house.server
    monkeypatch.setattr("time.time_ns", _later(2))
    async with live_house([spec_of(LOGIN, [daily])], journal, server=server) as house:
        await house.until(lambda: house.records(records.DayReset))
        [reset] = house.records(records.DayReset)
        assert reset.estimated is True
        assert reset.reference == 10_000.0
        assert house.engine.snapshot(KEY).guards[0].is_estimated


def _later(days: int) -> Any:
    import time

    real = time.time_ns
    return lambda: real() + days * 86_400 * 1_000_000_000
