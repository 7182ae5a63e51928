"""A step that does not end is cut short, and nothing else ever is."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from random import Random

import pytest

from engine import stuck
from engine.domain.account import AccountState
from engine.domain.commands import Register
from engine.domain.intents import Intent
from engine.domain.link_events import ReportCame
from engine.domain.positions import Side
from engine.domain.reports import AccountReport, FullReport, PositionReport
from engine.domain.step import Step, obey
from engine.errors import StuckError
from tests.live.live_account import QUOTES, START_MSC, Account
from tests.tree import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="is armed on Linux only")
LIMIT_S = 120
GIVEN_UP_S = 5.0
"""Of processor time: a test does not hang where nothing is cut short."""


@pytest.fixture
def armed() -> Iterator[None]:
    with stuck.stuck_cut_short() as is_armed:
        assert is_armed
        yield


def spin(for_s: float) -> float:
    """Python at work for so much processor time."""
    end_s = time.thread_time() + for_s
    while time.thread_time() < end_s:
        pass
    return for_s


@stuck.watched
def endless(_about: object) -> None:
    spin(GIVEN_UP_S)


@stuck.watched
def working(for_s: float) -> float:
    return spin(for_s)


@pytest.mark.usefixtures("armed")
def test_a_step_that_does_not_end_is_cut_short_within_its_bound_and_says_where() -> None:
    for _ in range(3):
        began_s = time.thread_time()
        with pytest.raises(StuckError, match=r"cut short at test_stuck\.py:\d+ in spin"):
            endless(object())
        took_s = time.thread_time() - began_s
        # A look may come late by a tick of the kernel's clock, 10 ms where that is slow.
        assert stuck.STUCK_S <= took_s < stuck.STUCK_S + 10 * stuck.LOOK_S


def test_without_it_nothing_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    assert working(4 * stuck.STUCK_S)
    monkeypatch.setattr(stuck, "cpu_signals", unavailable)
    with stuck.stuck_cut_short() as is_armed:
        assert not is_armed
        assert working(4 * stuck.STUCK_S)


def unavailable(*_: object) -> object:
    """As where the system has no such timer."""
    return nullcontext(False)  # noqa: FBT003


@pytest.mark.usefixtures("armed")
def test_only_one_is_armed_in_a_process_and_only_in_its_main_thread() -> None:
    with stuck.stuck_cut_short() as is_armed:
        assert not is_armed
    found: list[object] = []

    def elsewhere() -> None:
        with stuck.stuck_cut_short() as is_armed:
            found.append(is_armed)
        found.append(working(4 * stuck.STUCK_S))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(LIMIT_S)
    assert found == [False, 4 * stuck.STUCK_S], "a step in another thread is its own business"
    with pytest.raises(StuckError):
        endless(0)  # and the outer one still is


@pytest.mark.usefixtures("armed")
def test_steps_that_end_and_work_outside_of_steps_are_left_alone() -> None:
    for _ in range(60):
        working(stuck.STUCK_S / 10)
    spin(4 * stuck.STUCK_S)
    assert stuck.cuts() == 0


def test_signals_at_any_time_raise_in_a_step_or_not_at_all() -> None:
    """Whoever sends them: what comes between two bytecodes of the wrapper is the hard part."""
    leaving = threading.Event()
    main = threading.get_ident()
    cut = done = 0

    def pester() -> None:
        while not leaving.wait(2e-5):
            signal.pthread_kill(main, signal.SIGURG)

    pest = threading.Thread(target=pester)
    with stuck.stuck_cut_short(stuck_s=0.0):
        pest.start()
        try:
            rng, end_s = Random(5), time.thread_time() + 0.4
            while time.thread_time() < end_s or not (cut and done):
                lasting_s = rng.choice((0.0, 1e-5, 1e-3))
                try:
                    working(lasting_s)
                    done += 1
                except StuckError:
                    cut += 1
                assert stuck._TURN.step is None
                spin(rng.choice((0.0, 1e-5, 1e-4)))  # raises nothing, nor does any line here
                gc.collect(0)
        finally:
            leaving.set()
            pest.join(LIMIT_S)
    signal.raise_signal(signal.SIGURG)  # one that comes late
    assert stuck.cuts() == cut
    assert cut, "the control: they do raise"
    assert done


@pytest.mark.usefixtures("armed")
def test_a_step_that_swallows_it_is_cut_short_again() -> None:
    seen: list[str] = []

    @stuck.watched
    def stubborn(_about: object) -> None:
        for part in ("first", "second"):
            with suppress(StuckError):
                spin(GIVEN_UP_S)
                return
            seen.append(part)

    stubborn(0)
    assert seen == ["first", "second"]


@pytest.mark.usefixtures("armed")
def test_collections_in_a_step_are_not_its_own_time() -> None:
    def slow(phase: str, _told: dict[str, int]) -> None:
        if phase == "start":
            spin(4 * stuck.STUCK_S)

    @stuck.watched
    def collecting(_about: object) -> None:
        spin(stuck.LOOK_S)
        gc.collect()
        spin(stuck.LOOK_S / 2)

    gc.callbacks.append(slow)
    try:
        collecting(0)
    finally:
        gc.callbacks.remove(slow)
    with pytest.raises(StuckError):
        working(4 * stuck.STUCK_S)


def test_a_stopped_process_cuts_nothing_short() -> None:
    """It stops itself in the midst of a step, for far longer than a step may take."""
    program = textwrap.dedent(
        """
        import os, signal, time
        from engine import stuck
        from tests.engine.test_stuck import spin

        @stuck.watched
        def stopped(_about):
            while stuck._TURN.seen is not stuck._TURN.step:
                pass
            os.kill(os.getpid(), signal.SIGSTOP)
            spin(0.05)

        with stuck.stuck_cut_short(stuck_s=0.2):
            stopped(0)
        print("cut short:", stuck.cuts())
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        _, status = os.waitpid(child.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        time.sleep(0.5)
        child.send_signal(signal.SIGCONT)
        said, _ = child.communicate(timeout=LIMIT_S)
    finally:
        child.kill()
    assert said == "cut short: 0\n"


@pytest.mark.parametrize("count", [5, 40, 120])
def test_a_report_of_positions_that_nothing_tells_apart_has_time_enough(count: int) -> None:
    """The longest of all steps: as many intents as positions, compared each with each, cubed."""
    state, event = alike(count)
    began_s = time.thread_time()
    with stuck.stuck_cut_short():
        assert len(stuck.step(state, event).state.positions) == count
    took_s = time.thread_time() - began_s
    assert took_s < stuck.allowed_s((state, event)), "it is the thread's time, however busy"


def alike(count: int) -> tuple[AccountState, ReportCame]:
    """So many intents of one symbol and side, and a report whose comments say nothing."""
    rng, account = Random(1), Account()
    account.link(START_MSC)
    account.report(START_MSC + 1, 10_000.0)
    for number in range(count):
        intent = Intent(
            intent_id=f"i{number}",
            symbol="EURUSD",
            side=Side.BUY,
            volume_lots=0.01,
            open_price=1.09 + rng.uniform(0, 5e-4),
        )
        done = obey(account.state, Register(START_MSC + 2, "ops", intent))
        assert isinstance(done, Step)
        account.state = done.state
    held = tuple(
        PositionReport(
            identifier=number,
            ticket=number,
            symbol="EURUSD",
            type=0,
            volume=0.01,
            price_open=1.09 + rng.uniform(0, 5e-4),
            time_msc=START_MSC,
            time_update_msc=START_MSC,
        )
        for number in range(1, count + 1)
    )
    money = AccountReport(balance=10_000.0, credit=0.0, equity=10_000.0, margin=0.0)
    report = FullReport(account=money, positions=held, complete=True)
    event = ReportCame(
        time_msc=START_MSC + 3,
        report=report,
        asked_msc=START_MSC + 3,
        gmt_offset_s=0,
        quotes=QUOTES,
        jitter=0.5,
    )
    return account.state, event
