"""An OS thread that watches the loop: a stuck engine guards nobody, so it must not look alive.

One second without a beat and every thread's stack is written out, once a stall; five seconds and
the process ends with code 70, so that whoever keeps it (systemd) starts it again. Terminals
enforce their own floors meanwhile.

A loop that is stuck in compiled code which holds the interpreter's lock stops that thread too. So
a second watch is kept by a thread that needs no lock (faulthandler's own): some seconds later it
writes the stacks and ends the process with code 1.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

import trio

BEAT_S = 0.1
DUMP_S = 1.0
EXIT_S = 5.0
EXIT_CODE = 70
LAST_S = 3.0
"""After `EXIT_S`, when the thread that needs no lock ends the process."""
_REARM_S = 1.0


class Watchdog:
    """`run` it as a task; its threads end with it. One at a time in a process."""

    def __init__(
        self,
        *,
        dump_s: float = DUMP_S,
        exit_s: float = EXIT_S,
        end: Callable[[int], object] = os._exit,
        out: TextIO | None = None,
    ) -> None:
        """Watches nothing yet.

        Args:
            end: ends the process at once, whatever it is at.
            out: gets the stacks; stderr unless given. Must be a file of the operating system.
        """
        self.stalls = 0
        """Times the loop stood still for `dump_s` or more."""
        self._dump_s = dump_s
        self._exit_s = exit_s
        self._end = end
        self._out = out
        self._beat_s = time.monotonic()
        self._stopped = threading.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beats until it is cancelled."""
        out = self._out or sys.stderr
        self._beat_s = time.monotonic()
        threading.Thread(target=self._watch, args=(out,), name="watchdog", daemon=True).start()
        task_status.started()
        armed_s = 0.0
        try:
            while True:
                if self._beat_s - armed_s >= _REARM_S:
                    armed_s = self._beat_s
                    self._arm(out)
                await trio.sleep(BEAT_S)
                self._beat_s = time.monotonic()
        finally:
            self._stopped.set()
            faulthandler.cancel_dump_traceback_later()

    def _arm(self, out: TextIO) -> None:
        limit_s = self._exit_s + _REARM_S + LAST_S
        with suppress(OSError, ValueError):  # `out` is no file of the operating system
            faulthandler.dump_traceback_later(limit_s, exit=True, file=out)

    def _watch(self, out: TextIO) -> None:
        dumped = False
        while not self._stopped.wait(self._dump_s / 4):
            late_s = time.monotonic() - self._beat_s
            if late_s < self._dump_s:
                dumped = False
            elif not dumped:
                dumped = True
                self.stalls += 1
                _tell(out, f"the loop has stood still for {late_s:.1f} s:")
                with suppress(OSError, ValueError):
                    faulthandler.dump_traceback(file=out)
            if late_s >= self._exit_s:
                _tell(out, f"the loop has stood still for {late_s:.1f} s: ending")
                for stream in (sys.stdout, sys.stderr, out):
                    with suppress(OSError, ValueError):
                        stream.flush()
                self._end(EXIT_CODE)
                return


def _tell(out: TextIO, line: str) -> None:
    with suppress(OSError, ValueError):
        print(line, file=out, flush=True)
