"""Clocks follow Trio's time, so that a virtual one moves ages and times together."""

import time

import pytest
import trio
from trio.testing import MockClock

from engine.clock import SystemClock, VirtualClock


async def test_the_system_clock_ages_with_trio_and_reads_the_wall(
    autojump_clock: MockClock,
) -> None:
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    await trio.sleep(3600)
    assert clock.monotonic_ns() - began_ns == pytest.approx(3600e9)
    assert abs(clock.wall_msc() - time.time() * 1000) < 60_000


async def test_a_virtual_clock_runs_as_many_times_as_fast(autojump_clock: MockClock) -> None:
    clock = VirtualClock(1_000_000, speed=10.0)
    await trio.sleep(2)
    assert clock.wall_msc() == pytest.approx(1_020_000, abs=1)
    assert clock.monotonic_ns() == pytest.approx(20e9)
    clock.start(5_000)
    assert (clock.wall_msc(), clock.monotonic_ns()) == (5_000, 0)


async def test_sleeping_until_a_time_returns_then_and_at_once_when_it_is_past(
    autojump_clock: MockClock,
) -> None:
    clock = VirtualClock(0, speed=100.0)
    began = trio.current_time()
    await clock.sleep_until_msc(60_000)
    assert trio.current_time() - began == pytest.approx(0.6)
    await clock.sleep_until_msc(30_000, at_least_s=5.0)
    assert trio.current_time() - began == pytest.approx(0.6)
    await clock.sleep_until_msc(60_100, at_least_s=0.02)
    assert trio.current_time() - began == pytest.approx(0.62)
