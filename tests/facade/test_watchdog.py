"""The watchdog of the loop, in a process of its own: what stands still is shown, then ended."""

import subprocess
import sys
import textwrap

import pytest

from tests.tree import ROOT

LIMIT_S = 120


def child(body: str) -> subprocess.CompletedProcess[str]:
    """Runs a Trio program with a watchdog in it: a second late is shown, two and a half end it."""
    program = textwrap.dedent(
        """
        import re, sys, time, trio
        from facade import watchdog
        from facade.watchdog import Watchdog

        async def main():
            watch = Watchdog(dump_s=1.0, exit_s=2.5)
            async with trio.open_nursery() as nursery:
                await nursery.start(watch.run)
                await stuck(watch)
                nursery.cancel_scope.cancel()
        """
    )
    program += textwrap.dedent(body) + "\ntrio.run(main)\nprint('ended well')\n"
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_a_loop_that_spins_for_ever_is_shown_and_ended_with_code_70() -> None:
    done = child(
        """
        async def stuck(watch):
            await trio.sleep(0.3)
            spin_for_ever()

        def spin_for_ever():
            while True:
                pass
        """
    )
    assert done.returncode == 70
    assert "ended well" not in done.stdout
    assert "spin_for_ever" in done.stderr
    # Once a stall, though it is looked at six times; a slow machine may have had one before.
    assert 1 <= done.stderr.count(" s:\n") <= 2
    assert "ending" in done.stderr


def test_a_short_stall_is_shown_once_and_the_program_goes_on() -> None:
    done = child(
        """
        async def stuck(watch):
            await trio.sleep(0.3)
            watch._exit_s = 100.0
            time.sleep(1.7)
            await trio.sleep(0.5)
            print("stalls:", watch.stalls)
        """
    )
    assert done.returncode == 0, done.stderr
    assert "ended well" in done.stdout
    shown = done.stderr.count("the loop has stood still")
    assert 1 <= shown <= 2  # once a stall; a slow machine may have had another
    assert f"stalls: {shown}" in done.stdout
    assert "stuck" in done.stderr


def test_a_loop_at_work_is_left_alone() -> None:
    done = child(
        """
        async def stuck(watch):
            watch._dump_s = watch._exit_s = 60.0
            for _ in range(20):
                time.sleep(0.02)
                await trio.sleep(0)
            print("stalls:", watch.stalls)
        """
    )
    assert done.returncode == 0
    assert "stalls: 0" in done.stdout
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="faulthandler's thread is tested on Linux")
def test_a_loop_that_keeps_the_interpreters_lock_is_ended_too() -> None:
    done = child(
        """
        watchdog.LAST_S = 0.2
        async def stuck(watch):
            await trio.sleep(0.3)
            import ctypes
            ctypes.PyDLL(None).sleep(100)
        """
    )
    assert done.returncode == 1
    assert "stuck" in done.stderr
    assert "ended well" not in done.stdout
