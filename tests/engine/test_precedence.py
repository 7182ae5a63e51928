"""Closes of a live account against news and minimum hold, step by step; and journals from before.

The journal beside this file was written by the program as it was before closes yielded to rules:
a floor is breached inside a news window. What it decided then it decides again.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import records
from engine.domain.account import AccountSpec, AccountState, Mode
from engine.domain.asking import blank
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.commands import ClosePosition, Flatten, Halt, Refused, Respec
from engine.domain.digest import state_digest
from engine.domain.discrepancies import Kind, Policies, Policy
from engine.domain.effects import Publish
from engine.domain.guards import (
    AccountGuard,
    Action,
    EquityLimit,
    MaxHolding,
    NewsEvent,
    NewsWindow,
    Percent,
    Reference,
)
from engine.domain.ids import AccountKey
from engine.domain.inputs import Event
from engine.domain.journaled import encode_entry
from engine.domain.link_events import Founded, Linked, ReportCame
from engine.domain.quotes import Quote
from engine.domain.reports import AccountReport, FullReport, OrderReport, PositionReport
from engine.domain.step import Step, obey, step
from engine.domain.valuation import market_of
from engine.explain import explain
from engine.journal_replay import replay_account
from engine.kept import Entry
from engine.recovery import replayed as stepped_again
from engine.replay_times import moment_text
from tests.domain.accounts import MAJORS, START_MSC, buy
from tests.engine.replays import gold_ticks, one_account, replayed
from tests.tree import ROOT

KEY = AccountKey("Demo-1", 1001)
NEWS_MSC = START_MSC + 60_000
END_MSC = NEWS_MSC + 120_001
NEWS = NewsWindow(
    name="news",
    action=Action.ALERT,
    events=(NewsEvent(time_msc=NEWS_MSC, currency="USD"),),
)
QUOTES = {"EURUSD": Quote(1.1, 1.1001, START_MSC)}


def position(number: int = 7, opened_msc: int = START_MSC - 5_000, **more: Any) -> PositionReport:
    fields: dict[str, Any] = {"symbol": "EURUSD", "type": 0, "volume": 1.0, "price_open": 1.1}
    return PositionReport(identifier=number, ticket=number, time_msc=opened_msc, **fields | more)


class Desk:
    """A linked account, stepped by what its terminal and people say."""

    def __init__(self, *guards: AccountGuard, hold_s: float = 0.0, **more: Any) -> None:
        spec = AccountSpec(
            key=KEY,
            market=market_of(MAJORS[:1], "USD"),
            initial_minor=10_000_00,
            guards=guards,
            minimum_hold_s=hold_s,
        )
        self.state: AccountState = blank(KEY)
        self.told: list[records.Record] = []
        self.kept: list[Entry] = []
        """As the account's journal has it."""
        fields: dict[str, Any] = {"expects": False, "terms": Terms(digits=2)} | more
        self.take(Founded(time_msc=START_MSC, spec=spec, close_terms=CloseTerms(), **fields))
        self.take(
            Linked(
                time_msc=START_MSC,
                epoch=1,
                session="s1",
                currency="USD",
                is_hedging=True,
                leverage=100,
            )
        )

    def take(self, event: Event) -> list[records.Record]:
        return self._keep(step(self.state, event), event)

    def ask(self, command: Any) -> Refused | list[records.Record]:
        done = obey(self.state, command)
        return done if isinstance(done, Refused) else self._keep(done, command)

    def report(
        self, at_msc: int, *positions: PositionReport, orders: Sequence[OrderReport] = ()
    ) -> list[records.Record]:
        account = AccountReport(balance=10_000.0, credit=0.0, equity=10_000.0, margin=0.0)
        report = FullReport(
            complete=True, account=account, positions=positions, orders=tuple(orders)
        )
        return self.take(
            ReportCame(
                time_msc=at_msc, report=report, asked_msc=at_msc, gmt_offset_s=0, quotes=QUOTES
            )
        )

    def _keep(self, done: Step, taken: Any) -> list[records.Record]:
        body, digest = encode_entry(self.state, taken), state_digest(done.state)
        self.kept.append(Entry(len(self.kept) + 1, body, digest))
        self.state = done.state
        found = [one.record for one in done.effects if isinstance(one, Publish)]
        self.told += found
        return found


def of_closes(found: Any) -> list[Any]:
    wanted = records.CloseIntended | records.CloseWaits
    return [one for one in found if isinstance(one, wanted)]


def test_a_person_is_refused_one_close_in_a_window_by_name_and_flattens_all_the_same() -> None:
    desk = Desk(NEWS)
    desk.report(START_MSC, position())
    refused = desk.ask(ClosePosition(NEWS_MSC, "ana", 7, "because"))
    assert isinstance(refused, Refused)
    assert "breaks news_window, until 2026-01-05T00:03:00.001000+00:00" in refused.reason
    [close] = of_closes(desk.ask(Flatten(NEWS_MSC, "ana", "because")))
    assert (close.reason, close.sacrificed) == ("manual:ana", ("news_window",))
    again = desk.ask(ClosePosition(NEWS_MSC, "ana", 7, "because"))
    assert isinstance(again, Refused)
    assert "is being closed already" in again.reason


def test_a_person_closes_one_position_after_the_window() -> None:
    desk = Desk(NEWS)
    desk.report(START_MSC, position())
    [close] = of_closes(desk.ask(ClosePosition(END_MSC, "ana", 7, "because")))
    assert close.reason == "manual:ana"


def closing_strangers() -> dict[str, Any]:
    policies = Policies(by_kind={Kind.UNEXPECTED: Policy.CLOSE}, confirmations=1)
    return {"expects": True, "terms": Terms(digits=2, policies=policies)}


def test_a_policy_waits_for_the_window_says_so_once_and_closes_after_it() -> None:
    desk = Desk(NEWS, **closing_strangers())
    [waits] = of_closes(desk.report(START_MSC, position()))
    assert (waits.reason, waits.yields_to) == ("discrepancy:unexpected", ("news_window",))
    assert of_closes(desk.report(NEWS_MSC, position())) == []
    [close] = of_closes(desk.report(END_MSC, position()))
    assert close.reason == "discrepancy:unexpected"


def test_a_journal_in_which_closes_wait_replays_bit_for_bit() -> None:
    desk = Desk(NEWS, hold_s=30.0, **closing_strangers())
    desk.report(START_MSC, position(), position(8, symbol="EURUSD", type=1))
    desk.report(NEWS_MSC, position())
    desk.report(END_MSC, position())
    desk.ask(Flatten(END_MSC + 1, "ana", "because"))
    assert {type(one) for one in desk.told} >= {records.CloseWaits, records.CloseIntended}
    lines = [records.Encoding.line(one)[:-1] for one in desk.told]
    found = replay_account(KEY, Journal(desk.kept, lines))
    assert (found.difference, found.entries, found.records) == (
        None,
        len(desk.kept),
        len(desk.told),
    )


def test_a_policy_has_nothing_to_close_once_the_discrepancy_is_gone() -> None:
    desk = Desk(NEWS, **closing_strangers())
    desk.report(START_MSC, position())
    desk.report(NEWS_MSC)
    assert not desk.state.waiting
    assert of_closes(desk.report(END_MSC)) == []


def test_a_resting_order_is_cancelled_in_a_window_by_whom_its_position_must_wait_for() -> None:
    holding = MaxHolding(name="holding", action=Action.CLOSE, seconds=1.0)
    desk = Desk(NEWS, holding)
    order = OrderReport(ticket=9, symbol="EURUSD", type=2, volume_current=1.0, price_open=1.0)
    [waits] = of_closes(desk.report(NEWS_MSC, position(), orders=[order]))
    assert waits.reason == "guard:holding"
    found = of_closes(desk.ask(Flatten(NEWS_MSC, "ana", "because")))
    assert [(one.position_id, bool(one.sacrificed)) for one in found] == [(9, False), (7, True)]


def test_what_is_opened_again_in_a_halt_goes_at_once_and_says_how_short_it_was_held() -> None:
    desk = Desk(hold_s=600.0)
    desk.report(START_MSC, position(magic=5))
    desk.ask(Halt(START_MSC + 1, "ana", "because"))
    [close] = of_closes(desk.ask(Flatten(START_MSC + 2, "ana", "because")))
    assert close.sacrificed == ("minimum_hold",)
    [again] = of_closes(desk.report(START_MSC + 9, position(8, START_MSC + 5, magic=5)))
    assert (again.reason, again.sacrificed) == ("reopened", ("minimum_hold",))


def test_what_waits_is_forgotten_where_nothing_is_traded_any_more() -> None:
    desk = Desk(NEWS, MaxHolding(name="holding", action=Action.CLOSE, seconds=1.0))
    desk.report(NEWS_MSC, position())
    assert desk.state.waiting
    spec = replace(desk.state.spec, mode=Mode.OBSERVE)
    desk.ask(Respec(NEWS_MSC + 1, "ana", spec, "because"))
    assert not desk.state.waiting
    assert of_closes(desk.report(END_MSC, position())) == []


@settings(max_examples=40, deadline=None)
@given(gaps_ms=st.lists(st.integers(1, 60_000), min_size=12, max_size=40))
def test_a_replay_closes_what_waits_at_the_first_tick_that_may(gaps_ms: list[int]) -> None:
    times = list(accumulate([0, *gaps_ms], initial=START_MSC))
    holding = MaxHolding(name="holding", action=Action.CLOSE, seconds=1.0)
    held = buy("XAUUSD", 1.0, 2000.0, opened_at_msc=START_MSC - 5_000)
    book = one_account([holding, NEWS], [held], minimum_hold_s=30.0)
    done = replayed(book, gold_ticks(*((one, 2000.0) for one in times)))
    found = of_closes(done.records)
    assert [type(one) for one in found[:-1]] == [records.CloseWaits] * len(found[:-1])
    free = [one for one in times if one >= END_MSC]
    [*_, last] = found
    if free:
        assert (type(last), last.time_msc) == (records.CloseIntended, free[0])
    else:
        assert isinstance(last, records.CloseWaits)
    told = done.explain(done.verdict(-1).record.verdict_id)
    waited = f"yields to news_window until {moment_text(END_MSC)}"
    assert told.agrees
    assert any(waited in line for line in told.lines) is (told.record.guard == "holding")


def test_an_explanation_from_a_file_names_what_the_close_cost(tmp_path: Path) -> None:
    floor = EquityLimit(
        name="floor",
        action=Action.CLOSE_AND_HALT,
        reference=Reference.INITIAL,
        amount=Percent(percent=10.0),
    )
    book = one_account([floor, NEWS], [buy("XAUUSD", 1.0, 2000.0)], minimum_hold_s=0.0)
    stream = gold_ticks((START_MSC, 2000.0), (NEWS_MSC, 1980.0))
    done = replayed(book, stream)
    done.write_events(tmp_path / "events.jsonl")
    [breach] = [one for one in done.verdict_records if one.guard == "floor"]
    told = explain(breach.verdict_id, tmp_path / "events.jsonl", book, stream)
    assert told.agrees
    assert f"position 1 closed at {moment_text(NEWS_MSC)}, sacrificed: news_window" in told.lines
    assert told.as_dict()["closes"][0]["sacrificed"] == ("news_window",)
    assert "sacrificed" in done.events.column_names


class Journal:
    """A journal as a reader of one; from before there was precedence unless another is given."""

    def __init__(
        self, entries: Sequence[Entry] | None = None, lines: Sequence[bytes] | None = None
    ) -> None:
        page = ROOT / "tests" / "engine" / "journal_before_precedence.jsonl"
        kept = [json.loads(line) for line in page.read_text().splitlines()]
        old = [
            Entry(number, base64.b64decode(one["body"]), one["digest"])
            for number, one in enumerate(kept, 1)
        ]
        self._entries = old if entries is None else entries
        told = [line.encode() for one in kept for line in one["records"]]
        self._lines = told if lines is None else lines

    def accounts(self) -> list[AccountKey]:
        return [KEY]

    def entries(self, key: AccountKey) -> Iterator[Entry]:
        return iter(self._entries)

    def lines(self, key: AccountKey) -> Iterator[bytes]:
        return iter(self._lines)


def test_a_journal_from_before_there_was_precedence_replays_bit_for_bit() -> None:
    found = replay_account(KEY, Journal())
    assert (found.difference, found.entries, found.records) == (None, 5, 7)
    assert any(b'"close_intended"' in line for line in Journal().lines(KEY))


def test_an_account_from_such_a_journal_knows_precedence_once_its_book_is_read_again() -> None:
    for one in stepped_again(KEY, Journal().entries(KEY)):
        state = one.state
    assert state.spec.minimum_hold_s is UNSET
    live = state.live
    assert live is not None
    spec = replace(state.spec, minimum_hold_s=0.0)
    founded = Founded(
        time_msc=NEWS_MSC, spec=spec, terms=live.terms, close_terms=live.close_terms, expects=False
    )
    done = step(state, founded)
    told = [e.record for e in done.effects if isinstance(e, Publish)]
    assert not told, "no rule of the account has changed"
    assert done.state.spec.minimum_hold_s == 0.0
