"""Closes by the thousand under every trouble: never too much, and flat or told to a human."""

import os
from collections import Counter

import pytest

from tests.simulation.closing_machine import machine
from tests.simulation.closing_plants import BLIND_RETRY, BUGS, Bug
from tests.simulation.closing_scenarios import KINDS, run

SCENARIOS = 2_000 * max(1, int(os.environ.get("TIDEGATE_SOAK", "1")))
PARTS = 4


def totals(seeds: range, *plantings: tuple[str, str, str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        findings = run(seed, machine(*plantings))
        found.update(vars(findings))
        found["bad"] += findings.bad > 0
    return found


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_over_closed_or_opened_and_all_is_flat_or_told(part: int) -> None:
    seeds = range(part * SCENARIOS // PARTS, (part + 1) * SCENARIOS // PARTS)
    bad = {(seed, KINDS[seed % 6]): f for seed in seeds if (f := run(seed, machine())).bad}
    assert bad == {}


def test_the_scenarios_are_troubled_indeed() -> None:
    found = totals(range(300))
    assert found["crashes"] > 100
    assert found["commands"] > 600
    assert found["alerted"] > 50
    assert found["races"] < 10


@pytest.mark.parametrize("seed", [934972699436, 939267671809])
def test_what_somebody_did_while_the_report_was_on_its_way_is_a_race(seed: int) -> None:
    """The report a close was decided on was taken before the trade, and came after it."""
    findings = run(seed, machine())
    assert (findings.bad, findings.races) == (0, 1)


def test_the_same_seed_gives_the_same_scenario() -> None:
    assert [run(seed, machine()) for seed in range(50)] == [
        run(seed, machine()) for seed in range(50)
    ]


def test_the_control_that_retries_blindly_over_closes() -> None:
    found = totals(range(240), *BLIND_RETRY.plantings)
    assert found["over_closed"] > 3
    assert found["opened"] > 3


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    seeds = range(bug.first, bug.first + bug.seeds)
    planted = machine(*bug.plantings)
    assert any(getattr(run(seed, planted), bug.shows) for seed in seeds), bug.name
