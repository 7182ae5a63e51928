"""Interrupts the step of one account that does not end, so that all others go on.

All accounts take turns in one thread. A rule that loops would hold up every one of them until the
watchdog of the process ends it. So a thread looks, a hundred times a second, whether the step at
its last look is still under way, and how much processor time the loop's thread has used since. Is
that too much, it sends that thread a signal; Python runs the handler there, between two bytecodes,
and only there, and only where that same step is still under way, does it raise. What is watched is
pure: nothing is left half done, and the account goes the way of one whose step raised.

| not counted | why |
|---|---|
| waiting for a turn, a stopped process, a slow disk | it uses no time of that thread |
| the collector of cyclic garbage | taken off: whose turn it comes in is chance |

Not interrupted, so that the watchdog of the process ends it: a call of compiled code that does not
come back; the walk over all accounts at a tick, the intake, a snapshot for a reader: they are no
one account's; any thread but the main one, and any system but Linux.
"""

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import PurePath
from types import FrameType
from typing import ParamSpec, TypeVar

from engine.domain import step as deciding
from engine.domain import watching
from engine.domain.account import AccountState
from engine.domain.link_events import ReportCame
from engine.errors import StuckError

STUCK_S = 0.025
"""Of processor time: some fifty times what an account of a few positions takes for its longest
step, a flatten, and so far from it on a machine of a quarter of the speed."""
ROW_ROW_S = 0.5e-6
"""For each position times each position besides: a flatten looks for each at all, and seven times
what it takes. Interrupted it would not close."""
LOOK_S = 0.01

P = ParamSpec("P")
R = TypeVar("R")


class _Turn:
    """What the loop's thread is at. One a process, as signals are."""

    __slots__ = ("asked", "began_s", "collected_s", "collecting", "over_s", "step", "thread")

    def __init__(self) -> None:
        self.thread = 0
        """Which is watched; 0: none is, threads have other names."""
        self.step: tuple[object, ...] | None = None
        """The arguments of the step under way: a new tuple each time."""
        self.asked: tuple[object, ...] | None = None
        """The step that is to be interrupted, once its thread has used `over_s`."""
        self.over_s = 0.0
        self.collecting = False
        self.began_s = 0.0
        """When the collection under way did, by that thread's clock."""
        self.collected_s = 0.0
        """Processor time of that thread that went to collections."""

    def used_s(self) -> float:
        """By the watched thread itself, and for its accounts."""
        return time.thread_time() - self.collected_s


_TURN = _Turn()


def watched(work: Callable[P, R]) -> Callable[P, R]:
    """The same, and interrupted with `StuckError` where it does not end; 0.2 us a call.

    `work` must be pure, called with positional arguments, and not call another that is watched.
    """

    @wraps(work)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if threading.get_ident() != _TURN.thread:
            return work(*args, **kwargs)
        try:
            _TURN.step = args
            return work(*args, **kwargs)
        finally:
            _TURN.step = None

    return run


_RUN = watched(deciding.step).__code__
"""The same object in every frame of a watched call."""

step = watched(deciding.step)
"""See `engine.domain.step.step`."""
obey = watched(deciding.obey)
"""See `engine.domain.step.obey`."""
holding_of = watched(watching.holding_of)
"""See `engine.domain.watching.holding_of`."""
watch_of = watched(watching.watch_of)
"""See `engine.domain.watching.watch_of`."""


@contextmanager
def stuck_interrupted(stuck_s: float = STUCK_S, look_s: float = LOOK_S) -> Iterator[bool]:
    """Interrupts what does not end while it is open; False: not here, see the top.

    To be opened in the thread of the loop. The signal is SIGURG: nobody uses it, and where it comes
    late, after this is closed, it is ignored.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if sys.platform != "linux" or not is_main or _TURN.thread:
        yield False
        return
    before = signal.signal(signal.SIGURG, _interrupt)
    signal.siginterrupt(signal.SIGURG, False)  # noqa: FBT003  no library sees a call cut short
    gc.callbacks.append(_on_collection)
    _TURN.thread = threading.get_ident()
    stopped = threading.Event()
    looking = threading.Thread(
        target=_look, args=(stopped, stuck_s, look_s), name="stuck accounts", daemon=True
    )
    looking.start()
    try:
        yield True
    finally:
        stopped.set()
        looking.join()
        _TURN.thread, _TURN.asked = 0, None
        gc.callbacks.remove(_on_collection)
        signal.signal(signal.SIGURG, before)


def _look(stopped: threading.Event, stuck_s: float, look_s: float) -> None:
    """The thread: only looks, and asks."""
    clock = time.pthread_getcpuclockid(_TURN.thread)
    seen: tuple[object, ...] | None = None
    over_s = 0.0
    while not stopped.wait(look_s):
        at = _TURN.step
        if at is None or _TURN.collecting:
            seen = None if at is None else seen
            continue
        used_s = time.clock_gettime(clock) - _TURN.collected_s
        if at is not seen:
            seen, over_s = at, used_s + stuck_s + _more_s(at)
        elif used_s >= over_s:
            _TURN.over_s, _TURN.asked = over_s, at
            signal.pthread_kill(_TURN.thread, signal.SIGURG)


def _more_s(step_of: tuple[object, ...]) -> float:
    """What a step of an account with many positions may take besides."""
    rows = 0
    for given in step_of:
        if isinstance(given, AccountState):
            live = given.live
            rows = max(rows, len(given.positions), 0 if live is None else len(live.closes))
        elif isinstance(given, ReportCame):
            report = given.report
            rows = max(rows, len(report.positions), len(report.orders))
    return rows * rows * ROW_ROW_S


def _interrupt(_number: int, frame: FrameType | None) -> None:
    """The signal's handler, in the main thread: raises in the step that was asked for, or not."""
    at = _TURN.step
    if at is None or at is not _TURN.asked or _TURN.collecting or _TURN.used_s() < _TURN.over_s:
        return
    if frame is None or frame.f_code in (_RUN, _ON_COLLECTION):
        return  # on its way in or out: if it stays, the thread asks again
    outer: FrameType | None = frame
    while outer is not None and outer.f_code is not _RUN:
        outer = outer.f_back
    if outer is not None:
        code = frame.f_code
        place = f"{PurePath(code.co_filename).name}:{frame.f_lineno} in {code.co_qualname}"
        raise StuckError(f"its step did not end, and was interrupted at {place}")


def _on_collection(phase: str, _told: dict[str, int]) -> None:
    """Before and after each collection, in the thread it is in."""
    if threading.get_ident() != _TURN.thread:
        return
    if phase == "start":
        _TURN.collecting = True
        _TURN.began_s = time.thread_time()
    else:
        _TURN.collected_s += time.thread_time() - _TURN.began_s
        _TURN.collecting = False


_ON_COLLECTION = _on_collection.__code__
