"""How long a full report took is measured from its arrival to its end, on the engine's clock."""

from typing import Any

import trio
from trio.testing import MockClock

from engine.clock import SystemClock, VirtualClock
from engine.domain.feeds import QuotedBy
from engine.domain.ids import AccountKey
from engine.domain.link_events import LinkEvent
from engine.domain.reports import AccountReport, FullReport
from engine.intake import Intake
from engine.link import Receipt, Sent
from engine.link_sink import LiveSink
from engine.meters import NoMeter
from engine.rush import Rush
from engine.tapes import Tapes

KEY = AccountKey("Demo-1", 1)


class Shelf:
    """Accounts that keep what they are told until a test lets them sign."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []

    async def note(self, key: AccountKey, event: LinkEvent, receipt: Receipt | None = None) -> None:
        await trio.lowlevel.checkpoint()
        assert receipt is not None
        self.receipts.append(receipt)

    def note_soon(self, key: AccountKey, event: LinkEvent) -> None:
        raise AssertionError("nothing of this waits")

    rush = Rush()
    tapes = Tapes(SystemClock(), NoMeter())

    def quoted(self) -> None:
        raise AssertionError("no quotes are sent here")

    def intake(self, feed: str) -> Intake | None:
        return None

    def quoted_by(self, key: AccountKey) -> QuotedBy:
        return QuotedBy.NOBODY


class Readings:
    """A `Meter` that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []

    def observe(self, name: str, seconds: float) -> None:
        self.seen.append((name, seconds))

    def count(self, name: str, number: int = 1, label: str = "") -> None:
        del name, number, label


def report(*, complete: bool = True) -> FullReport:
    money = AccountReport(balance=1.0, credit=0.0, equity=1.0, margin=0.0, trade_allowed=True)
    return FullReport(account=money, positions=(), complete=complete)


async def test_a_report_is_timed_until_what_it_led_to_is_durable(mock_clock: MockClock) -> None:
    clock, shelf, meter, signed = VirtualClock(0), Shelf(), Readings(), []
    sink = LiveSink(shelf, clock, meter, lambda *_: None)
    asked_ns = clock.monotonic_ns()
    mock_clock.jump(2.0)
    sent = Sent(0, 0, clock.monotonic_ns(), asked_ns)
    await sink.reported(KEY, report(), sent, Receipt(lambda: signed.append(1)))
    assert sink.compared_ms == {}, "it is not compared yet"
    mock_clock.jump(0.25)
    shelf.receipts[0].sign()
    assert sink.compared_ms == {KEY: 250.0}
    assert meter.seen == [("reconciliation_latency", 2.25)]
    assert signed == [1]


async def test_a_report_that_failed_is_no_sync() -> None:
    clock, shelf, meter = VirtualClock(0), Shelf(), Readings()
    sink = LiveSink(shelf, clock, meter, lambda *_: None)
    done: Any = Receipt(lambda: None)
    await sink.reported(KEY, report(complete=False), Sent(0, 0, 0), done)
    shelf.receipts[0].sign()
    assert sink.compared_ms == {}
