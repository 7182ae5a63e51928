"""Bugs planted into the running system: the simulation of one seed shows each."""

import pytest

from tests.simulation.whole_oracles import run_world
from tests.simulation.whole_plants import BUGS, SHORT_S, Bug, planted


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_planted_into_the_system_is_caught(bug: Bug) -> None:
    with planted(bug):
        wrong = run_world(bug.seed, trouble_s=SHORT_S).wrong
    assert any(bug.shows in said for said in wrong), wrong


def test_a_plant_leaves_nothing_behind() -> None:
    bug = BUGS[0]
    with planted(bug):
        pass
    assert run_world(bug.seed, trouble_s=SHORT_S).wrong == []
