"""The closing machine held to its own table: every state under everything that can happen."""

import itertools
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain import close_orders
from engine.domain.close_actions import Alert, AlertKind, AskReport, Persist, Send, Settle, SlowDown
from engine.domain.close_answers import answered
from engine.domain.close_evidence import on_deal, on_position, on_report
from engine.domain.close_orders import (
    NEVER_MS,
    CloseOrder,
    Kind,
    State,
    Step,
    due_ms,
    elapsed,
    link_lost,
    linked,
    made_durable,
    recovered,
    resumed,
    sent,
)
from engine.domain.reports import (
    AccountReport,
    CommandResult,
    DealReport,
    FullReport,
    IntentReport,
    OrderReport,
    PositionReport,
)
from engine.domain.retcodes import RETCODES

LETTERS = dict(zip("drspuwfex", State, strict=True))
SENT_MS = 100_000
CODES = (*RETCODES, 0, 12_345)


def table() -> dict[tuple[State, str], set[State]]:
    """(state, event) -> the states that may follow, as the module's docstring has it."""
    assert close_orders.__doc__ is not None
    rows = re.findall(r"^  (\w+ .*)$", close_orders.__doc__, re.MULTILINE)
    _, *events = rows[0].split()
    found = {}
    for row in rows[1:]:
        state, *cells = row.split()
        for event, cell in zip(events, cells, strict=True):
            found[State(state), event] = {LETTERS[letter] for letter in cell if letter != "-"}
    return found


def order(state: State, kind: Kind = Kind.FULL, **changes: object) -> CloseOrder:
    flying = state in (State.SENT, State.PLACED, State.UNKNOWN)
    made = CloseOrder(
        intent_id="int_1",
        epoch=3,
        position_id=11,
        symbol="EURUSD",
        kind=kind,
        side=0,
        target_volume_lots=0.4 if kind is Kind.PARTIAL else 0.0,
        current_volume_lots=1.0,
        reason="guard:daily_loss",
        decided_at_ms=SENT_MS - 10,
        fillings=2,
        position_by=12 if kind is Kind.CLOSE_BY else None,
        state=state,
        in_flight=flying,
        before_lots=1.0,
        sent_at_ms=None if state in (State.DECIDED, State.DURABLE) else SENT_MS,
        answered_at_ms=SENT_MS + 50 if state is State.PLACED else None,
        order_ticket=500 if state is State.PLACED else 0,
        answered_lots=0.3 if state is State.PLACED else 0.0,
        settled_at_ms=SENT_MS + 60 if state is State.SETTLED else None,
        retry_at_ms=SENT_MS + 1_000,
    )
    return replace(made, **changes)


def samples(state: State) -> Iterator[CloseOrder]:
    """Orders in this state: every kind, fresh and tried, in flight or not where both occur."""
    for kind, tried in itertools.product(Kind, (False, True)):
        made = order(state, kind, mended=tried, requotes=5 * tried, filling_index=int(tried))
        yield made
        if state is State.ESCALATED:
            yield replace(made, in_flight=True)
            yield replace(made, in_flight=True, order_ticket=500, agreeing_lots=0.7)
        if state is State.UNKNOWN:
            yield replace(made, agreeing_lots=0.7, order_ticket=500, answered_at_ms=SENT_MS + 60)
        if state is State.WAITING:
            yield replace(made, retry_at_ms=SENT_MS + 90_000)


def report(
    volume_lots: float = 0.7,
    side: int = 0,
    working: bool = False,
    row: int | None = None,
    complete: bool = True,
) -> FullReport:
    position = PositionReport(
        identifier=11, ticket=11, symbol="EURUSD", type=side, volume=volume_lots, price_open=1.0
    )
    resting = OrderReport(ticket=11, symbol="EURUSD", type=2, volume_current=0.1, price_open=1.0)
    closing = replace(resting, ticket=500, position_id=11)
    known = IntentReport(intent_id="int_1-1", epoch=3, retcode=row or 0, order=500, volume=0.3)
    return FullReport(
        account=AccountReport(balance=0.0, credit=0.0, equity=0.0, margin=0.0),
        positions=(position,) if volume_lots else (),
        orders=((resting,) if volume_lots else ()) + ((closing,) if working else ()),
        recent_intents=() if row is None else (known,),
        complete=complete,
    )


def deal(volume_lots: float, number: int = 500, ticket: int = 900, entry: int = 1) -> DealReport:
    return DealReport(
        ticket=ticket,
        order=number,
        position_id=11,
        symbol="EURUSD",
        type=1,
        entry=entry,
        volume=volume_lots,
        price=1.0,
    )


def result(retcode: int, volume_lots: float = 0.0, name: str = "int_1-1") -> CommandResult:
    return CommandResult(intent_id=name, retcode=retcode, order=500, volume=volume_lots)


def happens(event: str, made: CloseOrder) -> Iterator[Step]:
    """Everything of this kind that can happen to the order."""
    if event == "durable":
        yield made_durable(made)
    elif event == "sent":
        yield sent(made, SENT_MS + 5)
    elif event == "answered":
        known = replace(made, deals=((900, 500, 1.0),))
        for code, start in itertools.product(CODES, (made, known)):
            yield answered(start, result(code, 0.3), SENT_MS + 100, 0.5)
        yield answered(made, result(10009, name="int_1-0"), SENT_MS + 100, 0.5)
    elif event == "report":
        for volume, side, working in itertools.product((0.7, 0.0, 1.0), (0, 1), (False, True)):
            for row, at_ms in itertools.product((None, *CODES), (SENT_MS - 5, SENT_MS + 46_000)):
                seen = report(volume, side, working, row)
                yield on_report(made, seen, at_ms, SENT_MS + 46_010, 0.5)
        known = replace(made, deals=((900, 500, 1.0),))
        yield on_report(known, report(0.0, row=10009), SENT_MS + 60, SENT_MS + 70, 0.5)
        yield on_report(made, report(0.0, complete=False), SENT_MS + 60, SENT_MS + 70, 0.5)
    elif event == "position":
        for closed in (False, True):
            yield on_position(made, report().positions[0], closed, SENT_MS + 70)
    elif event == "deal":
        for lots, number in itertools.product((0.3, 1.0), (500, 501)):
            yield on_deal(made, deal(lots, number), SENT_MS + 70)
    elif event == "link_lost":
        yield link_lost(made, SENT_MS + 70)
    elif event == "elapsed":
        for wait_ms in (10, 1_500, 6_000, 40_000):
            yield elapsed(made, SENT_MS + wait_ms, 0.5)
    elif event == "resumed":
        yield resumed(made)
    elif event == "recovered":
        yield recovered(made, SENT_MS + 70)


EVENTS: tuple[str, ...] = (
    *("durable", "sent", "answered", "report", "position", "deal", "link_lost"),
    *("elapsed", "resumed", "recovered"),
)


def test_the_table_names_every_state_and_event() -> None:
    assert set(table()) == set(itertools.product(State, EVENTS))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", State)
def test_a_state_is_followed_by_exactly_what_the_table_says(state: State, event: str) -> None:
    followed = set()
    for made in samples(state):
        for after, _ in happens(event, made):
            followed.add(after.state)
    assert followed - {state} == table()[state, event] - {state}


def test_nothing_is_sent_that_is_not_durable_and_nothing_settles_twice() -> None:
    for state, event in itertools.product(State, EVENTS):
        for made in samples(state):
            for after, actions in happens(event, made):
                names = [type(action).__name__ for action in actions]
                assert "Send" not in names or after.state is State.DURABLE
                assert names.count("Settle") == (after.state is State.SETTLED != state)
                assert "Persist" not in names or after.state in (State.DECIDED, State.SETTLED)


@pytest.mark.parametrize("kind", [Kind.PARTIAL, Kind.NETTING])
def test_a_partial_or_netting_close_is_never_sent_again_within_the_hold(kind: Kind) -> None:
    made = order(State.UNKNOWN, kind)
    for at_ms in (10, 2_000, 30_000, 45_000):
        for seen in (report(), report(1.0), report(0.0, complete=False)):
            now_ms = SENT_MS + at_ms + 10
            made, actions = on_report(made, seen, SENT_MS + at_ms, now_ms, 0.5)
            assert made.in_flight
            assert actions == ()
            made = elapsed(made, now_ms, 0.5)[0]
            assert made.in_flight


def test_after_the_hold_two_agreeing_reports_send_what_is_there_less_what_must_remain() -> None:
    made = order(State.UNKNOWN, Kind.PARTIAL)
    made, actions = on_report(made, report(0.9), SENT_MS + 44_000, SENT_MS + 44_010, 0.5)
    made, actions = on_report(made, report(0.7), SENT_MS + 45_100, SENT_MS + 45_110, 0.5)
    assert actions == ()  # held long enough, yet the two differ
    made, actions = on_report(made, report(0.7), SENT_MS + 45_200, SENT_MS + 45_210, 0.5)
    assert actions == (Persist(),)
    made, actions = made_durable(made)
    assert isinstance(actions[0], Send)
    assert actions[0].command.volume_lots == pytest.approx(0.3)
    assert actions[0].command.command_id == "int_1-2"


def test_a_deal_or_a_working_order_breaks_the_agreement() -> None:
    held = replace(order(State.UNKNOWN, Kind.PARTIAL), agreeing_lots=0.7)
    after = SENT_MS + 46_000
    told = on_deal(held, deal(0.1, number=7), after)[0]
    working = on_report(held, report(0.7, working=True), after, after + 10, 0.5)[0]
    for made in (told, working):
        still = on_report(made, report(0.7), after + 20, after + 30, 0.5)[0]
        assert (still.state, still.attempts) == (State.UNKNOWN, 1)


def test_a_report_taken_before_the_send_proves_nothing_of_it() -> None:
    for seen in (report(1.0), report(0.0)):
        after, actions = on_report(order(State.UNKNOWN), seen, SENT_MS, SENT_MS + 500, 0.5)
        assert (after.state, actions) == (State.UNKNOWN, ())


def test_what_was_answered_and_a_later_report_agree_so_the_rest_goes_at_once() -> None:
    made = replace(order(State.SENT, Kind.PARTIAL))
    made, _ = answered(made, result(10010, 0.3), SENT_MS + 100, 0.5)
    early, actions = on_report(made, report(0.7), SENT_MS + 90, SENT_MS + 110, 0.5)
    assert (early.state, actions) == (State.PLACED, ())
    other, _ = on_report(made, report(0.8), SENT_MS + 120, SENT_MS + 130, 0.5)
    assert other.state is State.PLACED
    made, actions = on_report(made, report(0.7), SENT_MS + 120, SENT_MS + 130, 0.5)
    assert (made.state, made.attempts, actions) == (State.DECIDED, 2, (Persist(),))


def test_neither_placed_nor_done_is_flat_until_every_deal_of_it_has_come() -> None:
    made, _ = answered(order(State.SENT), result(10009, 1.0), SENT_MS + 100, 0.5)
    assert made.state is State.PLACED
    made, _ = on_deal(made, deal(0.6, ticket=1), SENT_MS + 110)
    made, again = on_deal(made, deal(0.6, ticket=1), SENT_MS + 115)
    assert (made.state, again) == (State.PLACED, ())
    made, _ = on_deal(made, deal(0.4, number=77, ticket=2), SENT_MS + 118)
    assert made.state is State.PLACED  # another order's
    made, actions = on_deal(made, deal(0.4, ticket=3), SENT_MS + 120)
    assert (made.state, actions) == (State.SETTLED, (Settle(),))


def test_deals_that_come_before_their_answer_settle_with_it() -> None:
    made, _ = on_deal(order(State.SENT), deal(1.0), SENT_MS + 90)
    assert made.state is State.SENT
    assert answered(made, result(10009, 1.0), SENT_MS + 100, 0.5)[0].state is State.SETTLED


def test_it_is_requoted_at_most_five_times_with_the_deviation_capped() -> None:
    made, deviations = order(State.SENT), []
    for number in range(1, 7):
        name = f"int_1-{number}"
        made, actions = answered(made, result(10004, name=name), SENT_MS + number, 0.5)
        deviations.append(made.deviation_points)
        if number < 6:
            made = sent(made_durable(made)[0], SENT_MS + number)[0]
    assert deviations == [40, 80, 160, 160, 160, 160]
    assert (made.state, actions) == (State.ESCALATED, (Alert(AlertKind.REQUOTES, page=True),))
    assert made.retry_at_ms == SENT_MS + 6 + 30_000


def test_too_many_requests_slow_down_and_back_off_doubles_with_jitter() -> None:
    low, actions = answered(order(State.SENT), result(10024), SENT_MS, 0.0)
    high, _ = answered(order(State.SENT, repeats=3), result(10021), SENT_MS, 0.999)
    assert actions == (SlowDown(),)
    assert low.retry_at_ms == SENT_MS + 250
    assert high.retry_at_ms == SENT_MS + 3_998


def test_a_closed_market_pages_at_once_and_goes_on_when_it_opens() -> None:
    opens_ms = SENT_MS + 3_600_000
    made, actions = answered(order(State.SENT), result(10018), SENT_MS, 0.5, opens_ms)
    assert actions == (Alert(AlertKind.CANNOT_ACT, page=True),)
    quiet = replace(made, alerted=tuple(AlertKind))
    assert elapsed(quiet, opens_ms - 1, 0.5)[1] == ()
    assert elapsed(quiet, opens_ms, 0.5)[1] == (Persist(),)


def test_our_mistake_is_mended_once_then_halts_and_pages() -> None:
    made, actions = answered(order(State.SENT), result(10013), SENT_MS, 0.5)
    assert (made.state, actions) == (State.WAITING, (AskReport(),))
    made = sent(made_durable(elapsed(made, SENT_MS + 1_000, 0.5)[0])[0], SENT_MS + 1_001)[0]
    made, actions = answered(made, result(10014, name="int_1-2"), SENT_MS + 1_100, 0.5)
    assert (made.state, actions) == (State.REFUSED, (Alert(AlertKind.MISTAKE, page=True),))
    assert on_report(made, report(0.0), SENT_MS + 2_000, SENT_MS + 2_010, 0.5)[1] == (Settle(),)


def test_each_allowed_filling_is_tried_once() -> None:
    made, _ = answered(order(State.SENT), result(10030), SENT_MS, 0.5)
    assert (made.state, made.filling_index) == (State.DECIDED, 1)
    made = sent(made_durable(made)[0], SENT_MS + 1)[0]
    assert answered(made, result(10030, name="int_1-2"), SENT_MS, 0.5)[0].state is State.REFUSED


def test_too_large_a_volume_goes_in_smaller_slices() -> None:
    made, actions = answered(order(State.SENT), result(10034), SENT_MS, 0.5)
    assert actions == (Alert(AlertKind.LIMITS, page=False), Persist())
    send = made_durable(made)[1][0]
    assert isinstance(send, Send)
    assert send.command.volume_lots == 0.5


def test_not_flat_alerts_after_5_s_and_escalates_after_30_s_once_each() -> None:
    made = order(State.UNKNOWN, Kind.NETTING)
    raised: list[tuple[int, AlertKind]] = []
    for age_ms in range(0, 60_000, 500):
        made, actions = elapsed(made, made.decided_at_ms + age_ms, 0.5)
        raised += [(age_ms, action.kind) for action in actions if isinstance(action, Alert)]
    assert raised == [(5_000, AlertKind.LATE), (30_000, AlertKind.ESCALATED)]
    assert (made.state, made.filling_index, made.deviation_points) == (State.ESCALATED, 1, 160)


def test_a_position_turned_around_by_somebody_else_is_let_be_and_told() -> None:
    made = order(State.UNKNOWN, Kind.NETTING)
    made, actions = on_report(made, report(0.5, side=1), SENT_MS + 50, SENT_MS + 60, 0.5)
    assert actions == (Alert(AlertKind.OVERTAKEN, page=True), Settle())


def test_already_closed_settles_when_a_report_says_so_too() -> None:
    made, actions = answered(order(State.SENT), result(10036), SENT_MS + 50, 0.5)
    assert (made.state, actions) == (State.UNKNOWN, (AskReport(),))
    assert on_report(made, report(0.0), SENT_MS + 60, SENT_MS + 70, 0.5)[1] == (Settle(),)


def test_a_restart_holds_a_partial_from_the_restart_on() -> None:
    made, actions = recovered(order(State.DECIDED, Kind.PARTIAL), SENT_MS)
    assert (made.state, made.sent_at_ms, actions) == (State.UNKNOWN, SENT_MS, (AskReport(),))


def test_a_report_older_than_what_is_known_changes_nothing() -> None:
    waits = order(State.WAITING, known_at_ms=SENT_MS + 100)
    assert on_report(waits, report(0.0), SENT_MS + 99, SENT_MS + 200, 0.5) == (waits, ())
    over = order(State.SETTLED)
    assert on_report(over, report(1.0), SENT_MS + 60, SENT_MS + 200, 0.5) == (over, ())


def test_what_is_there_after_it_was_settled_is_closed_on_and_told() -> None:
    made, actions = on_report(order(State.SETTLED), report(1.0), SENT_MS + 61, SENT_MS + 70, 0.5)
    assert actions == (Alert(AlertKind.STILL_THERE, page=True), AskReport())
    assert (made.state, made.in_flight) == (State.UNKNOWN, True)


def test_a_netting_position_that_grew_under_its_close_is_not_settled_by_what_was_asked() -> None:
    """1.0 was asked of what is 1.5 by now: half a lot is left, and goes next."""
    grown, later = report(1.5).positions[0], SENT_MS + 80
    made, actions = on_position(order(State.PLACED, Kind.NETTING), grown, False, SENT_MS + 60)  # noqa: FBT003
    assert actions == (AskReport(),)
    made, actions = on_deal(made, deal(1.0, number=500), SENT_MS + 70)
    assert (made.state, actions) == (State.PLACED, (AskReport(),))
    made, actions = on_report(replace(made, answered_lots=1.0), report(0.5), later, later, 0.5)
    assert (made.state, made.current_volume_lots, actions) == (State.DECIDED, 0.5, (Persist(),))


def test_a_position_told_after_its_close_was_settled_is_asked_for() -> None:
    left, over = report(0.5).positions[0], order(State.SETTLED, Kind.NETTING)
    assert on_position(over, left, False, SENT_MS + 70) == (over, (AskReport(),))  # noqa: FBT003
    assert on_position(over, left, True, SENT_MS + 70) == (over, ())  # noqa: FBT003


def test_a_full_close_is_repeated_at_once_and_then_ever_more_slowly_under_its_name() -> None:
    made, sends, now_ms = order(State.UNKNOWN), [], SENT_MS
    for _ in range(200):
        now_ms += 100
        made, actions = on_report(made, report(1.0), now_ms, now_ms, 0.5)
        if made.state is State.DURABLE:
            assert isinstance(actions[0], Send)
            assert actions[0].command.command_id == "int_1-1"
            sends.append(now_ms - SENT_MS)
            made = link_lost(sent(made, now_ms)[0], now_ms)[0]
    gaps = [later - first for first, later in itertools.pairwise(sends)]
    assert sends[0] == 100
    assert gaps == sorted(gaps)
    assert gaps[0] >= 1_000
    assert gaps[-1] >= 4_000


def test_a_session_that_should_be_open_is_probed_not_hammered() -> None:
    made, _ = answered(order(State.SENT), result(10018), SENT_MS, 0.5, SENT_MS - 1)
    assert made.retry_at_ms == SENT_MS + 60_000


def test_an_epoch_never_goes_back() -> None:
    assert linked(order(State.UNKNOWN), 9)[0].epoch == 9
    assert linked(order(State.UNKNOWN), 2)[0].epoch == 3


def test_what_was_written_as_the_link_broke_is_held_from_the_writing_on() -> None:
    made = sent(link_lost(order(State.DURABLE, Kind.PARTIAL), SENT_MS)[0], SENT_MS + 7)[0]
    assert (made.state, made.sent_at_ms) == (State.UNKNOWN, SENT_MS + 7)


def test_a_deal_without_our_answer_settles_nothing() -> None:
    unanswered = order(State.UNKNOWN)
    made, actions = on_deal(unanswered, deal(1.0, number=0), SENT_MS + 50)
    assert (made.state, actions) == (State.UNKNOWN, (AskReport(),))


@given(current=st.integers(1, 10_000), target=st.integers(0, 10_000), step=st.sampled_from([1, 10]))
def test_no_volume_is_more_than_what_is_there_less_what_must_remain(
    current: int, target: int, step: int
) -> None:
    kind = Kind.PARTIAL if target else Kind.FULL
    made = order(State.DURABLE, kind, current_volume_lots=current / 100)
    made = replace(made, target_volume_lots=target / 100, volume_step_lots=step / 100)
    volume_lots = close_orders.command_of(made).volume_lots
    need_lots = max(0, current - target) / 100
    assert need_lots - (step / 100 if target else 0) < volume_lots + 1e-9
    assert volume_lots <= need_lots + 1e-9


@pytest.mark.parametrize("state", State)
def test_before_it_is_due_time_asks_a_close_for_nothing(state: State) -> None:
    changed = 0
    for one in samples(state):
        for alerted in ((), (AlertKind.LATE,), (AlertKind.LATE, AlertKind.ESCALATED)):
            made = replace(one, alerted=alerted, ask_at_ms=SENT_MS + 700 * len(alerted))
            due = due_ms(made)
            for now_ms in range(SENT_MS - 10, SENT_MS + 120_000, 250):
                if now_ms < due:
                    assert elapsed(made, now_ms, 0.5) == (made, ())
            if due < NEVER_MS:
                changed += elapsed(made, max(due, SENT_MS), 0.5) != (made, ())
    assert changed or state is State.SETTLED, "what is due is asked for"
