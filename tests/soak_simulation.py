"""Simulates for so many minutes with seeds never tried before, and prints what was found.

    python -m tests.soak_simulation --minutes 6
    python -m tests.soak_simulation --seed 123456     one whole world again
    python -m tests.soak_simulation --close 123456    one closing scenario again

Half of the time goes to whole worlds, half to closing scenarios; one process for each core asked
for. Every failing seed is printed with the command that runs it again. Exits 1 when one fails.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import Pool
from secrets import randbits
from typing import NamedTuple

from tests.simulation.closing_machine import machine
from tests.simulation.closing_scenarios import KINDS, run
from tests.simulation.whole_groups import MARKUP_POINTS
from tests.simulation.whole_oracles import run_world, tallied
from tests.simulation.whole_world import CALM_S, TROUBLE_S

COMMAND = "python -m tests.soak_simulation"
BATCH = 50
"""Closing scenarios between two looks at the clock."""


class Soaked(NamedTuple):
    """What one process saw."""

    seen: Counter[str]
    failed: list[str]


def worlds(first: int, seconds: float) -> Soaked:
    """Whole worlds from this seed on, for so long."""
    seen: Counter[str] = Counter()
    failed: list[str] = []
    end_s, seed = time.monotonic() + seconds, first
    while time.monotonic() < end_s:
        groups = bool(seed % 2)
        ran = run_world(seed, markup_points=MARKUP_POINTS if groups else 0.0)
        seen["worlds"] += 1
        seen["virtual seconds"] += int(TROUBLE_S + CALM_S)
        seen.update(tallied(ran.world))
        again = f"{COMMAND} --seed {seed}{' --groups' if groups else ''}"
        failed += [f"{said}\n    {again}" for said in ran.wrong]
        seed += 1
    return Soaked(seen, failed)


def closes(first: int, seconds: float) -> Soaked:
    """Closing scenarios from this seed on, for so long."""
    seen: Counter[str] = Counter()
    failed: list[str] = []
    end_s, seed = time.monotonic() + seconds, first
    while time.monotonic() < end_s:
        for _ in range(BATCH):
            findings = run(seed, machine())
            seen["closing scenarios"] += 1
            seen.update({f"closing {name}": n for name, n in vars(findings).items()})
            if findings.bad:
                kind = KINDS[seed % len(KINDS)]
                failed.append(f"{kind}: {findings}\n    {COMMAND} --close {seed}")
            seed += 1
    return Soaked(seen, failed)


def _do(task: tuple[Callable[[int, float], Soaked], int, float]) -> Soaked:
    work, first, seconds = task
    return work(first, seconds)


def soak(minutes: float, processes: int) -> int:
    """Runs both for so long in all; how many failed."""
    each_s, first = minutes * 60.0 / 2.0, randbits(40)
    started_s = time.monotonic()
    seen: Counter[str] = Counter()
    failed: list[str] = []
    with Pool(processes) as pool:
        for work in (worlds, closes):
            tasks = [(work, first + (place << 32), each_s) for place in range(processes)]
            for soaked in pool.map(_do, tasks):
                seen.update(soaked.seen)
                failed += soaked.failed
    took_s = time.monotonic() - started_s
    print(f"{took_s:.0f} s, {processes} processes, first seed {first}")
    for name, number in sorted(seen.items()):
        print(f"{number:>12,}  {name}")
    print(f"{seen['worlds'] / (took_s / 2):.2f} worlds/s")
    print(f"{seen['closing scenarios'] / (took_s / 2):.0f} closing scenarios/s")
    for said in failed:
        print(f"FAILED {said}")
    print(f"{len(failed)} failed")
    return len(failed)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, help="one whole world")
    parser.add_argument("--groups", action="store_true", help="with a group of other prices")
    parser.add_argument("--close", type=int, help="one closing scenario")
    asked = parser.parse_args()
    if asked.seed is not None:
        ran = run_world(asked.seed, markup_points=MARKUP_POINTS if asked.groups else 0.0)
        print(*[f"{number:>8}  {name}" for name, number in tallied(ran.world).items()], sep="\n")
        print(*ran.wrong, sep="\n")
        return int(bool(ran.wrong))
    if asked.close is not None:
        findings = run(asked.close, machine())
        print(findings)
        return int(bool(findings.bad))
    return int(soak(asked.minutes, asked.processes) > 0)


if __name__ == "__main__":
    sys.exit(main())
