"""Who is told what, and when silence has lasted too long, under a virtual clock."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from adapters.notify import templates
from engine.actor import CRASHED
from engine.alerting import Alerting
from engine.alerts import Level
from engine.clock import VirtualClock
from engine.domain import records
from engine.domain.snapshot import Quality
from tests.domain.accounts import START_MSC
from tests.engine.alert_desk import (
    KEY,
    AlertDesk,
    Told,
    breach,
    closing,
    intended,
    live,
    record,
    settled,
)

WORDS: Any = templates


class Scene:
    def __init__(self, desk: AlertDesk, told: Told, alerting: Alerting, clock: MockClock) -> None:
        self.desk = desk
        self.told = told
        self.alerting = alerting
        self._clock = clock

    async def hear(self, *some: records.Record) -> None:
        self.desk.publish(*some)
        await trio.testing.wait_all_tasks_blocked()

    async def go(self, seconds: float) -> None:
        """Time goes by in steps shorter than a look."""
        for _ in range(round(seconds / 0.25)):
            self._clock.jump(0.25)
            await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def scene(clock: MockClock, queue_alerts: int = 1024) -> AsyncIterator[Scene]:
    desk, told = AlertDesk(), Told()
    alerting = Alerting(
        desk,
        told,
        WORDS,
        VirtualClock(START_MSC),
        queue_alerts=queue_alerts,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(alerting.run)
        yield Scene(desk, told, alerting, clock)
        nursery.cancel_scope.cancel()


async def test_a_breach_says_what_closes_and_is_edited_when_flat(mock_clock: MockClock) -> None:
    async with scene(mock_clock) as s:
        s.desk.now = replace(s.desk.now, live=live(closing(1), closing(2)))
        await s.hear(breach(), intended())
        s.desk.now = replace(s.desk.now, live=live())
        closed = record(
            records.PositionClosed,
            400,
            position_id=1,
            symbol="EURUSD",
            side="buy",
            volume_lots=1.0,
            open_price=1.1,
            close_price=1.09,
            profit=-2906.70,
            reason="guard:daily",
        )
        await s.hear(closed, settled(410))
        first, flat = s.told.alerts
        assert first.lines[1] == "closing 2 positions, 1.50 lots"
        assert flat.lines[1].startswith("flat in 0.41 s, realised")
        assert flat.thread == first.thread
        await s.go(40)
        assert s.told.kinds == ["breach", "flat"], "what is flat pages nobody"


async def test_a_breach_of_which_a_part_must_wait_is_not_told_as_flat_before(
    mock_clock: MockClock,
) -> None:
    async with scene(mock_clock) as s:
        s.desk.now = replace(s.desk.now, live=live(closing(1)))
        waits = record(
            records.CloseWaits,
            0,
            position_id=2,
            reason="guard:daily",
            yields_to=("minimum_hold",),
            until_msc=START_MSC + 60_000,
        )
        await s.hear(breach(), waits, intended())
        assert s.told.kinds == ["breach", "close_waits"]
        assert s.told.alerts[-1].lines[1].startswith("waits for minimum hold: closing at ")
        s.desk.now = replace(s.desk.now, live=live())
        await s.hear(settled(410))
        assert s.told.kinds == ["breach", "close_waits"]
        s.desk.now = replace(s.desk.now, positions=())
        await s.go(2)
        assert s.told.kinds == ["breach", "close_waits", "flat"]


async def test_what_is_not_flat_after_five_seconds_pages_and_again_after_thirty(
    mock_clock: MockClock,
) -> None:
    async with scene(mock_clock) as s:
        s.desk.now = replace(s.desk.now, live=live(closing(1)))
        await s.hear(breach(), intended())
        await s.go(4.5)
        assert s.told.kinds == ["breach"]
        await s.go(1.0)
        page = s.told.alerts[-1]
        assert (page.kind, page.level) == ("not_flat", Level.PAGE)
        assert page.lines[0].endswith("1 of 2 positions open")
        await s.go(25)
        again = s.told.alerts[-1]
        assert s.told.kinds == ["breach", "not_flat", "not_flat"]
        assert again.dedupe_key != page.dedupe_key, "told twice, not taken for the same"
        assert len(again.lines) == len(page.lines)
        late = record(
            records.CloseAlert,
            5000,
            intent_id="int_1",
            position_id=1,
            kind="escalated",
            page=True,
            retcode=None,
        )
        await s.hear(late)
        assert s.told.kinds.count("not_flat") == 2
        assert "cannot_act" not in s.told.kinds, "the breach's own page has said it"


async def test_a_close_that_cannot_be_names_the_brokers_word(mock_clock: MockClock) -> None:
    async with scene(mock_clock) as s:
        s.desk.now = replace(s.desk.now, live=live(closing(1)))
        await s.hear(
            record(
                records.CloseAlert,
                intent_id="int_1",
                position_id=1,
                kind="cannot_act",
                page=True,
                retcode=10027,
            )
        )
        [page] = s.told.alerts
        assert page.level is Level.PAGE
        assert "GUARD CANNOT ACT daily" in page.lines[0]
        assert "(10027)" in page.lines[0]


async def test_halts_releases_and_confirmed_discrepancies_are_told(mock_clock: MockClock) -> None:
    found: dict[str, Any] = {
        "kind": "volume_differs",
        "position_id": 7,
        "intent_id": None,
        "subject": "",
    }
    amounts: dict[str, Any] = {"expected": "1.00", "actual": "0.95"}
    async with scene(mock_clock) as s:
        await s.hear(
            record(records.AccountHalted, cause="daily"),
            record(records.AccountReleased, by="reset", cause="daily", reason=""),
            record(records.Discrepancy, state="suspected", **found, **amounts),
            record(records.Discrepancy, state="confirmed", **found, **amounts),
        )
        assert s.told.kinds == ["halted", "released", "discrepancy"]
        assert "position 7: expected 1.00, actual 0.95" in s.told.firsts[2]


async def test_whose_quotes_an_account_is_valued_on_is_told_each_time(
    mock_clock: MockClock,
) -> None:
    async with scene(mock_clock) as s:
        await s.hear(record(records.FeedChanged, feed="own", cause="other prices"))
        await s.hear(record(records.FeedChanged, 1000, feed="shared", cause="no room"))
        assert s.told.kinds == ["feed_changed", "feed_changed"]
        assert "ITS OWN QUOTES from here on: other prices" in s.told.firsts[0]
        assert "ITS SERVER'S QUOTES from here on: no room" in s.told.firsts[1]


async def test_a_terminal_is_told_lost_once_and_back(mock_clock: MockClock) -> None:
    async with scene(mock_clock) as s:
        await s.hear(record(records.LinkChanged, state="silent", cause=""))
        await s.go(1)
        await s.hear(record(records.LinkChanged, 1000, state="unlinked", cause="eof"))
        await s.go(12)
        assert s.told.kinds == ["terminal_lost"]
        assert "2 positions open" in s.told.firsts[0]
        await s.hear(record(records.LinkChanged, 13_000, state="linked", cause=""))
        assert s.told.firsts[-1] == "● 1001 LINKED again after 13 s"


async def test_a_terminal_that_is_back_at_once_disturbs_nobody(mock_clock: MockClock) -> None:
    async with scene(mock_clock) as s:
        await s.hear(record(records.LinkChanged, state="unlinked", cause=""))
        await s.go(2)
        await s.hear(record(records.LinkChanged, 2000, state="linked", cause=""))
        await s.go(20)
        assert s.told.alerts == []


async def test_unknown_with_positions_pages_after_a_minute(mock_clock: MockClock) -> None:
    async with scene(mock_clock) as s:
        s.desk.now = replace(s.desk.now, quality=Quality.UNKNOWN, reason="EURUSD has no quote yet")
        await s.go(55)
        assert s.told.alerts == []
        await s.go(20)
        [page] = s.told.alerts
        assert (page.kind, page.level) == ("unknown", Level.PAGE)
        s.desk.now = replace(s.desk.now, positions=())
        await s.go(600)
        assert len(s.told.alerts) == 1, "nothing is open: nothing is at risk"


async def test_an_account_given_up_pages_within_five_seconds_and_once(
    mock_clock: MockClock,
) -> None:
    async with scene(mock_clock) as s:
        s.desk.crashed = {str(KEY): "ZeroDivisionError"}
        await s.go(2)
        await s.hear(record(records.AccountHalted, cause=CRASHED))
        [page] = s.told.alerts
        assert page.level is Level.PAGE
        assert "ZeroDivisionError" in page.lines[0]


async def test_the_kill_switch_pages(mock_clock: MockClock) -> None:
    async with scene(mock_clock) as s:
        s.alerting.kill_switch("a.kim", "halt", 12, "fire drill")
        await trio.testing.wait_all_tasks_blocked()
        [page] = s.told.alerts
        assert page.level is Level.PAGE
        assert page.lines[0] == "■ KILL SWITCH: 12 accounts HALTED by a.kim"


async def test_a_failing_notifier_ends_nothing_and_what_was_lost_is_told(
    mock_clock: MockClock,
) -> None:
    async with scene(mock_clock) as s:
        s.told.fails = True
        await s.hear(record(records.AccountHalted, cause="daily"))
        assert s.alerting.failed >= 1
        s.told.fails = False
        await s.hear(record(records.AccountHalted, cause="daily"))
        assert s.told.kinds == ["halted", "alerts_lost"]


async def test_a_slow_notifier_drops_the_oldest_that_is_no_page(mock_clock: MockClock) -> None:
    async with scene(mock_clock, queue_alerts=4) as s:
        s.told.takes_s = 3.0
        halted = [record(records.AccountHalted, cause=f"guard {number}") for number in range(8)]
        await s.hear(*halted)
        s.alerting.kill_switch("a.kim", "halt", 1, "")
        assert s.alerting.dropped == 4
        await s.go(30)
        assert s.told.kinds[-2:] == ["kill_switch", "alerts_lost"]
        assert "4 alerts LOST" in s.told.firsts[-1]


async def test_a_record_of_a_stranger_or_of_no_interest_is_nothing(mock_clock: MockClock) -> None:
    async with scene(mock_clock) as s:
        stranger = replace(record(records.AccountHalted, cause="x"), login=9)
        await s.hear(stranger, record(records.QuoteSuspect, symbol="EURUSD", cause="gap", count=1))
        await s.hear(record(records.AccountHalted, cause="daily"))
        assert s.told.kinds[0] == "halted"
