"""The outbox under the virtual clock: nobody sleeps."""

import logging
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from adapters.notify.channel import ThrottledError
from adapters.notify.lane import LaneSettings
from adapters.notify.outbox import AlertOutbox
from adapters.notify.routes import Loudness, QuietHours, Route
from adapters.notify.waiting import Entry, Waiting
from engine.alerts import Level
from engine.clock import VirtualClock
from engine.errors import AdapterError
from engine.ports import Notifier
from tests.adapters.notify.notify_house import KEY, NOW_MSC, Mailbox, alert, outbox_of

DOWN = AdapterError("down", system="test", retry=True)
REFUSED = AdapterError("bad", system="test", retry=False)


async def test_an_alert_is_delivered_once(autojump_clock: trio.testing.MockClock) -> None:
    box = Mailbox()
    async with outbox_of(box) as outbox:
        notifier: Notifier = outbox
        await notifier.notify(alert())
        assert await outbox.drain(5)
    assert box.texts == ["▲ 1001 alert 1"]
    assert box.closed


async def test_the_caller_never_waits_and_never_loses_its_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox(hangs=True)
    async with outbox_of(box) as outbox:
        with trio.testing.assert_no_checkpoints():
            for number in range(5_000):
                await outbox.notify(alert(number))
        assert outbox.waiting == 1_000


async def test_a_channel_that_hangs_holds_no_other_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stuck, box = Mailbox(hangs=True), Mailbox()
    async with outbox_of(stuck, box) as outbox:
        await outbox.notify(alert())
        await trio.sleep(0.01)
        assert box.texts == ["▲ 1001 alert 1"]
        await trio.sleep(60)
    assert len(stuck.tries) > 5, "a hanging try was not given up"


async def test_what_fails_is_tried_again_with_growing_pauses(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox(answers=[DOWN] * 4)
    async with outbox_of(box) as outbox:
        await outbox.notify(alert())
        assert await outbox.drain(30)
    times = [time_s for time_s, _ in box.tries]
    pauses = [after - before for before, after in pairwise(times)]
    assert len(pauses) == 4
    for pause, whole in zip(pauses[:2], (0.25, 0.5), strict=True):
        assert whole / 2 <= pause <= whole
    assert all(pause <= 2.001 for pause in pauses)
    assert len({message.delivery for _, message in box.tries}) == 1, "one name on every try"
    assert outbox.lanes[0].statistics.failed == 4


async def test_a_channel_that_comes_back_has_everything_within_5_s(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox(always=DOWN)
    async with outbox_of(box) as outbox:
        await outbox.notify(alert(1))
        await trio.sleep(1_000)
        await outbox.notify(alert(2, Level.PAGE))
        await trio.sleep(3)
        box.always = None
        back_s = trio.current_time()
        assert await outbox.drain(5)
        assert trio.current_time() - back_s <= 5
    assert box.texts == ["▲ 1001 alert 2", "▲ 1001 alert 1"], "pages go first"
    assert "delivered 17 min late" in box.taken[1].text
    assert "late" not in box.taken[0].text


async def test_an_open_breaker_tries_no_oftener_than_it_rests(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    box = Mailbox(always=DOWN)
    async with outbox_of(box) as outbox:
        for number in range(200):
            await outbox.notify(alert(number))
        await trio.sleep(100)
        assert outbox.lanes[0].breaker.is_open
    assert 40 <= len(box.tries) <= 110
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1, "an outage is told once"


async def test_a_server_that_says_when_is_left_alone_until_then(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox(answers=[ThrottledError("busy", system="test", after_s=37.0)])
    async with outbox_of(box) as outbox:
        await outbox.notify(alert())
        assert await outbox.drain(60)
    (first_s, _), (second_s, _) = box.tries
    assert second_s - first_s == pytest.approx(37.0)


async def test_what_is_refused_for_good_is_dropped_and_the_next_one_goes(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    box = Mailbox(answers=[REFUSED])
    async with outbox_of(box) as outbox:
        await outbox.notify(alert(1))
        await outbox.notify(alert(2))
        assert await outbox.drain(5)
    assert box.texts == ["▲ 1001 alert 2"]
    assert outbox.statistics().routes["route 0"].refused == 1
    assert "alerts refused" in caplog.text


async def test_a_broken_channel_is_tried_three_times_and_its_words_are_not_logged(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    box = Mailbox(answers=[RuntimeError("canary") for _ in range(3)])
    async with outbox_of(box) as outbox:
        await outbox.notify(alert(1))
        await trio.sleep(20)
        await outbox.notify(alert(2))
        assert await outbox.drain(5)
    assert box.texts == ["▲ 1001 alert 2"]
    assert "RuntimeError" in caplog.text
    assert "canary" not in caplog.text


async def test_a_repeated_alert_is_told_once_and_again_after_a_while(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox()
    async with outbox_of(box, repeat_s=300.0) as outbox:
        for _ in range(10):
            await outbox.notify(alert())
        await trio.sleep(299)
        await outbox.notify(alert())
        assert outbox.statistics().repeated == 10
        await trio.sleep(1)
        await outbox.notify(alert())
        assert await outbox.drain(5)
    assert len(box.taken) == 2


async def test_a_later_alert_of_a_thread_edits_the_earlier_message(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox()
    async with outbox_of(box) as outbox:
        await outbox.notify(alert(1, thread="t"))
        await trio.sleep(1)
        await outbox.notify(alert(2, thread="t"))
        await trio.sleep(1)
    assert [message.edits for message in box.taken] == [None, "handle 1"]
    assert outbox.lanes[0].statistics.edited == 1


async def test_what_has_become_urgent_is_sent_anew_because_an_edit_makes_no_sound(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox()
    async with outbox_of(box) as outbox:
        for number, level in enumerate((Level.NOTIFY, Level.PAGE, Level.NOTIFY)):
            await outbox.notify(alert(number, level, thread="t"))
            await trio.sleep(1)
    assert [message.edits for message in box.taken] == [None, None, "handle 2"]


async def test_only_the_newest_text_of_a_thread_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox(answers=[DOWN, DOWN])
    async with outbox_of(box) as outbox:
        await outbox.notify(alert(1, thread="t"))
        await trio.sleep(0.01)
        await outbox.notify(alert(2, thread="t"))
        assert await outbox.drain(10)
    assert box.texts == ["▲ 1001 alert 2"]


async def test_many_waiting_alerts_share_a_message(autojump_clock: trio.testing.MockClock) -> None:
    box = Mailbox(gathers=40)
    async with outbox_of(box) as outbox:
        for number in range(100):
            await outbox.notify(alert(number, Level.PAGE if number == 99 else Level.NOTIFY))
        assert await outbox.drain(5)
    assert [len(message.alert.lines) - 1 for message in box.taken] == [40, 40, 20]
    assert box.taken[0].alert.lines[:2] == ("40 alerts, 1 of them page", "▲ 1001 alert 99")
    told = [line for message in box.taken for line in message.alert.lines[1:]]
    assert sorted(told) == sorted(f"▲ 1001 alert {number}" for number in range(100))


async def test_what_waits_too_long_is_dropped_and_said(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    box = Mailbox(always=DOWN)
    keep = LaneSettings(keep_s=60.0, keep_pages_s=1e6)
    async with outbox_of(box, settings=keep) as outbox:
        await outbox.notify(alert(1))
        await outbox.notify(alert(2, Level.PAGE))
        await trio.sleep(120)
        box.always = None
        assert await outbox.drain(10)
    assert box.texts == ["▲ 1001 alert 2"]
    assert "alerts lost" in caplog.text


async def test_a_cancelled_try_keeps_its_alert(autojump_clock: trio.testing.MockClock) -> None:
    box = Mailbox(hangs=True)
    outbox = AlertOutbox([(Route("r"), box)], VirtualClock(NOW_MSC), Random(1))
    await outbox.notify(alert())
    with trio.move_on_after(1):
        await outbox.run()
    box.hangs = False
    async with trio.open_nursery() as nursery:
        await nursery.start(outbox.run)
        assert await outbox.drain(5)
        nursery.cancel_scope.cancel()
    assert len(box.taken) == 1


# Waiting


def entry_of(number: int, level: Level = Level.NOTIFY) -> Entry:
    return Entry(alert=alert(number, level), delivery=f"d{number}", since_s=0.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from([Level.PAGE, Level.NOTIFY])), max_size=60
    )
)
def test_the_queue_is_bounded_and_loses_no_page_while_others_can_go(
    added: list[tuple[int, Level]],
) -> None:
    waiting, lost = Waiting(room=8), 0
    newest: dict[str, Level] = {}
    for number, level in added:
        lost += waiting.add(entry_of(number, level))
        newest[f"thread {number}"] = level
    assert len(waiting) <= 8
    taken = waiting.take(100)
    levels = [entry.alert.level for entry in taken]
    assert levels == sorted(levels, key=lambda level: level is not Level.PAGE)
    if lost == 0:
        assert {entry.alert.thread: entry.alert.level for entry in taken} == newest


def test_pages_push_others_out_and_not_the_other_way() -> None:
    waiting = Waiting(room=2)
    for number in range(2):
        waiting.add(entry_of(number, Level.PAGE))
    assert waiting.add(entry_of(7)) == 1
    assert [entry.alert.thread for entry in waiting.take(9)] == ["thread 0", "thread 1"]


def test_what_is_put_back_does_not_replace_what_is_newer() -> None:
    waiting = Waiting(room=9)
    older = Entry(alert=alert(1, thread="t"), delivery="a", since_s=1.0)
    waiting.add(Entry(alert=alert(2, thread="t"), delivery="b", silent=True, since_s=5.0))
    waiting.put_back([older])
    (entry,) = waiting.take(9)
    assert (entry.alert.lines[0], entry.silent, entry.since_s) == ("▲ 1001 alert 2", False, 1.0)


# Routes


def test_quiet_hours_and_mutes_hold_back_everything_but_pages() -> None:
    night = QuietHours(ZoneInfo("Europe/Prague"), 14 * 60, 15 * 60)
    quiet, plain = Route("quiet", quiet_hours=night), Route("plain")
    assert quiet.loudness(alert(), {}, NOW_MSC) is Loudness.SILENT, "it is 14:30 in Prague"
    assert quiet.loudness(alert(), {}, NOW_MSC + 3_600_000) is Loudness.ON
    muted = {KEY: NOW_MSC + 1}
    assert plain.loudness(alert(), muted, NOW_MSC) is Loudness.OFF
    assert plain.loudness(alert(), muted, NOW_MSC + 1) is Loudness.ON
    assert quiet.loudness(alert(1, Level.PAGE), muted, NOW_MSC) is Loudness.ON


def test_quiet_hours_may_run_past_midnight() -> None:
    night = QuietHours(ZoneInfo("UTC"), 22 * 60, 6 * 60)
    hour = 3_600_000
    midnight = NOW_MSC - NOW_MSC % (24 * hour)
    held = [night.hold(midnight + at * hour) for at in (0, 5, 6, 12, 21, 22, 23)]
    assert held == [True, True, False, False, False, True, True]


def test_a_kind_of_its_own_goes_before_its_level() -> None:
    route = Route("r", kinds={"warning": Loudness.OFF})
    assert route.loudness(alert(), {}, NOW_MSC) is Loudness.OFF
    assert Route("r").loudness(alert(1, Level.LOG), {}, NOW_MSC) is Loudness.OFF


async def test_a_muted_account_is_told_of_pages_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    box = Mailbox()
    async with outbox_of(box) as outbox:
        outbox.mute(KEY, NOW_MSC + 60_000)
        await outbox.notify(alert(1))
        await outbox.notify(alert(2, Level.PAGE))
        await trio.sleep(61)
        await outbox.notify(alert(3))
        assert await outbox.drain(5)
        assert (outbox.acknowledge(), outbox.acknowledge()) == (1, 0)
    assert box.texts == ["▲ 1001 alert 2", "▲ 1001 alert 3"]
