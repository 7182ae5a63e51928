"""A close that a closed market holds back is recorded as what waits for a stronger rule is."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from engine.domain import records
from engine.domain.commands import Flatten
from engine.domain.effects import KeepClose, Publish
from engine.domain.link_events import ClosesDurable, ReportCame, ResultCame, TimePassed
from engine.domain.reports import (
    AccountReport,
    CommandResult,
    FullReport,
    IntentReport,
    OrderReport,
    PositionReport,
)
from engine.domain.sessions import is_open, opens_at
from engine.domain.step import Step, obey
from engine.explain import closes_of
from engine.explain_lines import close_lines
from tests.domain.accounts import MAJORS
from tests.live.live_account import QUOTES, Account, held

AUTOTRADING_OFF, CLOSED = 10027, 10018
SESSIONS = MAJORS[0].sessions


def utc(words: str) -> int:
    return int(datetime.fromisoformat(words).replace(tzinfo=UTC).timestamp() * 1000)


SATURDAY = utc("2026-01-10T12:00")
SUNDAY_OPEN = utc("2026-01-11T22:00")
WEDNESDAY = utc("2026-01-14T12:00")


class Closing(Account):
    """A lot of EURUSD whose close is durable and sent."""

    def __init__(self, at_msc: int, *, orders: tuple[OrderReport, ...] = (), **spec: Any) -> None:
        super().__init__()
        self.state = replace(self.state, spec=replace(self.state.spec, **spec))
        self.at_msc = at_msc
        self.link(at_msc)
        self.shows(held(1.0, at_msc, price_open=1.0900), orders=orders)
        done = obey(self.state, Flatten(at_msc, "ana", "because"))
        assert isinstance(done, Step)
        self.state = done.state
        self.durable(done)

    def durable(self, done: Step) -> None:
        names = tuple(one.intent_id for one in done.effects if isinstance(one, KeepClose))
        self.take(ClosesDurable(time_msc=self.at_msc, intent_ids=names))
        self.told += [one.record for one in done.effects if isinstance(one, Publish)]

    def shows(
        self,
        *positions: PositionReport,
        orders: tuple[OrderReport, ...] = (),
        recent: tuple[IntentReport, ...] = (),
    ) -> None:
        account = AccountReport(balance=10_000.0, credit=0.0, equity=10_000.0, margin=0.0)
        report = FullReport(
            account=account,
            positions=positions,
            orders=orders,
            recent_intents=recent,
            complete=True,
        )
        self.take(
            ReportCame(
                time_msc=self.at_msc,
                report=report,
                asked_msc=self.at_msc,
                gmt_offset_s=0,
                quotes=QUOTES,
                jitter=0.5,
            )
        )

    def answered(self, retcode: int) -> None:
        self.at_msc += 100
        live = self.state.live
        assert live is not None
        for order in live.closes:
            result = CommandResult(intent_id=order.command_id, retcode=retcode)
            self.take(ResultCame(time_msc=self.at_msc, result=result, jitter=0.5))

    def tried_again(self) -> None:
        """Time goes by until the next attempt is durable and sent."""
        live = self.state.live
        assert live is not None
        tried = live.closes[0].attempts
        for _ in range(100):
            self.at_msc += 10_000
            self.take(TimePassed(time_msc=self.at_msc, jitter=0.5))
            assert self.state.live is not None
            if self.state.live.closes[0].attempts > tried:
                name = self.state.live.closes[0].intent_id
                self.take(ClosesDurable(time_msc=self.at_msc, intent_ids=(name,)))
                return
        raise AssertionError("never tried again")

    @property
    def waits(self) -> list[tuple[int, str, tuple[str, ...], int | None]]:
        found = self.of(records.CloseWaits)
        return [(one.position_id, one.reason, one.yields_to, one.until_msc) for one in found]


def test_a_close_refused_for_a_closed_market_waits_until_the_book_has_it_open() -> None:
    account = Closing(SATURDAY)
    account.answered(CLOSED)
    assert account.waits == [(7, "manual:ana", ("market_closed",), SUNDAY_OPEN)]
    assert [one.kind for one in account.of(records.CloseAlert)] == ["cannot_act"]


def test_nobody_knows_how_long_where_the_book_has_it_open() -> None:
    account = Closing(WEDNESDAY)
    account.answered(CLOSED)
    assert account.waits == [(7, "manual:ana", ("market_closed",), None)]


def test_it_is_said_once_however_often_the_market_is_tried() -> None:
    account = Closing(SATURDAY)
    account.answered(AUTOTRADING_OFF)
    assert account.waits == []
    for _ in range(3):
        account.tried_again()
        account.answered(CLOSED)
    assert len(account.waits) == 1


def test_an_answer_that_only_the_terminals_table_has_is_recorded_too() -> None:
    account = Closing(SATURDAY)
    live = account.state.live
    assert live is not None
    row = IntentReport(intent_id=live.closes[0].command_id, epoch=1, retcode=CLOSED)
    account.at_msc += 100
    account.shows(held(1.0, SATURDAY, price_open=1.0900), recent=(row,))
    assert [one[2] for one in account.waits] == [("market_closed",)]


def test_cancelling_an_order_in_a_closed_market_is_no_close() -> None:
    order = OrderReport(ticket=9, symbol="EURUSD", type=2, volume_current=1.0, price_open=1.0)
    account = Closing(SATURDAY, orders=(order,))
    account.answered(CLOSED)
    assert [one[0] for one in account.waits] == [7]


def test_a_journal_from_before_closes_yielded_says_nothing_of_it() -> None:
    account = Closing(SATURDAY, minimum_hold_s=UNSET)
    account.answered(CLOSED)
    assert account.waits == []


def test_an_explanation_says_what_a_breach_waited_for() -> None:
    account = Closing(SATURDAY)
    account.answered(CLOSED)
    [waits] = account.of(records.CloseWaits)
    breach = records.GuardBreach(
        seq=1,
        time_msc=SATURDAY,
        login=waits.login,
        server=waits.server,
        verdict_id="vrd_x",
        guard="floor",
        kind="equity_limit",
        equity=1.0,
        balance=1.0,
        floor=2.0,
        reference=3.0,
        measured="equity",
        comparator="below",
        action="close",
    )
    of_guard = replace(waits, reason="guard:floor")
    [line] = close_lines(closes_of(breach, [of_guard]))
    assert line.startswith("position 7 waits from 2026-01-10")
    assert "yields to market_closed until 2026-01-11" in line


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        ("2026-01-10T12:00", "2026-01-11T22:00"),
        ("2026-01-09T22:00", "2026-01-11T22:00"),
        ("2026-03-07T12:00", "2026-03-08T21:00"),  # New York changes its clocks that Sunday
        ("2026-01-12T12:00", None),
    ],
)
def test_the_next_opening_follows_the_wall_clock_of_the_zone(at: str, opens: str | None) -> None:
    found = opens_at(SESSIONS, utc(at))
    assert found == (None if opens is None else utc(opens))
    assert found is None or is_open(SESSIONS, found)
