"""Cuts short the step of one account that does not end, so that all others go on.

All accounts take turns in one thread. A rule that loops would hold up every one of them until the
watchdog of the process ends it. So the loop's thread is signalled for each hundredth of a second of
processor time it uses itself; the handler, which Python runs in that thread between two bytecodes,
raises where one and the same step is under way for too long, and does nothing anywhere else. What
is watched is pure: nothing is left half done, and the account goes the way of one that raised.

| not counted | why |
|---|---|
| waiting for a turn, a stopped process, a slow disk | it is no processor time of that thread |
| the collector of cyclic garbage | taken off: whose turn it comes in is chance |
| size | an account of many positions may take longer, see `allowed_s` |

Not cut short, so that the watchdog of the process ends it: a call of compiled code that does not
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

from engine.cpu_timer import cpu_signals
from engine.domain import calm_beats, watching
from engine.domain import step as deciding
from engine.domain.account import AccountState
from engine.domain.ids import AccountKey
from engine.domain.link_events import ReportCame
from engine.errors import StuckError

LOOK_S = 0.01
"""Of processor time, between two looks."""
STUCK_S = 0.025
"""Of processor time, after the first look: some fifty times the longest step of an account with a
few positions."""
ROW_S = 50e-6
"""More for each thing it has: ten times what a report takes for one."""
ALIKE_S = 200e-9
"""More for the cube of what it has most of: a comparison of so many positions with as many intents
that nothing tells apart takes a ninth of that, and a flatten less."""
AGAIN_S = 60.0
"""Steps cut short within that are one trouble, whatever they were about."""

P = ParamSpec("P")
R = TypeVar("R")


class _Turn:
    """What the loop's thread is at; touched by that thread alone. One a process, as signals are."""

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, thread: int) -> None:
        """Forgets all and watches this thread."""
        self.thread = thread
        """The one that is watched; 0: none is, threads have other names."""
        self.step: tuple[object, ...] | None = None
        """The arguments of the step under way: a new tuple each time."""
        self.seen: tuple[object, ...] | None = None
        """The step at the last look."""
        self.over_s = 0.0
        """When it will have taken too long, by `used_s`."""
        self.is_collecting = False
        self.collecting_s = 0.0
        """When the collection under way began, by that thread's clock."""
        self.collected_s = 0.0
        """What collections took of it so far."""
        self.cuts: dict[AccountKey, list[float]] = {}
        self.cut = 0

    def used_s(self) -> float:
        """Processor time of this thread, but for collections."""
        return time.thread_time() - self.collected_s


_TURN = _Turn()


def watched(work: Callable[P, R]) -> Callable[P, R]:
    """The same, and cut short with `StuckError` where it does not end; 0.1 us a call.

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


step = watched(deciding.step)
"""See `engine.domain.step.step`."""
calm_beat = watched(calm_beats.calm_beat)
"""See `engine.domain.calm_beats.calm_beat`."""
obey = watched(deciding.obey)
"""See `engine.domain.step.obey`."""
holding_of = watched(watching.holding_of)
"""See `engine.domain.watching.holding_of`."""
watch_of = watched(watching.watch_of)
"""See `engine.domain.watching.watch_of`."""


@contextmanager
def stuck_cut_short(stuck_s: float = STUCK_S) -> Iterator[bool]:
    """Cuts short what does not end while it is open; False: not here, see the top.

    To be opened in the thread of the loop. The signal is SIGURG: nobody uses it, and where it comes
    late, after this is closed, it is ignored.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if sys.platform != "linux" or not is_main or _TURN.thread:
        yield False
        return
    before = signal.signal(signal.SIGURG, lambda _, frame: _look(frame, stuck_s))
    signal.siginterrupt(signal.SIGURG, False)  # noqa: FBT003  no library sees a call cut short
    gc.callbacks.append(_on_collection)
    _TURN.begin(threading.get_ident())
    try:
        with cpu_signals(signal.SIGURG, LOOK_S) as is_armed:
            yield is_armed
    finally:
        _TURN.thread, _TURN.seen = 0, None
        gc.callbacks.remove(_on_collection)
        signal.signal(signal.SIGURG, before)


def cuts_of(key: AccountKey) -> int:
    """How many steps of this account were cut short within the last `AGAIN_S`."""
    now_s = time.monotonic()
    return sum(now_s - at_s < AGAIN_S for at_s in _TURN.cuts.get(key, ()))


def cuts() -> int:
    """How many steps were cut short since it was last opened, of all accounts."""
    return _TURN.cut


def allowed_s(given: tuple[object, ...], stuck_s: float = STUCK_S) -> float:
    """What a step of these arguments may take: no healthy one does, at a quarter of the speed."""
    alike = rows = 0
    for one in given:
        if isinstance(one, AccountState):
            alike, rows = max(alike, len(one.positions)), rows + len(one.spec.guards)
            if (live := one.live) is not None:
                alike = max(alike, len(live.holdings), len(live.closes), len(live.book.intents))
                rows += len(live.orders) + len(live.deals) + len(live.book.specs)
        elif isinstance(one, ReportCame):
            report = one.report
            alike = max(alike, len(report.positions))
            rows += len(report.specs) + len(report.orders) + len(report.recent_intents)
    return stuck_s + (rows + alike) * ROW_S + alike**3 * ALIKE_S


def _look(frame: FrameType | None, stuck_s: float) -> None:
    """The signal's handler: raises where the step at the last look has taken too long."""
    at = _TURN.step
    if at is None or at is not _TURN.seen:
        _TURN.seen = at
        _TURN.over_s = 0.0 if at is None else _TURN.used_s() + allowed_s(at, stuck_s)
        return
    if _TURN.is_collecting or _TURN.used_s() < _TURN.over_s:
        return
    if frame is None or frame.f_code in (_RUN, _ON_COLLECTION):
        return  # on its way in or out: if it stays, there is a next look
    outer: FrameType | None = frame
    while outer is not None and outer.f_code is not _RUN:
        outer = outer.f_back
    if outer is None:
        return
    if isinstance(at[0], AccountState):
        _TURN.cuts.setdefault(at[0].spec.key, []).append(time.monotonic())
    _TURN.cut += 1
    code = frame.f_code
    line = frame.f_lineno or code.co_firstlineno
    place = f"{PurePath(code.co_filename).name}:{line} in {code.co_qualname}"
    raise StuckError(f"its step did not end, and was cut short at {place}")


def _on_collection(phase: str, _told: dict[str, int]) -> None:
    """Before and after each collection, in the thread it is in."""
    if threading.get_ident() != _TURN.thread:
        return
    if phase == "start":
        _TURN.is_collecting = True
        _TURN.collecting_s = time.thread_time()
    else:
        _TURN.collected_s += time.thread_time() - _TURN.collecting_s
        _TURN.is_collecting = False


_RUN = step.__code__
"""The same object in every frame of a watched call."""
_ON_COLLECTION = _on_collection.__code__
