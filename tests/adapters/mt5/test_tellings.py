"""Numbers, gaps, parts, digests, acknowledgements, and what is sent again after a reconnect."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mt5 import frames
from adapters.mt5.engine_side import EngineEvent
from adapters.mt5.numbering import Numbering
from adapters.mt5.tellings import (
    Beaten,
    DealTold,
    Quoted,
    Reported,
    ReportNeeded,
    ResultTold,
    Telling,
    together,
)
from adapters.mt5.terminal_side import (
    Commanded,
    OutgrownCommand,
    TerminalSession,
    TerminalSide,
)
from engine.domain.reports import FullReport
from engine.link import Action, LinkQuote, PositionChange, Sent, TerminalCommand
from tests.adapters.mt5.link_samples import (
    GMT,
    OFFSET_S,
    Host,
    beat,
    deal,
    linked,
    position,
    quote,
    report,
    result,
)

RETRY_NS = 5_000_000_000


def told(host: Host, *said: bytes) -> list[EngineEvent]:
    return host.hear(said)[0]


def needed(events: list[EngineEvent]) -> list[str]:
    return [event.cause for event in events if isinstance(event, ReportNeeded)]


def reports(events: list[EngineEvent]) -> list[FullReport]:
    return [event.report for event in events if isinstance(event, Reported)]


def reported(*held: int) -> tuple[Host, TerminalSide]:
    """A link whose first report is in."""
    host, side = linked()
    told(host, side.send_report(report(*map(position, held)), GMT))
    return host, side


# Gaps and repeats


def test_a_gap_asks_for_a_report_once_and_the_frame_after_it_still_counts() -> None:
    host, side = reported()
    side.send_deals([deal(1)], GMT)
    events = told(host, side.send_deals([deal(2)], GMT))
    assert needed(events) == ["gap"]
    assert isinstance(events[-1], DealTold)
    side.send_deals([deal(3)], GMT)
    assert needed(told(host, side.send_deals([deal(4)], GMT))) == []
    assert host.side.tellings.tally.gaps == 2
    beaten = told(host, side.send_heartbeat(beat(), GMT))[-1]
    assert isinstance(beaten, Beaten)
    assert beaten.sent.gaps == 2


def test_a_report_not_answered_is_asked_for_again() -> None:
    host, side = reported()
    side.send_quotes([quote()], GMT)
    assert needed(told(host, side.send_heartbeat(beat(), GMT))) == ["gap"]
    host.now_ns += RETRY_NS
    side.send_quotes([quote()], GMT)
    assert needed(told(host, side.send_heartbeat(beat(), GMT))) == ["gap"]


def test_a_gap_before_a_report_asks_for_nothing() -> None:
    host, side = reported()
    side.send_quotes([quote()], GMT)
    events = told(host, side.send_report(report(position(7)), GMT))
    assert needed(events) == []
    assert len(reports(events)) == 1


def test_a_repeated_frame_is_dropped() -> None:
    host, side = reported()
    said = side.send_deals([deal(1)], GMT)
    assert len(told(host, said)) == 1
    assert told(host, said) == []
    assert host.side.tellings.tally.repeated == 1


def test_a_missing_deal_or_result_that_comes_late_is_taken_once() -> None:
    host, side = reported()
    late = side.send_deals([deal(1)], GMT) + side.send_result(result("int_1"), GMT)
    told(host, side.send_heartbeat(beat(), GMT))
    events = told(host, late)
    assert [type(event) for event in events] == [DealTold, ResultTold]
    assert told(host, late) == []


def test_a_missing_position_that_comes_late_is_not_taken() -> None:
    host, side = reported()
    late = side.send_position(PositionChange.OPENED, position(7), GMT)
    told(host, side.send_heartbeat(beat(), GMT))
    assert told(host, late) == []


@settings(max_examples=200)
@given(st.lists(st.integers(1, 40), max_size=60))
def test_each_number_is_taken_at_most_once_whatever_the_order(numbers: list[int]) -> None:
    numbering = Numbering(1)
    orders = [(n, numbering.take(n)) for n in numbers]
    taken = [n for n, order in orders if not order.repeated or order.missed]
    assert sorted(taken) == sorted(set(numbers))
    last = 0
    for n, order in orders:
        assert order.gap == (n > last + 1)
        last = max(last, n)


def test_an_absurd_number_costs_nothing() -> None:
    numbering = Numbering(1)
    assert numbering.take(2**53).gap
    assert numbering.take(2**40).missed
    assert not numbering.take(2**40).missed


# Parts


def many(count: int) -> FullReport:
    return report(*(position(number) for number in range(1, count + 1)))


def test_a_report_larger_than_a_line_comes_in_parts_and_arrives_whole() -> None:
    host, side = linked()
    said = side.send_report(many(900), GMT)
    lines = said.splitlines(keepends=True)
    assert len(lines) > 2
    assert max(map(len, lines)) <= frames.MAX_LINE
    for line in lines[:-1]:
        assert told(host, line) == []
    (found,) = reports(told(host, lines[-1]))
    assert found == many(900)


def test_parts_with_another_frame_between_are_let_go_and_asked_for_anew() -> None:
    host, side = reported(7)
    lines = side.send_report(many(900), GMT).splitlines(keepends=True)
    renumbered = [
        frames.encode(msgspec.structs.replace(frames.decode_from_terminal(line.strip()), n=n))
        for n, line in zip([2, 4, 5, 6, 7, 8], lines, strict=False)
    ]
    assert told(host, renumbered[0]) == []
    between = frames.encode(frames.Deal(n=3, gmt_msc=GMT, deal=deal(1)))
    assert needed(told(host, between)) == ["parts"]
    assert reports(told(host, *renumbered[1:])) == []


def test_a_missing_part_makes_no_report() -> None:
    host, side = reported(7)
    lines = side.send_report(many(900), GMT).splitlines(keepends=True)
    events = told(host, lines[0], *lines[2:])
    assert reports(events) == []
    assert needed(events) == ["gap"]


def test_a_new_first_part_begins_a_report_anew() -> None:
    host, side = reported(7)
    begun = side.send_report(many(900), GMT).splitlines(keepends=True)[0]
    side._session.next_n = 3
    events = told(host, begun, side.send_report(report(position(8)), GMT))
    assert needed(events) == []
    assert [p.identifier for p in reports(events)[0].positions] == [8]


@pytest.mark.parametrize(("part", "parts"), [(2, 1), (2, 2)])
def test_a_part_that_cannot_be_first_is_asked_for_anew(part: int, parts: int) -> None:
    host, _ = reported(7)
    frame = frames.Report(n=2, gmt_msc=GMT, part=part, parts=parts, complete=True)
    assert needed(told(host, frames.encode(frame))) == ["parts"]


# Digests


def test_a_digest_that_agrees_asks_for_nothing() -> None:
    host, side = reported(7, 8)
    assert needed(told(host, side.send_heartbeat(beat(position(8), position(7)), GMT))) == []


def test_a_digest_that_differs_asks_for_a_report_and_the_report_heals_it() -> None:
    host, side = reported(7)
    changed = position(7, volume=0.2)
    assert needed(told(host, side.send_heartbeat(beat(changed), GMT))) == ["digest"]
    assert needed(told(host, side.send_heartbeat(beat(changed), GMT))) == []
    told(host, side.send_report(report(changed), GMT))
    assert needed(told(host, side.send_heartbeat(beat(changed), GMT))) == []


def test_the_digest_follows_positions_as_they_are_told() -> None:
    host, side = reported(7)
    new, less = position(8), position(8, volume=0.05)
    told(host, side.send_position(PositionChange.OPENED, new, GMT))
    told(host, side.send_position(PositionChange.CHANGED, less, GMT))
    assert needed(told(host, side.send_heartbeat(beat(position(7), less), GMT))) == []
    told(host, side.send_position(PositionChange.CLOSED, position(7), GMT))
    assert needed(told(host, side.send_heartbeat(beat(less), GMT))) == []


def test_a_failed_report_changes_no_belief_about_positions() -> None:
    host, side = reported(7)
    (failed,) = reports(told(host, side.send_report(report(complete=False), GMT)))
    assert not failed.complete
    assert needed(told(host, side.send_heartbeat(beat(position(7)), GMT))) == []


def test_a_terminal_that_sends_no_first_report_is_asked() -> None:
    host, side = linked()
    assert needed(told(host, side.send_heartbeat(beat(), GMT))) == []
    host.now_ns += RETRY_NS
    assert needed(told(host, side.send_heartbeat(beat(), GMT))) == ["missing"]


# Clocks


def test_a_server_clock_that_changes_moves_the_times_after_it() -> None:
    host, side = reported()
    before = told(host, side.send_heartbeat(beat(), GMT))[-1]
    after = told(host, side.send_heartbeat(beat(), GMT, gmt_offset_s=OFFSET_S + 3600))[-1]
    assert isinstance(before, Beaten)
    assert isinstance(after, Beaten)
    assert before.sent.gmt_offset_s == OFFSET_S
    assert after.sent.gmt_offset_s == OFFSET_S + 3600


# Acknowledgements and what is kept


def acknowledged(host: Host) -> int | None:
    line = host.side.acknowledgement(host.now_ns)
    return msgspec.json.decode(line)["n"] if line else None


def test_nothing_is_acknowledged_before_it_is_signed_for() -> None:
    host, side = linked()
    host.now_ns += RETRY_NS
    told(host, side.send_report(report(), GMT), side.send_deals([deal(1), deal(2)], GMT))
    assert acknowledged(host) is None
    host.side.sign(2)
    assert acknowledged(host) is None
    host.side.sign(1)
    assert acknowledged(host) == 2
    host.side.sign(3)
    host.now_ns += RETRY_NS
    assert acknowledged(host) == 3
    assert acknowledged(host) is None


def test_acknowledgements_are_coalesced() -> None:
    host, side = linked()
    told(host, side.send_report(report(), GMT), side.send_deals([deal(1)], GMT))
    host.side.sign(1)
    host.side.sign(2)
    assert acknowledged(host) is None
    host.now_ns += 200_000_000
    assert acknowledged(host) == 2
    told(host, *(side.send_heartbeat(beat(), GMT) for _ in range(63)))
    host.now_ns += 1_900_000_000
    assert acknowledged(host) is None
    told(host, side.send_heartbeat(beat(), GMT))
    assert acknowledged(host) == 66


def test_a_terminal_with_little_to_say_is_acknowledged_every_other_second() -> None:
    host, side = linked()
    told(host, side.send_heartbeat(beat(), GMT))
    host.now_ns += 1_900_000_000
    assert acknowledged(host) is None
    host.now_ns += 100_000_000
    assert acknowledged(host) == 1
    host.now_ns += RETRY_NS
    assert acknowledged(host) is None, "nothing came since"


def test_what_was_not_acknowledged_is_sent_again_under_new_numbers() -> None:
    session = TerminalSession("run-1")
    host, side = linked(session)
    told(host, side.send_report(report(), GMT), side.send_deals([deal(1), deal(2)], GMT))
    host.side.sign(1)
    host.side.sign(2)
    again = Host(epoch=2, resume_from=host.side.signed_up_to + 1)
    _, other = linked(session, again)
    events = told(again, other.send_kept(), other.send_report(report(), GMT))
    assert needed(events) == []
    found = [event for event in events if isinstance(event, DealTold)]
    assert [(event.n, event.deal.ticket) for event in found] == [(3, 2)]


def test_an_engine_that_forgot_the_session_gets_everything_again() -> None:
    session = TerminalSession("run-1")
    host, side = linked(session)
    told(host, side.send_deals([deal(1), deal(2)], GMT), side.send_result(result("i"), GMT))
    again = Host(epoch=2)
    _, other = linked(session, again)
    events = told(again, other.send_kept())
    assert [type(event) for event in events] == [DealTold, DealTold, ResultTold]
    assert [event.n for event in events if isinstance(event, Telling)] == [1, 2, 3]


def test_what_is_acknowledged_is_let_go() -> None:
    session = TerminalSession("run-1")
    host, side = linked(session)
    told(host, side.send_deals([deal(1), deal(2)], GMT))
    host.side.sign(1)
    host.now_ns += RETRY_NS
    side.receive(host.side.acknowledgement(host.now_ns))
    assert [frame.n for frame in session.kept] == [2]


# Commands


def test_a_command_carries_the_epoch_of_its_link() -> None:
    host, side = linked(host=Host(epoch=4))
    close = TerminalCommand(action=Action.CLOSE, intent_id="int_1", position=7, volume=0.1)
    (event,) = side.receive(host.side.send_command(close))
    assert isinstance(event, Commanded)
    found = event.command
    assert (found.epoch, found.intent_id, found.position, found.volume) == (4, "int_1", 7, 0.1)


def test_a_command_of_a_lower_epoch_is_not_to_be_done() -> None:
    session = TerminalSession("run-1")
    host, side = linked(session, Host(epoch=4))
    session.epoch_seen = 5
    close = TerminalCommand(action=Action.CLOSE, intent_id="int_1", position=7)
    (event,) = side.receive(host.side.send_command(close))
    assert isinstance(event, OutgrownCommand)


def quoted(n: int, symbol: str, offset_s: int = 0) -> Quoted:
    return Quoted(n, Sent(1000, offset_s, 0), [LinkQuote(symbol, n, n, 1.0, 1.1, 6)])


def test_quotes_one_behind_the_other_are_handed_on_as_one_and_nothing_changes_its_place() -> None:
    needed = ReportNeeded("gap")
    said = [quoted(1, "A"), quoted(2, "B"), needed, quoted(3, "A"), quoted(4, "C")]
    first, between, last = together(said)
    assert isinstance(first, Quoted)
    assert isinstance(last, Quoted)
    assert between is needed
    assert [(one.symbol, one.time_msc) for one in first.quotes] == [("A", 1), ("B", 2)]
    assert [(one.symbol, one.time_msc) for one in last.quotes] == [("A", 3), ("C", 4)]
    assert (first.n, last.n) == (2, 4)


def test_quotes_of_two_clock_offsets_are_not_put_together() -> None:
    said = [quoted(1, "A"), quoted(2, "A", offset_s=3600), quoted(3, "A", offset_s=3600)]
    assert [event.n for event in together(said) if isinstance(event, Quoted)] == [1, 3]
