"""Positions that go while something is on its way: a close of ours, or a strategy's order."""

from typing import Any

import pytest

from engine.domain import records
from engine.domain.commands import Flatten, Refused, Register, Withdraw
from engine.domain.effects import KeepClose, Publish
from engine.domain.intents import Intent
from engine.domain.link_events import ClosesDurable, PositionCame, ResultCame
from engine.domain.positions import Side
from engine.domain.reports import CommandResult, DealReport, PositionReport
from engine.domain.step import Step, obey
from tests.live.live_account import QUOTES, START_MSC, Account, deal, held

EXPERT = 3
MARKET_CLOSED = 10018


class Strategy(Account):
    """An account whose strategy means to hold what it holds: one lot under number 7."""

    def __init__(self) -> None:
        super().__init__()
        self.link(START_MSC)
        self.means("of-7", 1.0, position_ids=(7,))
        self.told_msc = START_MSC + 1
        self.shows(held(1.0, START_MSC))
        assert self.rows() == []

    def ask(self, command: Any) -> list[KeepClose]:
        done = obey(self.state, command)
        assert isinstance(done, Step), done
        self.state = done.state
        self.told += [one.record for one in done.effects if isinstance(one, Publish)]
        return [one for one in done.effects if isinstance(one, KeepClose)]

    def means(self, name: str, lots: float, **more: Any) -> None:
        intent = Intent(intent_id=name, symbol="EURUSD", side=Side.BUY, volume_lots=lots, **more)
        self.ask(Register(START_MSC, "test", intent))

    def shows(self, *positions: PositionReport) -> None:
        """Full reports in a row: enough to confirm what they show."""
        for _ in range(3):
            self.told_msc += 1_000
            self.report(self.told_msc, 10_000.0, *positions)

    def flatten(self) -> None:
        """Decided, durable, and sent."""
        self.told_msc += 1_000
        kept = self.ask(Flatten(self.told_msc, "ana", "because"))
        names = tuple(one.intent_id for one in kept)
        self.take(ClosesDurable(time_msc=self.told_msc, intent_ids=names))

    def answer(self, retcode: int, place: int = 0) -> None:
        live = self.state.live
        assert live is not None
        result = CommandResult(intent_id=live.closes[place].command_id, retcode=retcode)
        self.take(ResultCame(time_msc=self.told_msc + 1, result=result))

    def vanishes(self) -> None:
        """Its last record says that it is closed; no deal has come."""
        self.take(
            PositionCame(
                time_msc=self.told_msc + 5,
                position=held(1.0, START_MSC),
                is_closed=True,
                gmt_offset_s=0,
                quotes=QUOTES,
            )
        )

    def rows(self) -> list[str]:
        """Every discrepancy ever published, but for the equity that its reports say by the way."""
        found = self.of(records.Discrepancy)
        return [one.kind for one in found if one.kind != "equity_residual"]


def test_a_position_that_vanishes_during_its_close_is_not_missing_before_its_deal_comes() -> None:
    account = Strategy()
    account.flatten()
    account.vanishes()
    account.shows()
    assert account.rows() == []
    account.take(deal(0.0, 1.0, account.told_msc + 1, reason=EXPERT))
    account.shows()
    assert account.rows() == []
    assert account.state.live is not None
    assert account.state.live.book.intents == ()


def test_a_report_that_shows_it_gone_first_is_no_other() -> None:
    account = Strategy()
    account.flatten()
    account.shows()
    assert account.rows() == []


def test_once_its_deal_has_come_it_hides_nothing_else_of_the_intent_that_goes() -> None:
    other = held(0.05, START_MSC, identifier=8, ticket=8)
    account = Strategy()
    account.ask(Withdraw(account.told_msc, "test", "of-7"))
    account.means("both", 1.05, position_ids=(7, 8))
    account.shows(held(1.0, START_MSC), other)
    account.flatten()
    account.vanishes()
    account.take(deal(0.0, 1.0, account.told_msc + 6, reason=EXPERT))
    account.answer(MARKET_CLOSED, place=1)
    account.shows()
    assert account.rows() == ["missing", "missing"]


@pytest.mark.parametrize("answer", [None, MARKET_CLOSED])
def test_a_position_that_vanishes_though_no_close_of_ours_can_have_done_it_is_missing(
    answer: int | None,
) -> None:
    account = Strategy()
    if answer is not None:
        account.flatten()
        account.answer(answer)
    account.vanishes()
    account.shows()
    assert account.rows() == ["missing", "missing"]


def test_what_was_closed_by_hand_meanwhile_is_still_told_with_its_reason() -> None:
    account = Strategy()
    account.flatten()
    account.vanishes()
    account.take(deal(0.0, 1.0, account.told_msc + 1, reason=1))
    assert account.rows() == ["closed_externally"]
    assert account.of(records.Discrepancy)[-1].actual == "mobile"


def test_an_order_said_to_be_on_its_way_is_not_missing_until_the_strategy_says_otherwise() -> None:
    account = Strategy()
    account.means("next", 0.5, in_flight_lots=0.5)
    account.shows(held(1.0, START_MSC))
    assert account.rows() == []
    account.means("next", 0.5)
    account.shows(held(1.0, START_MSC))
    assert account.rows() == ["missing", "missing"]
    assert [one.intent_id for one in account.of(records.IntentRegistered)] == ["of-7", "next"]


def test_an_intent_that_became_whole_without_its_deal_has_nothing_on_its_way() -> None:
    account = Strategy()
    account.means("next", 0.5, in_flight_lots=0.5)
    account.shows(held(1.0, START_MSC), held(0.5, START_MSC, identifier=8, ticket=8))
    assert account.rows() == []
    account.shows(held(1.0, START_MSC))
    assert account.rows() == ["missing", "missing"]


def test_more_on_its_way_than_is_meant_is_refused() -> None:
    account = Strategy()
    intent = Intent(
        intent_id="b", symbol="EURUSD", side=Side.BUY, volume_lots=0.5, in_flight_lots=0.6
    )
    refused = obey(account.state, Register(START_MSC, "test", intent))
    assert isinstance(refused, Refused)
    assert "in_flight_lots is 0.6: from 0 to its volume, 0.5" in refused.reason


def test_a_deal_of_a_position_that_went_in_two_parts_says_both() -> None:
    account = Strategy()
    account.flatten()
    account.vanishes()
    for ticket, lots in ((90, 0.4), (91, 0.6)):
        made = deal(0.0, lots, account.told_msc + 1, reason=EXPERT, ticket=ticket)
        assert isinstance(made.deal, DealReport)
        account.take(made)
        account.shows()
    assert account.rows() == []
    assert [one.volume_lots for one in account.of(records.PositionClosed)] == [0.4, 0.6]


def test_an_intent_that_nothing_fills_ends_when_it_is_due() -> None:
    account = Strategy()
    account.means("late", 0.5, expires_at_msc=account.told_msc + 3_500)
    account.shows(held(1.0, START_MSC))
    assert account.of(records.IntentWithdrawn) == []
    account.shows(held(1.0, START_MSC))
    [gone] = account.of(records.IntentWithdrawn)
    assert (gone.intent_id, gone.by) == ("late", "expiry")
    assert gone.time_msc == account.told_msc - 2_000, "with the first report after that"
    live = account.state.live
    assert live is not None
    assert [one.intent_id for one in live.book.intents] == ["of-7"]
    lacking = [row for row in live.book.rows if row.finding.intent_id == "late"]
    assert lacking == [], "and what it lacked is missing no more"
