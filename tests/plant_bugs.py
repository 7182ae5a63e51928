"""Plants known bugs, one at a time, and shows that the suite catches each.

    python tests/plant_bugs.py [NAME ...]

Works on a copy of the tree: replaces one exact piece of text, runs the tests that should fail, and
expects pytest to report failures (not errors of collection). First, as the control, the same tests
run on the unplanted copy and must pass. Exits 1 when a bug survives, or when the text to replace is
not found: the list below has then fallen behind the code.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv*", "out", "dist", "build", "__pycache__", ".*_cache", ".hypothesis"
)
PYTEST_FAILED = 1  # pytest's own exit code for "tests ran and some failed"
BROKEN_PLANT = 100  # ours: the planted text does not even run, so nothing was shown


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A mistake somebody could make, and who should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    """Files or folders to run: the least that should notice."""


BUGS = (
    Bug(
        name="python's round for money",
        file="engine/domain/units.py",
        old="    scaled = floor(abs(amount) * _SCALES[digits] + 0.5)\n",
        new="    scaled = round(abs(amount) * _SCALES[digits])\n",
        tests=("tests/domain",),
    ),
    Bug(
        name="an hour offset instead of a zone",
        file="engine/domain/resets.py",
        old="    return ZoneInfo(name)\n",
        # type(UTC) is datetime.timezone, which the file does not import.
        new="    return type(UTC)(datetime(2026, 1, 15, tzinfo=ZoneInfo(name)).utcoffset())\n",
        tests=("tests/domain",),
    ),
    Bug(
        name="bid and ask swapped in conversion",
        file="engine/domain/conversion.py",
        old="            product *= quote.ask if at_ask else quote.bid\n",
        new="            product *= quote.bid if at_ask else quote.ask\n",
        tests=("tests/domain",),
    ),
    Bug(
        name="a deposit counted as profit",
        file="engine/domain/operating.py",
        old="        marks=moved(state.marks, spec.major(amount_minor)),\n",
        new="        marks=state.marks,\n",
        tests=("tests/domain",),
    ),
    Bug(
        name="the peak moved position by position, before netting",
        file="engine/domain/valuing.py",
        old="""    draft.state = replace(
        state,
        known=True,
        marks=advance(state.marks, mark_of(state, quotes), draft.time_msc),
""",
        new="""    marks = state.marks
    for held in range(len(state.positions) + 1):
        part = replace(state, positions=state.positions[:held])
        marks = advance(marks, mark_of(part, quotes), draft.time_msc)
    draft.state = replace(
        state,
        known=True,
        marks=replace(marks, ticks=state.marks.ticks + 1),
""",
        tests=("tests/domain",),
    ),
    Bug(
        name="a crossed quote taken for a valid one",
        file="engine/domain/quotes.py",
        old="    if ask < bid:\n",
        new="    if ask < bid and ask < 0.0:\n",
        tests=("tests/domain",),
    ),
    Bug(
        name="a crossed row of a file valued",
        file="adapters/tick_files/sift.py",
        old="            elif ask[i] < bid[i]:\n",
        new="            elif ask[i] < bid[i] and ask[i] < 0.0:\n",
        tests=("tests/adapters/tick_files",),
    ),
    Bug(
        name="the kernel one tick late",
        file="engine/marking/kernel.py",
        old="                    return woken\n",
        new="                    return min(woken + 1, stop - 1)\n",
        tests=("tests/marking/test_kernel_and_twin.py",),
    ),
    Bug(
        name="the kernel's peak taken leg by leg, before netting",
        file="engine/marking/walk.py",
        old="    worst, best = least_and_largest(marks)\n",
        new="""    worst, best = least_and_largest(marks)
    leg = columns.whole[slot, TERMS_FROM]
    for t in range(start - block_start, stop - block_start):
        for k in range(leg, leg + columns.whole[slot, PLAIN_TERMS]):
            row = columns.seats[k, SPAN] // 2
            part = columns.reals[slot, FIXED] + columns.units[k, 0] * prices.quotes[block, row, t]
            best = part if part > best else best
""",
        tests=("tests/marking",),
    ),
    Bug(
        name="bid and ask swapped in the kernel's conversion",
        file="engine/marking/prices.py",
        old="                bid *= 1.0 / leg_ask\n                ask *= 1.0 / leg_bid\n",
        new="                bid *= 1.0 / leg_bid\n                ask *= 1.0 / leg_ask\n",
        tests=("tests/marking",),
    ),
    Bug(
        name="a step that does not end is not cut short",
        file="engine/stuck.py",
        old="    if _TURN.is_collecting or _TURN.used_s() < _TURN.over_s:\n",
        new="    if _TURN.over_s:\n",
        tests=("tests/engine/test_stuck.py",),
    ),
    Bug(
        name="a step's age by the clock on the wall",
        file="engine/stuck.py",
        old="        return time.thread_time() - self.collected_s\n",
        new="        return time.monotonic() - self.collected_s\n",
        tests=("tests/engine/test_stuck.py",),
    ),
    Bug(
        name="a step that has ended goes on counting",
        file="engine/stuck.py",
        old="            _TURN.step = None\n",
        new="            pass\n",
        tests=("tests/engine/test_stuck.py",),
    ),
)


def main() -> int:
    """0 when every named bug (all by default) is caught; 1 otherwise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="only bugs whose name contains one of these")
    wanted = parser.parse_args().names
    bugs = [bug for bug in BUGS if not wanted or any(part in bug.name for part in wanted)]
    with tempfile.TemporaryDirectory(prefix="plant-") as folder:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=LEFT_BEHIND)
        tests = sorted({test for bug in bugs for test in bug.tests})
        verdict, seconds, said = run_tests(copy, tests, Path(folder) / "compiled-0")
        word = "control" if verdict == 0 else "CONTROL FAILS"
        print(f"{word:14} {seconds:5.1f} s  {' '.join(tests)}", flush=True)
        if verdict != 0:
            print(said)
            return 1
        outcomes = [
            try_bug(copy, bug, Path(folder) / f"compiled-{number}")
            for number, bug in enumerate(bugs, 1)
        ]
    print(f"{outcomes.count('caught')} of {len(bugs)} planted bugs were caught")
    return 0 if bugs and set(outcomes) == {"caught"} else 1


def try_bug(copy: Path, bug: Bug, compiled: Path) -> str:
    """Plants the bug, runs its tests and mends the copy; prints and returns what became of it."""
    place = copy / bug.file
    whole = place.read_text(encoding="utf-8") if place.is_file() else ""
    seconds = 0.0
    if whole.count(bug.old) != 1:
        outcome = f"TEXT NOT FOUND ({whole.count(bug.old)} times)"
    else:
        place.write_text(whole.replace(bug.old, bug.new), encoding="utf-8")
        verdict, seconds, _ = run_tests(copy, bug.tests, compiled)
        place.write_text(whole, encoding="utf-8")
        outcome = "caught" if verdict == PYTEST_FAILED else f"SURVIVED (exit {verdict})"
    print(f"{outcome:14} {seconds:5.1f} s  {bug.name} ({bug.file})", flush=True)
    return outcome


def run_tests(copy: Path, tests: Sequence[str], compiled: Path) -> tuple[int, float, str]:
    """Pytest's exit code for these tests of the copy, the seconds it took, and what it said.

    Each run compiles into a folder of its own: a cached kernel that has inlined a function does not
    notice when that function's file changes.
    """
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(compiled),
        "PYTHONPATH": str(copy),  # before the editable install, which leads back to the original
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    start = time.perf_counter()
    words = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *tests]
    done = subprocess.run(
        words, cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    broken = any(error in done.stdout for error in ("SyntaxError", "NameError", "ImportError"))
    verdict = BROKEN_PLANT if broken else done.returncode
    return verdict, time.perf_counter() - start, done.stdout[-4000:]


if __name__ == "__main__":
    sys.exit(main())
