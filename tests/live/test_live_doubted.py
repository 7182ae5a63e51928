"""Our equity and the broker's far apart, and not confirmed: when guards act all the same."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import records
from engine.domain.digest import state_digest
from engine.domain.events import QuoteMarked
from engine.domain.guards import EquityLimit, Money, Reference
from engine.domain.journaled import encode_entry
from engine.domain.link_events import HeartbeatCame
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.reports import Heartbeat
from engine.explain_lines import explanation_lines
from engine.verdicts import made_of
from tests.live.live_account import START_MSC, Account, held
from tests.live.live_house import trailing


def floor_at(name: str, money: int) -> EquityLimit:
    """Below so much of 10,000, for good."""
    return EquityLimit(
        name=name,
        reference=Reference.INITIAL,
        amount=Money(amount_minor=(10_000 - money) * 100),
        action=trailing().action,
    )


HIGH, LOW = floor_at("high", 9_500), floor_at("low", 8_000)


class Doubted(Account):
    """One lot of EURUSD from 1.0900 on a balance of 10,000: ten dollars a pip."""

    def __init__(self, *guards: EquityLimit) -> None:
        super().__init__(*guards)
        self.now_msc = START_MSC
        self.link(START_MSC)
        self.report(START_MSC, 10_000.0, held(1.0, START_MSC, price_open=1.0900))
        assert self.state.known

    def beat(self, equity: float, bid: float) -> None:
        self.now_msc += 1_000
        beat = Heartbeat(balance=10_000.0, credit=0.0, equity=equity, margin=0.0, digest="")
        self.take(HeartbeatCame(time_msc=self.now_msc, heartbeat=beat, quotes=self.quotes(bid)))

    def tick(self, bid: float) -> QuoteMarked:
        self.now_msc += 10
        tick = Tick(index=0, symbol="EURUSD", bid=bid, ask=bid)
        event = QuoteMarked(self.now_msc, tick, self.quotes(bid))
        self.take(event)
        return event

    def quotes(self, bid: float) -> dict[str, Quote]:
        return {"EURUSD": Quote(bid, bid, self.now_msc)}

    @property
    def breaches(self) -> list[tuple[str, float, Any]]:
        found = self.of(records.GuardBreach)
        return [(one.guard, one.equity, one.broker_equity) for one in found]


def test_a_floor_that_both_equities_are_below_is_broken_however_far_apart_they_are() -> None:
    account = Doubted(HIGH)
    account.beat(7_000.0, 1.0790)
    account.tick(1.0750)
    assert account.breaches == [("high", 8_500.0, 7_000.0)]
    [close] = account.of(records.CloseIntended)
    assert close.reason == "guard:high"
    assert account.state.halts == ("high",)
    account.tick(1.0740)
    assert len(account.breaches) == 1


def test_an_absurd_report_alone_breaks_nothing_at_once() -> None:
    account = Doubted(HIGH)
    account.beat(7_000.0, 1.0890)
    account.tick(1.0880)
    assert account.breaches == []
    assert account.state.halts == ()


def test_our_equity_alone_breaks_nothing_while_it_is_doubted() -> None:
    account = Doubted(HIGH)
    account.beat(12_000.0, 1.0890)
    account.tick(1.0750)
    assert account.breaches == []
    assert account.state.halts == ()


def test_the_report_that_makes_both_agree_is_enough_where_no_tick_follows() -> None:
    account = Doubted(HIGH)
    account.beat(12_000.0, 1.0890)
    account.tick(1.0750)
    account.beat(7_000.0, 1.0750)
    assert account.breaches == [("high", 8_500.0, 7_000.0)]


def test_of_two_floors_only_that_is_broken_which_both_are_below() -> None:
    account = Doubted(HIGH, LOW)
    account.beat(9_000.0, 1.0700)
    account.tick(1.0680)
    assert account.breaches == [("high", 7_800.0, 9_000.0)]
    low = account.state.guards[1]
    assert (low.breached, low.evaluated_at_msc) == (False, START_MSC)


def test_the_verdict_says_both_and_is_made_again_bit_for_bit() -> None:
    account = Doubted(HIGH)
    account.beat(7_000.0, 1.0790)
    before = account.state
    event = account.tick(1.0750)
    [breach] = account.of(records.GuardBreach)
    body = encode_entry(before, event)
    told = made_of(breach, before, body, state_digest(account.state), agrees=True)
    assert told["record"]["broker_equity"] == 7_000.0
    lines = explanation_lines(breach, None)
    assert "the broker's own equity 7 000.00 is far from that, and past the floor as well" in lines


def test_a_journal_from_before_closes_yielded_waits_as_it_did() -> None:
    account = Doubted(HIGH)
    account.state = replace(account.state, spec=replace(account.state.spec, minimum_hold_s=UNSET))
    account.beat(7_000.0, 1.0790)
    account.tick(1.0750)
    assert account.breaches == []


def test_where_a_held_symbol_is_suspect_its_own_policy_decides() -> None:
    account = Doubted(HIGH)
    account.state = replace(account.state, suspects=("EURUSD",))
    account.beat(7_000.0, 1.0790)
    account.tick(1.0750)
    assert account.breaches == []


@settings(max_examples=300, deadline=None)
@given(
    then_pips=st.integers(-250, 250),
    now_pips=st.integers(-250, 250),
    told=st.integers(7_000, 13_000),
)
def test_a_breach_at_once_is_one_of_both_or_of_ours_undoubted(
    then_pips: int, now_pips: int, told: int
) -> None:
    """Against the rule written out: equities compared at a heartbeat, decided at the next tick."""
    account = Doubted(HIGH, LOW)
    before = account.breaches
    account.beat(float(told), round(1.0900 + then_pips / 10_000, 5))
    at_beat = account.breaches
    account.tick(round(1.0900 + now_pips / 10_000, 5))
    then, ours = 10_000 + 10 * then_pips, 10_000 + 10 * now_pips
    was_off = abs(told - then) * 100 > 10 * then
    is_off = abs(told - ours) * 100 > 10 * ours
    is_doubted = was_off and is_off
    wanted = [
        name
        for name, floor in (("high", 9_500), ("low", 8_000))
        if ours < floor and (told < floor or not is_doubted)
    ]
    assert (before, at_beat) == ([], [])
    assert [name for name, _, _ in account.breaches] == wanted
    assert all((one is not UNSET) is is_doubted for _, _, one in account.breaches)
