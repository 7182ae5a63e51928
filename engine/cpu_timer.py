"""A signal to this thread for each so much processor time that it has used itself.

The kernel counts: a thread that waits, is not given the processor, or belongs to a stopped process
gets none. No other thread takes part, so nobody waits for the interpreter. Python has no such timer
of its own (`signal.setitimer` counts the whole process and signals any of its threads).

Sources: timer_create(2), sigevent(7); the kernel's `struct sigevent` and `SIGEV_THREAD_ID` in
include/uapi/asm-generic/siginfo.h, the same on all its 64-bit machines.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CLOCK_THREAD_CPUTIME_ID = 3
_SIGEV_THREAD_ID = 4
_NS = 1_000_000_000


class _Sigevent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread", ctypes.c_int),
        ("rest", ctypes.c_byte * 44),
    )


class _Period(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("first_s", ctypes.c_long),
        ("first_ns", ctypes.c_long),
    )


@contextmanager
def cpu_signals(number: int, every_s: float) -> Iterator[bool]:
    """Signals this thread while it is open; False: not on this system.

    The number must be handled or ignored before. Not more often than the kernel's own clock ticks,
    1 to 10 ms apart.
    """
    timer = ctypes.c_void_p()
    if not _made(timer, number, every_s):
        yield False
        return
    try:
        yield True
    finally:
        ctypes.CDLL(None).timer_delete(timer)


def _made(timer: ctypes.c_void_p, number: int, every_s: float) -> bool:
    if sys.platform != "linux" or sys.maxsize < 1 << 32:
        return False
    library = ctypes.CDLL(None, use_errno=True)
    event = _Sigevent(None, number, _SIGEV_THREAD_ID, threading.get_native_id())
    seconds, rest_ns = divmod(round(every_s * _NS), _NS)
    period = _Period(seconds, rest_ns, seconds, rest_ns)
    try:
        made = library.timer_create(
            _CLOCK_THREAD_CPUTIME_ID, ctypes.byref(event), ctypes.byref(timer)
        )
    except AttributeError:  # an older C library has it elsewhere
        return False
    if made != 0:  # a sandbox may forbid it
        return False
    if library.timer_settime(timer, 0, ctypes.byref(period), None) == 0:
        return True
    trouble = ctypes.get_errno()
    library.timer_delete(timer)
    raise OSError(trouble, os.strerror(trouble))
