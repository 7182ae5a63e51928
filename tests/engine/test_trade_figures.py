"""Figures of closes, each against a count by hand."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain import records
from engine.domain.records import Record
from engine.trade_figures import TradeFigures, figures_of

COMMON: dict[str, Any] = {"seq": 1, "login": 1, "server": "Demo-1"}


def opened(number: int, time_msc: int) -> Record:
    return records.PositionOpened(
        **COMMON, time_msc=time_msc, position_id=number, symbol="EURUSD", side="buy",
        volume_lots=1.0, open_price=1.1, magic=0,
    )  # fmt: skip


def closed(number: int, profit: float, time_msc: int = 0, reason: str = "manual:ann") -> Record:
    return records.PositionClosed(
        **COMMON, time_msc=time_msc, position_id=number, symbol="EURUSD", side="buy",
        volume_lots=0.3, open_price=1.1, close_price=1.2, profit=profit, reason=reason,
    )  # fmt: skip


def test_closes_are_put_in_figures() -> None:
    found = figures_of(
        [
            opened(1, 1_000),
            closed(1, 300.0, 31_000),
            closed(2, -100.0, reason="guard:daily"),
            closed(3, -20.0),
            closed(4, 0.0),
            closed(5, -5.0),
        ]
    )
    assert (found.wins, found.losses, found.by_guards) == (1, 3, 1)
    assert (found.gains_sum, found.losses_sum, found.profit_factor) == (300.0, -125.0, 2.4)
    assert (found.win_percent, found.average_win, found.average_loss) == (20.0, 300.0, -41.66666667)
    assert (found.best, found.worst, found.longest_losing_run) == (300.0, -100.0, 2)
    assert (found.average_hold_ms, found.timed, found.volume_lots) == (30_000, 1, 1.5)


def test_without_a_close_nothing_is_claimed() -> None:
    assert figures_of([opened(1, 0)]) == TradeFigures()


def test_without_a_loss_there_is_no_profit_factor() -> None:
    found = figures_of([closed(1, 5.0), closed(2, 7.0)])
    assert (found.profit_factor, found.average_loss, found.win_percent) == (None, None, 100.0)
    assert found.longest_losing_run == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-500, 500).map(lambda cents: cents / 100), max_size=30))
def test_figures_agree_with_the_profits_they_are_of(profits: list[float]) -> None:
    found = figures_of([closed(place, profit) for place, profit in enumerate(profits)])
    assert abs(found.gains_sum + found.losses_sum - sum(profits)) < 1e-6
    assert found.wins + found.losses == sum(profit != 0 for profit in profits)
    said = "".join("-" if profit < 0 else "." for profit in profits)
    assert found.longest_losing_run == max(map(len, said.split(".")))
