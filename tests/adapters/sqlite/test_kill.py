"""kill -9 at any point: the next start finds all that was acknowledged.

The page cache outlives a killed process, so this shows that recovery works, not that records were
on the disk: for that there is the power cut.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

from tests.adapters.sqlite.workload import KEYS, Acknowledged, lost
from tests.conftest import ROOT, SOAK

KILLS = 20 * max(SOAK, 1)
JOURNALS = 5
"""Each is killed again and again: a start that recovers is itself killed later."""


def killed_once(house: "subprocess.Popen[str]", path: Path, rng: Random) -> Acknowledged:
    """What the killed program said was durable."""
    assert house.stdin is not None
    assert house.stdout is not None
    house.stdin.write(f"{path}\n")
    house.stdin.flush()
    acked: Acknowledged = {}
    pid, appends, last = 0, 0, rng.randrange(1, 40)
    for line in house.stdout:
        first, _, second = line.strip().partition(" ")
        if first == "gone":
            return acked
        if first == "pid":
            pid = int(second)
        else:
            acked[next(key for key in KEYS if key.login == int(first))] = int(second)
            appends += 1
        if pid and appends == last:
            time.sleep(rng.random() * 0.003)  # so that kills fall inside commits too
            os.kill(pid, signal.SIGKILL)
    raise AssertionError("the program ended by itself")


def test_nothing_acknowledged_is_lost_at_kill_minus_9(tmp_path: Path) -> None:
    rng = Random(6 if not SOAK else None)
    command = [sys.executable, "-m", "tests.adapters.sqlite.kill_house"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as house:
        kept: dict[int, Acknowledged] = {}
        for number in range(KILLS):
            acked = kept.setdefault(number % JOURNALS, {})
            path = tmp_path / f"{number % JOURNALS}.db"
            acked |= killed_once(house, path, rng)
            assert lost(path, acked) == [], f"kill {number}"
        assert house.stdin is not None
        house.stdin.close()
    assert all(sum(acked.values()) > KILLS // JOURNALS for acked in kept.values())
