"""The soak of the journal: it tries every promise, and a broken one ends it with 1."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

from adapters.sqlite import schema
from tests import soak_journal
from tests.adapters.sqlite.faulty_disk import UNHEARD
from tests.adapters.sqlite.test_disk_errors import Outcome
from tests.soak_journal import PROMISES, Promise, Trial, main, soak, table

pytestmark = UNHEARD


@pytest.fixture(autouse=True)
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`main` silences unraisable exceptions for its own process."""
    import sys

    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    yield
    assert "synchronous = FULL" in schema.PRAGMAS


def test_every_promise_is_tried_at_least_once() -> None:
    counts = soak([one for one in PROMISES if not one.is_control], 0.0, 1)
    assert [one.done for one in counts] == [1] * (len(PROMISES) - 1)
    assert all(one.is_good for one in counts), table(counts)
    assert "power cut" in table(counts)


def promise(wrong: list[str], *, is_control: bool = False) -> Promise:
    def prepare(work: Path, stack: ExitStack) -> Trial:
        def trial(folder: Path, rng: Random) -> Outcome:
            return Outcome(met=True, acknowledged=3, wrong=wrong)

        return trial

    return Promise("planted", 5, 1.0, prepare, is_control)


@pytest.mark.parametrize(
    ("planted", "code"),
    [
        (promise([]), 0),
        (promise(["one is lost"]), 1),
        (promise(["one is lost"], is_control=True), 0),
        (promise([], is_control=True), 1),
    ],
)
def test_a_broken_promise_or_an_idle_control_ends_it_with_1(
    planted: Promise,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(soak_journal, "PROMISES", (planted,))
    assert main([]) == code
    said = capsys.readouterr().out.splitlines()
    assert said[2].split()[:5] == ["planted", "5", "5", "5", "15"]
