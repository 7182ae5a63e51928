"""The whole system, where the broker gives one account other prices than the rest of its server."""

import os

import pytest

from engine.domain.records import FeedChanged
from engine.own_feeds import OwnFeeds
from tests.simulation.whole_groups import MARKUP_POINTS
from tests.simulation.whole_oracles import Ran, run_world
from tests.simulation.whole_plants import Bug, planted
from tests.simulation.whole_world import ODD

SEEDS = (0, 1, 4, 7, *range(100, 100 + 3 * max(0, int(os.environ.get("TIDEGATE_SOAK", "1")) - 1)))
"""Without a crash, with some, and two in which its terminal leads for a while."""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_world_with_two_groups_ends_as_its_broker_says(seed: int) -> None:
    ran = run_world(seed, markup_points=MARKUP_POINTS)
    assert ran.wrong == [], f"python -m tests.soak_simulation --seed {seed} --groups"
    assert ("own", ODD) in feeds_of(ran)


def test_a_world_with_two_groups_and_no_faults_ends_so_too() -> None:
    ran = run_world(0, calm=True, markup_points=MARKUP_POINTS)
    assert ran.wrong == []
    assert feeds_of(ran) == [("own", ODD)]
    assert ran.world.engine is not None
    assert ran.world.groups.is_found(ran.world.engine, ODD)


def test_where_nobody_gets_a_feed_of_its_own_that_is_seen() -> None:
    bug = Bug(
        "no account gets a feed of its own",
        OwnFeeds.see_to,
        "if wants and not has and actor.at is None:",
        "if False:",
        0,
        "to be on quotes of its own",
    )
    with planted(bug):
        ran = run_world(bug.seed, markup_points=MARKUP_POINTS)
    assert any(bug.shows in said for said in ran.wrong), ran.wrong


def feeds_of(ran: Ran) -> list[tuple[str, object]]:
    """What was decided, of whom."""
    kept = ran.world.journal._kept.items()
    return [(one.feed, key) for key, all_ in kept for one in all_ if isinstance(one, FeedChanged)]
