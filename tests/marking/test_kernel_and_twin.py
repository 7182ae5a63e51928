"""The compiled kernel against its plain twin, on random worlds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.marking.feed import Feed
from engine.marking.reference import ReferenceFeed
from engine.marking.wakes import Wake
from tests.marking.worlds import SYMBOLS, drive, world_of

SEEDS = st.integers(0, 2**32)
SIZES = st.lists(st.sampled_from((1, 2, 7, 64, 128, 200, 300, 1024)), min_size=1, max_size=3)
bounded = settings(max_examples=60, deadline=None)


@bounded
@given(seed=SEEDS, sizes=SIZES)
def test_the_kernel_wakes_and_marks_as_the_twin_does_to_the_last_bit(
    seed: int, sizes: list[int]
) -> None:
    world = world_of(seed)
    assert drive(Feed(SYMBOLS), world, sizes) == drive(ReferenceFeed(SYMBOLS), world, sizes)


@bounded
@given(seed=SEEDS, sizes=SIZES)
def test_settling_whole_blocks_changes_nothing(seed: int, sizes: list[int]) -> None:
    world = world_of(seed)
    walked = drive(Feed(SYMBOLS, settle=False), world, sizes)
    assert drive(Feed(SYMBOLS), world, sizes) == walked


@bounded
@given(seed=SEEDS, sizes=SIZES)
def test_how_ticks_are_cut_into_batches_changes_no_mark_and_no_wake(
    seed: int, sizes: list[int]
) -> None:
    world = world_of(seed)
    whole = drive(Feed(SYMBOLS), world, [1024])
    cut = drive(Feed(SYMBOLS), world, sizes)
    assert [_timeless(entry) for entry in cut] == [_timeless(entry) for entry in whole]


def test_the_worlds_reach_every_part_of_the_kernel() -> None:
    logs = [drive(Feed(SYMBOLS), world_of(seed), [1024]) for seed in range(40)]
    wakes = [entry for log in logs for entry in log if isinstance(entry, Wake)]
    assert len(wakes) > 500, "worlds in which nothing happens prove nothing"
    assert sum(not any(isinstance(entry, Wake) for entry in log) for log in logs) < 20
    assert len({wake.marks.max_drawdown_time_msc for wake in wakes}) > 50
    assert any(wake.marks.max_drawdown > 100.0 for wake in wakes)


def _timeless(entry: object) -> object:
    """An entry of a log without what depends on where a batch starts."""
    return (entry.slot, entry.index, entry.marks) if isinstance(entry, Wake) else entry
