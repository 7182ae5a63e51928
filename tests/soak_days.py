"""Guards account-days and compares each with the independent oracle.

    python -m tests.soak_days --days 10000
    python -m tests.soak_days --days 10000 --first 7     the same worlds each time
    python -m tests.soak_days --seed 123456              one world again: what is not the same

A world is seven accounts over two days, a third of them netting accounts. Ends when so many
account-days are done, or after so many minutes. Every difference is printed with the seed of its
world. Exits 1 when there is one.
"""

import argparse
import sys
import time
from multiprocessing import Pool
from secrets import randbits

from tests.days.day_compare import Compared, compare

COMMAND = "python -m tests.soak_days"
PRINTED = 20
"""Of each kind of difference."""


def one(seed: int) -> Compared:
    """One world; what raises says which."""
    try:
        return compare(seed)
    except Exception as error:
        raise RuntimeError(f"{COMMAND} --seed {seed}: {error!r}") from error


def soak(first: int, days: int, minutes: float, processes: int) -> Compared:
    """So many account-days, as far as the time goes."""
    found, seed = Compared(), first
    started_s = time.monotonic()
    with Pool(processes) as pool:
        while found.seen["account-days"] < days and time.monotonic() - started_s < minutes * 60:
            batch = range(seed, seed + 8 * processes)
            for compared in pool.imap_unordered(one, batch):
                found.add(compared)
            seed = batch.stop
    took_s = time.monotonic() - started_s
    print(f"{took_s:.0f} s, {processes} processes, seeds {first} to {seed - 1}")
    return found


def say(found: Compared) -> None:
    """What was seen, and every kind of difference."""
    for name, number in sorted(found.seen.items()):
        print(f"{number:>14,}  {name}")
    for kind in ("missed", "spurious", "differing"):
        said: list[str] = getattr(found, kind)
        print(f"{len(said):>14,}  {kind}")
        for words in said[:PRINTED]:
            print(f"    {kind.upper()} {words}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=10_000, help="account-days")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--first", type=int, help="the first seed; a new one unless given")
    parser.add_argument("--seed", type=int, help="one world")
    asked = parser.parse_args()
    if asked.seed is not None:
        found = one(asked.seed)
    else:
        first = randbits(40) if asked.first is None else asked.first
        found = soak(first, asked.days, asked.minutes, asked.processes)
    say(found)
    return int(found.bad > 0)


if __name__ == "__main__":
    sys.exit(main())
