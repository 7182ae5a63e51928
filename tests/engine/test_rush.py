"""Closes pass first, and nobody waits for them for ever."""

import trio
from trio.testing import MockClock

from engine.rush import LONGEST_S, Rush


async def test_who_waits_goes_on_when_the_last_closes_are_sent(autojump_clock: MockClock) -> None:
    rush, one, other = Rush(), object(), object()
    rush.begin(one)
    rush.begin(other)
    began_s = trio.current_time()

    async def send() -> None:
        await trio.sleep(0.01)
        rush.end(one)
        assert rush, "the other's are not sent yet"
        await trio.sleep(0.01)
        rush.end(other)
        rush.end(other)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await rush.wait()
        assert trio.current_time() - began_s == 0.02
    assert not rush


async def test_a_disk_that_keeps_a_close_keeps_nobody_else_for_long(
    autojump_clock: MockClock,
) -> None:
    rush = Rush()
    rush.begin(object())
    began_s = trio.current_time()
    await rush.wait()
    assert trio.current_time() - began_s == LONGEST_S
    assert not rush, "it is not waited for once more with each thing said"
    await rush.wait()
    assert trio.current_time() - began_s == LONGEST_S
    rush.begin(object())
    assert rush, "closes of others pass again"
