"""The whole system in trouble: nothing missed, nothing made up, and drift found in time."""

import os

import pytest

from tests.simulation.whole_drift import KINDS
from tests.simulation.whole_oracles import Ran, run_world, tallied, told
from tests.simulation.whole_world import LOGINS

SEEDS = range(12 * max(1, int(os.environ.get("TIDEGATE_SOAK", "1"))))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_whole_world_in_trouble_ends_as_its_broker_says(seed: int) -> None:
    ran = run_world(seed)
    assert ran.wrong == [], f"python -m tests.soak_simulation --seed {seed}"
    _is_busy(ran)


def test_a_world_without_faults_ends_so_too() -> None:
    ran = run_world(1, calm=True)
    assert ran.wrong == []
    seen = tallied(ran.world)
    assert (seen["crashes"], seen["faults"]) == (0, 1), "only the silence that is a drift"
    assert seen["links"] == len(ran.world.specs)


def test_the_worlds_are_troubled_indeed() -> None:
    seen = tallied(run_world(5).world)
    assert seen["crashes"] >= 1
    assert seen["faults"] >= 10
    assert seen["links"] >= 10
    assert seen["GuardBreach"] >= 1
    assert seen["CloseSettled"] >= 1
    assert seen["DayReset"] == len(LOGINS)
    assert seen["drifts"] == len(KINDS)
    assert seen["looks"] >= 2_000


def test_the_same_seed_is_one_run() -> None:
    one, other = (run_world(8, trouble_s=60.0) for _ in range(2))
    assert told(one.world) == told(other.world)
    assert tallied(one.world) == tallied(other.world)
    assert one.world.seen.crashes > 0
    different = run_world(9, trouble_s=60.0)
    assert told(different.world) != told(one.world)


def _is_busy(ran: Ran) -> None:
    seen = tallied(ran.world)
    assert seen["drifts"] == len(KINDS)
    assert seen["looks"] > 1_000
    assert seen["PositionClosed"] > 5
