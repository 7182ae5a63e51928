"""The HTTP server on real sockets: what is answered, what is refused, and how it ends."""

import ssl
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import trio

from adapters.mt5.certificates import make_certificates
from engine.errors import AdapterError, UserError
from facade.serving import HttpBinding, serve_http
from tests.facade.http_floor import GET, LONG_S, EchoApp, all_of, heard, served

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


def test_the_hypercorn_we_hook_into_is_the_one_we_read() -> None:
    assert version("hypercorn").startswith("0.18.")


async def test_answers_come_on_one_connection_in_order_without_date_or_server() -> None:
    async with served(EchoApp()) as house, await house.connect() as stream:
        for path in (b"/one", b"/two"):
            await stream.send_all(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
            found = (await heard(stream, path)).lower()
            assert found.startswith(b"http/1.1 200")
            assert b"\r\ndate:" not in found
            assert b"\r\nserver:" not in found


async def test_requests_sent_ahead_are_answered_each() -> None:
    async with served(EchoApp()) as house:
        last = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        found = await house.said(GET * 3 + last)
        assert found.count(b"HTTP/1.1 200") == 4
        assert b"/last" in found


async def test_a_body_is_taken_and_its_echo_is_whole() -> None:
    body = b"0123456789" * 30_000
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    async with served(EchoApp()) as house:
        found = await house.said(head % len(body) + body)
        assert found.startswith(b"HTTP/1.1 200")
        assert found.count(b"0123456789") == 30_000


async def test_the_preface_of_http_2_is_refused_and_no_upgrade_to_it_is_taken() -> None:
    async with served(EchoApp()) as house:
        found = await house.said(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04" + b"\0" * 5
        )
        assert found.startswith(b"HTTP/1.1 505") or found == b""
        asked = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\n"
        found = await house.said(
            asked + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        assert found.startswith(b"HTTP/1.1 200")


async def test_a_hundred_headers_are_taken_and_one_more_is_not() -> None:
    async with served(EchoApp()) as house:
        for count, status in ((98, b"200"), (101, b"431")):
            many = b"".join(b"X-%d: a\r\n" % number for number in range(count))
            asked = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + many + b"\r\n"
            assert (await house.said(asked)).startswith(b"HTTP/1.1 " + status)


async def test_headers_without_end_are_refused() -> None:
    async with served(EchoApp(), header_bytes=4096) as house:
        found = await house.said(b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + b"a" * 20_000)
        assert found.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


async def test_what_is_no_http_is_refused_and_the_server_goes_on() -> None:
    async with served(EchoApp()) as house:
        found = await house.said(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n")
        assert found == b"" or found.startswith(b"HTTP/1.1 400")
        assert b"200" in await house.said(
            GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )


async def test_a_mistake_in_the_application_is_one_500_and_no_more() -> None:
    async with served(EchoApp()) as house:
        found = await house.said(b"GET /bug HTTP/1.1\r\nHost: a\r\n\r\n")
        assert found.startswith(b"HTTP/1.1 500")
        assert b"mistake" not in found
        assert house.server.crowd.failed == 1


async def test_a_websocket_talks_without_compression() -> None:
    async with served(EchoApp()) as house, await house.connect() as stream:
        await stream.send_all(UPGRADE)
        head = await heard(stream, b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101")
        assert b"deflate" not in head.lower()
        await stream.send_all(b"\x81\x82\0\0\0\0hi")
        await heard(stream, b"heard hi")


async def test_a_message_that_is_too_long_ends_the_websocket() -> None:
    async with served(EchoApp()) as house, await house.connect() as stream:
        await stream.send_all(UPGRADE)
        await heard(stream, b"\r\n\r\n")
        await stream.send_all(b"\x81\xff" + (1_000_000).to_bytes(8, "big") + b"\0" * 4)
        try:
            await stream.send_all(b"x" * 1_000_000)
        except trio.BrokenResourceError:
            return
        assert b"heard" not in await all_of(stream)


async def test_cancelled_it_says_so_first_and_streams_end_in_good_order() -> None:
    app = EchoApp()
    async with served(app, stopping=app.stopping.set) as house, await house.connect() as stream:
        await stream.send_all(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
        await heard(stream, b"xxxxxxxxxx")
        idle = await house.connect()
        house.stop()
        assert (await all_of(stream)).endswith(b"0\r\n\r\n")
        assert await all_of(idle) == b""
        with trio.fail_after(LONG_S):
            await house.ended.wait()
        assert app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


async def test_whoever_is_idle_longest_makes_room() -> None:
    async with served(EchoApp(), connections=3) as house:
        first, second, third = [await house.connect() for _ in range(3)]
        await house.until(lambda: len(house.server.crowd) == 3)
        for stream in (second, third):
            await stream.send_all(GET)
            await heard(stream, b"200")
        fourth = await house.connect()
        await fourth.send_all(GET)
        await heard(fourth, b"200")
        assert await all_of(first) == b""
        assert len(house.server.crowd) == 3


async def test_one_address_cannot_take_every_place() -> None:
    async with served(EchoApp(), connections=10, per_address=2) as house:
        kept = [await house.connect() for _ in range(2)]
        await house.until(lambda: len(house.server.crowd) == 2)
        assert await house.said(GET) == b""
        await kept[0].aclose()
        await house.until(lambda: len(house.server.crowd) == 1)
        async with await house.connect() as stream:
            await stream.send_all(GET)
            await heard(stream, b"200")


async def test_tls_is_spoken_with_the_certificate_of_the_settings(tmp_path: Path) -> None:
    files = make_certificates(tmp_path, ["localhost"], datetime.now(UTC))
    trust = ssl.create_default_context(cafile=str(files.authority))
    async with served(EchoApp(), certificate=files.server, key=files.server_key) as house:
        plain = await house.connect()
        stream = trio.SSLStream(plain, trust, server_hostname="localhost", https_compatible=True)
        await stream.send_all(GET)
        with trio.fail_after(LONG_S):
            assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 200")
        assert house.server.url.startswith("https://127.0.0.1:")
        await plain.aclose()


async def test_a_taken_port_and_an_unreadable_certificate_are_said(tmp_path: Path) -> None:
    async with served(EchoApp()) as house:
        with pytest.raises(AdapterError, match="cannot listen"):
            await serve_http(EchoApp(), HttpBinding(port=house.address[1]))
    missing = tmp_path / "none.pem"
    with pytest.raises(UserError, match="certificate"):
        await serve_http(EchoApp(), HttpBinding(certificate=missing, certificate_key=missing))
