"""Quotes that nobody has read yet go before what others say, and nobody is held up for long."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import wait_all_tasks_blocked

from adapters.mt5.precedence import TURNS, Precedence
from adapters.mt5.protocol import EndCode
from tests.adapters.mt5.link_house import house
from tests.adapters.mt5.link_samples import ACCOUNT
from tests.adapters.mt5.test_gateway import OTHER


@asynccontextmanager
async def led() -> AsyncIterator[tuple[Precedence, socket.socket, socket.socket]]:
    """A leader's socket, followed, and its other end."""
    near, far = socket.socketpair()
    near.settimeout(0.0)
    with near, far:
        precedence = Precedence()
        precedence.follow("Demo-1", near)
        yield precedence, near, far


async def turns(precedence: Precedence) -> int:
    """How often it stood back."""
    ticks = 0

    async def count() -> None:
        nonlocal ticks
        while True:
            await trio.lowlevel.checkpoint()
            ticks += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        await precedence.let_quotes_pass()
        found = ticks
        nursery.cancel_scope.cancel()
    return found


async def test_it_stands_back_until_the_leader_is_read() -> None:
    async with led() as (precedence, near, far):
        done: list[str] = []

        async def read() -> None:
            await trio.lowlevel.wait_readable(near)
            near.recv(100)
            done.append("quotes")

        async def other() -> None:
            await precedence.let_quotes_pass()
            done.append("other")

        for _ in range(20):  # whatever the order in which tasks are woken
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await wait_all_tasks_blocked()
                far.send(b"tick")
                nursery.start_soon(other)
        assert done == ["quotes", "other"] * 20


async def test_a_leader_that_nobody_reads_holds_up_nobody_for_long() -> None:
    async with led() as (precedence, _near, far):
        assert await turns(precedence) == 0
        far.send(b"tick")
        assert 1 <= await turns(precedence) <= TURNS


async def test_one_that_leads_no_more_is_not_waited_for() -> None:
    async with led() as (precedence, near, far):
        far.send(b"tick")
        precedence.forget("Demo-1", far)
        assert await turns(precedence) > 0, "that was another"
        precedence.forget("Demo-1", near)
        assert await turns(precedence) == 0
        near.close()
        precedence.follow("Demo-1", near)
        assert await turns(precedence) == 0, "closed before it led"


async def test_a_gateway_follows_whoever_leads() -> None:
    async with house() as open_house, open_house.linked() as first, open_house.linked(OTHER):
        leaders = open_house.gateway._precedence._leaders
        assert leaders == {"Demo-1": open_house.gateway._links[ACCOUNT]}
        await first.say(first.side.send_error(EndCode.LEFT, "bye"))
        await open_house.sink.until("led", 2)
        assert leaders == {"Demo-1": open_house.gateway._links[OTHER]}
        async with open_house.linked(OTHER):
            assert leaders == {"Demo-1": open_house.gateway._links[OTHER]}, "the newer link"
    assert not open_house.gateway._precedence._leaders
