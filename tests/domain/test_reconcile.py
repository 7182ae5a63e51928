"""Expected against actual: the agreed cases, reports, policies, what holds for any sighting."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain.beliefs import Book
from engine.domain.discrepancies import Kind, Policy, State
from engine.domain.intents import Intent, tag_of
from engine.domain.positions import Side
from engine.domain.reconcile import Sighting, compare
from engine.domain.remedies import AskReport, ClosePosition, Halt
from engine.domain.reports import (
    AccountReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from tests.domain.desk import (
    SPEC,
    Desk,
    closing_deal,
    held,
    meant,
    under,
)

# The agreed cases


def test_a_volume_exactly_five_percent_off_is_what_was_meant() -> None:
    assert Desk(meant()).report(held(lots=1.05)) == []
    assert Desk(meant()).report(held(lots=0.95)) == []
    assert Desk(meant()).report(held(lots=1.06)) != []


@pytest.mark.parametrize(
    ("symbol", "price", "slipped"), [("XAUUSD", 1950.50, 1950.60), ("USDJPY", 150.0, 150.01)]
)
def test_a_slip_of_ten_cents_of_gold_or_a_pip_of_yen_is_no_stranger(
    symbol: str, price: float, slipped: float
) -> None:
    desk = Desk(meant(symbol=symbol, price=price))
    assert desk.report(held(symbol=symbol, price=slipped)) == []
    assert desk.book.matched_positions == 1


def test_the_same_report_twice_adds_nothing() -> None:
    desk = Desk(meant())
    assert desk.report(held(9, 0.3, symbol="GBPUSD")) == [
        "missing suspected",
        "unexpected suspected",
    ]
    before = desk.book
    desk.n -= 1
    assert desk.report(held(9, 0.3, symbol="GBPUSD")) == []
    assert (desk.book, desk.last.actions) == (before, ())


def test_a_position_that_vanishes_while_its_close_is_on_the_way_is_no_discrepancy() -> None:
    desk = Desk(meant())
    desk.report(held())
    assert desk.report(closing_lots={1: 1.0}) == []
    assert desk.deals(closing_deal(reason=3), closing_lots={1: 1.0}) == []
    assert (desk.report(), desk.book.intents) == ([], ())


def test_a_position_closed_by_hand_is_seen_with_its_reason() -> None:
    desk = Desk(meant())
    desk.report(held())
    assert desk.deals(closing_deal(reason=1, profit=12.0)) == ["closed_externally confirmed"]
    found = desk.row(Kind.CLOSED_EXTERNALLY).finding
    assert (found.position_id, found.intent_id, found.actual) == (1, "a", "mobile")
    assert desk.report() == ["closed_externally resolved"]


def test_a_profit_of_95_where_100_were_expected_is_recorded() -> None:
    desk = Desk(meant())
    desk.report(held())
    told = desk.deals(
        closing_deal(profit=95.0), own_deals=frozenset({500}), expected_profit_minor={500: 10_000}
    )
    assert told == ["profit confirmed"]
    found = desk.row(Kind.PROFIT).finding
    assert (found.expected, found.actual, found.subject) == ("100.00", "95.00", "500")
    assert desk.report() == ["profit resolved"]


def test_a_profit_within_its_tolerance_is_what_was_expected() -> None:
    desk = Desk(meant())
    desk.report(held())
    own = {"own_deals": frozenset({500}), "expected_profit_minor": {500: 9_600}}
    assert desk.deals(closing_deal(profit=95.0), **own) == []


# Reports that say nothing


def test_a_failed_report_changes_no_belief_and_is_never_flat() -> None:
    desk = Desk(meant())
    desk.report(held())
    before = desk.book
    assert desk.report(complete=False) == []
    assert desk.book == before
    assert desk.last.is_unknown
    assert desk.last.actions == (AskReport("the report failed"),)
    assert before.status(is_unknown=desk.last.is_unknown) == "error"
    assert desk.report(held()) == []


def test_an_empty_report_that_is_complete_is_flat() -> None:
    desk = Desk(meant())
    desk.report(held())
    assert desk.report() == ["missing suspected"]


def test_an_older_report_of_the_session_is_ignored_and_a_new_session_starts_anew() -> None:
    desk = Desk(meant())
    desk.report(held())
    desk.report(held())
    desk.n = 0
    assert desk.report() == []
    assert desk.report(session="later") == ["missing suspected"]


# Policies


def test_an_adopted_position_is_believed_and_then_watched() -> None:
    desk = Desk(terms=under({Kind.UNEXPECTED: Policy.ADOPT}))
    desk.report(held(sl=1.09))
    assert desk.report(held(sl=1.09)) == ["unexpected confirmed"]
    assert desk.report(held(sl=1.09)) == ["unexpected resolved"]
    assert desk.report(held()) == ["stop_loss suspected"]


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (Kind.VOLUME, {"lots": 1.5}),
        (Kind.ENTRY_SLIPPAGE, {"price": 1.2}),
        (Kind.STOP_LOSS, {"sl": 1.05}),
        (Kind.TAKE_PROFIT, {"tp": 0.0}),
        (Kind.SIDE, {"type": 1}),
    ],
)
def test_what_differs_is_adopted_after_it_is_confirmed(kind: Kind, change: dict[str, Any]) -> None:
    own = meant(stop_loss=1.09, take_profit=1.12)
    usual: dict[str, Any] = {"sl": 1.09, "tp": 1.12, "comment": own.tag}
    desk = Desk(own, terms=under({kind: Policy.ADOPT}))
    desk.report(held(**usual))
    other = held(**usual | change)
    told = [desk.report(other) for _ in range(4)]
    assert told == [[f"{kind.value} {s}"] for s in ("suspected", "confirmed", "resolved")] + [[]]


def test_a_missing_intent_and_a_residual_and_a_specification_are_adopted() -> None:
    every = dict.fromkeys((Kind.MISSING, Kind.BALANCE_RESIDUAL, Kind.SPEC_CHANGED), Policy.ADOPT)
    desk = Desk(meant(), terms=under(every))
    desk.report(held(), specs=(SPEC,))
    desk.balance += 7.0
    for _ in range(3):
        desk.report(specs=(replace(SPEC, digits=4),))
    assert (desk.open, desk.book.intents) == ([], ())
    assert desk.book.specs["EURUSD"].digits == 4
    assert desk.book.ledger.balance_minor == 100_700


def test_a_position_is_closed_by_policy_only_when_confirmed_and_until_it_is_gone() -> None:
    desk = Desk(terms=under({Kind.UNEXPECTED: Policy.CLOSE}))
    close = ClosePosition(1, "discrepancy:unexpected")
    desk.report(held())
    assert close not in desk.last.actions
    for _ in range(2):
        desk.report(held())
        assert desk.last.actions == (close,)
    desk.report(held(), closing_lots={1: 1.0})
    assert desk.last.actions == ()
    desk.beat()
    assert desk.last.actions == ()


def test_a_halt_is_asked_for_once() -> None:
    desk = Desk(terms=under({Kind.UNEXPECTED: Policy.HALT}))
    asked = []
    for _ in range(4):
        desk.report(held())
        asked.append(Halt("discrepancy:unexpected") in desk.last.actions)
    assert asked == [False, True, False, False]


# For any sighting

POSITIONS = st.lists(
    st.builds(
        held,
        st.integers(1, 5),
        st.sampled_from((0.3, 0.6, 0.4, 1.0, 1.05, 1.2)),
        st.sampled_from((1.1, 1.1006, 1.2)),
        comment=st.sampled_from(("", tag_of("a"), tag_of("b"))),
        type=st.sampled_from((0, 0, 1)),
        sl=st.sampled_from((0.0, 1.09)),
    ),
    max_size=4,
    unique_by=lambda one: one.identifier,
)
DEALS = st.lists(
    st.builds(
        closing_deal,
        st.integers(500, 510),
        st.integers(1, 5),
        st.sampled_from((0.3, 1.0)),
        st.sampled_from((0.0, 25.0)),
        reason=st.integers(0, 7),
        comment=st.sampled_from(("", tag_of("a"))),
        entry=st.integers(0, 3),
        type=st.integers(0, 6),
    ),
    max_size=3,
)
POLICIES = st.fixed_dictionaries(
    {
        Kind.UNEXPECTED: st.sampled_from(Policy),
        Kind.SIDE: st.sampled_from(Policy),
        Kind.DUPLICATE_FILL: st.sampled_from(Policy),
        Kind.MISSING: st.sampled_from((Policy.REPORT, Policy.ADOPT)),
        Kind.VOLUME: st.sampled_from((Policy.REPORT, Policy.ADOPT)),
        Kind.PARTIAL_FILL: st.sampled_from((Policy.REPORT, Policy.ADOPT)),
    }
)


@st.composite
def sightings(draw: st.DrawFn) -> list[Sighting]:
    seen = []
    for n in range(1, draw(st.integers(1, 6)) + 1):
        money: dict[str, Any] = {
            "balance": draw(st.sampled_from((1000.0, 1025.0))),
            "credit": 0.0,
            "margin": 0.0,
        }
        money["equity"] = money["balance"]
        report = FullReport(
            account=AccountReport(**money),
            positions=tuple(draw(POSITIONS)),
            complete=draw(st.sampled_from((True, True, True, False))),
        )
        is_beat = draw(st.integers(0, 3)) == 0
        seen.append(
            Sighting(
                at_msc=n,
                n=n,
                report=None if is_beat else report,
                beat=Heartbeat(**money, digest="") if is_beat else None,
                deals=tuple(draw(DEALS)),
                closing_lots=draw(st.sampled_from(({}, {1: 1.0}, {2: 0.3}))),
                mark_minor=draw(st.sampled_from((None, 100_000))),
            )
        )
    return seen


@settings(deadline=None, max_examples=200)
@given(sightings(), POLICIES)
def test_every_sighting_again_changes_nothing(
    seen: list[Sighting], policies: dict[Kind, Policy]
) -> None:
    terms = under(policies)
    book = Book(intents=(meant("a", stop_loss=1.09), meant("b", 0.6)))
    told: dict[object, State] = {}
    for one in seen:
        done = compare(book, one, terms)
        again = compare(done.book, one, terms)
        assert again.book == done.book
        assert again.changed == ()
        assert not [a for a in again.actions if a != AskReport("the report failed")]
        book = msgspec.msgpack.decode(msgspec.msgpack.encode(done.book), type=Book)
        assert book == done.book
        for row in done.changed:
            before = told.get(row.finding.key)
            if row.count == 1 and row.state is not State.RESOLVED:
                assert before in (None, State.RESOLVED)
            else:
                assert before in (State.SUSPECTED, State.CONFIRMED)
            told[row.finding.key] = row.state
        keys = [row.finding.key for row in book.rows]
        assert len(keys) == len(set(keys))
        assert {key for key, state in told.items() if state is not State.RESOLVED} == set(keys)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 300), st.booleans(), st.integers(0, 4)), max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_broker_that_holds_what_is_meant_gives_no_discrepancy(
    wishes: list[tuple[int, bool, int]], order: Any
) -> None:
    """Whole or in two pieces, with or without the tag, in any order, slipped by a few points."""
    intents: list[Intent] = []
    positions: list[PositionReport] = []
    for number, (steps, is_buy, slip) in enumerate(wishes):
        price = 1.0 + number * 0.01
        side = Side.BUY if is_buy else Side.SELL
        intents.append(meant(str(number), steps / 100, price, side=side))
        cut = steps * 3 // 5 if slip % 2 else steps
        for piece in (cut, steps - cut):
            if piece:
                positions.append(
                    held(
                        len(positions) + 1,
                        piece / 100,
                        price + slip * 0.0001,
                        type=0 if is_buy else 1,
                        comment=tag_of(str(number)) if slip < 2 else "",
                    )
                )
    order.shuffle(positions)
    desk = Desk(*intents)
    assert desk.report(*positions) == []
    assert desk.report(*positions) == []
    assert desk.book.matched_positions == desk.book.open_positions == len(positions)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 4), st.integers(1, 200), st.integers(0, 200))
def test_a_close_on_its_way_explains_any_volume_it_may_have_left(
    number: int, steps: int, closed: int
) -> None:
    lots = steps / 100
    gone = min(closed, steps) / 100
    desk = Desk(meant(lots=lots))
    desk.report(held(number + 1, lots))
    left = () if gone == lots else (held(number + 1, round(lots - gone, 2)),)
    assert desk.report(*left, closing_lots={number + 1: lots}) == []


DRIFTS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "gone": (None, "missing"),
    "grown": ({"volume": 1.5}, "volume"),
    "shrunk": ({"volume": 0.5}, "volume"),
    "turned": ({"type": 1}, "side"),
    "moved": ({"price_open": 1.3}, "entry_slippage"),
    "bare": ({"sl": 0.0}, "stop_loss"),
    "aimless": ({"tp": 3.0}, "take_profit"),
}


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from((*DRIFTS, "true")), min_size=1, max_size=5), st.booleans())
def test_every_drift_is_suspected_by_the_first_report_and_confirmed_by_the_second(
    drifts: list[str], with_a_stranger: bool
) -> None:
    desk = Desk(*(meant(str(n), stop_loss=1.09, take_profit=1.12) for n in range(len(drifts))))
    own = [
        held(n + 1, sl=1.09, tp=1.12, comment=tag_of(str(n)), symbol="eurusd")
        for n in range(len(drifts))
    ]
    assert desk.report(*own) == []
    drifted = [held(99, 0.2, 1.4)] if with_a_stranger else []
    expected = ["unexpected"] if with_a_stranger else []
    for position, drift in zip(own, drifts, strict=True):
        change, kind = DRIFTS.get(drift, ({}, ""))
        drifted += [] if change is None else [replace(position, **change)]
        expected += [kind] if kind else []
    told = sorted(desk.report(*drifted))
    assert told == sorted(f"{kind} suspected" for kind in expected)
    assert sorted(desk.report(*drifted)) == sorted(f"{kind} confirmed" for kind in expected)
    assert sorted(desk.report(*own)) == sorted(f"{kind} resolved" for kind in expected)
