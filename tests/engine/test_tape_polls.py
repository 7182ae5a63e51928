"""Pollers of a minute, all phases at once, against the phases followed run by run."""

from random import Random

import numpy as np

from engine.domain.records import GuardBreach
from engine.poll_phases import Phases, poll_comparison
from engine.polling import Stood
from engine.tape_polls import PollSeen, poll_all

BREACH_MSC = 1_700_000_000_123


def breach(equity: float) -> GuardBreach:
    return GuardBreach(
        seq=1,
        time_msc=BREACH_MSC,
        login=1,
        server="Demo-1",
        guard="trailing",
        equity=equity,
        floor=9_000.0,
        reference=10_000.0,
        measured="equity",
        comparator="below",
        action="close_and_halt",
        verdict_id="vrd_1",
        kind="equity_limit",
        balance=10_000.0,
    )


def spans(rng: Random) -> Stood:
    """Some dozens in a row, short and long ones, some without any length."""
    ends = [BREACH_MSC]
    for _ in range(rng.randrange(1, 60)):
        ends.append(ends[-1] + rng.choice([0, 1, 3, 40, 700, 2_500, 9_000]))
    equity = [rng.randrange(850_000, 950_000) for _ in ends[1:]]
    inside = [rng.random() < rng.choice([0.1, 0.5, 0.95]) for _ in ends[1:]]
    return Stood(np.array(ends[:-1]), np.array(ends[1:]), np.array(equity, float), np.array(inside))


def test_all_phases_at_once_are_the_phases_one_by_one() -> None:
    rng = Random(5)
    missed = seen = 0
    for _ in range(300):
        stood, record = spans(rng), breach(rng.randrange(850_000, 900_000) / 100)
        until_msc = BREACH_MSC + rng.choice([0, 1, 5_000, 30_000, 60_001])
        periods = ("500ms", "3s", "10s")
        expected = []
        for period, length in zip(periods, (500, 3_000, 10_000), strict=True):
            phases = Phases(length, BREACH_MSC)
            rows = zip(stood.starts, stood.ends, stood.equity, stood.in_breach, strict=True)
            for start, end, equity, is_in in rows:
                if is_in and start < min(end, until_msc):
                    phases.see(int(start), int(min(end, until_msc)), float(equity))
            one = poll_comparison(period, record, phases, 2)
            fields = {name: getattr(one, name) for name in PollSeen.__struct_fields__}
            expected.append(PollSeen(**fields))
            missed += one.missed_percent > 0
            seen += one.late_median_ms is not None
        assert list(poll_all(periods, record, stood, until_msc, 2)) == expected
    assert min(missed, seen) > 200
