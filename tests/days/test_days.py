"""Days of live accounts against the oracle: none missed, none spurious; wrong engines show."""

import os
from collections.abc import Callable
from math import inf
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from engine.domain import booking, driving, equity_limits, holding, operating, resets, valuing
from engine.domain.guards import Comparator
from engine.domain.marks import advance
from engine.domain.watch import Marks, Watch
from engine.domain.watching import watch_of
from tests.days.day_compare import VERDICTS, Compared, compare

WORLDS = 8 * max(1, int(os.environ.get("TIDEGATE_SOAK", "1")))
TICKS_A_DAY = 500
PLANTED_TICKS_A_DAY = 200

Plant = Callable[[pytest.MonkeyPatch], None]


def totals(first: int, worlds: int) -> Compared:
    found = Compared()
    for seed in range(first, first + worlds):
        found.add(compare(seed, TICKS_A_DAY))
    return found


def test_days_are_what_the_written_rules_say() -> None:
    found = totals(1, WORLDS)
    assert (found.missed, found.spurious, found.differing) == ([], [], [])
    assert all(found.seen[kind] for kind in VERDICTS), "a kind of verdict never came"
    assert found.seen["worlds in which clocks change"] > WORLDS // 4
    assert found.seen["position_closed"] > 10 * WORLDS
    assert found.seen["netting account-days"] > 2 * WORLDS
    assert found.seen["netting reversals"], "a netting position never turned"


def test_the_same_seed_gives_the_same_days() -> None:
    assert compare(3, PLANTED_TICKS_A_DAY).seen == compare(3, PLANTED_TICKS_A_DAY).seen


def midnight_in_utc(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(resets, "zone_of", lambda _name: ZoneInfo("UTC"))


def below_for_at_or_below(patch: pytest.MonkeyPatch) -> None:
    right = equity_limits.evaluate

    def wrong(guard: Any, *rest: Any) -> Any:
        return right(replace(guard, comparator=Comparator.BELOW), *rest)

    patch.setattr(equity_limits, "evaluate", wrong)


def peak_not_taken_before_the_test(patch: pytest.MonkeyPatch) -> None:
    right = advance

    def late(marks: Marks, mark: float, time_msc: int) -> Marks:
        first = min(marks.trackers) == -inf
        return right(marks, mark, time_msc) if first else marks

    patch.setattr(valuing, "advance", late)


def deposit_as_profit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(operating, "moved", lambda marks, _amount: marks)


def warnings_not_armed_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(equity_limits, "_rearms", lambda *_: False)


def floor_that_never_locks(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(equity_limits, "lock_minor", lambda *_: None)


def half_of_a_close_by_valued(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(booking, "_pair", lambda *_: None)


def turned_without_its_loss(patch: pytest.MonkeyPatch) -> None:
    """A record of the other side that comes before its deal is valued as it is."""
    right = holding.put

    def wrong(draft: Any, told: Any, offset_s: int) -> None:
        settling = driving.live_of(draft).settling
        right(draft, told, offset_s)
        driving.set_live(draft, settling=settling)

    patch.setattr(holding, "put", wrong)


def nearest_line_not_watched(patch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any) -> Watch:
        watch = watch_of(*given)
        return replace(watch, lines=watch.lines[1:])

    patch.setattr("engine.replay_loop.watch_of", wrong)


PLANTS: tuple[Plant, ...] = (
    midnight_in_utc,
    below_for_at_or_below,
    peak_not_taken_before_the_test,
    deposit_as_profit,
    warnings_not_armed_again,
    floor_that_never_locks,
    half_of_a_close_by_valued,
    turned_without_its_loss,
    nearest_line_not_watched,
)


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_wrong_engine_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    resets.next_reset_msc.cache_clear()
    with monkeypatch.context() as patch:
        plant(patch)
        caught = next((s for s in range(40) if compare(s, PLANTED_TICKS_A_DAY).bad), None)
    resets.next_reset_msc.cache_clear()
    print(f"caught in world {caught}")
    assert caught is not None
