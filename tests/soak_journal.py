"""Breaks the journal over and over, and counts what was promised and did not hold.

    python -m tests.soak_journal [--minutes N] [--only NAME ...] [--seed N]

Without `--minutes` all of the numbers below. With it, each promise gets its share of the time, and
the table says how often it was tried in it and what the whole number would take. Fresh seeds unless
one is given. Exit 1 when a promise was broken, or when the control found nothing to break.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from adapters.sqlite import schema
from adapters.sqlite.verification import verify
from tests.adapters.sqlite import test_tampering as tampering
from tests.adapters.sqlite.test_disk_errors import (
    Outcome,
    disk_fills_once,
    folder_for,
    fsync_fails_once,
    usual,
)
from tests.adapters.sqlite.test_kill import killed_once
from tests.adapters.sqlite.test_power_cut import cut_once, missing_after
from tests.adapters.sqlite.workload import Acknowledged, lost
from tests.conftest import ROOT

KILLS_A_JOURNAL = 25
Trial = Callable[[Path, Random], Outcome]
"""Tries once, in a folder of its own."""


@dataclass(frozen=True)
class Promise:
    """What must hold, and how often it is tried."""

    name: str
    trials: int
    minutes: float
    """Its share of the time, against the others'."""
    prepare: Callable[[Path, ExitStack], Trial]
    is_control: bool = False
    """It must be broken now and then: else the trials show nothing."""


@dataclass
class Count:
    """How a promise fared."""

    promise: Promise
    done: int = 0
    met: int = 0
    """Trials in which the fault really came before the end."""
    acknowledged: int = 0
    broken: int = 0
    first: str = ""
    """What was wrong at the first."""
    took_s: float = 0.0

    @property
    def is_good(self) -> bool:
        return bool(self.broken) is self.promise.is_control


def kills(work: Path, stack: ExitStack) -> Trial:
    """kill -9 of a program that appends, again and again on the same journal."""
    command = [sys.executable, "-m", "tests.adapters.sqlite.kill_house"]
    house = stack.enter_context(
        subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    )
    assert house.stdin is not None
    stack.callback(house.stdin.close)
    numbers, acked = count(), Acknowledged()

    def trial(_: Path, rng: Random) -> Outcome:
        number = next(numbers)
        path = work / f"killed-{number // KILLS_A_JOURNAL}.db"
        if number % KILLS_A_JOURNAL == 0:
            acked.clear()
            for old in work.glob(f"killed-{number // KILLS_A_JOURNAL - 1}.db*"):
                old.unlink()
        before = sum(acked.values())
        acked.update(killed_once(house, path, rng))
        return Outcome(met=True, acknowledged=sum(acked.values()) - before, wrong=lost(path, acked))

    return trial


def power_cuts(work: Path, _: ExitStack) -> Trial:
    """The power goes in the middle; of what was not synced any part is left."""
    operations = usual(folder_for(-1, work), Random(0)).operations

    def trial(folder: Path, rng: Random) -> Outcome:
        acked, disk = cut_once(folder, rng, rng.randrange(1, operations))
        return Outcome(disk.cut, sum(acked.values()), missing_after(folder, acked))

    return trial


def unsynced_power_cuts(work: Path, stack: ExitStack) -> Trial:
    """The same where commits return before they are synced."""
    stack.enter_context(synchronous_normal())
    return power_cuts(work, stack)


@contextmanager
def synchronous_normal() -> Iterator[None]:
    """Journals opened meanwhile do not sync their commits."""
    sound = schema.PRAGMAS
    weaker: Any = tuple(one.replace("= FULL", "= NORMAL") for one in sound)
    assert weaker != sound
    schema.PRAGMAS = weaker
    try:
        yield
    finally:
        schema.PRAGMAS = sound


def fsync_errors(work: Path, _: ExitStack) -> Trial:
    """One fsync fails, and the disk keeps nothing from then on, without a word."""
    syncs = usual(folder_for(-1, work), Random(0)).syncs
    return lambda folder, rng: fsync_fails_once(folder, rng, syncs)


def full_disks(work: Path, _: ExitStack) -> Trial:
    """No space for a while."""
    operations = usual(folder_for(-1, work), Random(0)).operations
    return lambda folder, rng: disk_fills_once(folder, rng, operations)


def tamperings(work: Path, _: ExitStack) -> Trial:
    """Rows of records or of inputs are edited, moved, deleted, put in or cut off."""
    sound = work / "sound.db"
    tampering.filled(sound, tampering.ENTRIES)
    whole = verify(sound)
    assert whole.fault is None
    content = sound.read_bytes()

    def trial(folder: Path, rng: Random) -> Outcome:
        path = folder / "journal.db"
        path.write_bytes(content)
        if rng.random() < 0.5:
            kind = rng.choice(tampering.KINDS)
            tampering.rewrite(path, lambda rows: kind(rows, rng))
        else:
            kind = rng.choice(tampering.ENTRY_KINDS)
            tampering.rewrite_entries(path, lambda rows: kind(rows, rng))
        unseen = verify(path).fault is None
        return Outcome(
            met=True, acknowledged=whole.records, wrong=[f"{kind.__name__} is not seen"] * unseen
        )

    return trial


PROMISES = (
    Promise("kill -9", 1_000, 1.0, kills),
    Promise("power cut", 10_000, 2.0, power_cuts),
    Promise("power cut, synchronous=NORMAL", 200, 0.2, unsynced_power_cuts, is_control=True),
    Promise("fsync error", 2_000, 0.8, fsync_errors),
    Promise("disk full", 500, 0.6, full_disks),
    Promise("tampering", 1_000, 0.4, tamperings),
)


def soak(promises: Sequence[Promise], minutes: float | None, seed: int) -> list[Count]:
    """Tries each promise so often, or for its share of the time; at least once."""
    shares = sum(promise.minutes for promise in promises)
    counts = []
    for promise in promises:
        limit_s = None if minutes is None else 60 * minutes * promise.minutes / shares
        counts.append(tried(promise, limit_s, seed))
    return counts


def tried(promise: Promise, limit_s: float | None, seed: int) -> Count:
    """One promise, tried again and again."""
    rng, found = Random(f"{seed} {promise.name}"), Count(promise)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        work = Path(name)
        trial = promise.prepare(work, stack)
        start_s = time.perf_counter()
        while found.done < promise.trials:
            folder = folder_for(found.done, work)
            outcome = trial(folder, rng)
            shutil.rmtree(folder)
            found.done += 1
            found.met += outcome.met
            found.acknowledged += outcome.acknowledged
            found.broken += bool(outcome.wrong)
            found.first = found.first or "; ".join(outcome.wrong)
            found.took_s = time.perf_counter() - start_s
            if limit_s is not None and found.took_s > limit_s:
                break
    return found


def table(counts: Sequence[Count]) -> str:
    """What was tried, what held, and what the whole numbers take on this machine."""
    row = "{:<30} {:>7} {:>7} {:>7} {:>12} {:>7} {:>9} {:>10}"
    lines = [
        row.format(
            "promise", "wanted", "tried", "met", "acknowledged", "broken", "ms each", "all, min"
        )
    ]
    for one in counts:
        each_s = one.took_s / one.done
        lines.append(
            row.format(
                one.promise.name,
                one.promise.trials,
                one.done,
                one.met,
                one.acknowledged,
                one.broken,
                f"{1000 * each_s:.1f}",
                f"{each_s * one.promise.trials / 60:.1f}",
            )
        )
        if not one.is_good:
            lines.append(f"  {one.first or 'the control lost nothing: it shows nothing'}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, help="of all together; else all of the numbers")
    names = [promise.name for promise in PROMISES]
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args(arguments)
    sys.unraisablehook = lambda _: None  # apsw tells of faults that SQLite ignores in a rollback
    wanted = [promise for promise in PROMISES if promise.name in options.only]
    print(f"seed {options.seed}")
    counts = soak(wanted, options.minutes, options.seed)
    print(table(counts))
    return 0 if all(one.is_good for one in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
