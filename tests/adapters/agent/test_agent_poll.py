"""What the poll thread makes of the package, look by look."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.mt5 import frames
from adapters.mt5.agent_package import Package, load_package
from adapters.mt5.agent_poll import (
    CLOSED_ALREADY,
    EXPIRED,
    MALFORMED,
    NO_ANSWER,
    NOT_BEGUN,
    OUTGROWN,
    PollThread,
    Told,
)
from adapters.mt5.intents import IntentTable
from engine.errors import AdapterError, UserError
from engine.link import Action, PositionChange
from tests.adapters.agent.stand_in import OFFSET_S, StandIn

NOW_S = 1_767_787_200.0


class Bench:
    """A poll thread that is never started: its looks are taken one by one."""

    def __init__(
        self, path: Path | None = None, silent_s: float = 0.0, settle_s: float = 0.0
    ) -> None:
        self.mt5 = StandIn(NOW_S)
        self.silent_s = silent_s
        self.intents = IntentTable(path)
        self.poll = PollThread(
            Package(self.mt5, lambda: datetime.fromtimestamp(self.mt5.now_s, UTC)),
            self.intents,
            lambda _: None,
            lambda: None,
            period_s=0.1,
            magic=9,
            gmt_offset_s=None,
            silent_s=lambda: self.silent_s,
            settle_s=settle_s,
            wall_s=lambda: self.mt5.now_s,
        )
        self.poll.wanted = ("EURUSD",)
        self.at_s = 100.0

    def look(self, after_s: float = 0.1) -> Told:
        self.at_s += after_s
        self.mt5.now_s += after_s
        return self.poll.look(self.at_s)

    def command(self, action: Action, intent_id: str = "int_1-1", **more: Any) -> None:
        outgrown = more.pop("outgrown", False)
        came_s = self.at_s + more.pop("came", 0.0)
        command = frames.Command(action=action, intent_id=intent_id, epoch=1, ttl_ms=5000, **more)
        self.poll.commands.put((command, outgrown, came_s))


def test_positions_that_come_change_and_go_are_told_with_their_deals() -> None:
    bench = Bench()
    assert bench.look().positions == []
    number = bench.mt5.open()
    told = bench.look()
    assert [(change, p.identifier) for change, p in told.positions] == [
        (PositionChange.OPENED, number)
    ]
    assert [deal.position_id for deal in told.deals] == [number]
    bench.command(Action.CLOSE, position=number, volume=0.4)
    told = bench.look()
    assert [change for change, _ in told.positions] == [PositionChange.CHANGED]
    assert [(r.intent_id, r.retcode, r.volume) for r in told.results] == [("int_1-1", 10009, 0.4)]
    assert [deal.entry for deal in told.deals] == [1]


def test_a_query_that_failed_is_not_an_empty_account() -> None:
    bench = Bench()
    bench.mt5.open()
    bench.look()
    bench.mt5.failing = {"positions_get"}
    bench.poll.wants_report = True
    told = bench.look(after_s=2.0)
    assert told.positions == []
    assert told.heartbeat is None, "its digest would say flat"
    assert told.report is not None
    assert not told.report.complete
    bench.mt5.failing = set()
    bench.poll.wants_report = True
    report = bench.look().report
    assert report is not None
    assert report.complete
    assert len(report.positions) == 1


def test_a_failed_history_is_asked_for_again_and_no_deal_is_lost() -> None:
    bench = Bench()
    bench.look()
    bench.mt5.failing = {"history_deals_get"}
    number = bench.mt5.open()
    assert bench.look().deals == ()
    bench.mt5.failing = set()
    assert [deal.position_id for deal in bench.look(after_s=1.5).deals] == [number]
    assert bench.look(after_s=1.5).deals == (), "each deal once"


def test_a_close_names_the_position_and_the_opposite_side() -> None:
    bench = Bench()
    number = bench.mt5.open()
    bench.look()
    bench.command(Action.CLOSE, position=number, deviation=33)
    bench.look()
    [request] = bench.mt5.sent
    assert (request["position"], request["type"], request["volume"]) == (number, 1, 1.0)
    assert (request["deviation"], request["magic"]) == (33, 9)


def test_a_wrong_filling_mode_is_tried_with_the_next_one() -> None:
    bench = Bench()
    number = bench.mt5.open()
    bench.look()
    bench.mt5.answers = [10030]
    bench.command(Action.CLOSE, position=number)
    assert [r.retcode for r in bench.look().results] == [10009]
    assert len({request["type_filling"] for request in bench.mt5.sent}) == 2


def test_a_repeat_is_answered_from_the_table_also_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "intents.jsonl")
    number = bench.mt5.open()
    bench.look()
    bench.command(Action.CLOSE, position=number)
    first = bench.look().results
    bench.command(Action.CLOSE, position=number)
    again = bench.look().results
    later = Bench(tmp_path / "intents.jsonl")
    later.command(Action.CLOSE, position=number)
    assert [r.retcode for r in (*first, *again, *later.look().results)] == [10009] * 3
    assert len(bench.mt5.sent) == 1
    assert later.mt5.sent == []


@pytest.mark.parametrize(
    ("more", "retcode"),
    [
        ({"outgrown": True}, OUTGROWN),
        ({"came": -6.0}, EXPIRED),
        ({}, CLOSED_ALREADY),
        ({"volume": 0.0}, MALFORMED),
    ],
)
def test_what_is_not_done_is_answered_and_nothing_is_sent(
    more: dict[str, Any], retcode: int
) -> None:
    bench = Bench()
    bench.command(Action.CLOSE, position=4711, **more)
    assert [r.retcode for r in bench.look().results] == [retcode]
    assert bench.mt5.sent == []


def test_an_order_that_is_not_answered_is_unknown_and_not_refused() -> None:
    bench = Bench()
    number = bench.mt5.open()
    bench.look()
    bench.mt5.failing = {"order_send"}
    bench.command(Action.CLOSE, position=number)
    assert [r.retcode for r in bench.look().results] == [NO_ANSWER]


def test_the_offset_is_read_off_fresh_ticks_alone() -> None:
    bench = Bench()
    assert bench.look().gmt_offset_s is None, "the first tick may be old"
    assert bench.look().gmt_offset_s == OFFSET_S
    assert bench.intents.gmt_offset_s == OFFSET_S, "for a start on a closed market"
    stale = Bench()
    stale.mt5.now_s -= 400
    stale.poll._ticks._wall_s = lambda: stale.mt5.now_s + 400
    stale.look()
    assert stale.look().gmt_offset_s is None


def test_the_floor_closes_everything_only_while_the_engine_is_silent() -> None:
    bench = Bench(silent_s=10.0)
    bench.mt5.open()
    bench.intents.note_floor(20_000.0)
    for _ in range(6):
        bench.look(after_s=1.1)
    assert bench.mt5.sent == [], "ten seconds are no silence"
    bench.silent_s = 31.0
    for _ in range(4):
        bench.look(after_s=1.1)
    assert bench.mt5.positions_get() == ()


def test_a_machine_without_the_package_is_told_what_to_install() -> None:
    with pytest.raises(UserError, match="MetaTrader5 package is not installed"):
        load_package()


def test_a_terminal_that_does_not_answer_is_an_outside_failure() -> None:
    bench = Bench()
    bench.mt5.failing = {"initialize"}
    with pytest.raises(AdapterError, match="No IPC connection"):
        bench.poll._package.open(None)


def test_a_terminal_that_has_just_connected_is_not_believed_to_be_flat() -> None:
    bench = Bench(settle_s=2.0)
    number = bench.mt5.open()
    bench.look()
    assert bench.look(after_s=2.1).heartbeat is not None
    bench.mt5.is_connected = False
    bench.mt5.failing = {"is_flat"}
    bench.poll.wants_report = True
    bench.command(Action.CLOSE, position=number)
    away = bench.look()
    assert [r.retcode for r in away.results] == [NOT_BEGUN]
    bench.mt5.is_connected = True
    early = bench.look()
    assert (away.report, early.report, away.heartbeat, early.heartbeat) == (None,) * 4
    assert away.positions == early.positions == []
    bench.mt5.failing = set()
    report = bench.look(after_s=2.1).report
    assert report is not None
    assert [one.identifier for one in report.positions] == [number]


def test_another_account_in_the_terminal_is_never_told_as_this_one() -> None:
    bench = Bench()
    bench.poll._package.open(None)
    bench.look()
    bench.mt5.login = 1002
    with pytest.raises(AdapterError, match="another account"):
        bench.look()


def test_deals_behind_the_mark_are_told_after_a_restart_whatever_the_servers_clock(
    tmp_path: Path,
) -> None:
    first = Bench(tmp_path / "intents.jsonl")
    first.mt5.open()
    assert first.look().deals == (), "what came before the first look is not told"
    first.mt5.open()
    [deal] = first.look(after_s=1.5).deals
    first.intents.note_deals(deal.time_msc)
    later = Bench(tmp_path / "intents.jsonl")
    later.mt5.now_s += 7200
    later.mt5.open()
    assert [deal.position_id for deal in later.look().deals] == [1]


def test_a_server_behind_utc_has_its_deals_told() -> None:
    bench = Bench()
    bench.mt5.offset_s = -5 * 3600
    bench.look()
    number = bench.mt5.open()
    assert [deal.position_id for deal in bench.look().deals] == [number]


def test_a_command_that_waited_while_a_newer_link_was_made_is_not_done() -> None:
    bench = Bench()
    number = bench.mt5.open()
    bench.look()
    bench.command(Action.CLOSE, position=number)
    bench.intents.note_epoch(2)
    assert [r.retcode for r in bench.look().results] == [OUTGROWN]
    assert bench.mt5.sent == []


def test_more_than_is_held_is_never_asked_for() -> None:
    bench = Bench()
    number = bench.mt5.open(lots=0.5)
    bench.look()
    bench.command(Action.CLOSE, position=number, volume=2.0)
    bench.look()
    assert [request["volume"] for request in bench.mt5.sent] == [0.5]


def test_a_report_without_the_accounts_arithmetic_comes_at_a_later_look() -> None:
    bench = Bench()
    bench.look()
    bench.poll.wants_report = True
    bench.mt5.failing = {"symbols_get"}
    report = bench.look().report
    assert report is not None
    assert not report.complete
    bench.poll.wants_report = True
    bench.mt5.failing = {"account_info"}
    assert bench.look().report is None
    bench.mt5.failing = set()
    assert bench.look().report is not None
