"""Closes against news and minimum hold, from quote to flat over a real link, and in the journal."""

from typing import Any

from adapters.memory.journal import MemoryJournal
from engine.clock import SystemClock
from engine.domain import records
from engine.domain.beliefs import Terms
from engine.domain.commands import ClosePosition, Flatten, Refused
from engine.domain.discrepancies import Kind, Policies, Policy
from engine.domain.guards import Action, MaxHolding, NewsEvent, NewsWindow
from engine.domain.ids import AccountKey
from engine.explain import closes_of
from engine.explain_lines import close_lines
from tests.live.live_house import live_house, spec_of, trailing

LOGIN = 1001
KEY = AccountKey("Demo-1", LOGIN)


def news(*, before_s: float = 600.0, after_s: float = 600.0) -> NewsWindow:
    """A window around this very moment, of the dollar; it alerts only."""
    event = NewsEvent(time_msc=SystemClock().wall_msc(), currency="USD", title="Payrolls")
    return NewsWindow(
        name="news", action=Action.ALERT, before_s=before_s, after_s=after_s, events=(event,)
    )


async def kept(journal: MemoryJournal, kind: type[records.Record]) -> list[Any]:
    return [one for one in await journal.read(KEY, 0, 1000) if isinstance(one, kind)]


async def test_a_money_floor_in_a_news_window_closes_at_once_and_says_what_it_cost() -> None:
    journal = MemoryJournal()
    spec = spec_of(LOGIN, [trailing(), news()], minimum_hold_s=3600.0)
    async with live_house([spec], journal) as house:
        position = house.open(LOGIN)
        await house.valued(LOGIN, 1)
        refused = await house.engine.command(KEY, ClosePosition(0, "ana", position, "because"))
        assert isinstance(refused, Refused)
        assert "breaks news_window and minimum_hold" in refused.reason
        house.quote("EURUSD", 1.0880, 1.0881)
        await house.until(lambda: not house.held(LOGIN))
        await house.until(lambda: house.records(records.CloseSettled))
        [first] = await kept(journal, records.CloseIntended)
        assert (first.reason, first.position_id) == ("guard:trailing", position)
        assert first.sacrificed == ("news_window", "minimum_hold")
        assert b'"sacrificed":["news_window","minimum_hold"]' in records.Encoding.line(first)
        [breach] = await kept(journal, records.GuardBreach)
        [line] = close_lines(closes_of(breach, await journal.read(KEY, 0, 1000)))
        assert line.endswith("sacrificed: news_window, minimum_hold")
        assert not house.records(records.CloseWaits)


async def test_a_guard_of_no_place_waits_until_the_window_is_over_without_a_tick() -> None:
    window = news(after_s=2.0)
    holding = MaxHolding(name="holding", action=Action.CLOSE, seconds=0.001)
    async with live_house([spec_of(LOGIN, [holding, window], minimum_hold_s=0.0)]) as house:
        house.open(LOGIN)
        await house.until(lambda: house.records(records.CloseIntended))
        [close] = house.records(records.CloseIntended)
        assert window.events is not None
        assert close.time_msc > window.events[0].time_msc + 2_000
        for waits in house.records(records.CloseWaits):  # none where the start took two seconds
            assert (waits.reason, waits.yields_to) == ("guard:holding", ("news_window",))
        await house.until(lambda: not house.held(LOGIN))


async def test_a_policy_closes_one_position_of_a_symbol_in_30_s_and_a_flatten_does_not_wait() -> (
    None
):
    policies = Policies(by_kind={Kind.UNEXPECTED: Policy.CLOSE})
    terms = Terms(digits=2, policies=policies)
    spec = spec_of(LOGIN, minimum_hold_s=0.0)
    async with live_house([spec], terms=terms, expects=True) as house:
        first = house.open(LOGIN, lots=0.1)
        await house.until(lambda: house.held(LOGIN) == [])
        second = house.open(LOGIN, lots=0.1)
        await house.until(lambda: house.records(records.CloseWaits, LOGIN))
        [waits] = house.records(records.CloseWaits, LOGIN)
        [decided] = house.records(records.CloseIntended, LOGIN)
        assert (decided.position_id, waits.position_id) == (first, second)
        assert waits.yields_to == ("close_throttle",)
        assert waits.until_msc == decided.time_msc + 30_000
        assert house.held(LOGIN) == [(second, 0.1)]
        await house.engine.command(KEY, Flatten(time_msc=0, by="ann", reason="enough"))
        await house.until(lambda: house.held(LOGIN) == [])
