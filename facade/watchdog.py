"""An OS thread that watches the loop: a stuck engine guards nobody, so it must not look alive.

One second without a beat and every thread's stack is written to stderr, once a stall; five seconds
and the process ends with code 70, so that whoever keeps it (systemd) starts it again. Terminals
enforce their own floors meanwhile.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

import trio

BEAT_S = 0.1
DUMP_S = 1.0
EXIT_S = 5.0
EXIT_CODE = 70


class Watchdog:
    """`run` it as a task; its thread ends with it."""

    def __init__(
        self,
        *,
        dump_s: float = DUMP_S,
        exit_s: float = EXIT_S,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        """`end`: ends the process at once, whatever it is at."""
        self.stalls = 0
        """Times the loop stood still for a second or more."""
        self._dump_s = dump_s
        self._exit_s = exit_s
        self._end = end
        self._beat_s = time.monotonic()
        self._stopped = threading.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beats until it is cancelled."""
        self._beat_s = time.monotonic()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()
        task_status.started()
        try:
            while True:
                await trio.sleep(BEAT_S)
                self._beat_s = time.monotonic()
        finally:
            self._stopped.set()

    def _watch(self) -> None:
        dumped = False
        while not self._stopped.wait(self._dump_s / 4):
            late_s = time.monotonic() - self._beat_s
            if late_s < self._dump_s:
                dumped = False
            elif not dumped:
                dumped = True
                self.stalls += 1
                print(f"the loop has stood still for {late_s:.1f} s:", file=sys.stderr)
                faulthandler.dump_traceback(file=sys.stderr)
            if late_s >= self._exit_s:
                print(f"the loop has stood still for {late_s:.1f} s: ending", file=sys.stderr)
                sys.stderr.flush()
                self._end(EXIT_CODE)
                return
