"""Bugs planted into the running system: the simulation shows each within a few seeds."""

import pytest

from tests.simulation.whole_oracles import run_world
from tests.simulation.whole_plants import BUGS, SHORT_S, Bug, planted

MORE_SEEDS = 48


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_planted_into_the_system_is_caught(bug: Bug) -> None:
    """First in the world known to show it; a change of timing makes that another world."""
    seen: dict[int, list[str]] = {}
    with planted(bug):
        for seed in (bug.seed, *range(MORE_SEEDS)):
            seen[seed] = run_world(seed, trouble_s=SHORT_S).wrong
            if any(bug.shows in said for said in seen[seed]):
                return
    pytest.fail(f"not shown by {bug.name!r}: {seen}")


def test_a_plant_leaves_nothing_behind() -> None:
    bug = BUGS[0]
    with planted(bug):
        pass
    assert run_world(bug.seed, trouble_s=SHORT_S).wrong == []
