"""When an account asks for quotes of its own, and all that looks like a reason and is none."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import own_feed, records
from engine.domain.asking import blank
from engine.domain.beliefs import Terms
from engine.domain.calm_beats import calm_beat
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.digest import state_digest
from engine.domain.effects import AskReport, Effect, Publish
from engine.domain.feeds import QuotedBy
from engine.domain.inputs import Event
from engine.domain.journaled import again, decode_entry, encode_entry, must_be_kept
from engine.domain.link_events import (
    FeedRefused,
    Founded,
    HeartbeatCame,
    Linked,
    LinkLost,
    ReportCame,
)
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote
from engine.domain.reports import AccountReport, FullReport, Heartbeat, PositionReport
from engine.domain.step import step
from engine.domain.valuation import profit_minor
from tests.live.live_house import spec_of, trailing

START_MSC = 1_767_826_740_000
SECOND = 1000
HOUR = 3_600_000
SHARED = (1.0900, 1.0901)
MARKED_UP = (1.0880, 1.0921)
"""20 points of an FX pip each side, as a group with another spread has it: 200 USD a lot."""
BALANCE = 10_000.0


class Watched:
    """One account with a buy of a lot of EURUSD; its broker values it at prices of its own."""

    def __init__(self) -> None:
        self.spec = spec_of(1, [trailing(percent=50.0)])
        self.state = blank(self.spec.key)
        self.now_msc = START_MSC
        self.shared = self.theirs = SHARED
        self.quote_age_ms = 200
        self.by = QuotedBy.OTHER
        self.blocked = 0.0
        """What the broker takes off the equity besides."""
        self.swap = self.told_swap = 0.0
        self.held = [7]
        self.rates: dict[str, tuple[float, float]] = {}
        self.symbol = "EURUSD"
        self.open_price = 1.0900
        self.lots = 1.0
        self.effects: list[Effect] = []
        self.kept: list[tuple[bytes, str]] = []
        founded = Founded(
            time_msc=START_MSC,
            spec=self.spec,
            terms=Terms(digits=2),
            close_terms=CloseTerms(),
            expects=False,
        )
        self.take(founded)
        self.link()
        self.report()

    def take(self, event: Event) -> None:
        before = self.state
        done = step(before, event)
        self.state = done.state
        self.effects += done.effects
        if must_be_kept(before, event, done):
            self.kept.append((encode_entry(before, event), state_digest(self.state)))

    def link(self) -> None:
        self.take(
            Linked(
                time_msc=self.now_msc,
                epoch=1,
                session="s",
                currency="USD",
                is_hedging=True,
                leverage=100,
            )
        )

    def quotes(self, prices: tuple[float, float] | None = None) -> dict[str, Quote]:
        at_msc = self.now_msc - self.quote_age_ms
        bid, ask = prices or self.shared
        known = {self.symbol: Quote(bid, ask, at_msc)}
        return known | {one: Quote(*rate, at_msc) for one, rate in self.rates.items()}

    def profit(self) -> float:
        position = Position(
            position_id=7,
            symbol=self.symbol,
            side=Side.BUY,
            volume_lots=self.lots,
            open_price=self.open_price,
        )
        return profit_minor(self.spec.market, position, self.quotes(self.theirs)) / 100.0

    def equity(self) -> float:
        floating = (self.profit() + self.swap) * len(self.held)
        return round(BALANCE + floating - self.blocked, 2)

    def report(self, **more: Any) -> None:
        held = tuple(
            PositionReport(
                identifier=one,
                ticket=one,
                symbol=self.symbol,
                type=0,
                volume=self.lots,
                price_open=self.open_price,
                swap=self.swap,
                profit=self.profit(),
            )
            for one in self.held
        )
        account = AccountReport(balance=BALANCE, credit=0.0, equity=self.equity(), margin=0.0)
        fields: dict[str, Any] = {"account": account, "positions": held, "complete": True}
        self.take(
            ReportCame(
                time_msc=self.now_msc,
                report=FullReport(**(fields | more)),
                asked_msc=self.now_msc,
                gmt_offset_s=0,
                quotes=self.quotes(),
            )
        )

    def beat(self, equity: float | None = None) -> None:
        self.now_msc += SECOND
        told = self.equity() if equity is None else equity
        heartbeat = Heartbeat(balance=BALANCE, credit=0.0, equity=told, margin=0.0, digest="")
        self.take(
            HeartbeatCame(
                time_msc=self.now_msc,
                heartbeat=heartbeat,
                quotes=self.quotes(),
                quoted_by=self.by,
            )
        )

    def go_on(self, seconds: int) -> None:
        """Beats, and a full report whenever one is asked for, as a terminal gives it."""
        for _ in range(seconds):
            asked = len(self.of(AskReport))
            self.beat()
            if len(self.of(AskReport)) > asked:
                self.report()

    def of(self, kind: type[Any]) -> list[Any]:
        return [one for one in self.effects if isinstance(one, kind)]

    @property
    def chosen(self) -> list[bool]:
        return [feed == "own" for feed, _ in self.said]

    @property
    def said(self) -> list[tuple[str, str]]:
        published = [one.record for one in self.of(Publish)]
        return [(one.feed, one.cause) for one in published if isinstance(one, records.FeedChanged)]


def test_a_group_with_another_spread_asks_for_a_feed_of_its_own_and_says_why() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    account.go_on(30)
    assert account.chosen == [True]
    [(feed, cause)] = account.said
    assert feed == "own"
    assert cause == "its broker's equity is 9800.00 where the server's quotes make 10000.00"
    assert own_feed.wants_own(account.state)


def test_it_is_asked_for_in_its_time_and_not_before_a_report_agreed() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    asked = len(account.of(AskReport))
    for _ in range(12):
        account.beat()
        assert account.chosen == []
    assert len(account.of(AskReport)) == asked, "ten seconds are counted from the confirmed one on"
    account.beat()
    assert len(account.of(AskReport)) == asked + 1
    for _ in range(20):
        account.beat()
    assert len(account.of(AskReport)) == asked + 1, "asked again while an answer may be on its way"
    assert account.chosen == []
    account.report()
    assert account.chosen == [True]


def test_a_difference_of_a_moment_does_not_ask() -> None:
    account = Watched()
    for _ in range(10):
        account.theirs = MARKED_UP
        account.go_on(9)
        account.theirs = SHARED
        account.go_on(1)
    assert account.chosen == []


@pytest.mark.parametrize("by", [QuotedBy.LEADER, QuotedBy.NOBODY, QuotedBy.OWN])
def test_only_against_the_quotes_of_another_terminal(by: QuotedBy) -> None:
    account = Watched()
    account.theirs, account.by = MARKED_UP, by
    account.go_on(60)
    assert account.chosen == []


def test_blocked_commission_is_not_a_reason_and_is_looked_at_once_a_day() -> None:
    account = Watched()
    account.blocked = 300.0
    asked = len(account.of(AskReport))
    account.go_on(4 * 3600)
    assert account.chosen == []
    assert len(account.of(AskReport)) == asked + 1
    account.go_on(21 * 3600)
    assert len(account.of(AskReport)) == asked + 2


def test_swap_that_is_not_told_yet_is_told_by_the_report_and_was_the_cause() -> None:
    account = Watched()
    account.swap = -300.0
    account.go_on(60)
    assert account.chosen == []
    assert account.state.positions[0].swap_minor == -30_000
    account.theirs = MARKED_UP
    account.go_on(60)
    assert account.chosen == [True], "a new cause is looked at again"


def test_absurd_equity_is_not_a_reason_however_long_it_is_said() -> None:
    account = Watched()
    for _ in range(40):
        asked = len(account.of(AskReport))
        account.beat(equity=4.0)
        if len(account.of(AskReport)) > asked:
            told = AccountReport(balance=BALANCE, credit=0.0, equity=4.0, margin=0.0)
            account.report(account=told)
    assert account.chosen == []


def test_stale_quotes_are_not_a_reason_however_long_they_are() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    for second in range(200):
        account.quote_age_ms = 200 + second * SECOND
        account.go_on(1)
    assert account.chosen == []


def test_a_quiet_symbol_takes_twice_its_age_and_is_found_all_the_same() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    account.quote_age_ms = 15 * SECOND
    account.go_on(31)
    assert account.chosen == []
    account.go_on(3)
    assert account.chosen == [True]


def test_a_balance_in_doubt_is_settled_first() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    for _ in range(60):
        account.now_msc += SECOND
        beat = Heartbeat(
            balance=BALANCE - 5.0, credit=0.0, equity=account.equity(), margin=0.0, digest=""
        )
        account.take(
            HeartbeatCame(
                time_msc=account.now_msc,
                heartbeat=beat,
                quotes=account.quotes(),
                quoted_by=QuotedBy.OTHER,
            )
        )
        account.report()
    assert account.chosen == []


def test_the_side_of_a_conversion_is_not_a_reason() -> None:
    account = Watched()
    account.held = []
    account.report()
    account.symbol, account.open_price, account.lots = "USDJPY", 100.0, 0.3
    account.shared = account.theirs = (150.0, 150.5)
    account.held = [7]
    account.report()
    ours = account.profit()
    assert ours == 10_000.0

    def says(profit: float) -> bool:
        assert account.state.live is not None
        held = tuple(replace(one, profit=profit) for one in account.state.live.holdings)
        equity = BALANCE + profit
        told = AccountReport(balance=BALANCE, credit=0.0, equity=equity, margin=0.0)
        report = FullReport(account=told, positions=held, complete=True)
        return own_feed.are_prices_apart(account.state, report, account.quotes())

    assert not says(ours - 32.0), "the spread of the rate is 0.33 percent"
    assert says(ours - 36.0)


def test_an_account_that_holds_nothing_asks_for_nothing() -> None:
    account = Watched()
    account.held = []
    account.report()
    account.blocked = 500.0
    account.go_on(60)
    assert account.chosen == []
    assert account.state.live is not None
    assert account.state.live.feed_doubt is UNSET


def test_a_link_that_ended_begins_the_count_anew() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    for _ in range(12):
        account.beat()
    account.take(LinkLost(time_msc=account.now_msc, cause="eof"))
    account.now_msc += 60 * SECOND
    account.link()
    account.report()
    for _ in range(5):
        account.beat()
    assert account.chosen == []
    account.go_on(20)
    assert account.chosen == [True]


def test_a_difference_that_stays_on_its_own_quotes_leads_back_and_not_again_soon() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    account.go_on(30)
    account.by = QuotedBy.OWN  # and it is valued on other prices than its broker has all the same
    account.go_on(30)
    assert account.chosen == [True, False]
    assert account.said[1] == ("shared", "the difference stays on its own quotes")
    account.by = QuotedBy.OTHER
    account.go_on(2 * HOUR // SECOND)
    assert account.chosen == [True, False], "the same positions"
    account.held = [7, 8]
    account.report()
    account.go_on(60)
    assert account.chosen == [True, False, True]


def test_where_positions_change_all_the_time_it_is_tried_once_an_hour() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    for minute in range(180):
        account.held = [100 + minute]
        account.report()
        assert account.state.live is not None
        feed = account.state.live.feed
        account.by = QuotedBy.OWN if feed is not UNSET and feed.is_own else QuotedBy.OTHER
        account.go_on(59)
    assert len(account.chosen) <= 2 * 3
    assert account.chosen[:2] == [True, False]


def test_nothing_is_counted_while_its_own_quotes_have_not_all_come() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    account.go_on(120)
    assert account.chosen == [True]


def test_quotes_of_its_own_that_agree_end_the_difference() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    account.go_on(30)
    account.by, account.shared = QuotedBy.OWN, MARKED_UP
    account.go_on(60)
    assert account.chosen == [True]
    assert account.state.live is not None
    assert account.state.live.book.rows == ()


def test_a_difference_that_a_report_ended_is_counted_anew_by_a_whole_step() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    account.go_on(8)
    account.theirs = SHARED
    account.report()
    live = account.state.live
    assert live is not None
    assert live.book.rows == ()
    assert live.feed_doubt is not UNSET
    beat = Heartbeat(balance=BALANCE, credit=0.0, equity=account.equity(), margin=0.0, digest="")
    assert calm_beat(account.state, beat, account.now_msc + SECOND, account.quotes()) is None
    account.beat()
    assert account.state.live is not None
    assert account.state.live.feed_doubt is UNSET


def test_a_feed_that_is_refused_leads_back_with_the_cause() -> None:
    account = Watched()
    account.take(FeedRefused(time_msc=account.now_msc, cause="no room"))
    assert not account.said, "it has asked for nothing"
    account.theirs = MARKED_UP
    account.go_on(30)
    account.take(FeedRefused(time_msc=account.now_msc, cause="no room"))
    assert account.said[1] == ("shared", "no room")
    account.go_on(600)
    assert account.chosen == [True, False]


def test_every_kept_step_of_it_steps_again_to_the_same_digest() -> None:
    account = Watched()
    account.theirs = MARKED_UP
    account.go_on(30)
    account.by = QuotedBy.OWN
    account.go_on(30)
    state = blank(account.spec.key)
    for body, digest in account.kept:
        state, _ = again(state, decode_entry(body))
        assert state_digest(state) == digest
    assert state.live is not None
    assert state.live.feed == account.state.live.feed  # type: ignore[union-attr]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.booleans(), st.booleans(), st.integers(0, 40), st.integers(1, 30)), max_size=12
    )
)
def test_it_never_asks_but_after_ten_seconds_in_which_every_beat_says_so(
    spans: list[tuple[bool, bool, int, int]],
) -> None:
    account = Watched()
    speaking = 0
    for is_apart, is_other, age_s, seconds in spans:
        account.theirs = MARKED_UP if is_apart else SHARED
        account.by = QuotedBy.OTHER if is_other else QuotedBy.LEADER
        account.quote_age_ms = age_s * SECOND
        for _ in range(seconds):
            before = len(account.chosen)
            account.go_on(1)
            speaking = speaking + 1 if is_apart and is_other else 0
            if len(account.chosen) > before:
                assert speaking >= 10
                assert speaking >= 2 * age_s
                return
