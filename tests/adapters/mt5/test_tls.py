"""The TLS under a link, against Trio's own at the other end of a real socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from adapters.mt5.tls import TlsChannel
from tests.adapters.mt5.link_house import LONG_S, contexts

LONG = bytes(range(256)) * 20_000
"""More than any socket takes at once."""


@asynccontextmanager
async def pair(*, tls: bool = True) -> AsyncIterator[tuple[TlsChannel, Any]]:
    """A channel that has shaken hands and Trio's stream; without `tls`: a bare socket, no shake."""
    async with trio.open_nursery() as nursery:
        accepted: Any = trio.Event()
        held: list[TlsChannel] = []

        async def accept(stream: trio.SocketStream) -> None:
            held.append(TlsChannel(stream, contexts()[0]))
            accepted.set()
            await trio.sleep_forever()

        listeners = await nursery.start(trio.serve_tcp, accept, 0)
        port = listeners[0].socket.getsockname()[1]
        far: Any = await trio.open_tcp_stream("127.0.0.1", port)
        await accepted.wait()
        with trio.fail_after(LONG_S):
            if tls:
                far = trio.SSLStream(far, contexts()[1], server_hostname="127.0.0.1")
                async with trio.open_nursery() as shaking:
                    shaking.start_soon(held[0].do_handshake)
                    shaking.start_soon(far.do_handshake)
            yield held[0], far
        await held[0].aclose()
        await trio.aclose_forcefully(far)
        nursery.cancel_scope.cancel()


async def exactly(far: Any, count: int) -> bytes:
    read = bytearray()
    while len(read) < count:
        chunk = await far.receive_some()
        assert chunk, "hung up too soon"
        read += chunk
    return bytes(read)


async def test_all_records_that_have_come_are_received_together() -> None:
    async with pair() as (channel, far):
        for number in range(50):
            await far.send_all(b"%d\n" % number)
        wanted = b"".join(b"%d\n" % number for number in range(50))
        heard, turns = b"", 0
        while len(heard) < len(wanted):
            heard += await channel.receive()
            turns += 1
        assert heard == wanted
        assert turns < 50, "one record at a time is what this is not for"


async def test_a_record_that_comes_byte_by_byte_is_whole_in_the_end() -> None:
    async with pair() as (channel, far):
        plain: Any = far.transport_stream
        sent: list[bytes] = []

        async def dribble(message: bytes) -> None:
            sent.append(message)
            for byte in message:
                await plain_send(bytes([byte]))

        plain_send, plain.send_all = plain.send_all, dribble
        async with trio.open_nursery() as nursery:
            nursery.start_soon(far.send_all, b"one line\n")
            heard = b""
            while not heard.endswith(b"\n"):
                heard += await channel.receive()
        assert heard == b"one line\n"
        assert sum(map(len, sent)) > len(heard)


async def test_what_a_slow_reader_does_not_take_waits_for_the_flush_in_order() -> None:
    async with pair() as (channel, far):
        assert channel.send_nowait(b"first\n")
        assert not channel.send_nowait(LONG)
        assert channel.unsent_bytes > 0
        assert not channel.send_nowait(b"last\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.flush)
            read = await exactly(far, len(LONG) + 11)
        assert read == b"first\n" + LONG + b"last\n"
        assert channel.unsent_bytes == 0


async def test_an_end_without_a_farewell_is_an_end_after_all_that_was_said() -> None:
    async with pair() as (channel, far):
        await far.send_all(b"bye\n")
        await far.transport_stream.send_eof()
        assert await channel.receive() == b"bye\n"
        assert await channel.receive() == b""
        assert await channel.receive() == b"", "an end stays one"


async def test_who_hangs_up_says_farewell_and_the_last_word_arrives() -> None:
    async with pair() as (channel, far):
        await far.send_all(b"never read")
        channel.send_nowait(b"the last word")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(channel.hang_up, 1 << 20)
            assert await far.receive_some() == b"the last word"
            assert await far.receive_some() == b"", "TLS's own end, not a broken connection"
            await trio.aclose_forcefully(far)


async def test_what_is_no_tls_breaks_the_handshake_and_nothing_more() -> None:
    async with pair(tls=False) as (channel, far):
        await far.send_all(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError):
            await channel.do_handshake()


async def test_hanging_up_in_the_handshake_breaks_it() -> None:
    async with pair(tls=False) as (channel, far):
        await far.send_eof()
        with pytest.raises(trio.BrokenResourceError, match="hung up"):
            await channel.do_handshake()


async def test_a_reset_breaks_the_channel_for_reader_and_writer() -> None:
    async with pair() as (channel, far):
        far.transport_stream.setsockopt(
            trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
        )
        await trio.aclose_forcefully(far)

        async def write() -> None:
            while True:
                await channel.send_all(LONG)

        async def read() -> None:
            while await channel.receive():
                pass

        with pytest.raises(trio.BrokenResourceError):
            await read()
        with pytest.raises(trio.BrokenResourceError):
            await write()


async def test_closing_wakes_who_reads() -> None:
    async with pair() as (channel, _far), trio.open_nursery() as nursery:

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await channel.receive()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await channel.aclose()
